"""A recipe as the shell text that make hands over, with a map back to the Makefile.

`$$` becomes `$`, prefixes (`@`, `-`, `+`) become blanks, a recipe prefix behind a continuation
goes. A make reference is asked of a `Resolve`: expanded in place (so that a flag inside
`$(DOCKER_ARGS)` is found and edited where it is written), given as known text, or kept as an
opaque expansion `${make_ref_N%?}`, which new text may carry to another place of the recipe
(an operator keeps whoever reads it from quoting it anew, T31). Knows nothing of builds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from dockerfix.edits import Edit
from dockerfix.formats.make import Reference, references
from dockerfix.projection import Projection, Segment
from dockerfix.source import Span

DEPTH = 8
LIMIT = 200_000
"""Bytes of shell text after which nothing more is expanded."""
PLACEHOLDER = re.compile(rb"\$\{make_ref_(\d+)%\?\}")


class Inline(NamedTuple):
    """The values (host spans, joined by a blank) that a variable is expanded to."""

    values: tuple[Span, ...]


class Known(NamedTuple):
    """Shell text that a reference stands for and that is not edited here."""

    text: bytes


Resolve = Callable[[Reference, bytes], "Inline | Known | None"]
"""What a reference is, given the shell text before it in its word; None: opaque."""


class Expansion(NamedTuple):
    """`text` (a span of the shell text) was made from the reference at `host`.

    `edited`: its bytes map to the definition in this file. `joint`: a blank that make puts
    between the values of `=` and `+=`.
    """

    text: Span
    host: Span
    edited: bool
    joint: bool = False


@dataclass(frozen=True, slots=True)
class RecipeText(Projection):
    """Maps a span to the innermost definition that holds all of it; an insertion at the border
    of an expansion stands outside of it."""

    expansions: tuple[Expansion, ...] = ()

    def host(self, offset: int, *, end: bool = False) -> int:
        if end and offset:
            return self.host_span(Span(offset - 1, offset)).end
        return self.host_span(Span(offset, offset)).start

    def host_span(self, span: Span) -> Span:
        start, end = span
        while start < end and any(e.joint and e.text.start == start for e in self.expansions):
            start += 1
        if start == end:
            return self._point(start)
        frame = self._frame(Span(start, end))
        return Span(self._start(start, frame), self._end(end, frame))

    def frame(self, span: Span) -> Expansion | None:
        """The innermost expansion that holds all of `span`; None for the recipe itself."""
        return self._frame(span)

    def whole(self, span: Span) -> bool:
        """Whether an edit of `span` changes no byte outside it: it cuts no expansion apart, and
        lies in none that is not edited here."""
        return all(
            span.contains(one.text)
            or (one.edited and one.text.contains(span))
            or not one.text.overlaps(span)
            for one in self.expansions
            if not one.joint
        )

    def edit(self, span: Span, text: bytes) -> Edit:
        return Edit(self.host_span(span), self.encode(text))

    def _frame(self, span: Span) -> Expansion | None:
        best: Expansion | None = None
        for one in self.expansions:
            if one.joint or one.text.empty or not one.text.contains(span):
                continue
            # Inner ones come first: of equal ones the innermost stays.
            if best is None or (best.text.contains(one.text) and best.text != one.text):
                best = one
        return best

    def _children(self, frame: Expansion | None, offset: int) -> Expansion | None:
        """The outermost expansion inside `frame` that holds the byte at `offset`."""
        best: Expansion | None = None
        for one in self.expansions:
            if one == frame or one.joint or not one.text.start <= offset < one.text.end:
                continue
            if frame is not None and (not frame.text.contains(one.text) or one.text == frame.text):
                continue
            if best is None or one.text.contains(best.text):
                best = one
        return best

    def _point(self, offset: int) -> Span:
        inside = [
            one
            for one in self.expansions
            if not one.joint and one.text.start < offset < one.text.end
        ]
        frame = min(inside, key=lambda one: one.text.end - one.text.start, default=None)
        if offset < len(self.text):
            at = self._start(offset, frame)
        else:
            at = (
                self._end(offset, frame)
                if offset
                else self.segments[0].host
                if self.segments
                else 0
            )
        return Span(at, at)

    def _start(self, offset: int, frame: Expansion | None) -> int:
        child = self._children(frame, offset)
        if child is not None:
            return child.host.start
        if frame is not None and not frame.edited:
            return frame.host.start
        segment = self._segment(offset)
        inside = offset - segment.text
        return segment.host + (inside if segment.length == segment.width else 0)

    def _end(self, offset: int, frame: Expansion | None) -> int:
        child = self._children(frame, offset - 1)
        if child is not None:
            return child.host.end
        if frame is not None and not frame.edited:
            return frame.host.end
        segment = self._segment(offset - 1)
        inside = offset - segment.text
        return segment.host + (inside if segment.length == segment.width else segment.width)


def shell_text(data: bytes, lines: tuple[Span, ...], prefix: int, resolve: Resolve) -> RecipeText:
    """The text of recipe `lines` (host spans) that one shell gets."""
    return _Builder(data, prefix, resolve).build(lines)


class _Builder:
    def __init__(self, data: bytes, prefix: int, resolve: Resolve) -> None:
        self.data = data
        self.prefix = prefix
        self.resolve = resolve
        self.text = bytearray()
        self.segments: list[Segment] = []
        self.expansions: list[Expansion] = []
        self.raw: list[bytes] = []
        self.starts: list[int] = []

    def build(self, lines: tuple[Span, ...]) -> RecipeText:
        for index, line in enumerate(lines):
            if index:
                self._put(b"\n", line.start - 1, 0)
            self.starts.append(len(self.text))
            self._recipe(line)
        for start in self.starts:
            self._mask_prefix(start)
        raw = tuple(self.raw)

        def encode(text: bytes) -> bytes:
            pieces = PLACEHOLDER.split(text)
            found = [pieces[0].replace(b"$", b"$$")]
            for number, piece in zip(pieces[1::2], pieces[2::2], strict=True):
                found += [raw[int(number)], piece.replace(b"$", b"$$")]
            return b"".join(found)

        return RecipeText(bytes(self.text), tuple(self.segments), encode, tuple(self.expansions))

    def _put(self, text: bytes, host: int, width: int) -> None:
        if text:
            self.segments.append(Segment(len(self.text), host, len(text), width))
            self.text += text

    def _mask_prefix(self, at: int) -> None:
        """Blank out `@`, `-` and `+` before a command (a line of a canned recipe has its own)."""
        while at < len(self.text) and self.text[at] in b" \t@-+":
            self.text[at] = 0x20
            at += 1

    def _recipe(self, line: Span) -> None:
        data = self.data
        at = line.start
        for found in references(data, line):
            self._recipe_bytes(Span(at, found.span.start))
            self._reference(found, 0)
            at = found.span.end
        self._recipe_bytes(Span(at, line.end))

    def _recipe_bytes(self, span: Span) -> None:
        data, (at, end) = self.data, span
        for found in re.compile(rb"\$\$|\r?\n").finditer(data, at, end):
            self._put(data[at : found.start()], at, found.start() - at)
            at = found.end()
            if found[0] == b"$$":
                self._put(b"$", found.start(), 2)
                continue
            if at < len(data) and data[at] == self.prefix:
                at += 1
            self._put(b"\n", found.start(), at - found.start())
        self._put(data[at:end], at, end - at)

    def _value(self, span: Span, depth: int) -> None:
        data, at = self.data, span.start
        for found in references(data, span):
            self._value_bytes(Span(at, found.span.start))
            self._reference(found, depth)
            at = found.span.end
        self._value_bytes(Span(at, span.end))

    def _value_bytes(self, span: Span) -> None:
        data, (at, end) = self.data, span
        pattern = re.compile(rb"\$\$|[ \t]*\\\r?\n[ \t]*|\\#|\r?\n")
        for found in pattern.finditer(data, at, end):
            self._put(data[at : found.start()], at, found.start() - at)
            at = found.end()
            if found[0] == b"$$":
                text = b"$"
            elif found[0] == b"\\#":
                text = b"#"
            else:
                text = b" " if b"\\" in found[0] else b"\n"
            self._put(text, found.start(), at - found.start())
            if text == b"\n":
                self.starts.append(len(self.text))
        self._put(data[at:end], at, end - at)

    def _reference(self, one: Reference, depth: int) -> None:
        start = len(self.text)
        word = re.search(rb"(?:\\.|[^\s;|&()])*\Z", bytes(self.text[-512:]), re.S)
        further = depth < DEPTH and len(self.text) < LIMIT
        found = self.resolve(one, word[0] if word else b"") if further else None
        width = one.span.end - one.span.start
        if isinstance(found, Inline):
            for index, value in enumerate(found.values):
                if index:
                    joint = len(self.text)
                    self._put(b" ", value.start, 0)
                    self.expansions.append(Expansion(Span(joint, joint + 1), one.span, False, True))
                inner = len(self.text)
                self._value(value, depth + 1)
                self.expansions.append(Expansion(Span(inner, len(self.text)), one.span, True))
            if not found.values:
                self.expansions.append(Expansion(Span(start, start), one.span, True))
            return
        if isinstance(found, Known):
            self._put(found.text, one.span.start, width)
            self.expansions.append(Expansion(Span(start, len(self.text)), one.span, False))
            return
        self.raw.append(self.data[one.span.start : one.span.end])
        self._put(b"${make_ref_%d%%?}" % (len(self.raw) - 1), one.span.start, width)
