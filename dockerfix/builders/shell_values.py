"""Where a build arg's value is, and how it reaches the client's environment unchanged (S8).

`ValuePlanner` says for one argument: the environment holds it already, or it is set for the
command, or why neither can be done. It reads; operations are made by `shell_dialect`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.clients import steers, tables
from dockerfix.builders.command_line import CommandLine, GivenArg, read_command_line
from dockerfix.builders.held_flags import PUT_IN
from dockerfix.builders.shell_edits import Piece, Text, value_text
from dockerfix.finding import Refusal
from dockerfix.shell.nodes import FOREIGN
from dockerfix.shell.words import is_name
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.builders.arguments import Argument
    from dockerfix.builders.call import BuildArg, BuildCall, SecretFlag
    from dockerfix.edits import Operation
    from dockerfix.shell import Command, Contribution, Nested, Part, Script, Variable

NEUTRAL = "DOCKERFIX_"


class Substitution(NamedTuple):
    """What a host's own substitution is: `variable` if it is one that the client's
    environment holds under that name with that very value, `raw` its text in the host.
    `quotes`: it may bring quotes of its own, so that none are put round it."""

    raw: bytes
    variable: str | None = None
    value: bytes | None = None
    quotes: bool = False


class Host:
    """The file round the shell text. This one is a script: it substitutes nothing.

    `keeps_time`: whether `time` is the shell's own word there (bash, zsh, ksh), so that a
    variable is set behind it.
    """

    kind = "shell"
    keeps_time = False

    def substitution(self, script: Script, span: Span) -> Substitution | None:
        return None

    def known(self, script: Script, span: Span) -> bytes | None:
        found = self.substitution(script, span)
        return found.value if found is not None else None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a value reaches the client's environment: as `variable`, after `set_to` is put there
    (None: it is there already), set on the command `on` of `script`."""

    variable: str
    set_to: Text | None = None


