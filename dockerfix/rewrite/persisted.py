"""What keeps a value out of the layer that its RUN would leave it in, for the shapes that are
certain.

A tool that expands variables itself is given the reference (`${NPM_TOKEN}` in .npmrc); git is
given a credential helper that reads the variable; a setting that a variable replaces becomes that
variable; a file that a later RUN removes is written, used and removed in one RUN (`moved`). What
none of these fits stays as it is, and the fix says that it is known to stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockerfix.edits import Fix, Safety
from dockerfix.model import references
from dockerfix.model.readers import may_read
from dockerfix.model.run_taint import fate, takes
from dockerfix.model.runs import RunReading, only_writes
from dockerfix.rewrite.commands import written_in_place
from dockerfix.rewrite.delivery import Mounted
from dockerfix.rewrite.git_logins import helped
from dockerfix.rewrite.key_in_run import move_key
from dockerfix.rewrite.moved import move_file
from dockerfix.rewrite.settings import move_setting
from dockerfix.rewrite.users import started_by, uses
from dockerfix.syntax import make, verbs
from dockerfix.syntax.nodes import Copy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.model import Binding
    from dockerfix.model.taint import Leak
    from dockerfix.shell import Command, Script, Use
    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Mount, Run


@dataclass(slots=True)
class Cure:
    """What is done for one variable. `operations` by RUN change its text; `gone` are leaks that
    they end, as (offset of the RUN, span in its text); `readers` are RUNs that need the variable
    now, `free` those (by offset) that need it no longer, `removed` those that go. `said` are
    clauses for the help."""

    operations: list[Operation] = field(default_factory=list)
    gone: set[tuple[int, Span]] = field(default_factory=set)
    readers: dict[int, RunReading] = field(default_factory=dict)
    free: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    def ends(self, run: Run, leak: Leak) -> bool:
        return (run.span.start, leak.span) in self.gone

    def take(self, other: Cure) -> None:
        self.operations += other.operations
        self.gone |= other.gone
        self.removed |= other.removed
        self.said += [one for one in other.said if one not in self.said]

    def say(self, clause: str) -> None:
        if clause not in self.said:
            self.said.append(clause)


def keep_out(
    context: Context,
    removed: Iterable[Binding],
    mounted: tuple[Mounted, ...],
    order: tuple[int, ...],
    copied: Mapping[str, Cure],
) -> tuple[tuple[Mounted, ...], Cure]:
    """`mounted` as it must be once values are kept out of layers, and what keeps them out.

    `removed` are the bindings that delivered the variables until now, `copied` (by variable) what
    is done already about files that COPY writes.
    """
    gone = {one.pair.span for one in removed}
    whole = Cure()
    for name, found in copied.items():
        whole.take(found)
        mounted = _mounted(context, name, mounted, found)
    for name in dict.fromkeys(one.name for one in mounted if one.word is None):
        live = [
            run
            for run in context.runs
            if (binding := context.model.environment(run).get(name)) is not None
            and binding.pair.span in gone
        ]
        readings = [one.reading for one in mounted if one.name == name and one.word is None]
        found = cure(context, name, readings, live, order)
        whole.take(found)
        mounted = _mounted(context, name, mounted, found)
    return mounted, whole


def _mounted(
    context: Context, name: str, mounted: tuple[Mounted, ...], found: Cure
) -> tuple[Mounted, ...]:
    kept = [
        one
        for one in mounted
        if one.run.span.start not in found.removed
        and not (one.name == name and one.run.span.start in found.free)
    ]
    there = {one.run.span.start for one in kept if one.name == name}
    runs = {one.span.start: one for one in context.runs}
    for start, reading in found.readers.items():
        if start not in there and start not in found.removed | found.free:
            run = runs[start]
            kept.append(Mounted(run, name, reading, any(one.env == name for one in run.mounts)))
    return tuple(sorted(kept, key=lambda one: one.run.span.start))


def ended(context: Context, name: str, run: Run, leak: Leak) -> Cure | None:
    """The cure that ends `leak` of the variable `name`, where there is one: it is part of the fix
    that mounts the variable, or (`repair`) of its own if the variable is mounted already."""
    binding = context.model.environment(run).get(name)
    live = [one for one in context.runs if mount_of(one, name) is not None]
    if mount_of(run, name) is None:
        if binding is None:
            return None
        live = list(context.model.reach(binding))
    else:
        kept = [it for one in live for it in context.reader.reading(one, name).leaks if it.stays]
        live = list(connected(context, live[0], {it.path for it in kept}))
    readings = [context.reader.reading(one, name) for one in live if _has(one, name, binding)]
    found = cure(context, name, readings, live)
    return found if found.ends(run, leak) else None


def _has(run: Run, name: str, binding: Binding | None) -> bool:
    return binding is not None or mount_of(run, name) is not None


def connected(context: Context, first: Run, paths: Collection[str] = ("",)) -> tuple[Run, ...]:
    """`first` and the RUNs behind it that may find what it leaves at `paths` (empty: anywhere):
    those of its stage, of stages that are built from it, and of those that take it from there."""
    found: set[int] = set()
    own = context.model.stage_of(first)
    waiting = [own] if own is not None else []
    while waiting:
        one = waiting.pop()
        if one.index in found:
            continue
        found.add(one.index)
        waiting += one.descendants
        waiting += [
            other
            for other in context.model.stages
            for it in other.instructions
            if isinstance(it, Copy)
            and it.from_
            and context.model.graph.find(it.from_) is one
            and any(takes(it, path) for path in paths)
        ]
    return tuple(
        run
        for run in context.runs
        if run.span.start >= first.span.start
        and (stage := context.model.stage_of(run)) is not None
        and stage.index in found
    )


def mount_of(run: Run, name: str) -> Mount | None:
    return next((one for one in run.mounts if one.type == "secret" and one.env == name), None)


def repair(context: Context, pass_name: str, name: str, run: Run, leak: Leak) -> Fix | None:
    """The fix for a RUN that has the secret mounted and leaves it in its layer."""
    mount = mount_of(run, name)
    found = ended(context, name, run, leak) if mount is not None else None
    if mount is None or found is None or not mount.id:
        return None
    dockerfile = context.dockerfile
    operations = list(found.operations)
    for one in context.runs:
        held, start = mount_of(one, name), one.span.start
        if held is not None and start in found.free:
            operations.append(verbs.remove_mount(dockerfile, one, held))
        elif held is None and start in found.readers:
            required = True if mount.required else None
            text = make.mount(id=mount.id, env=name, required=required)
            operations.append(verbs.add_mount(dockerfile, one, text))
    return Fix(pass_name, Safety.UNSAFE, "none", tuple(operations))


def cure(
    context: Context,
    name: str,
    readings: Iterable[RunReading],
    live: Sequence[Run],
    order: tuple[int, ...] = (),
) -> Cure:
    """What can be done for the variable `name`, which the RUNs `live` have; `readings` are those
    of them that may read it."""
    found = Cure()
    plainly = name.isidentifier() and name.isascii()
    for reading in readings if plainly else ():
        if not reading.run.exec_form:
            Keeping(context, name, reading, live, (*order, reading.run.span.start), found).cure()
    return found


@dataclass(slots=True)
class Keeping:
    """One RUN that keeps the value."""

    context: Context
    name: str
    reading: RunReading
    live: Sequence[Run]
    order: tuple[int, ...]
    found: Cure
    replaced: set[Span] = field(default_factory=set)
    still: bool = False

    def cure(self) -> None:
        run = self.reading.run
        staying = [one for one in self.reading.leaks if one.stays]
        for leak in staying:
            if run.span.start in self.found.removed:
                break
            if (run.span.start, leak.span) in self.found.gone:
                continue
            command = next((c for c in leak.script.commands if c.span == leak.span), None)
            if command is None or not written_in_place(
                self.context.dockerfile, leak.script, command.span
            ):
                continue
            if self.for_containers(leak) and self.moved(leak):
                continue
            if self.elsewhere(leak, command):
                self.end(leak)
            else:
                self.moved(leak)
        if self.replaced and not self.still and not self.needed():
            self.found.free.add(run.span.start)

    def elsewhere(self, leak: Leak, command: Command) -> bool:
        """Whether the value now comes from the environment, to whatever reads what is written."""
        if leak.kind not in ("file", "config", "credentials"):
            return False
        if self.reference(leak, command) or helped(self, leak, command):
            return True
        return leak.kind != "file" and move_setting(self, leak, command)

    def moved(self, leak: Leak) -> bool:
        if leak.kind != "file" or not (move_key(self, leak) or move_file(self, leak)):
            return False
        for one in self.reading.leaks:
            if one.stays and one.path == leak.path:
                self.end(one)
        return True

    def for_containers(self, leak: Leak) -> bool:
        """Whether containers start a tool that reads the file, and then need what it refers to."""
        run, context = self.reading.run, self.context
        readers = references.read_by(leak.path) if leak.kind == "file" else ()
        if not readers or not started_by(context, run, readers):
            return False
        return fate(context.model, run, leak, context.reader.scripts).place is None

    def end(self, leak: Leak) -> None:
        self.found.gone.add((self.reading.run.span.start, leak.span))

    def replace(self, script: Script, span: Span, text: bytes) -> None:
        if span not in self.replaced:
            host = script.projection.host_span(span)
            dockerfile, run = self.context.dockerfile, self.reading.run
            self.found.operations.append(
                verbs.replace(dockerfile, run, host, text, order=self.order)
            )
            self.replaced.add(span)

    def clashes(self, operations: Iterable[Operation]) -> bool:
        """Whether one of them cuts into what is changed already: then it waits for the next round."""
        return any(
            one.at == other.at
            and not one.same_change(other)
            and any(span.overlaps(touched) for span in one.touches for touched in other.touches)
            for one in operations
            for other in self.found.operations
        )

    @property
    def later(self) -> tuple[Run, ...]:
        """The RUNs behind this one that have the variable."""
        start = self.reading.run.span.start
        return tuple(run for run in self.live if run.span.start > start)

    def assigned(self, name: str) -> bool:
        """Whether the RUN's own text gives the variable another value."""
        return any(text.assigned(name) for text in self.context.reader.scripts(self.reading.run))

    # -- the reference instead of the value -----------------------------------

    def reference(self, leak: Leak, command: Command) -> bool:
        """Write `${NAME}`, which the tool expands when it reads the file."""
        if leak.kind == "file":
            row = references.in_file(leak.file)
            commands = self.together(leak.script, command)
        else:
            row, commands = references.in_command(command), [command]
        text = row.text(self.name) if row is not None else None
        if row is None or text is None:
            return False
        if leak.kind == "file" and not all(
            references.writes_words(one) or substitutes(one, self.name, text) for one in commands
        ):
            return False
        if leak.kind == "file" and any(whole_file(leak.script, one) for one in commands):
            return False
        if any(
            it.overlaps(use.span) and it != use.span
            for it in leak.script.projection.stand_ins
            for one in commands
            for use in self.uses(leak.script, one)
        ):
            return False
        uses = [use for one in commands for use in self.uses(leak.script, one)]
        if not uses or not all(self.plain(use) for use in uses):
            return False
        if b"%" in text and any(
            one.name == "printf" and any(one.words[1].span.contains(use.span) for use in uses)
            for one in commands
        ):
            return False
        for use in uses:
            self.replace(leak.script, use.span, text.replace(b"$", b"\\$"))
        if row.program:
            self.replace(leak.script, command.words[0].span, row.program.encode())
        file = leak.file.rpartition("/")[2] if leak.kind == "file" else row.readers
        self.found.say(
            f"{file} then holds {text.decode('utf-8', 'replace')}, which the tool expands when it "
            f"reads the file: who runs it later needs {self.name} in the environment"
        )
        self.readers(files={row.readers: b"${%s} ${env.%s} %%%s%%" % ((self.name.encode(),) * 3)})
        return True

    def together(self, script: Script, command: Command) -> list[Command]:
        """The commands that make what `command` writes: itself, or its whole pipeline."""
        for pipeline in script.pipelines:
            if any(stage.contains(command.span) for stage in pipeline):
                return [
                    one
                    for one in script.commands
                    if any(stage.contains(one.span) for stage in pipeline)
                ]
        return [command]

    def uses(self, script: Script, command: Command) -> list[Use]:
        spans = [word.span for word in command.words[1:]]
        spans += [one.body for one in command.redirects if one.body is not None]
        return [
            use
            for use in script.uses
            if use.name == self.name
            and not use.deferred
            and any(span.contains(use.span) for span in spans)
        ]

    def plain(self, use: Use) -> bool:
        return (
            use.operator in ("", ":-", "-")
            and not use.word.strip()
            and not use.assigned_before
            and not use.subscript
        )

    # -- who needs the variable -----------------------------------------------

    def readers(
        self, files: dict[str, bytes] | None = None, helpers: frozenset[str] = frozenset()
    ) -> None:
        """Later RUNs that read what was written, and with it the variable: by themselves, or through
        a program that may start any."""
        programs = references.read_by(next(iter(files or {}), ".git-credentials"))
        for run in self.live:
            start = run.span.start
            if start <= self.reading.run.span.start or start in self.found.readers:
                continue
            for text in self.context.reader.scripts(run):
                reading = may_read(text, self.name, files=files or {}, helpers=helpers)
                if reading.how in ("explicit", "implicit") or (
                    reading.how == "opaque" and uses(self.context, run, programs)
                ):
                    self.found.readers[start] = RunReading(run, self.name, reading)

    def needed(self) -> bool:
        """Whether the RUN still reads the variable once the value is gone from its text."""
        scripts = self.context.reader.scripts(self.reading.run)
        for text in scripts:
            for script, command in text.every():
                changed = any(command.span.contains(span) for span in self.replaced)
                if changed and only_writes(command):
                    continue
                if any(span.contains(command.span) for span in self.replaced):
                    continue
                if may_read(command, self.name, helpers=frozenset({self.name})).reads:
                    return True
                for use in script.uses:
                    kept = not any(span.contains(use.span) for span in self.replaced)
                    if use.name == self.name and not use.deferred and kept:
                        return True
        return not scripts


