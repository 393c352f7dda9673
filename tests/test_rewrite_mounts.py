"""Mounts that are there already: which findings they give, and which they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from rewriting import rewrite

OURS = {
    "arg-beside-mount",
    "broken-secret-mount",
    "mount-not-read",
    "secret-file-unreadable",
    "secret-gone-before-use",
    "secret-id-mismatch",
    "secret-read-without-mount",
    "variable-in-mount",
    "secret-path-in-env",
}
MOUNT = b"RUN --mount=type=secret,id=TOKEN"
GIVES = b"docker build --secret id=TOKEN,env=TOKEN .\n"


def names(folder: Path, text: bytes, script: bytes = GIVES) -> set[str]:
    done = rewrite(folder, text, script, unsafe=False)
    return {one.finding.name for one in done.result.findings} & OURS


@pytest.mark.parametrize(
    "text",
    [
        MOUNT + b" make\n",
        MOUNT + b" ./install.sh\n",
        MOUNT + b" npm run build\n",
        MOUNT + b" python setup.py install\n",
        MOUNT + b",target=/root/.npmrc npm ci\n",
        MOUNT + b' curl -H "a: $(cat /run/secrets/TOKEN)" example.com\n',
        MOUNT + b" <<E\ncat /run/secrets/TOKEN\nE\n",
        MOUNT + b" cp /run/secrets/* /tmp\n",
        MOUNT + b",env=TOKEN npm ci\n",
        MOUNT + b',env=TOKEN ["npm", "ci"]\n',
        b"ARG NAME=TOKEN\n" + MOUNT + b",env=${NAME} npm ci\n",
        b"ENV DB_PASSWORD_FILE=/run/secrets/db\n",
        b"RUN --mount=type=bind,target=/run/secrets cat /run/secrets/x\n",
        b"RUN mkdir -p /run/secrets && echo x > /run/secrets/x && cat /run/secrets/x\n",
        b'RUN if [ -n "$TOKEN" ]; then ./x.sh; fi\n' + MOUNT + b",env=TOKEN npm ci\n",
        MOUNT + b' TOKEN="$(cat /run/secrets/TOKEN)" npm ci && echo done\n',
        MOUNT
        + b" TOKEN=$(cat /run/secrets/TOKEN) npm ci && TOKEN=$(cat /run/secrets/TOKEN) npm test\n",
        MOUNT + b' export TOKEN="$(cat /run/secrets/TOKEN)" && npm ci\n',
        MOUNT + b" TOKEN=$(cat /run/secrets/TOKEN) sh -c 'curl -u $TOKEN h' && npm ci\n",
        MOUNT + b' TOKEN=$(cat /run/secrets/TOKEN) && curl -H "a: $TOKEN" h\n',
        MOUNT + b" TOKEN=$(cat /run/secrets/TOKEN) ./install.sh && ./test.sh\n",
        MOUNT + b" export OTHER=$(cat /run/secrets/TOKEN) > /x\n",
        b"USER root\n" + MOUNT + b" cat /run/secrets/TOKEN | wc\n",
        b"USER 0:0\n" + MOUNT + b" cat /run/secrets/TOKEN | wc\n",
        b"ARG U=root\nUSER $U\n" + MOUNT + b" cat /run/secrets/TOKEN | wc\n",
        b"USER app\n" + MOUNT + b",uid=1000 cat /run/secrets/TOKEN | wc\n",
        b"USER app\n" + MOUNT + b",mode=0440,gid=7 cat /run/secrets/TOKEN | wc\n",
        b"USER app\n" + MOUNT + b" sudo cat /run/secrets/TOKEN | wc\n",
        b"USER app\n" + MOUNT + b",env=TOKEN npm ci\n",
        MOUNT + b",required npm ci # /run/secrets/TOKEN\n",
        b'ENV APP_HOME="$(pwd)"\n',
    ],
)
def test_what_may_be_right_is_left_alone(tmp_path: Path, text: bytes) -> None:
    assert names(tmp_path, text) == set()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MOUNT + b" npm ci\n", "mount-not-read"),
        (MOUNT + b",env=TOKEN mkdir x\n", "mount-not-read"),
        (MOUNT + b' curl -H "a: $TOKEN" example.com\n', "mount-not-read"),
        (b"RUN cat /run/secrets/TOKEN | wc\n", "secret-read-without-mount"),
        (MOUNT + b",env=TOKEN npm ci\nRUN curl -u $TOKEN h\n", "secret-read-without-mount"),
        (b"RUN --mount=type=secret,id=to-ken,env=TOKEN npm ci\n", "secret-id-mismatch"),
        (b"RUN --mount=type=secret,id=TOKEN,env=$TOKEN npm ci\n", "variable-in-mount"),
        (b"ENV DB_PASSWORD=/run/secrets/db\n", "secret-path-in-env"),
        (b"ARG TOKEN\n" + MOUNT + b",env=TOKEN npm ci\n", "arg-beside-mount"),
        (MOUNT + b",,env=TOKEN npm ci\nRUN --mount=type=secret npm ci\n", "broken-secret-mount"),
        (b"RUN --mount=type=secret,TOKEN npm ci\n", "broken-secret-mount"),
        (b"RUN --mount=type=secret, id=TOKEN npm ci\n", "broken-secret-mount"),
        (b"ENV TOKEN=`cat\\ /run/secrets/TOKEN`\n" + MOUNT + b" npm ci\n", "secret-path-in-env"),
        (
            MOUNT + b" export TOKEN=$(cat /run/secrets/TOKEN)\nRUN npm ci\n",
            "secret-gone-before-use",
        ),
        (
            MOUNT + b" set -e; export TOKEN=`cat /run/secrets/TOKEN`\nRUN npm ci\n",
            "secret-gone-before-use",
        ),
        (MOUNT + b" TOKEN=$(</run/secrets/TOKEN)\nRUN npm ci\n", "secret-gone-before-use"),
        (
            MOUNT + b" TOKEN=$(cat /run/secrets/TOKEN) mkdir x && curl -u $TOKEN h\n",
            "secret-gone-before-use",
        ),
        (
            MOUNT + b' TOKEN=$(cat /run/secrets/TOKEN) curl -u "$TOKEN" h\n',
            "secret-gone-before-use",
        ),
        (b"USER app\n" + MOUNT + b" cat /run/secrets/TOKEN | wc\n", "secret-file-unreadable"),
        (
            b"USER app\n" + MOUNT + b",target=/t cat /t | wc\n",
            "secret-file-unreadable",
        ),
        (b"USER 7\n" + MOUNT + b",target=/app/.npmrc npm ci\n", "secret-file-unreadable"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, text: bytes, name: str) -> None:
    assert name in names(tmp_path, text)


def test_two_mistakes_at_once_end_well(tmp_path: Path) -> None:
    text = b"ARG TOKEN\nRUN --mount=type=secret,id=token,env=${TOKEN} npm ci\nRUN npm test\n"
    call = b"docker build --secret id=TOKEN,env=TOKEN --build-arg TOKEN=$TOKEN .\n"
    done = rewrite(tmp_path, text, call)
    assert b"ARG" not in done.dockerfile
    assert done.lines(b"RUN") == [MOUNT + b",env=TOKEN npm ci", MOUNT + b",env=TOKEN npm test"]
    assert done.script.endswith(GIVES)


@pytest.mark.parametrize(
    ("run", "becomes"),
    [
        # Of a list that goes on after a failure, or in the background, nobody knows what was meant.
        (b" TOKEN=$(cat /run/secrets/TOKEN) mkdir x || curl -u $TOKEN h", None),
        (b" ! TOKEN=$(cat /run/secrets/TOKEN) mkdir x && curl -u $TOKEN h", None),
        # It would print the secret.
        (b" TOKEN=$(cat /run/secrets/TOKEN) echo $TOKEN", None),
        (b" A=1 TOKEN=$(cat /run/secrets/TOKEN) mkdir x && curl -u $TOKEN h", None),
        (
            b" cd /x && TOKEN=$(cat /run/secrets/TOKEN) mkdir x && curl -u $TOKEN h",
            b" cd /x && TOKEN=$(cat /run/secrets/TOKEN) && export TOKEN && mkdir x && curl -u $TOKEN h",
        ),
        (
            b" TOKEN=$(cat /run/secrets/TOKEN) echo $TOKEN | docker login -u a --password-stdin",
            b" TOKEN=$(cat /run/secrets/TOKEN) && export TOKEN && echo $TOKEN | docker login -u a"
            b" --password-stdin",
        ),
    ],
)
def test_a_prefix_is_exported_where_that_changes_nothing_else(
    tmp_path: Path, run: bytes, becomes: bytes | None
) -> None:
    done = rewrite(tmp_path, MOUNT + run + b"\n", GIVES)
    assert done.lines(b"RUN") == [MOUNT + (becomes or run)]


def test_two_variables_of_one_run_go_together(tmp_path: Path) -> None:
    both = b"RUN --mount=type=secret,id=A --mount=type=secret,id=B "
    both += b"export NPM_TOKEN=$(cat /run/secrets/A) B=`cat /run/secrets/B`\nRUN npm ci\nRUN curl -u $B h\n"
    call = b"docker build --secret id=A,env=A --secret id=B,env=B .\n"
    done = rewrite(tmp_path, both, call)
    assert done.lines(b"RUN") == [
        # npm ci runs scripts, which may read either.
        b"RUN --mount=type=secret,id=A,env=NPM_TOKEN --mount=type=secret,id=B,env=B npm ci",
        b"RUN --mount=type=secret,id=B,env=B curl -u $B h",
    ]


@pytest.mark.parametrize(
    "first",
    [
        MOUNT + b" export TOKEN=$(cat /run/secrets/TOKEN)\n",
        MOUNT + b",env=TOKEN npm ci\n",
        b"RUN --mount=type=secret,id=A,env=A npm ci\n",
    ],
)
def test_what_only_prints_a_secret_does_not_get_it(tmp_path: Path, first: bytes) -> None:
    call = b"docker build --secret id=A,env=A --secret id=TOKEN,env=TOKEN .\n"
    done = rewrite(tmp_path, first + b"RUN echo $TOKEN\nRUN curl -u $TOKEN h\n", call)
    assert done.lines(b"RUN")[-2:] == [b"RUN echo $TOKEN", MOUNT + b",env=TOKEN curl -u $TOKEN h"]


def test_an_old_frontend_gets_the_old_spelling(tmp_path: Path) -> None:
    text = b"# syntax=docker/dockerfile:1.2\nFROM a AS build\nUSER 0\nARG TOKEN\nRUN npm ci\n"
    config = 'form = "file"\nrequired = true\n'
    done = rewrite(tmp_path, text, config=config)
    assert b"--mount=type=secret,id=TOKEN,required=true " in done.dockerfile
