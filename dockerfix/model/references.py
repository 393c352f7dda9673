"""Where a tool expands a reference to a variable by itself, and which variable does what a command
would write: the rows of references.toml.

It matches files and commands by name. What is replaced in a RUN, and who then needs the
variable, is not known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from dockerfix.globs import fits
from dockerfix.model.tools import started, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dockerfix.model.tools import Started
    from dockerfix.shell import Command, Word


@dataclass(frozen=True, slots=True)
class Reference:
    """`spelling` with NAME for the variable; `readers` is a file name by which `may_read` knows
    who reads what was written. `upper`: only names in upper case are expanded. `program`: the one
    that writes where references are expanded."""

    spelling: str
    readers: str
    upper: bool = False
    program: str = ""

    def text(self, name: str) -> bytes | None:
        """The reference to `name`, None where the tool would not expand it."""
        if self.upper and name != name.upper():
            return None
        return self.spelling.replace("NAME", name).encode("utf-8", "surrogateescape")


@cache
def rows() -> Mapping[str, Any]:
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files("dockerfix.model").joinpath("references.toml").read_text("utf-8"))


def in_file(path: str) -> Reference | None:
    """What stands for a value in a file of this name."""
    base = path.rstrip("/").rpartition("/")[2].lower()
    for row in rows()["file"]:
        if any(fits(base, glob) for glob in row["globs"]):
            return _reference(row)
    return None


def in_command(command: Command) -> Reference | None:
    """What stands for a value among the words of a command that writes a config file."""
    one = started(command)[0]
    for row in rows()["command"]:
        option = row.get("option")
        if (
            one.name in row["names"]
            and _in_order(one.words, row["words"])
            and (option is None or option in [word.lower() for word in one.words])
        ):
            return _reference(row)
    return None


def writes_words(command: Command) -> bool:
    """Whether the program writes what it is given as it is."""
    return command.name in rows()["writers"]["names"]


def edits(command: Command) -> bool:
    """Whether the program puts words of its own into a file."""
    return command.name in rows()["writers"]["edit"]


def _reference(row: Mapping[str, Any]) -> Reference:
    return Reference(
        row["reference"], row["readers"], bool(row.get("upper")), row.get("program", "")
    )


def _in_order(words: tuple[str, ...], wanted: list[str]) -> bool:
    said = [word.lower() for word in words if not word.startswith("-")]
    return len(said) >= len(wanted) and all(
        any(fits(word, glob) for glob in one.split("|"))
        for word, one in zip(said, wanted, strict=False)
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """A command that writes a setting, and the variables that do the same: `sets` is a template
    of words (or, nested, of JSON) by variable, `words` what its places hold."""

    sets: Mapping[str, Any]
    words: Mapping[str, Word]
    reads: tuple[str, ...]
    whole: frozenset[str]

    @property
    def places(self) -> tuple[str, ...]:
        """The places of `words` that `sets` speaks of."""
        return tuple(dict.fromkeys(p for value in self.sets.values() for p in _places(value)))

    @property
    def stdin(self) -> bool:
        return "stdin" in self.places


def setting(command: Command, fed: Word | None = None) -> Setting | None:
    """The variables that replace `command`; `fed` is the word that is echoed into it."""
    one = started(command)[0]
    for row in rows()["setting"]:
        if one.name in row["names"] and (found := _setting(row, command, fed)) is not None:
            return found
    return None


def _setting(row: Mapping[str, Any], command: Command, fed: Word | None) -> Setting | None:
    places: dict[str, Word] = {}
    said: list[Word] = []
    words = iter(command.words)
    program = started(command)[0].path
    for word in words:
        if (word.literal or "") == program:
            break
    for word in words:
        option, equals, _ = (word.literal or word.raw.decode("utf-8", "replace")).partition("=")
        if not option.startswith("-"):
            said.append(word)
        elif option in row.get("unless", ()) or (equals and option in row.get("takes", ())):
            return None
        elif option in row.get("takes", ()):
            value = next(words, None)
            if value is None:
                return None
            places[option] = value
    texts = [(word.literal or "").lower() for word in said]
    if len(said) != len(row["words"]) or not all(
        any(fits(text, glob) for glob in wanted.split("|"))
        for text, wanted in zip(texts, row["words"], strict=True)
    ):
        return None
    places |= {str(index): word for index, word in enumerate(said)}
    if fed is not None:
        places["stdin"] = fed
    spelled: dict[str, str] = {}
    if "key" in row:
        key = places[str(row["key"])].literal if str(row["key"]) in places else None
        if not key:
            return None
        kind, _, rest = key.partition(".")
        spelled = {"key": _spelled(key, row.get("spelling", "upper")), "kind": kind, "rest": rest}
    sets = {
        _filled(name, spelled): _template(value, spelled) for name, value in row["sets"].items()
    }
    needed = {place for value in sets.values() for place in _places(value)}
    if not needed <= places.keys() or not all(_is_name(name) for name in sets):
        return None
    reads, whole = tuple(row["reads"]), frozenset(row.get("whole", ()))
    return Setting(sets, places, reads, whole)


def read_by(path: str) -> tuple[str, ...]:
    """Who reads a file of credentials of this name, as patterns for `starts`; empty if unknown."""
    base = path.rpartition("/")[2].lower()
    for row in rows()["kept"]:
        if any(fits(path if "/" in glob else base, glob) for glob in row["globs"]):
            return tuple(row["reads"])
    return ()


def starts(one: Started, patterns: Iterable[str]) -> bool:
    """Whether a program is among `patterns`: a glob for it, words that follow in order, and with
    `!` one that must not be there."""
    for pattern in patterns:
        program, *wanted = pattern.split()
        if one.name is not None and fits(one.name, program):
            rest = iter(one.words)
            if all(
                not any(_any(word, glob[1:]) for word in one.words)
                if glob.startswith("!")
                else any(_any(word, glob) for word in rest)
                for glob in wanted
            ):
                return True
    return False


def opens(one: Started) -> bool:
    """Whether a program may start any other, which is not seen."""
    if one.name is None or table().tool(one.name) is None:
        return True
    return any(fits(one.name, glob) for glob in rows()["openers"]["names"])


def _any(word: str, globs: str) -> bool:
    return any(fits(word, glob) for glob in globs.split("|"))


def _spelled(key: str, how: str) -> str:
    if how == "bundler":
        host = re.sub(r"(?i)^https?://([^/]*).*$", r"\1", key)
        return host.replace("-", "___").replace(".", "__").upper()
    text = key.partition(".")[2] if how == "rest" else key.removeprefix("default.")
    return re.sub(r"[-.]", "_", text).upper()


def _filled(text: str, spelled: Mapping[str, str]) -> str:
    return re.sub(r"\{(key|kind|rest)\}", lambda place: spelled.get(place[1], ""), text)


def _template(value: Any, spelled: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _filled(value, spelled)
    return {_filled(name, spelled): _template(one, spelled) for name, one in value.items()}


def _places(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from re.findall(r"\{([\w-]+)\}", value)
    else:
        for one in value.values():
            yield from _places(one)


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) is not None
