"""`docker compose build` in a proof: the real client, with one more compose file behind the others.

That file gives every build what a build on an engine without a network needs: no network, no
cache, local base images, the fullest provenance. All else, and above all where values and secrets
come from, is as the command has it. Run as `python -m dockerfix.verify.composed CLIENT BASES
compose ...`; BASES is JSON, names behind FROM to local images.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_DEFAULTS = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OTHERS = ("--project-directory", "-p", "--project-name", "--profile", "--env-file", "--progress")


def split(words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """The files, the other global flags, and what follows, of the words behind `compose`."""
    files: list[str] = []
    flags: list[str] = []
    at = 0
    while at < len(words) and words[at].startswith("-"):
        name, equals, value = words[at].partition("=")
        if not equals and name in ("-f", "--file", *_OTHERS):
            at += 1
            value = words[at]
        if name in ("-f", "--file"):
            files.append(value)
        else:
            flags += [name, value] if value else [name]
        at += 1
    return files, flags, list(words[at:])


def defaults(folder: Path) -> Iterable[str]:
    """The files that compose reads unasked in `folder`."""
    for name in _DEFAULTS:
        if (folder / name).exists():
            yield name
            stem = name.rpartition(".")[0]
            beside = (f"{stem}.override.yml", f"{stem}.override.yaml")
            yield from (one for one in beside if (folder / one).exists())
            return


def additions(services: Mapping[str, Any], bases: Mapping[str, str]) -> dict[str, Any]:
    """The further compose file, for the services of `docker compose config`."""
    build = {
        "network": "none",
        "no_cache": True,
        "provenance": "mode=max",
        "additional_contexts": {name: f"docker-image://{one}" for name, one in bases.items()},
    }
    built = [name for name, service in services.items() if "build" in service]
    return {"services": {name: {"build": build} for name in built}}


def main(arguments: Sequence[str]) -> int:
    client, bases, compose, *words = arguments
    files, flags, rest = split(words)
    if not files and "COMPOSE_FILE" in os.environ:
        files = os.environ["COMPOSE_FILE"].split(os.pathsep)
    chosen = [word for one in files or defaults(Path()) for word in ("-f", one)]
    command = [client, compose, *flags, *chosen]
    asked = subprocess.run([*command, "config", "--format", "json"], capture_output=True)
    if rest[:1] != ["build"] or asked.returncode:
        return subprocess.run([*command, *rest]).returncode
    added = additions(json.loads(asked.stdout)["services"], json.loads(bases))
    with tempfile.TemporaryDirectory(prefix="dockerfix-") as folder:
        path = Path(folder) / "added.json"
        path.write_text(json.dumps(added))
        last = ["-f", os.fspath(path), "--progress", "plain", *rest]
        return subprocess.run([*command, *last]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
