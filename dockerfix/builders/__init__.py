"""The files that start builds, one module a kind. They know dialects, never indentation.

`ALL` holds the modules, each with `KIND`, `claims(path, head)` and
`find_calls(path, data, workspace)`; a new kind of caller is a module here and a line in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    ALL: tuple[ModuleType, ...]


def __getattr__(name: str) -> object:
    if name == "ALL":
        from dockerfix.builders import (
            bake,
            compose,
            github,
            gitlab,
            justfile,
            make,
            markdown,
            package_json,
            script,
            taskfile,
        )

        return (
            script,
            make,
            compose,
            bake,
            package_json,
            taskfile,
            justfile,
            markdown,
            github,
            gitlab,
        )
    raise AttributeError(name)
