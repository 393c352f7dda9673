"""Commands that hand their flags on to a build: `./build.sh --build-arg X=$X`, `npm run image -- ...`,
and calls of a function that builds with `"$@"`.

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
    from dockerfix.shell.nodes import Function
    from dockerfix.source import Span

ALL = ('"$@"', "$@", '"${@}"', "${@}", "$*", '"$*"')
"""The words that stand for all arguments of a script."""


class Forward(NamedTuple):
    """`path` is the script as the shell has it, or empty for a script `name` of package.json, or the
    function `name` of the same file, whose `body` (host bytes) then holds the build."""

    path: str
    name: str = ""
    body: Span | None = None


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
    function = forward.body is not None
    if not function and not build_args and not any(flag.name == "secret" for flag in given):
        return None
    cwds = sorted({state.cwd for state in reading.command.states}, key=str)
    situations = tuple(Situation(cwd, UNKNOWN, None, None) for cwd in cwds)
    if function:
        situations = reading.situations(given, _context(reading, forward, positionals), unresolved)
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
        situations,
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
    for function in reading.script.functions:
        if function.name == program and _builds(reading, function):
            body = reading.script.projection.host_span(function.body)
            return Forward("", program, body), at
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
    plain = "/" in program and "." not in program.rpartition("/")[2]
    return (Forward(program), at) if plain or program.endswith((".sh", ".bash")) else None


def _builds(reading: Reading, function: Function) -> bool:
    """Whether it hands all that it is given to a build."""
    return any(
        function.body.contains(command.span)
        and any(word.raw.decode("latin-1") in ALL for word in command.words[2:])
        and any(reading.tables.client(word.literal or "") for word in command.words[:-2])
        for command in reading.script.commands
    )


def _context(
    reading: Reading, forward: Forward, positionals: Sequence[Argument]
) -> Sequence[Argument]:
    """What may be the context: a function may take words of its own from the front."""
    body = forward.body
    host = reading.script.projection.host_span
    shifts = any(
        one.name == "shift" and body is not None and body.contains(host(one.span))
        for one in reading.script.commands
    )
    return positionals[-1:] if not shifts or len(positionals) > 1 else ()


def _literal(argument: Argument) -> str:
    text = argument.literal
    return "" if text is None else text.decode("utf-8", "surrogateescape")


def links(
    calls: Iterable[BuildCall], under: Callable[[BuildCall, str], str | None]
) -> list[BuildCall]:
    """`calls`, those that hand on flags tied to what the build they reach is tied to.

    `under` gives a path of a call as one of the root.
    """
    calls = [*calls]
    tied = [call if call.forward is None else _tied(call, calls, under) for call in calls]
    return [_as_part(call, tied) if call.forward is None else call for call in tied]


def _as_part(call: BuildCall, calls: Sequence[BuildCall]) -> BuildCall:
    """A build in a function, of which the calls of the function say the rest."""
    own = [word for word in call.unresolved if word in ALL]
    users = [one for one in calls if own and _inside(call, one)]
    if not users:
        return call
    others = sorted({path for one in users for path in one.dockerfiles})
    known = bool(call.dockerfiles) or not others
    return replace(
        call,
        part=True,
        unresolved=tuple(word for word in call.unresolved if word not in ALL),
        dockerfiles=call.dockerfiles if known else tuple(others),
        linked_by=call.linked_by if known else users[0].linked_by,
    )


def _inside(call: BuildCall, user: BuildCall) -> bool:
    body = user.forward.body if user.forward is not None else None
    return body is not None and call.path == user.path and body.contains(call.span)


def _tied(
    call: BuildCall,
    calls: Sequence[BuildCall],
    under: Callable[[BuildCall, str], str | None],
) -> BuildCall:
    assert call.forward is not None
    forward = call.forward
    if forward.body is not None:
        return _by_function(
            call, [one for one in calls if one.forward is None and _inside(one, call)]
        )
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
    return _reaching(replace(call, dockerfiles=tuple(found), linked_by="name"), one)


def _by_function(call: BuildCall, builds: Sequence[BuildCall]) -> BuildCall:
    """A call of a function: what the function says of the Dockerfile, or else the call itself."""
    inner = [one for one in builds if any(word in ALL for word in one.unresolved)]
    if not inner:
        return replace(call, dockerfiles=(), linked_by="unresolved")
    known = [one for one in inner if one.linked_by in ("flag", "context")]
    if known:
        found = sorted({path for one in known for path in one.dockerfiles})
        call = replace(call, dockerfiles=tuple(found), linked_by=known[0].linked_by)
    for one in reversed(inner):
        call = _reaching(call, one)
    return call


def _reaching(call: BuildCall, one: BuildCall) -> BuildCall:
    refusal = call.refusal or one.refusal
    line = getattr(one.dialect, "line", None)
    sudo = line.wrapper("sudo") if line is not None else None
    kept = sudo is None or any(_literal(one) in ("-E", "--preserve-env") for one in sudo.arguments)
    if refusal is None and not kept:
        from dockerfix.finding import Refusal

        refusal = Refusal(
            "the build that gets these flags is started by sudo, which drops the environment",
            call.path,
            call.span,
            "Give `sudo --preserve-env=NAME` there, and change this command by hand.",
        )
    return replace(
        call,
        target=one.target if call.target is None else call.target,
        buildkit=one.buildkit,
        evidence=one.evidence,
        refusal=refusal,
    )


__all__ = ["Forward", "forwarding", "links"]
