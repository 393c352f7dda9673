"""`buildctl build --opt build-arg:X=VALUE --local context=DIR`, read as the flags of `docker build`.

What the frontend is told stands behind `--opt`, and each folder that is sent behind `--local`.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from dockerfix.builders.bake_flags import head
from dockerfix.builders.command_line import UNKNOWN, Situation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dockerfix.builders.command_line import Given
    from dockerfix.shell import State

    Values = Callable[[Given | None, State], set[str | None]]

MEANINGS = {
    "opt": {"build-arg:": "build-arg", "target=": "target", "filename=": "filename", "context=": "context"},
    "local": {"context=": "context", "dockerfile=": "folder"},
}  # fmt: skip
MEANINGS["frontend-opt"] = MEANINGS["opt"]


def as_docker(flag: Given) -> Given:
    """The flag that it is in `docker build`; its value starts behind what says so."""
    if flag.value is None:
        return flag
    text = head(flag.value)[flag.value_start :].decode("utf-8", "replace")
    for start, name in MEANINGS.get(flag.name, {}).items():
        if text.startswith(start):
            return flag._replace(name=name, value_start=flag.value_start + len(start))
    return flag


def situations(
    given: Iterable[Given], states: Iterable[State], values: Values
) -> tuple[Situation, ...]:
    """Context, Dockerfile and target in each state of the shell."""
    last = {flag.name: flag for flag in given}
    found: list[Situation] = []
    for state in states:
        context = _one(values(last.get("context"), state))
        folder = _one(values(last.get("folder"), state))
        name = _one(values(last.get("filename"), state))
        file = UNKNOWN if UNKNOWN in (folder, name) else None
        if file is None and folder is not None:
            file = posixpath.join(folder, name or "Dockerfile")
        target = _one(values(last.get("target"), state))
        for cwd in [None] if state.cwds is None else sorted(state.cwds):
            one = Situation(cwd, context, file, target)
            if one not in found:
                found.append(one)
    return tuple(found)


def _one(found: set[str | None]) -> str | None:
    return next(iter(found)) if len(found) == 1 else UNKNOWN
