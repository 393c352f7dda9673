"""How the RUNs get a variable for a secret that they had as a file: by `env=` on the mount, by a
statement that reads the file, or not at all where nothing is left to read it.

Works on what `mounted_values` found; knows no tool.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.rewrite import forms
from dockerfix.rewrite.commands import remove_span
from dockerfix.rewrite.forms import AMPERSAND
from dockerfix.rewrite.mounted_values import cut, exported, shows_more
from dockerfix.rewrite.mounts import with_frontend
from dockerfix.source import Span
from dockerfix.syntax import make, verbs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.rewrite.mounted_values import Told
    from dockerfix.rewrite.mounts import Given
    from dockerfix.rewrite.persisted import Cure
    from dockerfix.syntax.nodes import Run


_NAMED = re.compile(rb"/run/secrets(?:/([\w.-]*))?")


class _NotGivenError(Exception):
    """A RUN needs the variable and cannot have it."""


def given_variable(
    context: Context, one: Told, found: Cure, files: Collection[int] = ()
) -> tuple[Operation, ...] | None:
    """The operations beside those of the cure `found`; None where a RUN cannot get the variable. The
    RUNs `files` (by offset) read the file itself."""
    operations: list[Operation] = []
    name = one.name.encode()
    touched = {
        it.at.start for it in found.operations if isinstance(it.value, bytes) and name in it.value
    }
    try:
        for run in one.live:
            start, held = run.span.start, one.given.get(run.span.start)
            if start in found.removed:
                continue
            if held is not None and start in found.free:
                operations += _taken(context, one, found, held)
            elif held is not None and start in touched | found.readers.keys():
                operations += _held(context, one, found, held)
            elif held is None and start in files and start not in touched:
                operations.append(_same_file(context, one, run))
            elif held is None and start in found.readers and start not in found.free:
                operations += _new(context, one, run)
    except _NotGivenError:
        return None
    if any(isinstance(it.value, bytes) and b",env=" in it.value for it in operations):
        operations += with_frontend(context).operations
    return tuple(operations)


def _held(context: Context, one: Told, found: Cure, held: Given) -> Iterator[Operation]:
    """A RUN that has the file."""
    run, load = held.run, one.loads.get(held.run.span.start)
    gone = cut(load) if load is not None else None
    if load is not None and gone is not None:
        if not exported(load, gone):
            at = load.script.projection.host(load.assignment.span.end, end=True)
            text = b" && export %s" % one.name.encode()
            yield verbs.replace(context.dockerfile, run, Span(at, at), text)
        return
    if held.env == one.name:
        return
    if any(it.env == one.name for it in run.mounts if it.type == "secret"):
        if not _left(context, found, held):
            yield verbs.remove_mount(context.dockerfile, run, held.mount)
        return
    if shows_more(context, one, run):
        raise _NotGivenError
    if one.form == "file":
        yield _loaded(context, one, run, held.file or "")
        return
    kept = _left(context, found, held)
    raw = context.dockerfile.source.text(held.span)
    rights = dict(held.mount.options) if kept else {}
    mode, uid, gid = (rights.get(key) for key in ("mode", "uid", "gid"))
    text = make.mount(
        id=one.id,
        env=one.name,
        target=held.file if kept else None,
        required=True if held.mount.required else None,
        mode=mode,
        uid=int(uid) if uid and uid.isdigit() else None,
        gid=int(gid) if gid and gid.isdigit() else None,
        bare=b"required=" not in raw,
    )
    yield verbs.replace_mount(context.dockerfile, run, held.mount, text)


def _new(context: Context, one: Told, run: Run) -> Iterator[Operation]:
    """A RUN that has nothing of the secret yet."""
    if any(it.type == "secret" and it.env == one.name for it in run.mounts):
        return
    if shows_more(context, one, run):
        raise _NotGivenError
    required = one.first.mount.required
    if one.form == "env":
        text = make.mount(id=one.id, env=one.name, required=True if required else None)
        yield verbs.add_mount(context.dockerfile, run, text)
        return
    yield _same_file(context, one, run)
    yield _loaded(context, one, run, one.first.file or "")


def _same_file(context: Context, one: Told, run: Run) -> Operation:
    """The mount of the file where the first RUN has it."""
    first, setting = one.first, context.model.setting
    raw = context.dockerfile.source.text(first.span).partition(b"=")[2]
    if setting(run).user is setting(first.run).user and b"$" not in raw and not first.env:
        return verbs.add_mount(context.dockerfile, run, raw)
    uid, mode = forms.rights(context, run)
    usual = first.file == forms.file_path(one.id)
    text = make.mount(
        id=one.id,
        target=None if usual else first.file,
        required=True if first.mount.required else None,
        mode=mode,
        uid=uid,
        bare=b"required=" not in raw,
    )
    return verbs.add_mount(context.dockerfile, run, text)


def _loaded(context: Context, one: Told, run: Run, path: str) -> Operation:
    if forms.objection(context, run):
        raise _NotGivenError
    texts = (it.text for it in context.reader.scripts(run))
    operator = b"; " if any(AMPERSAND.search(text) for text in texts) else b" && "
    text = f'export {one.name}="$(cat {path})"'.encode("utf-8", "surrogateescape") + operator
    return verbs.insert_statement(context.dockerfile, run, text, sets=one.name)


def _taken(context: Context, one: Told, found: Cure, held: Given) -> Iterator[Operation]:
    """A RUN that no longer needs it: the mount goes, and the statement that read the file."""
    load = one.loads.get(held.run.span.start)
    gone: list[Operation] = []
    if load is not None and (span := cut(load)) is not None:
        whole = Span(span.start, len(load.script.text[: span.end].rstrip(b" \t\r\n;&")))
        operation = remove_span(context.dockerfile, held.run, load.script, whole)
        if operation is None or operation.verb == "remove":
            return
        gone = [operation]
    if _left(context, found, held, *gone):
        return
    yield from gone
    yield verbs.remove_mount(context.dockerfile, held.run, held.mount)


def _left(context: Context, found: Cure, held: Given, *others: Operation) -> bool:
    """Whether the RUN may still read the file when the cure is through."""
    run = held.run
    changed = sorted(
        span
        for it in (*found.operations, *others)
        if it.at == run.span and it.verb == "replace"
        for span in it.touches
    )
    end, rest = run.arguments_span.start, b""
    for span in changed:
        rest += context.dockerfile.source.text(Span(end, max(end, span.start)))
        end = max(end, span.end)
    rest += context.dockerfile.source.text(Span(end, run.span.end))
    path = (held.file or "").encode("utf-8", "surrogateescape")
    if not path.startswith(forms.FOLDER.encode()):
        return path in rest
    own = path.removeprefix(forms.FOLDER.encode())
    # Without a name, or with a computed one, any file there may be meant.
    return any(found[1] in (None, b"", own) for found in _NAMED.finditer(rest))
