"""What RUNs do with an ssh key: the commands that handle it, those that stay, and who connects.

A key that is written to a file, loaded into an agent and removed again is not needed in a RUN
that has the agent of the client. `known_hosts` and ssh's configuration stay. What is not
understood at all is an `Unclear`; what only an agent cannot replace is an objection.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockerfix.globs import fits
from dockerfix.model.run_taint import setting_of
from dockerfix.rewrite.key_commands import (
    Network,
    Unit,
    form_of,
    only_asks,
    plain_words,
    rows,
    runs_other,
    starts_agent,
    units,
    written,
)
from dockerfix.rewrite.moved import script_of
from dockerfix.source import Span
from dockerfix.syntax.nodes import Copy, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockerfix.context import Context
    from dockerfix.shell import Command, Script, Word

_IDENTITIES_ONLY = re.compile(rb"(?i)IdentitiesOnly[ \t=]+[\"']?yes")
_OPTION = re.compile(
    rb"[ \t]+(?:-i[ \t]*|-o[ \t]*IdentityFile[ \t]*=)(?P<path>[^\s\"';&|]+)|[ \t]+-o[ \t]*IdentitiesOnly[ \t]*=[ \t]*yes"
)
_IDENTITY = re.compile(rb"(?i)IdentityFile[ \t=]")


class Unclear(Exception):  # noqa: N818
    """Why the handling of the key is not understood: a clause, and the RUN."""

    def __init__(self, why: str, run: Run) -> None:
        super().__init__(why)
        self.run = run


@dataclass(frozen=True, slots=True)
class Written:
    """A unit of `run` that puts the key into `path`, or changes the file's rights."""

    run: Run
    unit: Unit
    path: str
    word: Word | None = None


@dataclass(slots=True)
class Handling:
    """`names` are variables that hold the key, `files` paths in the image. `gone` are units to
    take out and `cuts` words (host spans) that go without their command, by RUN; `users` RUNs
    that connect while the key is there. `forms` says what was made of the variable's value,
    `optional` that a guard does without it, `checks` are RUNs that only ask for it; `objections` speak against an agent."""

    names: frozenset[str]
    files: set[str] = field(default_factory=set)
    spare: frozenset[str] = frozenset()
    gone: dict[int, list[Unit]] = field(default_factory=dict)
    cuts: dict[int, list[Span]] = field(default_factory=dict)
    users: list[Run] = field(default_factory=list)
    runs: dict[int, Run] = field(default_factory=dict)
    kept: dict[int, list[Unit]] = field(default_factory=dict)
    folders: list[tuple[Run, Unit]] = field(default_factory=list)
    prelude: list[Written] = field(default_factory=list)
    checks: list[tuple[Run, Unit]] = field(default_factory=list)
    removes: set[int] = field(default_factory=set)
    agents: set[int] = field(default_factory=set)
    network: Network = field(default_factory=Network)
    forms: set[str] = field(default_factory=set)
    optional: bool = False
    objections: list[Unclear] = field(default_factory=list)

    def take(self, run: Run, unit: Unit) -> None:
        self.gone.setdefault(run.span.start, []).append(unit)
        self.runs[run.span.start] = run

    def cut(self, run: Run, unit: Unit, span: Span) -> None:
        assert unit.script is not None
        host = unit.script.projection.host_span(span)
        self.cuts.setdefault(run.span.start, []).append(host)
        self.runs[run.span.start] = run


def handling(
    context: Context,
    names: Iterable[str],
    runs: Iterable[Run],
    files: Iterable[str] = (),
    copies: Iterable[int] = (),
    spare: Iterable[str] = (),
) -> Handling:
    """What `runs` (in order) do with the key in the variables `names` and in `files`; `copies` are
    offsets of the COPYs that bring it, `spare` files that hold it too, where ssh does not look."""
    runs = list(runs)
    others = frozenset(spare)
    found = Handling(frozenset(names), {*files, *others}, others)
    found.network.rewrites = b"insteadof" in context.dockerfile.source.data.lower()
    for run in runs:
        script = script_of(context, run)
        if script is not None:
            _Reader(context, run, script, found, False).collect()
    there = bool(set(files))
    for run in runs:
        script = script_of(context, run)
        if script is None:
            if _names_key(context, run, found):
                raise Unclear("the key is handled in a way that is not read", run)
            if there:
                found.users.append(run)
            continue
        there = _Reader(context, run, script, found, there).read()
    _folders(context, found, frozenset(copies))
    _elsewhere(context, found, runs)
    for start, gone in found.gone.items():
        found.gone[start] = list(dict.fromkeys(gone))
    return found


