"""`--secret` flags that stand in shell text already: what they say, and how a wrong one is mended.

Besides the flag itself it knows how its variable gets to the client: one that the script assigns
and does not export, or that sudo drops, is empty there (rule 5.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.builders.call import Fault, SecretFlag
from dockerfix.builders.clients import steers
from dockerfix.builders.command_line import GivenArg, split_value
from dockerfix.builders.secret_flags import read, variable
from dockerfix.builders.shell_edits import Piece
from dockerfix.finding import Refusal
from dockerfix.shell.words import is_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockerfix.builders.arguments import Argument
    from dockerfix.builders.call import BuildCall
    from dockerfix.builders.command_line import CommandLine, Given
    from dockerfix.builders.shell_dialect import ShellDialect
    from dockerfix.edits import Operation
    from dockerfix.shell import Variable


def flags(line: CommandLine) -> Iterator[SecretFlag]:
    """The secrets that the command gives."""
    for given in line.flags("secret"):
        if given.value is not None:
            yield _read(line, given.value, given.value_start)


def _read(line: CommandLine, argument: Argument, skip: int) -> SecretFlag:
    text = _text(line, argument)[skip:]
    span = argument.script.projection.host_span(argument.span)
    found = read(text, span)
    if found.fault is None and found.source.startswith("env:"):
        return found._replace(fault=_lost(line, found.source[4:]))
    return found


def _text(line: CommandLine, argument: Argument) -> str:
    """The argument's value; a variable that the script does not assign stands as such."""
    if argument.literal is not None:
        return argument.literal.decode("utf-8", "surrogateescape")
    found = ""
    for leaf in argument.leaves:
        use = leaf.part.use
        if leaf.part.literal is not None:
            found += leaf.part.literal.decode("utf-8", "surrogateescape")
        elif use is not None and not (use.operator or use.subscript) and is_name(use.name):
            known = any(_by_script(state.variable(use.name)) for state in line.command.states)
            found += "\x01\x02" if known else variable(use.name)
        else:
            found += "\x01\x02"
    return found


def _by_script(variable: Variable) -> bool:
    """Whether the script gave the variable its value, and not the file round it (`env:` of a CI)."""
    outside = variable.attribute == "yes" and variable.values is None and not variable.contributions
    return variable.assigned != "no" and not outside


def _lost(line: CommandLine, name: str) -> Fault | None:
    """Why the client finds `name` empty, although the script has it."""
    command = line.command
    own = {one.name for one in command.prefix} | set(line.environment)
    if name in own or not command.states:
        return None
    if any(state.opaque or state.allexport for state in command.states):
        return None
    # One that the environment had before is exported still: nobody relies on that.
    held = [state.variable(name) for state in command.states]
    if all(one.assigned == "yes" and one.attribute != "yes" and not one.in_sync for one in held):
        return Fault("not-exported", f"the script sets {name} and does not export it")
    return None


def mend(dialect: ShellDialect, call: BuildCall, flag: SecretFlag) -> Sequence[Operation] | Refusal:
    """The operations that give the secret as it was meant."""
    line, fault = dialect.line, flag.fault
    given = next(
        (
            one
            for one in line.flags("secret")
            if one.value is not None
            and one.value.script.projection.host_span(one.value.span) == flag.span
        ),
        None,
    )
    if call.refusal is not None:
        return call.refusal
    if given is None or given.value is None or fault is None:
        return Refusal("this flag cannot be found again", call.path, flag.span, "mend it by hand")
    if fault.kind == "not-exported":
        return _export(dialect, call, flag)
    taken = None if fault.mended else _as_argument(line, given)
    if taken is not None:
        plan = dialect._plan(taken, None)
        if isinstance(plan, Refusal):
            return plan
        text = f"id={flag.id},env={plan.variable}".encode("utf-8", "surrogateescape")
        delivered = dialect._deliver(plan, taken, flag.span.start)
        if isinstance(delivered, Refusal):
            return delivered
        return [*dialect._replace(taken, text), *delivered]
    if not fault.mended:
        return Refusal("what is meant is not certain", call.path, flag.span, "mend it by hand")
    text = fault.mended.encode("utf-8", "surrogateescape")
    name = fault.mended.partition("env=")[2]
    keeping = dialect._keeping(name, flag.span.start) if name else ()
    if isinstance(keeping, Refusal):
        return keeping
    return [*dialect._replace(GivenArg(flag.id, given, None), text), *keeping]


def _as_argument(line: CommandLine, given: Given) -> GivenArg | None:
    """`--secret X=VALUE` read as `--build-arg X=VALUE` is."""
    found = split_value(given, line.command.state, None)
    return found if found is not None and found.leaves is not None else None


def _export(
    dialect: ShellDialect, call: BuildCall, flag: SecretFlag
) -> Sequence[Operation] | Refusal:
    name = flag.source[4:]
    if steers(name) or any(state.variable(name).readonly for state in dialect.line.command.states):
        return Refusal(
            f"{name} cannot be set for this command alone",
            call.path,
            flag.span,
            f"export {name} where the script sets it",
        )
    value = (Piece(f'"${name}"'.encode()),)
    order = flag.span.start
    keeping = dialect._keeping(name, order)
    if isinstance(keeping, Refusal):
        return keeping
    return [dialect._site().set_variable(name, value, order), *keeping]


__all__ = ["flags", "mend"]
