"""The text of a YAML scalar, its map to the file, and edits of that text in the file.

Every style is read by its own rules (YAML 1.2 chapters 7 and 8). `edits` makes the smallest
change that keeps the style; what it would write is read again, and where that is not the
wanted text the whole scalar is written anew in a style that can hold it. Knows no tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from dockerfix.edits import Edit, splice
from dockerfix.projection import Projection, Segment
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Style = Literal["plain", "single", "double", "literal", "folded"]

_ESCAPES = {
    b"0": b"\0", b"a": b"\a", b"b": b"\b", b"t": b"\t", b"\t": b"\t", b"n": b"\n", b"v": b"\v",
    b"f": b"\f", b"r": b"\r", b"e": b"\x1b", b" ": b" ", b'"': b'"', b"/": b"/", b"\\": b"\\",
    b"N": b"\xc2\x85", b"_": b"\xc2\xa0", b"L": b"\xe2\x80\xa8", b"P": b"\xe2\x80\xa9",
}  # fmt: skip
_CODES = {b"x": 2, b"u": 4, b"U": 8}
_WRITTEN = {b"\n": rb"\n", b"\t": rb"\t", b'"': rb"\"", b"\\": rb"\\", b"\r": rb"\r", b"\0": rb"\0"}
_TYPED = re.compile(
    rb"~|null|true|false|yes|no|on|off|y|n|\.nan|[-+]?\.inf|[-+]?[\d_.:,]*\d[\d_.:,eExXoOa-fA-F+-]*"
    rb"|\d{4}-\d\d?-\d\d?\b.*|<<|=",
    re.I | re.S,
)
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]|\xef\xbb\xbf")


class Change(NamedTuple):
    """Put `text` where `span` of a scalar's text is."""

    span: Span
    text: bytes


