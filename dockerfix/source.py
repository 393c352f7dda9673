"""Bytes and places in them: `Source`, `Span`, line index, end-of-line and BOM.

Everything here counts in byte offsets. Lines are one-based and end at LF only
(BuildKit splits at LF and nowhere else, rule 1.1). This module knows nothing of
Dockerfiles.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

BOM = b"\xef\xbb\xbf"


class Span(NamedTuple):
    """A half-open range of byte offsets, `start <= end`."""

    start: int
    end: int

    @property
    def empty(self) -> bool:
        return self.start == self.end

    def overlaps(self, other: Span) -> bool:
        """Whether the two share a byte; an empty span strictly inside the other counts."""
        if self.empty or other.empty:
            return self.start < other.end and other.start < self.end
        return self.start < other.end and other.start < self.end

    def contains(self, other: Span) -> bool:
        return self.start <= other.start and other.end <= self.end

    def shifted(self, by: int) -> Span:
        return Span(self.start + by, self.end + by)


def united(spans: Iterable[Span]) -> list[Span]:
    """The same bytes as spans that neither overlap nor touch, in order."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


class Position(NamedTuple):
    """A place for people: one-based line, one-based column in bytes."""

    line: int
    column: int


class Source:
    """The bytes of one file and the path under which the workspace knows it.

    `path` is relative to the workspace root, with forward slashes.
    """

    __slots__ = ("__dict__", "data", "path")

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = data

    def __repr__(self) -> str:
        return f"Source({self.path!r}, {len(self.data)} bytes)"

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """Byte offset of the first byte of each line; a final LF opens no further line."""
        starts = [0]
        find = self.data.find
        at = find(b"\n")
        while at != -1:
            starts.append(at + 1)
            at = find(b"\n", at + 1)
        if len(starts) > 1 and starts[-1] == len(self.data):
            starts.pop()
        return tuple(starts)

    @cached_property
    def eol(self) -> bytes:
        """The line ending to write: CRLF where most lines have it, LF otherwise."""
        return b"\r\n" if self.data.count(b"\r\n") * 2 > self.data.count(b"\n") else b"\n"

    @property
    def bom(self) -> bytes:
        return BOM if self.data.startswith(BOM) else b""

    def text(self, span: Span) -> bytes:
        return self.data[span.start : span.end]

    def line(self, offset: int) -> int:
        """One-based number of the line that holds the byte at `offset`."""
        return bisect_right(self.line_starts, offset)

    def line_span(self, number: int) -> Span:
        """The bytes of one-based line `number`, its line ending included."""
        starts = self.line_starts
        end = starts[number] if number < len(starts) else len(self.data)
        return Span(starts[number - 1], end)

    def position(self, offset: int) -> Position:
        number = self.line(offset)
        return Position(number, offset - self.line_starts[number - 1] + 1)
