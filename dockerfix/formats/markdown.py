"""Markdown as its code blocks: the language, and where the content stands.

CommonMark's fences (backticks or tildes, also indented in a list), and indented code; everything
else is prose.
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


_INDENTED = re.compile(
    rb"(?:\A|(?<=\n))(?:[ \t]*\r?\n)((?:(?: {4}|\t)[^\n]*(?:\n|\Z)|[ \t]*\r?\n(?= {4}|\t))+)"
)


def indented(data: bytes) -> tuple[Span, ...]:
    """The blocks of lines that a blank line and an indent of four make code, outside fences.

    In a list such lines may be its text: whether they are commands is for others to say.
    """
    inside = [fence.content for fence in fences(data)]
    found = (Span(*hit.span(1)) for hit in _INDENTED.finditer(data))
    return tuple(span for span in found if not any(span.overlaps(one) for one in inside))
