"""Makefiles as tests look at them: their calls, what a rewrite gives, and what docker got."""

from __future__ import annotations

import itertools
import os
import subprocess
from typing import TYPE_CHECKING

from dockerfix.builders import make
from dockerfix.edits import Fix, Safety, apply
from dockerfix.finding import Refusal
from dockerfix.source import Source
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from dockerfix.builders.call import BuildCall

RECORD = r"""#!/bin/sh
printf '%s\0' "$#" "$@" "${X-}" "${Y-}" >> "$RECORD"
"""


def calls_in(root: Path, files: dict[str, str], path: str = "Makefile") -> tuple[BuildCall, ...]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, newline="")
    workspace = Workspace(str(root))
    return tuple(make.find_calls(path, workspace.read(path), workspace))


def turned(
    root: Path,
    files: dict[str, str],
    name: str = "X",
    *,
    drop: bool = False,
    path: str = "Makefile",
) -> str | Refusal:
    operations = []
    for call in calls_in(root, files, path):
        if call.refusal is not None:
            return call.refusal
        for arg in call.passes(name):
            result = call.drop(arg) if drop else call.take_secret(arg, name)
            if isinstance(result, Refusal):
                return result
            operations += result
    assert operations, "no call passes it"
    source = Source(path, files[path].encode())
    fix = Fix("test", Safety.SAFE, "none", tuple(operations))
    return apply({path: source}, [fix])[path].decode()


def changed(before: str, after: str) -> list[str]:
    old = before.split("\n")
    return [line for line in after.split("\n") if line not in old]


# -- what it looks like ---------------------------------------------------------


def recorded(
    root: Path, text: str, arguments: list[str], environment: dict[str, str]
) -> list[tuple[int, str | None]] | None:
    """For each docker that ran: how many arguments, and the value of X; None if make failed."""
    log = root / "record"
    log.write_text("")
    (root / "Makefile").write_text(text, newline="")
    given = {"PATH": f"{root / 'bin'}:{os.environ['PATH']}", "RECORD": str(log), **environment}
    done = subprocess.run(
        ["make", "-s", "b", *arguments], cwd=root, env=given, capture_output=True, text=True
    )
    words = log.read_text().split("\0")[:-1]
    found = []
    while words:
        size = int(words[0])
        argv, x, y = words[1 : size + 1], words[size + 1], words[size + 2]
        words = words[size + 3 :]
        found.append((size, value_given(argv, {"X": x, "Y": y})))
    return found if found and not done.returncode else None


def value_given(argv: list[str], environment: dict[str, str]) -> str | None:
    """The value of X, however docker got it; unset and empty are one for a secret."""
    for flag, value in itertools.pairwise(argv):
        if flag == "--build-arg" and value.startswith("X="):
            return value[2:]
        if flag == "--build-arg" and value == "X":
            return environment["X"]
        if flag == "--secret" and value == "id=X":
            return environment["X"]
        if flag == "--secret" and value.startswith("id=X,env="):
            return environment[value.removeprefix("id=X,env=")]
    return None
