"""How flags in the value of a make variable change: where they stand, line by line.

Knows the text of the value alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.edits import Edit
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockerfix.edits import Operation
    from dockerfix.source import Source


@dataclass(frozen=True, slots=True)
class DefinitionSite:
    """A variable's value. Takes finished edits of the file; a `+=` that ends up empty goes."""

    path: str
    span: Span
    value: Span

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        edits = sorted({Edit(*operation.value) for operation in operations})  # type: ignore[misc]
        found: list[Edit] = []
        for edit in edits:
            last = found[-1] if found else None
            if last and not edit.text and not last.text and edit.span.start <= last.span.end:
                found[-1] = Edit(Span(last.span.start, max(last.span.end, edit.span.end)), b"")
            else:
                found.append(edit)
        left = source.text(self.value)
        for edit in reversed(found):
            at = edit.span.start - self.value.start
            left = left[:at] + edit.text + left[at + edit.span.end - edit.span.start :]
        if all(edit.text for edit in found):
            return found
        kept = left.rstrip(b" \t\r\n\\")
        if kept.strip():
            # Nothing may end in a backslash that would take in the next line.
            return [Edit(self.value, kept)] if len(kept) < len(left.rstrip(b" \t")) else found
        start, end = self.span.start, self.value.end
        operator = source.data[start : self.value.start]
        if (
            operator.rstrip().endswith(b"+=")
            and source.line_span(source.line(start)).start == start
        ):
            newline = source.data.find(b"\n", end)
            return [Edit(Span(start, len(source.data) if newline < 0 else newline + 1), b"")]
        return [Edit(Span(len(source.data[: self.value.start].rstrip(b" \t")), end), b"")]


def removal(data: bytes, value: Span, flag: Span) -> Span:
    """What goes with `flag`, which stands in a variable's `value`: its blanks, or its line."""
    start, end = flag
    while start > value.start and data[start - 1] in b" \t":
        start -= 1
    while end < value.end and data[end] in b" \t":
        end += 1
    continued = re.compile(rb"\\\r?\n").match(data, end, value.end)
    fresh = start > value.start and data[start - 1] == 0x0A
    if fresh and continued is not None:
        return Span(start, continued.end())
    if fresh and end == value.end:
        return Span(len(data[: start - 1].rstrip(b" \t\r\\")), end)
    if start > value.start:
        return Span(start, flag.end)
    return Span(flag.start, end)
