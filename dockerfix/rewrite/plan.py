"""The plan for one secret in one Dockerfile: what is removed, and where mounts come.

A `Plan` holds facts and operations on the Dockerfile alone. What callers need is in
`callers`, how safe the whole is in `safety`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockerfix.edits import Guard, Operation
from dockerfix.finding import Place, Refusal
from dockerfix.rewrite import forms, onbuild
from dockerfix.rewrite.candidates import hollow
from dockerfix.rewrite.copied_texts import copied_references
from dockerfix.rewrite.delivery import Mounted, deliveries, operations
from dockerfix.rewrite.frontend import Frontend, frontend
from dockerfix.rewrite.persisted import Cure, keep_out
from dockerfix.rewrite.values import Values, values
from dockerfix.syntax import verbs
from dockerfix.syntax.nodes import Arg, Env

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from dockerfix.context import Context
    from dockerfix.model import Binding
    from dockerfix.rewrite.forms import Form
    from dockerfix.source import Span

ONLY_RUN = "only RUN can mount a secret"


@dataclass(slots=True)
class Plan:
    """`removed` bindings of the secret `name` and the RUNs `mounted` instead."""

    context: Context
    name: str
    id: str
    removed: tuple[Binding, ...]
    mounted: tuple[Mounted, ...] = ()
    frontend: Frontend = field(default_factory=Frontend)
    form: Form = "env"
    composed: tuple[Binding, ...] = ()
    placeholder: bool = False
    refusals: list[Refusal] = field(default_factory=list)
    cure: Cure = field(default_factory=Cure)

    @property
    def path(self) -> str:
        return self.context.path

    @property
    def order(self) -> tuple[int, ...]:
        return (self.removed[0].pair.span.start,)

    @property
    def in_final_image(self) -> Binding | None:
        """An ENV of the secret that an image someone can run holds."""
        return next(
            (
                one
                for one in self.removed
                if one.kind == "env" and one.stage is not None and one.stage.in_final_chain
            ),
            None,
        )

    @property
    def optional(self) -> bool:
        """Whether the file shows that it builds without the secret (empty default, a guard)."""
        empty = any(
            one.kind != "env"
            and one.value is not None
            and (not one.value.raw.strip(b"\"'") or hollow(self.context, one))
            for one in self.removed
        )
        return empty or any(one.reading.optional for one in self.mounted)

    def operations(self, required: bool) -> tuple[Operation, ...]:
        found: list[Operation] = [remove(self.context, one, self.order) for one in self.removed]
        found.extend(
            operations(self.context, self.mounted, self.id, self.form, required, self.order)
        )
        found.extend(self.cure.operations)
        if self.mounted:
            found.extend(self.frontend.operations)
        return tuple(found)

    @property
    def guards(self) -> tuple[Guard, ...]:
        return tuple(Guard(self.path, one.run.arguments_span) for one in self.mounted)


def remove(context: Context, binding: Binding, order: tuple[int, ...]) -> Operation:
    """The operation that takes the binding's pair out of its ARG or ENV."""
    instruction = binding.instruction
    assert isinstance(instruction, Arg | Env)
    index = instruction.pairs.index(binding.pair)
    return verbs.remove_pair(context.dockerfile, instruction, index, order=order)


def build_plan(
    context: Context, name: str, roots: Iterable[Binding], *, placeholder: bool = False
) -> Plan:
    """The plan that takes `roots` (bindings of the secret `name`) out of the Dockerfile. With
    `placeholder` their defaults stay, in the shell of each RUN."""
    found = values(context, roots, placeholder=placeholder)
    plan = Plan(context, name, secret_id(context, name), found.removed)
    plan.composed, plan.placeholder = found.composed, placeholder
    copied, places = copied_references(context, found.removed, plan.order)
    plan.refusals.extend(other_readers(context, found.removed, places))
    plan.refusals.extend(found.refusals)
    plan.refusals.extend(run_time_only(context, found))
    plan.refusals.extend(uncovered(context, found.removed))
    plan.refusals.extend(dict.fromkeys(onbuild.held(context, found.removed)))
    wanted = tuple(deliveries(context, found))
    plan.refusals.extend(one for one in wanted if isinstance(one, Refusal))
    mounted = tuple(one for one in wanted if isinstance(one, Mounted))
    plan.refusals.extend(() if mounted else out_of_reach(context, name, found.removed))
    plan.mounted, plan.cure = keep_out(context, found.removed, mounted, plan.order, copied)
    others = [one for path, one in context.dockerfiles.items() if path != context.path]
    plan.frontend = frontend(context.dockerfile, others, context.config.syntax)
    _choose_form(plan)
    return plan


def _choose_form(plan: Plan) -> None:
    """Sets the plan's form, and what the form needs or cannot do."""
    context = plan.context
    plan.form, decided = forms.form(context, plan.name, plan.frontend.env)
    needed = [one for one in plan.mounted if not one.present and one.word is None]
    refusals = (forms.on_windows(context, one.run) for one in needed)
    plan.refusals.extend(dict.fromkeys(one for one in refusals if one is not None))
    if plan.form == "env":
        if needed and not plan.frontend.env:
            plan.refusals.append(_too_old(plan, "1.10", plan.frontend.why))
        return
    if needed and forms.frontend_too_old(context):
        plan.refusals.append(_too_old(plan, "1.2", "the pinned one knows no secret mounts"))
    present = any(one.present for one in plan.mounted)
    plan.frontend = plan.frontend if present and plan.frontend.env else Frontend()
    for run in dict.fromkeys(one.run for one in needed):
        why = forms.objection(context, run)
        if why:
            plan.refusals.append(
                Refusal(
                    f"the RUN on line {run.start_line} cannot read a secret from a file: {why} "
                    f"({decided})",
                    plan.path,
                    run.keyword_span,
                    f"read /run/secrets/{plan.id} in that RUN by hand, or set "
                    f'`form = "env"` if every builder knows `env=`',
                )
            )


