"""Justfiles (`just`): each line of a recipe is a shell of its own, a shebang makes it one script.

`{{x}}` is put in as text. A variable of the file is in a recipe's environment only if it is
exported; one that `env('X')` reads is there under that name anyway (T37). Recipes for another
shell (`set shell`, other shebangs) are not read.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.builders.command_line import mentions_build
from dockerfix.builders.package_json import inside
from dockerfix.builders.script import SHELLS, interpreter
from dockerfix.builders.shell_values import Host, Substitution
from dockerfix.shell.nodes import FOREIGN
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dockerfix.builders.call import BuildCall
    from dockerfix.shell import Script
    from dockerfix.workspace import Workspace

KIND = "justfile"
_EXPRESSION = re.compile(rb"(?<!\{)\{\{(?!\{).*?\}\}")
_SHELL = re.compile(rb"^set[ \t]+shell[ \t]*:=[ \t]*\[[ \t]*['\"]([^'\"]+)", re.M)
_WINDOWS = re.compile(rb"^set[ \t]+(?:powershell|windows-powershell)\b(?!.*false)", re.M)
_ENV = re.compile(
    rb"^(?:export[ \t]+)?([A-Za-z_][\w-]*)[ \t]*:=[ \t]*env(?:_var(?:_or_default)?)?\([ \t]*"
    rb"(['\"])(\w+)\2[ \t]*(?:,[ \t]*(?:''|\"\")[ \t]*)?\)[ \t]*\r?$",
    re.M,
)
_EXPORT = re.compile(rb"^export[ \t]+([A-Za-z_]\w*)[ \t]*:=", re.M)
_ALL = re.compile(rb"^set[ \t]+export\b(?!.*false)", re.M)
_ASSIGNED = re.compile(rb"^([A-Za-z_]\w*)[ \t]*:=", re.M)


def claims(path: str, head: bytes) -> bool:
    """Whether the file at `path` is a justfile."""
    name = path.rpartition("/")[2].lower()
    return name in ("justfile", ".justfile") or name.endswith(".just")


def find_calls(path: str, data: bytes, workspace: Workspace) -> Iterable[BuildCall]:
    """The build calls in the recipes of the justfile at `path`."""
    if not mentions_build(data):
        return
    from dockerfix.builders.shell_dialect import calls_of
    from dockerfix.projection import Projection
    from dockerfix.shell.nodes import State, Variable
    from dockerfix.shell.reading import read_script

    shell = _SHELL.search(data)
    if _WINDOWS.search(data) or (shell and shell[1].rpartition(b"/")[2] not in SHELLS):
        return
    exported = {name.decode() for name in _EXPORT.findall(data)}
    if _ALL.search(data):
        exported |= {name.decode() for name in _ASSIGNED.findall(data)}
    read = {hit[1].decode(): hit[3].decode() for hit in _ENV.finditer(data)}
    host = Recipes(data, {name: env for name, env in read.items() if env not in exported})
    variable = Variable(values=None, attribute="yes", in_sync=True, assigned="yes")
    for span in shells(data):
        text = masked(data[span.start : span.end])
        if not mentions_build(text):
            continue
        initial = State(variables=dict.fromkeys(exported, variable), cwds=frozenset({""}))
        script = read_script(Projection.masked(text, span.start), initial=initial)
        for call in calls_of(path, script, host):
            yield replace(call, cwd=inside(posixpath.dirname(path), call.cwd))


class Recipes(Host):
    """The file: `variables` maps those that hold an environment variable's value to it."""

    kind = KIND

    def __init__(self, data: bytes, variables: Mapping[str, str]) -> None:
        self.data = data
        self.variables = variables

    def substitution(self, script: Script, span: Span) -> Substitution | None:
        host = script.projection.host_span(span)
        raw = self.data[host.start : host.end]
        if not raw.startswith(b"{{"):
            return None
        name = raw[2:-2].strip().decode("utf-8", "replace")
        return Substitution(raw, self.variables.get(name))


def shells(data: bytes) -> Iterator[Span]:
    """What each shell gets: whole lines of the file."""
    lines: list[tuple[int, bytes]] = []
    at = 0
    for line in (*data.splitlines(keepends=True), b""):
        if line[:1] in (b" ", b"\t") or (lines and line and not line.strip()):
            lines.append((at, line))
        else:
            yield from _recipe(lines)
            lines = []
        at += len(line)


def _recipe(lines: list[tuple[int, bytes]]) -> Iterator[Span]:
    if not lines:
        return
    first = lines[0][1].strip()
    if first.startswith(b"#!"):
        if interpreter(first) in SHELLS:
            yield Span(lines[0][0], lines[-1][0] + len(lines[-1][1]))
        return
    start: int | None = None
    for at, line in lines:
        start = at if start is None else start
        if not line.rstrip(b"\r\n").endswith(b"\\"):
            yield Span(start, at + len(line))
            start = None


def masked(text: bytes) -> bytes:
    """The shell text of the same length: no `@` or `-` before a line, `{{...}}` not seen into."""
    text = re.sub(rb"\A([ \t]*)([@-]+)", lambda hit: hit[1] + b" " * len(hit[2]), text)
    return _EXPRESSION.sub(lambda hit: bytes([FOREIGN]) * len(hit[0]), text)
