"""What each RUN reads and keeps: shell bodies, heredocs, exec form, and the SHELL in force.

Knows how a RUN reaches a shell; `readers` and `taint` know the commands and `shell` the
language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from dockerfix.model import windows
from dockerfix.model.local_scripts import LocalScript, local_scripts
from dockerfix.model.readers import Reading, helper_names, may_read, uses_in
from dockerfix.model.references import edits, writes_words
from dockerfix.model.run_taint import run_leaks
from dockerfix.model.taint import Leak, leaks
from dockerfix.model.tools import started
from dockerfix.projection import Projection
from dockerfix.shell import Script, Use, read
from dockerfix.syntax.nodes import Copy, Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockerfix.model.build_context import BuildContext
    from dockerfix.model.readers import Follow, Judgement
    from dockerfix.model.scopes import Model
    from dockerfix.model.tools import Started
    from dockerfix.shell import Command

POSIX_SHELLS = frozenset({"sh", "bash", "ash", "dash", "ksh", "mksh", "zsh", "busybox"})
KEY_USE = "private-key-file"
RANK = ("explicit", "implicit", "opaque", "no")
TELLS_UNSET = frozenset({"-", "+", "?", "=", "-v", "printenv"})
OPTIONAL = frozenset({":-", ":+", "-", "+", "-v"})


@dataclass(frozen=True, slots=True)
class ScriptReading:
    """What a script of the build context does with a variable: spans are those of the file."""

    path: str
    uses: tuple[Use, ...]
    guarded: bool
    leaks: tuple[Leak, ...]


@dataclass(frozen=True, slots=True)
class RunReading:
    """Whether a RUN may read a variable, how, what it keeps of it, and in which words to say it.

    `uses` and `leaks` are those of its own text, `scripts` the files of the build context that
    it starts."""

    run: Run
    name: str
    reading: Reading
    uses: tuple[Use, ...] = ()
    guarded: bool = False
    leaks: tuple[Leak, ...] = ()
    scripts: tuple[ScriptReading, ...] = ()

    @property
    def reads(self) -> bool:
        return self.reading.reads

    @property
    def tells_unset(self) -> bool:
        """Whether the text can tell an unset variable from an empty one (S1)."""
        return any(use.operator in TELLS_UNSET for use in self._every_use)

    @property
    def optional(self) -> bool:
        """Whether the text is written to work without a value: a guard or a default."""
        guarded = self.guarded or any(one.guarded for one in self.scripts)
        return guarded or any(use.operator in OPTIONAL for use in self._every_use)

    @property
    def every_leak(self) -> Iterator[Leak]:
        """Its own leaks, then those of its scripts, whose `says` names the file."""
        yield from self.leaks
        for one in self.scripts:
            yield from (replace(leak, says=f"{one.path}: {leak.says}") for leak in one.leaks)

    @property
    def _every_use(self) -> Iterator[Use]:
        yield from self.uses
        for one in self.scripts:
            yield from one.uses


class RunReader:
    """Reads the RUNs of one Dockerfile, each once. `context` is its build context, None where
    nobody looked at it: then nothing is known of config files and scripts. `told` are RUNs (by
    offset) whose shell texts are others than those in the file."""

    def __init__(
        self,
        model: Model,
        context: BuildContext | None = None,
        told: Mapping[int, tuple[Script, ...]] | None = None,
    ) -> None:
        self.model = model
        self.context = context
        self._local: dict[int, tuple[LocalScript, ...]] = {}
        self._files: dict[int, Mapping[str, bytes]] = {}
        self._scripts: dict[int, tuple[Script, ...]] = dict(told or {})
        self._helpers: frozenset[str] | None = None
        self._keys: dict[str, bool] = {}

    def scripts(self, run: Run) -> tuple[Script, ...]:
        """The shell texts of `run`; empty where no POSIX shell reads it."""
        found = self._scripts.get(run.span.start)
        if found is None:
            found = tuple(read(projection) for projection in self._texts(run))
            self._scripts[run.span.start] = found
        return found

    @property
    def helpers(self) -> frozenset[str]:
        """Variables that credential helpers read which some RUN sets up."""
        if self._helpers is None:
            runs = (one for one in self.model.dockerfile.instructions if isinstance(one, Run))
            texts = (
                text
                for run in runs
                if self.posix(run)
                for text in (*self.scripts(run), *self._followed(run))
            )
            self._helpers = frozenset(name for text in texts for name in helper_names(text))
        return self._helpers

    def reading(self, run: Run, name: str) -> RunReading:
        if not self.posix(run):
            shell = self.shell(run)
            return RunReading(run, name, Reading(True, "opaque", f"{shell} runs it", True))
        scripts = self.scripts(run)
        textual = not run.exec_form or _shell_string(run) is not None
        readings = [
            may_read(
                text,
                name,
                files=self._configs(run),
                complete=False,
                helpers=self.helpers,
                textual=textual,
                follow=self._follow(run, name),
            )
            for text in scripts
        ]
        if run.heredocs and (not is_script(run) or any(map(foreign_shebang, run.heredoc_bodies))):
            readings.extend(self._given_text(run, name))
        if not readings:
            return RunReading(run, name, Reading(False, "no", "it runs nothing", False))
        best = min(readings, key=lambda reading: RANK.index(reading.how))
        inside = tuple(self._inside(run, name))
        if not textual:
            return RunReading(run, name, best, scripts=inside)
        return RunReading(
            run,
            name,
            best,
            tuple(use for text in scripts for use in _uses(text) if use.name == name),
            any(_guards(text, name) for text in scripts),
            run_leaks(self.model, run, scripts, name),
            inside,
        )

    def needs(self, run: Run, name: str) -> bool:
        """Whether `run` itself reads the variable: not only a reference to it, for another one to
        expand, which it writes into a file."""
        scripts = self.scripts(run)
        if not scripts or run.exec_form or not self.posix(run):
            return self.reading(run, name).reads
        key = self.private_key(name)
        return any(
            any(use.name == name and not use.deferred for use in _uses(text))
            or any(
                found.reads and not (key and found.how != "explicit" and _fetches(command))
                for _, command in text.every()
                if not only_writes(command)
                for found in (may_read(command, name, helpers=frozenset({name})),)
            )
            for text in scripts
        )

    def private_key(self, name: str) -> bool:
        """Whether a RUN writes the variable to the file of an ssh key, or gives it to an agent:
        programs take a key from there, never from a variable by themselves."""
        found = self._keys.get(name)
        if found is None:
            runs = (one for one in self.model.dockerfile.instructions if isinstance(one, Run))
            found = self._keys[name] = any(KEY_USE in self.uses(run, name) for run in runs)
        return found

    def uses(self, run: Run, name: str) -> frozenset[str]:
        """What the uses of a variable show about it, as ids of `secrets.USES`."""
        if not self.posix(run):
            return frozenset()
        texts = (*self.scripts(run), *self._followed(run))
        return frozenset(one for text in texts for one in uses_in(text, name))

    def local_scripts(self, run: Run) -> tuple[LocalScript, ...]:
        """The scripts of the build context that `run` starts."""
        if self.context is None:
            return ()
        found = self._local.get(run.span.start)
        if found is None:
            found = tuple(local_scripts(run, self.scripts(run), self.context, self.scripts))
            self._local[run.span.start] = found
        return found

    def _followed(self, run: Run) -> Iterator[Script]:
        return (one.script for one in self.local_scripts(run) if one.script is not None)

    def _inside(self, run: Run, name: str) -> Iterator[ScriptReading]:
        for one in self.local_scripts(run):
            if one.script is not None:
                uses = tuple(use for use in _uses(one.script) if use.name == name)
                kept = leaks(one.script, name)
                yield ScriptReading(one.path, uses, _guards(one.script, name), kept)

    def _follow(self, run: Run, name: str) -> Follow:
        def follow(command: Command, program: Started, called: str) -> Judgement | None:
            worst: Judgement | None = None
            for one in self.local_scripts(run):
                if one.command is command and one.program == program:
                    found = self._in_script(one, run, name, called)
                    if found is None:
                        return None
                    if worst is None or RANK.index(found[0]) < RANK.index(worst[0]):
                        worst = found
            return worst

        return follow

    def _in_script(self, one: LocalScript, run: Run, name: str, called: str) -> Judgement | None:
        if one.script is None:
            if not one.names(name):
                return None
            return "explicit", f"it runs {one.path}, which names {name}", True
        files = self._configs(run)
        found = may_read(one.script, name, files=files, complete=False, helpers=self.helpers)
        if found.reads:
            return found.how, f"it runs {one.path}, where {found.why}", found.opaque
        if one.names(name):
            return "explicit", f"it runs {one.path}, which names {name}", False
        return "no", f"{called} ({one.path})", False

    def _configs(self, run: Run) -> Mapping[str, bytes] | None:
        """The config files that `run` may find, with those that an earlier RUN writes."""
        if self.context is None:
            return None
        found = self._files.get(run.span.start)
        if found is None:
            files = self.context.configs(run)
            for earlier in self.context.earlier_runs(run):
                if self.posix(earlier):
                    for text in self.scripts(earlier):
                        for path, data in _written(text):
                            files[path] = files.get(path, b"") + b"\n" + data
            for path, data in self._copied(run):
                files[path] = files.get(path, b"") + b"\n" + data
            found = self._files[run.span.start] = files
        return found

    def _copied(self, run: Run) -> Iterator[tuple[str, bytes]]:
        """Files that COPY writes from a here-document: with the references that BuildKit leaves."""
        stage = self.model.stage_of(run)
        for below in stage.chain if stage is not None else ():
            for one in below.instructions:
                if not isinstance(one, Copy) or one.span.start > run.span.start:
                    continue
                to = one.destination.raw.decode("utf-8", "replace") if one.destination else ""
                for heredoc in one.heredocs:
                    data = self.model.dockerfile.source.text(heredoc.content_span)
                    if heredoc.expand:
                        data = re.sub(rb"(?<!\\)\$(?:\{\w+\}|\w+)", b"", data)
                    yield heredoc.name if to.endswith("/") else to.strip("\"'"), data

    def _given_text(self, run: Run, name: str) -> Iterator[Reading]:
        """Heredocs that another program reads: their text may name the variable."""
        for body in run.heredoc_bodies:
            if name.encode("utf-8", "surrogateescape") in body.text:
                yield Reading(True, "explicit", f"its here-document names {name}", False)
            elif foreign_shebang(body):
                yield Reading(True, "opaque", "its script is not shell", True)

    def _texts(self, run: Run) -> Iterator[Projection]:
        if run.exec_form:
            script = _shell_string(run)
            words = " ".join(_quoted(word) for word in run.exec_words)
            text = words if script is None else script
            yield Projection.identity(text.encode("utf-8", "surrogateescape"))
        elif is_script(run):
            yield from (body for body in run.heredoc_bodies if not foreign_shebang(body))
        elif run.body.text.strip():
            yield run.body

    def posix(self, run: Run) -> bool:
        return run.exec_form or self.shell(run) in POSIX_SHELLS

    def shell(self, run: Run) -> str:
        """Base name of the shell that the SHELL in force starts; without one that of the system."""
        shell = self.model.setting(run).shell
        words = shell.exec_words if shell is not None else ()
        if not words:
            return "cmd" if windows.image(self.model, run) else "sh"
        return _base(words[0])


def _fetches(command: Command) -> bool:
    """Whether it only starts package managers, and git."""
    return bool(command.words) and all(one.name in _fetchers() for one in started(command))


@cache
def _fetchers() -> frozenset[str]:
    import tomllib
    from importlib.resources import files

    text = files("dockerfix.model").joinpath("ssh.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)["fetchers"])


def only_writes(command: Command) -> bool:
    """Whether a reference among the words is written down, and followed by nobody yet."""
    return (
        writes_words(command)
        or edits(command)
        or [word.literal for word in command.words[:2]] == ["git", "config"]
    )


def is_script(run: Run) -> bool:
    """Whether the whole command is one heredoc, which the shell gets as its `-c` text (1.33)."""
    return run.is_script


def foreign_shebang(body: Projection) -> bool:
    line = body.text.split(b"\n", 1)[0]
    if not line.startswith(b"#!"):
        return False
    words = line[2:].split()
    names = [_base(word.decode("utf-8", "replace")) for word in words if not word.startswith(b"-")]
    names = [name for name in names if name != "env"]
    return bool(names) and names[0] not in POSIX_SHELLS


def _uses(script: Script) -> Iterator[Use]:
    yield from script.uses
    for nested in script.nested:
        yield from _uses(nested.script)


def _written(script: Script) -> Iterator[tuple[str, bytes]]:
    """Files into which it writes references to variables: `echo '${X}' > .npmrc`."""
    for text, command in script.every():
        for redirect in command.redirects:
            if ">" not in redirect.operator or redirect.target is None:
                continue
            spans = [word.span for word in command.words]
            spans += [one.body for one in command.redirects if one.body is not None]
            names = [
                use.name
                for use in text.uses
                if use.deferred and any(span.contains(use.span) for span in spans)
            ]
            if names:
                path = redirect.target.raw.decode("utf-8", "replace").strip("\"'")
                yield path, b"".join(b"${%s}\n" % name.encode() for name in names)


def _guards(script: Script, name: str) -> bool:
    """`[ -n "$X" ]`, `test -z $X`, `[ "$X" ]`, `[ "$X" = "" ]`: it is written to do without."""
    for text, command in script.every():
        if command.name in ("[", "[[", "test") and any(
            use.name == name
            and not use.deferred
            and any(word.span.contains(use.span) for word in command.words)
            for use in text.uses
        ):
            return True
    return False


def _shell_string(run: Run) -> str | None:
    """The script of `["sh", "-c", SCRIPT]`."""
    words = run.exec_words
    if len(words) >= 3 and _base(words[0]) in POSIX_SHELLS and words[1].startswith("-"):
        return words[2]
    return None


def _base(path: str) -> str:
    name = path.replace("\\", "/").rsplit("/", 1)[-1].lower()
    return name.removesuffix(".exe")


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
