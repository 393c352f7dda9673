"""Runs dockerfix on a few files in a folder: for the tests of whole rewrites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.engine import Options, run
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from dockerfix.engine import Result

FRONTEND = "# syntax=docker/dockerfile:1\n"
MOUNT = "--mount=type=secret,id=T_TOKEN,env=T_TOKEN,required"
HEAD = "FROM node:20\nARG T_TOKEN\n"


def rewritten(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """The files as --unsafe-fixes leaves them, without the frontend's line. No error is left, and
    a second run changes nothing."""
    result = looked_at(folder, files, unsafe_fixes=True)
    assert not result.errors, result.errors
    found = dict(files)
    for path, (_, data) in result.changes.items():
        found[path] = data.decode().removeprefix(FRONTEND)
    again = looked_at(folder.with_name(folder.name + "-again"), found, unsafe_fixes=True)
    assert not again.changes, again.changes
    return found


def looked_at(folder: Path, files: dict[str, str], *, unsafe_fixes: bool = False) -> Result:
    folder.mkdir(exist_ok=True)
    (folder / ".dockerfix.toml").write_text("root = true\n")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return run(Workspace(str(folder)), [""], Options(unsafe_fixes=unsafe_fixes))


def residual(folder: Path, files: dict[str, str], name: str) -> str:
    """What the fix for the variable says is left of it."""
    found = looked_at(folder, files, unsafe_fixes=True).findings
    return next(
        one.finding.residual
        for one in found
        if one.finding.variable == name and one.finding.fix is not None
    )


def after(folder: Path, body: str) -> str:
    """What becomes of `body` behind FROM and ARG T_TOKEN, without callers; lines that are only
    broken because they are long are one."""
    folder.mkdir(exist_ok=True)
    found = rewritten(folder / "work", {"Dockerfile": HEAD + body})["Dockerfile"]
    return found.removeprefix("FROM node:20\n").replace(" \\\n    ", " ")
