"""Simple commands in tree-sitter-bash's tree: words, assignments, redirects, heredocs.

What they stand in (lists, branches, functions) is read by `tree`, which builds on this.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.shell import words
from dockerfix.shell.nodes import Assignment, Function, Group, Redirect, Use, Word
from dockerfix.shell.statements import Block, Chain, Pipeline, Simple, Statement
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tree_sitter import Node

WORDS = frozenset(
    [
        "word",
        "string",
        "raw_string",
        "ansi_c_string",
        "translated_string",
        "concatenation",
        "simple_expansion",
        "expansion",
        "command_substitution",
        "process_substitution",
        "arithmetic_expansion",
        "number",
        "extglob_pattern",
        "regex",
        "brace_expression",
        "special_variable_name",
    ]
)
_DECLARE = {"export": "export", "readonly": "readonly", "local": "local"}


class CommandReader:
    """What is collected from one tree, and the readers of simple commands."""

    def __init__(self, text: bytes, origin: str = "") -> None:
        self.text = text
        self.origin = origin
        self.simples: list[Simple] = []
        self.uses: list[Use] = []
        self.assignments: list[Assignment] = []
        self.functions: list[Function] = []
        self.groups: list[Group] = []
        self.pipelines: list[tuple[Span, ...]] = []
        self.branches: list[Span] = []
        self.comments: list[Span] = []
        self.failed: list[Span] = []
        self.errors = False
        self._context: tuple[str, ...] = ()
        self._statement = Span(0, 0)

    def _node(self, node: Node) -> Statement | None:
        raise NotImplementedError

    def _inside(
        self, name: str, node: Node, children: Sequence[Node] | None = None
    ) -> list[Statement]:
        raise NotImplementedError

    # -- commands -------------------------------------------------------------

    def _redirected_statement(self, node: Node) -> Statement:
        body = node.child_by_field_name("body")
        extra = [child for child in node.children if child.is_named and child != body]
        if body is not None and body.type in ("command", "list", "pipeline", "test_command"):
            return self._with_redirects(body, extra, node)
        statement = self._node(body) if body is not None else None
        holder = Simple(span_of(node), command=False)
        holder.redirects = tuple(self._redirects(extra, holder)[0])
        if body is not None:
            self.groups.append(Group(span_of(body), holder.redirects))
        inner = [statement] if statement is not None else []
        right = [one for _, one in _holder_right(self, extra)]
        return Block(span_of(node), body=[holder, *inner, *right])

    def _with_redirects(self, body: Node, extra: Sequence[Node], node: Node) -> Statement:
        """Redirects behind a list or pipeline belong to its last command."""
        statement = self._node(body)
        last = _last_simple(statement)
        compound = last is None
        if last is None:
            last = Simple(span_of(node), command=False)
        found, more = self._redirects(extra, last)
        if compound:
            stages = [child for child in body.children if child.is_named]
            self.groups.append(Group(span_of(stages[-1] if stages else body), tuple(found)))
        last.redirects = (*last.redirects, *found)
        last.words = tuple(sorted((*last.words, *more), key=lambda word: word.span))
        ends = [last.span.end, *(r.span.end for r in found), *(w.span.end for w in more)]
        last.span = Span(last.span.start, max(ends))
        right = _holder_right(self, extra)
        inner = [statement] if statement is not None else [last]
        if not right:
            return inner[0]
        chain = Chain(span_of(node), first=inner[0])
        chain.rest = _right_chain(extra, right)
        return chain

    def _redirects(self, nodes: Sequence[Node], owner: Simple) -> tuple[list[Redirect], list[Word]]:
        found: list[Redirect] = []
        more: list[Word] = []
        for node in nodes:
            if node.type == "file_redirect":
                operator = next((c.type for c in node.children if not c.is_named), "")
                targets = [
                    self._word(c, owner)
                    for c in node.children
                    if c.is_named and c.type != "file_descriptor"
                ]
                end = targets[0].span.end if targets else node.end_byte
                target = targets[0] if targets else None
                found.append(Redirect(Span(node.start_byte, end), operator, target))
                more += targets[1:]
            elif node.type == "herestring_redirect":
                word = next((c for c in node.children if c.is_named), None)
                target = self._word(word, owner) if word is not None else None
                found.append(Redirect(span_of(node), "<<<", target))
            elif node.type == "heredoc_redirect":
                inner = self._heredoc(node, owner)
                found.append(inner[0])
                found += inner[1]
                more += inner[2]
        return found, more

    def _heredoc(self, node: Node, owner: Simple) -> tuple[Redirect, list[Redirect], list[Word]]:
        operator, delimiter, expands, body = "<<", "", True, None
        opener_end = node.start_byte + 2
        nested: list[Node] = []
        more: list[Word] = []
        for index, child in enumerate(node.children):
            field = node.field_name_for_child(index)
            if child.type in ("<<", "<<-"):
                operator = child.type
            elif child.type == "heredoc_start":
                written = self.text[child.start_byte : child.end_byte]
                expands = not any(quote in written for quote in (b"'", b'"', b"\\"))
                delimiter = written.translate(None, b"'\"\\").decode("utf-8", "surrogateescape")
                opener_end = child.end_byte
            elif child.type == "heredoc_body":
                body = child
            elif field == "argument" or child.type in WORDS:
                more.append(self._word(child, owner))
            elif child.type in ("file_redirect", "herestring_redirect", "heredoc_redirect"):
                nested.append(child)
        span = span_of(body) if body is not None else None
        if span is not None and body is not None:
            if expands:
                parts = words.lex(self.text, span.start, span.end, heredoc=True)
                self._note(words.uses_of(parts, self.text), owner)
                owner.substitutions += self._substitutions(body)
            else:
                self._note(words.deferred(self.text, span, "single"), owner)
        redirects, words_of = self._redirects(nested, owner)
        found = Redirect(
            Span(node.start_byte, opener_end), operator, None, span, expands, delimiter
        )
        # tree-sitter loses the word `-` in front of a heredoc.
        dash = re.search(rb"(?<=[ \t])-(?=[ \t]+\Z)", self.text[: node.start_byte])
        if dash is not None and not any(one.span.end == dash.end() for one in owner.words):
            more.insert(0, words.word(self.text, Span(*dash.span())))
        return found, redirects, [*more, *words_of]

    def _command(self, node: Node) -> Statement:
        found = Simple(span_of(node), context=self._context, statement=self._statement)
        prefix: list[Assignment] = []
        given: list[Word] = []
        redirects: list[Node] = []
        for child in node.children:
            if child.type == "variable_assignment":
                prefix.append(self._assignment(child, found, "prefix"))
            elif child.type == "command_name":
                given.append(self._word(child, found))
            elif child.type.endswith("_redirect"):
                redirects.append(child)
            elif (child.is_named and child.type != "comment") or (
                not child.is_named and child.end_byte > child.start_byte
            ):
                given.append(self._word(child, found))
        placed, more = self._redirects(redirects, found)
        found.words = tuple(sorted(_joined(self.text, [*given, *more]), key=lambda word: word.span))
        found.prefix = tuple(prefix)
        found.redirects = tuple(placed)
        if placed or found.words:
            ends = [r.span.end for r in placed] + [word.span.end for word in found.words]
            found.span = Span(found.span.start, max(ends))
        self._builtin(found)
        self.simples.append(found)
        return found

    def _test_command(self, node: Node) -> Statement:
        found = Simple(span_of(node), context=self._context, statement=self._statement)
        spans = words.split(self.text, node.start_byte, node.end_byte)
        found.words = tuple(words.word(self.text, span) for span in spans)
        for word in found.words:
            self._note(word.uses, found)
        found.substitutions += self._substitutions(node)
        self._builtin(found)
        self.simples.append(found)
        return found

    def _declaration_command(self, node: Node) -> Statement:
        keyword = text_of(self.text, node.children[0])
        found = Simple(span_of(node), context=self._context, statement=self._statement)
        kind = _DECLARE.get(keyword, "declare")
        assigned: list[Assignment] = []
        given: list[Word] = [words.word(self.text, span_of(node.children[0]))]
        flags = ""
        for child in node.children[1:]:
            if child.type == "variable_assignment":
                assigned.append(self._assignment(child, found, kind))
                given.append(words.word(self.text, span_of(child)))
            elif child.type == "variable_name":
                name = text_of(self.text, child)
                assigned.append(self._assigned(Assignment(name, span_of(child), kind)))
                given.append(words.word(self.text, span_of(child)))
            elif child.is_named:
                word = self._word(child, found)
                given.append(word)
                literal = word.literal or ""
                if literal.startswith("-"):
                    flags += literal[1:]
        found.words = tuple(given)
        found.prefix = tuple(assigned)
        self.simples.append(found)
        return found

    def _unset_command(self, node: Node) -> Statement:
        found = Simple(span_of(node), context=self._context, statement=self._statement)
        spans = words.split(self.text, node.start_byte, node.end_byte)
        found.words = tuple(words.word(self.text, span) for span in spans)
        literals = [(w.literal or "", w.span) for w in found.words[1:]]
        if "-f" not in [name for name, _ in literals]:
            found.prefix = tuple(
                self._assigned(Assignment(name, span, "unset"))
                for name, span in literals
                if words.is_name(name)
            )
        self.simples.append(found)
        return found

    def _variable_assignment(self, node: Node) -> Statement:
        found = Simple(
            span_of(node), command=False, context=self._context, statement=self._statement
        )
        found.prefix = (self._assignment(node, found, "plain"),)
        return found

    def _variable_assignments(self, node: Node) -> Statement:
        found = Simple(
            span_of(node), command=False, context=self._context, statement=self._statement
        )
        found.prefix = tuple(
            self._assignment(child, found, "plain")
            for child in node.children
            if child.type == "variable_assignment"
        )
        return found

    def _assignment(self, node: Node, owner: Statement, kind: str) -> Assignment:
        name_node = node.child_by_field_name("name") or node.children[0]
        value_node = node.child_by_field_name("value")
        name = text_of(self.text, name_node).partition("[")[0]
        after = name_node.end_byte
        append = self.text[after : after + 1] == b"+"
        start = after + (2 if append else 1)
        span = Span(start, max(start, node.end_byte))
        elements: tuple[Word, ...] | None = None
        value: Word | None = None
        if value_node is not None and value_node.type == "array":
            elements = tuple(
                self._word(child, owner)
                for child in value_node.children
                if child.is_named and child.type != "comment"
            )
            for child in value_node.children:
                if child.type == "comment":
                    self._comment(child)
        else:
            value = words.word(self.text, span)
            self._note(value.uses, owner)
            if value_node is not None:
                owner.substitutions += self._substitutions(value_node)
        if name_node.type == "subscript":
            append = True
        return self._assigned(
            Assignment(
                name,
                span_of(node),
                kind,
                value,
                span,
                kind == "export",
                append,
                elements,
                statement=self._statement,
                origin=self.origin,
            )
        )

    def _builtin(self, simple: Simple) -> None:
        """Assignments and uses of commands that name a variable: read, printf -v, `-v X`."""
        literals = [word.literal for word in simple.words]
        name = (literals[0] or "") if literals else ""
        named: list[Assignment] = []
        rest = list(zip(literals[1:], simple.words[1:], strict=True))
        if name in ("read", "mapfile", "readarray"):
            for literal, word in rest:
                if literal is not None and words.is_name(literal):
                    named.append(
                        Assignment(literal, word.span, "read" if name == "read" else "mapfile")
                    )
        elif name == "getopts" and len(rest) > 1 and rest[1][0]:
            named.append(Assignment(rest[1][0], rest[1][1].span, "getopts"))
            named.append(Assignment("OPTARG", rest[1][1].span, "getopts"))
        elif name == "printf" and len(rest) > 1 and rest[0][0] == "-v" and rest[1][0]:
            named.append(Assignment(rest[1][0], rest[1][1].span, "printf"))
        elif name == "set" and "--" in literals:
            # `set -- "$@" more`: the positional parameters as an array that is called `@`.
            at = literals.index("--")
            elements = simple.words[at + 1 :]
            named.append(Assignment("@", simple.span, "positional", elements=elements))
        elif name in ("[", "[[", "test"):
            for (first, _), (second, word) in itertools.pairwise(rest):
                if first == "-v" and second is not None and words.is_name(second):
                    self._note([Use(second, word.span, "-v")], simple)
        elif name == "printenv":
            for literal, word in rest:
                if literal is not None and words.is_name(literal):
                    self._note([Use(literal, word.span, "printenv")], simple)
        for use in simple.uses:
            if use.operator in (":=", "=") and not use.deferred:
                named.append(Assignment(use.name, use.span, "default"))
        simple.prefix = (*simple.prefix, *(self._assigned(a) for a in named))

    def _comment(self, node: Node) -> None:
        self.comments.append(span_of(node))

    # -- words ----------------------------------------------------------------

    def _word(self, node: Node, owner: Statement) -> Word:
        word = words.word(self.text, span_of(node))
        self._note(word.uses, owner)
        owner.substitutions += self._substitutions(node)
        return word

    def _note(self, uses: Iterable[Use], owner: Statement) -> None:
        for use in uses:
            self.uses.append(use)
            owner.uses.append(use)

    def _substitutions(self, node: Node) -> list[Statement]:
        """Scripts in `$(..)`, backticks and `<(..)` under `node`, outermost only."""
        found: list[Statement] = []
        stack = [node]
        while stack:
            inner = stack.pop()
            if inner.type in ("command_substitution", "process_substitution"):
                body = self._inside("substitution", inner)
                found.append(Block(span_of(inner), body=body, child=True))
            else:
                if inner.is_error:
                    self.failed.append(span_of(inner))
                stack.extend(reversed(inner.children))
        return found

    def _assigned(self, assignment: Assignment) -> Assignment:
        assignment = replace(
            assignment, statement=assignment.statement or self._statement, origin=self.origin
        )
        if assignment.statement == Span(0, 0):
            assignment = replace(assignment, statement=self._statement)
        self.assignments.append(assignment)
        return assignment


def _holder_right(reader: CommandReader, nodes: Sequence[Node]) -> list[tuple[str, Statement]]:
    """What stands behind a heredoc's opener on its line: `<<E && next`, `<<E | next`."""
    found: list[tuple[str, Statement]] = []
    for node in nodes:
        if node.type != "heredoc_redirect":
            continue
        operator = "|"
        for index, child in enumerate(node.children):
            field = node.field_name_for_child(index)
            if field == "operator" or child.type in ("&&", "||"):
                operator = child.type
            elif field == "right" or child.type == "pipeline":
                statement = reader._node(child)
                if statement is not None:
                    found.append((operator, statement))
    return found


