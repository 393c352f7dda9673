"""Where the physical lines of one instruction begin, end and go on; and the file's header.

Lowering needs line ends, indents and continuations as they stand in the file. Both
readers work on bytes and by line only: they do not know what an instruction means.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.source import Source, Span
from dockerfix.syntax.lexer import DIRECTIVES, left_trimmed

if TYPE_CHECKING:
    from dockerfix.syntax.nodes import Instruction

BLANKS = b" \t\v\f\r"


class Line(NamedTuple):
    """One physical line: `start`, `text_end` before its line end, `end` after it.

    `kind` is `code`, `comment` or `blank` (rules 1.16 and 1.17); `escape` is the offset
    of the escape character that makes a code line go on (rule 1.15).
    """

    start: int
    text_end: int
    end: int
    kind: str
    escape: int | None

    @property
    def code_end(self) -> int:
        return self.text_end if self.escape is None else self.escape


@dataclass(frozen=True, slots=True)
class Layout:
    """The lines of an instruction without its heredoc bodies."""

    data: bytes
    lines: tuple[Line, ...]
    escape: bytes
    eol: bytes

    @classmethod
    def of(cls, instruction: Instruction, source: Source) -> Layout:
        end = min(
            (heredoc.content_span.start for heredoc in instruction.heredocs),
            default=instruction.span.end,
        )
        escape = instruction.escape
        lines = tuple(_lines(source.data, Span(instruction.span.start, end), escape))
        eol = line_end(source.data, lines[0]) or source.eol
        return cls(source.data, lines, escape, eol)

    def index(self, offset: int) -> int:
        """Index of the line that holds the byte at `offset`."""
        return max(bisect_right(self.lines, offset, key=lambda line: line.start) - 1, 0)

    def indent(self, index: int) -> bytes:
        text = self.data[self.lines[index].start : self.lines[index].text_end]
        return text[: len(text) - len(text.lstrip(b" \t"))]

    @property
    def continuation_indent(self) -> bytes:
        """The smallest indent of the lines that go on; where there are none the column at which
        the arguments are aligned, or four spaces."""
        indents = [
            self.indent(index)
            for index, line in enumerate(self.lines)
            if index and line.kind == "code"
        ]
        return min(indents, key=len, default=b"") or self._column() or b"    "

    def _column(self) -> bytes:
        """Spaces up to the arguments where more than one stands before them: `RUN      cmd`."""
        line = self.lines[0]
        text = self.data[line.start : line.code_end]
        aligned = re.match(rb" *\S+ {2,}(?=\S)", text)
        return b" " * aligned.end() if aligned else b""

    def skip(self, offset: int) -> int | None:
        """Offset of the first byte of text at or after `offset`, over blanks and line breaks."""
        index = self.index(offset)
        while index < len(self.lines):
            line = self.lines[index]
            if line.kind == "code":
                at = first_text(self.data, max(offset, line.start), line.code_end)
                if at is not None:
                    return at
                if line.escape is None:
                    return None
            index += 1
        return None


def first_text(data: bytes, start: int, end: int) -> int | None:
    """Offset of the first byte in the range that is not a blank."""
    rest = data[start:end].lstrip(BLANKS)
    return end - len(rest) if rest else None


def continues(text: bytes, escape: bytes) -> int | None:
    """Index of the escape character that makes the line `text` go on (rule 1.15)."""
    bare = text.rstrip(b" \t")
    if bare.endswith(escape) and not bare[:-1].endswith(escape):
        return len(bare) - 1
    return None


def line_end(data: bytes, line: Line) -> bytes:
    if data[line.start : line.end].endswith(b"\r\n"):
        return b"\r\n"
    return b"\n" if data[line.start : line.end].endswith(b"\n") else b""


def _lines(data: bytes, span: Span, escape: bytes) -> list[Line]:
    lines: list[Line] = []
    start = span.start
    while start < span.end or not lines:
        end = data.find(b"\n", start, span.end) + 1 or span.end
        text = data[start:end].rstrip(b"\r\n")
        bare = left_trimmed(text)
        kind = "code"
        if lines and (not bare or bare.startswith(b"#")):
            kind = "comment" if bare else "blank"
        mark = continues(text, escape) if kind == "code" else None
        lines.append(
            Line(start, start + len(text), end, kind, None if mark is None else start + mark)
        )
        start = end
    return lines


class Directive(NamedTuple):
    """A parser directive: its lower-case name, its line, and the first word of its value."""

    name: bytes
    line: Span
    value: Span


class Header(NamedTuple):
    """The directives that stand at the top; a new one goes to `insert_at` (rule 1.14)."""

    insert_at: int
    directives: tuple[Directive, ...]
    end: int
    shebang: bool


def read_header(source: Source) -> Header:
    """The parser directives of a file (rules 1.7 to 1.11), a shebang before them skipped."""
    data, start = source.data, len(source.bom)
    shebang = data.startswith(b"#!", start)
    if shebang:
        start = data.find(b"\n", start) + 1 or len(data)
    insert_at, directives = start, []
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        directive = directive_in(data, Span(start, end))
        if directive is None:
            break
        directives.append(directive)
        start = end
    return Header(insert_at, tuple(directives), start, shebang)


def directive_in(data: bytes, line: Span) -> Directive | None:
    """The known directive that the line spells, wherever the line stands (rule 1.7)."""
    left, equals, value = data[line.start : line.end].partition(b"=")
    marked = left_trimmed(left).rstrip()
    name = left_trimmed(marked[1:]).lower()
    if not equals or not marked.startswith(b"#") or name not in DIRECTIVES or not value.strip():
        return None
    start = line.end - len(value.lstrip())
    # The image is the value up to the first blank (rule 1.12).
    return Directive(name, line, Span(start, start + len(value.split()[0])))
