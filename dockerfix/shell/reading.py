"""The public `read`: from a projection to a finished `Script`.

What does not parse is kept as far as its pieces are known, and its variable uses are found
by the word lexer alone; no input raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.shell import words
from dockerfix.shell.nodes import Command, Script, State, Use, Word
from dockerfix.shell.tree import Reader
from dockerfix.source import Span

if TYPE_CHECKING:
    from dockerfix.projection import Projection
    from dockerfix.shell.statements import Simple

Load = Callable[[str], bytes | None]


def read_script(
    projection: Projection,
    *,
    load: Load | None = None,
    initial: State | None = None,
    depth: int = 0,
) -> Script:
    """The public `read`, with the state in which the text starts (nested scripts)."""
    from dockerfix.shell.flow import Flow

    reader = Reader(projection.text)
    flow = Flow(projection, load, depth)
    try:
        statements = reader.read()
        end = flow.run(statements, initial or State())
    except RecursionError:
        reader = Reader(projection.text)
        reader.errors = True
        reader.failed.append(Span(0, len(projection.text)))
        flow, end = Flow(projection, load, depth), State(opaque=True, cwds=None)
    uses = sorted(
        (flow.judge(use) for use in _complete(reader, projection.text)), key=lambda use: use.span
    )
    return Script(
        projection,
        commands=tuple(_commands(reader.simples, uses)),
        uses=tuple(uses),
        assignments=(*reader.assignments, *flow.foreign_assignments),
        functions=tuple(reader.functions),
        nested=flow.finish(),
        groups=tuple(reader.groups),
        pipelines=tuple(reader.pipelines),
        branches=tuple(reader.branches),
        comments=tuple(reader.comments),
        errors=reader.errors,
        sourced=tuple(flow.sourced),
        unseen=tuple(flow.unseen),
        failed=tuple(reader.failed),
        end=end,
    )


def _commands(simples: Sequence[Simple], uses: Sequence[Use]) -> Iterator[Command]:
    judged = {(use.span, use.name): use for use in uses}

    def finished(word: Word) -> Word:
        if not word.uses:
            return word
        return replace(word, uses=tuple(judged.get((u.span, u.name), u) for u in word.uses))

    for simple in sorted(simples, key=lambda simple: (simple.span.start, -simple.span.end)):
        command = Command(
            simple.span,
            tuple(finished(word) for word in simple.words),
            simple.prefix,
            simple.redirects,
            simple.operator_before,
            simple.in_pipeline,
            simple.context,
            tuple(simple.states),
            simple.statement,
        )
        simple.finished = command
        yield command


def _complete(reader: Reader, text: bytes) -> Iterable[Use]:
    """All uses; where the parse failed, also what the lexer alone sees in the failed text."""
    found = {(use.span, use.name): use for use in reader.uses}
    for span in reader.failed:
        covered = sorted(use.span for use in found.values() if span.overlaps(use.span))
        for use in words.deferred(text, span, "none"):
            if not any(use.span.overlaps(other) for other in covered):
                found.setdefault((use.span, use.name), replace(use, deferred=False))
    return found.values()
