"""What a RUN does with a secret file at a path of the image: reads it, or removes it, or does what a
mounted file cannot take.

A mounted file cannot be written, moved or removed, and whoever copies a folder above it copies
it too (T17). Knows one RUN at a time, and nothing of COPY.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from dockerfix.model.file_secrets import rows
from dockerfix.model.run_taint import setting_of
from dockerfix.model.taint import covers
from dockerfix.model.tools import started, table, text_of
from dockerfix.rewrite.commands import written_in_place
from dockerfix.rewrite.forms import on_windows
from dockerfix.rewrite.key_commands import Unit
from dockerfix.rewrite.key_handling import Unclear
from dockerfix.rewrite.key_removal import take_out
from dockerfix.rewrite.moved import script_of
from dockerfix.source import Span
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.model.file_secrets import Kind
    from dockerfix.shell import Command, Script, Word
    from dockerfix.syntax.nodes import Run

RIGHTS = frozenset({"chmod", "chown", "chgrp"})
REMOVERS = frozenset({"rm", "unlink", "shred"})
CHANGERS = frozenset({"mv", "tee", "truncate", "dd", "patch", "cp", "tar", "rsync", "zip", "ln"})
PACKERS = frozenset({"cp", "tar", "rsync", "zip", "mv"})
MARKS = ("~", "${HOME}", "$HOME")


class Reads(IntEnum):
    """`ELSEWHERE`: a program that reads such files, but does not look there by itself."""

    NO = 0
    ELSEWHERE = 1
    MAYBE = 2
    SURELY = 3


@dataclass(slots=True)
class Use:
    """`gone`: after the RUN the file is no longer there. `operations` take its removal and its
    rights out of the RUN. `objection` says why no mount can stand in, `help` what to do."""

    reads: Reads = Reads.NO
    gone: bool = False
    operations: list[Operation] = field(default_factory=list)
    objection: str = ""
    help: str = ""


def use_of(
    context: Context,
    run: Run,
    target: str,
    kind: Kind,
    order: tuple[int, ...],
    brings: tuple[Unit, ...] = (),
) -> Use:
    """What `run` does with the file at `target`; `brings` puts it there, and goes."""
    found = _Reader(context, run, target, kind, order, brings).use()
    refusal = on_windows(context, run) if found.reads else None
    if refusal is not None:
        found.objection, found.help = refusal.reason, refusal.help
    return found


class _Refused(Exception):  # noqa: N818
    pass


class _Reader:
    def __init__(
        self,
        context: Context,
        run: Run,
        target: str,
        kind: Kind,
        order: tuple[int, ...],
        brings: tuple[Unit, ...],
    ) -> None:
        self.brings = brings
        self.context, self.run, self.target, self.kind = context, run, target, kind
        self.order = order
        self.name = posixpath.basename(target)
        self.script = script_of(context, run)
        self.home = setting_of(context.model, run).home
        self.workdir = context.build_context.workdir(run) or "/"
        self.found = Use()

    def use(self) -> Use:
        scripts = self.context.reader.scripts(self.run)
        if not scripts:
            return self.blind()
        whole = list(self.brings)
        words: list[tuple[Command, Word]] = []
        above = ""
        try:
            for script, command in self.commands(scripts):
                if any(command in unit.commands for unit in self.brings):
                    continue
                named = self.names(command)
                says = self.object(command, named)
                self.found.objection = self.found.objection or says
                name = command.name or ""
                if name in REMOVERS and self.only_folder(command):
                    whole.append(Unit(command.span, (command,)))
                    self.found.gone = True
                elif name in REMOVERS and self.above(command):
                    above = f"line {self.run.start_line} removes a folder above {self.name}"
                elif named and name in RIGHTS | REMOVERS:
                    self.handled(script, command, whole, words)
                    self.found.gone = self.found.gone or name in REMOVERS
                elif named:
                    self.found.reads = Reads.SURELY
                else:
                    self.found.reads = max(self.found.reads, self.reads(command))
            if above and self.found.reads:
                raise _Refused(above, "remove it in a later RUN: a mounted file cannot go")
            self.found.gone = self.found.gone or bool(above)
            self.take_out(whole, words)
        except _Refused as why:
            self.found.objection, self.found.help = why.args
        return self.found

    def blind(self) -> Use:
        text = self.context.dockerfile.source.text(self.run.span)
        if self.name.encode("utf-8", "surrogateescape") in text:
            self.found.objection = (
                f"what line {self.run.start_line} does with {self.name} is not read"
            )
            self.found.help = "mount the file there by hand"
        else:
            self.found.reads = Reads.MAYBE
        return self.found

    def commands(self, scripts: tuple[Script, ...]) -> Iterator[tuple[Script, Command]]:
        for text in scripts:
            yield from text.every()

    # -- what a mount cannot take -------------------------------------------------

    def object(self, command: Command, named: bool) -> str:
        name = command.name or ""
        says = ""
        if self.writes(command) or (named and (name in CHANGERS or self.edits(command))):
            says = f"changes, moves or copies {self.name}"
        elif name in PACKERS and self.above(command):
            says = f"copies or packs a folder above {self.name}"
        elif name in RIGHTS and self.recursive(command) and self.above(command):
            says = f"runs {name} -R over a folder above {self.name}"
        elif self.own_file(command):
            says = f"writes to {self.name} with `{command.name}`"
        if not says or not self.might_be_mounted(command):
            return ""
        self.found.help = (
            "give that command a RUN of its own, or do without it: a mounted file cannot be "
            "written or moved, and its rights are those of the mount"
        )
        return f"line {self.run.start_line} {says}, which a mount cannot take"

    def might_be_mounted(self, command: Command) -> bool:
        """Rights of a folder may change in a RUN that gets no mount, but nothing else may."""
        if command.name not in RIGHTS:
            return True
        return any(
            one is not command and (self.names(one) or self.reads(one))
            for text in self.context.reader.scripts(self.run)
            for _, one in text.every()
        )

    def writes(self, command: Command) -> bool:
        return any(
            ">" in one.operator
            and one.target is not None
            and self.path(command, one.target) == self.target
            for one in command.redirects
        )

    def edits(self, command: Command) -> bool:
        """`sed -i` and `perl -i` write what they read."""
        return command.name in ("sed", "perl", "awk", "gawk") and any(
            re.match(rb"-[A-Za-z]*i|--in-place", word.raw) for word in command.words[1:]
        )

    def recursive(self, command: Command) -> bool:
        return any(
            re.fullmatch(rb"-[A-Za-z]*[Rr][A-Za-z]*|--recursive", word.raw)
            for word in command.words[1:]
        )

    def above(self, command: Command) -> bool:
        """Whether a word is a folder above the file, or a glob that matches one or the file."""
        words = command.words[1:]
        if command.name in ("cp", "mv", "rsync"):
            words = words[:-1]
        elif command.name == "tar" and not re.match(rb"-?[A-Za-z]*c|--create", words[0].raw):
            return False
        for word in words:
            path = self.path(command, word)
            if path and path != self.target and covers(path, self.target):
                return True
        return False

    def only_folder(self, command: Command) -> bool:
        """`rm -rf ~/.ssh` of a folder that is for such files alone need not be done: the image
        gets none of them."""
        folder = posixpath.dirname(self.target)
        words = [word for word in command.words[1:] if not word.raw.startswith(b"-")]
        alone = posixpath.basename(folder) in rows()["destination"]["for_secrets"]
        mine = [self.path(command, word) in (folder, f"{folder}/*") for word in words]
        return alone and bool(mine) and all(mine) and not command.context

    def own_file(self, command: Command) -> bool:
        """`npm config set` and the like write the file in the home folder anew."""
        if self.home is None or not self.target.startswith(self.home + "/"):
            return False
        said = " ".join(text_of(word) for word in command.words)
        return any(said == one or said.startswith(one + " ") for one in self.kind.writes)

    # -- its removal --------------------------------------------------------------

    def handled(
        self,
        script: Script,
        command: Command,
        whole: list[Unit],
        words: list[tuple[Command, Word]],
    ) -> None:
        own = self.script is not None and script.text == self.script.text
        if not own or command.context:
            raise _Refused(
                f"line {self.run.start_line} removes {self.name}, or changes its rights, on a "
                "condition or in a way that is not edited",
                "take that command out: a mounted file needs neither",
            )
        files = [word for word in command.words[1:] if not word.raw.startswith(b"-")]
        files = files[1:] if command.name in RIGHTS else files
        mine = [word for word in files if self.path(command, word) == self.target]
        if len(mine) == len(files):
            whole.append(Unit(command.span, (command,)))
        elif mine:
            words += [(command, word) for word in mine]
        else:
            raise _Refused(
                f"line {self.run.start_line} handles {self.name} together with other files",
                "give it a command of its own",
            )

    def take_out(self, whole: list[Unit], words: list[tuple[Command, Word]]) -> None:
        if whole:
            try:
                self.found.operations += take_out(self.context, self.run, whole, self.order)
            except Unclear as why:
                raise _Refused(str(why), "give it a command of its own") from None
        for command, word in words:
            assert self.script is not None
            before = command.words[command.words.index(word) - 1]
            cut = Span(before.span.end, word.span.end)
            if not written_in_place(self.context.dockerfile, self.script, word.span):
                raise _Refused(
                    f"line {self.run.start_line} handles {self.name} together with other files",
                    "give it a command of its own",
                )
            host = self.script.projection.host_span(cut)
            self.found.operations.append(
                verbs.replace(self.context.dockerfile, self.run, host, b"", order=self.order)
            )

    # -- who reads it -------------------------------------------------------------

    def reads(self, command: Command) -> Reads:
        found = Reads.NO
        for one in started(command) if command.words else ():
            tool = table().tool(one.name or "")
            if self.kind.programs is not None and one.name in self.kind.programs:
                found = max(found, Reads.SURELY if self.looks(command) else Reads.ELSEWHERE)
            elif tool is None or (self.kind.programs is None and tool.reads == "all"):
                found = max(found, Reads.MAYBE)
        return found

    def looks(self, command: Command) -> bool:
        """Whether the file lies where the programs look for it."""
        folder = posixpath.dirname(self.target)
        here = self.folder(command)
        for place in self.kind.places:
            if place == ".":
                if here is None or (here + "/").startswith(folder.rstrip("/") + "/"):
                    return True
                continue
            if place.startswith("./"):
                place = posixpath.join(here or "/", place[2:])
            elif place.startswith("~/"):
                place = (self.home or "~") + place[1:]
            if place.lower() == self.target.lower():
                return True
        return False

    def names(self, command: Command) -> bool:
        return any(self.word_names(command, word) for word in command.words[1:])

    def word_names(self, command: Command, word: Word) -> bool:
        if self.target in text_of(word) or self.path(command, word) == self.target:
            return True
        _, equals, value = word.raw.decode("utf-8", "replace").partition("=")
        return bool(equals) and self.resolved(command, value) == self.target

    def folder(self, command: Command) -> str | None:
        if command.cwd is None:
            return None
        return posixpath.normpath(posixpath.join(self.workdir, command.cwd))

    def path(self, command: Command, word: Word) -> str | None:
        text = word.raw.decode("utf-8", "replace")
        return None if text.startswith("-") else self.resolved(command, text)

    def resolved(self, command: Command, text: str) -> str | None:
        text = text.replace('"', "").replace("'", "")
        for mark in MARKS:
            if (text == mark or text.startswith(mark + "/")) and self.home is not None:
                text = self.home + text[len(mark) :]
        if "$" in text or "`" in text or not text:
            return None
        return posixpath.normpath(posixpath.join(self.folder(command) or self.workdir, text))
