"""Runs the passes on a small tree in memory and on disk: for the tests of rewrites."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.engine import Options, Result, run
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from dockerfix.finding import Finding

CALLER = b"docker build --build-arg TOKEN=$TOKEN .\n"
TAIL = b"FROM base\nCOPY --from=build /x /x\n"


@dataclass(frozen=True)
class Rewritten:
    """What became of the Dockerfile and of build.sh, and the findings by name of the pass."""

    result: Result
    dockerfile: bytes
    script: bytes

    def finding(self, name: str = "secret-in-arg") -> Finding:
        (found,) = (one.finding for one in self.result.findings if one.finding.name == name)
        return found

    @property
    def flat(self) -> bytes:
        """The Dockerfile with each instruction on one line."""
        return flat(self.dockerfile)

    def lines(self, start: bytes) -> list[bytes]:
        return [line for line in self.flat.split(b"\n") if line.startswith(start)]


def flat(text: bytes) -> bytes:
    return re.sub(rb" \\\r?\n[ \t]+", b" ", text)


def rewrite(
    folder: Path,
    dockerfile: bytes,
    script: bytes = CALLER,
    config: str = "",
    *,
    unsafe: bool = True,
) -> Rewritten:
    """A stage `build` with `dockerfile` in it, from which only files are copied, unless it has a
    FROM itself."""
    if b"FROM " not in dockerfile:
        dockerfile = b"FROM base AS build\n" + dockerfile + TAIL
    files = {
        ".dockerfix.toml": b"root = true\n" + config.encode(),
        "Dockerfile": dockerfile,
        "build.sh": b"#!/bin/sh\n" + script,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    result = run(Workspace(folder), ["Dockerfile"], Options(unsafe_fixes=unsafe))
    assert not result.errors, result.errors
    changed = {path: new for path, (_, new) in result.changes.items()}
    return Rewritten(
        result,
        changed.get("Dockerfile", files["Dockerfile"]),
        changed.get("build.sh", files["build.sh"]),
    )
