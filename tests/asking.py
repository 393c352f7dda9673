"""Asks for verbs on a Dockerfile and gives the bytes that come out: for the tests of verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dockerfix
from dockerfix.edits import Fix, Safety, apply, choose
from dockerfix.syntax import make, verbs

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockerfix.edits import Operation
    from dockerfix.syntax.nodes import Dockerfile

    Ask = Callable[[Dockerfile], list[Operation]]


def changed(before: bytes, ask: Ask) -> bytes:
    """`before` with all operations that `ask` gives, each a fix of its own."""
    tree = dockerfix.parse(before)
    fixes = [
        Fix(str(number), Safety.SAFE, "none", (operation,))
        for number, operation in enumerate(ask(tree))
    ]
    chosen, waiting = choose(fixes)
    assert not waiting
    after = apply({tree.source.path: tree.source}, chosen)[tree.source.path]
    assert not dockerfix.parse(after).errors
    return after


def without(*names: str) -> Ask:
    """Removes the pairs with these names wherever they stand."""

    def ask(tree: Dockerfile) -> list[Operation]:
        return [
            verbs.remove_pair(tree, instruction, index)  # type: ignore[arg-type]
            for instruction in tree.instructions
            if instruction.name in ("arg", "env", "label")
            for index, pair in enumerate(instruction.pairs)  # type: ignore[attr-defined]
            if pair.name in names
        ]

    return ask


def with_mounts(*names: str) -> Ask:
    """Mounts each name in every RUN, in this order."""

    def ask(tree: Dockerfile) -> list[Operation]:
        return [
            verbs.add_mount(tree, run, make.mount(id=name, env=name), order=(order,))  # type: ignore[arg-type]
            for run in tree.instructions
            if run.name == "run"
            for order, name in enumerate(names)
        ]

    return ask


def both(*asks: Ask) -> Ask:
    return lambda tree: [operation for ask in asks for operation in ask(tree)]


F = b"FROM a\n"
