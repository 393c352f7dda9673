"""The conditions S1 to S8 under which a fix claims to be safe, each with its evidence.

`safe` is a claim about behaviour: every linked call, given the same values, gives every
RUN the same variables and every image the same content except the secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dockerfix.edits import Safety
from dockerfix.model import windows
from dockerfix.rewrite.frontend import official

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockerfix.builders.call import BuildCall
    from dockerfix.rewrite.callers import Callers
    from dockerfix.rewrite.plan import Plan


MANY = 3


class Condition(NamedTuple):
    """One of S1 to S8: whether it `holds`, and what shows it (one sentence, no final stop)."""

    id: str
    holds: bool
    evidence: str


def conditions(
    plan: Plan, callers: Callers, selects_content: bool, given: bool
) -> tuple[Condition, ...]:
    """All that can be said about a plan that mounts its secret. `given`: the value stood in the
    Dockerfile, and every linked call is now given the secret."""
    return (
        *_always_given(plan, callers, given),
        _nothing_unseen(plan, callers),
        _live(plan),
        _not_in_final_image(plan),
        *_in_the_shell(plan),
        Condition(
            "S5",
            not selects_content,
            f"{plan.name} selects content, and a changed secret does not re-run a cached step"
            if selects_content
            else f"{plan.name} does not select content",
        ),
        _buildkit(callers),
        Condition(
            "S7",
            not plan.frontend.unsafe,
            plan.frontend.unsafe or "the `# syntax` line leaves every instruction as it is",
        ),
        _same_value(callers),
    )


def verdict(found: tuple[Condition, ...]) -> Safety:
    return Safety.SAFE if all(one.holds for one in found) else Safety.UNSAFE


def required(plan: Plan, callers: Callers) -> bool:
    """Whether the mount says `required`: by configuration, or so that an unseen caller fails."""
    configured = plan.context.config.secrets.get(plan.name)
    if configured is not None and configured.required is not None:
        return bool(configured.required)
    if plan.context.config.required is not None:
        return plan.context.config.required
    return not callers.linked and not plan.optional and not plan.placeholder


def _always_given(plan: Plan, callers: Callers, given: bool) -> Iterator[Condition]:
    tells = next((one for one in plan.mounted if one.reading.tells_unset), None)
    if not callers.linked:
        if plan.optional:
            yield Condition("S1", False, f"no caller is known, and {plan.name} looks optional")
        elif tells is not None:
            yield Condition("S1", False, _tells(plan, tells.run.start_line))
        else:
            yield Condition("S1", True, "no caller is known: the mount is required")
        return
    silent = [
        call for call in callers.silent if plan.id not in {secret.id for secret in call.secrets}
    ]
    if silent and not given:
        yield Condition("S1", False, _silent(plan, silent))
    maybe = any(not arg.always_set for call in callers.passing for arg in call.passes(plan.name))
    if maybe and tells is not None:
        yield Condition("S1", False, _tells(plan, tells.run.start_line))
    elif given or not silent:
        yield Condition("S1", True, f"every linked call passes {plan.name}")


def _silent(plan: Plan, calls: Sequence[BuildCall]) -> str:
    """Which builds do not pass it, the first few by their places."""
    places = [f"{one.path}:{plan.context.line(one.path, one.span.start)}" for one in calls]
    places = list(dict.fromkeys(places))
    then = f"without {plan.name}: it was unset there and becomes empty"
    if len(places) == 1:
        return f"{places[0]} builds {then}"
    *first, last = places if len(places) <= MANY else (*places[:2], f"{len(places) - 2} more")
    return f"{', '.join(first)} and {last} build {then}"


def _tells(plan: Plan, line: int) -> str:
    return f"line {line} tells an unset {plan.name} from an empty one"


def _nothing_unseen(plan: Plan, callers: Callers) -> Condition:
    if callers.holds:
        return Condition("S2", False, callers.holds[0].reason)
    for doubt in callers.doubts:
        if doubt.condition == "S2":
            return Condition("S2", False, doubt.says)
    return Condition("S2", True, f"nothing else in the tree passes {plan.name}")


def _live(plan: Plan) -> Condition:
    model = plan.context.model
    for one in plan.removed:
        beyond = model.beyond(one)
        if beyond:
            name = beyond[0].label
            return Condition("S3", False, f"other build arguments may build {name} on top of it")
    return Condition("S3", True, "each mount stands where the removed binding was the live one")


def _in_the_shell(plan: Plan) -> Iterator[Condition]:
    """Values that BuildKit put together and the shell of a RUN does from now on."""
    for one in plan.composed:
        yield Condition("S3", False, f"the shell puts {one.name} together instead of BuildKit")
    if plan.placeholder:
        yield Condition("S3", False, f"the placeholder of {plan.name} stays, in the shell")
    for mounted in plan.mounted:
        shell = windows.shell(plan.context.model, mounted.run)
        if shell and plan.context.config.form != "env":
            line = mounted.run.start_line
            says = f"{shell} runs line {line}, and Docker on Windows builds without BuildKit"
            yield Condition("S6", False, says)
            break
    if plan.form == "file" and not official(plan.context.dockerfile):
        yield Condition("S6", False, "it is not known that this frontend has secret mounts")


def _not_in_final_image(plan: Plan) -> Condition:
    kept = plan.in_final_image
    if kept is None:
        return Condition("S4", True, f"no image that can be run holds {plan.name} in its ENV")
    line = plan.context.dockerfile.source.line(kept.pair.span.start)
    return Condition(
        "S4",
        False,
        f"ENV {kept.name} on line {line} is in an image that can be run: its containers lose it",
    )


def _buildkit(callers: Callers) -> Condition:
    for doubt in callers.doubts:
        if doubt.condition == "S6":
            return Condition("S6", False, doubt.says)
    return Condition("S6", True, "every linked build runs on BuildKit")


def _same_value(callers: Callers) -> Condition:
    for doubt in callers.doubts:
        if doubt.condition == "S8":
            return Condition("S8", False, doubt.says)
    for literal in callers.literals:
        return Condition("S8", True, literal.message)
    return Condition("S8", True, "each caller hands over exactly the value that it passed")
