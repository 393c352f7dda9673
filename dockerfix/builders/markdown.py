"""Build commands in the fenced and indented blocks of Markdown files.

They are documentation: nobody runs them from there, so they never hold a fix back and say
nothing of how an image is built. When a fix is made, they are rewritten with it. In a session
(`$ docker build ...`, and what it prints) only the commands are read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.builders.command_line import mentions_build
from dockerfix.builders.shell_values import Host, Substitution
from dockerfix.shell.nodes import FOREIGN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.builders.call import BuildCall
    from dockerfix.shell import Script
    from dockerfix.source import Span
    from dockerfix.workspace import Workspace

KIND = "markdown"
SUFFIXES = (".md", ".markdown", ".mdx")
SHELLS = frozenset(
    {"sh", "bash", "shell", "zsh", "console", "terminal", "shell-session", "shellsession", ""}
)
_PROMPT = re.compile(
    rb"^([ \t]*)([$#%>]|\w+@[\w.-]+[^\n$#]{0,40}[$#]|\w*[\w@:~-]+[$#])[ \t]+(?=\S)"
)
_PLACEHOLDER = re.compile(
    rb"(?<![<\w])<[A-Za-z](?:[^<>\n|&;]{0,60}[^<>\s|&;])?>"
    rb"|(?<==)\{[A-Za-z][^{}\n\"'$]{0,60}\}|(?<==)\[[A-Za-z][^][\n\"'$]{0,60}\]"
)
"""`<your token>`, and `X={your token}` or `X=[your token]`."""
_SESSION = re.compile(rb"^[ \t]*(?:\$|\w+@[\w.-]+[^\n$#]*[$#])[ \t]+\S", re.M)


def claims(path: str, head: bytes) -> bool:
    """Whether the file at `path` is Markdown."""
    return path.endswith(SUFFIXES)


def find_calls(path: str, data: bytes, workspace: Workspace) -> Iterable[BuildCall]:
    """The build calls in the shell blocks of the file at `path`."""
    if not mentions_build(data):
        return
    from dockerfix.builders.shell_dialect import calls_of
    from dockerfix.formats.markdown import fences, indented
    from dockerfix.projection import Projection
    from dockerfix.shell import read

    host = Page(data)
    blocks = [one.content for one in fences(data) if one.language in SHELLS]
    for block in (*blocks, *indented(data)):
        text = data[block.start : block.end]
        if not mentions_build(text):
            continue
        shown = commands(text) if _SESSION.search(text) else text
        shown = _PLACEHOLDER.sub(lambda hit: bytes([FOREIGN]) * len(hit[0]), shown)
        for call in calls_of(path, read(Projection.masked(shown, block.start)), host):
            yield replace(call, documentation=True)


class Page(Host):
    """The file: `<your token>` in a command stands for a word of the reader's."""

    kind = KIND

    def __init__(self, data: bytes) -> None:
        self.data = data

    def substitution(self, script: Script, span: Span) -> Substitution | None:
        host = script.projection.host_span(span)
        return Substitution(self.data[host.start : host.end])


def commands(text: bytes) -> bytes:
    """The commands of a session; prompts and what was printed are blanks of the same length."""
    found: list[bytes] = []
    running = False
    for line in text.splitlines(keepends=True):
        body = line.rstrip(b"\r\n")
        prompt = _PROMPT.match(body)
        if not running and (prompt is None or prompt[2] == b">"):
            found.append(b" " * len(body) + line[len(body) :])
            continue
        if (not running and prompt is not None) or (prompt is not None and prompt[2] == b">"):
            found.append(b" " * prompt.end() + line[prompt.end() :])
        else:
            found.append(line)
        running = body.rstrip().endswith(b"\\")
    return b"".join(found)
