"""Reading the arguments of one command: wrappers, client, subcommand, flags.

Internal to `command_line`, which holds what comes out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from dockerfix.builders import buildctl_flags
from dockerfix.builders.arguments import Argument, Foreign, expand, leaves_of, resolve
from dockerfix.builders.bake_flags import as_set
from dockerfix.builders.clients import Client, Tables, WrapperKind, tables
from dockerfix.builders.command_line import (
    UNKNOWN,
    CommandLine,
    Given,
    GivenArg,
    Situation,
    Wrapper,
    same_place,
    split_value,
)
from dockerfix.builders.forwarding import forwarding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockerfix.shell import Command, Script, State, Word
    from dockerfix.source import Span

_SHELLS = frozenset(["sh", "bash", "dash", "ash", "zsh", "ksh", "eval"])
_FALSE = frozenset({b"0", b"f", b"F", b"false", b"FALSE", b"False"})


class Reading:
    """One command, read once."""

    def __init__(self, script: Script, command: Command, foreign: Foreign | None) -> None:
        self.script = script
        self.command = command
        self.foreign = foreign
        self.tables: Tables = tables()
        self.wrappers: list[Wrapper] = []
        self.environment: list[str] = [a.name for a in command.prefix if a.kind == "prefix"]
        self.cleared = False
        self.refusal: tuple[str, str, Span] | None = None

    def read(self) -> CommandLine | None:
        arguments = expand(self.script, self.command.words, self.command.state, self.foreign)
        arguments = self._optional_wrapper(arguments)
        at = self._past_wrappers(arguments)
        if at is None:
            return forwarding(self, arguments)
        return self._client(arguments, at)

    def outer(self) -> tuple[str, str] | None:
        """Of a command that runs a shell: why its environment does not reach the build."""
        for word in self.command.words:
            name = (word.literal or "").rpartition("/")[2]
            kind = self.tables.wrappers.get(name)
            if name in _SHELLS:
                return None
            if kind is not None and kind.elsewhere:
                help = "Give the secret where the build runs, and change this call by hand."
                return kind.elsewhere, help
            if kind is not None and name == "env":
                literals = [w.literal for w in self.command.words]
                if "-i" in literals or "-" in literals:
                    return (
                        "env -i clears the environment that the secret would come from",
                        "Pass the variable through env by hand.",
                    )
            if self.tables.client(name) is not None:
                return (
                    "the build runs in another container, which does not get this environment",
                    "Give the variable to that container and change this call by hand.",
                )
        return None

    # -- wrappers -------------------------------------------------------------

    def _optional_wrapper(self, arguments: list[Argument]) -> list[Argument]:
        """`$SUDO docker build` where SUDO is empty or `sudo`: the word where it is assigned."""
        if not arguments or arguments[0].literal is not None or arguments[0].where != "direct":
            return arguments
        leaves = arguments[0].leaves
        use = leaves[0].part.use if len(leaves) == 1 else None
        if use is None or use.operator not in ("", ":-", "-"):
            return arguments
        found: list[Argument] = []
        for contribution in self.command.state.variable(use.name).contributions:
            held = contribution.assignment.value
            literal = held.literal_bytes if held is not None else None
            if held is None or literal is None or len(literal.split()) > 1:
                return arguments
            if literal:
                found.append(
                    replace(
                        arguments[0],
                        span=held.span,
                        leaves=tuple(leaves_of(held.parts)),
                        where="string",
                        literal=literal,
                        conditional=True,
                        unresolved=False,
                        via=contribution,
                        word=held,
                    )
                )
        names = {_base(argument) for argument in found}
        if len(names) == 1 and (names <= set(self.tables.wrappers) or self._program(found[0])):
            return [found[0], *arguments[1:]]
        return arguments

    def _past_wrappers(self, arguments: Sequence[Argument]) -> int | None:
        at = 0
        while at < len(arguments):
            argument = arguments[at]
            name = _base(argument)
            if self._program(argument) is not None:
                elsewhere = self._runs_elsewhere(arguments, at)
                if elsewhere is None:
                    return at
                at = elsewhere
                continue
            if argument.unresolved or name is None:
                return self._unknown_wrapper(arguments, at)
            kind = self.tables.wrappers.get(name)
            if kind is None:
                return self._unknown_wrapper(arguments, at)
            if kind.elsewhere:
                found = self._find_client(arguments, at + 1)
                if found is not None:
                    self._refuse(
                        kind.elsewhere,
                        "Give the secret where the build runs, and change this call by hand.",
                        argument.span if argument.where == "direct" else self.command.span,
                    )
                    self.wrappers.append(Wrapper(name, argument, ()))
                return found
            at = self.one_wrapper(kind, arguments, at)
        return None

    def one_wrapper(self, kind: WrapperKind, arguments: Sequence[Argument], at: int) -> int:
        start = at
        at += 1
        left = kind.operands
        while at < len(arguments):
            literal = arguments[at].literal
            text = literal.decode("utf-8", "surrogateescape") if literal is not None else ""
            if text == "--":
                at += 1
                break
            if text.startswith("-") and len(text) > 1:
                name = text.lstrip("-")
                if kind.name == "env" and (name in ("i", "ignore-environment") or text == "-"):
                    self.cleared = True
                takes = name.partition("=")[0] in kind.values and "=" not in text
                if kind.name == "env" and name in ("u", "unset") and at + 1 < len(arguments):
                    self.environment.append("-" + _text(arguments[at + 1]))
                at += 2 if takes else 1
            elif kind.assigns and _assignment_name(arguments[at]):
                self.environment.append(_assignment_name(arguments[at]))
                at += 1
            elif (kind.numbers and text[:1].isdigit()) or text in kind.words:
                at += 1
            elif left:
                left -= 1
                at += 1
            else:
                break
        self.wrappers.append(Wrapper(kind.name, arguments[start], tuple(arguments[start + 1 : at])))
        return at

    def _unknown_wrapper(self, arguments: Sequence[Argument], at: int) -> int | None:
        """A word that is not known and stands before a build command: a function, or anything."""
        found = self._find_client(arguments, at + 1)
        if found is None:
            return None
        name = _base(arguments[at]) or _text(arguments[at])
        function = next((f for f in self.script.functions if f.name == name), None)
        if function is not None:
            runs = any(
                word.raw in (b'"$@"', b"$@", b'"${@}"', b"${@}", b"$*")
                for command in self.script.commands
                if function.body.contains(command.span)
                for word in command.words[:4]
                if command.name not in self.tables.texts
            )
            if not runs:
                return None
            self.wrappers.append(Wrapper(name, arguments[at], tuple(arguments[at + 1 : found])))
            return found
        if name in self.tables.texts or arguments[at].literal == b"":
            return None
        self._refuse(
            f"it is not known what `{name}` does with the build command behind it",
            "Call the client directly, or change this call by hand.",
            arguments[at].span if arguments[at].where == "direct" else self.command.span,
        )
        self.wrappers.append(Wrapper(name, arguments[at], tuple(arguments[at + 1 : found])))
        return found

    def _runs_elsewhere(self, arguments: Sequence[Argument], at: int) -> int | None:
        """`docker exec C docker build`, `docker run ... docker build`, `docker compose exec`."""
        head = [_text(argument) for argument in arguments[at + 1 : at + 4]]
        if not any(word in ("exec", "run") for word in head[:2]):
            return None
        found = self._find_client(arguments, at + 2)
        if found is None:
            return None
        self._refuse(
            "the build runs in another container, which does not get this environment",
            "Give the variable to that container and change this call by hand.",
            arguments[at].span,
        )
        self.wrappers.append(
            Wrapper("docker exec", arguments[at], tuple(arguments[at + 1 : found]))
        )
        return found

    def _find_client(self, arguments: Sequence[Argument], at: int) -> int | None:
        for index in range(at, len(arguments)):
            client = self._program(arguments[index])
            if client is not None and self._subcommand(client, arguments, index) is not None:
                return index
        return None

    def _program(self, argument: Argument) -> Client | None:
        name = _base(argument)
        return self.tables.client(name) if name else None

    # -- the client -----------------------------------------------------------

    def _subcommand(
        self, client: Client, arguments: Sequence[Argument], at: int
    ) -> tuple[Literal["build", "compose", "bake", "other"], int, tuple[str, ...]] | None:
        """What the client is to do, and the index of the last word that says so."""
        rest: list[tuple[int, str]] = []
        index = at + 1
        while index < len(arguments) and len(rest) < 3:
            text = _text(arguments[index])
            composing = tuple(word for _, word in rest) in {said[:-1] for said in client.compose}
            if composing and not text:
                # `docker compose $FILES build`
                index += 1
                continue
            if text.startswith("-") and len(text) > 1:
                name = text.lstrip("-")
                takes = name in client.global_values or (
                    composing and name in self.tables.compose_values
                )
                index += 2 if "=" not in text and takes else 1
                continue
            rest.append((index, text))
            index += 1
        kinds: tuple[tuple[Literal["build", "compose", "bake"], tuple[tuple[str, ...], ...]], ...]
        kinds = (("compose", client.compose), ("bake", client.bake), ("build", client.commands))
        for kind, commands in kinds:
            for said in commands:
                if tuple(text for _, text in rest[: len(said)]) == said:
                    last = rest[len(said) - 1][0] if said else at
                    return ("other" if kind == "build" and client.refusal else kind), last, said
        return None

    def _client(self, arguments: Sequence[Argument], at: int) -> CommandLine | None:
        client = self._program(arguments[at])
        if client is None:
            return None
        found = self._subcommand(client, arguments, at)
        if found is None:
            return None
        kind, last, said = found
        starts = kind == "compose" and said[-1] in ("up", "run", "create")
        if starts and not any(_text(a) == "--build" for a in arguments[last + 1 :]):
            return None
        given, positionals, unresolved = self.flags(arguments[last + 1 :])
        if kind == "bake":
            given, positionals = [*map(as_set, given)], []
        ctl = client.name == "buildctl"
        given = [*map(buildctl_flags.as_docker, given)] if ctl else given
        build_args = self.build_args(given, unresolved)
        buildkit, evidence = self._buildkit(client, said, given)
        line = CommandLine(
            kind,
            " ".join((client.name, *said)).strip(),
            self.script,
            self.command,
            arguments[at],
            arguments[last],
            tuple(self.wrappers),
            tuple(self.environment),
            tuple(given),
            tuple(build_args),
            tuple(positionals),
            buildctl_flags.situations(given, self.command.states, self._values)
            if ctl
            else self.situations(given, positionals, unresolved),
            tuple(unresolved),
            buildkit,
            evidence,
            self.refusal,
            before=tuple(arguments[at + 1 : last]),
        )
        return replace(line, refusal=self.refusal or self._refusal(line, client))

    def build_args(self, given: Iterable[Given], unresolved: list[Argument]) -> list[GivenArg]:
        """Every `--build-arg`, once a place; those whose name cannot be told are `unresolved`."""
        found: list[GivenArg] = []
        for flag in given:
            if flag.name not in ("build-arg", "build-arg-file") or flag.value is None:
                continue
            one = flag.name == "build-arg"
            taken = split_value(flag, self.command.state, self.foreign) if one else None
            if taken is None:
                unresolved.append(flag.whole(flag.value))
            elif not any(same_place(taken, other) for other in found):
                found.append(taken)
        return found

    def flags(
        self, arguments: Sequence[Argument]
    ) -> tuple[list[Given], list[Argument], list[Argument]]:
        given: list[Given] = []
        positionals: list[Argument] = []
        unresolved: list[Argument] = []
        at = 0
        while at < len(arguments):
            argument = arguments[at]
            at += 1
            head = _head(argument)
            if argument.unresolved:
                unresolved.append(argument)
            elif head == "--":
                positionals += arguments[at:]
                break
            elif head.startswith("--"):
                name, equals, _ = head[2:].partition("=")
                long = self.tables.long.get(name, name)
                if equals:
                    given.append(Given(long, argument, argument, True, len(name) + 3))
                elif name in self.tables.takes_value and at < len(arguments):
                    given.append(Given(long, argument, arguments[at], False, 0))
                    at += 1
                else:
                    given.append(Given(long, argument, None, False, 0))
            elif head.startswith("-") and len(head) > 1:
                at += self._short(argument, head[1:], arguments[at : at + 1], given)
            else:
                positionals.append(argument)
        return given, positionals, unresolved

    def _short(
        self, argument: Argument, letters: str, following: Sequence[Argument], given: list[Given]
    ) -> int:
        for index, letter in enumerate(letters):
            long = self.tables.long.get(letter, letter)
            if letter not in self.tables.takes_value:
                given.append(Given(long, argument, None, False, 0))
                continue
            text = _head(argument)
            skip = index + 2 + (text[index + 2 : index + 3] == "=")
            if len(text) > index + 2 or len(argument.leaves) > 1:
                given.append(Given(long, argument, argument, True, skip))
                return 0
            given.append(Given(long, argument, following[0] if following else None, False, 0))
            return 1
        return 0

    def situations(
        self,
        given: Iterable[Given],
        positionals: Sequence[Argument],
        unresolved: Sequence[Argument],
    ) -> tuple[Situation, ...]:
        given = list(given)
        found: list[Situation] = []
        last = {flag.name: flag for flag in given}
        for state in self.command.states:
            file = self._values(last.get("file"), state)
            target = self._values(last.get("target"), state)
            context: set[str | None] = {None}
            if positionals:
                known = resolve(positionals[0], state, self.foreign, defaults=True)
                context = {UNKNOWN} if known is None else {_decode(value) for value in known}
            elif unresolved:
                context = {UNKNOWN}
            cwds: Iterable[str | None] = [None] if state.cwds is None else sorted(state.cwds)
            for cwd in cwds:
                for one_context in sorted(context, key=str):
                    for one_file in sorted(file, key=str):
                        for one_target in sorted(target, key=str):
                            situation = Situation(cwd, one_context, one_file, one_target)
                            if situation not in found:
                                found.append(situation)
        return tuple(found)

    def _values(self, flag: Given | None, state: State) -> set[str | None]:
        if flag is None:
            return {None}
        if flag.value is None:
            return {UNKNOWN}
        known = resolve(flag.value, state, self.foreign, defaults=True)
        if known is None:
            return {UNKNOWN}
        return {_decode(value)[flag.value_start :] for value in known}

    def _buildkit(
        self, client: Client, said: tuple[str, ...], given: Sequence[Given]
    ) -> tuple[Literal["yes", "no", "unknown"], str]:
        if client.name != "docker" or said[:1] == ("buildx",):
            evidence = client.evidence or f"{' '.join((client.name, *said))} is BuildKit"
            return client.buildkit, evidence
        if any(flag.name == "squash" for flag in given):
            return "no", "--squash exists only in the classic builder"
        own = [a for a in self.command.prefix if a.kind == "prefix" and a.name == "DOCKER_BUILDKIT"]
        for assignment in own:
            if assignment.value is not None and assignment.value.literal_bytes in _FALSE:
                return "no", "DOCKER_BUILDKIT=0 asks for the classic builder"
            if assignment.value is not None and _computed(assignment.value):
                return "unknown", "DOCKER_BUILDKIT is set to a value that is not known here"
            return "yes", "DOCKER_BUILDKIT=1"
        for wrapper in self.wrappers:
            for argument in wrapper.arguments:
                name, _, value = _text(argument).partition("=")
                if name == "DOCKER_BUILDKIT":
                    if value.encode() in _FALSE:
                        return "no", "DOCKER_BUILDKIT=0 asks for the classic builder"
                    return "yes", "DOCKER_BUILDKIT=1"
        for state in self.command.states:
            variable = state.variable("DOCKER_BUILDKIT")
            if variable.values is not None and variable.assigned != "no":
                if variable.values & _FALSE:
                    return "no", "DOCKER_BUILDKIT=0 asks for the classic builder"
                if variable.attribute == "yes":
                    return "yes", "DOCKER_BUILDKIT=1"
        return "yes", "docker build is BuildKit since Engine 23; nothing here speaks against it"

    def _refusal(self, line: CommandLine, client: Client) -> tuple[str, str, Span] | None:
        span = line.command.span
        if client.refusal:
            return client.refusal, client.help, span
        if line.buildkit == "no":
            return (
                f"{line.evidence}, which has no secrets",
                "Remove that setting, so that BuildKit builds, and run dockerfix again.",
                span,
            )
        if self.cleared:
            return (
                "env -i clears the environment that the secret would come from",
                "Pass the variable through env by hand.",
                span,
            )
        return None

    def _refuse(self, reason: str, help: str, span: Span) -> None:
        if self.refusal is None:
            self.refusal = (reason, help, span)


def _head(argument: Argument) -> str:
    """The literal text that the argument starts with, as far as it goes."""
    if argument.literal is not None:
        return _decode(argument.literal)
    found = b""
    for leaf in argument.leaves:
        literal = leaf.part.literal
        if literal is None:
            break
        found += literal
    return _decode(found)


def _base(argument: Argument) -> str | None:
    if argument.literal is None or argument.unresolved:
        return None
    return _decode(argument.literal).rpartition("/")[2]


def _text(argument: Argument) -> str:
    return "" if argument.literal is None else _decode(argument.literal)


def _assignment_name(argument: Argument) -> str:
    name, equals, _ = _head(argument).partition("=")
    return name if equals and name.isidentifier() else ""


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _computed(value: Word) -> bool:
    """Whether DOCKER_BUILDKIT gets a value that may ask for the classic builder. `${X:-1}` says
    what it is where nobody set it, as a plain call does."""
    return value.literal_bytes is None and re.search(rb"-[\"']?1[\"']?\}", value.raw) is None