def _too_old(plan: Plan, version: str, why: str) -> Refusal:
    return Refusal(
        f"the mount needs frontend {version}: {why}",
        plan.path,
        plan.frontend.place,
        f"pin `# syntax=docker/dockerfile:1`, or {version} and later",
    )


def run_time_only(context: Context, found: Values) -> Iterable[Refusal]:
    """An ENV of an image that someone runs, in which no RUN may read it, is there for containers."""
    for one in found.removed:
        if one.kind != "env" or one.stage is None or not one.stage.in_final_chain:
            continue
        if any(
            context.reader.reading(run, other.name).reads
            for other in found.removed
            for run in context.model.reach(other)
        ):
            continue
        yield Refusal(
            f"no RUN reads ENV {one.name}, so the containers of the image do",
            context.path,
            one.pair.span,
            f"give {one.name} when the container starts (`docker run -e {one.name}`)",
        )


def uncovered(context: Context, removed: tuple[Binding, ...]) -> Iterable[Refusal]:
    """Nothing unsets an ENV: without the later one an image has the earlier one again (T4)."""
    for one in removed:
        chain = []
        stage = one.stage
        while stage is not None:
            chain.append(stage)
            stage = stage.parent
        for other in context.model.bindings_of(one.name) if one.kind == "env" else ():
            earlier = other.kind == "env" and other.onbuild is None and other.order < one.order
            if earlier and other not in removed and other.stage in chain:
                line = context.dockerfile.source.line(other.pair.span.start)
                yield Refusal(
                    f"without this ENV the image has the {one.name} of line {line} again",
                    context.path,
                    one.pair.span,
                    f"delete the ENV {one.name} on line {line} too, if nothing needs its value",
                )
                return


def out_of_reach(context: Context, name: str, removed: tuple[Binding, ...]) -> Iterable[Refusal]:
    """An ARG before FROM that no stage declares again, and a RUN that was to read it (rule 2.7)."""
    if any(one.kind != "global" for one in removed):
        return
    for run in context.runs:
        uses = context.reader.reading(run, name).uses
        if name not in context.model.environment(run) and any(
            not one.assigned_before and not one.operator for one in uses
        ):
            yield Refusal(
                f"line {run.start_line} reads ${name}, and never got it: an ARG before FROM is seen in no "
                "stage that does not repeat it",
                context.path,
                run.keyword_span,
                f"mount it there: `RUN --mount=type=secret,id={name},env={name}`, or take it out of "
                "the RUN; then run dockerfix again",
            )
            return


def mounted_runs(context: Context, bindings: Iterable[Binding]) -> tuple[Mounted, ...]:
    """Each RUN and name where one of `bindings` is the live one and the RUN may read it."""
    found = deliveries(context, Values(tuple(bindings)))
    return tuple(one for one in found if isinstance(one, Mounted))


def other_readers(
    context: Context, removed: tuple[Binding, ...], but: Collection[Span] = ()
) -> Iterable[Refusal]:
    """A refusal for each instruction that still expands a removed binding, other than `but`."""
    gone = {one.pair.span for one in removed}
    for binding in removed:
        for one in context.model.expansions(binding):
            if one.span in but or any(span.contains(one.span) for span in gone):
                continue
            keyword = one.instruction.keyword.upper()
            line = context.dockerfile.source.line(one.span.start)
            only = "only its command can have a secret" if one.role == "mount" else ONLY_RUN
            yield Refusal(
                f"{keyword} on line {line} uses ${binding.name}, and {only}",
                context.path,
                one.span,
                help_for("--mount" if one.role == "mount" else keyword, binding.name),
            )


def help_for(keyword: str, name: str) -> str:
    if keyword == "ADD":
        return (
            f"take ${name} out of the ADD: BuildKit fetches private git and http sources with "
            "the secrets GIT_AUTH_TOKEN or HTTP_AUTH_TOKEN_<host>, which need no mount"
        )
    if keyword == "ENV":
        return f"build the value inside the RUN that needs it, with a mount of {name}"
    if keyword == "FROM":
        return "log in to the registry with `docker login` on the client instead"
    if keyword == "--mount":
        return f"write the value of ${name} out there, or leave it to another ARG that is no secret"
    return f"take ${name} out of the {keyword} by hand: its value stays in the image"


def secret_id(context: Context, name: str) -> str:
    """An existing mount's id for the same variable, then the configuration's, then the name."""
    for run in context.runs:
        for mount in run.mounts:
            if mount.type == "secret" and mount.env == name and mount.id:
                return mount.id
    for run in context.runs:
        for mount in run.mounts:
            if mount.type == "secret" and mount.id == name:
                return name
    for call in context.calls:
        for secret in call.secrets:
            if secret.source == f"env:{name}":
                return secret.id
    configured = context.config.secrets.get(name)
    if configured is not None and configured.id:
        return configured.id
    # A compose file may have a secret of that name for its containers (T35).
    taken = {one for call in context.calls for one in getattr(call.dialect, "taken", ())}
    return f"{name}_build" if name in taken else name


def place(context: Context, binding: Binding, message: str) -> Place:
    return Place(context.path, binding.pair.span, message)
