"""Which commands of a shell text print a value, and where what they print goes.

`Flow` follows one value through variables, files, pipes, groups, substitutions and child
shells. It does not know what files survive (taint.py), nor what tools keep by themselves
(tools.toml); which programs pass on what they are given is in taint.toml.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dockerfix.globs import fits
from dockerfix.model.tools import started, text_of
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockerfix.shell import Assignment, Command, Nested, Redirect, Script, Use, Word

Output = Literal["", "value", "dump"]
NO_VALUE = frozenset({"length", "-v", "+", ":+"})


class Sink(NamedTuple):
    """Where a command's output goes: `file` (`target` is its word), `pipe` (into the stage at
    `stage`), `capture` (a substitution in the word at `stage`) or `log`."""

    kind: Literal["file", "pipe", "capture", "log"]
    target: Word | None = None
    stage: Span | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds where the text runs: `workdir` and `home` are absolute paths or None, `traced`
    says that the shell was started with `-x`."""

    workdir: str | None = None
    home: str | None = "/root"
    traced: bool = False


@dataclass(eq=False)
class Flow:
    """One value in one shell text. `names` hold it at the start as environment variables,
    `files` (absolute paths, shared with child shells) as files."""

    script: Script
    names: frozenset[str]
    files: set[str]
    setting: Setting
    parent: Flow | None = None
    nested: Nested | None = None
    derived: set[str] = field(default_factory=set)
    exported: set[str] = field(default_factory=set)
    _busy: set[int] = field(default_factory=set)
    _framed: dict[int, list[tuple[Span, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._heard = dict(self._pipes())
        self._starts = [use.span.start for use in self.script.uses]
        self._captured = [one for one in self.script.commands if "substitution" in one.context]

    # -- values ---------------------------------------------------------------

    def holds(self, use: Use) -> bool:
        """Whether the shell puts the value there."""
        if use.deferred or use.operator in NO_VALUE:
            return False
        return use.name in self.derived or (use.name in self.names and not use.assigned_before)

    def carries(self, span: Span) -> bool:
        """Whether the shell puts the value into the text of `span`: a word, a here-document."""
        captured = [o for o in self._captured if span.contains(o.span) and o.span != span]
        first = bisect_left(self._starts, span.start)
        last = bisect_left(self._starts, span.end, first)
        if any(
            span.contains(use.span)
            and self.holds(use)
            and not any(one.span.contains(use.span) for one in captured)
            for use in self.script.uses[first:last]
        ):
            return True
        if any(
            self.emits(one) and any(sink.kind == "capture" for sink in self.sinks(one))
            for one in captured
        ):
            return True
        if self.reads_file(span):
            return True
        return any(span.contains(at) for at in self._given())

    def reads_file(self, span: Span) -> bool:
        """`$(< FILE)`, which has no command."""
        text = self.script.text[span.start : span.end]
        for found in re.finditer(rb"\$\(\s*<\s*([^\s()]+)\s*\)", text) if self.files else ():
            if self.path(found[1].decode("utf-8", "replace"), None) in self.files:
                return True
        return False

    def _given(self) -> Iterator[Span]:
        """Where the outer shell has put the value into this text."""
        if self.nested is None or self.parent is None:
            return
        for at, part in self.nested.foreign.items():
            variable = part.use is not None and self.parent.holds(part.use)
            if variable or (part.kind == "command" and self.parent.carries(part.span)):
                yield at

    def spread(self) -> None:
        """Follow assignments until nothing new holds the value."""
        found = True
        while found:
            found = False
            for one in self.script.assignments:
                if one.name not in self.derived and self._assigns(one):
                    self.derived.add(one.name)
                    found = True
        for one in self.script.assignments:
            if one.name in self.derived and (one.exported or one.kind in ("export", "prefix")):
                self.exported.add(one.name)

    def _assigns(self, one: Assignment) -> bool:
        if one.value_span is not None and self.carries(one.value_span):
            return True
        if any(self.carries(word.span) for word in one.elements or ()):
            return True
        if one.kind == "for":
            head = re.match(rb"\s+in\s[^\n;]*", self.script.text[one.span.end :])
            return head is not None and self.carries(Span(one.span.end, one.span.end + head.end()))
        if one.kind in ("read", "mapfile", "printf"):
            for command in self.script.commands:
                if command.span.contains(one.span) and command.name != one.name:
                    return bool(self.is_fed(command)) or (
                        one.kind == "printf" and self.in_words(command)
                    )
        return False

    def in_words(self, command: Command) -> bool:
        return any(self.carries(word.span) for word in command.words)

    # -- input and output -----------------------------------------------------

    def is_fed(self, command: Command) -> Output:
        """What of the value comes in on standard input."""
        own = self._from(command.redirects, command)
        if own is not None:
            return own
        for span, kind in self._frames(command):
            if kind == "pipe" and (before := self._heard.get(span)) is not None:
                return self._printed(before)
            if kind == "group":
                for group in self.script.groups:
                    if group.span == span:
                        found = self._from(group.redirects, command)
                        if found is not None:
                            return found
            if kind == "capture":
                return ""
        if self.parent is not None and self.nested is not None:
            return self.parent.is_fed(self.nested.command)
        return ""

    def _from(self, redirects: tuple[Redirect, ...], command: Command) -> Output | None:
        found: Output | None = None
        for one in redirects:
            if one.body is not None:
                found = "value" if one.expands and self.carries(one.body) else ""
            elif one.operator == "<<<" and one.target is not None:
                found = "value" if self.carries(one.target.span) else ""
            elif one.operator == "<" and one.target is not None:
                path = self.path(spelled(one.target), command)
                found = "value" if path in self.files else ""
        return found

    def _printed(self, stage: Span) -> Output:
        """What of the value a stage of a pipeline prints into the pipe."""
        found: Output = ""
        for one in self.script.commands:
            if stage.contains(_body(one)) and any(
                sink.stage is not None and self._heard.get(sink.stage) == stage
                for sink in self.sinks(one)
            ):
                said = self.emits(one)
                if said == "value":
                    return said
                found = found or said
        return found

    def emits(self, command: Command) -> Output:
        """What of the value a command prints to its standard output."""
        if id(command) in self._busy or not command.words:
            return ""
        self._busy.add(id(command))
        try:
            return self._emits(command)
        finally:
            self._busy.discard(id(command))

    def _emits(self, command: Command) -> Output:
        one = started(command)[0]
        name, said = one.name or "", table()
        if name in said.printers:
            return "value" if self.in_words(command) else ""
        if name == "printenv" and one.words:
            named = any(word in self.environment for word in one.words)
            return "value" if named else ""
        if is_dump(name, one.words):
            return "dump" if self.environment or name == "set" else ""
        if name in said.programs and any(self._by_name(word) for word in one.words):
            return "value"
        if in_place(command) or not any(re.fullmatch(glob, name) for glob in said.filters):
            return ""
        if said.silent.get(name, frozenset()).intersection(one.words):
            return ""
        if self.in_words(command) or self._names_file(command):
            return "value"
        fed = self.is_fed(command)
        if fed == "dump" and not self._lets_through(name, one.words):
            return ""
        return fed

    def _by_name(self, word: str) -> bool:
        """Whether a program text reads the variable itself: `ENVIRON["X"]`, `env.X`."""
        return any(
            re.search(rf"(?:ENVIRON|\$?\b[Ee][Nn][Vv]\w*)\W{{1,3}}{re.escape(name)}(?!\w)", word)
            for name in self.environment
        )

    def _names_file(self, command: Command) -> bool:
        return any(self.path(spelled(word), command) in self.files for word in command.words[1:])

    def _lets_through(self, name: str, words: tuple[str, ...]) -> bool:
        """Whether the line of the variable in a dump passes a filter."""
        if name == "cut":
            return not any(word in ("-f1", "-f") for word in words)
        if name not in ("grep", "egrep", "fgrep"):
            return True
        options = "".join(word[1:] for word in words if re.fullmatch(r"-\w+", word))
        if "c" in options or "q" in options:
            return False
        pattern = next((word for word in words if not word.startswith("-")), "")
        try:
            hit = any(re.search(pattern, name + "=") for name in self.environment)
        except re.error:
            return True
        return hit != ("v" in options)

    @property
    def environment(self) -> frozenset[str]:
        """The variables with the value that a child process has."""
        return frozenset(self.names | self.exported)

    def sinks(self, command: Command) -> tuple[Sink, ...]:
        """Where the standard output goes, `tee` followed."""
        own = _redirected(self.script, command.redirects)
        if own is not None:
            return own
        for span, kind in self._frames(command):
            if kind == "capture":
                return (Sink("capture", stage=span),)
            if kind == "pipe":
                heard = next((one for one, by in self._heard.items() if by == span), None)
                if heard is not None:
                    return (Sink("pipe", stage=heard),)
            for group in self.script.groups if kind == "group" else ():
                if group.span == span:
                    found = _redirected(self.script, group.redirects)
                    if found is not None:
                        return found
        if self.parent is not None and self.nested is not None:
            return self.parent.sinks(self.nested.command)
        return (Sink("log"),)

    def _frames(self, command: Command) -> list[tuple[Span, str]]:
        """What a command stands in, innermost first: groups, stages of pipelines, words."""
        known = self._framed.get(id(command))
        if known is None:
            inner = _body(command)
            found = [(one.span, "group") for one in self.script.groups]
            stages = dict.fromkeys([*self._heard, *self._heard.values()])
            found += [(stage, "pipe") for stage in stages]
            if "substitution" in command.context:
                found += [(span, "capture") for span in self._words() if span != inner]
            inside = [one for one in found if one[0].contains(inner)]
            known = sorted(inside, key=lambda one: (one[0].end - one[0].start, one[1] == "pipe"))
            self._framed[id(command)] = known
        return known

    def _words(self) -> Iterator[Span]:
        for command in self.script.commands:
            yield from (word.span for word in command.words)
            yield from (one.target.span for one in command.redirects if one.target is not None)
            yield from (one.body for one in command.redirects if one.body is not None)
        for one in self.script.assignments:
            if one.value_span is not None:
                yield one.value_span

    def _pipes(self) -> Iterator[tuple[Span, Span]]:
        """From each stage of a pipeline to the one before it."""
        text = self.script.text
        for stages in self.script.pipelines:
            yield from zip(stages[1:], stages, strict=False)
        for command in self.script.commands:
            # A here-document's pipe stands on the line of its opener, before the body.
            if any(one.body is not None for one in command.redirects):
                pipe = re.match(rb"[ \t]*\|&?[ \t]*", text[command.span.end :])
                if pipe is not None:
                    at = command.span.end + pipe.end()
                    first = [p[0] for p in self.script.pipelines if p and p[0].start == at]
                    first += [c.span for c in self.script.commands if c.span.start == at]
                    if first:
                        yield first[0], command.span

    # -- paths ----------------------------------------------------------------

    def path(self, text: str, command: Command | None) -> str:
        """`text` as an absolute path, as far as it can be known."""
        text = re.sub(r"^(\$HOME|\$\{HOME\}|~)(?=/|$)", self.setting.home or "~", text)
        if not text or text.startswith(("/", "~")):
            return posixpath.normpath(text) if text else ""
        cwd = command.cwd if command is not None else ""
        if self.setting.workdir is not None and cwd is not None:
            return posixpath.normpath(posixpath.join(self.setting.workdir, cwd, text))
        return posixpath.normpath(posixpath.join(cwd, text)) if cwd else posixpath.normpath(text)


def flows(script: Script, names: frozenset[str], files: set[str], setting: Setting) -> list[Flow]:
    """The flows of a text and of its child shells, outer before inner, assignments followed."""
    found: list[Flow] = []

    def add(one: Flow) -> None:
        if one.parent is not None:
            one.derived |= one.parent.derived
            one.exported |= one.parent.exported
        one.spread()
        found.append(one)
        for nested in one.script.nested:
            add(Flow(nested.script, names, files, setting, one, nested))

    add(Flow(script, names, files, setting))
    return found


def _body(command: Command) -> Span:
    """The words alone: a stage of a pipeline ends before the redirects behind it."""
    spans = [word.span for word in command.words] or [command.span]
    return Span(spans[0].start, spans[-1].end)


def in_place(command: Command) -> bool:
    """Whether a filter changes a file instead of printing it: `sed -i`."""
    one = started(command)[0]
    globs = rows()["in_place"].get(one.name)
    return globs is not None and any(
        fits(word, glob) for word in one.words for glob in globs.split("|")
    )


def spelled(word: Word) -> str:
    """A word as a path: quotes gone, variables as they are written."""
    literal = word.literal
    return literal if literal is not None else text_of(word).replace('"', "").replace("'", "")


def is_dump(name: str, words: tuple[str, ...]) -> bool:
    """`env`, `printenv`, `set`, `export -p`: a command that prints all variables."""
    if name in ("env", "printenv"):
        return not any(not word.startswith("-") for word in words) and "-i" not in words
    if name == "set":
        return not words
    if name in ("export", "declare", "typeset"):
        return all(re.fullmatch(r"-[pxg]+", word) is not None for word in words)
    if name in ("jq", "yq", "gojq"):
        return any(
            re.fullmatch(r"(\$ENV|env|\.\s*[+=]\s*(env|\$ENV))", word.strip()) for word in words
        )
    return False


def _redirected(script: Script, redirects: tuple[Redirect, ...]) -> tuple[Sink, ...] | None:
    """Where redirects send standard output; None if they do not."""
    found: tuple[Sink, ...] | None = None
    for one in redirects:
        digits = re.match(rb"\d*", script.text[one.span.start : one.span.end])
        if "<" in one.operator or (digits is not None and digits[0] not in (b"", b"1")):
            continue
        if one.operator == ">&" and one.target is not None and one.target.literal in ("1", "2"):
            found = (Sink("log"),)
        elif ">" in one.operator and one.target is not None:
            found = (Sink("file", target=one.target),)
    return found


class Table(NamedTuple):
    """The part of taint.toml on programs."""

    printers: frozenset[str]
    filters: tuple[str, ...]
    programs: frozenset[str]
    silent: Mapping[str, frozenset[str]]


@cache
def rows() -> dict[str, Any]:
    """taint.toml as it stands."""
    import tomllib
    from pathlib import Path

    return tomllib.loads(Path(__file__).with_name("taint.toml").read_text("utf-8"))


@cache
def table() -> Table:
    read = rows()
    silent = {name: frozenset(words) for name, words in read["silent"].items()}
    return Table(
        frozenset(read["printers"]), tuple(read["filters"]), frozenset(read["programs"]), silent
    )
