"""Units of a RUN that go, with the operators that join them to what stays."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.rewrite.commands import BLANKS
from dockerfix.rewrite.key_handling import Unclear
from dockerfix.rewrite.moved import script_of
from dockerfix.source import Span, united
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.rewrite.key_commands import Unit
    from dockerfix.shell import Script
    from dockerfix.syntax.nodes import Run

_ANYWAY = re.compile(rb"\s*\|\|\s*(?:true|:)(?=\s*(?:&&|;|$))")


def take_out(
    context: Context,
    run: Run,
    units: Iterable[Unit],
    order: tuple[int, ...],
    cuts: Iterable[Span] = (),
) -> list[Operation]:
    """The units go with their operators, the whole RUN if nothing else is left; `cuts` are further
    host spans. Raises Unclear where something else hangs on one of the units."""
    script = script_of(context, run)
    assert script is not None
    by_script: dict[int, tuple[Script, list[Unit]]] = {id(script): (script, [])}
    for unit in units:
        own = unit.script or script
        by_script.setdefault(id(own), (own, []))[1].append(unit)
    if not _rest(script, by_script[id(script)][1]):
        return [verbs.remove(context.dockerfile, run, order=order)]
    spans = list(cuts)
    for text, gone in by_script.values():
        if gone and not _rest(text, gone):
            raise Unclear(f"line {run.start_line} starts a shell for the key alone", run)
        spans += [text.projection.host_span(cut) for cut in _cuts(run, text, gone)]
    return [
        verbs.replace(context.dockerfile, run, span, b"", order=order)
        for span in united(sorted(spans))
    ]


def _spans(script: Script, units: Iterable[Unit]) -> list[Span]:
    found = []
    for unit in units:
        anyway = _ANYWAY.match(script.text, unit.span.end)
        found.append(Span(unit.span.start, anyway.end() if anyway else unit.span.end))
    return sorted(set(found))


def _without(script: Script, spans: Iterable[Span]) -> bytes:
    rest = bytearray(script.text)
    for span in spans:
        rest[span.start : span.end] = b" " * (span.end - span.start)
    return bytes(rest)


def _rest(script: Script, units: Iterable[Unit]) -> bytes:
    rest = _without(script, _spans(script, units))
    return rest.replace(b"&&", b"").replace(b";", b"").strip(BLANKS)


def _cuts(run: Run, script: Script, units: Iterable[Unit]) -> list[Span]:
    """What goes in one text: of what stands first, the operator behind it, else the one before."""
    text, cuts, lead = script.text, [], 0
    gone = _spans(script, units)
    rest = _without(script, gone)
    for span in gone:
        before = rest[: span.start].rstrip(BLANKS)
        after = text[span.end :].lstrip(BLANKS)
        if after and not after.startswith((b"&&", b";")):
            raise Unclear(
                f"line {run.start_line} joins the key's handling with something else", run
            )
        if not before.replace(b"&&", b"").replace(b";", b"").strip(BLANKS):
            operator = 2 if after.startswith(b"&&") else 1
            lead = len(text) - len(after[operator:].lstrip(BLANKS))
            continue
        before = text[: span.start].rstrip(BLANKS)
        operator = 2 if before.endswith(b"&&") else 1
        if not before.endswith((b"&&", b";")):
            raise Unclear(
                f"line {run.start_line} joins the key's handling with something else", run
            )
        cuts.append(Span(len(before[:-operator].rstrip(BLANKS)), span.end))
    if lead:
        cuts.append(Span(len(text) - len(text.lstrip(BLANKS)), lead))
    return cuts
