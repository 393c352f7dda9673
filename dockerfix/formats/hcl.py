"""HCL as a tree of places: blocks, attributes, objects, lists, strings and templates.

tree-sitter-hcl says where things stand; `brackets` changes them. An expression that is neither
a literal nor one variable is a `Text` of which nothing is known. Knows nothing of builds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockerfix.formats.brackets import Group, Member, Merged, Node, Part, Text
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTERPOLATED = re.compile(r"\$\{\s*([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)\s*\}")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


@dataclass(frozen=True, eq=False)
class Block:
    """`type "label" {...}`. `head` runs from the type to the last label."""

    type: str
    labels: tuple[str, ...]
    head: Span
    body: Group
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, eq=False)
class File:
    """`body` holds the attributes of the top level. `errors`: some of it did not parse."""

    source: Source
    body: Group
    blocks: tuple[Block, ...] = ()
    errors: bool = False


def parse(source: Source) -> File:
    """The tree of a file's bytes. Never raises."""
    from tree_sitter import Language, Parser
    from tree_sitter_hcl import language

    tree = Parser(Language(language())).parse(source.data)
    reading = _Reading(source.data)
    body = Group(Span(0, len(source.data)), "body", (), "hcl")
    blocks: tuple[Block, ...] = ()
    try:
        for child in tree.root_node.children:
            if child.type == "body":
                body, blocks = reading.body(child, Span(0, len(source.data)))
    except RecursionError:
        return File(source, body, (), True)
    return File(source, body, blocks, bool(tree.root_node.has_error))


def template(text: str) -> tuple[str | None, str | None, tuple[str | None, ...]]:
    """(literal value, the one variable it is, parts) of a quoted template's text.

    Of `parts`, even ones are literal text, odd ones names; empty where more than plain
    `${name}` is in it.
    """
    parts: list[str | None] = [""]
    at = 0
    while at < len(text):
        if text.startswith(("$${", "%%{"), at):
            parts[-1] = (parts[-1] or "") + text[at] + "{"
            at += 3
        elif text.startswith(("${", "%{"), at):
            hit = _INTERPOLATED.match(text, at)
            if hit is None:
                return None, None, ()
            parts += [hit[1], ""]
            at = hit.end()
        else:
            parts[-1] = (parts[-1] or "") + text[at]
            at += 1
    if len(parts) == 1:
        return parts[0], None, tuple(parts)
    single = len(parts) == 3 and not parts[0] and not parts[2]
    return None, parts[1] if single else None, tuple(parts)


class _Reading:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def body(self, node: Any, span: Span) -> tuple[Group, tuple[Block, ...]]:
        members, blocks = [], []
        for child in node.children:
            if child.type == "attribute":
                members.append(self._attribute(child))
            elif child.type == "block":
                blocks.append(self._block(child))
        return Group(span, "body", tuple(members), "hcl"), tuple(blocks)

    def _block(self, node: Any) -> Block:
        words: list[Any] = []
        inner, start, end = None, node.start_byte, node.end_byte
        for child in node.children:
            if child.type == "block_start":
                start = child.start_byte
            elif child.type == "body":
                inner = child
            elif child.type == "block_end":
                end = child.end_byte
            elif child.type in ("identifier", "string_lit"):
                words.append(child)
        span = Span(start, end)
        body = Group(span, "body", (), "hcl")
        blocks: tuple[Block, ...] = ()
        if inner is not None:
            body, blocks = self.body(inner, span)
        names = [self._text(one).strip('"') for one in words]
        head = Span(words[0].start_byte, words[-1].end_byte)
        return Block(names[0], tuple(names[1:]), head, body, blocks)

    def _attribute(self, node: Any) -> Member:
        key, value = node.children[0], node.children[-1]
        return Member(_span(node), self.node(value), self._text(key), _span(key))

    def node(self, node: Any) -> Node:
        """What an expression is."""
        span = _span(node)
        while node.child_count == 1 and node.type in (
            "expression", "literal_value", "collection_value", "template_expr",
        ):  # fmt: skip
            node = node.children[0]
        if node.type == "tuple":
            items = [self.node(one) for one in node.children if one.type == "expression"]
            return Group(span, "list", tuple(Member(one.span, one) for one in items), "hcl")
        if node.type == "object":
            return Group(span, "map", tuple(self._elements(node)), "hcl")
        if node.type in ("string_lit", "quoted_template"):
            text = _unescaped(self._text(node)[1:-1])
            literal, variable, parts = template(text)
            return Text(span, literal, variable, template=parts)
        if node.type == "variable_expr":
            name = self._text(node)
            return Text(span, None, name, template=("", name, ""))
        if node.type == "expression" and [one.type for one in node.children[1:]] == ["get_attr"]:
            name = self._text(node)
            return Text(span, None, name, template=("", name, ""))
        if node.type == "function_call" and self._text(node.children[0]) == "merge":
            return self._merged(node, span)
        if node.type == "conditional":
            return self._conditional(node, span)
        if node.type == "null_lit":
            return Text(span, null=True)
        if node.type in ("numeric_lit", "bool_lit"):
            return Text(span, self._text(node))
        return Text(span)

    def _merged(self, node: Any, span: Span) -> Node:
        """`merge(...)` as the maps that it puts together."""
        parts: list[Part] = []
        for child in node.children:
            if child.type == "function_arguments":
                for one in child.children:
                    if one.type == "ellipsis":
                        return Text(span)
                    if one.type == "expression":
                        found = self.node(one)
                        inner = found.parts if isinstance(found, Merged) else ()
                        alone = len(inner) == 1
                        parts.append(
                            inner[0]._replace(span=found.span) if alone else Part(found.span, found)
                        )
        return Merged(span, tuple(parts))

    def _conditional(self, node: Any, span: Span) -> Node:
        """`X != "" ? X : null` as the variable, `X != "" ? {...} : {}` as the map."""
        said = [one for one in node.children if one.type == "expression"]
        if len(said) != 3:
            return Text(span)
        tests = frozenset(_names(said[0]))
        one, two = self.node(said[1]), self.node(said[2])
        if _empty(one):
            one, two = two, one
        if not _empty(two):
            return Text(span)
        if isinstance(one, Group) and one.kind == "map" and isinstance(two, Group):
            return Merged(span, (Part(span, one, tests),))
        if isinstance(one, Text) and one.variable and tests == {one.variable}:
            null = isinstance(two, Text) and two.null
            return Text(span, None, one.variable, template=one.template, optional=null)
        return Text(span)

    def _elements(self, node: Any) -> Iterator[Member]:
        for child in node.children:
            if child.type != "object_elem":
                continue
            key, value = child.children[0], child.children[-1]
            name = self._text(key)
            if name.startswith("("):
                computed = self.node(key)
                name = (computed.literal or "") if isinstance(computed, Text) else ""
            yield Member(_span(child), self.node(value), name.strip('"'), _span(key))

    def _text(self, node: Any) -> str:
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "surrogateescape")


def _empty(node: Node) -> bool:
    if isinstance(node, Group):
        return not node.members
    return isinstance(node, Text) and (node.null or node.literal == "")


def _names(node: Any) -> Iterator[str]:
    """The variables that an expression names."""
    if node.type == "variable_expr":
        yield node.text.decode("utf-8", "surrogateescape")
    for child in node.children:
        yield from _names(child)


def _span(node: Any) -> Span:
    return Span(node.start_byte, node.end_byte)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda hit: _ESCAPES.get(hit[1], hit[0]), text)
