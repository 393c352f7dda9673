"""Reading and writing Dockerfiles: bytes to a lossless tree, verbs on it, and its dump."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dockerfix.syntax.nodes import Dockerfile, parse

__all__ = ["Dockerfile", "parse"]


def __getattr__(name: str) -> Any:
    # The tree is imported when it is used: what only names this package starts fast.
    if name in __all__:
        from dockerfix.syntax import nodes

        return getattr(nodes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
