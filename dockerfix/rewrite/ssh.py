"""An ssh key that moves out of a Dockerfile: from a build argument to the client's agent.

Fully understood, or not at all: `forwarding` is None where the argument stays an ordinary
secret, which `secret-in-arg` then mounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.builders.shell_ssh import agent_evident
from dockerfix.finding import Refusal
from dockerfix.rewrite import forms
from dockerfix.rewrite.callers import Callers, turn
from dockerfix.rewrite.candidates import Candidate, Origin, arguments
from dockerfix.rewrite.key_handling import Handling, Unclear, handling, take_out
from dockerfix.rewrite.plan import other_readers, remove
from dockerfix.rewrite.values import values
from dockerfix.syntax import make, verbs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.model import Binding
    from dockerfix.syntax.nodes import Run

KEYS = frozenset({"key", "private-key", "ssh-key"})


@dataclass(frozen=True, slots=True)
class Forwarding:
    """`operations` on every file, the RUNs that get the agent, and what callers outside must say."""

    candidate: Candidate
    operations: tuple[Operation, ...]
    users: tuple[Run, ...]
    callers: Callers
    outside: str


def forwarding(context: Context, candidate: Candidate) -> Forwarding | None:
    """The fix for a key in ARG, None where one of its steps is not certain."""
    if candidate.verdict.kind not in KEYS or candidate.origin is not Origin.CALLER:
        return None
    removed = values(context, candidate.roots).removed
    if forms.frontend_too_old(context):
        return None
    if any(one.name != candidate.name for one in removed) or any(other_readers(context, removed)):
        return None
    runs = _reach(context, removed)
    try:
        found = handling(context, candidate.name, runs)
        if not found.files and not found.gone:
            return None
        changed = [one for run in found.runs.values() for one in _changes(context, run, found)]
    except Unclear:
        return None
    if not found.users or any(run.span.start in _gone(changed) for run in found.users):
        return None
    callers = callers_of(context, candidate.name)
    if callers.holds or callers.partners:
        return None
    order = (removed[0].pair.span.start,)
    operations = [remove(context, one, order) for one in removed]
    operations += changed
    operations += [mount(context, run, order, required=not context.calls) for run in found.users]
    operations += callers.operations
    outside = "" if context.calls else "--ssh default"
    return Forwarding(candidate, tuple(operations), tuple(found.users), callers, outside)


def forwarded(context: Context, name: str) -> bool:
    """Whether an agent takes the place of the key in `name`."""
    found = (one for one in arguments(context) if one.name == name)
    return any(forwarding(context, one) is not None for one in found)


def _reach(context: Context, removed: Sequence[Binding]) -> list[Run]:
    found = {run.span.start: run for one in removed for run in context.model.reach(one)}
    return [found[start] for start in sorted(found)]


def _changes(context: Context, run: Run, found: Handling) -> list[Operation]:
    return take_out(context, run, found.gone[run.span.start], (run.span.start,))


def _gone(operations: Sequence[Operation]) -> set[int]:
    return {one.at.start for one in operations if one.verb == "remove"}


def callers_of(context: Context, name: str) -> Callers:
    """Each call gives the key's file, or an agent, instead of the argument (T25)."""
    found = turn(context, name, name, give=False, drop=True)
    found.operations.clear()
    for call in context.calls:
        if call.refusal is not None:
            found.holds.append(call.refusal)
            continue
        args = call.passes(name)
        agent = agent_evident(context.workspace.read(call.path))
        if not args and not agent:
            found.holds.append(
                Refusal(
                    "this build gives no key, and no ssh agent is in sight",
                    call.path,
                    call.span,
                    "give it `--ssh default`",
                )
            )
        for index, arg in enumerate(args):
            last = index == len(args) - 1
            result = call.take_ssh(arg) if last else call.drop(arg)
            if isinstance(result, Refusal) and agent and last:
                dropped, added = call.drop(arg), call.add_ssh("default")
                if isinstance(dropped, Refusal) or isinstance(added, Refusal):
                    result = dropped if isinstance(dropped, Refusal) else added
                else:
                    result = [*dropped, *added]
            if isinstance(result, Refusal):
                found.holds.append(result)
            else:
                found.operations.extend(result)
        if not args and agent:
            added = call.add_ssh("default")
            if isinstance(added, Refusal):
                found.holds.append(added)
            else:
                found.operations.extend(added)
    return found


def mount(context: Context, run: Run, order: tuple[int, ...], *, required: bool) -> Operation:
    """The agent's socket, open to the RUN's user (rule 3.17)."""
    uid, mode = forms.rights(context, run)
    text = make.mount(
        type="ssh", required=required or None, uid=uid, mode="0666" if mode is not None else None
    )
    return verbs.add_mount(context.dockerfile, run, text, order=order)
