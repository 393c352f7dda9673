"""Both mount forms: what decides, the rights of a file, and where no statement can stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from rewriting import flat, rewrite

LOAD = b'if [ -f /run/secrets/TOKEN ]; then TOKEN="$(cat /run/secrets/TOKEN)" && export TOKEN || exit 1; fi; '
FILE = 'form = "file"\n'
DIGEST = b"@sha256:" + b"0" * 64


@pytest.mark.parametrize(
    ("run", "becomes"),
    [
        (b"RUN npm ci", b"RUN --mount=type=secret,id=TOKEN " + LOAD + b"npm ci"),
        (b"run   ! npm ci", b"run   --mount=type=secret,id=TOKEN " + LOAD + b"! npm ci"),
        (b"RUN (npm ci) & wait", b"RUN --mount=type=secret,id=TOKEN " + LOAD + b"(npm ci) & wait"),
        (
            b"RUN --network=none npm ci || true",
            b"RUN --network=none --mount=type=secret,id=TOKEN " + LOAD + b"npm ci || true",
        ),
        (
            b"RUN \\\n  # why\n\n  npm ci",
            b"RUN --mount=type=secret,id=TOKEN \\\n  # why\n\n  " + LOAD + b"npm ci",
        ),
        (
            b"RUN [ -z $TOKEN ] || npm ci",
            b"RUN --mount=type=secret,id=TOKEN " + LOAD + b"[ -z $TOKEN ] || npm ci",
        ),
        (
            b"RUN <<EOF\n#!/bin/sh -e\nnpm ci\nEOF",
            b"RUN --mount=type=secret,id=TOKEN <<EOF\n#!/bin/sh -e\n"
            + LOAD[:-2]
            + b"\nnpm ci\nEOF",
        ),
        (
            b"RUN <<-'E'\n\tnpm ci\n\tE",
            b"RUN --mount=type=secret,id=TOKEN <<-'E'\n\t" + LOAD[:-2] + b"\n\tnpm ci\n\tE",
        ),
        (
            b"RUN cat <<E | npm ci\n$TOKEN\nE",
            b"RUN --mount=type=secret,id=TOKEN " + LOAD + b"cat <<E | npm ci\n$TOKEN\nE",
        ),
        (
            b"RUN \\\r\n  npm ci\r",
            b"RUN --mount=type=secret,id=TOKEN \\\r\n  " + LOAD + b"npm ci\r",
        ),
    ],
)
def test_file_form_of_each_shape(tmp_path: Path, run: bytes, becomes: bytes) -> None:
    done = rewrite(tmp_path, b"USER root\nARG TOKEN\n" + run + b"\n", config=FILE)
    assert flat(becomes) in done.flat
    assert b"ARG" not in done.dockerfile
    assert b"syntax" not in done.dockerfile
    assert done.script.endswith(b"docker build --secret id=TOKEN,env=TOKEN .\n")


@pytest.mark.parametrize(
    ("user", "options"),
    [
        (b"USER root", b"id=TOKEN "),
        (b"USER 0:0", b"id=TOKEN "),
        (b"USER 1000:1000", b"id=TOKEN,uid=1000 "),
        (b'USER "10001"', b"id=TOKEN,uid=10001 "),
        (b"USER node", b"id=TOKEN,mode=0444 "),
        (b"USER $APP", b"id=TOKEN,mode=0444 "),
        (b"USER node\nUSER root", b"id=TOKEN "),
        (b"WORKDIR /", b"id=TOKEN,mode=0444 "),
    ],
)
def test_rights_follow_the_user(tmp_path: Path, user: bytes, options: bytes) -> None:
    done = rewrite(tmp_path, user + b"\nARG TOKEN\nRUN npm ci\n", config=FILE)
    assert b"RUN --mount=type=secret," + options + LOAD + b"npm ci" in done.flat


def test_the_user_of_scratch_is_root(tmp_path: Path) -> None:
    text = b"FROM scratch AS a\nFROM a\nARG TOKEN\nRUN npm ci\n"
    assert b"RUN --mount=type=secret,id=TOKEN if" in rewrite(tmp_path, text, config=FILE).flat


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'RUN ["npm", "ci"]', "exec form"),
        (b'RUN ["sh", "-c", "npm ci"]', "exec form"),
        (b'SHELL ["pwsh", "-c"]\nRUN npm ci', "no POSIX shell"),
        (b'SHELL ["cmd", "/S", "/C"]\nRUN npm ci', "no POSIX shell"),
        (b"RUN <<E\n#!/usr/bin/env python3\nimport os\nE", "not shell"),
        (b'SHELL ["/bin/sh", "-exc"]\nRUN npm ci', "prints each command"),
        (b"RUN <<E\n#!/bin/bash -ex\nnpm ci\nE", "prints each command"),
    ],
)
def test_file_form_is_refused_where_no_statement_can_stand(
    tmp_path: Path, text: bytes, why: str
) -> None:
    done = rewrite(tmp_path, b"ARG TOKEN\n" + text + b"\n", config=FILE)
    assert not done.result.changes
    assert why in done.finding().refusals[0].reason
    # The other form needs no shell.
    assert rewrite(tmp_path, b"ARG TOKEN\n" + text + b"\n").result.changes


@pytest.mark.parametrize(
    ("syntax", "config", "form"),
    [
        (b"docker/dockerfile:1", "", b"env=TOKEN"),
        (b"docker/dockerfile:1.4", "", b"env=TOKEN"),
        (b"docker/dockerfile:1.4", 'syntax = "keep"\n', LOAD),
        (b"docker/dockerfile:1.4", 'syntax = "keep"\nform = "env"\n', b""),
        (b"docker/dockerfile:1.1", 'syntax = "keep"\n', b""),
        (b"docker/dockerfile:1" + DIGEST, "", LOAD),
        (b"docker/dockerfile:1.12" + DIGEST, "", b"env=TOKEN"),
        (b"docker/dockerfile:1.1" + DIGEST, "", b""),
        (
            b"docker/dockerfile:1.4",
            'syntax = "m.example/dockerfile:1.12"\n',
            b"m.example/dockerfile:1.12",
        ),
        (
            b"docker/dockerfile:1.4-labs",
            'syntax = "m.example/dockerfile:1.12"\n',
            b"dockerfile:1-labs",
        ),
        (b"docker/dockerfile:1.4", 'syntax = "m.example/dockerfile:1.5"\n', LOAD),
        (
            b"m.example/dockerfile:1" + DIGEST,
            f'syntax = "m.example/dockerfile:1{DIGEST.decode()}"\n',
            b"env=TOKEN",
        ),
        (b"example.com/frontend:3", "", LOAD),
        (b"example.com/frontend:3", '[secrets.TOKEN]\nform = "env"\n', b""),
        (b"docker/dockerfile:1", '[secrets.TOKEN]\nform = "file"\n', LOAD),
    ],
)
def test_frontend_and_configuration_decide(
    tmp_path: Path, syntax: bytes, config: str, form: bytes
) -> None:
    text = b"# syntax=" + syntax + b"\nFROM a AS build\nUSER 0\nARG TOKEN\nRUN npm ci\nFROM b\n"
    done = rewrite(tmp_path, text, config=config)
    assert bool(done.result.changes) == bool(form)
    assert form in done.dockerfile
    if not form:
        assert done.finding().refusals


@pytest.mark.parametrize(
    ("version", "form"),
    [(b"1.4", LOAD), (b"1.15", b"env=TOKEN")],
)
def test_a_shift_that_a_newer_frontend_takes_for_a_heredoc(
    tmp_path: Path, version: bytes, form: bytes
) -> None:
    head = b"# syntax=docker/dockerfile:" + version + b"\n"
    text = b"FROM a AS build\nUSER 0\nARG TOKEN\nRUN npm ci && echo $((1 << 2))\nFROM b\n"
    done = rewrite(tmp_path, head + text)
    assert form in done.dockerfile
    assert done.dockerfile.startswith(head)


def test_an_unknown_frontend_makes_it_unsafe(tmp_path: Path) -> None:
    text = b"# syntax=example.com/f:3\nFROM a AS build\nUSER 0\nARG TOKEN\nRUN npm ci\nFROM b\n"
    assert rewrite(tmp_path, text).finding().safety.value == "unsafe"


def test_podman_decides_and_its_flags_name_the_type(tmp_path: Path) -> None:
    call = b"podman build --build-arg TOKEN=$TOKEN .\n"
    done = rewrite(tmp_path, b"USER 0\nARG TOKEN\nRUN npm ci\n", call, unsafe=False)
    assert LOAD in done.dockerfile
    assert b"podman build --secret id=TOKEN,env=TOKEN ." in done.script
    sourced = rewrite(
        tmp_path,
        b"USER 0\nARG TOKEN\nRUN npm ci\n",
        call,
        '[secrets.TOKEN]\nsource = "file:t.txt"\nform = "env"\n',
    )
    assert b"env=TOKEN npm ci" in sourced.dockerfile
    assert b"podman build --secret id=TOKEN,type=file,src=t.txt ." in sourced.script


def test_two_names_are_read_from_one_file(tmp_path: Path) -> None:
    done = rewrite(tmp_path, b"USER 0\nARG TOKEN\nENV NPM=$TOKEN\nRUN npm ci\n", config=FILE)
    (line,) = done.lines(b"RUN")
    assert line.count(b"--mount") == 1
    assert LOAD in line
    assert LOAD.replace(b"TOKEN=", b"NPM=").replace(b"export TOKEN", b"export NPM") in line


def test_an_id_of_ones_own_names_the_file(tmp_path: Path) -> None:
    config = FILE + '[secrets.TOKEN]\nid = "npm+token"\nrequired = true\n'
    text = b"USER 0\nARG TOKEN\nRUN npm ci\n"
    (line,) = rewrite(tmp_path, text, b"echo\n", config).lines(b"RUN")
    assert (
        b"id=npm+token,target=/run/secrets/npm_token,required if [ -f /run/secrets/npm_token ]"
        in line
    )


def test_a_file_that_is_mounted_already_is_read_where_it_is(tmp_path: Path) -> None:
    text = b"USER 0\nARG TOKEN\nRUN --mount=type=secret,id=TOKEN,target=/t npm ci\n"
    done = rewrite(tmp_path, text, config=FILE)
    assert (
        b"RUN --mount=type=secret,id=TOKEN,target=/t if [ -f /t ]; then TOKEN=" in done.dockerfile
    )


def test_twelve_secrets_land_together(tmp_path: Path) -> None:
    names = [b"TOKEN_%d" % number for number in range(12)]
    text = b"USER 0\n" + b"".join(b"ARG " + one + b"\n" for one in names) + b"RUN npm ci\n"
    call = b"docker build " + b" ".join(b"--build-arg " + one for one in names) + b" .\n"
    done = rewrite(tmp_path, text, call, FILE)
    assert done.dockerfile.count(b"export TOKEN_") == 12
    assert b"ARG" not in done.dockerfile


def test_onbuild_is_only_reported(tmp_path: Path) -> None:
    text = b"FROM a\nONBUILD ARG TOKEN\nONBUILD RUN npm ci\n"
    assert not rewrite(tmp_path, text).result.changes


@pytest.mark.parametrize(
    ("image", "form"),
    [
        ("docker/dockerfile:1.4", LOAD),
        ("docker/dockerfile:1.10", b"env=TOKEN"),
        ("a/b:c", b"env=TOKEN"),
    ],
)
def test_the_configured_frontend_has_to_know_the_form(
    tmp_path: Path, image: str, form: bytes
) -> None:
    done = rewrite(tmp_path, b"USER 0\nARG TOKEN\nRUN npm ci\n", config=f'syntax = "{image}"\n')
    assert form in done.dockerfile
    assert (b"# syntax=" in done.dockerfile) == (form != LOAD)


@pytest.mark.parametrize(
    ("head", "becomes"),
    [
        (b"\xef\xbb\xbf", b"\xef\xbb\xbf# syntax=docker/dockerfile:1\n"),
        (b"#!/usr/bin/env x\n", b"#!/usr/bin/env x\n# syntax=docker/dockerfile:1\n"),
        (b"# escape=`\n", b"# syntax=docker/dockerfile:1\n# escape=`\n"),
        (b"# why\n# escape=`\n", b"# syntax=docker/dockerfile:1\n# why\n# escape=`\n"),
        (b"# escape=\\\n\n# why\n", b"# syntax=docker/dockerfile:1\n# escape=\\\n\n# why\n"),
    ],
)
def test_the_directive_comes_first(tmp_path: Path, head: bytes, becomes: bytes) -> None:
    text = head + b"FROM a AS build\nARG TOKEN\nRUN npm ci\nFROM b\n"
    assert rewrite(tmp_path, text).dockerfile.startswith(becomes + b"FROM")


def test_buildctl_gets_the_flag_of_its_own(tmp_path: Path) -> None:
    """Its build arguments are options of the frontend, and its folders are named."""
    call = (
        b"buildctl build --frontend dockerfile.v0 --local context=. --local dockerfile=. \\\n"
        b'  --opt build-arg:TOKEN=$TOKEN --opt="build-arg:VERSION=1" --opt target=build \\\n'
        b"  --output type=image\n"
    )
    done = rewrite(tmp_path, b"USER 0\nARG TOKEN\nRUN npm ci\n", call, unsafe=False)
    assert done.lines(b"RUN") == [b"RUN --mount=type=secret,id=TOKEN,env=TOKEN npm ci"]
    assert done.script.endswith(
        call.replace(b"--opt build-arg:TOKEN=$TOKEN", b"--secret id=TOKEN,env=TOKEN")
    )


def test_buildctl_in_another_folder_is_not_tied_to_the_file(tmp_path: Path) -> None:
    call = b"buildctl build --local context=. --local dockerfile=x --opt build-arg:TOKEN=$TOKEN\n"
    done = rewrite(tmp_path, b"USER 0\nARG TOKEN\nRUN npm ci\n", call, unsafe=False)
    assert not done.result.changes
