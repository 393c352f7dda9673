"""What a docker-like client is told by one shell command: tool, flags, context, build args.

`read_command_line` turns a `shell.Command` into a `CommandLine`, or None if it starts no
build. It knows the clients (`clients.toml`); how the shell hands words over is the business
of `arguments`, how anything is rewritten that of `shell_edits`. Spans are offsets in
`script.projection.text`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from dockerfix.builders.arguments import Argument, Foreign, Leaf
from dockerfix.shell import values
from dockerfix.shell.nodes import FOREIGN, Part
from dockerfix.source import Span

if TYPE_CHECKING:
    from dockerfix.builders.forwarding import Forward
    from dockerfix.shell import Command, Nested, Script, State

ForeignOf = Callable[["Script", Span], bytes | None]


class Wrapper(NamedTuple):
    """A word such as `sudo` before the client, with its own arguments."""

    name: str
    argument: Argument
    arguments: tuple[Argument, ...]


class Given(NamedTuple):
    """A flag: `name` in its long form without dashes (`build-arg`), and its value.

    `flag` is the argument that holds the name; `value` the one that holds the value, the same
    one for `--flag=value` (then `joined`, and the value starts behind `value_start` bytes of
    the argument's literal text).
    """

    name: str
    flag: Argument
    value: Argument | None
    joined: bool
    value_start: int

    def whole(self, value: Argument) -> Argument:
        """`value` as an argument that shows the flag too."""
        start, end = self.flag.span.start, value.span.end
        return replace(value, span=Span(start, end)) if start < end else value


@dataclass(frozen=True, slots=True)
class GivenArg:
    """`--build-arg NAME[=VALUE]`. `leaves` are the value's parts, None for the bare form;
    `literal` its value if it is written out; `variable` the one variable that it is exactly."""

    name: str
    given: Given
    leaves: tuple[Leaf, ...] | None
    literal: bytes | None = None
    variable: str | None = None

    @property
    def script(self) -> Script:
        return self.given.flag.script


class Situation(NamedTuple):
    """One way in which the command runs (call sites of a function, rounds of a loop).

    `context`, `file`, `target` are None where not given, `UNKNOWN` where not resolved; `cwd`
    is None where not known. All may start with a mark of `shell.values`."""

    cwd: str | None
    context: str | None
    file: str | None
    target: str | None


UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A build that a command starts.

    `kind`: build; bake; compose (what it builds, and with which secrets, its file says); other (a
    builder that cannot take secrets). `nested` are the `sh -c` words that it stands in, outermost
    first; wrappers of those commands are not in `wrappers`. `forward`: a script starts the build
    with these flags. `client` is the first argument of the client itself, `subcommand` the last
    word of what says build, `before` what stands between those two. `environment` holds names
    that `env X=1` or a prefix sets for it.
    """

    kind: Literal["build", "compose", "bake", "other"]
    tool: str
    script: Script
    command: Command
    client: Argument
    subcommand: Argument
    wrappers: tuple[Wrapper, ...] = ()
    environment: tuple[str, ...] = ()
    given: tuple[Given, ...] = ()
    build_args: tuple[GivenArg, ...] = ()
    positionals: tuple[Argument, ...] = ()
    situations: tuple[Situation, ...] = ()
    unresolved: tuple[Argument, ...] = ()
    buildkit: Literal["yes", "no", "unknown"] = "unknown"
    evidence: str = ""
    refusal: tuple[str, str, Span] | None = None
    nested: tuple[Nested, ...] = ()
    forward: Forward | None = None
    before: tuple[Argument, ...] = ()

    def wrapper(self, name: str) -> Wrapper | None:
        return next((found for found in self.wrappers if found.name == name), None)

    def flags(self, name: str) -> tuple[Given, ...]:
        return tuple(given for given in self.given if given.name == name)


_BUILDS = (b"build", b"bud", b"compose", b"bake", b"executor", b"kaniko", b"--secret")
_CLIENTS = (
    b"docker", b"podman", b"buildah", b"buildx", b"nerdctl", b"kaniko", b"executor", b"buildctl",
    b"build-arg", b"build_arg", b"build-push", b"--secret",
)  # fmt: skip
_SHORT = re.compile(rb"\b(?:az|depot|finch|img|lima)\b")


def mentions_build(text: bytes) -> bool:
    """Whether raw text can hold a build command at all (cheap; no false negatives but for
    names put together from pieces): a word that says build, and a client or a flag of one."""
    if not any(word in text for word in _BUILDS):
        return False
    low = text.lower()
    return any(word in low for word in _CLIENTS) or _SHORT.search(low) is not None


def read_command_line(
    script: Script, command: Command, *, foreign: Foreign | None = None
) -> CommandLine | None:
    """What `command` tells a build client, or None if it starts no build.

    `foreign` resolves the host's own substitutions (runs of `FOREIGN` bytes) by text span.
    """
    if not command.words:
        return None
    from dockerfix.builders.client_words import Reading

    return Reading(script, command, foreign).read()


def builds(
    script: Script, *, foreign: ForeignOf | None = None, nested: tuple[Nested, ...] = ()
) -> Iterable[CommandLine]:
    """Every build that `script` starts, also in the `sh -c` strings of it.

    `foreign` is asked with the script that holds the span (a nested one maps it to the host).
    """
    for command in script.commands:
        resolver = None if foreign is None else partial(foreign, script)
        line = read_command_line(script, command, foreign=resolver)
        if line is None:
            continue
        if line.kind in ("compose", "bake") and not (
            line.build_args or line.flags("secret") or line.flags("ssh")
        ):
            # What such a build passes stands in the file that it reads.
            continue
        yield replace(line, nested=nested, refusal=line.refusal or _outer_refusal(script, nested))
    for inner in script.nested:
        yield from builds(inner.script, foreign=foreign, nested=(*nested, inner))


def _outer_refusal(script: Script, nested: tuple[Nested, ...]) -> tuple[str, str, Span] | None:
    """Why a build in an `sh -c` string cannot take a secret: what the outer command does."""
    from dockerfix.builders.client_words import Reading

    for outer in nested:
        if outer.script is None or not outer.command.words:
            continue
        found = Reading(script, outer.command, None).outer()
        if found is not None:
            return found[0], found[1], Span(0, len(script.text))
    return None


def split_value(flag: Given, state: State, foreign: Foreign | None) -> GivenArg | None:
    """NAME and VALUE of a `--build-arg`, or None if the name cannot be told."""
    argument = flag.value
    if argument is None:
        return None
    skip = flag.value_start
    at = argument.via.at if argument.via is not None else state
    name = bytearray()
    rest: list[Leaf] | None = None
    for leaf in argument.leaves:
        if rest is not None:
            rest.append(leaf)
            continue
        part = leaf.part
        literal = part.literal
        if literal is None:
            literal = values.one(values.resolve(argument.script.text, [part], at, foreign=foreign))
            if literal is None or b"=" in literal:
                return None
        if skip:
            cut = min(skip, len(literal))
            skip -= cut
            literal = literal[cut:]
            consumed = cut
        else:
            consumed = 0
        before, equals, after = literal.partition(b"=")
        name += before
        if equals:
            rest = []
            if after:
                rest.append(_remainder(leaf, consumed + len(before) + 1))
    decoded = bytes(name).decode("utf-8", "surrogateescape")
    if argument.where == "string":
        # Quotes inside a string reach the client; whoever wrote them meant the name.
        decoded = decoded.strip("\"'")
    if not decoded or any(byte in b" \t\n" for byte in name):
        return None
    if rest is None:
        return GivenArg(decoded, flag, None)
    literals = [leaf.part.literal for leaf in rest]
    literal = None if None in literals else b"".join(p for p in literals if p is not None)
    if literal is not None and FOREIGN in literal:
        literal = None
    return GivenArg(decoded, flag, tuple(rest), literal, _one_variable(rest))


def _remainder(leaf: Leaf, cut: int) -> Leaf:
    """The leaf without the first `cut` bytes of its value."""
    part = leaf.part
    if part.kind == "text":
        span = Span(part.span.start + cut, part.span.end)
        return Leaf(Part("text", span, part.value[cut:]), leaf.quoted)
    return Leaf(Part(part.kind, part.span, part.value[cut:]), leaf.quoted)


def _one_variable(leaves: Sequence[Leaf]) -> str | None:
    uses = [leaf.part.use for leaf in leaves if leaf.part.kind != "escape" or leaf.part.value]
    if len(uses) != 1 or uses[0] is None:
        return None
    use = uses[0]
    if use.subscript or (use.operator and not (use.operator in (":-", "-") and not use.word)):
        return None
    return use.name if use.name[:1].isalpha() or use.name[:1] == "_" else None


def same_place(one: GivenArg, two: GivenArg) -> bool:
    """Whether two are one flag of an array that the command expands twice."""
    places = [
        (given.given.value.via, given.given.value.span) for given in (one, two) if given.given.value
    ]
    return len(places) == 2 and places[0] == places[1]


__all__ = [
    "UNKNOWN",
    "Argument",
    "CommandLine",
    "Foreign",
    "Given",
    "GivenArg",
    "Leaf",
    "Situation",
    "Wrapper",
    "builds",
    "mentions_build",
    "read_command_line",
]
