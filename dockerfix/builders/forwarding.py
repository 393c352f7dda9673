"""Commands that hand their flags on to a build: `./build.sh --build-arg X=$X`, `npm run image -- ...`.

`forwarding` reads the command, `Forward` says where the flags go, and `links` finds the build there.
How flags are written is the shell's business, as for a build itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dockerfix.builders.arguments import Argument
    from dockerfix.builders.call import BuildCall
    from dockerfix.builders.client_words import Reading
    from dockerfix.builders.command_line import CommandLine

ALL = ('"$@"', "$@", '"${@}"', "${@}", "$*", '"$*"')
"""The words that stand for all arguments of a script."""


class Forward(NamedTuple):
    """`path` is the script as the shell has it, or empty for a script `name` of package.json."""

    path: str
    name: str = ""


def forwarding(reading: Reading, arguments: Sequence[Argument]) -> CommandLine | None:
    """The build that a script starts with the flags of this command, if it gives some that are
    a build's."""
    from dockerfix.builders.command_line import UNKNOWN, CommandLine, Situation

    at = _program(reading, arguments)
    if at is None:
        return None
    found = _forward(reading, arguments, at)
    if found is None:
        return None
    forward, last = found
    given, positionals, unresolved = reading.flags(arguments[last + 1 :])
    build_args = reading.build_args(given, unresolved)
    if not build_args and not any(flag.name == "secret" for flag in given):
        return None
    cwds = {state.cwd for state in reading.command.states}
    return CommandLine(
        "build",
        f"{forward.name or forward.path} (which starts a build)",
        reading.script,
        reading.command,
        arguments[at],
        arguments[last],
        tuple(reading.wrappers),
        tuple(reading.environment),
        tuple(given),
        tuple(build_args),
        tuple(positionals),
        tuple(Situation(cwd, UNKNOWN, None, None) for cwd in sorted(cwds, key=str)),
        tuple(unresolved),
        refusal=reading.refusal,
        forward=forward,
    )


def _program(reading: Reading, arguments: Sequence[Argument]) -> int | None:
    """Where the program behind the wrappers stands, whatever it is."""
    reading.wrappers.clear()
    reading.refusal = None
    at = 0
    while at < len(arguments):
        kind = reading.tables.wrappers.get(_literal(arguments[at]).rpartition("/")[2])
        if kind is None:
            return at
        if kind.elsewhere:
            return None
        at = reading.one_wrapper(kind, arguments, at)
    return None


def _forward(
    reading: Reading, arguments: Sequence[Argument], at: int
) -> tuple[Forward, int] | None:
    """Where the flags go, and the index of the last word before them."""
    words = [_literal(argument) for argument in arguments[at : at + 4]]
    program = words[0]
    runner = reading.tables.runners.get(program.rpartition("/")[2]) if program else None
    if runner is not None:
        rest = words[1:]
        if rest and rest[0] in runner.words:
            rest = rest[1:]
        elif runner.needs_word:
            return None
        if not rest or not rest[0] or rest[0].startswith("-"):
            return None
        last = at + len(words) - len(rest)
        if runner.separator and last + 1 < len(arguments):
            if _literal(arguments[last + 1]) != "--":
                return None
            last += 1
        return Forward("", rest[0]), last
    if program in ("sh", "bash", "dash", "zsh") and len(words) > 1 and words[1][:1] != "-":
        return (Forward(words[1]), at + 1) if words[1].endswith((".sh", ".bash")) else None
    return (Forward(program), at) if program.endswith((".sh", ".bash")) else None


def _literal(argument: Argument) -> str:
    text = argument.literal
    return "" if text is None else text.decode("utf-8", "surrogateescape")


def links(
    calls: Iterable[BuildCall], under: Callable[[BuildCall, str], str | None]
) -> list[BuildCall]:
    """`calls`, those that hand on flags tied to what the build they reach is tied to.

    `under` gives a path of a call as one of the root.
    """
    calls = list(calls)
    return [call if call.forward is None else _tied(call, calls, under) for call in calls]


def _tied(
    call: BuildCall,
    calls: Sequence[BuildCall],
    under: Callable[[BuildCall, str], str | None],
) -> BuildCall:
    assert call.forward is not None
    forward = call.forward
    path = under(call, forward.path or "package.json")
    reached = [
        one
        for one in calls
        if one.path == path
        and one.forward is None
        and (one.label == forward.name if forward.name else any(w in ALL for w in one.unresolved))
    ]
    found = sorted({dockerfile for one in reached for dockerfile in one.dockerfiles})
    if len(reached) != 1 or not found:
        return replace(call, dockerfiles=(), linked_by="unresolved")
    (one,) = reached
    return replace(
        call,
        dockerfiles=tuple(found),
        linked_by="name",
        target=one.target,
        buildkit=one.buildkit,
        evidence=one.evidence,
        refusal=call.refusal or one.refusal,
    )


__all__ = ["Forward", "forwarding", "links"]
