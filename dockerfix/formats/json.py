"""JSON (with comments too) as a tree of places: objects, arrays, strings with their text.

tree-sitter-json says where things stand; `brackets` changes them. Never raises on bytes. Knows
nothing of builds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockerfix.formats.brackets import Group, Member, Node, Text
from dockerfix.projection import Projection, Segment
from dockerfix.source import BOM, Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SIMPLE = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}
_SPECIAL = re.compile(rb'[\x00-\x1f"\\]')
_SHORT = {b"\n": b"\\n", b"\t": b"\\t", b"\r": b"\\r", b'"': b'\\"', b"\\": b"\\\\"}


@dataclass(frozen=True, eq=False)
class File:
    """A JSON file. `errors`: some of it did not parse, and what is there may be incomplete."""

    source: Source
    root: Node | None
    errors: bool = False


def parse(source: Source) -> File:
    """The tree of a file's bytes. Never raises."""
    from tree_sitter import Language, Parser
    from tree_sitter_json import language

    skip = len(BOM) if source.data.startswith(BOM) else 0
    tree = Parser(Language(language())).parse(source.data[skip:])
    reading = _Reading(source.data, skip)
    try:
        roots = [one for one in tree.root_node.children if one.type in reading.kinds]
        root = reading.node(roots[0]) if roots else None
    except RecursionError:
        return File(source, None, True)
    return File(source, root, bool(tree.root_node.has_error) or len(roots) != 1)


def encode(text: bytes) -> bytes:
    """`text` as the inside of a JSON string."""
    return _SPECIAL.sub(lambda hit: _SHORT.get(hit[0], b"\\u%04x" % ord(hit[0])), text)


def quoted(text: str) -> bytes:
    return b'"' + encode(text.encode("utf-8", "surrogateescape")) + b'"'


class _Reading:
    kinds = frozenset({"object", "array", "string", "number", "true", "false", "null"})

    def __init__(self, data: bytes, skip: int) -> None:
        self.data = data
        self.skip = skip

    def node(self, node: Any) -> Node:
        span = self._span(node)
        if node.type == "object":
            return Group(span, "map", tuple(self._pairs(node)))
        if node.type == "array":
            items = [self.node(one) for one in node.children if one.type in self.kinds]
            return Group(span, "list", tuple(Member(one.span, one) for one in items))
        if node.type == "string":
            projection = string_text(self.data, span)
            return Text(
                span, projection.text.decode("utf-8", "surrogateescape"), projection=projection
            )
        word = self.data[span.start : span.end].decode("utf-8", "replace")
        return Text(span, None if word == "null" else word, null=word == "null")

    def _pairs(self, node: Any) -> Iterator[Member]:
        for pair in node.children:
            if pair.type != "pair":
                continue
            key, value = pair.child_by_field_name("key"), pair.child_by_field_name("value")
            if key is None or value is None or value.type not in self.kinds:
                continue
            span = self._span(key)
            name = string_text(self.data, span).text.decode("utf-8", "surrogateescape")
            yield Member(Span(span.start, self._span(value).end), self.node(value), name, span)

    def _span(self, node: Any) -> Span:
        return Span(node.start_byte + self.skip, node.end_byte + self.skip)


def string_text(data: bytes, span: Span) -> Projection:
    """The text of the string whose quotes are the ends of `span`."""
    segments: list[Segment] = []
    text = bytearray()

    def put(piece: bytes, host: int, width: int) -> None:
        if piece:
            segments.append(Segment(len(text), host, len(piece), width))
            text.extend(piece)

    at, end = span.start + 1, span.end - 1
    while at < end:
        hit = _ESCAPE.search(data, at, end)
        stop = hit.start() if hit is not None else end
        put(data[at:stop], at, stop - at)
        if hit is None:
            break
        at = hit.end()
        piece = _unescaped(hit[0])
        if 0xD800 <= _code(hit[0]) < 0xDC00:
            low = _ESCAPE.match(data, at, end)
            if low is not None and 0xDC00 <= _code(low[0]) < 0xE000:
                both = (_code(hit[0]), _code(low[0]))
                whole = 0x10000 + ((both[0] - 0xD800) << 10) + (both[1] - 0xDC00)
                piece, at = chr(whole).encode(), low.end()
        put(piece, hit.start(), at - hit.start())
    if not segments:
        segments.append(Segment(0, span.start + 1, 0, 0))
    return Projection(bytes(text), tuple(segments), encode)


def _code(escape: bytes) -> int:
    return int(escape[2:], 16) if escape[1:2] == b"u" and len(escape) == 6 else -1


def _unescaped(escape: bytes) -> bytes:
    code = _code(escape)
    if code >= 0:
        return chr(code).encode("utf-8", "surrogatepass")
    return _SIMPLE.get(escape[1:], escape[1:])
