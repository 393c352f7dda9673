"""The reading of tools.toml: what each command can read, and what it leaves behind.

Typed rows and the matching of one command's words against them. It knows no variable's value, no
scopes and no Dockerfile; `readers` puts the rows together for a whole script.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from dockerfix.globs import fits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dockerfix.shell import Command, Word


_VERBS = frozenset({"restore", "publish", "package", "compile", "mod", "upgrade", "sync", "exec"})


@dataclass(frozen=True, slots=True)
class Sub:
    """What a tool reads under some of its subcommands."""

    words: tuple[str, ...]
    reads: str
    because: str = ""
    names: tuple[str, ...] = ()
    with_: tuple[str, ...] = ()
    and_with: tuple[str, ...] = ()
    options: bool = False
    alone: bool = False
    offline: bool = False

    def fits(self, tool: str, words: tuple[str, ...]) -> bool:
        if self.names and not _named(tool, self.names):
            return False
        if self.with_ and not any(word in self.with_ for word in words):
            return False
        if self.and_with and not any(word in self.and_with for word in words):
            return False
        said = [word for word in words if self.options or not word.startswith("-")]
        if len(said) < len(self.words) or (self.alone and len(said) > len(self.words)):
            return False
        return all(
            any(fits(word, glob) for glob in wanted.split("|"))
            for word, wanted in zip(said, self.words, strict=False)
        )


@dataclass(frozen=True, slots=True)
class PersistRow:
    """What a command leaves behind. `needs`: `url` (a word with a URL that holds a variable),
    `value` (a word with a variable), `output` (a redirect or a pipe), `no redirect`."""

    words: tuple[str, ...]
    file: str
    kind: str
    says: str
    names: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    needs: str = ""
    bare: bool = False
    secret: bool = True


@dataclass(frozen=True)
class Tool:
    """One row. `own_config`: files in whose text the tool itself expands variables."""

    names: tuple[str, ...]
    reads: str
    source: str
    because: str = ""
    variables: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    config_verbatim: bool = False
    helpers: bool = False
    everything: tuple[str, ...] = ()
    subs: tuple[Sub, ...] = ()
    persist: tuple[PersistRow, ...] = ()

    @cached_property
    def own_config(self) -> tuple[str, ...]:
        return () if self.config_verbatim else self.config

    def knows(self, name: str) -> str:
        """The glob by which the tool reads a variable of this name itself, or ''."""
        return next((glob for glob in self.variables if fits(name, glob)), "")


@dataclass(frozen=True, slots=True)
class Wrapper:
    names: frozenset[str]
    arguments: int
    takes_value: frozenset[str]
    own: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UsePattern:
    id: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Table:
    tools: tuple[Tool, ...]
    wrappers: tuple[Wrapper, ...]
    harmless: tuple[str, ...]
    evaluated: frozenset[str]
    compares: frozenset[str]
    uses: tuple[UsePattern, ...]
    groups: Mapping[str, tuple[str, ...]]

    @cached_property
    def by_name(self) -> dict[str, Tool]:
        return {name: tool for tool in self.tools for name in tool.names}

    @cached_property
    def verbs(self) -> frozenset[str]:
        """Every subcommand that the table names: words that a message may repeat."""
        rows = [row.words for tool in self.tools for row in tool.subs]
        rows += [row.words for tool in self.tools for row in tool.persist]
        return _VERBS.union(word for words in rows for one in words for word in one.split("|"))

    def wrapper(self, name: str) -> Wrapper | None:
        return next((one for one in self.wrappers if name in one.names), None)

    def tool(self, name: str) -> Tool | None:
        """The row of a program, also under a version at the name's end (`python3.12`, `gcc-13`)."""
        if found := self.by_name.get(name):
            return found
        for pattern, tool in self.by_name.items():
            if "*" in pattern and fits(name, pattern):
                return tool
        bare = re.sub(r"-?\d+(\.\d+)*$", "", name)
        return self.by_name.get(bare) if bare != name else None


