"""Which RUNs start a program, or something that may start it: scripts of the build context are
looked into, other programs that start programs count as users.

Knows no variable and no file; the names of the programs are the caller's.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from dockerfix.model import references
from dockerfix.model.tools import started
from dockerfix.projection import Projection
from dockerfix.shell import read

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from dockerfix.context import Context
    from dockerfix.model.tools import Started
    from dockerfix.shell import Command, Script
    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Run


def uses(
    context: Context, run: Run, programs: Iterable[str], but: Collection[Span] = (), start: int = 0
) -> bool:
    """Whether `run` may start one of `programs` (patterns as in references.toml), other than by
    the commands `but` of its text, or by those before `start`."""
    programs = tuple(programs)
    return any(
        any(_may_be(context, run, command, one, programs) for one in started(command))
        for command in commands(context, run, but, start)
    )


def started_by(context: Context, run: Run, programs: Iterable[str]) -> bool:
    """Whether a container of an image with the layer of `run` starts one of `programs`."""
    stage, programs = context.model.stage_of(run), tuple(programs)
    for one in stage.descendants if stage is not None else ():
        for instruction in context.model.entry(one).readers if one.final else ():
            words = getattr(instruction, "exec_words", ())
            text = shlex.join(words).encode("utf-8", "surrogateescape")
            if not words:
                _, _, text = context.dockerfile.source.text(instruction.span).partition(b" ")
            if any(
                references.starts(it, programs)
                for _, command in read(Projection.identity(text)).every()
                if command.words
                for it in started(command)
            ):
                return True
    return False


def commands(
    context: Context, run: Run, but: Collection[Span] = (), start: int = 0
) -> Iterator[Command]:
    """The commands of `run`, but for those of its own text that `but` or `start` excludes."""
    for text in context.reader.scripts(run):
        for script, command in text.every():
            own = script is text
            if command.words and not (own and (command.span in but or command.span.start < start)):
                yield command


def _may_be(
    context: Context, run: Run, command: Command, one: Started, programs: tuple[str, ...]
) -> bool:
    if references.starts(one, programs):
        return True
    if not references.opens(one):
        return False
    if any(nested.command is command for text in _texts(context, run) for nested in text.nested):
        return False
    known = [it for it in context.reader.local_scripts(run) if it.command is command]
    if known and all(it.script is not None for it in known):
        return any(
            references.starts(inner, programs) or references.opens(inner)
            for it in known
            if it.script is not None
            for _, other in it.script.every()
            if other.words
            for inner in started(other)
        )
    return True


def _texts(context: Context, run: Run) -> Iterator[Script]:
    for text in context.reader.scripts(run):
        yield text
        waiting = list(text.nested)
        while waiting:
            nested = waiting.pop()
            yield nested.script
            waiting += nested.script.nested
