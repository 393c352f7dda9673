"""dockerfix: fixes Dockerfiles that leak secrets, together with everything that builds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dockerfix.syntax.nodes import Dockerfile, parse

__all__ = ["Dockerfile", "parse"]


def __getattr__(name: str) -> Any:
    # Public names are imported when they are used, so that `import dockerfix` stays cheap.
    if name in __all__:
        from dockerfix.syntax import nodes

        return getattr(nodes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
