"""One secret, moved out of every Dockerfile that must change together, as one finding.

Dockerfiles hang together where one call builds several of them with the same argument:
then all of them change or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.builders.link import possible, sharing
from dockerfix.context import Context
from dockerfix.edits import Fix, Operation, Safety
from dockerfix.finding import Finding, Place, Refusal, Severity
from dockerfix.model import Binding
from dockerfix.model.run_time import reads
from dockerfix.rewrite import safety
from dockerfix.rewrite.callers import Callers, turn
from dockerfix.rewrite.candidates import Candidate, Origin
from dockerfix.rewrite.mounts import secret_mounts
from dockerfix.rewrite.plan import Plan, build_plan, place

if TYPE_CHECKING:
    from dockerfix.builders.call import BuildCall

CACHING = (
    "a changed secret no longer re-runs a cached step, and a build that ran without it may be "
    "cached: drop the cache once (`--no-cache-filter STAGE`)"
)


@dataclass(frozen=True, slots=True)
class Member:
    """One Dockerfile of a component: its plan and its callers."""

    plan: Plan
    callers: Callers
    conditions: tuple[safety.Condition, ...]
    required: bool

    @property
    def operations(self) -> tuple[Operation, ...]:
        return (*self.plan.operations(self.required), *self.callers.operations)


Roots = Callable[[Context, str], tuple[Binding, ...]]


def argument_roots(context: Context, name: str) -> tuple[Binding, ...]:
    return tuple(
        one
        for one in context.model.bindings_of(name)
        if one.kind in ("arg", "global") and one.onbuild is None
    )


def migrate(context: Context, candidate: Candidate, pass_name: str, roots: Roots) -> Finding:
    """The finding for `candidate`, with a fix where every part of it can be done."""
    members = tuple(component(context, candidate, roots))
    own = members[0]
    refusals = tuple(dict.fromkeys(one for member in members for one in refused(member, candidate)))
    failed = list(_failed(members))
    claim = Safety.UNSAFE if candidate.maybe else safety.verdict(tuple(failed))
    if candidate.origin is Origin.LITERAL and not _configured(own.plan):
        claim = Safety.UNSAFE
    residual, unseen = residue(own.plan)
    if residual == "known" or any(member.plan.cure.operations for member in members):
        claim = Safety.worst(claim, Safety.UNSAFE)
    fix = None
    if not refusals:
        fix = Fix(
            pass_name,
            claim,
            residual,
            tuple(dict.fromkeys(one for member in members for one in member.operations)),
            tuple(guard for member in members for guard in member.plan.guards),
        )
    return Finding(
        path=context.path,
        span=own.plan.removed[0].pair.span,
        name=pass_name,
        variable=candidate.name,
        severity=severity(candidate),
        safety=claim if fix is not None else Safety.MANUAL,
        message=message(own.plan, candidate),
        reason=_reason(candidate, failed, unseen),
        help=_help(own, candidate, refusals),
        residual=residual,
        related=(*_related(members), *own.callers.literals),
        refusals=refusals,
        fix=fix,
        not_changed=tuple(own.callers.not_changed),
        outside_flag=outside_flag(own),
        elsewhere=tuple(own.callers.elsewhere),
    )


def component(context: Context, candidate: Candidate, roots: Roots) -> Iterator[Member]:
    """The member for `context` first, then one for each Dockerfile that must change with it."""
    done: set[str] = set()
    waiting = [context.path]
    while waiting:
        path = waiting.pop(0)
        if path in done:
            continue
        done.add(path)
        here = context if path == context.path else context.sibling(path)
        found = roots(here, candidate.name)
        if not found:
            continue
        member = _member(here, candidate, found)
        waiting.extend(sorted(member.callers.partners))
        yield member


def _member(context: Context, candidate: Candidate, roots: tuple[Binding, ...]) -> Member:
    placeholder = candidate.origin is Origin.PLACEHOLDER
    more = possible(candidate.name, context.all_calls, context.dockerfiles, context.workspace)
    more += sharing(candidate.name, context.calls, context.all_calls)
    if more:
        context = context.built_by(more)
    plan = build_plan(context, candidate.name, roots, placeholder=placeholder)
    give = candidate.origin is Origin.LITERAL
    needed = bool(plan.mounted)
    callers = turn(
        context, candidate.name, plan.id, give=give and needed, drop=not needed, form=plan.form
    )
    if not needed:
        return Member(plan, callers, unread(plan, callers), required=False)
    found = safety.conditions(plan, callers, candidate.verdict.selects_content, give)
    return Member(plan, callers, found, give or safety.required(plan, callers))


def unread(plan: Plan, callers: Callers) -> tuple[safety.Condition, ...]:
    """What must hold so that an argument no RUN reads can go: no base image may want it (T11)."""
    found = []
    for stage in plan.context.model.stages:
        image = stage.image
        if image and image != "scratch" and stage.parent is None:
            found.append(
                safety.Condition(
                    "S3",
                    False,
                    f"no RUN reads {plan.name}, but the base image {image} may have an ONBUILD that does",
                )
            )
            break
    if callers.holds:
        found.append(safety.Condition("S2", False, callers.holds[0].reason))
    return tuple(found)


def refused(member: Member, candidate: Candidate) -> Iterable[Refusal]:
    plan = member.plan
    yield from plan.refusals
    for one in plan.mounted:
        for leak in one.reading.every_leak:
            if leak.kind == "image-content":
                yield Refusal(
                    f"line {one.run.start_line} makes the value part of the image: {leak.says}",
                    plan.path,
                    one.run.keyword_span,
                    "set it when the container starts: a mount would put the same content there",
                )
    yield from kept_for_containers(plan)
    if candidate.roots[0].kind == "env":
        yield from also_an_argument(member)
    yield from member.callers.holds
    if candidate.origin is Origin.LITERAL:
        yield from another_secret(plan)
    if candidate.origin is Origin.COMPUTED:
        yield Refusal(
            f"the default of {candidate.name} is built from other variables",
            plan.path,
            plan.removed[0].pair.span,
            "build the value inside the RUN that needs it",
        )


def also_an_argument(member: Member) -> Iterator[Refusal]:
    """One secret cannot be both what an ENV says and what callers pass for an ARG of that name."""
    plan = member.plan
    paths = {path for call in member.callers.passing for path in call.dockerfiles} | {plan.path}
    for path in sorted(paths):
        here = plan.context if path == plan.path else plan.context.sibling(path)
        for one in argument_roots(here, plan.name):
            yield Refusal(
                f"{plan.name} is an ARG too, whose value is another one",
                path,
                one.pair.span,
                f"give one of the two another name, or delete the ENV if the ARG's {plan.name} is "
                "meant there too",
            )
            return


def another_secret(plan: Plan) -> Iterator[Refusal]:
    """A mount of the same id that fills another variable: what callers give it is not the value
    that is written here."""
    for given in secret_mounts(plan.context):
        if given.id == plan.id and given.env not in (None, plan.name):
            yield Refusal(
                f"the secret {plan.id} is given already, as {given.env} on line "
                f"{given.run.start_line}",
                plan.path,
                given.span,
                f"give this one an id of its own: `[secrets.{plan.name}]` with `id = ...`",
            )
            return


def kept_for_containers(plan: Plan) -> Iterator[Refusal]:
    """What only a running container can be meant to use: no build argument can become that (T4)."""
    kept = plan.in_final_image
    if kept is not None:
        for one in reads(plan.context.model, kept, plan.context.build_context):
            yield Refusal(
                f"{one.says}, so the container needs {kept.name}",
                plan.path,
                one.instruction.keyword_span,
                f"give {kept.name} when the container starts (`docker run -e {kept.name}`), "
                "delete its ENV, and run dockerfix again",
            )
            return
    if plan.cure.operations and not plan.mounted:
        binding = plan.removed[0]
        yield Refusal(
            f"what is written with {plan.name} is used by no RUN, so the containers of the image do",
            plan.path,
            binding.pair.span,
            f"let whatever starts the container log in with {plan.name}; then delete the ARG and "
            "the line that writes it",
        )


def severity(candidate: Candidate) -> Severity:
    if candidate.maybe:
        return Severity.INFO
    return Severity.ERROR if candidate.origin is Origin.LITERAL else Severity.WARNING


def message(plan: Plan, candidate: Candidate) -> str:
    first = plan.removed[0]
    keyword = "ENV" if first.kind == "env" else "ARG"
    if candidate.maybe:
        return f"ARG {candidate.name} leaves credentials in the image, if its value holds any"
    if plan.in_final_image is not None:
        return f"{keyword} {candidate.name} puts a secret into the image's config: every container and `docker history` show it"
    if any(one.stage is not None and one.stage.in_final_chain for one in plan.removed):
        return f"{keyword} {candidate.name} leaves a secret in the image: `docker history` and provenance show it"
    return f"{keyword} {candidate.name} leaves a secret in the build's log and provenance"


def residue(plan: Plan) -> tuple[str, str]:
    """(`none` | `known` | `unknown`, where or what was not seen into)."""
    for one in plan.mounted:
        kept = next(
            (
                leak
                for leak in one.reading.every_leak
                if leak.stays and not plan.cure.ends(one.run, leak)
            ),
            None,
        )
        if kept is not None:
            return "known", f"line {one.run.start_line} keeps it in the layer: {kept.says}"
    for one in plan.mounted:
        if one.reading.reading.opaque:
            line, why = one.run.start_line, one.reading.reading.why
            why = why if one.reading.reading.how == "opaque" else "it runs other programs too"
            return "unknown", f"what line {line} does with it was not seen into ({why})"
    return "none", ""


def outside_flag(member: Member) -> str:
    """What callers outside the tree must give, where no call in it passes the variable."""
    if member.callers.passing or not member.plan.mounted or member.callers.silent:
        return ""
    return f"--secret id={member.plan.id},env={member.plan.name}"


def _configured(plan: Plan) -> bool:
    entry = plan.context.config.secrets.get(plan.name)
    return entry is not None and entry.source is not None


def _failed(members: Sequence[Member]) -> Iterator[safety.Condition]:
    """What does not hold, each thing once; of another Dockerfile with its path."""
    said: set[safety.Condition] = set()
    for member in members:
        for one in member.conditions:
            if one.holds or one in said:
                continue
            said.add(one)
            path = member.plan.context.path
            told = member is members[0] or path in one.evidence
            yield one if told else one._replace(evidence=f"{path}: {one.evidence}")


def _reason(candidate: Candidate, failed: list[safety.Condition], unseen: str) -> str:
    said = list(candidate.verdict.evidence)
    said.extend(f"{one.id}: {one.evidence}" for one in failed)
    if unseen:
        said.append(unseen)
    return "; ".join(said)


def _help(member: Member, candidate: Candidate, refusals: tuple[Refusal, ...]) -> str:
    if refusals:
        return refusals[0].help
    said = []
    if member.plan.mounted:
        said.append("mount it as a build secret, which this fix does")
        said.extend(member.plan.cure.said)
        said.append(CACHING)
    else:
        said.append("no RUN reads it: this fix removes it")
    if candidate.origin is Origin.LITERAL:
        said.append("rotate the value: old images and the git history keep it")
    flag = outside_flag(member)
    if flag:
        said.append(f"callers outside this tree must give `{flag}`")
    if member.plan.in_final_image is not None:
        said.append("a container that needs it at run time gets it with `docker run -e`")
    return "; ".join(said)


def _related(members: tuple[Member, ...]) -> Iterator[Place]:
    for member in members:
        for one in member.plan.mounted:
            yield Place(
                member.plan.path,
                one.run.keyword_span,
                f"this RUN may read {one.name}: {one.reading.reading.why}",
            )
        for binding in member.plan.removed[1:]:
            yield place(member.plan.context, binding, f"{binding.name} is set from it here")
        for call in member.callers.passing:
            yield Place(call.path, call.span, called(call, member.plan.name))


def called(call: BuildCall, name: str) -> str:
    return f"this {call.tool} passes {name}"
