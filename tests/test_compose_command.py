"""`docker compose build --build-arg` of every kind: the flag goes, the file gives the secret, and
the command's environment holds the value (S8)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dockerfix.engine import Options, Result, run
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DOCKERFILE = "FROM node:20\nARG NPM_TOKEN\nRUN npm ci\n"
FILE = "services:\n  web:\n    build: .\n"


def fixed(folder: Path, files: Mapping[str, str]) -> tuple[Result, dict[str, str]]:
    """What became of each file of a tree."""
    tree = {".dockerfix.toml": "root = true\n", "Dockerfile": DOCKERFILE, **files}
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    result = run(Workspace(str(folder)), [""], Options(unsafe_fixes=True))
    assert not result.errors, result.errors
    new = {path: data.decode() for path, (_, data) in result.changes.items()}
    return result, {**tree, **new}


def sources(text: str) -> dict[str, Any]:
    """Where each top-level secret comes from."""
    found = yaml.safe_load(text).get("secrets", {})
    return dict(found)


def ids(text: str, service: str = "web") -> list[str]:
    build = yaml.safe_load(text)["services"][service]["build"]
    return list(build.get("secrets", ())) if isinstance(build, dict) else []


COMMANDS = [
    # What the shell has already.
    ('docker compose build --build-arg NPM_TOKEN="$NPM_TOKEN"', "docker compose build"),
    ("docker compose build --build-arg NPM_TOKEN web", "docker compose build web"),
    ("docker-compose build --build-arg=NPM_TOKEN=$NPM_TOKEN web", "docker-compose build web"),
    (
        "docker compose --profile a -p x -f docker-compose.yml build --build-arg NPM_TOKEN --pull",
        "docker compose --profile a -p x -f docker-compose.yml build --pull",
    ),
    (
        "docker --log-level warn compose build --no-cache --build-arg NPM_TOKEN=$NPM_TOKEN",
        "docker --log-level warn compose build --no-cache",
    ),
    # What it must be told.
    (
        'docker compose build --build-arg NPM_TOKEN="$OTHER"',
        'NPM_TOKEN="$OTHER" docker compose build',
    ),
    (
        "docker compose build --build-arg NPM_TOKEN=$1 web",
        'NPM_TOKEN="$1" docker compose build web',
    ),
    (
        "docker compose build --build-arg NPM_TOKEN=$(pass npm)",
        'NPM_TOKEN="$(pass npm)" docker compose build',
    ),
    (
        "set -u; docker compose build --build-arg NPM_TOKEN=${OTHER:-}",
        'set -u; NPM_TOKEN="${OTHER:-}" docker compose build',
    ),
    (
        "set -u; docker compose build --build-arg NPM_TOKEN=$NPM_TOKEN",
        'set -u; NPM_TOKEN="$NPM_TOKEN" docker compose build',
    ),
    (
        "sudo docker compose build --build-arg NPM_TOKEN=$NPM_TOKEN",
        "sudo --preserve-env=NPM_TOKEN docker compose build",
    ),
    (
        'A=(--pull --build-arg NPM_TOKEN=$NPM_TOKEN)\ndocker compose build "${A[@]}"',
        'A=(--pull)\ndocker compose build "${A[@]}"',
    ),
]


@pytest.mark.parametrize(("before", "after"), COMMANDS)
def test_the_command_keeps_the_value(tmp_path: Path, before: str, after: str) -> None:
    files = {"docker-compose.yml": FILE, "build.sh": f"#!/bin/bash\n{before}\n"}
    _, new = fixed(tmp_path, files)
    assert new["build.sh"] == f"#!/bin/bash\n{after}\n"
    assert sources(new["docker-compose.yml"]) == {"NPM_TOKEN": {"environment": "NPM_TOKEN"}}
    assert ids(new["docker-compose.yml"]) == ["NPM_TOKEN"]
    assert "ARG" not in new["Dockerfile"]


def in_github(run: str) -> str:
    return f"on: push\njobs:\n  b:\n    runs-on: ubuntu-latest\n    steps:\n      - run: {run}\n"


HOSTS = [
    (
        ".github/workflows/a.yml",
        in_github("docker compose build --build-arg NPM_TOKEN=${{ secrets.NPM }}"),
        in_github("docker compose build\n        env:\n          NPM_TOKEN: ${{ secrets.NPM }}"),
    ),
    (
        "Makefile",
        "b:\n\tdocker compose build --build-arg NPM_TOKEN=$(TOKEN)\n",
        'b:\n\tNPM_TOKEN="$${TOKEN}" docker compose build\n',
    ),
    (
        "package.json",
        '{"scripts": {"b": "docker compose build --build-arg NPM_TOKEN=$NPM_TOKEN"}}\n',
        '{"scripts": {"b": "docker compose build"}}\n',
    ),
    (
        ".gitlab-ci.yml",
        "b:\n  script:\n    - docker compose build --build-arg NPM_TOKEN=$TOKEN web\n",
        'b:\n  script:\n    - NPM_TOKEN="$TOKEN" docker compose build web\n',
    ),
    (
        "Taskfile.yml",
        "version: '3'\ntasks:\n  b:\n    cmds:\n      - docker compose build --build-arg NPM_TOKEN\n",
        "version: '3'\ntasks:\n  b:\n    cmds:\n      - docker compose build\n",
    ),
    (
        "README.md",
        "```sh\ndocker compose build --build-arg NPM_TOKEN=$NPM_TOKEN\n```\n",
        "```sh\ndocker compose build\n```\n",
    ),
]


@pytest.mark.parametrize(("path", "before", "after"), HOSTS, ids=[one[0] for one in HOSTS])
def test_in_every_kind_of_file(tmp_path: Path, path: str, before: str, after: str) -> None:
    _, new = fixed(tmp_path, {"docker-compose.yml": FILE, path: before})
    assert new[path] == after
    assert ids(new["docker-compose.yml"]) == ["NPM_TOKEN"]


PLACES = [
    ("sub/compose.yaml", "cd sub && docker compose build", "build: .."),
    ("sub/compose.yaml", "docker compose -f sub/compose.yaml build", "build: .."),
    ("stack.yml", "COMPOSE_FILE=stack.yml docker compose build", "build: ."),
    ("stack.yml", "export COMPOSE_FILE=stack.yml\ndocker compose build", "build: ."),
    ("b.yml", "docker compose -f a.yml -f b.yml build", "build: ."),
    ("docker-compose.override.yml", "docker compose build", "build: {context: .}"),
]


@pytest.mark.parametrize(("path", "command", "build"), PLACES)
def test_the_file_that_the_command_reads(
    tmp_path: Path, path: str, command: str, build: str
) -> None:
    files = {
        "docker-compose.yml": "services:\n  web:\n    image: w\n",
        "a.yml": "services:\n  web:\n    image: w\n",
        path: f"services:\n  web:\n    {build}\n",
        "build.sh": f"#!/bin/sh\n{command} --build-arg NPM_TOKEN=$NPM_TOKEN\n",
    }
    _, new = fixed(tmp_path, files)
    assert new["build.sh"] == f"#!/bin/sh\n{command}\n"
    assert ids(new[path]) == ["NPM_TOKEN"]


def test_the_environment_file_names_the_compose_file(tmp_path: Path) -> None:
    command = "docker compose build --build-arg NPM_TOKEN=$NPM_TOKEN\n"
    files = {
        ".env": "COMPOSE_FILE=c/all.yml\n",
        "c/all.yml": FILE.replace(" .", " .."),
        "b.sh": command,
    }
    _, new = fixed(tmp_path, files)
    assert ids(new["c/all.yml"]) == ["NPM_TOKEN"]


def test_every_service_that_takes_it_gets_it_and_no_other(tmp_path: Path) -> None:
    services = "".join(f"  {one}:\n    build: {one}\n" for one in ("one", "two", "three"))
    files = {
        "docker-compose.yml": f"services:\n{services}",
        **{f"{one}/Dockerfile": DOCKERFILE for one in ("one", "two")},
        "three/Dockerfile": "FROM a\nARG OTHER\nRUN b\n",
        "b.sh": "docker compose build --build-arg NPM_TOKEN --build-arg OTHER=1\n",
    }
    _, new = fixed(tmp_path, files)
    assert new["b.sh"] == "docker compose build --build-arg OTHER=1\n"
    assert [ids(new["docker-compose.yml"], one) for one in ("one", "two", "three")] == [
        ["NPM_TOKEN"], ["NPM_TOKEN"], [],
    ]  # fmt: skip


def test_one_service_that_cannot_change_holds_all_back(tmp_path: Path) -> None:
    files = {
        "docker-compose.yml": FILE + "  two:\n    build: two\n",
        "two/Dockerfile": "FROM a\nARG NPM_TOKEN\nCOPY $NPM_TOKEN /\nRUN npm ci\n",
        "b.sh": "docker compose build --build-arg NPM_TOKEN\n",
    }
    result, _ = fixed(tmp_path, files)
    assert not result.changes


VARIABLES = [
    # The file passes it too, under a name of its own.
    ("NPM_TOKEN: ${CI_TOKEN}", "$CI_TOKEN", "CI_TOKEN", "docker compose build"),
    ("NPM_TOKEN: ${CI_TOKEN}", "$X", "CI_TOKEN", 'CI_TOKEN="$X" docker compose build'),
    ("NPM_TOKEN:", "$X", "NPM_TOKEN", 'NPM_TOKEN="$X" docker compose build'),
    # The file uses the name for something else, which the command must not change.
    (
        "OTHER: ${NPM_TOKEN}",
        "$X",
        "DOCKERFIX_NPM_TOKEN",
        'DOCKERFIX_NPM_TOKEN="$X" docker compose build',
    ),
]


@pytest.mark.parametrize(("entry", "value", "variable", "after"), VARIABLES)
def test_the_variable_is_the_files_own(
    tmp_path: Path, entry: str, value: str, variable: str, after: str
) -> None:
    files = {
        "compose.yaml": f"services:\n  web:\n    build:\n      context: .\n      args:\n        {entry}\n",
        "b.sh": f"docker compose build --build-arg NPM_TOKEN={value}\n",
    }
    _, new = fixed(tmp_path, files)
    assert new["b.sh"] == f"{after}\n"
    assert sources(new["compose.yaml"]) == {"NPM_TOKEN": {"environment": variable}}


REFUSED = [
    ("docker compose $F build --build-arg NPM_TOKEN", FILE, "which file"),
    ("docker compose -f gone.yml build --build-arg NPM_TOKEN", FILE, "which file"),
    ("docker compose --project-directory x build --build-arg NPM_TOKEN", FILE, "which file"),
    (
        "docker compose build --build-arg NPM_TOKEN=$X",
        "services:\n  web:\n    build: {context: ., args: {NPM_TOKEN: $Y, Z: $Y}}\n",
        "other things",
    ),
    (
        "docker compose build --build-arg NPM_TOKEN",
        FILE + "  far:\n    build: https://h/a.git\n",
        "cannot be tied",
    ),
    (
        "readonly NPM_TOKEN=$(x); docker compose build --build-arg NPM_TOKEN=$NPM_TOKEN",
        FILE,
        "another",
    ),
    ("ssh h docker compose build --build-arg NPM_TOKEN=$NPM_TOKEN", FILE, "ssh"),
    ("env -i docker compose build --build-arg NPM_TOKEN=$NPM_TOKEN", FILE, "env -i"),
]


@pytest.mark.parametrize(("command", "file", "reason"), REFUSED)
def test_what_is_refused(tmp_path: Path, command: str, file: str, reason: str) -> None:
    files = {"docker-compose.yml": file, "b.sh": f"#!/bin/bash\n{command}\n"}
    result, _ = fixed(tmp_path, files)
    assert not result.changes
    (finding,) = (one.finding for one in result.findings)
    assert any(reason in one.reason and one.help for one in finding.refusals), finding.refusals


def test_configured_sources(tmp_path: Path) -> None:
    root = "root = true\n[secrets.NPM_TOKEN]\nsource = "
    files = {
        "deploy/compose.yaml": FILE.replace(" .", " .."),
        "b.sh": "docker compose -f deploy/compose.yaml build --build-arg NPM_TOKEN=abc\n",
    }
    plain = "docker compose -f deploy/compose.yaml build\n"
    for source, before, said in (
        ("file:keys/npm", "", {"file": "../keys/npm"}),
        ("env:CI_NPM", "", {"environment": "CI_NPM"}),
        ("command:pass npm", 'NPM_TOKEN="$(pass npm)" ', {"environment": "NPM_TOKEN"}),
    ):
        config = {".dockerfix.toml": f'{root}"{source}"\n'}
        _, new = fixed(tmp_path, {**files, **config})
        assert new["b.sh"] == before + plain
        assert sources(new["deploy/compose.yaml"]) == {"NPM_TOKEN": said}


@pytest.mark.skipif(
    not os.environ.get("DOCKERFIX_ENGINE") or shutil.which("docker") is None,
    reason="DOCKERFIX_ENGINE is not set: no compose to ask",
)
def test_compose_reads_what_the_proof_adds(tmp_path: Path) -> None:
    """The proof's further file changes how a service is built, and not what it is given."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("this docker has no compose")
    from dockerfix.verify.composed import additions, defaults, split

    (tmp_path / "compose.yaml").write_text(
        "services:\n  a: {build: {context: ., args: [X=1], secrets: [s]}}\n  b: {image: c}\n"
        "secrets: {s: {environment: S}}\n"
    )
    command = ["docker", "compose", "-f", *defaults(tmp_path)]
    asked = [*command, "config", "--format", "json"]
    old = json.loads(subprocess.check_output(asked, cwd=tmp_path))
    added = additions(old["services"], {"node:20": "local/base:1"})
    (tmp_path / "added.json").write_text(json.dumps(added))
    asked[len(command) : len(command)] = ["-f", "added.json"]
    new = json.loads(subprocess.check_output(asked, cwd=tmp_path))
    for key in ("network", "no_cache", "provenance", "additional_contexts"):
        assert new["services"]["a"]["build"].pop(key)
    assert new == old
    assert split(["-f", "a", "--profile=p", "-p", "n", "build", "-f"]) == (
        ["a"], ["--profile", "p", "-p", "n"], ["build", "-f"],
    )  # fmt: skip
