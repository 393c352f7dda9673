"""A Dockerfile that stands in a shell script: a heredoc on the standard input of its build.

Where the delimiter is not quoted, the shell puts its own variables in (`$X`) and takes escapes away.
Knows scripts that are files of their own; a heredoc in another file is known to be there, not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.builders.call import Inline, Put
from dockerfix.projection import Projection, verbatim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.builders.command_line import CommandLine, Situation
    from dockerfix.edits import Edit
    from dockerfix.formats.yaml_scalar import Change
    from dockerfix.shell import Command
    from dockerfix.shell.nodes import Redirect
    from dockerfix.source import Span

_EXPANSION = re.compile(
    rb"\\[\\$`\n]|\$\{[^{}]*\}|\$\((?:[^()]|\([^()]*\))*\)|`[^`]*`|\$[A-Za-z_]\w*|\$[0-9@*#?$!-]"
)
_NOTHING = re.compile(rb"(?!)")
_NAMED = re.compile(rb"\$\{?([A-Za-z_]\w*)")
_EXACT = re.compile(rb"\$(?:[A-Za-z_]\w*|\{\w+\})")


@dataclass(frozen=True, eq=False)
class Body:
    """The text of a heredoc. `aligned`: the shell joins none of its lines."""

    span: Span
    projection: Projection
    aligned: bool

    def edits(self, changes: Iterable[Change]) -> list[Edit]:
        return [self.projection.edit(*change) for change in changes]


def here(line: CommandLine, situation: Situation) -> Redirect | None:
    """The heredoc that the build reads as its Dockerfile."""
    if (situation.file or situation.context) != "-":
        return None
    return _document(line.command)


def inline(path: str, line: CommandLine, found: Redirect) -> Inline | None:
    """What stands there, where it can be read."""
    from dockerfix.formats.embedded import Embedded

    script, body = line.script, found.body
    if body is None or (found.operator.endswith("-") and b"\t" in script.text):
        return None
    text = script.text[body.start : body.end]
    if not text.strip():
        return None
    expands = found.expands
    joins = expands and re.search(rb"(?<!\\)(?:\\\\)*\\\n", text) is not None
    holder = Body(body, Projection.identity(script.text, body), not joins)
    embedded = Embedded(
        path,
        holder,
        _EXPANSION if expands else _NOTHING,
        _plain,
        _escaped if expands else verbatim,
        script.text.count(b"\n", 0, body.start),
    )
    every = [one for one in script.commands if _document(one) is not None]
    number = next((at for at, one in enumerate(every, 1) if one is line.command), 0)
    put = (
        Put(name.decode(), span, said if _EXACT.fullmatch(said) else b"")
        for span, said in embedded.put_in
        for name in dict.fromkeys(_NAMED.findall(said))
    )
    label = f"heredoc {number}"
    return Inline(label, f"{path}#heredoc-{number}", embedded, "the shell", tuple(put), False)


def _document(command: Command) -> Redirect | None:
    inputs = (one for one in reversed(command.redirects) if one.operator.lstrip("0")[:1] == "<")
    found = next(inputs, None)
    heredoc = found is not None and found.operator.lstrip("0") in ("<<", "<<-")
    return found if heredoc else None


def _plain(hit: re.Match[bytes]) -> bytes | None:
    if hit[0] == b"\\\n":
        return b""
    return hit[0][1:] if hit[0][:1] == b"\\" else None


def _escaped(text: bytes) -> bytes:
    return re.sub(rb"[\\$`]", rb"\\\g<0>", text)
