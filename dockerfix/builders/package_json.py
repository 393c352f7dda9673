"""Scripts of a package.json that start builds: shell inside JSON strings.

npm runs them with sh, on Windows with cmd.exe: there a variable before the command is no
assignment, so one is only set by way of cross-env (T37), or where the script needs a shell
already. Flags are the same on both.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockerfix.builders.command_line import mentions_build
from dockerfix.finding import Refusal
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockerfix.builders.call import BuildArg, BuildCall, SecretFlag
    from dockerfix.builders.shell_dialect import ShellDialect
    from dockerfix.edits import Operation
    from dockerfix.shell import Script
    from dockerfix.workspace import Workspace

KIND = "package.json"
SETS = ("cross-env", "cross-env-shell")


def claims(path: str, head: bytes) -> bool:
    """Whether the file at `path` is a package.json."""
    return path.rpartition("/")[2] == "package.json"


def find_calls(path: str, data: bytes, workspace: Workspace) -> Iterable[BuildCall]:
    """The build calls in the scripts of the package.json at `path`."""
    if b'"scripts"' not in data or not mentions_build(data):
        return
    from dockerfix.builders.shell_dialect import Host, ShellDialect, calls_of
    from dockerfix.formats import json
    from dockerfix.formats.brackets import Group, Text
    from dockerfix.shell import read

    root = json.parse(Source(path, data)).root
    scripts = root.get("scripts") if isinstance(root, Group) else None
    if not isinstance(scripts, Group):
        return
    host = Host()
    host.kind = KIND
    for member in scripts.members:
        text = member.value
        if not isinstance(text, Text) or text.projection is None:
            continue
        if not mentions_build(text.projection.text):
            continue
        script = read(text.projection)
        posix = only_posix(script)
        for call in calls_of(path, script, host):
            if isinstance(call.dialect, ShellDialect):
                dialect = ScriptDialect(call.dialect, posix)
                cwd = inside(posixpath.dirname(path), call.cwd)
                yield replace(call, dialect=dialect, cwd=cwd, label=member.key)


def only_posix(script: Script) -> bool:
    """Whether cmd.exe could not run the script as it stands, so that only a shell does."""
    return any(
        any(one.kind == "prefix" for one in command.prefix)
        or command.name in ("export", ".", "source", "unset")
        or any(part.kind == "command" for word in command.words for part in word.parts)
        for command in script.commands
    )


def inside(folder: str, cwd: str | None) -> str | None:
    """`cwd` (of a script) seen from the root, where the script starts in `folder`."""
    if cwd is None or cwd[:1] in ("\x02", "\x03", "\x04", "/"):
        return cwd
    full = posixpath.normpath(posixpath.join(folder, cwd)) if folder or cwd else ""
    return "" if full == "." else full


@dataclass(frozen=True, eq=False)
class ScriptDialect:
    """A call in a script; `posix`: the script is one that cmd.exe cannot run."""

    inner: ShellDialect
    posix: bool = False

    @property
    def shared(self) -> tuple[Span, ...]:
        return self.inner.shared

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        return self._portable(self.inner.take_secret(call, arg, id, source), arg.span)

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        return self._portable(self.inner.add_secret(call, id, source), call.span)

    def take_ssh(self, call: BuildCall, arg: BuildArg, form: str) -> Sequence[Operation] | Refusal:
        return self._portable(self.inner.take_ssh(call, arg, form), arg.span)

    def add_ssh(self, call: BuildCall, value: str) -> Sequence[Operation] | Refusal:
        return self._portable(self.inner.add_ssh(call, value), call.span)

    def mend_secret(self, call: BuildCall, flag: SecretFlag) -> Sequence[Operation] | Refusal:
        return self._portable(self.inner.mend_secret(call, flag), flag.span)

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        return self.inner.drop(call, arg)

    def _portable(
        self, result: Sequence[Operation] | Refusal, span: Span
    ) -> Sequence[Operation] | Refusal:
        """The operations, with variables set by cross-env; a refusal where it is not used."""
        if isinstance(result, Refusal):
            return result
        wrapper = next((one for one in map(self.inner.line.wrapper, SETS) if one), None)
        if wrapper is not None and wrapper.argument.where == "direct":
            # All that is asked of one command is lowered by one site: they must be the same.
            return [self._behind(one, wrapper.argument.span.end) for one in result]
        if any(one.verb == "set" for one in result) and not self.posix:
            if re.search(rb"%\w+%", self.inner.line.script.text):
                return Refusal(
                    "the value is a variable in the way of cmd.exe",
                    self.inner.path,
                    span,
                    "Pass the variable by its bare name (`--build-arg X`), which every system "
                    "understands, and run dockerfix again.",
                )
            return Refusal(
                "the value is not in the environment of the script, and cmd.exe on Windows knows "
                "no variable before a command",
                self.inner.path,
                span,
                "Put cross-env before the command, or export the variable before npm runs, and "
                "run dockerfix again.",
            )
        return result

    def _behind(self, operation: Operation, at: int) -> Operation:
        """A variable is set behind the word that ends at `at`, not before the command."""
        from dockerfix.builders.shell_edits import ShellSite

        site = operation.site
        if not isinstance(site, ShellSite) or site.prefix_at < 0:
            return operation
        text = site.projection.text
        while at < len(text) and text[at : at + 1] in (b" ", b"\t"):
            at += 1
        host = site.projection.host(at)
        touches = (Span(host, host),) if operation.verb == "set" else operation.touches
        return replace(operation, site=replace(site, prefix_at=at), touches=touches)
