"""Mounts that are there already: which findings they give, and which they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from rewriting import rewrite

OURS = {
    "arg-beside-mount",
    "mount-not-read",
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
