"""Files that a caller writes into the build context, and which COPY takes them.

Reads the shell text that a build call stands in. Knows nothing of what is right.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.link import working_folder
from dockerfix.model.secrets import classify
from dockerfix.syntax.nodes import Add, Copy
from dockerfix.workspace.gitignore import ignored_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.builders.call import BuildCall
    from dockerfix.context import Context
    from dockerfix.shell import Command, Script
    from dockerfix.source import Span


class Written(NamedTuple):
    """`path` is root-relative, `span` is in the caller's file."""

    path: str
    variable: str
    span: Span


def written(context: Context, call: BuildCall) -> Iterator[Written]:
    """Files that commands before the build fill with a secret of the environment."""
    script: Script | None = getattr(getattr(call.dialect, "line", None), "script", None)
    folder = working_folder(call, context.path)
    if script is None or folder is None:
        return
    start = _start(folder, call)
    for command in script.commands:
        span = script.projection.host_span(command.span)
        if span.start >= call.span.start or start is None:
            break
        variable = _secret(script, command)
        if variable is None or command.cwd is None:
            continue
        for redirect in command.redirects:
            target = redirect.target.literal if redirect.target is not None else None
            if redirect.operator.lstrip("0123456789&") in (">", ">>", ">|") and target:
                path = posixpath.normpath(posixpath.join(start, command.cwd, target))
                if not path.startswith(("..", "/")) and "\0" not in path:
                    yield Written(path, variable, span)


def _start(folder: str, call: BuildCall) -> str | None:
    """Where the script starts, from where the client runs. Only a plain `cd` can be undone."""
    cwd = call.cwd or ""
    if not cwd:
        return folder
    tail = "/" + cwd
    if ("/" + folder).endswith(tail):
        return folder[: len(folder) - len(cwd)].rstrip("/")
    return None


def _secret(script: Script, command: Command) -> str | None:
    names = [use.name for word in command.words for use in word.uses if not use.deferred]
    for redirect in command.redirects:
        if redirect.body is not None and redirect.expands:
            names += [use.name for use in script.uses if redirect.body.contains(use.span)]
    return next((name for name in names if classify(name).secret), None)


def copied_by(context: Context, call: BuildCall, path: str) -> Copy | Add | None:
    """The COPY or ADD that takes the file at `path` from the context of `call`."""
    folder = working_folder(call, context.path)
    if folder is None or call.context is None or "$" in call.context:
        return None
    top = posixpath.normpath(posixpath.join(folder, call.context))
    inside = posixpath.relpath(path, top)
    if inside.startswith("..") or _ignored(context, top, inside):
        return None
    for instruction in context.dockerfile.find("copy", "add"):
        if isinstance(instruction, Copy | Add) and not getattr(instruction, "from_", None):
            for source in instruction.sources:
                raw = source.raw.decode("utf-8", "replace").strip("\"'").lstrip("/")
                if _matches(posixpath.normpath(raw or "."), inside):
                    return instruction
    return None


def _ignored(context: Context, top: str, inside: str) -> bool:
    for name in (f"{context.path}.dockerignore", posixpath.normpath(f"{top}/.dockerignore")):
        if context.workspace.exists(name):
            text = context.workspace.read(name).decode("utf-8", "replace")
            return ignored_by(text, inside)
    return False


def _matches(source: str, inside: str) -> bool:
    from fnmatch import fnmatchcase

    if source == ".":
        return True
    parts = inside.split("/")
    return any(fnmatchcase("/".join(parts[: count + 1]), source) for count in range(len(parts)))
