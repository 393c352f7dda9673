"""A mounted secret file that a RUN copies to where a tool looks for it: mounted there instead.

The copy stays in the layer; a mount with `target=` does not. Each RUN that may read the file at
its place gets the mount, what removes it again goes, and where a mounted file cannot stand in
(T17), or nobody is seen to read it, nothing changes.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockerfix.edits import Fix, Safety
from dockerfix.model.file_secrets import kind_of
from dockerfix.model.run_taint import run_leaks, setting_of
from dockerfix.rewrite import forms
from dockerfix.rewrite.commands import plain_chain, written_in_place
from dockerfix.rewrite.file_mounts import there
from dockerfix.rewrite.file_uses import Reads, Use, use_of
from dockerfix.rewrite.frontend import bare_required
from dockerfix.rewrite.key_commands import Unit
from dockerfix.rewrite.key_handling import Unclear
from dockerfix.rewrite.mounted_values import copied_to
from dockerfix.rewrite.mounts import Given, secret_mounts
from dockerfix.rewrite.moved import copied_by_name, script_of
from dockerfix.syntax import make, verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.model.stages import Stage
    from dockerfix.model.taint import Leak
    from dockerfix.shell import Command, Script
    from dockerfix.syntax.nodes import Run

TESTS = frozenset({"[", "[[", "test"})
FROM_HOME = ("~/", "$HOME/", "${HOME}/")


@dataclass(frozen=True, slots=True)
class Copy:
    """What `unit` of a RUN's text does: it brings the file of the mount `given` to its place."""

    given: Given
    unit: Unit

    @property
    def certain(self) -> bool:
        """Whether the RUN fails where the secret is not given."""
        script = self.unit.script
        return not self.unit.branch and script is not None and plain_chain(script)


@dataclass(slots=True)
class _Mover:
    context: Context
    leak: Leak
    copies: dict[int, Copy]
    uses: dict[int, tuple[Run, Use]] = field(default_factory=dict)
    kept: bool = False

    @property
    def first(self) -> Copy:
        return next(iter(self.copies.values()))

    @property
    def order(self) -> tuple[int, ...]:
        return (self.first.given.run.span.start,)

    def walk(self, stage: Stage, start: int) -> bool:
        """Whether the file is gone at the end of the stage and of each one built FROM it."""
        kind = kind_of(self.leak.path)
        for run in self.context.runs:
            at = run.span.start
            if at < start or self.context.model.stage_of(run) is not stage:
                continue
            copy = self.copies.get(at)
            units = (copy.unit,) if copy is not None else ()
            use = use_of(self.context, run, self.leak.path, kind, self.order, units)
            self.uses[at] = run, use
            if use.gone:
                return True
        children = [self.walk(child, 0) for child in stage.children]
        return bool(children) and all(children)

    def sure(self, stage: Stage) -> bool:
        """Whether RUNs surely get all that they had, and nobody else needs the file."""
        kind = kind_of(self.leak.path)
        self.kept = not self.walk(stage, self.first.given.run.span.start)
        most = max((use.reads for _, use in self.uses.values()), default=Reads.NO)
        if not most or any(use.objection for _, use in self.uses.values()):
            return False
        if kind.container and self.kept:
            final = any(one.in_final_chain for one in stage.descendants)
            return not final and most is Reads.SURELY
        return all(at in self.uses for at in self.copies)

    def operations(self) -> Iterator[Operation]:
        required = any(one.given.mount.required or one.certain for one in self.copies.values())
        for run, use in self.uses.values():
            yield from use.operations
            if any(it.verb == "remove" for it in use.operations):
                continue
            copy = self.copies.get(run.span.start)
            if copy is not None and not self.left(run, copy):
                if use.reads:
                    mount = self.mount(run, required)
                    yield verbs.replace_mount(
                        self.context.dockerfile, run, copy.given.mount, mount, order=self.order
                    )
                else:
                    yield verbs.remove_mount(
                        self.context.dockerfile, run, copy.given.mount, order=self.order
                    )
            elif use.reads:
                mount = self.mount(run, required)
                yield verbs.add_mount(self.context.dockerfile, run, mount, order=self.order)

    def left(self, run: Run, copy: Copy) -> bool:
        """Whether the RUN names the file where it was mounted once more."""
        path = (copy.given.file or "").encode("utf-8", "surrogateescape")
        text = self.context.dockerfile.source.text(run.arguments_span)
        unit = copy.unit
        assert unit.script is not None
        return text.count(path) > unit.script.text[unit.span.start : unit.span.end].count(path)

    def mount(self, run: Run, required: bool) -> bytes:
        first = self.first.given
        options = dict(first.mount.options)
        setting = self.context.model.setting
        mode, uid = options.get("mode"), options.get("uid")
        number = int(uid) if uid and uid.isdigit() else None
        if setting(run).user is not setting(first.run).user or "$" in f"{mode}{uid}":
            number, mode = forms.rights(self.context, run)
        raw = self.context.dockerfile.source.text(first.span)
        bare = bare_required(self.context.dockerfile) and b"required=" not in raw
        return make.mount(
            id=first.id,
            target=self.target(run),
            required=required or None,
            mode=mode,
            uid=number,
            bare=bare,
        )

    def target(self, run: Run) -> str:
        """Without any WORKDIR only the base image knows where a relative path lies."""
        path = self.leak.path
        anchored = self.leak.file.startswith(("/", *FROM_HOME))
        known = self.context.build_context.workdir(self.first.given.run)
        return path if anchored or known else posixpath.relpath(path, "/")