@dataclass(frozen=True, eq=False)
class ValuePlanner:
    """The values of one build command's arguments."""

    path: str
    line: CommandLine
    host: Host = field(default_factory=Host)

    # -- secrets that are given already ---------------------------------------

    def mend_secret(self, call: BuildCall, flag: SecretFlag) -> Sequence[Operation] | Refusal:
        from dockerfix.builders.shell_secrets import mend

        return mend(self, call, flag)  # type: ignore[arg-type]

    # -- keys -----------------------------------------------------------------

    def take_ssh(self, call: BuildCall, arg: BuildArg, form: str) -> Sequence[Operation] | Refusal:
        from dockerfix.builders.shell_ssh import take_ssh

        return take_ssh(self, call, arg, form)  # type: ignore[arg-type]

    def add_ssh(self, call: BuildCall, value: str) -> Sequence[Operation] | Refusal:
        from dockerfix.builders.shell_ssh import add_ssh

        return add_ssh(self, call, value)  # type: ignore[arg-type]

    # -- where the value is ---------------------------------------------------

    def _plan(self, given: GivenArg, source: str | None) -> Plan | Refusal:
        name = given.name
        if source is not None:
            return Plan(source[4:])
        if given.leaves is None:
            if name in {a.name for a in self.line.command.prefix}:
                return Plan(name)
            return Plan(name)
        foreign = self._foreign(given)
        if foreign is not None and foreign.variable is not None:
            return Plan(foreign.variable)
        outer = self._outer(given)
        if outer is not None:
            return self._outer_plan(given, *outer)
        variable = given.variable
        if variable is not None and self._in_environment(given, variable):
            return Plan(variable)
        moved = self._moved(given)
        if moved is not None:
            return moved
        text = self._value(given)
        if text is None:
            return self._refusal(
                "the shell may expand the value's tilde, brace or host text in a way of its own",
                self._value_span(given),
                "Quote the value, so that it is the same in every shell.",
            )
        if given.given.value is not None and given.given.value.conditional:
            text = self._unless_unset(given, text)
        if text == (Piece(b'""'),) or not text:
            text = (Piece(b""),)
        return Plan(self._free_name(given), text)

    def _value(self, given: GivenArg) -> Text | None:
        script = given.script

        def foreign(span: Span) -> bytes:
            found = self.host.substitution(script, span)
            return found.raw if found is not None else b""

        leaves = given.leaves or ()
        spans = [leaf.part.span for leaf in leaves if leaf.part.kind == "foreign"]
        known = {span: self.host.substitution(script, span) for span in spans}
        usable = all(found is not None for found in known.values())
        bare = frozenset(span for span, found in known.items() if found and found.quotes)
        return value_text(script.text, leaves, foreign if usable else None, bare)

    def _unless_unset(self, given: GivenArg, text: Text) -> Text:
        """Under `set -u`, `"$X"` of a flag that was given only where X is set must not fail."""
        nounset = any(state.nounset for state in self.line.command.states)
        if given.variable is None or not nounset:
            return text
        return (Piece(f'"${{{given.variable}-}}"'.encode("utf-8", "surrogateescape")),)

    def _free_name(self, given: GivenArg) -> str:
        """The argument's own name where it can be set for the client, else a neutral one."""
        name = given.name
        command = self.line.command
        taken = {a.name for a in command.prefix} | set(self.line.environment)
        readonly = any(state.variable(name).readonly for state in command.states)
        used_by_others = any(
            leaf.part.use is not None and leaf.part.use.name == name
            for other in self.line.build_args
            if other is not given
            for leaf in other.leaves or ()
        )
        own = given.variable == name
        if not is_name(name) or readonly or name in taken or steers(name):
            return neutral(name)
        if used_by_others and not own:
            return neutral(name)
        return name

    def _settable(self, name: str) -> str:
        """`name` where it can be set for the client alone, else a neutral one."""
        taken = {a.name for a in self.line.command.prefix} | set(self.line.environment)
        return name if is_name(name) and name not in taken and not steers(name) else neutral(name)

    def _in_environment(self, given: GivenArg, variable: str) -> bool:
        """Whether the client finds exactly the value of `variable` in its environment (T29)."""
        if not is_name(variable):
            return False
        command = self.line.command
        own = {a.name for a in command.prefix if a.kind == "prefix"}
        if variable in own or variable in self.line.environment:
            return False
        if f"-{variable}" in self.line.environment:
            return False
        conditional = given.given.value is not None and given.given.value.conditional
        use = next((leaf.part.use for leaf in given.leaves or () if leaf.part.use), None)
        guarded = conditional or (use is not None and use.operator in (":-", "-"))
        for state in command.states:
            if state.nounset and not guarded and state.variable(variable).assigned != "yes":
                return False
            if not state.variable(variable).in_sync:
                return False
        return not self._changed(given, variable)

    def _variables(self, given: GivenArg, name: str) -> list[Variable]:
        value = given.given.value
        if value is not None and value.via is not None:
            return [value.via.at.variable(name)]
        return [state.variable(name) for state in self.line.command.states]

    def _changed(self, given: GivenArg, name: str) -> bool:
        """Whether a variable changed between the assignment that used it and the command."""
        value = given.given.value
        if value is None or value.via is None:
            return False
        before = value.via.at.variable(name)
        return any(state.variable(name) != before for state in self.line.command.states)

    def _several_places(self, given: GivenArg) -> Refusal | None:
        """A name that one build gets more than once, once from a variable that others may use,
        or with values that cannot all stand under one name."""
        twice = [other for other in self.line.build_args if other.name == given.name]
        values = [other.given.value for other in twice if other.given.value is not None]
        if len(twice) < 2 or all(value.via is None for value in values):
            return None
        alone = all(other.given.flag.conditional for other in twice) and all(
            other.variable is not None and self._in_environment(other, other.variable)
            for other in twice
        )
        if alone:
            return None
        return self._refusal(
            f"{given.name} gets its value at several places",
            self._value_span(given),
            "Give it once, from one variable.",
        )

    def _stray(self, given: GivenArg) -> Refusal | None:
        """A flag that stands in a variable which something that is no build uses as well."""
        value = given.given.value
        if value is None or value.via is None:
            return None
        name = value.via.assignment.name
        for command in given.script.commands:
            if command is self.line.command or command.name in tables().texts:
                continue
            used = any(use.name == name for word in command.words for use in word.uses)
            if name == "@" and not _has(command, value.via):
                continue
            if used and read_command_line(given.script, command) is None:
                return self._refusal(
                    f"`{name.removesuffix(PUT_IN)}` holds the flag and is also used where no build "
                    "is seen",
                    command.span,
                    "Use a variable of its own for the build's flags.",
                )
        return None

    def _moved(self, given: GivenArg) -> Refusal | None:
        """A value that stood in an array or string is computed at the command from now on."""
        value = given.given.value
        if value is None or value.via is None:
            return None
        for leaf in given.leaves or ():
            use = leaf.part.use
            if use is not None and self._changed(given, use.name):
                return self._refusal(
                    f"`{use.name}` is assigned again before the build starts",
                    value.span,
                    f"Export the value under a name of its own and pass that as {given.name}.",
                )
            if leaf.part.kind in ("command", "arithmetic", "process") or (
                use is not None and use.word
            ):
                same = all(state.cwds == value.via.at.cwds for state in self.line.command.states)
                if not same or value.conditional:
                    return self._refusal(
                        "the value is computed where the flag is collected",
                        value.span,
                        f"Export it as {given.name} there, and pass `{given.name}=${given.name}`.",
                    )
            if (
                leaf.part.kind in ("text", "escape")
                and value.where == "string"
                and any(byte in b"'\"" for byte in leaf.part.value)
            ):
                return self._refusal(
                    "quotes inside a string of flags reach the client as they are", value.span,
                    "Use an array, or pass the variable alone.",
                )  # fmt: skip
        return None

    # -- text that the outer shell or the host puts in ---------------------------

    def _foreign(self, given: GivenArg) -> Substitution | None:
        leaves = given.leaves or ()
        if len(leaves) != 1 or leaves[0].part.kind != "foreign":
            return None
        return self.host.substitution(given.script, leaves[0].part.span)

    def _outer(self, given: GivenArg) -> tuple[Nested, Part] | None:
        """`bash -c "... X=$X"`: the part of the outer shell that makes the value."""
        leaves = given.leaves or ()
        if not self.line.nested or len(leaves) != 1 or leaves[0].part.kind != "foreign":
            return None
        nested = self.line.nested[-1]
        part = nested.foreign.get(leaves[0].part.span)
        return None if part is None else (nested, part)

    def _outer_plan(self, given: GivenArg, nested: Nested, part: Part) -> Plan | Refusal:
        use = part.use
        plain = use is not None and not use.operator and not use.subscript and is_name(use.name)
        if use is not None and plain:
            states = nested.command.states
            kept = not self._behind_sudo(nested)
            if kept and all(s.variable(use.name).in_sync and not s.nounset for s in states):
                return Plan(use.name)
        return self._refusal(
            "the outer shell puts the value into the inner command's text",
            self.line.command.span,
            "Export the variable, and pass it to the inner shell by its environment.",
        )

    def _behind_sudo(self, nested: Nested) -> bool:
        """Whether sudo stands between the outer shell and the inner one and drops variables."""
        literals = [word.literal or "" for word in nested.command.words]
        return "sudo" in literals and not ({"-E", "--preserve-env"} & set(literals))

    def _value_span(self, given: GivenArg) -> Span:
        value = given.given.value
        return value.span if value is not None else self.line.command.span

    def _refusal(self, reason: str, span: Span, help: str = "") -> Refusal:
        return Refusal(
            reason,
            self.path,
            self.line.script.projection.host_span(span),
            help or "Change this call by hand.",
        )


def _has(command: Command, held: Contribution) -> bool:
    """Whether the parameters of the script hold the flag where `command`, which sets none, runs."""
    return command.name != "set" and any(
        one.assignment is held.assignment
        for state in command.states
        for one in state.variable("@").contributions
    )


def shown(argument: Argument, host: Host) -> str:
    """The argument as the file has it, the host's own text put in."""

    def raw(hit: re.Match[bytes]) -> bytes:
        start = argument.span.start + hit.start()
        found = host.substitution(argument.script, Span(start, start + len(hit[0])))
        return found.raw if found is not None else b"..."

    return re.sub(b"%c+" % FOREIGN, raw, argument.text).decode("utf-8", "replace")


def neutral(name: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return NEUTRAL + kept
