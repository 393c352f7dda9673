"""Files that a caller writes into the build context before it builds, with a secret in them.

Reads the shell text that a build call stands in, and that of the steps before it. Knows nothing
of what is right.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.link import working_folder
from dockerfix.model.file_secrets import fills
from dockerfix.model.names import secret_file
from dockerfix.model.secrets import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dockerfix.builders.call import BuildCall
    from dockerfix.context import Context
    from dockerfix.shell import Command, Script
    from dockerfix.source import Span

_EXPRESSION = re.compile(rb"\$\{\{\s*(?:secrets\.(\w+)|github\.token)")
_HOME = re.compile(rb"[\"']?(?:~|\$HOME|\$\{HOME\})/")


class Written(NamedTuple):
    """`path` is root-relative, `span` is in the file `caller`. `variable` is empty where the
    secret comes from a file of the machine."""

    path: str
    variable: str
    caller: str
    span: Span


@lru_cache(maxsize=16)
def written_files(context: Context) -> Mapping[str, Written]:
    """What the callers of the Dockerfile write before they build it, by path."""
    found: dict[str, Written] = {}
    for call in context.calls:
        for one in written(context, call):
            found.setdefault(one.path, one)
    return found


def written(context: Context, call: BuildCall) -> tuple[Written, ...]:
    """Files that commands before the build fill with a secret and leave there."""
    found: dict[str, Written] = {}
    for prior in call.prior():
        for command in prior.script.commands:
            for written_path, variable in _writes(prior.script, command, prior.raw):
                span = prior.script.projection.host_span(command.span)
                path = _path(prior.here(posixpath.join(command.cwd or "", written_path)))
                if path and command.cwd is not None:
                    found[path] = Written(path, variable, call.path, span)
            for path in _removed(command, "", found):
                del found[path]
    _own(context, call, found)
    return tuple(found.values())


def _own(context: Context, call: BuildCall, found: dict[str, Written]) -> None:
    """Adds what the script writes in which the call stands."""
    dialect = getattr(call.dialect, "inner", call.dialect)
    script: Script | None = getattr(getattr(dialect, "line", None), "script", None)
    folder = working_folder(call, context.path)
    if script is None or folder is None:
        return
    start = _start(folder, call)
    if start is None:
        return
    session = getattr(call.dialect, "session", None)

    def raw(span: Span) -> bytes:
        return session.raw(script, span) if session is not None else b""

    for command in script.commands:
        span = script.projection.host_span(command.span)
        if span.start >= call.span.start:
            return
        for path in _removed(command, start, found):
            del found[path]
        if command.cwd is None:
            continue
        for target, variable in _writes(script, command, raw):
            path = _path(posixpath.join(start, command.cwd, target))
            if path:
                found[path] = Written(path, variable, call.path, span)


def _writes(
    script: Script, command: Command, raw: Callable[[Span], bytes]
) -> Iterator[tuple[str, str]]:
    """(path, variable) of each file that the command fills with a secret."""
    targets = []
    for redirect in command.redirects:
        target = redirect.target.literal if redirect.target is not None else None
        if redirect.operator.lstrip("0123456789&") in (">", ">>", ">|") and target:
            targets.append(target)
    if command.name == "tee":
        targets += [one for word in command.words[1:] if (one := word.literal) and one[0] != "-"]
    if targets:
        variable = _secret(script, command, raw)
        for target in targets:
            known = secret_file(target)
            made = fills(script.text[command.span.start : command.span.end])
            if variable is not None or (known is not None and (known.sure or made)):
                yield target, variable or ""
    if command.name == "cp" and len(command.words) >= 3:
        yield from _copied(command)


def _copied(command: Command) -> Iterator[tuple[str, str]]:
    """`cp ~/.npmrc .` brings a secret file of the machine."""
    *sources, to = (word for word in command.words[1:] if not word.raw.startswith(b"-"))
    target = to.literal
    for word in sources:
        known = secret_file(word.raw.decode("utf-8", "replace").strip("\"'"))
        home = _HOME.match(word.raw) is not None
        if target and home and known is not None and known.kind != "directory":
            base = word.raw.decode("utf-8", "replace").strip("\"'").rpartition("/")[2]
            folder = target.endswith(("/", ".")) or len(sources) > 1
            yield (posixpath.join(target, base) if folder else target), ""


def _removed(command: Command, start: str, found: Mapping[str, Written]) -> list[str]:
    if command.name not in ("rm", "unlink", "shred") or command.cwd is None:
        return []
    paths = {
        _path(posixpath.join(start, command.cwd, word.literal))
        for word in command.words[1:]
        if word.literal
    }
    return [path for path in found if path in paths]


def _path(path: str | None) -> str:
    """The path as one of the root; empty if it lies elsewhere."""
    if path is None:
        return ""
    plain = posixpath.normpath(path)
    return "" if plain.startswith(("..", "/", ".git/")) or "\0" in plain else plain


def _start(folder: str, call: BuildCall) -> str | None:
    """Where the script starts, from where the client runs. Only a plain `cd` can be undone."""
    cwd = call.cwd or ""
    if not cwd:
        return folder
    tail = "/" + cwd
    if ("/" + folder).endswith(tail):
        return folder[: len(folder) - len(cwd)].rstrip("/")
    return None


def _secret(script: Script, command: Command, raw: Callable[[Span], bytes]) -> str | None:
    """The variable (or the secret of the CI system) that the command writes."""
    for one in _together(script, command):
        names = [use.name for word in one.words for use in word.uses if not use.deferred]
        spans = [word.span for word in one.words]
        for redirect in one.redirects:
            if redirect.body is not None:
                spans.append(redirect.body)
                if redirect.expands:
                    names += [use.name for use in script.uses if redirect.body.contains(use.span)]
        for name in names:
            if classify(name).secret:
                return name
        for span in spans:
            if hit := _EXPRESSION.search(raw(span)):
                return hit[1].decode() if hit[1] else "GITHUB_TOKEN"
    return None


def _together(script: Script, command: Command) -> list[Command]:
    """The commands of the pipeline that the command stands in."""
    for stages in script.pipelines:
        if any(stage.contains(command.span) for stage in stages):
            whole = [stage for stage in stages if stage.start <= command.span.start]
            return [one for one in script.commands if any(s.contains(one.span) for s in whole)]
    return [command]
