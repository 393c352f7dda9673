"""Secrets that a build gives wrongly, in shell: what is seen, and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from rewriting import rewrite

from dockerfix.builders.secret_flags import read, variable
from dockerfix.source import Span

PASS = "secret-wrongly-given"
MOUNTS = b"RUN --mount=type=secret,id=TOKEN,env=TOKEN npm ci\n"
X = variable("NPM_TOKEN")


@pytest.mark.parametrize(
    ("text", "id", "source", "mended"),
    [
        ("id=a,env=B", "a", "env:B", None),
        ("ID=a,SRC=b", "a", "file:b", None),
        ("id=a", "a", "", None),
        ("type=file,id=a,source=b", "a", "file:b", None),
        (f"id=a,src={X}/b", "a", f"file:{X}/b", None),
        ("id=a,target=b", "a", "", None),
        ("", "", "", None),
        (f"id=a,env={X}", "a", "?", "id=a,env=NPM_TOKEN"),
        (f"id=a,src={X}", "a", "?", "id=a,env=NPM_TOKEN"),
        (f"id={X}", "", "?", "id=NPM_TOKEN,env=NPM_TOKEN"),
        ("NPM_TOKEN", "NPM_TOKEN", "?", "id=NPM_TOKEN"),
        ("npm,src=.npmrc", "npm", "?", "id=npm,src=.npmrc"),
        (f"NPM_TOKEN={X}", "NPM_TOKEN", "?", ""),
    ],
)
def test_a_flag_is_read(text: str, id: str, source: str, mended: str | None) -> None:
    found = read(text, Span(0, 0))
    assert (found.id, found.source) == (id, source)
    assert (found.fault.mended if found.fault is not None else None) == mended


@pytest.mark.parametrize(
    ("script", "becomes"),
    [
        (b"docker build --secret id=TOKEN,env=$TOKEN .", b"--secret id=TOKEN,env=TOKEN ."),
        (b"docker build --secret=id=TOKEN,src='x' --secret TOKEN=$1 .", b"--secret id=TOKEN,env="),
        (b"TOKEN=$1\ndocker build --secret id=TOKEN,env=TOKEN .", b'TOKEN="$TOKEN" docker build'),
        (
            b"read -r TOKEN\ndocker build --secret id=TOKEN,env=TOKEN .",
            b'TOKEN="$TOKEN" docker build --secret id=TOKEN,env=TOKEN .',
        ),
        (
            b"TOKEN=$1\nsudo docker build --secret id=TOKEN,env=TOKEN .",
            b'TOKEN="$TOKEN" sudo --preserve-env=TOKEN docker build --secret id=TOKEN,env=TOKEN .',
        ),
        (
            b"sudo docker build --secret id=TOKEN,env=$TOKEN .",
            b"sudo --preserve-env=TOKEN docker build --secret id=TOKEN,env=TOKEN .",
        ),
    ],
)
def test_it_is_given_as_it_was_meant(tmp_path: Path, script: bytes, becomes: bytes) -> None:
    done = rewrite(tmp_path, MOUNTS, script + b"\n")
    assert becomes in done.script
    assert {one.outcome for one in done.result.findings} == {"fixed"}


@pytest.mark.parametrize(
    "script",
    [
        b"TOKEN_FILE=$(mktemp)\ndocker build --secret id=TOKEN,src=$TOKEN_FILE .",
        b"docker build --secret id=TOKEN,src=$SSH_KEY .",
        b"docker build --secret id=TOKEN,src=$NPMRC .",
        b"docker build --secret id=TOKEN,src=$1 .",
        b"docker build --secret id=$SECRET,env=TOKEN .",
        b"NAME=TOKEN\ndocker build --secret id=TOKEN,env=$NAME .",
        b'for one in TOKEN OTHER; do docker build --secret "id=$one,env=$one" .; done',
        b"docker build --secret id=TOKEN,env=$TOKEN_NAME .",
        b"export TOKEN\nTOKEN=$1\ndocker build --secret id=TOKEN,env=TOKEN .",
        b"set -a\nTOKEN=$1\ndocker build --secret id=TOKEN,env=TOKEN .",
        b". ./env\nTOKEN=$1\ndocker build --secret id=TOKEN,env=TOKEN .",
        b"TOKEN=$1 docker build --secret id=TOKEN,env=TOKEN .",
        b"[ -n x ] && TOKEN=$1\ndocker build --secret id=TOKEN,env=TOKEN .",
        b"export TOKEN=${TOKEN:-x}\ndocker build --secret id=TOKEN,env=TOKEN .",
        b"env TOKEN=$1 docker build --secret id=TOKEN,env=TOKEN .",
    ],
)
def test_what_may_be_right_is_left_alone(tmp_path: Path, script: bytes) -> None:
    done = rewrite(tmp_path, MOUNTS, script + b"\n")
    assert not [one for one in done.result.findings if one.finding.name == PASS]


WORKFLOW = """on: push
jobs:
  image:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: {run}
"""
BUILD = "docker build --secret id=TOKEN,env=TOKEN ."


@pytest.mark.parametrize(
    ("workflow", "wrong"),
    [
        (WORKFLOW.format(run=BUILD), True),
        (WORKFLOW.format(run="TOKEN=x " + BUILD), False),
        (WORKFLOW.format(run=". ./env && " + BUILD), False),
        (WORKFLOW.format(run="read TOKEN < t; export TOKEN; " + BUILD), False),
        (WORKFLOW.format(run="sh -c '" + BUILD + "'"), False),
        (WORKFLOW.format(run=BUILD) + "        env: {TOKEN: x}\n", False),
        ("env: {TOKEN: x}\n" + WORKFLOW.format(run=BUILD), False),
        (WORKFLOW.format(run=BUILD) + "      - run: echo TOKEN=x >> $GITHUB_ENV\n", False),
        (WORKFLOW.format(run=BUILD).replace("ubuntu-latest", "builder"), False),
        (WORKFLOW.format(run=BUILD).replace("actions/checkout@v4", "a/vault@v1"), False),
        (WORKFLOW.format(run=BUILD).replace("env=TOKEN", "env=GITHUB_SHA"), False),
        # The name is a value that is not known here.
        (
            "env: {NAME: '${{ secrets.NAME }}'}\n"
            + WORKFLOW.format(run=BUILD).replace("env=TOKEN", "env=$NAME"),
            False,
        ),
    ],
)
def test_a_step_has_what_env_gives_it(tmp_path: Path, workflow: str, wrong: bool) -> None:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/a.yml").write_text(workflow)
    done = rewrite(tmp_path, MOUNTS, b"echo\n", unsafe=False)
    assert bool([one for one in done.result.findings if one.finding.name == PASS]) == wrong
