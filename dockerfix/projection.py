"""Embedded text and its map back to host bytes.

A RUN body, a Makefile recipe, a YAML scalar, an HCL or JSON string: each is read as
plain text by a parser that knows nothing of the host, and what that parser finds is
edited in the host. This module does not know any host format: whoever makes a
projection says which text bytes stand where and how new text is written there.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.edits import Edit
from dockerfix.source import Span

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Iterator

FOREIGN = 0x01
"""The byte that stands for text which whoever reads it will not see as written."""


class Segment(NamedTuple):
    """`length` text bytes from `text` on stand at `host` in the host file.

    `width` is how many host bytes they take: equal to `length` for text copied as it
    is; different for an escape such as `$$`, which then maps as one piece.
    """

    text: int
    host: int
    length: int
    width: int


def verbatim(text: bytes) -> bytes:
    return text


@dataclass(frozen=True, slots=True)
class Projection:
    """`text`, and where each byte of it stands in the host (segments in text order)."""

    text: bytes
    segments: tuple[Segment, ...]
    encode: Callable[[bytes], bytes] = verbatim
    stand_ins: tuple[Span, ...] = field(default=(), kw_only=True)
    """Spans of the text that are other text than the host has there, which means the same."""

    @classmethod
    def identity(cls, data: bytes, span: Span | None = None) -> Projection:
        """`data`, or the part of it in `span`, read as it stands."""
        start, end = span if span is not None else (0, len(data))
        return cls(data[start:end], (Segment(0, start, end - start, end - start),))

    @classmethod
    def masked(cls, text: bytes, host: int) -> Projection:
        """Text of the same length as the host bytes from `host` on, some overwritten."""
        return cls(text, (Segment(0, host, len(text), len(text)),))

    def host(self, offset: int, *, end: bool = False) -> int:
        """Host offset of the text byte at `offset`; with `end`, of the place behind byte `offset - 1`."""
        if end:
            if offset == 0:
                return self.segments[0].host if self.segments else 0
            segment = self._segment(offset - 1)
            inside = offset - segment.text
            return segment.host + (segment.width if inside >= segment.length else inside)
        segment = self._segment(offset)
        inside = offset - segment.text
        if inside and segment.length != segment.width:
            return segment.host + (segment.width if inside >= segment.length else 0)
        return segment.host + inside

    def host_span(self, span: Span) -> Span:
        start = self.host(span.start)
        return Span(start, start if span.empty else self.host(span.end, end=True))

    def edit(self, span: Span, text: bytes) -> Edit:
        """An edit of the host that puts `text` (not yet encoded) where `span` of the text is."""
        return Edit(self.host_span(span), self.encode(text))

    def told_as(self, changes: Iterable[tuple[Span, bytes]]) -> Projection:
        """The same host, with other text for some spans: each maps as one piece to what it was."""
        text, at = b"", 0
        segments: list[Segment] = []
        stand_ins: list[Span] = []
        for span, new in sorted(changes):
            segments += self._moved(Span(at, span.start), len(text) - at)
            text += self.text[at : span.start]
            host = self.host_span(span)
            segments.append(Segment(len(text), host.start, len(new), host.end - host.start))
            stand_ins.append(Span(len(text), len(text) + len(new)))
            text, at = text + new, span.end
        segments += self._moved(Span(at, len(self.text)), len(text) - at)
        text += self.text[at:]
        return Projection(text, tuple(segments), self.encode, stand_ins=tuple(stand_ins))

    def _moved(self, span: Span, by: int) -> Iterator[Segment]:
        """The segments of `span`, for a text in which it stands `by` bytes further on."""
        for one in self.segments:
            start, end = max(one.text, span.start), min(one.text + one.length, span.end)
            if start < end:
                whole = one.length != one.width
                inside = 0 if whole else start - one.text
                width = one.width if whole else end - start
                yield Segment(start + by, one.host + inside, end - start, width)

    def pieces(self, span: Span) -> Iterator[tuple[Span, bool]]:
        """The parts of `span` that the host has as they are, and (True) those that stand in."""
        at = span.start
        for one in self.stand_ins:
            start, end = max(one.start, at), min(one.end, span.end)
            if start < end:
                yield Span(at, start), False
                yield Span(start, end), True
                at = end
        yield Span(at, span.end), False

    def _segment(self, offset: int) -> Segment:
        at = bisect_right(self.segments, offset, key=lambda segment: segment.text) - 1
        return self.segments[max(at, 0)]


def substituted(
    projection: Projection,
    pattern: re.Pattern[bytes],
    new: Callable[[re.Match[bytes]], bytes],
) -> Projection:
    """The text with `new` put in for each hit, which maps to the host as one piece."""
    text = projection.text
    made = bytearray()
    segments: list[Segment] = []
    at = 0

    def copy(start: int, end: int) -> None:
        for one in projection.segments:
            low, high = max(start, one.text), min(end, one.text + one.length)
            if low >= high:
                continue
            whole = one.length != one.width
            host = one.host if whole else one.host + low - one.text
            width = one.width if whole else high - low
            segments.append(Segment(len(made) + low - start, host, high - low, width))

    for hit in pattern.finditer(text):
        copy(at, hit.start())
        made += text[at : hit.start()]
        host, put = projection.host_span(Span(*hit.span())), new(hit)
        if put:
            segments.append(Segment(len(made), host.start, len(put), host.end - host.start))
        made += put
        at = hit.end()
    copy(at, len(text))
    made += text[at:]
    return Projection(bytes(made), tuple(segments))


def framed(before: bytes, inside: Projection, after: bytes) -> Projection:
    """The text between two that stand nowhere in the host."""
    start = inside.segments[0].host if inside.segments else 0
    last = inside.segments[-1] if inside.segments else Segment(0, 0, 0, 0)
    end = last.host + last.width
    size = len(before) + len(inside.text)
    segments = [Segment(at, start, 1, 0) for at in range(len(before))]
    segments += [one._replace(text=one.text + len(before)) for one in inside.segments]
    segments += [Segment(size + at, end, 1, 0) for at in range(len(after))]
    return Projection(before + inside.text + after, tuple(segments), inside.encode)