@dataclass(frozen=True, eq=False)
class ScalarText:
    """One scalar of `data`. `span` holds quotes, or a block scalar from its indicator on to the
    end of its last line that is not blank. `parent` is the column of the collection that holds
    it (-1 at the top)."""

    data: bytes
    span: Span
    style: Style
    parent: int = -1
    in_flow: bool = False
    unit: int = 2
    eol: bytes = b"\n"

    @property
    def block(self) -> bool:
        return self.style in ("literal", "folded")

    @property
    def aligned(self) -> bool:
        """Whether each line of the text is a line of the file."""
        return self.style == "literal"

    @cached_property
    def projection(self) -> Projection:
        text, segments = _Decoder(self).read()
        return Projection(text, segments)

    @property
    def text(self) -> bytes:
        return self.projection.text

    def offset(self, host: int) -> int:
        """The text offset that a place in the file stands for."""
        for segment in self.projection.segments:
            if host < segment.host:
                return segment.text
            if host <= segment.host + segment.width:
                inside = host - segment.host
                if segment.length == segment.width:
                    return segment.text + inside
                return segment.text + (segment.length if inside >= segment.width else 0)
        return len(self.text)

    def text_span(self, host: Span) -> Span:
        start = self.offset(host.start)
        return Span(start, start if host.empty else max(start, self.offset(host.end)))

    # -- editing --------------------------------------------------------------

    def edits(self, changes: Iterable[Change]) -> list[Edit]:
        """Edits of the file that carry out `changes`, which must not overlap."""
        ordered = sorted(changes, key=lambda change: change.span)
        wanted = splice(self.text, [Edit(change.span, change.text) for change in ordered])
        if wanted == self.text:
            return []
        small = self._small(ordered)
        if small is not None and self._reads_as(small, wanted):
            return small
        return [Edit(self._whole, self.written(wanted))]

    @property
    def _whole(self) -> Span:
        """What is replaced when the scalar is written anew."""
        if not self.block:
            return self.span
        line = self.data[self.span.start : header(self.data, self.span.start).end].rstrip(b"\r\n")
        return Span(self.span.start, max(self.span.end, self.span.start + len(line)))

    def _reads_as(self, edits: Sequence[Edit], wanted: bytes) -> bool:
        try:
            after = splice(self.data, edits)
        except ValueError:
            # Two changes meet in the indentation of one line.
            return False
        grown = len(after) - len(self.data)
        new = ScalarText(
            after,
            Span(self.span.start, self.span.end + grown),
            self.style,
            self.parent,
            self.in_flow,
        )
        if self.block:
            last = content_end(after, self.span.start, self.parent)
            new = ScalarText(
                after, Span(self.span.start, last), self.style, self.parent, self.in_flow
            )
            if len(after) - last != len(self.data) - self.span.end:
                return False
        if self.style == "plain" and not plain_holds(wanted, self.in_flow, self.text):
            return False
        return new.text == wanted

    def _small(self, changes: Sequence[Change]) -> list[Edit] | None:
        if self.block:
            found = [self._in_block(change) for change in changes]
            return None if None in found else [edit for edit in found if edit is not None]
        return [
            Edit(Span(self._host(c.span.start), self._host(c.span.end)), self._encoded(c.text))
            for c in changes
        ]

    def _host(self, offset: int) -> int:
        projection = self.projection
        if not projection.segments:
            return self.span.start + (self.style in ("single", "double"))
        if offset >= len(self.text):
            return projection.host(offset, end=True)
        return projection.host(offset)

    def _encoded(self, text: bytes) -> bytes:
        if self.style == "single":
            return text.replace(b"'", b"''")
        if self.style == "double":
            return escaped(text)
        return text

    def _in_block(self, change: Change) -> Edit | None:
        text, projection = self.text, self.projection
        if not projection.segments:
            return None
        start, end = change.span
        pad = b" " * self.indent
        lines = change.text.split(b"\n")
        if self.style == "folded" and len(lines) > 1:
            return None
        whole = _line_start(text, start) and _line_start(text, end)
        if start == end == len(text) and text.endswith(b"\n"):
            at = projection.host(end, end=True)
            if not change.text.endswith(b"\n"):
                return None
            return Edit(Span(at, at), pad + (self.eol + pad).join(lines[:-1]) + self.eol)
        if whole and (not change.text or change.text.endswith(b"\n")):
            first = self.data.rfind(b"\n", 0, projection.host(start)) + 1
            last = projection.host(end, end=True) if end > start else first
            new = b"".join(pad + line + self.eol for line in lines[:-1])
            return Edit(Span(first, last), new)
        inner = [pad + line if line.strip(b" ") else b"" for line in lines[1:]]
        if len(lines) > 1 and text[end : end + 1] != b"\n":
            inner[-1] = pad + lines[-1]
        written = self.eol.join([lines[0], *inner])
        if end > start and _line_start(text, end) and change.text.endswith(b"\n"):
            last = projection.host(end, end=True)
            return Edit(Span(self._host(start), last), written.removesuffix(pad))
        return Edit(Span(self._host(start), self._host(end)), written)

    @property
    def indent(self) -> int:
        """Of a block scalar: how many blanks stand before its lines."""
        head = header(self.data, self.span.start)
        if head.indent:
            return max(self.parent, 0) + head.indent
        found = first_indent(self.data, head.end)
        return max(found, self.parent + 1) if found is not None else max(self.parent, 0) + self.unit

    # -- writing anew ---------------------------------------------------------

    def written(self, text: bytes) -> bytes:
        """`text` as a scalar in this place, in the style that it has if that can be."""
        if self.block and text.strip():
            head = header(self.data, self.span.start)
            # Blank lines behind the scalar count where its end is kept: then it is quoted.
            ends = head.chomp == b"+" or text.endswith(b"\n\n")
            made = None if ends else literal_lines(text, self.indent, self.eol)
            if made is not None:
                tail = self.data[head.indicators.end : head.end].rstrip(b"\r\n")
                return (
                    literal_header(text, self.indent - max(self.parent, 0)) + tail + self.eol + made
                )
        if self.style == "single" and b"\n" not in text and not _CONTROL.search(text):
            return b"'" + text.replace(b"'", b"''") + b"'"
        if self.style == "double" or self.block:
            return b'"' + escaped(text) + b'"'
        return flow_scalar(text, self.in_flow)


# -- writing ------------------------------------------------------------------


def plain_holds(text: bytes, in_flow: bool, before: bytes | None = None) -> bool:
    """Whether `text` can stand without quotes and still be this very string.

    `before`: what stood there; a text that looks like a number may replace such a one.
    """
    if not text or text != text.strip() or re.search(rb"[\n\t]", text) or _CONTROL.search(text):
        return False
    if text[:1] in b",[]{}#&*!|>'\"%@`":
        return False
    if text[:1] in b"-?:" and (in_flow or text[1:2] in b" "):
        return False
    if re.search(rb":(?:[ \t]|$)|[ \t]#", text) or text.startswith((b"---", b"...")):
        return False
    if in_flow and re.search(rb"[,\[\]{}?:]", text):
        return False
    return _TYPED.fullmatch(text) is None or (
        before is not None and _TYPED.fullmatch(before) is not None
    )