def _names_key(context: Context, run: Run, found: Handling) -> bool:
    text = context.dockerfile.source.text(run.span)
    names = [*found.names, *(posixpath.basename(one) for one in found.files)]
    return any(one.encode("utf-8", "surrogateescape") in text for one in names if one)


def path_in(context: Context, run: Run, word: Word) -> str | None:
    """The path that a word means; one with a variable that is not known stands for itself."""
    setting = setting_of(context.model, run)
    text = word.raw.decode("utf-8", "replace").replace('"', "").replace("'", "")
    for mark in ("~", "${HOME}", "$HOME"):
        if text == mark or text.startswith(mark + "/"):
            text = (setting.home or "~") + text[len(mark) :]
            break
    text = re.sub(r"\$\{(\w+)\}", r"$\1", text)
    if "`" in text or "$(" in text or "${" in text or text.startswith("-"):
        return None
    if "$" in text or text.startswith("~"):
        return posixpath.normpath(text)
    return posixpath.normpath(posixpath.join(setting.workdir or "/", text))


def without_options(text: bytes) -> bytes:
    """`text` without the options of ssh that name a key."""
    return _OPTION.sub(b"", text)


@dataclass(slots=True)
class _Reader:
    """One shell text of a RUN. `there`: the key is in a file or an agent when it starts."""

    context: Context
    run: Run
    script: Script
    found: Handling
    there: bool
    connected: bool = False
    cutting: list[Span] = field(default_factory=list)

    def collect(self) -> None:
        """The files that the key is written to, which commands before the writing may name."""
        for unit in units(self.script):
            inner = [unit] if not unit.branch else units(self.script, unit.span)
            for one in inner:
                if self.holds_key(one):
                    self.found.files.update(path for _, path in self.targets(one) if path)
        for nested in self.script.nested:
            _Reader(self.context, self.run, nested.script, self.found, False).collect()

    def read(self) -> bool:
        if only_asks(self.script, self.found.names):
            start = len(self.script.text) - len(self.script.text.lstrip())
            whole = Span(start, len(self.script.text.rstrip()))
            self.found.checks.append((self.run, Unit(whole, self.script.commands, self.script)))
            return self.there
        kept: list[Unit] = []
        for unit in units(self.script):
            if self.branch(unit) or self.started_by_agent(unit):
                continue
            if not unit.branch and self.handles(unit):
                self.found.take(self.run, unit)
                continue
            if self.about_folder(unit):
                self.found.folders.append((self.run, unit))
                continue
            kept.append(unit)
            connecting = [self.found.network.connects(one) for one in unit.commands]
            self.connected = self.connected or (self.there and any(connecting))
        for unit in kept:
            self.check(unit)
        self.found.kept.setdefault(self.run.span.start, []).extend(kept)
        if self.connected and self.run not in self.found.users:
            self.found.users.append(self.run)
        return self.there

    # -- statements that hold others ----------------------------------------------

    def branch(self, unit: Unit) -> bool:
        """An `if` that asks for the key, and holds only its handling."""
        if not unit.branch or not self.uses_key(unit.span):
            return False
        before = self.there, set(self.found.files)
        taken: list[Unit] = []
        handled = False
        for one in units(self.script, unit.span):
            names = {command.name for command in one.commands}
            if names <= {*rows()["handling"]["guards"]} and not one.pipeline:
                if not self.uses_key(one.span):
                    return self.back(before)
            elif self.handles(one, quietly=True):
                handled = True
                taken.append(one)
            elif (
                not names <= {*rows()["handling"]["messages"]}
                or self.uses_key(one.span)
                or any(list(written(command)) for command in one.commands)
            ):
                return self.back(before)
        if not handled:
            return self.back(before)
        self.found.take(self.run, unit)
        self.found.optional = True
        return True

    def back(self, before: tuple[bool, set[str]]) -> bool:
        self.there, self.found.files = before
        return False

    def started_by_agent(self, unit: Unit) -> bool:
        """`ssh-agent sh -c 'ssh-add ...; git clone ...'`: without the agent, what is left of it."""
        command = unit.commands[0]
        if unit.branch or unit.pipeline or not runs_other(command):
            return False
        nested = [one for one in self.script.nested if one.command.span == command.span]
        if len(nested) != 1 or nested[0].script.errors or self.uses_key(unit.span, deferred=False):
            raise Unclear("ssh-agent starts another program", self.run)
        inner = _Reader(self.context, self.run, nested[0].script, self.found, self.there)
        inner.there = inner.read()
        self.connected = self.connected or inner.connected
        self.found.agents.add(self.run.span.start)
        start, word = command.words[0].span.start, nested[0].word.span
        alone = unit.text == self.script.text.strip() and command.words[-1].span == word
        if nested[0].quoting == "single" and alone and plain_words(command)[0].raw == b"sh":
            self.cut(unit, Span(start, word.start + 1))
            self.cut(unit, Span(word.end - 1, word.end))
        else:
            self.cut(unit, Span(start, plain_words(command)[0].span.start))
        return True

    # -- the handling ---------------------------------------------------------------

    def handles(self, unit: Unit, *, quietly: bool = False) -> bool:
        """Whether the unit does nothing but handle the key; notes what it does to it."""
        first = unit.commands[0]
        name = first.name or ""
        if self.holds_key(unit):
            return self.writes(unit, quietly)
        if unit.pipeline:
            return False
        if starts_agent(first):
            self.there = self.there or name == "ssh-add"
            self.found.agents.add(self.run.span.start)
            return True
        before = rows()["handling"]["before"].get(name)
        if before is not None and not list(written(first)):
            return self.rights(unit, first, before)
        if name in rows()["handling"]["removers"]:
            return self.removes(unit, first)
        return False

    def writes(self, unit: Unit, quietly: bool) -> bool:
        names = {command.name or "" for command in unit.commands}
        if not names <= {*rows()["handling"]["filters"], "ssh-add"}:
            return False
        targets = self.targets(unit)
        if not targets and "ssh-add" not in names:
            return False
        if any(
            path is None or path.endswith(("known_hosts", "authorized_keys")) for _, path in targets
        ):
            return False
        self.found.files.update(path for _, path in targets if path)
        if not quietly:
            self.found.prelude += [Written(self.run, unit, path or "", w) for w, path in targets]
        if "ssh-add" in names:
            self.found.agents.add(self.run.span.start)
        self.found.forms.add(form_of(unit))
        self.there = True
        return True

    def rights(self, unit: Unit, command: Command, before: int) -> bool:
        """`chmod 600 KEY`, `ls -l KEY`: goes if it is about the key alone."""
        if command.name == "ssh-keygen" and any(word.raw == b"-p" for word in command.words):
            self.object("the key has a passphrase")
        files = plain_words(command)[before:]
        mine = [word for word in files if self.is_key(word)]
        if not mine:
            return False
        if len(mine) < len(files):
            for word in mine:
                self.cut(unit, self.with_blanks(word.span))
            return False
        self.found.prelude.append(Written(self.run, unit, self.path(mine[0]) or ""))
        return True

    def removes(self, unit: Unit, command: Command) -> bool:
        files = plain_words(command)
        mine = [word for word in files if self.is_key(word)]
        spare = all(self.path(word) in self.found.spare for word in files)
        if not spare and (mine or any(self.covers(word) for word in files)):
            self.there = False
            self.found.removes.add(self.run.span.start)
        if mine and len(mine) < len(files):
            for word in mine:
                self.cut(unit, self.with_blanks(word.span))
            return False
        return bool(mine)

    def about_folder(self, unit: Unit) -> bool:
        """mkdir, chmod or rm of the folder that the key is in, and of nothing else."""
        command = unit.commands[0]
        folders = {posixpath.dirname(one) for one in self.found.files} - {"/", "/root", "/tmp"}
        name = command.name or ""
        if unit.branch or unit.pipeline or command.redirects or not folders:
            return False
        before = {"mkdir": 0, "chmod": 1, "chown": 1, "rm": 0}.get(name)
        if before is None:
            return False
        words = [w for w in plain_words(command) if name != "mkdir" or not w.raw.isdigit()][before:]
        return bool(words) and all(
            (path := self.path(word)) is not None
            and (path in folders or (posixpath.dirname(path) in folders and path.endswith("/*")))
            for word in words
        )

    # -- what stays -------------------------------------------------------------------

    def check(self, unit: Unit) -> None:
        """What stays must not need the key: an option that names its file goes."""
        text = self.script.text
        if self.uses_key(unit.span):
            raise Unclear(f"line {self.run.start_line} uses the key in another way", self.run)
        rest = bytearray(text[unit.span.start : unit.span.end])
        gone = [Span(*hit.span()) for hit in _OPTION.finditer(bytes(rest)) if self.option(hit)]
        for span in gone:
            self.cut(unit, Span(unit.span.start + span.start, unit.span.start + span.end))
        for span in self.cutting:
            if unit.span.contains(span):
                start = span.start - unit.span.start
                rest[start : start + span.end - span.start] = b" " * (span.end - span.start)
        if _IDENTITIES_ONLY.search(bytes(rest)):
            self.object("ssh is told to use no key but those that it is given")
        if _IDENTITY.search(bytes(rest)) and all(self.configures(one) for one in unit.commands):
            return
        for path in self.found.files:
            base = posixpath.basename(path).encode("utf-8", "surrogateescape")
            if re.search(rb"(?<![\w.-])" + re.escape(base) + rb"(?![\w.-])", bytes(rest)):
                self.object(f"line {self.run.start_line} uses the key's file by its name")

    def option(self, hit: re.Match[bytes]) -> bool:
        said = hit["path"]
        if said is None:
            return True
        setting = setting_of(self.context.model, self.run)
        text = said.decode("utf-8", "replace")
        for mark in ("~", "${HOME}", "$HOME"):
            if text.startswith(mark + "/"):
                text = (setting.home or "~") + text[len(mark) :]
        text = re.sub(r"\$\{(\w+)\}", r"$\1", text)
        full = text if text[:1] in "~$" else posixpath.join(setting.workdir or "/", text)
        return posixpath.normpath(full) in self.found.files

    def configures(self, command: Command) -> bool:
        """Whether it only writes text into ssh's configuration: a key that is missing there is
        passed over."""
        return command.name in rows()["handling"]["filters"]

    # -- words ------------------------------------------------------------------------

    def uses_key(self, span: Span, *, deferred: bool | None = None) -> bool:
        return any(
            use.name in self.found.names
            and span.contains(use.span)
            and (deferred is None or use.deferred == deferred)
            for use in self.script.uses
        )

    def holds_key(self, unit: Unit) -> bool:
        return not unit.branch and self.uses_key(unit.span, deferred=False)

    def targets(self, unit: Unit) -> list[tuple[Word, str | None]]:
        return [(w, self.path(w)) for c in unit.commands for w in written(c)]

    def is_key(self, word: Word) -> bool:
        """The key's file, or a pattern that is made from its name."""
        path = self.path(word)
        if path is None or path.endswith(".pub"):
            return False
        if path in self.found.files:
            return True
        base = posixpath.basename(path)
        return base[:1] not in ("*", "?", "") and any(
            fits(one, path) for one in self.found.files if "*" in base
        )

    def covers(self, word: Word) -> bool:
        path = self.path(word)
        return path is not None and any(
            one.startswith(f"{path}/") or fits(one, path) for one in self.found.files
        )

    def path(self, word: Word) -> str | None:
        return path_in(self.context, self.run, word)

    def with_blanks(self, span: Span) -> Span:
        start = len(self.script.text[: span.start].rstrip(b" \t"))
        return Span(start, span.end)

    def cut(self, unit: Unit, span: Span) -> None:
        self.cutting.append(span)
        self.found.cut(self.run, unit, span)

    def object(self, why: str) -> None:
        self.found.objections.append(Unclear(why, self.run))