def whole_file(script: Script, command: Command) -> bool:
    """Whether all that the command writes is what its variables hold: no line of a file, but a
    file. What it appends may be the end of a line, unless it stands for a file that is copied."""
    stands_in = any(it.contains(command.words[0].span) for it in script.projection.stand_ins)
    if any(">>" in one.operator for one in command.redirects) and not stands_in:
        return False
    spans = [word.span for word in command.words[1:] if not word.raw.startswith(b"-")]
    spans += [one.body for one in command.redirects if one.body is not None]
    text = b""
    for span in spans:
        piece = bytearray(script.text[span.start : span.end])
        for use in script.uses:
            if span.contains(use.span):
                start, end = use.span.start - span.start, use.span.end - span.start
                piece[start:end] = b" " * (end - start)
        text += bytes(piece)
    return bool(spans) and not re.sub(rb"%s|\\n|[\s\"']", b"", text)


def substitutes(command: Command, name: str, text: bytes) -> bool:
    """Whether `sed` puts `text`, in the place of each use of the variable, in as it stands: in the
    second part of `s/.../.../`."""
    if command.name != "sed":
        return False
    for word in command.words[1:]:
        for use in word.uses:
            if use.name == name:
                before = word.raw[: use.span.start - word.span.start].replace(b'"', b"")
                last = re.split(rb";\s*(?=s\W)", before.replace(b"'", b""))[-1]
                found = re.match(rb"\s*s([^\w\s])", last)
                if found is None or last.count(found[1]) != 2 or found[1] in text:
                    return False
    return True