def flow_scalar(text: bytes, in_flow: bool, quote: bytes = b"'") -> bytes:
    """`text` on one line: plain where it can be, else in quotes (`quote`: the file's habit)."""
    if plain_holds(text, in_flow):
        return text
    hard = b"\n" in text or _CONTROL.search(text) is not None
    simple = b'"' not in text and b"\\" not in text
    if hard or (simple and (quote == b'"' or b"'" in text)):
        return b'"' + escaped(text) + b'"'
    return b"'" + text.replace(b"'", b"''") + b"'"


def escaped(text: bytes) -> bytes:
    """The inside of double quotes."""
    found = re.sub(rb'[\n\t"\\\r\0]', lambda hit: _WRITTEN[hit[0]], text)
    return _CONTROL.sub(_code, found)


def _code(hit: re.Match[bytes]) -> bytes:
    return b"".join(
        b"\\x%02x" % ord(char) if ord(char) < 256 else b"\\u%04x" % ord(char)
        for char in hit[0].decode("utf-8", "replace")
    )


def literal_lines(text: bytes, indent: int, eol: bytes) -> bytes | None:
    """The lines of a `|` scalar; without the last line ending where the text has none."""
    if _CONTROL.search(text) or b"\r" in text:
        return None
    lines = text.removesuffix(b"\n").split(b"\n")
    if any(line and not line.strip(b" ") for line in lines):
        return None
    return eol.join(b" " * indent + line if line else b"" for line in lines)


def literal_header(text: bytes, depth: int) -> bytes:
    first = next((line for line in text.split(b"\n") if line.strip()), b"")
    number = b"%d" % depth if first[:1] in (b" ", b"\t") or text[:1] == b"\n" else b""
    chomp = b"" if text.endswith(b"\n") and not text.endswith(b"\n\n") else (
        b"+" if text.endswith(b"\n") else b"-"
    )  # fmt: skip
    return b"|" + number + chomp


# -- reading ------------------------------------------------------------------


class Header(NamedTuple):
    """The first line of a block scalar. `end` is where the content's first line starts."""

    indicators: Span
    indent: int
    chomp: bytes
    end: int


def header(data: bytes, start: int) -> Header:
    found = re.compile(rb"[|>]([-+0-9]*)").match(data, start)
    marks = found[1] if found else b""
    digits = re.sub(rb"[-+]", b"", marks)
    newline = data.find(b"\n", start)
    return Header(
        Span(start, found.end() if found else start + 1),
        int(digits or 0),
        re.sub(rb"[0-9]", b"", marks)[:1],
        len(data) if newline < 0 else newline + 1,
    )


def first_indent(data: bytes, at: int) -> int | None:
    """Blanks before the first line from `at` on that is not blank."""
    for line, _, _ in _lines(data, at, len(data)):
        if line.strip():
            return len(line) - len(line.lstrip(b" "))
    return None


def content_end(data: bytes, start: int, parent: int) -> int:
    """The end of a block scalar's last line that is not blank, its line ending left out."""
    head = header(data, start)
    indent = head.indent + max(parent, 0) if head.indent else None
    last = head.indicators.end
    for line, at, _ in _lines(data, head.end, len(data)):
        if not line.strip(b" "):
            continue
        depth = len(line) - len(line.lstrip(b" "))
        if indent is None:
            if depth <= parent:
                break
            indent = depth
        if depth < indent or (depth == 0 and re.match(rb"(?:---|\.\.\.)(?:\s|$)", line)):
            break
        last = at + len(line)
    return last


def _lines(data: bytes, at: int, stop: int) -> Iterable[tuple[bytes, int, int]]:
    """(line without its ending, its offset, width of its ending)."""
    while at < stop:
        newline = data.find(b"\n", at, stop)
        end = stop if newline < 0 else newline
        width = 0 if newline < 0 else 1
        if width and data[end - 1 : end] == b"\r" and end > at:
            end, width = end - 1, 2
        yield data[at:end], at, width
        at = end + width


def _line_start(text: bytes, at: int) -> bool:
    return at == 0 or text[at - 1 : at] == b"\n"


