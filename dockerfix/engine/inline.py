"""Dockerfiles that stand inside another file (`dockerfile_inline`): what leaks there is told.

Passes read them as any other Dockerfile. Nothing edits them: every finding says what to do first.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.context import Context
from dockerfix.edits import Safety
from dockerfix.finding import Finding, Place, Refusal, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockerfix.builders.call import BuildCall, Inline
    from dockerfix.engine.snapshot import Snapshot

ARGUMENT = "secret-in-arg"
_CONDITION = re.compile(r"S[1-8]: ")


def covered(snapshot: Snapshot, paths: Iterable[str]) -> tuple[BuildCall, ...]:
    """The calls with such a Dockerfile in the files and folders that `paths` name."""
    chosen = [one for one in paths if snapshot.workspace.is_folder(one) or snapshot.claims(one)]
    if not chosen:
        # A Dockerfile alone: who builds it is asked only where it leaks.
        return ()
    return tuple(
        call
        for call in snapshot.calls
        if call.inline is not None
        and any(not one or call.path == one or call.path.startswith(f"{one}/") for one in chosen)
    )


def names(snapshot: Snapshot, paths: Iterable[str]) -> tuple[str, ...]:
    """What each such Dockerfile is called."""
    found = covered(snapshot, paths)
    return tuple(dict.fromkeys(_name(one, one.inline) for one in found if one.inline is not None))


def context(snapshot: Snapshot, call: BuildCall, inline: Inline) -> Context | None:
    """The Dockerfile as passes get it; None if it is none."""
    import dockerfix
    from dockerfix.engine.snapshot import Trees
    from dockerfix.model import build

    tree = dockerfix.parse(inline.text.text, _name(call, inline))
    if tree.errors or not tree.stages:
        return None
    return Context(
        path=_name(call, inline),
        dockerfile=tree,
        model=build(tree, frozenset({call.target})),
        calls=(),
        all_calls=(),
        dockerfiles=Trees((), snapshot.dockerfile),
        workspace=snapshot.workspace,
        config=snapshot.config(call.path),
    )


def findings(
    call: BuildCall, inline: Inline, found: Iterable[Finding], known: Context | None
) -> Iterator[Finding]:
    """What passes said of it, as said of the file that holds it; then what that file puts in."""
    from dockerfix.suppress import suppressions

    silent = suppressions(known.dockerfile) if known is not None else None
    for one in found:
        if silent is None or silent.covers(one.name, one.variable, one.span.start) is None:
            yield _placed(call, inline, one)
    yield from _put(call, inline)


def _placed(call: BuildCall, inline: Inline, one: Finding) -> Finding:
    name = _name(call, inline)
    span = inline.text.host_span(one.span)
    said = [text for text in one.reason.split("; ") if not _CONDITION.match(text)]
    refusal = Refusal(
        f"the Dockerfile stands inside {call.path}, where dockerfix does not edit it",
        call.path,
        span,
        f"put it into a file of its own (`{inline.label}.Dockerfile`"
        f"{', with one `$` for each `$$`' if call.kind == 'compose' else ''}), name that under "
        "`dockerfile`, and run dockerfix again",
    )
    return replace(
        one,
        path=call.path,
        span=span,
        fix=None,
        safety=Safety.MANUAL,
        reason="; ".join(said),
        help=refusal.help,
        refusals=(refusal,) if one.severity is not Severity.INFO else (),
        related=tuple(
            Place(call.path, inline.text.host_span(place.span), place.message)
            for place in one.related
            if place.path == name
        ),
        not_changed=(),
        outside_flag="",
    )


def _put(call: BuildCall, inline: Inline) -> Iterator[Finding]:
    """Values of secrets that compose itself writes into the Dockerfile."""
    from dockerfix.model.secrets import classify

    told = set()
    for name, span in inline.put:
        verdict = classify(name)
        if not verdict.secret or name in told:
            continue
        told.add(name)
        yield Finding(
            call.path,
            span,
            ARGUMENT,
            name,
            Severity.WARNING,
            Safety.MANUAL,
            f"${name} is put into the Dockerfile of {inline.label}: its text, `docker history` and "
            "provenance hold the value",
            "; ".join(verdict.evidence),
            f"mount it instead: `RUN --mount=type=secret,id={name},env={name}` that reads "
            f"`$${name}`, {name} under build.secrets, and a top-level secret with "
            f"`environment: {name}`",
        )


def _name(call: BuildCall, inline: Inline) -> str:
    return f"{call.path}#{inline.label}"
