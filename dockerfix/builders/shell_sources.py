"""A configured source (`env:X`, `file:PATH`, `command:...`) as what a shell command is given.

Knows how it is spelt, not where it stands.
"""

from __future__ import annotations

from typing import NamedTuple

from dockerfix.builders.shell_edits import Piece, Text, quote

FOREIGN_TOOLS = ("podman", "buildah")


class Sourced(NamedTuple):
    """`value` of a `--secret` flag, `word` the same as a word of shell; with `set_to`, the
    variable `variable` is set for the command first."""

    value: bytes
    word: bytes
    variable: str = ""
    set_to: Text | None = None

    @property
    def bare(self) -> bool:
        """Whether the value needs no quotes of its own."""
        return self.value == self.word


def sourced(id: str, source: str, variable: str, tool: str) -> Sourced | None:
    """What gives the secret `id` from `source`; None for a path that `--secret` cannot hold.

    `variable` is a name that may be set for the command, `tool` the client.
    """
    kind, _, rest = source.partition(":")
    if kind == "file":
        return _file(id, rest, tool)
    name = rest if kind == "env" else variable
    value = _bytes(f"id={id},env={name}")
    if kind == "env":
        return Sourced(value, quote(value), name)
    # The shell reads the command as it stands between the parentheses.
    return Sourced(value, quote(value), name, (Piece(b'"$(' + _bytes(rest) + b')"'),))


def _file(id: str, path: str, tool: str) -> Sourced | None:
    if any(char in path for char in ',"\n\r'):
        return None
    # Without a type podman takes a variable that is called as the id (rule 5.10).
    kind = "type=file," if any(one in tool for one in FOREIGN_TOOLS) else ""
    start = f"id={id},{kind}src="
    if path.startswith("~/"):
        # No shell expands this tilde (PATTERNS), and no client does.
        inner = "".join("\\" + char if char in '\\"$`' else char for char in path[1:])
        return Sourced(_bytes(start + path), _bytes(f'"{start}$HOME{inner}"'))
    value = _bytes(start + path)
    return Sourced(value, quote(value))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
