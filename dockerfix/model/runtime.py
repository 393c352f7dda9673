"""What a container of an image runs, and what is in force at an instruction.

CMD, ENTRYPOINT, HEALTHCHECK, USER, SHELL and WORKDIR along a chain of stages. It does not
read what those commands read (readers.py), nor the external image below the chain.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockerfix.syntax.nodes import Cmd, Entrypoint, Healthcheck, Shell, User, Workdir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.model.stages import Stage, StageGraph
    from dockerfix.syntax.nodes import Instruction

__all__ = ["Entry", "Setting", "entry", "settings"]


@dataclass(frozen=True, slots=True)
class Entry:
    """The instructions that decide what a container starts, None where the base decides."""

    cmd: Cmd | None = None
    entrypoint: Entrypoint | None = None
    healthcheck: Healthcheck | None = None

    @property
    def readers(self) -> tuple[Instruction, ...]:
        """Those that are there, in the order in which they run."""
        found = (self.entrypoint, self.cmd, self.healthcheck)
        return tuple(instruction for instruction in found if instruction is not None)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is in force when an instruction starts.

    `user` and `shell` are None where the external image decides. `workdir` is an absolute
    path, None where it is not known (a variable, or relative to the external image's own).
    """

    user: User | None = None
    shell: Shell | None = None
    workdir: str | None = None


def entry(stage: Stage) -> Entry:
    """What runs in a container of `stage`'s image."""
    found = Entry()
    for below in reversed(stage.chain):
        given = False
        for instruction in _steps(below):
            if isinstance(instruction, Cmd):
                found = replace(found, cmd=instruction)
                given = True
            elif isinstance(instruction, Entrypoint):
                # ENTRYPOINT drops a CMD that came with the base.
                found = replace(found, entrypoint=instruction, cmd=found.cmd if given else None)
            elif isinstance(instruction, Healthcheck):
                found = replace(found, healthcheck=instruction)
    return found


def settings(graph: StageGraph) -> dict[int, Setting]:
    """The setting of each instruction behind a FROM, by the offset where it starts."""
    found: dict[int, Setting] = {}
    ends: list[Setting] = []
    for stage in graph:
        if stage.parent is not None:
            now = ends[stage.parent.index]
        else:
            now = Setting(workdir="/" if stage.scratch else None)
        for instruction in _steps(stage):
            found.setdefault(instruction.span.start, now)
            if isinstance(instruction, User):
                now = replace(now, user=instruction)
            elif isinstance(instruction, Shell):
                now = replace(now, shell=instruction)
            elif isinstance(instruction, Workdir):
                now = replace(now, workdir=_joined(now.workdir, instruction))
        ends.append(now)
    return found


def _steps(stage: Stage) -> Iterator[Instruction]:
    for onbuild in stage.triggers:
        if onbuild.trigger is not None:
            yield onbuild.trigger
    yield from stage.instructions


def _joined(base: str | None, instruction: Workdir) -> str | None:
    if instruction.argument is None or b"$" in instruction.argument.raw:
        return None
    path = instruction.argument.raw.decode("utf-8", "surrogateescape").strip("\"'")
    if path.startswith("/"):
        return posixpath.normpath(path)
    return None if base is None else posixpath.normpath(posixpath.join(base, path))
