"""Rows of the rewrite table by shapes of instruction, where no generated build covers them: who
else reads a secret, and files that are copied for one RUN."""

from __future__ import annotations

from pathlib import Path

import pytest
from rewriting import rewrite
from whole_rewrites import rewritten

EXPANDED = [
    b"COPY $TOKEN /x",
    b"COPY --chown=$TOKEN a /x",
    b"copy \\\n  a ${TOKEN:-b} \\\n  /x",
    b"ADD https://$TOKEN@h.example.com/x /x",
    b"ADD --checksum=$TOKEN https://h.example.com/x /x",
    b"LABEL a=1 b=$TOKEN",
    b"USER $TOKEN",
    b"WORKDIR /$TOKEN",
    b"EXPOSE $TOKEN",
    b"VOLUME /$TOKEN",
    b"STOPSIGNAL $TOKEN",
    b"ARG OTHER=$TOKEN",
    b"ENV $TOKEN=1",
    b"RUN --mount=type=bind,source=$TOKEN,target=/x ls /x",
    b"COPY <<E /x\n$TOKEN\nE",
    b"COPY --from=$TOKEN a /x",
]


@pytest.mark.parametrize("text", EXPANDED)
def test_what_buildkit_expands_elsewhere_holds_the_fix_back(tmp_path: Path, text: bytes) -> None:
    done = rewrite(tmp_path, b"ARG TOKEN\n" + text + b"\nRUN npm ci\n")
    assert not done.result.changes
    (reason,) = (one.reason for one in done.finding().refusals)
    keyword = text.split()[0].decode().upper()
    assert reason.startswith(f"{keyword} on line ")
    only = "only its command can have" if keyword == "RUN" else "only RUN can mount"
    assert reason.endswith(f"uses $TOKEN, and {only} a secret")


def test_from_holds_the_fix_back(tmp_path: Path) -> None:
    text = b"ARG TOKEN\nFROM h.example.com/$TOKEN AS a\nFROM base\nARG TOKEN\nRUN npm ci\n"
    done = rewrite(tmp_path, text)
    assert not done.result.changes
    assert done.finding().refusals[0].help == (
        "log in to the registry with `docker login` on the client instead"
    )


def test_a_global_argument_that_a_run_was_to_read_is_not_thrown_away(tmp_path: Path) -> None:
    done = rewrite(tmp_path, b"ARG TOKEN\nFROM a\nRUN curl -u $TOKEN https://h.example.com\n")
    assert not done.result.changes
    assert done.finding().refusals[0].reason.startswith("line 3 reads $TOKEN, and never got it")
    # Nothing reads it here.
    assert rewrite(tmp_path, b"ARG TOKEN\nFROM a\nRUN curl https://h.example.com\n").result.changes


@pytest.mark.parametrize(
    ("text", "residual"),
    [
        (b"RUN cat > /etc/x <<E\n$TOKEN\nE", "known"),
        (b"RUN <<E cat > /etc/x\n$TOKEN\nE", "known"),
        (b"RUN <<-E tee /etc/x > /dev/null\n\t$TOKEN\n\tE", "known"),
        (b"RUN mkdir /y && <<E cat \\\n  > /y/x && ls\n$TOKEN\nE", "known"),
        (b"RUN <<'E' cat > /etc/x\n$TOKEN\nE", "none"),
        (b"RUN <<E curl -K -\nuser = $TOKEN\nE", "none"),
    ],
)
def test_a_here_document_before_its_command_is_read(
    tmp_path: Path, text: bytes, residual: str
) -> None:
    done = rewrite(tmp_path, b"FROM a\nARG TOKEN\n" + text + b"\n")
    assert (done.finding().residual == "known") == (residual == "known")


LITERAL = [
    b"COPY <<'E' /x\n$TOKEN\nE",
    b"LABEL a=\\$TOKEN b='$TOKEN'",
    b"CMD echo $TOKEN",
    b'ENTRYPOINT ["x", "$TOKEN"]',
    b"HEALTHCHECK CMD curl $TOKEN",
    b"MAINTAINER $TOKEN",
    b"ONBUILD RUN curl $TOKEN",
]


