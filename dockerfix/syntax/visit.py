"""Reading the tree: `walk`, `Visitor`, and `matches`. Nothing here changes a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dockerfix.syntax.nodes import Node


def walk(node: Node) -> Iterator[Node]:
    """`node` and every node below it, parents first, in source order."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(reversed(found.children))


class Visitor:
    """Calls `visit_X` before and `leave_X` after the children of each node of class X.

    The method for the nearest class of the node's that has one is called, so that
    `visit_Instruction` sees every instruction without a method of its own. A `visit_X`
    that returns False keeps the visitor out of that node, and its `leave_X` is not called.
    """

    def visit(self, node: Node) -> None:
        """Walk `node` and what is below it, without recursion."""
        waiting: list[tuple[Node, bool]] = [(node, False)]
        while waiting:
            found, done = waiting.pop()
            if done:
                self._call("leave", found)
            elif self._call("visit", found) is not False:
                waiting.append((found, True))
                waiting.extend((child, False) for child in reversed(found.children))

    def _call(self, when: str, node: Node) -> object:
        for kind in type(node).__mro__[:-1]:
            method: Callable[[Node], object] | None = getattr(self, f"{when}_{kind.__name__}", None)
            if method is not None:
                return method(node)
        return None


def matches(node: object, kind: type | tuple[type, ...], **fields: Any) -> bool:
    """Whether `node` is a `kind` whose `fields` hold: a value, or a test of the value."""
    if not isinstance(node, kind):
        return False
    for name, wanted in fields.items():
        value = getattr(node, name)
        if not (wanted(value) if callable(wanted) else value == wanted):
            return False
    return True
