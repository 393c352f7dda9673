"""What every node is, and the small nodes inside instructions: words, pairs, exec forms.

A node knows its bytes by offsets and is their concatenation: what the grammar did not see
(blanks, continuations, the comments in them) stands between its children as `Token`s of
kind `BLANK` or `CONTINUATION`. This module knows no instruction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from dockerfix.projection import Projection, Segment
from dockerfix.source import Span
from dockerfix.syntax import shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dockerfix.source import Source
    from dockerfix.syntax.lines import LogicalLine


T = TypeVar("T")


class lazy(Generic[T]):  # noqa: N801
    """functools.cached_property without the lock that it takes before Python 3.12."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> T | lazy[T]:
        if instance is None:
            return self
        value = self.function(instance)
        instance.__dict__[self.name] = value
        return value


class Node:
    """A piece of the file. `code` is `span` of the source, and its children's code in turn."""

    if TYPE_CHECKING:
        # Subclasses hold or compute these.
        @property
        def source(self) -> Source: ...

        @property
        def span(self) -> Span: ...

        @property
        def children(self) -> tuple[Node, ...]: ...

    @property
    def code(self) -> bytes:
        start, end = self.span
        return self.source.data[start:end]


@dataclass(frozen=True, eq=False, init=False)
class Token(Node):
    """A leaf: the bytes of one terminal, or of what stands between terminals."""

    source: Source
    kind: str
    span: Span

    def __init__(self, source: Source, kind: str, span: Span) -> None:
        fields = self.__dict__
        fields["source"] = source
        fields["kind"] = kind
        fields["span"] = span

    @property
    def children(self) -> tuple[Node, ...]:
        return ()

    def __repr__(self) -> str:
        return f"Token({self.kind}, {self.code!r})"


Part = Node | shapes.Token


def filled(source: Source, span: Span, nodes: Iterable[Node]) -> tuple[Node, ...]:
    """`nodes`, which stand in order inside `span`, and tokens for the bytes between them."""
    result: list[Node] = []
    at = span.start
    for node in nodes:
        start, end = node.span
        if start > at:
            result.append(_between(source, Span(at, start)))
        result.append(node)
        at = max(at, end)
    if at < span.end:
        result.append(_between(source, Span(at, span.end)))
    return tuple(result)


def _between(source: Source, span: Span) -> Token:
    text = source.text(span)
    kind = "BLANK"
    if text.strip():
        kind = "CONTINUATION"
    elif b"\n" in text:
        kind = "EOL"
    return Token(source, kind, span)


def children_of(line: LogicalLine, span: Span, parts: Iterable[Part]) -> tuple[Node, ...]:
    """The children that `parts` of `line` make: tokens become leaves."""
    source = line.source
    nodes = [
        part if isinstance(part, Node) else Token(source, part[0], line.span(part[1], part[2]))
        for part in parts
    ]
    return filled(source, span, nodes)


@dataclass(frozen=True, eq=False, init=False)
class Shaped(Node):
    """A node made by a sub-grammar: what the grammar saw of `line`, in order."""

    line: LogicalLine
    parts: tuple[Part, ...]

    def __init__(self, line: LogicalLine, parts: tuple[Part, ...]) -> None:
        # By hand: the way of frozen dataclasses costs three times as much.
        fields = self.__dict__
        fields["line"] = line
        fields["parts"] = parts

    @property
    def source(self) -> Source:
        return self.line.source

    @lazy
    def span(self) -> Span:
        first, last = self.parts[0], self.parts[-1]
        if not isinstance(first, Node) and not isinstance(last, Node):
            return self.line.span(first[1], last[2])
        start = first.span.start if isinstance(first, Node) else self.line.span(*first[1:]).start
        end = last.span.end if isinstance(last, Node) else self.line.span(*last[1:]).end
        return Span(start, end)

    @lazy
    def children(self) -> tuple[Node, ...]:
        return children_of(self.line, self.span, self.parts)

    def token(self, *kinds: str) -> shapes.Token | None:
        """The first terminal of one of `kinds`."""
        for part in self.parts:
            if not isinstance(part, Node) and part[0] in kinds:
                return part
        return None


class Word(Shaped):
    """One argument as written: `raw` keeps quotes and escapes, continuations are gone."""

    @property
    def offsets(self) -> tuple[int, int]:
        part = self.parts[0]
        assert not isinstance(part, Node)
        return part[1], part[2]

    @lazy
    def raw(self) -> bytes:
        start, end = self.offsets
        return self.line.text[start:end]

    @lazy
    def text(self) -> Projection:
        """`raw` with its map to the file."""
        return self.line.projection(*self.offsets)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.raw!r})"


