"""An ssh key that moves out of a Dockerfile: from ARG, ENV or COPY to the client's agent.

Fully understood, or not at all: `forwarding` and `copied` are None where the key stays an ordinary
secret, which `secret-in-arg`, `secret-in-env` or `secret-file-copied` then mount.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.builders.link import working_folder
from dockerfix.model.file_secrets import locked
from dockerfix.model.names import secret_file
from dockerfix.model.run_time import reads
from dockerfix.rewrite import forms, ssh_callers
from dockerfix.rewrite.candidates import Candidate, Origin, arguments, environment
from dockerfix.rewrite.composite import plain
from dockerfix.rewrite.environment import for_containers
from dockerfix.rewrite.files import kept_out, taken
from dockerfix.rewrite.key_handling import Handling, Unclear, handling, without_options
from dockerfix.rewrite.key_removal import take_out
from dockerfix.rewrite.plan import other_readers, remove
from dockerfix.rewrite.values import values
from dockerfix.syntax import make, verbs
from dockerfix.syntax.nodes import Add, Copy, Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.model import Binding
    from dockerfix.model.copied_files import CopiedFile
    from dockerfix.rewrite.callers import Callers
    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Instruction

KEYS = frozenset({"key", "private-key", "ssh-key"})


@dataclass(frozen=True, slots=True)
class Forwarding:
    """`keyword` and `span` of what brings the key in today, as `name`; `operations` on every file,
    the RUNs that get the agent, and what callers outside must say, and bake (`allow`). `final`: an image that
    someone can run has the key today; `written`: its value stands in the Dockerfile."""

    keyword: str
    name: str
    span: Span
    evidence: tuple[str, ...]
    operations: tuple[Operation, ...]
    users: tuple[Run, ...]
    callers: Callers
    outside: str
    final: bool = False
    written: bool = False
    allow: str = ""


def keys(context: Context) -> Iterator[Forwarding]:
    """Every key whose place an agent takes."""
    candidates = (*arguments(context), *_written_keys(context))
    found = [forwarding(context, one) for one in candidates]
    found += [copied(context, one) for one, _ in taken(context)]
    yield from (one for one in found if one is not None)


def copied_folders(context: Context) -> Iterator[tuple[Copy | Add, int]]:
    """Sources of COPY and ADD that are a folder `.ssh` which is not in the tree."""
    folders = context.build_context.folders or ("",)
    for one in context.dockerfile.find("copy", "add"):
        if not isinstance(one, Copy | Add) or one.from_ or one.heredocs:
            continue
        for index, word in enumerate(one.sources):
            path = word.raw.decode("utf-8", "surrogateescape").strip("\"'")
            inner = posixpath.normpath("/" + path).lstrip("/")
            known = secret_file(inner)
            here = (posixpath.join(folder, inner) for folder in folders)
            if (
                known is not None
                and known.kind == "directory"
                and posixpath.basename(inner) == ".ssh"
                and not any(map(context.workspace.is_folder, here))
            ):
                yield one, index


def _written_keys(context: Context) -> Iterator[Candidate]:
    return (one for one in environment(context) if not for_containers(context, one.roots))


def forwarded(context: Context, name: str) -> bool:
    """Whether an agent takes the place of the key in `name`."""
    found = (one for one in (*arguments(context), *_written_keys(context)) if one.name == name)
    return any(forwarding(context, one) is not None for one in found)


def forwarding(context: Context, candidate: Candidate) -> Forwarding | None:
    """The fix for a key in ARG or ENV, None where one of its steps is not certain."""
    if candidate.verdict.kind not in KEYS or candidate.maybe or forms.frontend_too_old(context):
        return None
    if candidate.origin not in (Origin.CALLER, Origin.LITERAL):
        return None
    known = values(context, candidate.roots)
    removed = known.removed
    if known.refusals or any(other_readers(context, removed)):
        return None
    if not all(plain(known.of[one]) for one in removed if one in known.of):
        return None
    for one in removed:
        if one.kind == "env" and any(reads(context.model, one, context.build_context)):
            return None
    order = (removed[0].pair.span.start,)
    try:
        found = handling(context, {one.name for one in removed}, _reach(context, removed))
        changed = _changes(context, found, order)
    except Unclear:
        return None
    if changed is None or found.objections:
        return None
    callers = ssh_callers.for_argument(context, candidate.name, found.forms)
    if callers.holds or any(_takes(context, one, candidate.name) for one in callers.partners):
        return None
    first = removed[0]
    return Forwarding(
        "ENV" if first.kind == "env" else "ARG",
        candidate.name,
        first.pair.span,
        candidate.verdict.evidence,
        (*(remove(context, one, order) for one in removed), *changed, *callers.operations),
        tuple(found.users),
        callers,
        "" if context.calls else "--ssh default",
        any(one.stage is not None and one.stage.in_final_chain for one in removed),
        candidate.origin is Origin.LITERAL,
    )


def copied(context: Context, copy: CopiedFile) -> Forwarding | None:
    """The fix for a key that one COPY or ADD names, where RUNs connect with it."""
    known = secret_file(copy.inner)
    named = [taking for taking in copy.takings if taking.how != "swept"]
    if known is None or known.kind not in KEYS or len(named) != 1 or not named[0].alone:
        return None
    one, index, target = named[0].instruction, named[0].index, named[0].target
    stage = context.model.stage_of(one)
    if stage is None or target is None:
        return None
    if (known.kind != "ssh-key" and "/.ssh/" not in target) or forms.frontend_too_old(context):
        return None
    if copy.there and locked(context.workspace.read(copy.path)):
        return None
    runs = [
        run
        for later in stage.descendants
        for run in later.instructions
        if isinstance(run, Run) and run.span.start > one.span.start
    ]
    order = (one.sources[index].span.start,)
    copies = (one.span.start,) if len(one.sources) == 1 else ()
    spare = {it.target for it in copy.takings if it.how == "swept" and it.target}
    try:
        found = handling(context, (), runs, (target,), copies, spare)
        changed = _changes(context, found, order)
        if changed is not None and copies:
            changed += folder_first(context, one, target, found, order)
    except Unclear:
        return None
    if changed is None or found.objections:
        return None
    callers, others = ssh_callers.for_file(context, copy.path), kept_out(context, copy)
    if callers.holds or others.refusals:
        return None
    gone = verbs.remove_source(context.dockerfile, one, index, order=order)
    return Forwarding(
        one.keyword.upper(),
        copy.inner,
        one.sources[index].span,
        (copy.what if copy.there else "a private key by its name (the file is not in the tree)",),
        (gone, *changed, *others.operations, *callers.operations),
        tuple(found.users),
        callers,
        "" if context.calls else f"--ssh default={copy.path}",
        stage.in_final_chain,
        copy.there,
        _allowance(context, copy.path),
    )


def _takes(context: Context, path: str, name: str) -> bool:
    """Whether another Dockerfile, which one call builds too, takes the argument."""
    return bool(context.sibling(path).model.bindings_of(name))


def _reach(context: Context, removed: Sequence[Binding]) -> list[Run]:
    found = {run.span.start: run for one in removed for run in context.model.reach(one)}
    return [found[start] for start in sorted(found)]


def _changes(context: Context, found: Handling, order: tuple[int, ...]) -> list[Operation] | None:
    """What is done to the RUNs; None if no RUN connects with the key, or if one that does would go."""
    if not found.users or not (found.files or found.agents):
        return None
    operations: list[Operation] = []
    for run, unit in found.checks:
        found.take(run, unit)
    for start, run in sorted(found.runs.items()):
        gone, cuts = found.gone.get(start, []), found.cuts.get(start, [])
        operations += take_out(context, run, gone, (start,), cuts)
    removed = {one.at.start for one in operations if one.verb == "remove"}
    if any(run.span.start in removed for run in found.users):
        return None
    required = not context.calls and not found.optional
    for run in found.users:
        if not any(one.type == "ssh" for one in run.mounts):
            operations.append(mount(context, run, order, required=required))
    return operations


def mount(context: Context, run: Run, order: tuple[int, ...], *, required: bool) -> Operation:
    """The agent's socket, open to the RUN's user (rule 3.17)."""
    uid, mode = forms.rights(context, run)
    if mode is not None:
        mode = None if forms.runs_as_root(context, run) else "0666"
    text = make.mount(type="ssh", required=required or None, uid=uid, mode=mode)
    return verbs.add_mount(context.dockerfile, run, text, order=order)


def _allowance(context: Context, path: str) -> str:
    """What bake must be allowed so that it reads a key outside of the folder where it runs."""
    for call in context.calls:
        folder = working_folder(call, context.path) if call.kind == "bake" else None
        found = posixpath.relpath(path, folder or ".") if folder is not None else ""
        if found.startswith(".."):
            return f"--allow=fs.read={posixpath.dirname(found)}"
    return ""


def folder_first(
    context: Context, copy: Copy | Add, target: str, found: Handling, order: tuple[int, ...]
) -> Iterator[Operation]:
    """COPY makes the folder of the key: the RUN that first puts something else there has to make
    it now. Raises Unclear where that RUN takes no statement."""
    folder = posixpath.dirname(target)
    mark = (posixpath.basename(folder) if folder.endswith("/.ssh") else folder).encode()
    stage = context.model.stage_of(copy)
    every = [one for below in stage.chain for one in below.instructions] if stage else []
    text = context.dockerfile.source.text
    if any(_makes(text(one.span), one, mark) for one in every if one.span < copy.span):
        return
    for one in every:
        if one.span <= copy.span or mark not in text(one.span):
            continue
        if not isinstance(one, Run):
            return
        units = [
            *found.kept.get(one.span.start, ()),
            *(u for run, u in found.folders if run is one),
        ]
        gone = found.gone.get(one.span.start, ())
        staying = [u for u in units if u not in gone and mark in without_options(u.text)]
        if not staying and one.span.start in found.kept:
            continue
        if any(unit.commands[0].name == "mkdir" for unit in staying):
            return
        if forms.objection(context, one):
            raise Unclear(f"line {one.start_line} needs the folder {folder}", one)
        statement = f"mkdir -p -m 0700 {folder} && ".encode()
        yield verbs.insert_statement(context.dockerfile, one, statement, order=order)
        return


def _makes(text: bytes, one: Instruction, mark: bytes) -> bool:
    return mark in text and (isinstance(one, Copy | Add) or b"mkdir" in text)
