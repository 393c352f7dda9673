"""Bindings of ARG and ENV, and which of them is live where (rules 2.6 to 2.11).

`build` makes the frozen `Model` of a Dockerfile: what each instruction sees, how far a
binding reaches, where it is expanded, what its value flows into by declaration. Values
are worked out elsewhere (history.py); RUN bodies are shell and not read here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.model.bindings import Binding, Scope, ScopeBuilder, Step, global_defaults, moment
from dockerfix.model.sites import ExpansionSite, uses
from dockerfix.model.stages import StageGraph, build_stages
from dockerfix.syntax.nodes import Arg, Env, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from dockerfix.model.runtime import Entry, Setting
    from dockerfix.model.sites import RawUse
    from dockerfix.model.stages import Stage
    from dockerfix.syntax.nodes import Dockerfile, Instruction, Onbuild

__all__ = ["Alias", "Binding", "Model", "Step", "build"]


class Alias(NamedTuple):
    """A binding whose value holds that of another.

    `source` is the one that it reads directly, through `site` (None for a bare ARG that
    takes a global). `exact` says that the value is the same, all the way from the binding
    that was asked about: `$X`, `${X}`, `"$X"`; also `${X:-}` and `${X-}`, which `operator`
    then names. `depth` counts the steps.
    """

    binding: Binding
    source: Binding
    exact: bool
    operator: str
    site: ExpansionSite | None
    depth: int


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A Dockerfile as BuildKit runs it. Build it with `build`; it never changes.

    `passed` are the build arguments that callers give, None if that is not known: then
    every ARG counts as passed.
    """

    dockerfile: Dockerfile
    graph: StageGraph
    passed: frozenset[str] | None
    bindings: tuple[Binding, ...]
    _before: Scope
    _scopes: tuple[Scope, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.graph.stages

    @cached_property
    def globals(self) -> Mapping[str, Binding]:
        """The global ARGs as FROM lines and bare ARGs of stages see them."""
        return self._before.at_end()

    def bindings_of(self, name: str) -> tuple[Binding, ...]:
        """Every declaration of `name`, in file order."""
        return self._by_name.get(name, ())

    def stage_of(self, instruction: Instruction) -> Stage | None:
        """The stage that `instruction` opens or stands in; None before the first FROM."""
        start = instruction.span.start
        if (stage := self._openings.get(start)) is not None:
            return stage
        where = self._places.get(start)
        return where[0].stage if where else None

    def environment(self, instruction: Instruction) -> dict[str, Binding]:
        """The bindings that are live when `instruction` starts: for a RUN its variables.

        For FROM and the ARGs before it these are the global ones. Predefined proxies and the ENV of an external image are not here: nothing in the
        file binds them. A trigger is looked at in the first stage that runs it.
        """
        where = self._places.get(instruction.span.start)
        if where is None:
            return {}
        scope, step = where
        found = dict(scope.start)
        for name, events in scope.events.items():
            at = bisect_left(events, (step, 0), key=moment)
            if at:
                found[name] = events[at - 1][1]
        return found

    def binding_at(self, instruction: Instruction, name: str) -> Binding | None:
        """The one binding of `name` that is live when `instruction` starts."""
        where = self._places.get(instruction.span.start)
        return where[0].live(name, (where[1], 0)) if where else None

    def image_env(self, stage: Stage) -> dict[str, Binding]:
        """What the ENV lines of the stage and of its parents leave in its image."""
        return dict(self._scopes[stage.index].image_env)

    def reach(self, binding: Binding) -> tuple[Run, ...]:
        """The RUNs in whose environment `binding` is the live one, in file order."""
        found: list[Run] = []
        for scope in self._carrying(binding):
            for start, end in scope.spans(binding):
                first, last = (bisect_right(scope.runs, key[0]) for key in (start, end))
                for step in scope.runs[first:last]:
                    run = scope.steps[step].instruction
                    if isinstance(run, Run):
                        found.append(run)
        return tuple(found)

    def scope(self, binding: Binding) -> tuple[Instruction, ...]:
        """Every instruction (triggers aside) that starts with `binding` live, in file order."""
        return tuple(step.instruction for step in self._under(binding) if step.onbuild is None)

    def triggered(self, binding: Binding) -> tuple[Onbuild, ...]:
        """ONBUILD instructions whose trigger runs in this file with `binding` live."""
        return tuple(step.onbuild for step in self._under(binding) if step.onbuild is not None)

    def beyond(self, binding: Binding) -> tuple[Stage, ...]:
        """Stages that other build arguments would build on top of `binding`.

        FROM lines with a variable choose among stages: `reach` follows the default only.
        """
        found = {
            child.index: child
            for scope in self._carrying(binding)
            if scope.stage is not None
            and scope.live(binding.name, (len(scope.steps), 0)) is binding
            for child in scope.stage.possible_children
        }
        return tuple(found[index] for index in sorted(found))

    def expansions(self, binding: Binding) -> tuple[ExpansionSite, ...]:
        """Every place where another instruction (or pair) expands `binding`."""
        return self._expanded.get(binding, ())

    def onbuild_uses(self, name: str) -> tuple[ExpansionSite, ...]:
        """Places in ONBUILD text that expand `name`, whoever will run it."""
        return tuple(site for site in self._onbuild_sites if site.name == name)

    @cached_property
    def sites(self) -> tuple[ExpansionSite, ...]:
        """Every expansion of the file with what it is bound to; ONBUILD text apart."""
        return tuple(self._all_sites())

    def flows(self, binding: Binding) -> tuple[Alias, ...]:
        """Bindings whose value is built directly from this one."""
        return tuple(
            Alias(
                target,
                binding,
                site is None or _exact(site),
                site.operator if site else "",
                site,
                1,
            )
            for target, site in self._flows.get(binding, ())
        )

    def aliases(self, binding: Binding) -> tuple[Alias, ...]:
        """Bindings whose value is built from this one, directly or through others."""
        found: dict[Binding, Alias] = {}
        waiting = [(binding, True, 0)]
        for source, exact, depth in waiting:
            for flow in self.flows(source):
                alias = flow._replace(exact=exact and flow.exact, depth=depth + 1)
                known = found.get(alias.binding)
                if alias.binding is binding or (known and (known.exact or not alias.exact)):
                    continue
                found[alias.binding] = alias
                waiting.append((alias.binding, alias.exact, alias.depth))
        return tuple(sorted(found.values(), key=lambda alias: alias.binding.order))

    def entry(self, stage: Stage) -> Entry:
        """What runs in a container of the stage's image."""
        from dockerfix.model.runtime import entry

        return entry(stage)

    def setting(self, instruction: Instruction) -> Setting:
        """USER, SHELL and WORKDIR that are in force at `instruction`."""
        from dockerfix.model.runtime import Setting

        return self._settings.get(instruction.span.start, Setting())

    def describe(self) -> str:
        """Stages, bindings and expansions in plain text, without values."""
        from dockerfix.model.describe import describe

        return describe(self)

    @cached_property
    def _settings(self) -> dict[int, Setting]:
        from dockerfix.model.runtime import settings

        return settings(self.graph)

    @cached_property
    def _by_name(self) -> dict[str, tuple[Binding, ...]]:
        found: dict[str, list[Binding]] = {}
        for binding in self.bindings:
            found.setdefault(binding.name, []).append(binding)
        return {name: tuple(bindings) for name, bindings in found.items()}

    @cached_property
    def _openings(self) -> dict[int, Stage]:
        return {stage.from_.span.start: stage for stage in self.stages}

    @cached_property
    def _places(self) -> dict[int, tuple[Scope, int]]:
        """Scope and step of each instruction, by the offset where it starts."""
        found = {start: (self._before, len(self._before.steps)) for start in self._openings}
        for scope in (self._before, *self._scopes):
            for index, step in enumerate(scope.steps):
                found.setdefault(step.instruction.span.start, (scope, index))
        return found

    @cached_property
    def _expanded(self) -> dict[Binding, tuple[ExpansionSite, ...]]:
        found: dict[Binding, list[ExpansionSite]] = {}
        for site in self.sites:
            if site.binding is not None:
                found.setdefault(site.binding, []).append(site)
        return {binding: tuple(places) for binding, places in found.items()}

    @cached_property
    def _onbuild_sites(self) -> tuple[ExpansionSite, ...]:
        found: list[ExpansionSite] = []
        for stage in self.stages:
            for onbuild in stage.onbuild:
                if onbuild.trigger is not None:
                    found += self._sites_of(Step(onbuild.trigger, onbuild), stage, lambda use: None)
        return tuple(found)

    @cached_property
    def _flows(self) -> dict[Binding, tuple[tuple[Binding, ExpansionSite | None], ...]]:
        """From each binding to those whose value reads it."""
        declared = {(binding.stage, binding.order): binding for binding in self.bindings}
        found: dict[Binding, list[tuple[Binding, ExpansionSite | None]]] = {}
        for site in self.sites:
            if site.binding is None or site.role not in ("value", "default"):
                continue
            if isinstance(site.instruction, Arg | Env):
                pair = site.instruction.pairs[site.pair]
                target = declared[site.stage, pair.span.start]
                found.setdefault(site.binding, []).append((target, site))
        for binding in self.bindings:
            if binding.default_from is not None:
                found.setdefault(binding.default_from, []).append((binding, None))
        return {source: tuple(targets) for source, targets in found.items()}

    def _carrying(self, binding: Binding) -> Iterator[Scope]:
        """The scopes in which `binding` is live somewhere, in file order."""
        if binding.stage is None:
            return
        for stage in binding.stage.descendants:
            scope = self._scopes[stage.index]
            if stage is binding.stage or scope.start.get(binding.name) is binding:
                yield scope

    def _under(self, binding: Binding) -> Iterator[Step]:
        for scope in self._carrying(binding):
            for start, end in scope.spans(binding):
                yield from scope.steps[start[0] + 1 : end[0] + 1]

    def _all_sites(self) -> Iterator[ExpansionSite]:
        for scope in (self._before, *self._scopes):
            if scope.stage is not None:
                step = Step(scope.stage.from_, None)
                yield from self._sites_of(step, None, lambda use: self.globals.get(use.use.name))
            for index, step in enumerate(scope.steps):
                # Only ARG sees what stands before on its own line (rule 2.6).
                line = isinstance(step.instruction, Arg)

                def meaning(
                    use: RawUse, scope: Scope = scope, index: int = index, line: bool = line
                ) -> Binding | None:
                    return scope.live(use.use.name, (index, use.pair + 1 if line else 0))

                yield from self._sites_of(step, scope.stage, meaning)

    def _sites_of(
        self, step: Step, stage: Stage | None, meaning: Callable[[RawUse], Binding | None]
    ) -> Iterator[ExpansionSite]:
        for found in uses(
            step.instruction, self.dockerfile.source, self.dockerfile.escape, step.onbuild
        ):
            use = found.use
            yield ExpansionSite(
                step.instruction,
                stage,
                found.role,
                found.pair,
                found.word,
                found.span,
                use.name,
                use.operator,
                use.operand,
                use.quoted,
                use.nested,
                found.whole,
                step.onbuild,
                meaning(found),
            )


def build(
    dockerfile: Dockerfile,
    targets: Iterable[str | None] = frozenset({None}),
    passed: frozenset[str] | None = None,
) -> Model:
    """The model of `dockerfile` as callers build it.

    `targets`: the stages that they build, None for the last, "?" for one that could not be
    resolved. `passed`: the names of the build arguments that they give, None if unknown.
    """
    before = Scope(None, tuple(Step(arg, None) for arg in dockerfile.meta_args), {}, {})
    bindings = ScopeBuilder(before, passed, {}).fill()
    outside = before.at_end()
    graph = build_stages(dockerfile, targets, global_defaults(before, dockerfile.escape))
    scopes: list[Scope] = []
    for stage in graph:
        start: dict[str, Binding] = {}
        image_env: dict[str, Binding] = {}
        if stage.parent is not None:
            below = scopes[stage.parent.index]
            image_env = dict(below.image_env)
            # The image's ENV is put over the state again, so it beats an ARG of the parent.
            start = below.at_end() | image_env
        steps = [
            Step(onbuild.trigger, onbuild)
            for onbuild in stage.triggers
            if onbuild.trigger is not None
        ]
        steps += (Step(instruction, None) for instruction in stage.instructions)
        scope = Scope(stage, tuple(steps), start, image_env)
        bindings += ScopeBuilder(scope, passed, outside).fill(dockerfile.escape)
        scopes.append(scope)
    bindings.sort(key=lambda binding: (binding.order, binding.stage.index if binding.stage else -1))
    return Model(dockerfile, graph, passed, tuple(bindings), before, tuple(scopes))


def _exact(site: ExpansionSite) -> bool:
    if not site.whole or site.nested:
        return False
    return not site.operator or (site.operator in (":-", "-") and not site.operand)
