"""What goes along with a part of YAML that is removed: its lines, its comma. Knows no tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Edit
from dockerfix.formats.yaml_scalar import Change
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Sequence


def line_end(data: bytes, at: int) -> int:
    """The start of the line after the one that holds `at`."""
    newline = data.find(b"\n", at)
    return len(data) if newline < 0 else newline + 1


def flow_edits(
    data: bytes, whole: Span, spans: Sequence[Span], gone: Sequence[Span], new: Sequence[bytes]
) -> list[Edit]:
    """Members of `{...}` or `[...]` that go, and new ones behind the last."""
    edits: list[Edit] = []
    left = [span for span in spans if span not in gone]
    for index, span in enumerate(spans):
        if span not in gone:
            continue
        if index + 1 < len(spans):
            edits.append(Edit(Span(span.start, spans[index + 1].start), b""))
        else:
            before = [one for one in left if one.end <= span.start]
            start = before[-1].end if before else span.start
            edits = [edit for edit in edits if edit.span.start < start]
            edits.append(Edit(Span(start, span.end), b""))
    if not new:
        return edits
    kept = left[-1] if left else None
    if kept is None:
        at = spans[-1].end if spans else whole.start + 1
        return [*edits, Edit(Span(at, at), b", ".join(new))]
    at = spans[-1].end if spans[-1] in left else kept.end
    between = data[spans[-2].end : spans[-1].start].partition(b",")[2] if len(spans) > 1 else b" "
    glue = between if not between.strip() else b" "
    edits.append(Edit(Span(at, at), b"".join(b"," + glue + one for one in new)))
    return edits


def whole_lines(text: bytes, span: Span) -> Span:
    """`span` with the rest of its lines, where nothing else stands on them."""
    start = text.rfind(b"\n", 0, span.start) + 1
    newline = text.find(b"\n", span.end)
    end = len(text) if newline < 0 else newline + 1
    if newline < 0 and start:
        start -= 1
    return Span(start, end)


def apart(changes: Sequence[Change]) -> list[Change]:
    """Removals that overlap, united; what one of them writes stays."""
    found: list[Change] = []
    for change in sorted(changes):
        last = found[-1] if found else None
        if last is not None and change.span.start < last.span.end:
            whole = Span(last.span.start, max(last.span.end, change.span.end))
            found[-1] = Change(whole, last.text + change.text)
        else:
            found.append(change)
    return found