@pytest.mark.parametrize("text", LITERAL)
def test_what_buildkit_does_not_expand_is_in_nobodys_way(tmp_path: Path, text: bytes) -> None:
    done = rewrite(tmp_path, b"ARG TOKEN\n" + text + b"\nRUN npm ci\n")
    assert text in done.dockerfile
    assert b"RUN --mount=type=secret,id=TOKEN,env=TOKEN npm ci" in done.dockerfile


MOUNT = "--mount=type=secret,id=npmrc,target=/app/.npmrc"
FILES = [
    ("RUN npm ci", f"RUN {MOUNT} npm ci"),
    ('RUN ["npm", "ci"]', f'RUN {MOUNT} ["npm", "ci"]'),
    ("RUN <<E\nnpm ci\nE", f"RUN {MOUNT} <<E\nnpm ci\nE"),
    ("RUN <<-'E'\n\tnpm ci\n\tE", f"RUN {MOUNT} <<-'E'\n\tnpm ci\n\tE"),
    ("RUN npm ci && npm run b || exit 3", f"RUN {MOUNT} npm ci && npm run b || exit 3"),
    ("run   npm ci & wait", f"run   {MOUNT} npm ci & wait"),
    ("RUN \\\n    npm ci | tee log", f"RUN {MOUNT} \\\n    npm ci | tee log"),
    ("RUN --network=none npm ci", f"RUN --network=none {MOUNT} npm ci"),
    (
        "RUN if [ -f yarn.lock ]; then yarn; else npm ci; fi",
        f"RUN {MOUNT} if [ -f yarn.lock ]; then yarn; else npm ci; fi",
    ),
    ("RUN npm ci && rm -f .npmrc", f"RUN {MOUNT} npm ci"),
    ("RUN npm ci; rm .npmrc", f"RUN {MOUNT} npm ci"),
    (
        "RUN npm ci && \\\n    rm .npmrc && \\\n    npm run b",
        f"RUN {MOUNT} \\\n    npm ci && \\\n    npm run b",
    ),
    ("RUN npm ci\nRUN rm -f .npmrc", f"RUN {MOUNT} npm ci"),
]
TAIL = "\nFROM nginx\nCOPY --from=build /app/dist /d\n"


@pytest.mark.parametrize(("before", "after"), FILES)
def test_a_copied_file_is_mounted_in_each_shape(tmp_path: Path, before: str, after: str) -> None:
    head = "FROM node AS build\nUSER root\nWORKDIR /app\n"
    done = rewritten(tmp_path / "a", tree(head + "COPY package.json .npmrc ./\n" + before + TAIL))
    assert done["Dockerfile"] == head + "COPY package.json ./\n" + after + TAIL


@pytest.mark.parametrize(
    ("copy", "left"),
    [
        ('COPY ["package.json", ".npmrc", "./"]', 'COPY ["package.json", "./"]\n'),
        ("COPY --chown=node .npmrc package.json ./", "COPY --chown=node package.json ./\n"),
        ("copy .npmrc \\\n   package.json \\\n   ./", "copy package.json \\\n   ./\n"),
        ("ADD .npmrc /app/", ""),
        ("COPY ./.npmrc .npmrc", ""),
    ],
)
def test_each_shape_of_copy_loses_the_file(tmp_path: Path, copy: str, left: str) -> None:
    head = "FROM node AS build\nUSER 1000\nWORKDIR /app\n"
    done = rewritten(tmp_path / "a", tree(head + copy + "\nRUN npm ci" + TAIL))
    assert done["Dockerfile"] == f"{head}{left}RUN {MOUNT},uid=1000 npm ci{TAIL}"


def tree(dockerfile: str) -> dict[str, str]:
    token = "//registry.example.com/:_authToken=npm_inventedCanary0123456789abcdefghij\n"
    return {
        "Dockerfile": dockerfile,
        "build.sh": "#!/bin/sh\ndocker build -t app .\n",
        ".npmrc": token,
        "package.json": "{}\n",
    }
