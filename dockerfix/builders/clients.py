"""`clients.toml` as typed tables: clients, their flags, wrappers, variables that steer a client."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from dockerfix.globs import fits


@dataclass(frozen=True, slots=True)
class Client:
    """A program that starts builds. `commands`, `bake`, `compose`: the words that say so."""

    name: str
    programs: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    bake: tuple[tuple[str, ...], ...]
    compose: tuple[tuple[str, ...], ...]
    global_values: frozenset[str]
    buildkit: Literal["yes", "no", "unknown"]
    evidence: str
    refusal: str
    help: str


@dataclass(frozen=True, slots=True)
class WrapperKind:
    """A word before a client: which of its flags take a value, how many words are its own."""

    name: str
    values: frozenset[str]
    operands: int
    assigns: bool
    numbers: bool
    words: tuple[str, ...]
    elsewhere: str


@dataclass(frozen=True, slots=True)
class Runner:
    """A program that runs scripts of package.json and hands its further words on to them."""

    words: tuple[str, ...]
    needs_word: bool = False
    separator: bool = False


@dataclass(frozen=True, slots=True)
class Tables:
    clients: tuple[Client, ...]
    wrappers: dict[str, WrapperKind]
    takes_value: frozenset[str]
    compose_values: frozenset[str]
    long: dict[str, str]
    texts: frozenset[str]
    runners: dict[str, Runner]
    steer: tuple[str, ...]

    def client(self, program: str) -> Client | None:
        return next((client for client in self.clients if program in client.programs), None)


@cache
def tables() -> Tables:
    import tomllib
    from importlib.resources import files

    raw = tomllib.loads(files(__package__).joinpath("clients.toml").read_text("utf-8"))
    return Tables(
        tuple(_client(name, entry) for name, entry in raw["client"].items()),
        {name: _wrapper(name, entry) for name, entry in raw["wrapper"].items()},
        frozenset(raw["flags"]["takes_value"]),
        frozenset(raw["flags"]["compose_values"]),
        dict(raw["flags"]["long"]),
        frozenset(raw["words"]["texts"]),
        {name: Runner(**entry) for name, entry in raw["runner"].items()},
        tuple(raw["variables"]["steer"]),
    )


def steers(name: str) -> bool:
    """Whether a client reads a variable of this name for itself (T27)."""
    return any(fits(name, pattern) for pattern in tables().steer)


def _client(name: str, entry: dict[str, Any]) -> Client:
    return Client(
        name,
        tuple(entry["programs"]),
        tuple(tuple(words) for words in entry["commands"]),
        tuple(tuple(words) for words in entry.get("bake", ())),
        tuple(tuple(words) for words in entry.get("compose", ())),
        frozenset(entry.get("global_values", ())),
        entry["buildkit"],
        entry.get("evidence", ""),
        entry.get("refusal", ""),
        entry.get("help", ""),
    )


def _wrapper(name: str, entry: dict[str, Any]) -> WrapperKind:
    return WrapperKind(
        name,
        frozenset(entry.get("values", ())),
        entry.get("operands", 0),
        entry.get("assigns", False),
        entry.get("numbers", False),
        tuple(entry.get("words", ())),
        entry.get("elsewhere", ""),
    )
