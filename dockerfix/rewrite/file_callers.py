"""What callers need so that a secret file reaches the build: `--secret id=...,src=...`, relative to
where each client runs. Knows build calls, not how any file writes them."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.link import working_folder
from dockerfix.finding import Refusal
from dockerfix.rewrite.context_files import written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.builders.call import BuildCall
    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.model.copied_files import CopiedFile
    from dockerfix.source import Span

CLEAN_CHECKOUT = frozenset({"github", "gitlab"})
"""Kinds of caller that start from what git knows: a file that git ignores is not there."""


class Said(NamedTuple):
    reason: str
    at: Span
    help: str
    path: str


@dataclass(slots=True)
class Given:
    """`outside` is the flag that callers outside the tree must give, where there are none in it."""

    operations: list[Operation] = field(default_factory=list)
    refusals: list[Said] = field(default_factory=list)
    outside: str = ""


def give(contexts: Sequence[Context], file: CopiedFile, id: str) -> Given:
    """Give `file` as the secret `id` in every call that builds one of the Dockerfiles."""
    found = Given()
    if not any(context.calls for context in contexts):
        found.outside = f"--secret id={id},src={file.path}"
    named = any(one.how == "named" for one in file.takings)
    for context in contexts:
        for call in context.calls:
            if named or _has(context, call, file):
                _give(found, context, call, file, id)
        for call in context.documents:
            folder = working_folder(call, context.path)
            if folder is not None:
                result = call.add_secret(id, _source(file, folder))
                if not isinstance(result, Refusal):
                    found.operations.extend(result)
    return found


def _has(context: Context, call: BuildCall, file: CopiedFile) -> bool:
    """Whether the file is there when the call builds: one that COPY takes with a folder need not
    be, and a secret that is not given is then as good as a file that is not there."""
    if any(one.path == file.path for one in written(context, call)):
        return True
    if not file.there:
        return False
    return call.kind not in CLEAN_CHECKOUT or not context.workspace.ignored(file.path)


def _give(found: Given, context: Context, call: BuildCall, file: CopiedFile, id: str) -> None:
    folder = working_folder(call, context.path)
    if folder is None:
        help = f"give it `--secret id={id},src=PATH` by hand"
        reason = "in which folder this build runs is not known"
        found.refusals.append(Said(reason, call.span, help, call.path))
        return
    result = call.add_secret(id, _source(file, folder))
    if isinstance(result, Refusal):
        found.refusals.append(Said(result.reason, result.span, result.help, result.path))
    else:
        found.operations.extend(result)


def _source(file: CopiedFile, folder: str) -> str:
    return "file:" + posixpath.relpath(file.path, folder or ".")
