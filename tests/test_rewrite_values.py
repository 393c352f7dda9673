"""Composed ENVs and placeholders in a Dockerfile: what is written, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from rewriting import rewrite

SECRET = b"RUN --mount=type=secret,id=TOKEN,env=TOKEN "


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"ARG TOKEN\nENV Y=a:$TOKEN\nRUN npm ci", SECRET + b'export Y="a:${TOKEN}" && npm ci'),
        (b"ARG TOKEN\nENV Y a b $TOKEN\nRUN npm ci", SECRET + b'export Y="a b ${TOKEN}" && npm ci'),
        (
            b"ARG TOKEN\nENV T=$TOKEN Z=1\nENV Y=a:$T\nRUN curl $Y",
            SECRET + b'export Y="a:${TOKEN}" && curl $Y',
        ),
        (
            b"ARG TOKEN\nENV Y=a:$TOKEN\nENV Z=${Y}/b\nRUN curl $Z",
            SECRET + b'export Z="a:${TOKEN}/b" && curl $Z',
        ),
        (
            b"ARG TOKEN\nENV Y=${TOKEN:-none}\nRUN npm ci || exit 3",
            SECRET + b'export Y="${TOKEN:-none}" && npm ci || exit 3',
        ),
        (
            b"ARG TOKEN\nENV Y=a$TOKEN\nRUN npm ci & wait",
            SECRET + b'export Y="a${TOKEN}"; npm ci & wait',
        ),
        (
            b"ARG TOKEN\nARG H=h\nENV Y=a$TOKEN@$H$UNSET\nRUN npm ci",
            SECRET + b'export Y="a${TOKEN}@${H}${UNSET}" && npm ci',
        ),
        (
            b'SHELL ["/bin/bash", "-euo", "pipefail", "-c"]\nARG TOKEN\nENV Y=a$TOKEN$UNSET\nRUN npm ci',
            SECRET + b'export Y="a${TOKEN-}${UNSET-}" && npm ci',
        ),
        (b"ARG TOKEN\nENV Y=a$TOKEN\nENV Y=b\nRUN npm ci", SECRET + b"npm ci"),
    ],
)
def test_composed(tmp_path: Path, text: bytes, line: bytes) -> None:
    done = rewrite(tmp_path, text + b"\n")
    assert line in done.dockerfile.split(b"\n")
    if b"export" in line:
        assert done.finding().safety.value == "unsafe"
        assert not rewrite(tmp_path, text + b"\n", unsafe=False).result.changes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'ENV Y=a$TOKEN\nRUN ["npm", "ci"]', "exec form"),
        (b'ENV Y=a$TOKEN\nSHELL ["pwsh", "-c"]\nRUN npm ci', "no POSIX shell"),
        (b"ENV Y=a$TOKEN\nRUN <<E\n#!/usr/bin/python3\nE", "not shell"),
        (b'ENV Y=a$TOKEN\nSHELL ["/bin/sh", "-xc"]\nRUN npm ci', "prints each command"),
        (b"ENV Y=${TOKEN%x}\nRUN npm ci", "${TOKEN%...}"),
        (b"ARG H=h\nENV Y=a$TOKEN$H\nENV H=other\nRUN npm ci", "H is another one"),
        (b"ENV Y=$HOME$TOKEN\nRUN npm ci", "the shell has its own HOME"),
        (b"ENV Y=$Y:$TOKEN\nRUN npm ci", "an older Y"),
        (b"ENV Y=a$TOKEN\nLABEL l=$Y\nRUN npm ci", "LABEL"),
        (b"ENV Y=a$TOKEN\nENV Z=${Y:-b}\nRUN npm ci", "${Y:-...}"),
    ],
)
def test_composed_is_refused(tmp_path: Path, text: bytes, why: str) -> None:
    done = rewrite(tmp_path, b"ARG TOKEN\n" + text + b"\n")
    assert not done.result.changes
    assert any(why in one.reason for one in done.finding().refusals)


def test_what_the_container_reads_is_left(tmp_path: Path) -> None:
    text = b'FROM a\nARG TOKEN\nENV URL=a$TOKEN\nRUN npm ci\nCMD serve "$URL"\n'
    done = rewrite(tmp_path, text)
    assert not done.result.changes
    assert any("CMD on line 5" in one.reason for one in done.finding().refusals)


def test_env_that_no_run_reads_is_for_the_container(tmp_path: Path) -> None:
    text = b"FROM a\nARG TOKEN\nENV TOKEN=$TOKEN\nRUN mkdir x\n"
    done = rewrite(tmp_path, text)
    assert not done.result.changes
    assert any("containers" in one.reason for one in done.finding().refusals)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"ARG TOKEN=dummy\nRUN npm ci", b'export TOKEN="${TOKEN_SECRET:-dummy}" && npm ci'),
        (
            b'ARG TOKEN="change me"\nRUN npm ci',
            b'export TOKEN="${TOKEN_SECRET:-change me}" && npm ci',
        ),
        (
            b"ARG TOKEN=dummy\nENV Y=a$TOKEN\nRUN curl $Y",
            b'export Y="a${TOKEN_SECRET:-dummy}" && curl $Y',
        ),
        (
            b"ARG TOKEN=dummy\nENV Y=$TOKEN\nRUN curl $Y",
            b'export Y="${TOKEN_SECRET:-dummy}" && curl $Y',
        ),
    ],
)
def test_placeholder_stays_in_the_shell(tmp_path: Path, text: bytes, line: bytes) -> None:
    done = rewrite(tmp_path, text + b"\n")
    mount = b"RUN --mount=type=secret,id=TOKEN,env=TOKEN_SECRET "
    assert mount + line in done.dockerfile.split(b"\n")
    assert done.finding().safety.value == "unsafe"


def test_placeholder_of_a_global_argument(tmp_path: Path) -> None:
    text = b"ARG TOKEN=dummy\nFROM a AS build\nARG TOKEN\nRUN npm ci\nFROM b\n"
    done = rewrite(tmp_path, text)
    assert b'export TOKEN="${TOKEN_SECRET:-dummy}" && npm ci' in done.dockerfile
    assert b"ARG" not in done.dockerfile


def test_placeholder_in_the_file_form_is_loaded_first(tmp_path: Path) -> None:
    done = rewrite(tmp_path, b"USER 0\nARG TOKEN=dummy\nRUN npm ci\n", config='form = "file"\n')
    assert (
        b'&& export TOKEN_SECRET || exit 1; fi; export TOKEN="${TOKEN_SECRET:-dummy}" && npm ci'
        in (done.flat)
    )


@pytest.mark.parametrize("text", [b'RUN ["npm", "ci"]', b'SHELL ["cmd"]\nRUN npm ci'])
def test_placeholder_is_refused_without_a_shell(tmp_path: Path, text: bytes) -> None:
    done = rewrite(tmp_path, b"ARG TOKEN=dummy\n" + text + b"\n")
    assert not done.result.changes
    assert done.finding().refusals


def test_two_secrets_of_one_value_in_files(tmp_path: Path) -> None:
    text = b"USER 0\nARG A_TOKEN\nARG B_TOKEN\nENV Y=$A_TOKEN:$B_TOKEN\nRUN npm ci\n"
    call = b"docker build --build-arg A_TOKEN --build-arg B_TOKEN .\n"
    done = rewrite(tmp_path, text, call, 'form = "file"\n').flat
    assert done.count(b"export Y=") == 1
    assert b'export B_TOKEN || exit 1; fi; export Y="${A_TOKEN}:${B_TOKEN}" && npm ci\n' in done


def test_what_is_written_is_not_what_callers_give_to_a_mount_of_that_id(tmp_path: Path) -> None:
    text = (
        b"ARG token=npm_inventedCanary0123456789abcdefghij\nRUN npm ci\n"
        b"RUN --mount=type=secret,id=token,env=NPM_TOKEN npm ci\n"
    )
    done = rewrite(tmp_path, text, b"docker build --secret id=token,env=NPM_TOKEN .\n")
    assert not done.result.changes
    reasons = [one.reason for found in done.result.findings for one in found.finding.refusals]
    assert "the secret token is given already, as NPM_TOKEN on line 4" in reasons
