"""YAML as a tree of places: documents, maps, lists, scalars, aliases, each with its span.

tree-sitter-yaml says where things stand; what a scalar means is `yaml_scalar`'s business and how
anything is changed `yaml_edit`'s. Nothing is ever printed anew. Never raises on bytes: `errors`
says that some of the file did not parse. Knows nothing of builds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dockerfix.formats.yaml_scalar import ScalarText, Style, content_end
from dockerfix.source import BOM, Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockerfix.projection import Projection

DEEPEST = 200


@dataclass(frozen=True, eq=False)
class Node:
    """`span` leaves out the anchor and the tag; `place` takes them in."""

    span: Span
    anchor: str = field(default="", kw_only=True)
    tag: str = field(default="", kw_only=True)
    place: Span = field(default=Span(0, 0), kw_only=True)


@dataclass(frozen=True, eq=False)
class Scalar(Node):
    content: ScalarText = field(repr=False, kw_only=True)

    @property
    def style(self) -> Style:
        return self.content.style

    @property
    def projection(self) -> Projection:
        return self.content.projection

    @property
    def text(self) -> bytes:
        return self.content.text

    @cached_property
    def value(self) -> str:
        return self.text.decode("utf-8", "surrogateescape")

    @property
    def null(self) -> bool:
        """Whether it is written as nothing (`~`, `null`)."""
        return self.style == "plain" and self.text in (b"", b"~", b"null", b"Null", b"NULL")


@dataclass(frozen=True, eq=False)
class Alias(Node):
    name: str


@dataclass(frozen=True, eq=False)
class Entry:
    """`key: value`. `span` runs from the key to the end of the value, comments left out."""

    span: Span
    key: Node
    value: Node | None

    @property
    def name(self) -> str:
        return self.key.value if isinstance(self.key, Scalar) else ""


@dataclass(frozen=True, eq=False)
class Map(Node):
    """`column` is where its keys start (block style)."""

    entries: tuple[Entry, ...] = ()
    flow: bool = False
    column: int = 0

    def entry(self, name: str) -> Entry | None:
        """Its own entry of that name, merge keys not looked at."""
        return next((one for one in self.entries if one.name == name), None)


@dataclass(frozen=True, eq=False)
class Item:
    """`- value`. `span` starts at the dash (in flow style at the value)."""

    span: Span
    value: Node | None


@dataclass(frozen=True, eq=False)
class List(Node):
    """`column` is where its dashes stand (block style)."""

    items: tuple[Item, ...] = ()
    flow: bool = False
    column: int = 0


@dataclass(frozen=True, eq=False)
class Document:
    span: Span
    root: Node | None


@dataclass(frozen=True, eq=False)
class File:
    """A YAML file. `errors`: some of it did not parse, and what is there may be incomplete."""

    source: Source
    documents: tuple[Document, ...]
    errors: bool = False
    owners: Mapping[int, tuple[Node, Entry | Item]] = field(default_factory=dict, repr=False)

    @cached_property
    def anchors(self) -> tuple[Node, ...]:
        return tuple(node for node in self.every() if node.anchor)

    @cached_property
    def aliases(self) -> tuple[Alias, ...]:
        return tuple(node for node in self.every() if isinstance(node, Alias))

    @property
    def root(self) -> Node | None:
        """The root of the last document."""
        return self.documents[-1].root if self.documents else None

    def every(self) -> Iterator[Node]:
        """All nodes, keys included, outermost first."""
        waiting = [one.root for one in reversed(self.documents) if one.root is not None]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(list(children(node)))

    def resolve(self, node: Node | None) -> Node | None:
        """`node`, or what it is an alias of: the last anchor of that name before it."""
        seen = 0
        while isinstance(node, Alias) and seen < DEEPEST:
            name, at = node.name, node.span.start
            node = next(
                (
                    one
                    for one in reversed(self.anchors)
                    if one.anchor == name and one.place.start < at
                ),
                None,
            )
            seen += 1
        return None if isinstance(node, Alias) else node

    def entries(self, node: Node | None, depth: int = 0) -> dict[str, Entry]:
        """What a map holds by name, merge keys (`<<`) carried out; empty if it is no map."""
        node = self.resolve(node)
        if not isinstance(node, Map) or depth > DEEPEST:
            return {}
        found: dict[str, Entry] = {}
        for entry in node.entries:
            if entry.name != "<<":
                continue
            merged = self.resolve(entry.value)
            several = (
                [item.value for item in merged.items] if isinstance(merged, List) else [merged]
            )
            for one in several:
                for name, held in self.entries(one, depth + 1).items():
                    found.setdefault(name, held)
        found.update({one.name: one for one in node.entries if one.name != "<<"})
        return found

    def get(self, node: Node | None, *names: str) -> Node | None:
        """What stands below the keys `names`, aliases and merge keys followed; None if nothing."""
        found = self.resolve(node)
        for name in names:
            entry = self.entries(found).get(name)
            found = self.resolve(entry.value) if entry is not None else None
        return found

    def items(self, node: Node | None) -> tuple[Node, ...]:
        """The values of a list, aliases followed; empty if it is no list."""
        found = self.resolve(node)
        if not isinstance(found, List):
            return ()
        values = (self.resolve(item.value) for item in found.items)
        return tuple(value for value in values if value is not None)

    def text(self, node: Node | None) -> str | None:
        """The value of a scalar, None if it is none."""
        found = self.resolve(node)
        return found.value if isinstance(found, Scalar) else None

    def shared(self, node: Node, top: Node | None = None) -> bool:
        """Whether an alias uses `node`, or something round it (below `top`)."""
        used = {alias.name for alias in self.aliases}
        at: Node | None = node
        while at is not None and at is not top:
            if at.anchor and at.anchor in used:
                return True
            owner = self.owners.get(id(at))
            at = owner[0] if owner is not None else None
        return False


def children(node: Node) -> Iterator[Node]:
    if isinstance(node, Map):
        for entry in node.entries:
            yield entry.key
            if entry.value is not None:
                yield entry.value
    elif isinstance(node, List):
        yield from (item.value for item in node.items if item.value is not None)


def parse(source: Source) -> File:
    """The tree of a file's bytes. Never raises."""
    from tree_sitter import Language, Parser
    from tree_sitter_yaml import language

    skip = len(BOM) if source.data.startswith(BOM) else 0
    tree = Parser(Language(language())).parse(source.data[skip:])
    reading = _Reading(source, skip)
    try:
        documents = reading.documents(tree.root_node)
    except RecursionError:
        return File(source, (), True)
    errors = bool(tree.root_node.has_error) or reading.errors
    return File(source, documents, errors, reading.owners)