class JsonWord(Word):
    """A string of an exec form. `raw` is its value, `span` what stands between the quotes."""

    @property
    def offsets(self) -> tuple[int, int]:
        start, end = Word.offsets.fget(self)  # type: ignore[attr-defined]
        return start + 1, end - 1

    @lazy
    def span(self) -> Span:
        return self.line.span(*self.offsets)

    @lazy
    def children(self) -> tuple[Node, ...]:
        return (Token(self.source, "STRING", self.span),)

    @lazy
    def raw(self) -> bytes:
        return self.text.text

    @lazy
    def text(self) -> Projection:
        start, end = self.offsets
        return unescaped(self.line, start, end)


ESCAPES = {
    0x22: b'"', 0x5C: b"\\", 0x2F: b"/", 0x62: b"\b",
    0x66: b"\f", 0x6E: b"\n", 0x72: b"\r", 0x74: b"\t",
}  # fmt: skip


def unescaped(line: LogicalLine, start: int, end: int) -> Projection:
    """What a JSON string stands for, with its map; new text is escaped when it is written."""
    text = line.text
    if text.find(b"\\", start, end) < 0:
        plain = line.projection(start, end)
        return Projection(plain.text, plain.segments, json_escaped)
    value = bytearray()
    segments: list[Segment] = []
    at = start
    while at < end:
        stop = text.find(b"\\", at, end)
        stop = end if stop < 0 else stop
        for segment in line.projection(at, stop).segments if stop > at else ():
            segments.append(segment._replace(text=segment.text + len(value)))
        value += text[at:stop]
        if stop == end:
            break
        at, piece = _unescape(text, stop)
        span = line.span(stop, at)
        segments.append(Segment(len(value), span.start, len(piece), span.end - span.start))
        value += piece
    return Projection(bytes(value), tuple(segments), json_escaped)


def _unescape(text: bytes, at: int) -> tuple[int, bytes]:
    """(offset behind the escape at `at`, the bytes it stands for); lone surrogates are lost."""
    simple = ESCAPES.get(text[at + 1])
    if simple is not None:
        return at + 2, simple
    code = int(text[at + 2 : at + 6], 16)
    at += 6
    if 0xD800 <= code < 0xDC00 and text.startswith(b"\\u", at):
        low = int(text[at + 2 : at + 6], 16)
        if 0xDC00 <= low < 0xE000:
            code = 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00
            at += 6
    if 0xD800 <= code < 0xE000:
        code = 0xFFFD
    return at, chr(code).encode("utf-8")


def json_escaped(text: bytes) -> bytes:
    """`text` as it is written inside a JSON string."""
    result = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    for code in range(0x20):
        if code in result:
            result = result.replace(bytes((code,)), b"\\u%04x" % code)
    return result


class Pair(Shaped):
    """One `k=v` of ARG, ENV or LABEL, the legacy `k v`, or the bare `k` of ARG."""

    @lazy
    def name(self) -> str:
        _, start, end = self._name
        return self.line.text[start:end].decode("utf-8", "surrogateescape")

    @property
    def name_span(self) -> Span:
        return self.line.span(*self._name[1:])

    @property
    def _name(self) -> shapes.Token:
        part = self.parts[0]
        assert not isinstance(part, Node)
        return part

    @property
    def separator(self) -> str:
        """`=`, or nothing for a bare name and for the legacy form."""
        return "=" if self.token("EQUALS") is not None else ""

    @property
    def value(self) -> Word | None:
        """The value, which may be empty; None for a bare `ARG X`."""
        part = self.parts[-1]
        return part if isinstance(part, Word) else None

    def __repr__(self) -> str:
        return f"Pair({self.name!r})"


class ExecForm(Shaped):
    """A JSON array (rule 1.27)."""

    @lazy
    def words(self) -> tuple[JsonWord, ...]:
        return tuple(
            JsonWord(self.line, (part,))
            for part in self.parts
            if not isinstance(part, Node) and part[0] == "STRING"
        )

    @property
    def strings_only(self) -> bool:
        kinds = {part[0] for part in self.parts[1:-1] if not isinstance(part, Node)}
        return kinds <= {"STRING", "COMMA"}


class ShellForm(Shaped):
    """The text that a shell is given."""