def _right_chain(nodes: object, right: list[tuple[str, Statement]]) -> list[tuple[str, Statement]]:
    return [
        (operator if operator in ("&&", "||") else "&&", statement) for operator, statement in right
    ]


def _joined(text: bytes, given: Sequence[Word]) -> Iterator[Word]:
    """Words that touch are one word: tree-sitter parts some that the shell does not."""
    held: Word | None = None
    for word in sorted(given, key=lambda word: word.span):
        if word.span.empty:
            continue
        if held is not None and held.span.end >= word.span.start:
            held = words.word(text, Span(held.span.start, max(held.span.end, word.span.end)))
            continue
        if held is not None:
            yield held
        held = word
    if held is not None:
        yield held


def _last_simple(statement: Statement | None) -> Simple | None:
    if isinstance(statement, Simple):
        return statement
    if isinstance(statement, Chain):
        return _last_simple(statement.rest[-1][1] if statement.rest else statement.first)
    if isinstance(statement, Pipeline) and statement.stages:
        return _last_simple(statement.stages[-1])
    if isinstance(statement, Block) and statement.body and not statement.child:
        return _last_simple(statement.body[-1])
    return None


def span_of(node: Node) -> Span:
    return Span(node.start_byte, node.end_byte)


def text_of(text: bytes, node: Node) -> str:
    return text[node.start_byte : node.end_byte].decode("utf-8", "surrogateescape")
