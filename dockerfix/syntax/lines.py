"""Logical lines, their map to the file, and white space as BuildKit sees it.

What the lexer hands to everyone else. It does not know how lines are found.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.projection import Projection, Segment
from dockerfix.source import Span

if TYPE_CHECKING:
    from dockerfix.source import Source

ASCII_SPACE = b"\t\n\v\f\r "
# Go's unicode.IsSpace, in UTF-8: U+0085, U+00A0, U+1680, U+2000-200A, U+2028, U+2029,
# U+202F, U+205F, U+3000.
WIDE_SPACE = (
    rb"\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80"
)
LEADING_SPACE = re.compile(rb"(?:[\t\n\v\f\r ]|" + WIDE_SPACE + rb")*")
WIDE_CHARACTERS = (
    b"\xc2\x85 \xc2\xa0 \xe1\x9a\x80 \xe2\x80\xa8 \xe2\x80\xa9 \xe2\x80\xaf \xe2\x81\x9f "
    b"\xe3\x80\x80 " + b" ".join(b"\xe2\x80" + bytes((last,)) for last in range(0x80, 0x8B))
).split()


class Problem(NamedTuple):
    """Something that BuildKit refuses or warns of, with its words.

    `line` is one-based, `lines` is what BuildKit prints as the place (sometimes one less).
    `stage` is where BuildKit stops: `parse` before it has looked at any instruction,
    `instructions` when it comes to this one, `warning` not at all.
    """

    line: int
    message: str
    span: Span
    lines: range
    stage: str


class Opener(NamedTuple):
    """What one heredoc word of an instruction announces; offsets in the logical text. `spaced`
    says that a blank stands behind the `<<`."""

    name: bytes
    fd: int
    expand: bool
    chomp: bool
    start: int
    end: int
    spaced: bool = False


class Body(NamedTuple):
    """The lines of one heredoc: `end` closes its text, `stop` its terminator line."""

    opener: Opener
    start: int
    end: int
    stop: int


class LogicalLine:
    """One instruction's text with its continuations joined, and its map to the file.

    `start` is the first byte after the indentation, `end` lies behind the line ending.
    `text` is joined as BuildKit joins it (rule 1.4). `pieces` and `hosts` are None for a
    line without continuation; else `text[pieces[i]:]` stands at `hosts[i]` in the file.
    """

    bodies: tuple[Body, ...] = ()
    failure = ""
    name: str | None = None
    keyword: tuple[int, int] | None = None

    def __init__(
        self,
        source: Source,
        text: bytes,
        start: int,
        end: int,
        pieces: list[int] | None,
        hosts: list[int] | None,
        first: int,
        last: int,
        escape: bytes,
        comments: tuple[bytes, ...],
    ) -> None:
        self.source = source
        self.text = text
        self.start = start
        self.end = end
        self.pieces = pieces
        self.hosts = hosts
        self.first = first
        self.last = last
        self.escape = escape
        self.comments = comments

    def host(self, offset: int) -> int:
        """Where the byte at `offset` of the text stands in the file."""
        pieces, hosts = self.pieces, self.hosts
        if pieces is None or hosts is None:
            return self.start + offset
        at = bisect_right(pieces, offset) - 1
        return hosts[at] + offset - pieces[at]

    def host_end(self, offset: int) -> int:
        """Where the text up to `offset` ends in the file."""
        pieces, hosts = self.pieces, self.hosts
        if pieces is None or hosts is None:
            return self.start + offset
        at = max(bisect_left(pieces, offset) - 1, 0)
        return hosts[at] + offset - pieces[at]

    def span(self, start: int, end: int) -> Span:
        """The bytes of the file from text offset `start` to `end`, continuations included."""
        if self.pieces is None:
            return Span(self.start + start, self.start + end)
        if start == end:
            at = self.host_end(start)
            return Span(at, at)
        return Span(self.host(start), self.host_end(end))

    def projection(self, start: int, end: int) -> Projection:
        """`text[start:end]` with its map to the file."""
        text = self.text[start:end]
        if self.pieces is None or self.hosts is None or start == end:
            at = self.host_end(start)
            return Projection(text, (Segment(0, at, end - start, end - start),))
        segments = []
        for at in range(bisect_right(self.pieces, start) - 1, len(self.pieces)):
            piece = self.pieces[at]
            if piece >= end:
                break
            stop = self.pieces[at + 1] if at + 1 < len(self.pieces) else len(self.text)
            low, high = max(piece, start), min(stop, end)
            host = self.hosts[at] + low - piece
            segments.append(Segment(low - start, host, high - low, high - low))
        return Projection(text, tuple(segments))

    def masked(self, start: int, end: int) -> Projection:
        """`text[start:end]` at its own places in the file, blanks where anything else stands."""
        projection = self.projection(start, end)
        if len(projection.segments) < 2:
            return projection
        host = projection.segments[0].host
        parts: list[bytes] = []
        at = host
        for segment in projection.segments:
            parts.append(b" " * (segment.host - at))
            parts.append(projection.text[segment.text : segment.text + segment.length])
            at = segment.host + segment.width
        return Projection.masked(b"".join(parts), host)

    def within(self, start: int, end: int) -> LogicalLine:
        """The line that `text[start:end]` would be on its own: the trigger of ONBUILD."""
        span = self.span(start, end)
        pieces = hosts = None
        if self.pieces is not None:
            segments = self.projection(start, end).segments
            pieces = [segment.text for segment in segments]
            hosts = [segment.host for segment in segments]
        return LogicalLine(
            self.source, self.text[start:end], span.start, span.end, pieces, hosts,
            self.first, self.last, self.escape, (),
        )  # fmt: skip


def left_trimmed(line: bytes) -> bytes:
    """`line` without leading white space, as Go sees white space in UTF-8."""
    line = line.lstrip(ASCII_SPACE)
    if line and line[0] >= 0x80:
        found = LEADING_SPACE.match(line)
        if found is not None and found.end():
            line = line[found.end() :]
    return line


def trimmed_end(text: bytes, start: int, end: int) -> int:
    """Where `text[start:end]` ends once trailing white space is gone."""
    while end > start:
        last = text[end - 1]
        if last < 0x80:
            if last not in ASCII_SPACE:
                break
            end -= 1
            continue
        for character in WIDE_CHARACTERS:
            if text.endswith(character, start, end):
                end -= len(character)
                break
        else:
            break
    return end


def trimmed_start(text: bytes, start: int, end: int) -> int:
    found = LEADING_SPACE.match(text, start, end)
    return found.end() if found is not None else start