def mounted_there(context: Context, pass_name: str, run: Run, path: str, leak: Leak) -> Fix | None:
    """The fix that mounts the file of `path`, which `run` copies to where `leak` says, there."""
    given = next((it for it in secret_mounts(context) if it.run is run and it.file == path), None)
    stage = context.model.stage_of(run)
    if given is None or stage is None or given.env or not leak.path.startswith("/"):
        return None
    copies = {it.given.run.span.start: it for it in _copies(context, given, leak.path, stage)}
    if run.span.start not in copies or not _placed(context, leak, copies):
        return None
    if any(copied_by_name(it, leak) for it in context.dockerfile.instructions):
        return None
    first = next(iter(copies.values()))
    home = context.model.stage_of(first.given.run)
    mover = _Mover(context, leak, copies)
    try:
        if home is None or not mover.sure(home):
            return None
        operations = tuple(dict.fromkeys(mover.operations()))
    except (Unclear, ValueError):
        return None
    return Fix(pass_name, Safety.UNSAFE, "none", operations)


def _copies(context: Context, given: Given, target: str, stage: Stage) -> Iterator[Copy]:
    """Every RUN of the stage, of those that it is built from and that are built from it, which
    copies the file of the secret there."""
    line = {one.index for one in (*stage.chain, *stage.descendants)}
    for it in secret_mounts(context):
        script = script_of(context, it.run)
        own = context.model.stage_of(it.run)
        if it.id != given.id or not it.file or it.env or script is None:
            continue
        if own is None or own.index not in line:
            continue
        scripts = context.reader.scripts(it.run)
        for leak in run_leaks(context.model, it.run, scripts, "", (it.file,)):
            if leak.path != target or leak.kind != "file" or not leak.stays:
                continue
            command = next((c for c in script.commands if c.span == leak.span), None)
            unit = _unit(script, command, it.file) if command is not None else None
            if unit is not None and written_in_place(context.dockerfile, script, unit.span):
                yield Copy(it, unit)


def _unit(script: Script, command: Command, path: str) -> Unit | None:
    """The command, if it copies the file as it is; with the `if` around it that only looks for it."""
    appends = any(it.operator != ">" for it in command.redirects)
    if appends or copied_to(command, path) is None:
        return None
    if not command.context:
        return Unit(command.span, (command,), script)
    around = next((it for it in script.branches if it.contains(command.span)), None)
    inside = [it for it in script.commands if around is not None and around.contains(it.span)]
    others = [it for it in inside if it is not command]
    if around is None or command.context != ("if",) or len(others) != 1:
        return None
    looks = others[0].name in TESTS and any((it.literal or "") == path for it in others[0].words)
    text = script.text[around.start : around.end]
    if not looks or b"else" in text or b"elif" in text:
        return None
    return Unit(around, tuple(inside), script, branch=True)


def _placed(context: Context, leak: Leak, copies: dict[int, Copy]) -> bool:
    """Whether it is known where the path lies, and the folder is there for who writes to it."""
    for one in copies.values():
        run = one.given.run
        user = context.model.setting(run).user
        raw = user.argument.raw.strip(b"\"'") if user is not None and user.argument else b""
        root = raw.partition(b":")[0] in (b"root", b"0")
        if user is None:
            root = forms.runs_as_root(context, run) or forms.rights(context, run) == (None, None)
        if leak.file.startswith(FROM_HOME) and not root:
            return False
        if not root and user is not None and not there(context, run, posixpath.dirname(leak.path)):
            return False
        if setting_of(context.model, run).home is None and "~" in leak.path:
            return False
    return True


__all__ = ["mounted_there"]
