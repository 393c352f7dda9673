"""Builds many generated trees at once on a real engine, and says what each RUN saw.

The caller of each tree runs with a `docker` that only notes what it was given. One `buildx bake`
then builds a batch of them, each to a file, and nothing is left in the engine's store.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from dockerfix.verify.engine import without_syntax
from dockerfix.verify.image import Image

SAW = re.compile(r"^#\d+ \d[\d.]* (saw (\d+)\.\S* .*)$", re.MULTILINE)
BATCH = 16
NOTES = """\
#!/bin/sh
{ printf '%s\\0' "$@"; printf '\\0'; env -0; } > "$NOTES"
"""


@dataclass(frozen=True)
class Given:
    """What a caller gives to the client: build arguments, and secrets by id."""

    arguments: Mapping[str, str]
    secrets: Mapping[str, str]


@dataclass
class Outcome:
    code: int
    saw: list[str] = field(default_factory=list)
    image: Image | None = None
    log: str = ""


@dataclass
class Build:
    """One tree to build. `stops` says that it may fail, and must not take others with it."""

    key: str
    number: int
    tree: Path
    given: Given
    stops: bool = False


def given(script: Path, values: Mapping[str, str], scratch: Path) -> Given:
    """Run the script, which starts one `docker build`, with `values` as its environment."""
    scratch.mkdir(parents=True, exist_ok=True)
    tool, notes = scratch / "docker", scratch / "notes"
    tool.write_text(NOTES)
    tool.chmod(0o755)
    environment = {**values, "NOTES": os.fspath(notes), "PATH": f"{scratch}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", os.fspath(script)],
        env=environment,
        capture_output=True,
        text=True,
        cwd=script.parent,
    )
    assert done.returncode == 0, done.stderr
    words, _, rest = notes.read_bytes().partition(b"\0\0")
    pairs = (one.partition(b"=") for one in rest.split(b"\0"))
    client = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    return _read([os.fsdecode(word) for word in words.split(b"\0")], client)


def _read(words: list[str], client: Mapping[str, str]) -> Given:
    """Rules 5.2, 5.3 and 5.5: how the client takes --build-arg and --secret."""
    arguments, secrets = {}, {}
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag not in ("--build-arg", "--secret"):
            continue
        value = value if equals else next(rest)
        if flag == "--build-arg":
            name, equals, text = value.partition("=")
            if equals or name in client:
                arguments[name] = text if equals else client[name]
            continue
        options = dict(one.split("=", 1) for one in next(csv.reader([value])))
        assert set(options) <= {"id", "env"}, options
        # A bare id that is no variable would be a file, which is not there.
        if "env" in options or options["id"] in client:
            secrets[options["id"]] = client.get(options.get("env", options["id"]), "")
    return Given(arguments, secrets)


def build(builds: Iterable[Build], base: str, scratch: Path) -> dict[str, Outcome]:
    """The outcome of each build by its key. No two of `builds` may share a number: equal steps of
    one bake would run once."""
    builds = list(builds)
    steady = [one for one in builds if not one.stops]
    chunks = [steady[at : at + BATCH] for at in range(0, len(steady), BATCH)]
    alone = [[one] for one in builds if one.stops]
    found: dict[str, Outcome] = {}
    for chunk in chunks:
        done = _bake(chunk, base, scratch)
        if done is None:
            alone += [[one] for one in chunk]
        else:
            found |= done
    with ThreadPoolExecutor(max_workers=3) as pool:
        for one in pool.map(lambda chunk: _bake(chunk, base, scratch, single=True), alone):
            found |= one or {}
    return found


def _bake(
    chunk: list[Build], base: str, scratch: Path, *, single: bool = False
) -> dict[str, Outcome] | None:
    targets, environment = {}, dict(os.environ)
    endpoint = environment["DOCKERFIX_ENGINE"]
    if endpoint != "default":
        environment["DOCKER_HOST"] = endpoint
    for one in chunk:
        copy = one.tree / "Dockerfile.built"
        copy.write_bytes(without_syntax((one.tree / "Dockerfile").read_bytes()))
        secrets = []
        for at, (id, value) in enumerate(one.given.secrets.items()):
            variable = f"GENERATED_{one.number}_{at}"
            environment[variable] = value
            secrets.append(f"id={id},env={variable}")
        targets[f"t{one.number}"] = {
            "context": os.fspath(one.tree),
            "dockerfile": "Dockerfile.built",
            "contexts": {"base": f"docker-image://{base}"},
            "args": {name: _literal(value) for name, value in one.given.arguments.items()},
            "secret": secrets,
            "no-cache": True,
            "network": "none",
            "attest": ["type=provenance,mode=max"],
            "output": [f"type=oci,dest={scratch}/{one.key}.tar"],
        }
    file = scratch / f"bake-{chunk[0].key}.json"
    file.write_text(
        json.dumps({"group": {"default": {"targets": list(targets)}}, "target": targets})
    )
    command = [
        "docker",
        "buildx",
        "bake",
        "--allow=fs=*",
        "--progress=plain",
        "-f",
        os.fspath(file),
    ]
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    log = done.stdout.decode("utf-8", "replace")
    if done.returncode and not single:
        return None
    found = {one.key: Outcome(done.returncode, log=log) for one in chunk}
    numbers = {str(one.number): one.key for one in chunk}
    for line, number in SAW.findall(log):
        if number in numbers:
            found[numbers[number]].saw.append(line)
    for one in chunk:
        archive = scratch / f"{one.key}.tar"
        if done.returncode == 0:
            found[one.key].image = Image(archive.read_bytes())
        archive.unlink(missing_ok=True)
    return found


def _literal(value: str) -> str:
    """As bake's templates leave it."""
    return value.replace("${", "$${").replace("%{", "%%{")
