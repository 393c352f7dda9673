"""Bindings of ARG and ENV, one scope after the other (rules 2.6 to 2.11).

Holds what each pair declares, and when it takes over from the one before. Which places
see it is asked of the `Model` (scopes.py); values are worked out in history.py.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.model.expand import ExpansionError, expand, variables
from dockerfix.model.predefined import PLATFORM
from dockerfix.syntax.nodes import Arg, Env, Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockerfix.model.stages import Stage
    from dockerfix.syntax.nodes import Instruction, Onbuild, Pair, Word

Key = tuple[int, int]
"""A moment in a stage: the index of the step, and of the pair inside it, from 1 on."""


class Step(NamedTuple):
    """An instruction as a stage runs it; `onbuild` is the parent's trigger that it comes from."""

    instruction: Instruction
    onbuild: Onbuild | None


@dataclass(frozen=True, eq=False, repr=False)
class Binding:
    """One declaration of a name: a pair of ARG or ENV.

    `kind` is "arg", "env" or "global" (an ARG before the first FROM, `stage` None). `name`
    has its variables put in where they are known. `order` is the byte offset of the pair.
    `default_from` is the global ARG that a bare ARG of a stage takes its default from.
    `binds` is false for a bare ARG that nothing gives a value: it declares the name and
    leaves the variable as it was (rule 2.8). `onbuild` is set if a trigger of the parent
    declares it in this stage.
    """

    name: str
    kind: str
    instruction: Instruction
    pair: Pair
    stage: Stage | None
    order: int
    default_from: Binding | None = None
    binds: bool = True
    onbuild: Onbuild | None = None

    def __repr__(self) -> str:
        where = self.stage.label if self.stage else "global"
        return f"Binding({self.kind} {self.name!r} in {where}, line {self.instruction.start_line})"

    @property
    def value(self) -> Word | None:
        """What stands behind the `=`; None for a bare ARG."""
        return self.pair.value


@dataclass(slots=True)
class Scope:
    """What a stage binds and when. `start` is what it begins with.

    `runs` are the steps that are RUNs, triggers aside. The ARGs before the first FROM are
    a scope of their own, without a stage.
    """

    stage: Stage | None
    steps: tuple[Step, ...]
    start: dict[str, Binding]
    image_env: dict[str, Binding]
    events: dict[str, list[tuple[Key, Binding]]] = field(default_factory=dict)
    runs: list[int] = field(default_factory=list)

    def live(self, name: str, key: Key) -> Binding | None:
        events = self.events.get(name)
        if events:
            at = bisect_left(events, key, key=moment)
            if at:
                return events[at - 1][1]
        return self.start.get(name)

    def at_end(self) -> dict[str, Binding]:
        return self.start | {name: events[-1][1] for name, events in self.events.items()}

    def spans(self, binding: Binding) -> Iterator[tuple[Key, Key]]:
        """The stretches in which `binding` is live, as half-open ranges of moments."""
        events = self.events.get(binding.name, [])
        last = (len(self.steps), 0)
        if self.start.get(binding.name) is binding:
            yield (-1, 0), events[0][0] if events else last
        for at, (key, bound) in enumerate(events):
            if bound is binding:
                yield key, events[at + 1][0] if at + 1 < len(events) else last


@dataclass(slots=True)
class ScopeBuilder:
    """Fills one scope with the bindings that its instructions make."""

    scope: Scope
    passed: frozenset[str] | None
    globals: Mapping[str, Binding]

    def fill(self, escape: bytes = b"\\") -> list[Binding]:
        made: list[Binding] = []
        for index, step in enumerate(self.scope.steps):
            if isinstance(step.instruction, Run):
                if step.onbuild is None:
                    self.scope.runs.append(index)
            elif isinstance(step.instruction, Arg):
                for number, pair in enumerate(step.instruction.pairs, 1):
                    made.append(self.arg(step, pair, (index, number)))
            elif isinstance(step.instruction, Env):
                for number, pair in enumerate(step.instruction.pairs, 1):
                    made.append(self.env(step, pair, (index, number), escape))
        return made

    def arg(self, step: Step, pair: Pair, key: Key) -> Binding:
        name = pair.name
        above = self.globals.get(name) if pair.value is None else None
        binding = Binding(
            name,
            "arg" if self.scope.stage else "global",
            step.instruction,
            pair,
            self.scope.stage,
            pair.span.start,
            default_from=above,
            binds=self.gets_value(pair, above, self.scope.live(name, key)),
            onbuild=step.onbuild,
        )
        if binding.binds:
            self.scope.events.setdefault(name, []).append((key, binding))
        return binding

    def gets_value(self, pair: Pair, above: Binding | None, live: Binding | None) -> bool:
        """Whether a build puts a value under the name at this pair, as far as is known."""
        if pair.value is not None or (above is not None and above.value is not None):
            return True
        if self.scope.stage is None:
            # A second, bare global ARG leaves the default of the first in place.
            return live is None
        if self.passed is None or pair.name in self.passed:
            return True
        return pair.name in PLATFORM

    def env(self, step: Step, pair: Pair, key: Key, escape: bytes) -> Binding:
        binding = Binding(
            self.key_name(pair.name, key, escape),
            "env",
            step.instruction,
            pair,
            self.scope.stage,
            pair.span.start,
            onbuild=step.onbuild,
        )
        self.scope.events.setdefault(binding.name, []).append((key, binding))
        self.scope.image_env[binding.name] = binding
        return binding

    def key_name(self, raw: str, key: Key, escape: bytes) -> str:
        """The name that an ENV key comes to; the raw text where that is not known."""
        mark = escape.decode()
        if not any(special in raw for special in ("$", "'", '"', mark)):
            return raw
        values = {}
        for use in variables(raw, escape):
            bound = self.scope.live(use.name, (key[0], 0))
            if bound is not None and bound.value is not None and b"$" not in bound.value.raw:
                values[use.name] = _literal(bound.value.raw, escape)
        try:
            found = expand(raw, values, escape)
        except ExpansionError:
            return raw
        return raw if found.unmatched or not found.result else found.result


def global_defaults(before: Scope, escape: bytes) -> dict[str, str]:
    """The values of the global ARGs if no caller passes any, on linux/amd64."""
    values = dict(PLATFORM)
    for step in before.steps:
        if isinstance(step.instruction, Arg):
            for pair in step.instruction.pairs:
                if pair.value is not None:
                    try:
                        values[pair.name] = expand(pair.value.raw, values, escape).result
                    except ExpansionError:
                        values.pop(pair.name, None)
    return values


def _literal(raw: bytes, escape: bytes) -> str:
    try:
        return expand(raw, {}, escape).result
    except ExpansionError:
        return raw.decode("utf-8", "surrogateescape")


def moment(event: tuple[Key, Binding]) -> Key:
    """When the event takes place."""
    return event[0]
