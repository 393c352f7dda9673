"""Markdown as its fenced code blocks: the language, and where the content stands.

CommonMark's fences (backticks or tildes, also indented in a list); everything else is prose.
Knows nothing of shells or builds.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dockerfix.source import Span

_OPEN = re.compile(rb"^([ \t]*)(`{3,}|~{3,})[ \t]*([^\n`]*?)[ \t]*\r?$", re.M)


class Fence(NamedTuple):
    """`language` is the first word behind the fence, lower-case; `content` whole lines."""

    language: str
    content: Span


def fences(data: bytes) -> tuple[Fence, ...]:
    """The fenced blocks of a file, in order. A fence that nothing closes runs to the end."""
    found: list[Fence] = []
    at = 0
    while True:
        opened = _OPEN.search(data, at)
        if opened is None:
            return tuple(found)
        start = data.find(b"\n", opened.end())
        start = len(data) if start < 0 else start + 1
        mark = opened[2]
        closing = re.compile(
            rb"^[ \t]*" + re.escape(mark[:1]) + rb"{%d,}[ \t]*\r?$" % len(mark), re.M
        )
        closed = closing.search(data, start)
        end = closed.start() if closed is not None else len(data)
        words = opened[3].decode("utf-8", "replace").lower().replace("{", " ").split()
        found.append(Fence(words[0].strip(".}") if words else "", Span(start, end)))
        at = closed.end() if closed is not None else len(data)
