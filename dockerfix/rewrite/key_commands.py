"""Single commands that handle an ssh key, and those that connect: what ssh.toml says of them.

Reads one shell text at a time; knows no Dockerfile and changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from dockerfix.globs import fits
from dockerfix.model.tools import Started, started, table, text_of
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockerfix.shell import Command, Script, Word

_PACKAGE = re.compile(r"(@[\w.-]+/)?[A-Za-z0-9][\w.-]*(\[[\w,.-]+\])?((@|[=<>~!^])[^/:]*)?")

_HTTP = re.compile(r"(?:[\w.-]+ ?@ ?)?(?:git\+)?https?://")
_SCP = re.compile(r"[\w.-]+@[\w.-]+:")


@cache
def rows() -> Mapping[str, Any]:
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files("dockerfix.model").joinpath("ssh.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Unit:
    """A command, a pipeline or an `if` statement at the top of a shell text (`script`; None for
    the text of the RUN itself)."""

    span: Span
    commands: tuple[Command, ...]
    script: Script | None = field(default=None, compare=False, repr=False)
    branch: bool = False

    @property
    def text(self) -> bytes:
        return b"" if self.script is None else self.script.text[self.span.start : self.span.end]

    @property
    def pipeline(self) -> bool:
        return not self.branch and len(self.commands) > 1


def units(script: Script, within: Span | None = None) -> Iterator[Unit]:
    """The units of a text in order; with `within`, those inside of that `if` statement."""
    plain: tuple[str, ...] = ("if",) if within is not None else ()
    piped = (*plain, "pipeline")
    seen: set[Span] = set()
    for command in script.commands:
        if within is not None and not within.contains(command.span):
            continue
        branch = next((one for one in script.branches if one.contains(command.span)), None)
        if within is None and branch is not None:
            if branch not in seen:
                seen.add(branch)
                inside = tuple(c for c in script.commands if branch.contains(c.span))
                yield Unit(branch, inside, script, branch=True)
        elif command.context == plain:
            yield Unit(command.span, (command,), script)
        elif command.context == piped:
            span = _pipeline(script, command)
            if span not in seen:
                seen.add(span)
                stages = (c for c in script.commands if span.contains(c.span))
                yield Unit(span, tuple(c for c in stages if c.context == piped), script)
        elif not any(
            c.span.contains(command.span) for c in script.commands if c is not command
        ) and not any(span.contains(command.span) for span in seen):
            yield Unit(command.span, (command,), script)


def _pipeline(script: Script, command: Command) -> Span:
    stages = next(
        (p for p in script.pipelines if any(s.contains(command.words[0].span) for s in p)),
        (command.span,),
    )
    start, end = stages[0].start, stages[-1].end
    inside = [c.span.end for c in script.commands if start <= c.span.start < end]
    return Span(start, max(end, *inside))


def written(command: Command) -> Iterator[Word]:
    """The files that a command writes: targets of redirects, and the words of tee."""
    for redirect in command.redirects:
        target = redirect.target if redirect.operator in (">", ">>", ">|") else None
        if target is not None and target.raw != b"/dev/null":
            yield target
    if command.name == "tee":
        yield from (word for word in command.words[1:] if not word.raw.startswith(b"-"))


def plain_words(command: Command) -> list[Word]:
    """The words behind the name that are no options."""
    return [word for word in command.words[1:] if not word.raw.startswith(b"-")]


def form_of(unit: Unit) -> str:
    """What the unit makes of the value: `plain`, `base64`, or `other`."""
    if re.search(rb"\bbase64\b", unit.text):
        return "base64"
    for command in unit.commands:
        deletes = command.name == "tr" and any(word.raw == b"-d" for word in command.words)
        if command.name in rows()["handling"]["changing"] or (command.name == "tr" and not deletes):
            return "other"
    return "plain"


def only_asks(script: Script, names: frozenset[str]) -> bool:
    """Whether the text does nothing but fail, or say something, without one of the variables."""
    handling, every = rows()["handling"], [command for _, command in script.every()]
    known = {"sh", "bash", *handling["guards"], *handling["messages"]}
    return (
        any(command.name in handling["guards"] for command in every)
        and all(command.name in known and not list(written(command)) for command in every)
        and any(
            use.name in names
            for text in (script, *(one.script for one in script.nested))
            for use in text.uses
        )
    )


def starts_agent(command: Command) -> bool:
    """`ssh-agent`, `ssh-add`, or an eval of what ssh-agent prints, and nothing else."""
    name = command.name or ""
    if name == "eval":
        return len(command.words) == 2 and b"ssh-agent" in command.words[1].raw
    return name in rows()["handling"]["agent"] and not runs_other(command)


def runs_other(command: Command) -> bool:
    """`ssh-agent COMMAND...` runs a command."""
    return command.name == "ssh-agent" and bool(plain_words(command))


@dataclass(slots=True)
class Network:
    """What is known of connections so far: `fetched` are tools whose dependencies an earlier
    command brought; `rewrites`: git may turn an https URL into one of ssh."""

    rewrites: bool = True
    fetched: set[str] = field(default_factory=set)

    def connects(self, command: Command) -> bool:
        """Whether the command may open an ssh connection; notes what it fetches."""
        found = [self._connects(one) for one in started(command) if command.words]
        return any(found)

    def _connects(self, one: Started) -> bool:
        name, words = one.name or "", tuple(one.words)
        if table().tool(name) is not None and name not in rows()["users"]:
            return False
        if name in self.fetched and _then(name, words):
            return False
        if _fits(one, "fetched"):
            self.fetched.add(name)
        if not self.rewrites and name == "git" and _plain_clone(words):
            return False
        return not _fits(one, "quiet") and not _from_registry(one, self.rewrites)


def _plain_clone(words: tuple[str, ...]) -> bool:
    """`git clone https://...`, without submodules, whose URLs may be others."""
    urls = [word for word in words if "://" in word or _SCP.match(word)]
    return (
        "clone" in words
        and bool(urls)
        and all(url.startswith(("https://", "http://", "git://")) for url in urls)
        and not any(word.startswith("--recurs") for word in words)
    )


def _fits(one: Started, table_name: str) -> bool:
    return any(
        one.name in row["names"] and _begins(tuple(one.words), row["words"])
        for row in rows()[table_name]
    )


def _then(name: str, words: tuple[str, ...]) -> bool:
    return any(
        name in row["names"] and words[:1] and words[0] in row["then"] for row in rows()["fetched"]
    )


def _begins(words: tuple[str, ...], wanted: list[str]) -> bool:
    if len(words) < len(wanted):
        return False
    return all(
        any(fits(word, glob) for glob in globs.split("|"))
        for word, globs in zip(words, wanted, strict=False)
    )


def _from_registry(one: Started, rewrites: bool) -> bool:
    words = [word for word in one.words if not word.startswith("-") or word == "-m"]
    for row in rows()["registry"]:
        if one.name not in row["names"] or not _begins(tuple(words), row["words"]):
            continue
        packages = words[len(row["words"]) :]
        options = (word.partition("=")[0] for word in one.words if word.startswith("-"))
        known = [p for p in packages if _PACKAGE.fullmatch(p) or (not rewrites and _HTTP.match(p))]
        if packages and len(known) == len(packages):
            return not any(option in row.get("without", ()) for option in options)
    return False


def only_for_root(command: Command) -> bool:
    """Whether no other user can run it, or would write there."""
    return command.name in rows()["root"]["names"] or any(
        text_of(word).startswith("/root/") for word in (*command.words[1:], *written(command))
    )
