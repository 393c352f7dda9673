"""Where a tool expands a reference to a variable by itself: the rows of references.toml.

It matches files and commands by name. What the reference replaces, and who then needs the
variable, is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any

from dockerfix.model.tools import started

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockerfix.shell import Command


@dataclass(frozen=True, slots=True)
class Reference:
    """`spelling` with NAME for the variable; `readers` is a file name by which `may_read` knows
    who reads what was written. `upper`: only names in upper case are expanded."""

    spelling: str
    readers: str
    upper: bool = False

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
        if any(fnmatchcase(base, glob) for glob in row["globs"]):
            return _reference(row)
    return None


def in_command(command: Command) -> Reference | None:
    """What stands for a value among the words of a command that writes a config file."""
    one = started(command)[0]
    for row in rows()["command"]:
        if one.name in row["names"] and _in_order(one.words, row["words"]):
            return _reference(row)
    return None


def writes_words(command: Command) -> bool:
    """Whether the program writes what it is given as it is."""
    return command.name in rows()["writers"]["names"]


def setting(command: Command) -> tuple[str, int, frozenset[str]] | None:
    """The variable that replaces a config command, the index of the word that holds its value,
    and the programs that read it."""
    one = started(command)[0]
    for row in rows()["setting"]:
        if one.name not in row["names"]:
            continue
        said = [index for index, word in enumerate(command.words) if not word.raw.startswith(b"-")][
            1:
        ]
        texts = [(command.words[index].literal or "").lower() for index in said]
        if texts[1:2] == ["set"] and row["spelling"] == "bundler":
            del said[1], texts[1]
        if len(said) != len(row["words"]) or not all(
            any(fnmatchcase(text, glob) for glob in wanted.split("|"))
            for text, wanted in zip(texts, row["words"], strict=True)
        ):
            continue
        key = command.words[said[row["from"]]].literal
        name = _spelled(key, row["spelling"]) if key else None
        if name is not None:
            return row["name"].format(name), said[-1], frozenset(row["reads"])
    return None


def _spelled(key: str, how: str) -> str | None:
    if how == "upper":
        text = key.partition(".")[2].replace("-", "_").upper()
    else:
        text = key.replace("-", "___").replace(".", "__").upper()
    return text if text.replace("_", "").isalnum() and text.isascii() else None


def _reference(row: Mapping[str, Any]) -> Reference:
    return Reference(row["reference"], row["readers"], bool(row.get("upper")))


def _in_order(words: tuple[str, ...], wanted: list[str]) -> bool:
    said = [word.lower() for word in words if not word.startswith("-")]
    return len(said) >= len(wanted) and all(
        any(fnmatchcase(word, glob) for glob in one.split("|"))
        for word, one in zip(said, wanted, strict=False)
    )
