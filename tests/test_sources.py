"""`[secrets.NAME] source`: what each kind of caller is given, or why it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockerfix.engine import Options, Result, run
from dockerfix.workspace import Workspace

TOKEN = "npm_Qv7dX2mZ9sKf4Lw8Rb1Tn6Yc3Hj5Pg0Ae2Ui"
ARGUMENT = b"FROM node:20 AS b\nARG NPM_TOKEN\nRUN npm ci\nFROM x\nCOPY --from=b /a /a\n"
LITERAL = ARGUMENT.replace(b"ARG NPM_TOKEN", b"ARG NPM_TOKEN=" + TOKEN.encode())
ACTION = """on: push
jobs:
  image:
    runs-on: ubuntu-latest
    steps:
      - uses: docker/build-push-action@v6
        env:
          OTHER: ${{{{ secrets.OTHER }}}}
        with:
          context: .
{args}"""
RUN = """on: push
jobs:
  image:
    runs-on: ubuntu-latest
    env:
      OTHER: ${{{{ secrets.OTHER }}}}
    steps:
      - run: docker build{args} .
"""
CALLERS = {
    "build.sh": ("#!/bin/sh\ndocker build{args} .\n", " --build-arg NPM_TOKEN=$NPM_TOKEN"),
    "Makefile": ("image:\n\tdocker build{args} .\n", " --build-arg NPM_TOKEN=$(NPM_TOKEN)"),
    "justfile": ("image:\n    docker build{args} .\n", " --build-arg NPM_TOKEN=$NPM_TOKEN"),
    "Taskfile.yml": (
        "version: '3'\ntasks:\n  image:\n    cmds:\n      - docker build{args} .\n",
        " --build-arg NPM_TOKEN={{.NPM_TOKEN}}",
    ),
    "package.json": (
        '{{"scripts": {{"image": "docker build{args} ."}}}}\n',
        " --build-arg NPM_TOKEN=$NPM_TOKEN",
    ),
    ".gitlab-ci.yml": (
        "build:\n  script:\n    - docker build{args} .\n",
        " --build-arg NPM_TOKEN=$NPM_TOKEN",
    ),
    ".github/workflows/run.yml": (RUN, " --build-arg NPM_TOKEN=${{ secrets.NPM_TOKEN }}"),
    ".github/workflows/action.yml": (
        ACTION,
        "          build-args: |\n            NPM_TOKEN=${{ secrets.NPM_TOKEN }}\n",
    ),
    "compose.yml": (
        "services:\n  app:\n    build:\n      context: .\n{args}",
        "      args:\n        NPM_TOKEN: ${NPM_TOKEN}\n",
    ),
    "docker-bake.hcl": (
        'variable "NPM_TOKEN" {{}}\ntarget "app" {{\n  context = "."\n{args}}}\n',
        "  args = {\n    NPM_TOKEN = NPM_TOKEN\n  }\n",
    ),
    "README.md": ("```sh\ndocker build{args} .\n```\n", " --build-arg NPM_TOKEN=$NPM_TOKEN"),
    "ctl.sh": (
        "#!/bin/sh\nbuildctl build{args} --local context=. --local dockerfile=.\n",
        " --opt build-arg:NPM_TOKEN=$NPM_TOKEN",
    ),
    "podman.sh": ("#!/bin/sh\npodman build{args} .\n", " --build-arg NPM_TOKEN=$NPM_TOKEN"),
}
SHELL = (
    "build.sh", "Makefile", "justfile", "Taskfile.yml", ".gitlab-ci.yml", ".github/workflows/run.yml",
    "README.md", "ctl.sh", "podman.sh",
)  # fmt: skip
COMMAND = "command:vault kv get -field=token secret/npm"
GIVEN = {
    "env:OTHER": {
        "": "--secret id=NPM_TOKEN,env=OTHER",
        ".github/workflows/action.yml": "secrets: |\n            NPM_TOKEN=${{ env.OTHER }}",
        "compose.yml": "secrets:\n  NPM_TOKEN:\n    environment: OTHER",
        "docker-bake.hcl": '["id=NPM_TOKEN,env=OTHER"]',
    },
    "file:ci/token": {
        "": "--secret id=NPM_TOKEN,src=ci/token",
        "podman.sh": "--secret id=NPM_TOKEN,type=file,src=ci/token",
        ".github/workflows/action.yml": "secret-files: |\n            NPM_TOKEN=ci/token",
        "compose.yml": "secrets:\n  NPM_TOKEN:\n    file: ci/token",
        "docker-bake.hcl": '["id=NPM_TOKEN,src=ci/token"]',
    },
    "file:~/.npm": {
        "": '--secret "id=NPM_TOKEN,src=$HOME/.npm"',
        "podman.sh": '--secret "id=NPM_TOKEN,type=file,src=$HOME/.npm"',
        "Makefile": '--secret "id=NPM_TOKEN,src=$$HOME/.npm"',
        "package.json": r"--secret \"id=NPM_TOKEN,src=$HOME/.npm\"",
        ".github/workflows/action.yml": "does not know `~`",
        "compose.yml": "file: ~/.npm",
        "docker-bake.hcl": "does not know `~`",
    },
    COMMAND: {
        "": 'NPM_TOKEN="$(vault kv get -field=token secret/npm)" ',
        "Makefile": 'NPM_TOKEN="$$(vault kv get -field=token secret/npm)" docker',
        "package.json": "cmd.exe on Windows",
        ".github/workflows/action.yml": "cannot run a command",
        "compose.yml": "no secret from a command",
        "docker-bake.hcl": "no secret from a command",
    },
}


def result(folder: Path, dockerfile: bytes, name: str, text: str, source: str) -> Result:
    config = f"root = true\n[secrets.NPM_TOKEN]\nsource = {json.dumps(source)}\n"
    (folder / ".dockerfix.toml").write_text(config)
    (folder / "Dockerfile").write_bytes(dockerfile)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    found = run(Workspace(folder), ["Dockerfile"], Options(unsafe_fixes=True))
    assert not found.errors
    return found


@pytest.mark.parametrize("passed", [True, False], ids=["argument", "literal"])
@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("source", GIVEN)
def test_each_source_in_each_kind_of_caller(
    tmp_path: Path, source: str, name: str, passed: bool
) -> None:
    """Whether the call passed an argument, or the value stood in the Dockerfile."""
    text, args = CALLERS[name]
    dockerfile = ARGUMENT if passed else LITERAL
    done = result(tmp_path, dockerfile, name, text.format(args=args if passed else ""), source)
    expected = GIVEN[source].get(name, GIVEN[source][""])
    refusals = [one.reason for each in done.findings for one in each.finding.refusals]
    if not done.changes:
        assert any(expected in one for one in refusals)
        return
    assert not refusals
    assert TOKEN.encode() not in done.changes["Dockerfile"][1]
    assert expected in done.changes[name][1].decode()
    if name in SHELL and source == COMMAND:
        assert b"--secret id=NPM_TOKEN,env=NPM_TOKEN" in done.changes[name][1]


@pytest.mark.parametrize("name", [".github/workflows/run.yml", ".github/workflows/action.yml"])
def test_a_variable_that_the_workflow_does_not_set_is_unsafe(tmp_path: Path, name: str) -> None:
    text, args = CALLERS[name]
    done = result(tmp_path, ARGUMENT, name, text.format(args=args), "env:UNSEEN")
    found = {one.finding.name: one.finding for one in done.findings}
    assert found["secret-in-arg"].safety.value == "unsafe"
    assert "is seen to set UNSEEN" in found["secret-in-arg"].reason
    # What is left in a step says so too; an action may get it from elsewhere.
    assert ("secret-wrongly-given" in found) == name.endswith("run.yml")


def test_a_literal_of_a_script_moves_to_the_source(tmp_path: Path) -> None:
    script = f"#!/bin/sh\ndocker build --build-arg NPM_TOKEN={TOKEN} .\n"
    done = result(tmp_path, ARGUMENT, "build.sh", script, "env:OTHER")
    assert done.changes["build.sh"][1] == (
        b"#!/bin/sh\ndocker build --secret id=NPM_TOKEN,env=OTHER .\n"
    )


@pytest.mark.parametrize(
    ("name", "text", "path"),
    [
        ("ci/build.sh", "#!/bin/sh\ncd ..\ndocker build --build-arg NPM_TOKEN=$1 .\n", b"src=ci/t"),
        ("deploy/compose.yml", "services:\n  a:\n    build:\n      context: ..\n      args: [NPM_TOKEN]\n", b"file: ../ci/t"),
        ("Makefile", "a:\n\tcd ci && docker build --build-arg NPM_TOKEN=$$X -f ../Dockerfile ..\n", b"src=t"),
    ],
)  # fmt: skip
def test_a_path_counts_from_where_the_client_runs(
    tmp_path: Path, name: str, text: str, path: bytes
) -> None:
    done = result(tmp_path, ARGUMENT, name, text, "file:ci/t")
    assert path in done.changes[name][1]