def _folders(context: Context, found: Handling, copies: frozenset[int]) -> None:
    """The key's folder is not made where nothing else is put there."""
    if not found.gone and not copies:
        return
    names = {posixpath.basename(posixpath.dirname(one)) for one in found.files}
    marks = [one.encode("utf-8", "surrogateescape") for one in names if one] + [b"known_hosts"]
    if any(mark in text for text in _rest(context, found, copies) for mark in marks):
        return
    for run, unit in found.folders:
        found.take(run, unit)


def _rest(context: Context, found: Handling, copies: frozenset[int]) -> Iterator[bytes]:
    source = context.dockerfile.source
    for one in context.dockerfile.instructions:
        start = one.span.start
        if start in copies or (not isinstance(one, Run | Copy) and one.name not in (
            "add", "env", "volume", "cmd", "entrypoint", "workdir",
        )):  # fmt: skip
            continue
        if start not in found.kept:
            yield source.text(one.span)
            continue
        yield from (without_options(unit.text) for unit in found.kept[start])


def _elsewhere(context: Context, found: Handling, runs: list[Run]) -> None:
    """Other instructions that need the key: what starts the container, ssh's options in ENV, and
    a COPY --from that brings it into another stage."""
    source = context.dockerfile.source
    bases = {posixpath.basename(one).encode("utf-8", "surrogateescape") for one in found.files}
    for one in context.dockerfile.instructions:
        text = source.text(one.span)
        if not any(base in text for base in bases) or not runs:
            continue
        if one.name in ("cmd", "entrypoint", "healthcheck"):
            raise Unclear(f"line {one.start_line} uses the key in the container", runs[0])
        if one.name == "env" and _IDENTITIES_ONLY.search(text):
            why = "ssh is told to use no key but those that it is given"
            found.objections.append(Unclear(why, runs[0]))
    for one in context.dockerfile.find("copy"):
        if not isinstance(one, Copy) or not one.from_:
            continue
        for word in one.sources:
            said = posixpath.join("/", word.raw.decode("utf-8", "replace").strip("\"'"))
            said = posixpath.normpath(said)
            if any(
                path == said or (path.startswith(said + "/") and posixpath.dirname(path) == said)
                for path in found.files
            ):
                line = context.dockerfile.source.line(one.span.start)
                raise Unclear(f"COPY --from on line {line} takes the key on", runs[0])
