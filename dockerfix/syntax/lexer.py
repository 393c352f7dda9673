"""Physical lines to logical lines: the tokens of the file grammar.

Holds what depends on context and so cannot be a grammar: the header's directives,
continuations with the comments and blank lines inside them, and which lines are heredoc
bodies. Works on bytes and in linear time. It does not know what any instruction means,
and takes a single instruction apart nowhere (that is `shapes`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.source import BOM, Span
from dockerfix.syntax.lines import (
    WIDE_SPACE,
    Body,
    LogicalLine,
    Opener,
    Problem,
    left_trimmed,
    trimmed_end,
    trimmed_start,
)
from dockerfix.syntax.pins import spaced_heredocs

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockerfix.source import Source

__all__ = [
    "DIRECTIVES", "DirectiveLine", "Lexed", "Problem", "Token", "detect_syntax",
    "directive_value", "left_trimmed", "lex", "scan",
]  # fmt: skip

DIRECTIVE = re.compile(
    rb"#(?:[\t\n\v\f\r ]|" + WIDE_SPACE + rb")*([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*="
)
DIRECTIVES = frozenset({b"syntax", b"escape", b"check"})
LONGEST_LINE = 65535
UNTERMINATED = "unterminated heredoc"
PATIENCE = 8
NO_COMMENTS: tuple[bytes, ...] = ()


class DirectiveLine(NamedTuple):
    """A line `# name=value` of the header.

    `parsed` says that BuildKit's parser takes it (for `escape`), `detected` that the search
    for `syntax` and `check` finds it: the two differ on indentation and after a shebang
    (rules 1.10, 1.11).
    """

    name: str
    value: bytes
    span: Span
    value_span: Span
    line: int
    parsed: bool
    detected: bool
    duplicate: bool


Token = tuple[str, object, int, int]
"""Terminal, payload, start and end in the file."""


class Lexed(NamedTuple):
    """The file as tokens in order; they cover every byte but blanks before an instruction."""

    source: Source
    tokens: list[Token]
    escape: bytes
    errors: list[Problem]
    notes: list[Problem]
    warnings: list[Problem]


def directive_value(line: bytes, start: int, host: int) -> Span:
    """Where the value behind `=` stands in the file; `line` begins at `host`."""
    text = line.rstrip(b"\r\n")
    end = start + len(text[start:].rstrip(b"\t\n\f\r "))
    if end == start:
        # Nothing but blanks: the last of them is the value.
        return Span(host + max(len(text) - 1, start), host + len(text))
    start += len(text[start:end]) - len(text[start:end].lstrip(b"\t\n\f\r "))
    return Span(host + start, host + end)


SLASHES = re.compile(
    rb"//(?:[\t\n\v\f\r ]|" + WIDE_SPACE + rb")*([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*="
)


def detect_syntax(data: bytes) -> tuple[int, bytes, bool] | None:
    """(line, value, whether a word of a comment) of `// syntax=` or of JSON (rule 1.12)."""
    at = len(BOM) if data.startswith(BOM) else 0
    line = 0
    if data.startswith(b"#!", at):
        at = data.find(b"\n", at) + 1 or len(data)
        line = 1
    rest = at
    while True:
        line += 1
        end = data.find(b"\n", at) + 1 or len(data)
        found = SLASHES.match(data, at, end)
        if found is None or found[1].lower() not in DIRECTIVES:
            break
        value = directive_value(data[at:end], found.end() - at, 0)
        if value.empty:
            break
        if found[1].lower() == b"syntax":
            return line, data[at + value.start : at + value.end], True
        at = end
    if data[rest:].lstrip()[:1] != b"{":
        return None
    import json

    try:
        found_json = json.loads(data[rest:].decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    image = found_json.get("syntax") if isinstance(found_json, dict) else None
    return (
        (int(rest > 0), image.encode("utf-8", "replace"), False) if isinstance(image, str) else None
    )


def lex(source: Source, find_heredocs: Callable[[LogicalLine], tuple[Opener, ...]]) -> Lexed:
    """Split `source` into the tokens of the file grammar. Never raises, whatever the bytes."""
    return _Lexer(source, find_heredocs).run()


def scan(data: bytes) -> Lexed:
    """The lines of `data` and nothing more: what `parse` does before any grammar."""
    from dockerfix.source import Source
    from dockerfix.syntax.reading import find_heredocs

    return lex(Source("Dockerfile", data), find_heredocs)


class _Lexer:
    def __init__(
        self, source: Source, find_heredocs: Callable[[LogicalLine], tuple[Opener, ...]]
    ) -> None:
        self.source = source
        self.data = source.data
        self.find_heredocs = find_heredocs
        self.tokens: list[Token] = []
        self.errors: list[Problem] = []
        self.notes: list[Problem] = []
        self.warnings: list[Problem] = []
        self.escape = b"\\"
        self.spaced_heredocs = True
        self.at = 0
        self.line = 0
        self.comments: list[bytes] = []
        self.terminators: dict[tuple[bool, bytes], list[int]] | None = None
        self.missing = 0

    def run(self) -> Lexed:
        self.header()
        self.items()
        return Lexed(self.source, self.tokens, self.escape, self.errors, self.notes, self.warnings)

    # -- the header -----------------------------------------------------------------

    def header(self) -> None:
        """BOM, shebang and directives, up to the first line that is none (rules 1.7 to 1.11)."""
        data = self.data
        if data.startswith(BOM):
            self.tokens.append(("BOM", None, 0, len(BOM)))
            self.at = len(BOM)
        parsed = detected = True
        if data.startswith(b"#!", self.at):
            end = self.line_end(self.at)
            self.comment(data[self.at : end])
            self.tokens.append(("SHEBANG", None, self.at, end))
            self.at, self.line = end, 1
            parsed = False
        seen: set[bytes] = set()
        while (parsed or detected) and self.at < len(data):
            end = self.line_end(self.at)
            line = data[self.at : end]
            bare = left_trimmed(line)
            found = DIRECTIVE.match(bare) if bare[:1] == b"#" else None
            name = found[1].lower() if found is not None else b""
            detected = detected and len(bare) == len(line)
            if found is None or name not in DIRECTIVES or not (parsed or detected):
                break
            value = directive_value(bare, found.end(), end - len(bare))
            if value.empty:
                break
            self.directive(name, value, end, parsed, detected, name in seen)
            if name in seen:
                break
            seen.add(name)

    def directive(
        self, name: bytes, value: Span, end: int, parsed: bool, detected: bool, again: bool
    ) -> None:
        self.line += 1
        start = self.at
        span = Span(start, end)
        text, given = name.decode("ascii"), self.source.text(value)
        directive = DirectiveLine(text, given, span, value, self.line, parsed, detected, again)
        place = range(self.line - 1, self.line)
        if parsed and again:
            message = f"only one {text} parser directive can be used"
            self.errors.append(Problem(self.line, message, span, place, "parse"))
        elif parsed and name == b"escape":
            if given in (b"\\", b"`"):
                self.escape = given
            else:
                shown = given.decode("utf-8", "replace")
                message = f"invalid escape token '{shown}' does not match ` or \\"
                self.errors.append(Problem(self.line, message, span, place, "parse"))
        elif detected and name == b"syntax" and not again:
            image = given.decode("utf-8", "surrogateescape").split(" ")[0]
            self.spaced_heredocs = spaced_heredocs(image)
        if not parsed:
            self.comment(self.data[start:end])
        self.long(start, end)
        self.tokens.append(("DIRECTIVE", directive, start, end))
        self.at = end

    # -- comments, blank lines, instructions ----------------------------------------

    def items(self) -> None:
        data, size, tokens = self.data, len(self.data), self.tokens
        find = data.find
        escape = self.escape
        mark = escape[0]
        closing = escape + b" \t"
        source, at = self.source, self.at
        while at < size:
            end = find(b"\n", at) + 1 or size
            if end - at > LONGEST_LINE:
                self.long(at, end)
            self.line += 1
            line = data[at:end]
            if not 0x20 < line[0] < 0x80:
                line = left_trimmed(line)
            if not line:
                if tokens and tokens[-1][0] == "BLANK":
                    tokens[-1] = ("BLANK", None, tokens[-1][2], end)
                else:
                    tokens.append(("BLANK", None, at, end))
                at = end
                continue
            if line[0] == 35:
                self.comment(data[at:end])
                tokens.append(("COMMENT", None, at, end))
                at = end
                continue
            start = end - len(line)
            text = line.rstrip(b"\r\n")
            tail = text.rstrip(b" \t") if text[-1] in closing else b""
            if tail and tail[-1] == mark and (len(tail) == 1 or tail[-2] != mark):
                logical = self.continued(start, end, tail[:-1])
                end, text = logical.end, logical.text
            else:
                number = self.line
                logical = LogicalLine(
                    source, text, start, end, None, None, number, number, escape, NO_COMMENTS
                )
                if self.comments:
                    logical.comments = tuple(self.comments)
            at = end
            tokens.append(("LINE", logical, start, end))
            if b"<<" in text:
                at = self.heredocs(logical)
            if self.comments:
                self.comments = []

    def continued(self, start: int, at: int, text: bytes) -> LogicalLine:
        """The rest of an instruction whose first line goes on (rules 1.15 to 1.18)."""
        data, size = self.data, len(self.data)
        mark = self.escape[0]
        parts = [text] if text else []
        pieces = [0] if text else []
        hosts = [start] if text else []
        length = len(text)
        first, empty = self.line, False
        going = True
        while going and at < size:
            end = data.find(b"\n", at) + 1 or size
            if end - at > LONGEST_LINE:
                self.long(at, end)
            self.line += 1
            line = data[at:end]
            bare = left_trimmed(line)
            if not bare:
                empty = True
            elif bare[0] != 35:
                text = line.rstrip(b"\r\n")
                tail = text.rstrip(b" \t")
                going = tail[-1:] == self.escape and (len(tail) == 1 or tail[-2] != mark)
                if going:
                    text = tail[:-1]
                if text:
                    parts.append(text)
                    pieces.append(length)
                    hosts.append(at)
                    length += len(text)
            at = end
        joined = b"".join(parts)
        if not pieces:
            pieces, hosts = [0], [start]
        logical = LogicalLine(
            self.source, joined, start, at, pieces, hosts, first, self.line, self.escape,
            tuple(self.comments),
        )  # fmt: skip
        if empty:
            shown = joined.decode("utf-8", "replace")
            message = f"Empty continuation line found in: {shown}"
            span = Span(start, at)
            self.warnings.append(
                Problem(self.line, message, span, range(self.line, self.line + 1), "warning")
            )
        return logical

    def comment(self, line: bytes) -> None:
        """Keep a comment for the instruction below it; an empty one forgets (rule 1.41)."""
        # BuildKit cuts the first byte off, be it `#` or a blank before it.
        text = line[1:]
        text = text[trimmed_start(text, 0, len(text)) : trimmed_end(text, 0, len(text))]
        if text:
            self.comments.append(text)
        else:
            self.comments = []

    def long(self, start: int, end: int) -> None:
        if end - start > LONGEST_LINE:
            message = f"dockerfile line greater than max allowed size of {LONGEST_LINE}"
            line = self.source.line(start)
            place = range(line - 1, line)
            self.notes.append(Problem(line, message, Span(start, end), place, "parse"))

    def line_end(self, at: int) -> int:
        return self.data.find(b"\n", at) + 1 or len(self.data)

    # -- heredocs -------------------------------------------------------------------

    def heredocs(self, logical: LogicalLine) -> int:
        """Take the bodies that follow `logical`; returns where the next instruction begins."""
        openers = self.find_heredocs(logical)
        if not self.spaced_heredocs:
            openers = tuple(one for one in openers if not one.spaced)
        if not openers:
            return logical.end
        bodies: list[Body] = []
        at = logical.end
        for opener in openers:
            found = self.terminator(opener, at)
            if found is None:
                # The lines below are read on their own: BuildKit has nothing of the file then.
                logical.failure = UNTERMINATED
                return logical.end
            end = found
            stop = self.line_end(end)
            bodies.append(Body(opener, at, end, stop))
            at = stop
        logical.bodies = tuple(bodies)
        for body in bodies:
            self.tokens.append(("HEREDOC", body, body.start, body.stop))
            self.long_lines(body.start, body.stop)
        self.line += self.data.count(b"\n", logical.end, at)
        if at == len(self.data) and not self.data.endswith(b"\n"):
            self.line += 1
        logical.last = self.line
        return at

    def terminator(self, opener: Opener, at: int) -> int | None:
        """Start of the first line from `at` on that closes `opener` (rule 1.32)."""
        data, size = self.data, len(self.data)
        name, chomp = opener.name, opener.chomp
        if self.terminators is not None:
            starts = self.terminators.get((chomp, name), [])
            index = bisect_left(starts, at)
            return starts[index] if index < len(starts) else None
        while at < size:
            end = data.find(b"\n", at) + 1 or size
            if name in data[at:end]:
                line = data[at:end].rstrip(b"\r\n")
                if (line.lstrip(b"\t") if chomp else line) == name:
                    return at
            at = end
        self.missing += 1
        if self.missing == PATIENCE:
            # From now on an index answers, so that many open heredocs stay linear.
            self.terminators = self.line_index()
        return None

    def line_index(self) -> dict[tuple[bool, bytes], list[int]]:
        index: dict[tuple[bool, bytes], list[int]] = {}
        at = 0
        while at < len(self.data):
            end = self.line_end(at)
            line = self.data[at:end].rstrip(b"\r\n")
            index.setdefault((False, line), []).append(at)
            index.setdefault((True, line.lstrip(b"\t")), []).append(at)
            at = end
        return index

    def long_lines(self, start: int, end: int) -> None:
        if end - start > LONGEST_LINE:
            while start < end:
                stop = self.line_end(start)
                self.long(start, stop)
                start = stop