class _Decoder:
    def __init__(self, scalar: ScalarText) -> None:
        self.scalar = scalar
        self.data = scalar.data
        self.text = bytearray()
        self.segments: list[Segment] = []

    def read(self) -> tuple[bytes, tuple[Segment, ...]]:
        if self.scalar.block:
            self._block()
        else:
            self._flow()
        return bytes(self.text), tuple(self.segments)

    def _put(self, text: bytes, host: int, width: int) -> None:
        if not text:
            return
        last = self.segments[-1] if self.segments else None
        same = len(text) == width
        if last and same and last.length == last.width and last.host + last.width == host:
            self.segments[-1] = last._replace(length=last.length + width, width=last.width + width)
        else:
            self.segments.append(Segment(len(self.text), host, len(text), width))
        self.text += text

    # -- block scalars --------------------------------------------------------

    def _block(self) -> None:
        scalar, head = self.scalar, header(self.data, self.scalar.span.start)
        indent = scalar.indent
        lines = list(_lines(self.data, head.end, scalar.span.end))
        if scalar.span.end <= head.end:
            lines = []
        # The ending of the last line, and blank lines behind it, are chomping's business.
        if lines:
            line, at, _ = lines[-1]
            end = at + len(line)
            width = next((w for _, _, w in _lines(self.data, end, len(self.data))), 0)
            lines[-1] = (line, at, width)
            if head.chomp == b"+":
                for blank, offset, ending in _lines(self.data, end + width, len(self.data)):
                    if blank.strip(b" "):
                        break
                    lines.append((blank, offset, ending))
        for index, (line, at, width) in enumerate(lines):
            content = line[indent:]
            last = index == len(lines) - 1
            self._put(content, at + indent, len(content))
            if not width:
                continue
            end = at + len(line)
            if head.chomp == b"-" and last:
                continue
            if scalar.style == "literal" or last:
                self._put(b"\n", end, width)
                continue
            self._fold(lines, index, indent, end, width)

    def _fold(
        self,
        lines: list[tuple[bytes, int, int]],
        index: int,
        indent: int,
        end: int,
        width: int,
    ) -> None:
        """What the break behind line `index` of a folded scalar is."""
        content = lines[index][0][indent:]
        kind = "blank" if not content else "spaced" if content[:1] in b" \t" else "text"
        rest = [line[indent:] for line, _, _ in lines[index + 1 :]]
        following = next((line for line in rest if line), b"")
        spaced = following[:1] in (b" ", b"\t")
        if kind == "blank" or not following or kind == "spaced" or spaced:
            self._put(b"\n", end, width)
        elif rest and rest[0]:
            self._put(b" ", end, width)

    # -- plain and quoted -----------------------------------------------------

    def _flow(self) -> None:
        start, end = self.scalar.span
        if self.scalar.style in ("single", "double"):
            start, end = start + 1, end - 1
        at = start
        while at < end:
            run = re.compile(rb"[ \t]*(?:\r?\n[ \t]*)+").match(self.data, at, end)
            if run and b"\n" in run[0]:
                self._folded_run(run)
                at = run.end()
                continue
            ordinary = re.compile(rb"[^ \t\r\n'\\]+").match(self.data, at, end)
            if ordinary:
                self._put(ordinary[0], at, len(ordinary[0]))
                at = ordinary.end()
                continue
            byte = self.data[at : at + 1]
            if self.scalar.style == "single" and self.data[at : at + 2] == b"''":
                self._put(b"'", at, 2)
                at += 2
            elif self.scalar.style == "double" and byte == b"\\":
                at = self._escape(at, end)
            else:
                self._put(byte, at, 1)
                at += 1

    def _folded_run(self, run: re.Match[bytes]) -> None:
        breaks = [
            (run.start() + hit.start(), len(hit[0])) for hit in re.finditer(rb"\r?\n", run[0])
        ]
        if len(breaks) == 1:
            self._put(b" ", breaks[0][0], breaks[0][1])
            # The blanks beside a break are no text: width covers the break alone.
        else:
            for host, width in breaks[1:]:
                self._put(b"\n", host, width)

    def _escape(self, at: int, end: int) -> int:
        letter = self.data[at + 1 : at + 2]
        broken = re.compile(rb"\\\r?\n((?:[ \t]*\r?\n)*)[ \t]*").match(self.data, at, end)
        if broken:
            for hit in re.finditer(rb"\r?\n", broken[1]):
                self._put(b"\n", broken.start(1) + hit.start(), len(hit[0]))
            return broken.end()
        if letter in _CODES:
            size = _CODES[letter]
            try:
                char = chr(int(self.data[at + 2 : at + 2 + size], 16)).encode(
                    "utf-8", "surrogatepass"
                )
            except ValueError:
                char = b"?"
            self._put(char, at, 2 + size)
            return at + 2 + size
        self._put(_ESCAPES.get(letter, letter), at, 2)
        return at + 2
