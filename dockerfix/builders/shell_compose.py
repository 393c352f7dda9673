"""A `docker compose build --build-arg` in shell: the flag goes, its value stays in the environment.

Compose takes its secrets from its file alone. What the file names, the client's environment must
hold with the value that the flag gave; knows nothing of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.builders.shell_edits import Piece, Text
from dockerfix.finding import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.builders.call import BuildArg, BuildCall
    from dockerfix.builders.command_line import GivenArg
    from dockerfix.builders.shell_dialect import ShellDialect
    from dockerfix.edits import Operation


def into_environment(
    dialect: ShellDialect,
    call: BuildCall,
    arg: BuildArg,
    given: GivenArg,
    variable: str,
    source: str | None,
) -> Sequence[Operation] | Refusal:
    """Take the flag away, and have `variable` hold its value for this command."""
    dropped = dialect.drop(call, arg)
    if isinstance(dropped, Refusal):
        return dropped
    site, order = dialect._site(), arg.span.start
    if source is not None and not source.startswith("command:"):
        return dropped
    text: Text
    if source is not None:
        text = (Piece(b'"$(' + source[8:].encode("utf-8", "surrogateescape") + b')"'),)
    else:
        plan = dialect._stray(given) or dialect._several_places(given) or dialect._plan(given, None)
        if isinstance(plan, Refusal):
            return plan
        if plan.variable == variable and plan.set_to is None:
            kept = dialect._keeping(variable, order)
            return kept if isinstance(kept, Refusal) else [*dropped, *kept]
        read = (Piece(f'"${plan.variable}"'.encode("utf-8", "surrogateescape")),)
        written = dialect._value(given) if given.variable is not None else None
        text = plan.set_to or written or read
        clash = dialect._conflict(plan, given)
        if clash is not None:
            return clash
    command = dialect.line.command
    taken = {one.name for one in command.prefix} | set(dialect.line.environment)
    if variable in taken or any(one.variable(variable).readonly for one in command.states):
        return dialect._refusal(
            f"{variable} has another value here, and the compose file takes the secret from it",
            command.span,
            f"Give the value to {variable} by hand.",
        )
    kept = dialect._keeping(variable, order)
    if isinstance(kept, Refusal):
        return kept
    return [*dropped, site.set_variable(variable, text, order), *kept]