class _Reading:
    def __init__(self, source: Source, skip: int) -> None:
        self.source = source
        self.data = source.data
        self.skip = skip
        self.errors = False
        self.owners: dict[int, tuple[Node, Entry | Item]] = {}

    def documents(self, root: Any) -> tuple[Document, ...]:
        found = []
        for child in root.children:
            if child.type == "document":
                found.append(Document(self._span(child), self._document(child)))
        return tuple(found)

    def _document(self, node: Any) -> Node | None:
        for child in node.children:
            if child.type in ("block_node", "flow_node"):
                return self._node(child, -1, False)
        return None

    def _span(self, node: Any) -> Span:
        return Span(node.start_byte + self.skip, node.end_byte + self.skip)

    def _column(self, offset: int) -> int:
        start = self.data.rfind(b"\n", 0, offset) + 1
        return offset - (self.skip if start == 0 else start)

    def _node(self, node: Any, parent: int, in_flow: bool) -> Node:
        """A block_node or flow_node: its anchor and tag, and what it is."""
        anchor = tag = ""
        inner = None
        for child in node.children:
            if child.type == "anchor":
                anchor = self._text(self._span(child))[1:]
            elif child.type == "tag":
                tag = self._text(self._span(child))
            elif child.type != "comment":
                inner = child
        place = self._span(node)
        if inner is None:
            # An anchor or a tag alone: an empty scalar.
            at = Span(place.end, place.end)
            return self._scalar(at, "plain", parent, in_flow, anchor, tag, place)
        span = self._span(inner)
        if inner.type == "alias":
            return Alias(span, self._text(span)[1:], place=place)
        if inner.type in ("block_mapping", "flow_mapping"):
            return self._map(inner, span, inner.type == "flow_mapping", anchor, tag, place)
        if inner.type in ("block_sequence", "flow_sequence"):
            return self._list(inner, span, inner.type == "flow_sequence", anchor, tag, place)
        if inner.type == "block_scalar":
            style: Style = "literal" if self.data[span.start : span.start + 1] == b"|" else "folded"
            span = Span(span.start, content_end(self.data, span.start, parent))
            place = Span(place.start, span.end)
            return self._scalar(span, style, parent, in_flow, anchor, tag, place)
        style = "plain"
        if inner.type == "single_quote_scalar":
            style = "single"
        elif inner.type == "double_quote_scalar":
            style = "double"
        return self._scalar(span, style, parent, in_flow, anchor, tag, place)

    def _text(self, span: Span) -> str:
        return self.source.text(span).decode("utf-8", "surrogateescape")

    def _scalar(
        self,
        span: Span,
        style: Style,
        parent: int,
        in_flow: bool,
        anchor: str,
        tag: str,
        place: Span,
    ) -> Scalar:
        content = ScalarText(self.data, span, style, parent, in_flow, eol=self.source.eol)
        return Scalar(span, anchor=anchor, tag=tag, place=place, content=content)

    def _map(self, node: Any, span: Span, flow: bool, anchor: str, tag: str, place: Span) -> Map:
        column = self._column(span.start)
        found: list[Entry] = []
        for child in node.children:
            if child.type in ("block_mapping_pair", "flow_pair"):
                found.append(self._pair(child, column, flow))
            elif child.type == "flow_node":
                # `{a, b: c}`: a key alone.
                key = self._node(child, column, True)
                found.append(Entry(key.place, key, None))
            elif child.type == "ERROR":
                self.errors = True
        end = found[-1].span.end if found and not flow else span.end
        made = Map(
            Span(span.start, end), tuple(found), flow, column, anchor=anchor, tag=tag,
            place=Span(place.start, max(end, place.end) if flow else end),
        )  # fmt: skip
        for entry in found:
            for one in (entry.key, entry.value):
                if one is not None:
                    self.owners[id(one)] = (made, entry)
        return made

    def _pair(self, node: Any, column: int, flow: bool) -> Entry:
        span = self._span(node)
        key_node, value_node = node.child_by_field_name("key"), node.child_by_field_name("value")
        if key_node is None:
            key: Node = self._scalar(
                Span(span.start, span.start),
                "plain",
                column,
                flow,
                "",
                "",
                Span(span.start, span.start),
            )
        else:
            key = self._node(key_node, column, flow)
        value = None if value_node is None else self._node(value_node, column, flow)
        end = value.place.end if value is not None and not flow else span.end
        if value is None and not flow:
            end = span.end
        return Entry(Span(span.start, end), key, value)

    def _list(self, node: Any, span: Span, flow: bool, anchor: str, tag: str, place: Span) -> List:
        column = self._column(span.start)
        found: list[Item] = []
        for child in node.children:
            if child.type == "block_sequence_item":
                inner = next(
                    (one for one in child.children if one.type in ("block_node", "flow_node")), None
                )
                value = None if inner is None else self._node(inner, column, False)
                at = self._span(child)
                end = value.place.end if value is not None else at.end
                found.append(Item(Span(at.start, end), value))
            elif child.type == "flow_node":
                value = self._node(child, column, True)
                found.append(Item(value.place, value))
            elif child.type == "flow_pair":
                at = self._span(child)
                pair = self._pair(child, column, True)
                single = Map(at, (pair,), True, self._column(at.start), place=at)
                found.append(Item(at, single))
            elif child.type == "ERROR":
                self.errors = True
        end = found[-1].span.end if found and not flow else span.end
        made = List(
            Span(span.start, end), tuple(found), flow, column, anchor=anchor, tag=tag,
            place=Span(place.start, max(end, place.end) if flow else end),
        )  # fmt: skip
        for item in found:
            if item.value is not None:
                self.owners[id(item.value)] = (made, item)
        return made
