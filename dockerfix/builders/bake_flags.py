"""`bake --set TARGET.args.X=VALUE`, read as the build argument and the secret that it is.

Two overrides matter here: `args.X`, and `secrets` (`+=` appends, `=` replaces the list, T33). Spans and texts are those of `command_line`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockerfix.builders.arguments import Argument
    from dockerfix.builders.command_line import Given

_OVERRIDE = re.compile(rb"[^=]*?\.(args\.|secrets\+?=)")


def as_set(flag: Given) -> Given:
    """`--set T.args.X` as the flag `build-arg` whose value starts behind `T.args.`; others stay."""
    if flag.name != "set" or flag.value is None:
        return flag._replace(name="bake-file") if flag.name in ("file", "target") else flag
    found = _OVERRIDE.match(head(flag.value), flag.value_start)
    if found is None:
        return flag
    name = "build-arg" if found[1] == b"args." else "secret"
    return flag._replace(name=name, value_start=found.end())


def secret_flag(flag: Given, text: bytes) -> tuple[bytes, bytes]:
    """The flag that gives a secret instead of the build argument `flag`, and its value."""
    start = flag.value_start
    before = b"" if flag.value is None else head(flag.value)[:start]
    if not before.endswith(b".args."):
        return b"--secret", text
    first = before.find(b"=") + 1 if flag.joined else 0
    return b"--set", before[first:].removesuffix(b"args.") + b"secrets+=" + text


def head(argument: Argument) -> bytes:
    """The literal text that the argument starts with."""
    if argument.literal is not None:
        return argument.literal
    found = b""
    for leaf in argument.leaves:
        if leaf.part.literal is None:
            break
        found += leaf.part.literal
    return found
