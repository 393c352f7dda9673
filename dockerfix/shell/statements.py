"""The statements of a script between the parser's tree and `flow`: what runs in what order.

Internal to `shell/`. Every statement carries the uses that the shell expands for it and the
substitutions that run first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dockerfix.shell.nodes import NOWHERE, Assignment, Command, Redirect, State, Use, Word

if TYPE_CHECKING:
    from dockerfix.source import Span


@dataclass(slots=True, eq=False)
class Statement:
    span: Span
    uses: list[Use] = field(default_factory=list)
    substitutions: list[Statement] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Simple(Statement):
    """A command with words; `words` empty means bare assignments in `prefix`."""

    words: tuple[Word, ...] = ()
    prefix: tuple[Assignment, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    operator_before: str = ""
    in_pipeline: bool = False
    context: tuple[str, ...] = ()
    statement: Span = NOWHERE
    states: list[State] = field(default_factory=list)
    command: bool = True
    finished: Command | None = None


@dataclass(slots=True, eq=False)
class Block(Statement):
    """Statements one after the other; `child`: in a process of their own."""

    body: list[Statement] = field(default_factory=list)
    child: bool = False


@dataclass(slots=True, eq=False)
class Chain(Statement):
    """`first` and then each statement behind its `&&` or `||`."""

    first: Statement | None = None
    rest: list[tuple[str, Statement]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Pipeline(Statement):
    stages: list[Statement] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Branches(Statement):
    """`if` and `case`: conditions in turn, each with its body; `complete`: one surely runs."""

    arms: list[tuple[list[Statement], list[Statement]]] = field(default_factory=list)
    complete: bool = False


@dataclass(slots=True, eq=False)
class Loop(Statement):
    """`for`, `select`, `while`, `until`: `variable` runs over `items` (None: not known)."""

    kind: Literal["for", "while"] = "for"
    variable: Assignment | None = None
    items: tuple[Word, ...] | None = None
    condition: list[Statement] = field(default_factory=list)
    body: list[Statement] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Definition(Statement):
    name: str = ""
    body: list[Statement] = field(default_factory=list)
    child: bool = False


_TESTS = frozenset(
    (
        "[",
        "[[",
        "test",
        "grep",
        "egrep",
        "command",
        "which",
        "type",
        "hash",
        "pgrep",
        "diff",
        "cmp",
        "false",
    )
)


def is_test(statement: Statement) -> bool:
    """Whether failing is an answer there and not the end: `[`, `grep`, `command -v`..."""
    if isinstance(statement, Simple):
        name = statement.words[0].literal if statement.words else ""
        return name in _TESTS
    if isinstance(statement, Block):
        return bool(statement.body) and is_test(statement.body[-1])
    if isinstance(statement, Chain):
        return statement.first is not None and is_test(statement.first)
    if isinstance(statement, Pipeline):
        return bool(statement.stages) and is_test(statement.stages[-1])
    return False
