"""What the callers of a Dockerfile need so that a secret reaches it, and what holds a fix back.

Knows build calls, not how any file writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockerfix.builders.link import unlinked_with
from dockerfix.builders.mentions import mentions
from dockerfix.finding import Place, Refusal

if TYPE_CHECKING:
    from dockerfix.builders.call import BuildCall
    from dockerfix.context import Context
    from dockerfix.edits import Operation


@dataclass(slots=True)
class Callers:
    """The calls that build one Dockerfile, turned for one secret.

    `passing` pass the variable as a build argument today. `holds` keep the whole fix back,
    `doubts` make it unsafe. `partners` are other Dockerfiles that a shared call builds, which
    must agree. `not_changed` is prose that names the build argument.
    """

    linked: tuple[BuildCall, ...] = ()
    passing: tuple[BuildCall, ...] = ()
    operations: list[Operation] = field(default_factory=list)
    holds: list[Refusal] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    partners: set[str] = field(default_factory=set)
    not_changed: list[Place] = field(default_factory=list)
    literals: list[Place] = field(default_factory=list)

    @property
    def silent(self) -> tuple[BuildCall, ...]:
        """Linked calls that do not pass the variable."""
        return tuple(call for call in self.linked if call not in self.passing)


def turn(context: Context, name: str, id: str, *, give: bool, drop: bool) -> Callers:
    """Turn every call that passes `name`.

    With `give`, calls that passed nothing are given the secret too (the old value stood in
    the Dockerfile). With `drop`, the argument goes without a secret: no RUN reads it.
    """
    found = Callers(linked=tuple(context.calls))
    found.passing = tuple(call for call in context.calls if call.passes(name))
    configured = context.config.secrets.get(name)
    source = configured.source if configured is not None else None
    for call in context.calls:
        where = f"{call.path}:{context.line(call.path, call.span.start)}"
        if call.refusal is not None and not drop:
            found.holds.append(call.refusal)
            continue
        if call.buildkit == "unknown":
            found.doubts.append(f"{where}: it is not known that {call.tool} is BuildKit here")
        if call.unresolved:
            words = ", ".join(call.unresolved)
            found.doubts.append(f"{where}: {words} may hold further flags")
        if call in found.passing:
            _turn_one(context, found, call, name, id, source, drop)
        elif give:
            _take(found, call.add_secret(id, source))
    if not context.allow_partial:
        found.holds.extend(_unseen(context, name))
    _mentioned(context, found, name)
    return found


def _turn_one(
    context: Context,
    found: Callers,
    call: BuildCall,
    name: str,
    id: str,
    source: str | None,
    drop: bool,
) -> None:
    where = f"{call.path}:{context.line(call.path, call.span.start)}"
    found.partners.update(path for path in call.dockerfiles if path != context.path)
    if call.linked_by == "name":
        found.doubts.append(f"{where}: tied to {context.path} by the argument's name alone")
    for index, arg in enumerate(call.passes(name)):
        last = index == len(call.passes(name)) - 1
        # Of one argument given twice the last wins (rule 5.5): the others are dead.
        _take(found, call.take_secret(arg, id, source) if last and not drop else call.drop(arg))
        if arg.doubt and not drop:
            found.doubts.append(f"{where}: {arg.doubt}")
        if arg.value.value == "literal" and not drop:
            message = f"the value of {name} is written out here: rotate it"
            found.literals.append(Place(call.path, arg.span, message))


def _take(found: Callers, result: object) -> None:
    if isinstance(result, Refusal):
        found.holds.append(result)
    else:
        found.operations.extend(result)  # type: ignore[arg-type]


def _unseen(context: Context, name: str) -> list[Refusal]:
    holds = []
    for call in unlinked_with(name, context.all_calls):
        holds.append(
            Refusal(
                f"a build that passes {name} cannot be tied to a Dockerfile",
                call.path,
                call.span,
                "name the Dockerfile with -f, or migrate that build by hand and use --allow-partial",
            )
        )
    return holds


def _mentioned(context: Context, found: Callers, name: str) -> None:
    for mention in mentions(name, context.workspace, context.all_calls):
        if mention.kind == "prose":
            found.not_changed.append(Place(mention.path, mention.span, mention.why))
        elif not context.allow_partial:
            found.holds.append(
                Refusal(
                    f"{mention.why}, which dockerfix does not rewrite",
                    mention.path,
                    mention.span,
                    f"give {name} as a secret there by hand, then run again with --allow-partial",
                )
            )
