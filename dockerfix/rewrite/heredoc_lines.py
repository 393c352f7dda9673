"""A here-document as the words of one `printf`: what writes a file in one RUN and is to stand on one
line of another.

Knows how the shell reads the two (quotes and backslashes differ), and no tool.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockerfix.shell import Command, Script
    from dockerfix.shell.nodes import Redirect

MOST = 24
"""Lines; what is longer is no line that a person would want to read."""


def as_printf(script: Script, command: Command) -> bytes | None:
    """`cat > FILE <<END` (or `tee FILE <<END`) with its text, as `printf`; None for other shapes."""
    bodies = [it for it in command.redirects if it.body is not None]
    others = [it for it in command.redirects if it.body is None]
    if len(bodies) != 1 or command.prefix:
        return None
    words = [it.raw for it in command.words]
    if words == [b"cat"] and [it.operator for it in others] in ([">"], [">>"]):
        target = others[0].target
        to = others[0].operator.encode() + b" " + target.raw if target is not None else b""
    elif words[:1] == [b"tee"] and len(words) == 2 and not others:
        to = b"> " + words[1]
    else:
        return None
    lines = _lines(script, bodies[0])
    return b"printf '%s\\n' " + b" ".join(lines) + b" " + to if lines and to else None


def _lines(script: Script, redirect: Redirect) -> list[bytes] | None:
    assert redirect.body is not None
    start, end = redirect.body
    # The parser leaves blanks at the start out, and takes the tabs before the end in.
    line = len(script.text[:start].rstrip())
    start = script.text.index(b"\n", line, start) + 1 if b"\n" in script.text[line:start] else start
    text = script.text[start:end]
    if redirect.operator == "<<-":
        text = re.sub(rb"\n\t*\Z", b"\n", text)
    found = text.removesuffix(b"\n").split(b"\n")
    if redirect.operator == "<<-":
        found = [one.lstrip(b"\t") for one in found]
    if len(found) > MOST or b"\r" in text:
        return None
    if not redirect.expands:
        return [b"'" + one.replace(b"'", b"'\\''") + b"'" for one in found]
    if b"`" in text or b"$(" in text or any(_continued(one) for one in found):
        return None
    return [b'"' + _doubled(one) + b'"' for one in found]


def _continued(line: bytes) -> bool:
    end = re.search(rb"\\*$", line)
    return end is not None and len(end[0]) % 2 == 1


def _doubled(line: bytes) -> bytes:
    """In a here-document a quote is a quote, and a backslash before one is a backslash."""

    def quoted(found: re.Match[bytes]) -> bytes:
        return {b'"': b'\\"', b'\\"': b'\\\\\\"'}.get(found[0], found[0])

    return re.sub(rb"\\[\\$`\"]|\"", quoted, line)
