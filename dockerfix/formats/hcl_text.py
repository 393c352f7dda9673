"""The text of an HCL string or heredoc, its map to the file, and edits of that text in the file.

What `${...}` and `%{...}` in it stand for is not known here: they are read as they are written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dockerfix.edits import Edit
from dockerfix.formats.embedded import StringText
from dockerfix.projection import Projection, Segment
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.formats.embedded import Holder
    from dockerfix.formats.yaml_scalar import Change

TEMPLATE = re.compile(
    rb"\$\$\{|%%\{|[$%]\{(?:[^{}\"]|\"(?:[^\"\\]|\\.)*\"|\{(?:[^{}\"]|\"(?:[^\"\\]|\\.)*\")*\})*\}",
    re.DOTALL,
)
"""An escaped opening of a template, or a whole one."""
_HEAD = re.compile(rb"<<(-?)[^\s]+\r?\n")
_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_READ = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_WRITTEN = {b"\n": rb"\n", b"\r": rb"\r", b"\t": rb"\t", b'"': rb"\"", b"\\": rb"\\"}


def holder(data: bytes, span: Span) -> Holder | None:
    """The string or heredoc that stands at `span`; None for another expression."""
    if data[span.start : span.start + 1] == b'"':
        return StringText(span, _quoted(data, span))
    return Heredoc(data, span) if _HEAD.match(data, span.start, span.end) else None


def escaped(text: bytes) -> bytes:
    """`text` as a template that gives it."""
    return re.sub(rb"([$%])\{", rb"\1\1{", text)


def _encode(text: bytes) -> bytes:
    return re.sub(rb'[\n\r\t"\\]', lambda hit: _WRITTEN[hit[0]], text)


def _quoted(data: bytes, span: Span) -> Projection:
    text = bytearray()
    segments: list[Segment] = []

    def put(piece: bytes, host: int, width: int) -> None:
        if piece:
            segments.append(Segment(len(text), host, len(piece), width))
            text.extend(piece)

    at, end = span.start + 1, span.end - 1
    pattern = re.compile(TEMPLATE.pattern + rb"|" + _ESCAPE.pattern, re.DOTALL)
    while at < end:
        hit = pattern.search(data, at, end)
        stop = hit.start() if hit is not None else end
        put(data[at:stop], at, stop - at)
        if hit is None:
            break
        read = _unescaped(hit[0]) if hit[0].startswith(b"\\") else hit[0]
        put(read, hit.start(), len(hit[0]))
        at = hit.end()
    return Projection(bytes(text), tuple(segments), _encode)


def _unescaped(escape: bytes) -> bytes:
    letter = escape[1:2]
    if len(escape) > 2:
        return chr(min(int(escape[2:], 16), 0x10FFFF)).encode("utf-8", "surrogatepass")
    return _READ.get(letter, letter)


@dataclass(frozen=True, eq=False)
class Heredoc:
    """`<<EOT` or `<<-EOT` to its closing word. Of the latter the blanks go that all lines have."""

    data: bytes
    span: Span
    aligned = True

    @cached_property
    def _lines(self) -> tuple[tuple[int, bytes], ...]:
        """Where each line starts in the file, and the line."""
        head = _HEAD.match(self.data, self.span.start)
        at = head.end() if head is not None else self.span.end
        found = []
        for line in self.data[at : self._close].splitlines(keepends=True):
            found.append((at, line))
            at += len(line)
        return tuple(found)

    @property
    def _close(self) -> int:
        """The start of the line with the closing word."""
        return self.data.rfind(b"\n", 0, self.span.end) + 1

    @cached_property
    def _indent(self) -> bytes:
        """What stands before every line and is no text."""
        if not self.data.startswith(b"<<-", self.span.start):
            return b""
        full = [line for _, line in self._lines if line.strip()]
        least = min(full, key=lambda line: len(line) - len(line.lstrip()), default=b"")
        return least[: len(least) - len(least.lstrip())]

    @cached_property
    def projection(self) -> Projection:
        text = b""
        segments = []
        for at, line in self._lines:
            cut = len(self._indent) if line.strip() else 0
            segments.append(Segment(len(text), at + cut, len(line) - cut, len(line) - cut))
            text += line[cut:]
        return Projection(text, tuple(segments))

    def edits(self, changes: Iterable[Change]) -> list[Edit]:
        return [self._edit(*change) for change in changes]

    def _edit(self, span: Span, new: bytes) -> Edit:
        starts = {
            one.text: at for one, (at, _) in zip(self.projection.segments, self._lines, strict=True)
        }
        starts[len(self.projection.text)] = self._close
        whole = span.start in starts and (not new or new.endswith(b"\n"))
        pieces = new.split(b"\n")
        inner = [self._indent + one if one.strip() else one for one in pieces[1:]]
        if whole and span.end in starts:
            lines = [self._indent + one if one.strip() else one for one in pieces[:-1]]
            text = b"".join(line + b"\n" for line in lines)
            return Edit(Span(starts[span.start], starts[span.end]), text)
        if inner and span.end not in starts:
            inner[-1] = self._indent + pieces[-1]
        return Edit(self.projection.host_span(span), b"\n".join([pieces[0], *inner]))
