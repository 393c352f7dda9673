"""Justfiles (`just`): each line of a recipe is a shell of its own, a shebang makes it one script.

`{{x}}` is put in as text. A variable of the file is in a recipe's environment only if it is
exported; one that `env('X')` reads is there under that name anyway (T37). Recipes for another
shell (`set shell`, other shebangs) are not read.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.command_line import mentions_build
from dockerfix.builders.package_json import inside
from dockerfix.builders.script import SHELLS, interpreter
from dockerfix.builders.shell_values import Host, Substitution
from dockerfix.shell.nodes import FOREIGN
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockerfix.builders.call import BuildCall
    from dockerfix.builders.just_flags import JustFlags
    from dockerfix.shell import Script
    from dockerfix.workspace import Workspace

KIND = "justfile"
_PREFIX = re.compile(rb"\A([ \t]*)([@-]+)")
_EXPRESSION = re.compile(rb"(?<!\{)\{\{(?!\{).*?\}\}")
_SHELL = re.compile(rb"^set[ \t]+shell[ \t]*:=[ \t]*\[[ \t]*['\"]([^'\"]+)['\"]([^\]]*)", re.M)
_NOUNSET = re.compile(rb"['\"]-[a-zA-Z]*u|nounset")
_FOLDER = re.compile(rb"^set[ \t]+working-directory[ \t]*:=[ \t]*['\"]([^'\"]+)['\"]", re.M)
_ATTRIBUTE = re.compile(rb"^\[([^\]]+)\][ \t]*\r?$")
_IN_FOLDER = re.compile(rb"working-directory[ \t]*[:(][ \t]*['\"]([^'\"]+)['\"]")
_SCRIPT = re.compile(rb"(?:^|,)[ \t]*script[ \t]*(?:\([ \t]*['\"]([^'\"]+)['\"]|,|$)")
_WINDOWS = re.compile(rb"^set[ \t]+(?:powershell|windows-powershell)\b(?!.*false)", re.M)
_ENV = re.compile(
    rb"^(?:export[ \t]+)?([A-Za-z_][\w-]*)[ \t]*:=[ \t]*env(?:_var(?:_or_default)?)?\([ \t]*"
    rb"(['\"])(\w+)\2[ \t]*(?:,[ \t]*(?:''|\"\")[ \t]*)?\)[ \t]*\r?$",
    re.M,
)
_DIRECT = re.compile(
    rb"env(?:_var(?:_or_default)?)?\([ \t]*(['\"])(\w+)\1[ \t]*(?:,[ \t]*(?:''|\"\")[ \t]*)?\)"
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
    # All of it is read before a call is asked for anything: what is used elsewhere counts.
    return list(_calls(path, data, workspace))


def _calls(path: str, data: bytes, workspace: Workspace) -> Iterator[BuildCall]:
    if not mentions_build(data):
        return
    from dockerfix.builders.just_flags import JustDialect, JustFlags
    from dockerfix.builders.shell_dialect import ShellDialect, calls_of
    from dockerfix.projection import Projection, substituted
    from dockerfix.shell.nodes import State, Variable
    from dockerfix.shell.reading import read_script

    shell = _SHELL.search(data)
    if _WINDOWS.search(data) or (shell and shell[1].rpartition(b"/")[2] not in SHELLS):
        return
    exported = {name.decode() for name in _EXPORT.findall(data)}
    if _ALL.search(data):
        exported |= {name.decode() for name in _ASSIGNED.findall(data)}
    read = {hit[1].decode(): hit[3].decode() for hit in _ENV.finditer(data)}
    flags = JustFlags(path, data, workspace, _ALL.search(data) is not None)
    host = Recipes(data, {name: env for name, env in read.items() if env not in exported}, flags)
    variable = Variable(values=None, attribute="yes", in_sync=True, assigned="yes")
    nounset = bool(shell and _NOUNSET.search(shell[2]))
    said = _FOLDER.search(data)
    home = inside(posixpath.dirname(path), said[1].decode() if said else "")
    for span, folder, strict in shells(data):
        text = data[span.start : span.end]
        if not mentions_build(text):
            continue
        text = _PREFIX.sub(lambda hit: hit[1] + b" " * len(hit[2]), text)
        shown = flags.shown(Projection.masked(text, span.start))
        shown = substituted(shown, _EXPRESSION, lambda hit: bytes([FOREIGN]) * len(hit[0]))
        flags.reads(span)
        initial = State(
            dict.fromkeys(exported, variable),
            frozenset({""}),
            nounset=nounset if strict is None else strict,
        )
        script = read_script(shown, initial=initial)
        for call in calls_of(path, script, host):
            start = home if folder is None else inside(home or "", folder)
            dialect = call.dialect
            if flags.held and isinstance(dialect, ShellDialect):
                dialect = JustDialect(dialect, flags)
            yield replace(call, cwd=inside(start or "", call.cwd), dialect=dialect)


class Recipes(Host):
    """The file: `variables` maps those that hold an environment variable's value to it."""

    kind = KIND

    def __init__(self, data: bytes, variables: Mapping[str, str], flags: JustFlags) -> None:
        self.data = data
        self.variables = variables
        self.flags = flags

    def substitution(self, script: Script, span: Span) -> Substitution | None:
        host = script.projection.host_span(span)
        raw = self.data[host.start : host.end]
        if not raw.startswith(b"{{"):
            raw = b"{{" + self.flags.expression(host) + b"}}"
        if raw == b"{{}}":
            return None
        direct = _DIRECT.fullmatch(raw[2:-2].strip())
        if direct is not None:
            return Substitution(raw, direct[2].decode())
        name = raw[2:-2].strip().decode("utf-8", "replace")
        # `quote()`, for one, brings quotes.
        return Substitution(raw, self.variables.get(name), quotes="(" in name)


class Shell(NamedTuple):
    """What one shell gets, whole lines of the file, and the folder that its recipe names.
    `nounset`: whether it fails for unset names; None where `set shell` says so."""

    span: Span
    folder: str | None = None
    nounset: bool | None = None


def shells(data: bytes) -> Iterator[Shell]:
    """What each shell gets."""
    lines: list[tuple[int, bytes]] = []
    attributes: list[bytes] = []
    above: list[bytes] = []
    at = 0
    for line in (*data.splitlines(keepends=True), b""):
        if line[:1] in (b" ", b"\t") or (lines and line and not line.strip()):
            lines.append((at, line))
        else:
            yield from _recipe(lines, attributes)
            lines = []
            said = _ATTRIBUTE.match(line)
            if said is not None:
                above.append(said[1])
            elif line.strip():
                attributes, above = above, []
        at += len(line)


def _recipe(lines: list[tuple[int, bytes]], attributes: Sequence[bytes]) -> Iterator[Shell]:
    if not lines:
        return
    named = next((hit for one in attributes if (hit := _IN_FOLDER.search(one))), None)
    folder = named[1].decode() if named is not None else None
    script = next((hit for one in attributes if (hit := _SCRIPT.search(one))), None)
    first = lines[0][1].strip()
    if first.startswith(b"#!") or script is not None:
        name = script[1] or b"sh" if script is not None else interpreter(first)
        if name in SHELLS:
            # `[script]` runs `sh -eu` unless told otherwise.
            whole = Span(lines[0][0], lines[-1][0] + len(lines[-1][1]))
            yield Shell(whole, folder, script is not None and not script[1])
        return
    start: int | None = None
    for at, line in lines:
        start = at if start is None else start
        if not line.rstrip(b"\r\n").endswith(b"\\"):
            yield Shell(Span(start, at + len(line)), folder)
            start = None
