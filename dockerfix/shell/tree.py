"""Statements in tree-sitter-bash's tree: blocks, lists, branches, loops, functions.

The one place that imports tree-sitter for shell. What does not parse is kept as far as its
pieces are known.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from dockerfix.shell import words
from dockerfix.shell.nodes import Assignment, Function, Word
from dockerfix.shell.statements import (
    Block,
    Branches,
    Chain,
    Definition,
    Loop,
    Pipeline,
    Simple,
    Statement,
)
from dockerfix.shell.tree_commands import WORDS, CommandReader, span_of, text_of
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tree_sitter import Node, Parser

REDIRECTED = "redirected_statement"
SIMPLE = frozenset({"command", "pipeline", "test_command"})
_MASK = bytes(0x20 if byte == 0 else (0x5F if byte < 9 else byte) for byte in range(256))


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


class Reader(CommandReader):
    """Walks one tree once."""

    def read(self) -> list[Statement]:
        masked = self.text.translate(_MASK)
        root = _parser().parse(masked).root_node
        self.errors = root.has_error
        return self._block(root)

    # -- blocks ---------------------------------------------------------------

    def _block(self, node: Node, children: Sequence[Node] | None = None) -> list[Statement]:
        """The statements among the children of `node`, in order."""
        found: list[Statement] = []
        outer = self._statement
        for child in node.children if children is None else children:
            if child.is_named:
                self._statement = span_of(child)
                statement = self._node(child)
                if statement is not None:
                    found.append(statement)
            elif child.type == "&" and found:
                found[-1] = Block(found[-1].span, body=[found[-1]], child=True)
        self._statement = outer
        return found

    def _inside(
        self, name: str, node: Node, children: Sequence[Node] | None = None
    ) -> list[Statement]:
        outer, self._context = self._context, (*self._context, name)
        try:
            return self._block(node, children)
        finally:
            self._context = outer

    def _node(self, node: Node) -> Statement | None:
        if node.type in WORDS:
            loose = Statement(span_of(node))
            self._word(node, loose)
            return loose
        handler = getattr(self, f"_{node.type}", None)
        if handler is not None:
            return handler(node)  # type: ignore[no-any-return]
        if node.is_error or node.child_count:
            if node.is_error:
                self.failed.append(span_of(node))
            return Block(span_of(node), body=self._block(node))
        return None

    def _list(self, node: Node) -> Statement:
        return self._chain(span_of(node), _members(node))

    def _chain(self, span: Span, nodes: Sequence[Node]) -> Chain:
        chain = Chain(span)
        operator = ""
        for child in nodes:
            if child.type in ("&&", "||"):
                operator = child.type
            elif child.is_named:
                statement = self._node(child)
                if statement is None:
                    continue
                for simple in _first_simples(statement):
                    simple.operator_before = simple.operator_before or operator
                if chain.first is None:
                    chain.first = statement
                else:
                    chain.rest.append((operator or "&&", statement))
        return chain

    def _pipeline(self, node: Node) -> Statement:
        first = node.named_children[0]
        swallowed = first.child_by_field_name("body") if first.type == REDIRECTED else None
        if swallowed is not None and swallowed.type == "list":
            *before, operator, last = _members(swallowed)
            if last.type in SIMPLE and operator.type in ("&&", "||"):
                return self._piped_at_the_end(node, before, operator.type, last)
        body = self._inside("pipeline", node)
        stages = (child for child in node.children if child.is_named and child.type != "comment")
        self.pipelines.append(tuple(span_of(child) for child in stages))
        for statement in body:
            for simple in _first_simples(statement):
                simple.in_pipeline = True
        return Pipeline(span_of(node), stages=body)

    def _piped_at_the_end(
        self, node: Node, before: Sequence[Node], operator: str, last: Node
    ) -> Statement:
        """`a && b 2>&1 | c`: the grammar pipes the whole list that a redirect ends, where only
        its last command is piped."""
        first, *others = (one for one in node.named_children if one.type != "comment")
        chain = self._chain(span_of(node), before)
        piped = Span(last.start_byte, first.end_byte)
        extra = [one for one in first.named_children if one.start_byte >= last.end_byte]
        outer, self._context = self._context, (*self._context, "pipeline")
        statement, self._statement = self._statement, piped
        try:
            stages = [self._with_redirects(last, extra, last)]
            stages += self._block(node, others)
        finally:
            self._context, self._statement = outer, statement
        self.pipelines.append((piped, *map(span_of, others)))
        for stage in stages:
            for simple in _first_simples(stage):
                simple.in_pipeline = True
        pipeline = Pipeline(Span(last.start_byte, node.end_byte), stages=stages)
        for simple in _first_simples(pipeline):
            simple.operator_before = simple.operator_before or operator
        chain.rest.append((operator, pipeline))
        return chain

    def _subshell(self, node: Node) -> Statement:
        return Block(span_of(node), body=self._inside("subshell", node), child=True)

    def _negated_command(self, node: Node) -> Statement:
        return Block(span_of(node), body=self._block_keeping(node))

    def _block_keeping(self, node: Node) -> list[Statement]:
        """Statements of `node`, which is itself part of the statement that we are in."""
        outer = self._statement
        found = [self._node(child) for child in node.children if child.is_named]
        self._statement = outer
        return [statement for statement in found if statement is not None]

    def _compound_statement(self, node: Node) -> Statement:
        if node.children and node.children[0].type == "((":
            return self._sums(node)
        return Block(span_of(node), body=self._block(node))

    _do_group = _compound_statement

    def _sums(self, node: Node) -> Statement:
        found = Simple(span_of(node), command=False)
        parts = words.arithmetic(self.text, node.start_byte + 2, node.end_byte - 2)
        self._note(words.uses_of(parts, self.text), found)
        assigned = [child for child in _descend(node) if _assigns(child)]
        found.prefix = tuple(
            self._assigned(Assignment(text_of(self.text, name), span_of(name), "arithmetic"))
            for child in assigned
            for name in child.children[:2]
            if name.type in ("variable_name", "word")
        )
        return found

    def _if_statement(self, node: Node) -> Statement:
        found = Branches(span_of(node))
        if not self._context:
            self.branches.append(found.span)
        condition: list[Node] = []
        body: list[Node] = []
        inside = condition
        clauses: list[Node] = []
        for child in node.children:
            if child.type == "then":
                inside = body
            elif child.type in ("elif_clause", "else_clause"):
                clauses.append(child)
            elif child.type not in ("if", "fi"):
                inside.append(child)
        found.arms.append((self._inside("if", node, condition), self._inside("if", node, body)))
        for clause in clauses:
            if clause.type == "else_clause":
                found.complete = True
                found.arms.append(([], self._inside("if", clause)))
                continue
            at = next((i for i, c in enumerate(clause.children) if c.type == "then"), 0)
            found.arms.append(
                (
                    self._inside("if", clause, clause.children[:at]),
                    self._inside("if", clause, clause.children[at:]),
                )
            )
        return found

    def _case_statement(self, node: Node) -> Statement:
        found = Branches(span_of(node))
        for child in node.children:
            if child.type == "case_item":
                head, body = _case_item(child)
                for value in head:
                    self._word(value, found)
                    found.complete = found.complete or text_of(self.text, value) == "*"
                found.arms.append(([], self._inside("case", child, body)))
            elif child.type in WORDS:
                self._word(child, found)
        return found

    def _for_statement(self, node: Node) -> Statement:
        found = Loop(span_of(node), kind="for")
        items: list[Word] = []
        listed = False
        for index, child in enumerate(node.children):
            field = node.field_name_for_child(index)
            if field == "variable" or child.type == "variable_name":
                found.variable = self._assigned(
                    Assignment(text_of(self.text, child), span_of(child), "for")
                )
            elif child.type == "in":
                listed = True
            elif child.type in WORDS:
                items.append(self._word(child, found))
            elif child.type in ("do_group", "compound_statement"):
                found.body = self._inside("loop", child)
        found.items = tuple(items) if listed else None
        return found

    def _c_style_for_statement(self, node: Node) -> Statement:
        found = Loop(span_of(node), kind="while")
        for child in node.children:
            if child.type in ("do_group", "compound_statement"):
                head = self._sums_between(node, child)
                found.condition = [head]
                found.body = self._inside("loop", child)
        return found

    def _sums_between(self, node: Node, body: Node) -> Statement:
        head = Simple(Span(node.start_byte, body.start_byte), command=False)
        parts = words.arithmetic(self.text, node.start_byte + 3, body.start_byte)
        skip = ("for", "do")
        self._note([u for u in words.uses_of(parts, self.text) if u.name not in skip], head)
        head.prefix = tuple(
            self._assigned(Assignment(text_of(self.text, name), span_of(name), "arithmetic"))
            for child in _descend(node)
            if child.start_byte < body.start_byte and _assigns(child)
            for name in child.children[:2]
            if name.type in ("variable_name", "word")
        )
        return head

    def _while_statement(self, node: Node) -> Statement:
        found = Loop(span_of(node), kind="while")
        condition = [c for c in node.children if c.type not in ("do_group", "while", "until")]
        found.condition = self._inside("loop", node, condition)
        for child in node.children:
            if child.type == "do_group":
                found.body = self._inside("loop", child)
        return found

    def _function_definition(self, node: Node) -> Statement:
        name = node.child_by_field_name("name")
        body = node.child_by_field_name("body")
        found = Definition(span_of(node))
        if name is None or body is None:
            return found
        found.name = text_of(self.text, name)
        self.functions.append(Function(found.name, span_of(node), span_of(body)))
        found.child = body.type == "subshell"
        context = f"function:{found.name}"
        if body.type in ("compound_statement", "subshell", "do_group"):
            found.body = self._inside(context, body)
        else:
            found.body = self._inside(context, node, [body])
        return found


def _case_item(node: Node) -> tuple[list[Node], list[Node]]:
    head: list[Node] = []
    body: list[Node] = []
    inside = head
    for index, child in enumerate(node.children):
        field = node.field_name_for_child(index)
        if child.type == ")" and inside is head:
            inside = body
        elif inside is body or field == "value" or child.type in WORDS:
            inside.append(child)
    return [child for child in head if child.is_named], body


def _first_simples(statement: Statement) -> Iterator[Simple]:
    if isinstance(statement, Simple):
        yield statement
    elif isinstance(statement, Chain) and statement.first is not None:
        yield from _first_simples(statement.first)
    elif isinstance(statement, Block) and len(statement.body) == 1:
        yield from _first_simples(statement.body[0])


def _members(node: Node) -> list[Node]:
    """The commands of a list and what stands between them, in order."""
    nodes: list[Node] = [node]
    while nodes[0].type == "list":
        nodes[:1] = nodes[0].children
    return [one for one in nodes if one.type != "comment"]


def _assigns(node: Node) -> bool:
    """Whether an arithmetic node assigns: `x = 1`, `x += 1`, `x++`."""
    if node.type == "postfix_expression":
        return True
    if node.type == "unary_expression":
        return any(child.type in ("++", "--") for child in node.children)
    if node.type in ("binary_expression", "variable_assignment"):
        compare = ("==", "!=", "<=", ">=")
        return any(c.type.endswith("=") and c.type not in compare for c in node.children)
    return False


def _descend(node: Node) -> Iterator[Node]:
    stack: list[Any] = [node]
    while stack:
        inner = stack.pop()
        yield inner
        stack.extend(inner.children)
