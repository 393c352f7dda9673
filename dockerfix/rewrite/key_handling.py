"""What RUNs do with an ssh key: the commands that handle it, those that stay, and who connects.

A key that is written to a file, loaded into an agent and removed again is not needed in a RUN
that has the agent of the client. `known_hosts` and ssh's configuration stay. Anything that is
not understood is an `Unclear`.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from dockerfix.model.run_taint import setting_of
from dockerfix.model.tools import started, table
from dockerfix.rewrite.commands import BLANKS
from dockerfix.rewrite.moved import script_of
from dockerfix.source import Span
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.shell import Command, Script, Word
    from dockerfix.syntax.nodes import Run


class Unclear(Exception):  # noqa: N818
    """Why the handling of the key is not fully understood: a clause, and the RUN."""

    def __init__(self, why: str, run: Run) -> None:
        super().__init__(why)
        self.run = run


@dataclass(frozen=True, slots=True)
class Unit:
    """A command, or a pipeline, at the top of a RUN."""

    span: Span
    commands: tuple[Command, ...]


@dataclass(slots=True)
class Handling:
    """`gone` are units to take out, by RUN; `users` RUNs that connect while the key is there."""

    name: str
    files: set[str] = field(default_factory=set)
    gone: dict[int, list[Unit]] = field(default_factory=dict)
    users: list[Run] = field(default_factory=list)
    runs: dict[int, Run] = field(default_factory=dict)


@cache
def rows() -> Mapping[str, Any]:
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files("dockerfix.model").joinpath("ssh.toml").read_text("utf-8"))


def handling(
    context: Context, name: str, runs: Iterable[Run], files: Iterable[str] = ()
) -> Handling:
    """What `runs` (in order) do with the key in the variable `name` and in `files`."""
    found = Handling(name, set(files))
    there = bool(found.files)
    for run in runs:
        script = script_of(context, run)
        if script is None:
            if _names_key(context, run, found):
                raise Unclear("the key is handled in a way that is not read", run)
            if there:
                found.users.append(run)
            continue
        there = _Reader(context, run, script, found, there).read()
    for run in found.runs.values():
        found.gone[run.span.start] = list(dict.fromkeys(found.gone.get(run.span.start, [])))
    return found


def _names_key(context: Context, run: Run, found: Handling) -> bool:
    text = context.dockerfile.source.text(run.span)
    names = [found.name, *(posixpath.basename(one) for one in found.files)]
    return any(one.encode("utf-8", "surrogateescape") in text for one in names if one)


@dataclass(slots=True)
class _Reader:
    """One RUN. `there`: the key is in a file or an agent when it starts."""

    context: Context
    run: Run
    script: Script
    found: Handling
    there: bool

    def read(self) -> bool:
        connects = False
        kept: list[Unit] = []
        for unit in self.units():
            if self.handles(unit):
                self.found.gone.setdefault(self.run.span.start, []).append(unit)
                self.found.runs[self.run.span.start] = self.run
                continue
            kept.append(unit)
            connects = connects or (self.there and any(map(_connects, unit.commands)))
        self.folder(kept)
        for unit in kept:
            self.check(unit)
        if connects:
            self.found.users.append(self.run)
        return self.there

    def units(self) -> Iterator[Unit]:
        seen: set[Span] = set()
        for command in self.script.commands:
            if command.context == ():
                yield Unit(command.span, (command,))
            elif command.context == ("pipeline",):
                stages = next(
                    (p for p in self.script.pipelines if any(s.contains(command.span) for s in p)),
                    (command.span,),
                )
                start, end = stages[0].start, stages[-1].end
                inside = [c for c in self.script.commands if start <= c.span.start < end]
                span = Span(start, max(end, *(c.span.end for c in inside)))
                if span not in seen:
                    seen.add(span)
                    yield Unit(span, tuple(c for c in inside if c.context == ("pipeline",)))
            elif not any(
                c.span.contains(command.span) for c in self.script.commands if c is not command
            ):
                yield Unit(command.span, (command,))

    def handles(self, unit: Unit) -> bool:
        """Whether the unit does nothing but handle the key; notes what it does to it."""
        first, last = unit.commands[0], unit.commands[-1]
        name = first.name or ""
        if any(c.context not in ((), ("pipeline",)) for c in unit.commands):
            return False
        if self.holds_key(first):
            if not all(
                (c.name or "") in {*rows()["handling"]["filters"], "ssh-add"} for c in unit.commands
            ):
                return False
            targets = [w for c in unit.commands for w in _written(c)]
            if not targets and last.name != "ssh-add":
                return False
            paths = {self.path(word) for word in targets}
            if None in paths or any(one.endswith("known_hosts") for one in paths if one):
                return False
            self.found.files.update(one for one in paths if one)
            self.there = True
            return True
        if name in rows()["handling"]["agent"] or (
            name == "eval" and b"ssh-agent" in first.words[-1].raw and len(first.words) == 2
        ):
            if len(unit.commands) > 1 or _runs_other(first):
                raise Unclear("ssh-agent starts another program", self.run)
            self.there = self.there or name == "ssh-add"
            return True
        files = [word for word in first.words[1:] if not word.raw.startswith(b"-")]
        if len(unit.commands) > 1:
            return False
        if name in ("chmod", "chown"):
            return bool(files[1:]) and all(
                self.path(word) in self.found.files for word in files[1:]
            )
        if name in ("rm", "shred", "unlink"):
            mine = [self.path(word) in self.found.files for word in files]
            if any(mine):
                self.there = False
            if any(mine) and not all(mine):
                raise Unclear("one command removes the key and something else", self.run)
            folder = any(
                one.startswith(f"{self.path(word)}/") for word in files for one in self.found.files
            )
            self.there = self.there and not folder
            return bool(mine) and all(mine)
        return False

    def folder(self, kept: list[Unit]) -> None:
        """`mkdir ~/.ssh` and its rights go where nothing else is put there."""
        folders = {posixpath.dirname(one) for one in self.found.files}
        makes = [unit for unit in kept if self.about_folder(unit, folders)]
        others = [unit for unit in kept if unit not in makes]
        start = self.run.span.start
        if start not in self.found.gone or any(
            b".ssh" in self.script.text[u.span.start : u.span.end]
            or b"ssh-keyscan" in self.script.text[u.span.start : u.span.end]
            for u in others
        ):
            return
        if b".ssh" in b"".join(
            self.context.dockerfile.source.text(one.span)
            for one in self.context.dockerfile.instructions
            if one.span.start > self.run.span.end
        ).replace(b"rm -rf", b"").replace(b".ssh/id_", b""):
            return
        for unit in makes:
            kept.remove(unit)
            self.found.gone[start].append(unit)

    def about_folder(self, unit: Unit, folders: set[str]) -> bool:
        command = unit.commands[0]
        words = [word for word in command.words[1:] if not word.raw.startswith(b"-")]
        if len(unit.commands) > 1 or command.name not in ("mkdir", "chmod") or not words:
            return False
        words = words if command.name == "mkdir" else words[1:]
        words = [word for word in words if not word.raw.isdigit()]
        return bool(words) and all(self.path(word) in folders for word in words)

    def check(self, unit: Unit) -> None:
        """What stays must not need the key."""
        text = self.script.text[unit.span.start : unit.span.end]
        for path in self.found.files:
            base = posixpath.basename(path).encode("utf-8", "surrogateescape")
            if base in text.replace(b"known_hosts", b""):
                raise Unclear(
                    f"line {self.run.start_line} uses the key's file by its name", self.run
                )
        if self.found.name and any(
            use.name == self.found.name and unit.span.contains(use.span) for use in self.script.uses
        ):
            raise Unclear(f"line {self.run.start_line} uses the key in another way", self.run)

    def holds_key(self, command: Command) -> bool:
        if not self.found.name or command.name not in ("echo", "printf"):
            return False
        return any(
            use.name == self.found.name
            and not use.operator
            and not use.deferred
            and any(word.span.contains(use.span) for word in command.words)
            for use in self.script.uses
        )

    def path(self, word: Word) -> str | None:
        setting = setting_of(self.context.model, self.run)
        text = word.raw.decode("utf-8", "replace").replace('"', "").replace("'", "")
        for mark in ("~", "${HOME}", "$HOME"):
            if text == mark or text.startswith(mark + "/"):
                if setting.home is None:
                    return None
                text = setting.home + text[len(mark) :]
                break
        if "$" in text or "`" in text or "~" in text:
            return None
        return posixpath.normpath(posixpath.join(setting.workdir or "/", text))


def _written(command: Command) -> Iterator[Word]:
    for redirect in command.redirects:
        target = redirect.target if redirect.operator in (">", ">>", ">|") else None
        if target is not None and target.raw != b"/dev/null":
            yield target
    if command.name == "tee":
        yield from (word for word in command.words[1:] if not word.raw.startswith(b"-"))


def _runs_other(command: Command) -> bool:
    """`ssh-agent COMMAND...` runs a command."""
    return command.name == "ssh-agent" and any(
        not word.raw.startswith(b"-") for word in command.words[1:]
    )


def _connects(command: Command) -> bool:
    for one in started(command) if command.words else ():
        tool = table().tool(one.name or "")
        if tool is None or one.name in rows()["users"]:
            return True
    return False


def take_out(
    context: Context, run: Run, units: Iterable[Unit], order: tuple[int, ...]
) -> list[Operation]:
    """The units go with their operators, the whole RUN if nothing else is left. Raises Unclear
    where something else hangs on one of them."""
    script = script_of(context, run)
    assert script is not None
    text, source = script.text, context.dockerfile
    gone = sorted({unit.span for unit in units})
    rest = bytearray(text)
    for span in gone:
        rest[span.start : span.end] = b" " * (span.end - span.start)
    if not bytes(rest).replace(b"&&", b"").replace(b";", b"").strip(BLANKS):
        return [verbs.remove(source, run, order=order)]
    cuts: list[Span] = []
    lead = 0
    for span in gone:
        before = bytes(rest[: span.start]).rstrip(BLANKS)
        after = text[span.end :].lstrip(BLANKS)
        if after and not after.startswith((b"&&", b";")):
            raise Unclear(
                f"line {run.start_line} joins the key's handling with something else", run
            )
        if not before.replace(b"&&", b"").replace(b";", b"").strip(BLANKS):
            operator = 2 if after.startswith(b"&&") else 1
            lead = len(text) - len(after[operator:].lstrip(BLANKS))
            continue
        before = text[: span.start].rstrip(BLANKS)
        operator = 2 if before.endswith(b"&&") else 1
        if not before.endswith((b"&&", b";")):
            raise Unclear(
                f"line {run.start_line} joins the key's handling with something else", run
            )
        cuts.append(Span(len(before[:-operator].rstrip(BLANKS)), span.end))
    if lead:
        start = len(text) - len(text.lstrip(BLANKS))
        cuts.append(Span(start, lead))
    return [
        verbs.replace(source, run, script.projection.host_span(cut), b"", order=order)
        for cut in _united(cuts)
    ]


def _united(cuts: list[Span]) -> list[Span]:
    found: list[Span] = []
    for cut in sorted(cuts):
        if found and cut.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, cut.end))
        else:
            found.append(cut)
    return found
