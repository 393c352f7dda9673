"""What a `docker compose build` says of the files that it reads and the services that it builds.

Reads one command line; what is in the files is `compose`'s business, and how the two come
together that of `compose_command`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.arguments import resolve
from dockerfix.finding import Refusal
from dockerfix.shell import values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockerfix.builders.arguments import Argument
    from dockerfix.builders.call import BuildCall
    from dockerfix.builders.command_line import CommandLine

_FILE = ("-f", "--file")
_SEPARATOR = ":"


class Composed(NamedTuple):
    """`files` are those that `-f` or COMPOSE_FILE names, empty for the default ones, None if not
    all of them are known; `services` likewise, empty for every service. `elsewhere`: paths
    count from another folder (`--project-directory`)."""

    files: tuple[str, ...] | None = ()
    services: tuple[str, ...] | None = ()
    elsewhere: bool = False


def composed(line: CommandLine) -> Composed:
    """What a command line of the kind `compose` says."""
    files: list[str] | None = []
    elsewhere = False
    words = list(line.before)
    while words:
        word = words.pop(0)
        head, equals, joined = _text(line, word).partition("=")
        if not head:
            files = None
            break
        if head in _FILE or head == "--project-directory":
            value = joined if equals else _text(line, words.pop(0)) if words else ""
            elsewhere = elsewhere or head not in _FILE
            if head in _FILE and not value:
                files = None
                break
            if head in _FILE and files is not None:
                files.append(value)
    if files == []:
        files = _from_variable(line)
    services = [_text(line, one) for one in line.positionals]
    unknown = not all(services) or bool(line.unresolved) or bool(line.flags("with-dependencies"))
    return Composed(
        None if files is None else tuple(files), None if unknown else tuple(services), elsewhere
    )


def reading_files(line: CommandLine, calls: Iterable[BuildCall]) -> Iterator[BuildCall]:
    """The calls of such a line, refused as long as their compose file is not found."""
    names = ", ".join(dict.fromkeys(given.name for given in line.build_args))
    for call in calls:
        refusal = call.refusal or Refusal(
            "compose has no flag for a build secret: it takes secrets from its file alone, and "
            "which file that is cannot be told",
            call.path,
            call.span,
            f"Export {names} here, give it under build.secrets of the compose file with a "
            "top-level `secrets:` entry that has `environment:`, and remove the flag.",
        )
        said = composed(line) if call.refusal is None else None
        yield replace(call, context=None, refusal=refusal, composed=said)


def _text(line: CommandLine, argument: Argument) -> str:
    """The argument's text, empty if it is not known."""
    found = values.one(resolve(argument, line.command.state, None, defaults=True))
    return "" if found is None else found.decode("utf-8", "surrogateescape")


def _from_variable(line: CommandLine) -> list[str] | None:
    """The files of COMPOSE_FILE, as far as the script sets it."""
    for assignment in line.command.prefix:
        if assignment.kind == "prefix" and assignment.name == "COMPOSE_FILE":
            literal = assignment.value.literal_bytes if assignment.value is not None else None
            return None if literal is None else split(literal.decode("utf-8", "replace"))
    variable = line.command.state.variable("COMPOSE_FILE")
    if variable.assigned == "no":
        return []
    found = values.one(variable.values)
    return None if found is None else split(found.decode("utf-8", "replace"))


def split(text: str) -> list[str]:
    """The files that a value of COMPOSE_FILE names."""
    return [one for one in text.split(_SEPARATOR) if one]
