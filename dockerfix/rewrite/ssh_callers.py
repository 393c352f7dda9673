"""What the callers of a Dockerfile say so that its build gets an ssh agent: `--ssh` in their kind
of file, instead of a build argument or a file of the context (T25).

Knows build calls, not how any file writes them.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from dockerfix.builders.link import working_folder
from dockerfix.finding import Refusal
from dockerfix.rewrite.callers import Callers, turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.builders.call import BuildCall
    from dockerfix.context import Context
    from dockerfix.edits import Operation

AGENT = "default"


def for_argument(context: Context, name: str, forms: set[str]) -> Callers:
    """Each call gives the key's file, or an agent, instead of the argument `name`. `forms` is what
    RUNs made of its value: a file that holds it in another form is no key."""
    found = turn(context, name, name, give=False, drop=True)
    found.operations.clear()
    form = next(iter(forms), "plain") if len(forms) < 2 else "other"
    for call in context.calls:
        _take(found, _turned(context, call, name, form))
    for call in context.documents:
        result = _turned(context, call, name, form)
        if call.passes(name) and not isinstance(result, Refusal):
            found.operations.extend(result)
    return found


def _turned(
    context: Context, call: BuildCall, name: str, form: str
) -> Sequence[Operation] | Refusal:
    if call.refusal is not None:
        return call.refusal
    args = call.passes(name)
    agent = call.has_agent(context.workspace.read(call.path))
    if not args:
        if call.through or any(
            other.through == call.path and other.passes(name) for other in context.calls
        ):
            return ()  # the compose file, and a command that reads it, are one build
        if agent or AGENT in _ids(call):
            return call.add_ssh(AGENT)
        return Refusal(
            "this build gives no key, and no ssh agent is in sight",
            call.path,
            call.span,
            "give it `--ssh default`",
        )
    operations: list[Operation] = []
    for arg in args[:-1]:
        dropped = call.drop(arg)
        if isinstance(dropped, Refusal):
            return dropped
        operations += dropped
    result = call.take_ssh(args[-1], form)
    if isinstance(result, Refusal) and agent:
        dropped, added = call.drop(args[-1]), call.add_ssh(AGENT)
        if isinstance(dropped, Refusal) or isinstance(added, Refusal):
            return dropped if isinstance(dropped, Refusal) else added
        result = [*dropped, *added]
    return result if isinstance(result, Refusal) else [*operations, *result]


def for_file(context: Context, path: str) -> Callers:
    """Each call gives the key in the file at `path` (from the root)."""
    found = Callers(linked=tuple(context.calls))
    for call in context.calls:
        folder = working_folder(call, context.path)
        if call.refusal is not None:
            found.holds.append(call.refusal)
        elif AGENT in _ids(call) or call.through:
            continue
        elif folder is None:
            found.holds.append(
                Refusal(
                    "in which folder this build runs is not known",
                    call.path,
                    call.span,
                    "give it `--ssh default=FILE` by hand",
                )
            )
        else:
            _take(found, call.add_ssh(f"{AGENT}={posixpath.relpath(path, folder or '.')}"))
    return found


def _ids(call: BuildCall) -> set[str]:
    return {one.partition("=")[0] for one in call.ssh}


def _take(found: Callers, result: Sequence[Operation] | Refusal) -> None:
    if isinstance(result, Refusal):
        found.holds.append(result)
    else:
        found.operations.extend(result)
