"""What the mounts of a Dockerfile ask for, held against what its builds give.

Only calls count that are tied to the Dockerfile by its path, and whose flags are all known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.model.predefined import is_control
from dockerfix.model.secrets import classify
from dockerfix.rewrite.frontend import official
from dockerfix.rewrite.mounts import alike, has_variable, secret_mounts, shows
from dockerfix.shell.words import is_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.builders.call import BuildCall, SecretFlag
    from dockerfix.context import Context
    from dockerfix.model.stages import Stage
    from dockerfix.rewrite.mounts import Given
    from dockerfix.syntax.nodes import Run


def known(context: Context) -> tuple[BuildCall, ...]:
    """The calls of which everything is known that they give."""
    return tuple(
        call
        for call in context.calls
        if call.linked_by in ("flag", "context")
        and not (call.unresolved or call.refusal or call.forward or call.part)
        and all(one.id for one in call.secrets)
    )


def needed(context: Context, target: str | None) -> frozenset[int]:
    """The stages that a build of `target` runs: its chain, and what is copied from others."""
    stages = context.model.stages
    if not stages or target == "?":
        return frozenset()
    waiting: list[Stage] = [stages[-1]]
    if target:
        waiting = [one for one in stages if target.lower() in (one.name, str(one.index))]
    found: set[int] = set()
    while waiting:
        stage = waiting.pop()
        if stage.index not in found:
            found.add(stage.index)
            waiting += [*stage.sources, *([stage.parent] if stage.parent is not None else [])]
    return frozenset(found)


def runs_in(context: Context, given: Given, call: BuildCall) -> bool:
    stage = context.model.stage_of(given.run)
    return stage is not None and stage.index in needed(context, call.target)


def gives(call: BuildCall, given: Given) -> bool:
    """Whether the call gives the secret, or something that another pass takes for it."""
    if any(one.id == given.id or alike(one.id, given.id) for one in call.secrets):
        return True
    names = {given.id, given.env or given.id}
    return any(arg.name in names or alike(arg.name, given.id) for arg in call.args)


def optional(context: Context, given: Given) -> bool:
    """Whether the RUN is written to work without the secret."""
    if given.env is not None:
        return context.reader.reading(given.run, given.env).optional
    text = given.run.body.text + b"".join(one.text for one in given.run.heredoc_bodies)
    tests = (b"[ -", b"[[ -", b"test -", b"|| true", b"|| :", b"2>/dev/null", b"|| echo", b"if ")
    return any(one in text for one in tests)


def unasked(context: Context) -> Iterator[tuple[BuildCall, SecretFlag]]:
    """Secrets that a call gives and that no mount of the Dockerfiles it builds can ask for."""
    for call in known(context):
        if not all(_plain(context, path) for path in call.dockerfiles):
            continue
        asked = _asked(context, call)
        for flag in call.secrets:
            if flag.fault is not None or is_control(flag.id):
                continue
            if not any(flag.id == id or alike(flag.id, id) for id in asked):
                yield call, flag


def asked_elsewhere(context: Context, call: BuildCall, flag: SecretFlag) -> bool:
    """Whether another build has this very flag (in a variable of flags), and asks for the secret."""
    return any(
        flag.id in _asked(context, other)
        for other in context.all_calls
        if other.path == call.path and any(one.span == flag.span for one in other.secrets)
    )


def _asked(context: Context, call: BuildCall) -> frozenset[str]:
    """The ids that the Dockerfiles of a call mount."""
    return frozenset(
        one.id
        for path in call.dockerfiles
        for one in secret_mounts(context if path == context.path else context.sibling(path))
    )


def _plain(context: Context, path: str) -> bool:
    """Whether every id that the Dockerfile may ask for can be read in it."""
    here = context if path == context.path else context.sibling(path)
    if not official(here.dockerfile) or here.dockerfile.errors:
        return False
    if any(stage.onbuild for stage in here.model.stages):
        return False
    return not any(
        mount.type == "secret" and "$" in (mount.flag.value or "")
        for run in here.runs
        for mount in run.mounts
    )


def unnamed(call: BuildCall, data: bytes) -> frozenset[str]:
    """The secrets among the arguments of a call that the Dockerfile `data` does not even name."""
    names = {
        one.name for one in call.args if one.name.encode("utf-8", "surrogateescape") not in data
    }
    return frozenset(name for name in names if classify(name).secret)


def readers(context: Context, flag: SecretFlag) -> tuple[str, tuple[Run, ...]]:
    """A variable of the secret that RUNs plainly read and get from nowhere, and these RUNs."""
    variable = flag.source.removeprefix("env:") if flag.source.startswith("env:") else ""
    for name in dict.fromkeys((variable, flag.id)):
        if not is_name(name) or not name:
            continue
        found = []
        for run in context.runs:
            if name in context.model.environment(run) or has_variable(run, name):
                continue
            reading = context.reader.reading(run, name)
            plain = [one for one in reading.uses if not (one.assigned_before or one.operator)]
            if shows(context, run, name):
                continue
            if reading.reading.how == "explicit" and plain and not reading.optional:
                found.append(run)
        if found:
            return name, tuple(found)
    return "", ()