def _strings(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(str(one) for one in row.get(key, ()))


@cache
def table() -> Table:
    import tomllib
    from pathlib import Path

    data = tomllib.loads(Path(__file__).with_name("tools.toml").read_text("utf-8"))
    groups = {name: tuple(globs) for name, globs in data["groups"].items()}
    return Table(
        tools=tuple(_tool(row, groups) for row in data["tool"]),
        wrappers=tuple(
            Wrapper(
                frozenset(row["names"]),
                row["arguments"],
                frozenset(row["takes_value"]),
                frozenset(row.get("own", ())),
            )
            for row in data["wrapper"]
        ),
        harmless=tuple(data["sourced"]["harmless"]),
        evaluated=frozenset(data["evaluated"]["harmless"]),
        compares=frozenset(data["compares"]["names"]),
        uses=tuple(
            UsePattern(row["id"], row.get("before", ""), row.get("after", ""))
            for row in data["use"]
        ),
        groups=groups,
    )


def _tool(row: Mapping[str, Any], groups: Mapping[str, tuple[str, ...]]) -> Tool:
    variables: list[str] = []
    for glob in _strings(row, "variables"):
        variables.extend(groups[glob[1:]] if glob.startswith("@") else (glob,))
    return Tool(
        names=_strings(row, "names"),
        reads=row["reads"],
        source=row["source"],
        because=row.get("because", ""),
        variables=tuple(variables),
        config=_strings(row, "config"),
        config_verbatim=row.get("config_verbatim", False),
        helpers=row.get("helpers", False),
        everything=_strings(row, "everything"),
        subs=tuple(
            Sub(
                words=_strings(sub, "words"),
                reads=sub["reads"],
                because=sub.get("because", ""),
                names=_strings(sub, "names"),
                with_=_strings(sub, "with"),
                and_with=_strings(sub, "and_with"),
                options=sub.get("options", False),
                alone=sub.get("alone", False),
                offline=sub.get("offline", False),
            )
            for sub in row.get("sub", ())
        ),
        persist=tuple(
            PersistRow(
                words=_strings(one, "words"),
                file=one["file"],
                kind=one["kind"],
                says=one["says"],
                names=_strings(one, "names"),
                without=_strings(one, "without"),
                needs=one.get("needs", ""),
                bare=one.get("bare", False),
                secret=one.get("secret", True),
            )
            for one in row.get("persist", ())
        ),
    )


def _named(name: str, names: Iterable[str]) -> bool:
    return any(fits(name, glob) for glob in names)


@dataclass(frozen=True, slots=True)
class Started:
    """The program that a command really starts, behind `sudo`, `env X=1` and the like. `name` is
    None where a variable names it; `path` is how it is written; `words` are its arguments, those
    with an expansion as they are written; `bare_environment` after `env -i`."""

    name: str | None
    path: str
    words: tuple[str, ...]
    bare_environment: bool = False


def text_of(word: Word) -> str:
    literal = word.literal
    return literal if literal is not None else word.raw.decode("latin-1")


def started(command: Command) -> tuple[Started, ...]:
    """The programs of one command: itself without its wrappers, and those after `find -exec`. A
    command of assignments or redirects alone starts none."""
    if not command.words:
        return ()
    words = tuple(text_of(word) for word in command.words)
    dynamic = frozenset(i for i, word in enumerate(command.words) if word.literal is None)
    found = [_unwrapped(words, dynamic, 0)]
    if found[0].name == "find":
        for at, word in enumerate(words):
            if word in {"-exec", "-execdir", "-ok", "-okdir"} and at + 1 < len(words):
                found.append(_unwrapped(words, dynamic, at + 1))
    return tuple(found)


def _unwrapped(words: tuple[str, ...], dynamic: frozenset[int], at: int) -> Started:
    bare = False
    while True:
        name = words[at].rpartition("/")[2]
        wrapper = None if at in dynamic else table().wrapper(name)
        if wrapper is None:
            break
        next_at = at + 1
        skipped = 0
        while next_at < len(words):
            word = words[next_at]
            if word.startswith("-") and len(word) > 1:
                bare = bare or (name == "env" and word in {"-i", "-", "--ignore-environment"})
                next_at += 2 if word in wrapper.takes_value else 1
            elif name == "env" and word == "-":
                bare, next_at = True, next_at + 1
            elif re.match(r"\w+=", word):
                next_at += 1
            elif skipped < wrapper.arguments:
                skipped, next_at = skipped + 1, next_at + 1
            else:
                break
        if next_at >= len(words) or words[next_at] in wrapper.own:
            break
        at = next_at
    known = None if at in dynamic or "\x01" in words[at] else words[at].rpartition("/")[2]
    return Started(known, words[at], words[at + 1 :], bare)
