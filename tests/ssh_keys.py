"""What the tests of private keys share: Dockerfiles that take a key, and what a fix leaves of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whole_rewrites import rewritten

if TYPE_CHECKING:
    from pathlib import Path

CAT = '#!/bin/sh\ndocker build --build-arg K_SSH_KEY="$(cat ~/.ssh/id_rsa)" .\n'
HEAD = "FROM scratch AS base\nFROM base\nUSER root\nARG K_SSH_KEY\n"
COPIED = "FROM scratch AS base\nFROM base\nUSER root\n"
WRITE = 'echo "$K_SSH_KEY" > ~/.ssh/id_rsa'
DECODE = 'echo "$K_SSH_KEY" | base64 -d > ~/.ssh/id_rsa'


def after(folder: Path, body: str, caller: str = CAT) -> tuple[str, str]:
    found = rewritten(folder / "work", {"Dockerfile": HEAD + body, "build.sh": caller})
    return found["Dockerfile"].partition("USER root\n")[2], found["build.sh"]


def copied(folder: Path, body: str, **more: str) -> dict[str, str]:
    files = {"Dockerfile": COPIED + body, "build.sh": "#!/bin/sh\ndocker build .\n", **more}
    found = rewritten(folder / "work", files)
    found["Dockerfile"] = found["Dockerfile"].removeprefix(COPIED)
    return found
