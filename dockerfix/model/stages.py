"""The stage graph: who is built FROM whom, who copies from whom, which images are final.

Follows BuildKit: a stage name is lower-case and means the last stage of that name; FROM
sees only earlier stages and takes names, never numbers; COPY --from and mounts take both
and inherit nothing. This module does not know what flows along the graph (scopes.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from dockerfix.model.expand import ExpansionError, expand, variables
from dockerfix.syntax.nodes import Add, Copy, Onbuild, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dockerfix.syntax.nodes import Dockerfile, From, Instruction, StageBlock, Word

__all__ = ["UNRESOLVED", "Stage", "StageGraph", "build_stages"]

UNRESOLVED = "?"
"""The target of a caller that could not be read: every named stage may be it."""


@dataclass(slots=True)
class _Links:
    """What later stages and the callers say about a stage; filled while the graph is built."""

    children: list[Stage] = field(default_factory=list)
    sources: list[Stage] = field(default_factory=list)
    copied_into: list[Stage] = field(default_factory=list)
    possible_children: list[Stage] = field(default_factory=list)
    final: bool = False
    in_final_chain: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Stage:
    """One stage of a build.

    `parent` is the stage that it is built FROM, with the defaults of the global ARGs put
    in; `image` is the raw text of the external image if there is none, and `base` the
    same with the defaults put in (None where that fails). `alternatives` are the other
    earlier stages that FROM means if a caller passes other build arguments.
    """

    index: int
    name: str | None
    block: StageBlock
    parent: Stage | None
    image: str | None
    base: str | None
    alternatives: tuple[Stage, ...]
    _links: _Links

    def __repr__(self) -> str:
        return f"Stage({self.index}, {self.label!r})"

    @property
    def label(self) -> str:
        """Its name, or `stage-N` as BuildKit calls it."""
        return self.name or f"stage-{self.index}"

    @property
    def from_(self) -> From:
        return self.block.from_

    @cached_property
    def instructions(self) -> tuple[Instruction, ...]:
        """What stands after FROM, in order."""
        return tuple(found for found in self.block.instructions if found is not self.block.from_)

    @property
    def children(self) -> tuple[Stage, ...]:
        """Stages built FROM this one."""
        return tuple(self._links.children)

    @property
    def possible_children(self) -> tuple[Stage, ...]:
        """Stages that some build arguments would build FROM this one."""
        return tuple(self._links.possible_children)

    @property
    def sources(self) -> tuple[Stage, ...]:
        """Stages that this one copies or mounts files from."""
        return tuple(self._links.sources)

    @property
    def copied_into(self) -> tuple[Stage, ...]:
        """Stages that copy or mount files from this one: they get files, no variables."""
        return tuple(self._links.copied_into)

    @property
    def final(self) -> bool:
        """Whether someone can run the image: the last stage, and every target of a caller."""
        return self._links.final

    @property
    def in_final_chain(self) -> bool:
        """Whether a final image is this stage or is built FROM it, or may be."""
        return self._links.in_final_chain

    @property
    def scratch(self) -> bool:
        return self.parent is None and self.base == "scratch"

    @cached_property
    def chain(self) -> tuple[Stage, ...]:
        """This stage, its parent, and so on down to the one with an external image."""
        found = [self]
        while (below := found[-1].parent) is not None:
            found.append(below)
        return tuple(found)

    @cached_property
    def descendants(self) -> tuple[Stage, ...]:
        """This stage and every stage built FROM it, transitively, in file order."""
        found: dict[int, Stage] = {}
        waiting = [self]
        while waiting:
            stage = waiting.pop()
            if stage.index not in found:
                found[stage.index] = stage
                waiting += stage.children
        return tuple(found[index] for index in sorted(found))

    @cached_property
    def onbuild(self) -> tuple[Onbuild, ...]:
        """Triggers that this stage leaves for whoever builds FROM it."""
        return tuple(found for found in self.instructions if isinstance(found, Onbuild))

    @property
    def triggers(self) -> tuple[Onbuild, ...]:
        """Triggers of the parent that run right after this stage's FROM (rule 2.12)."""
        return self.parent.onbuild if self.parent is not None else ()

    @property
    def foreign_onbuild(self) -> bool:
        """Whether the external image under this stage may carry triggers that we cannot see.

        Only the stage that stands directly on the image runs them.
        """
        return self.parent is None and not self.scratch


@dataclass(frozen=True, eq=False)
class StageGraph:
    """All stages in file order. `unknown_targets` are targets that name no stage of the file."""

    stages: tuple[Stage, ...]
    unknown_targets: frozenset[str]

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    @cached_property
    def _named(self) -> dict[str, Stage]:
        return {stage.name: stage for stage in self.stages if stage.name}

    def find(self, reference: str) -> Stage | None:
        """The stage that `--target` or `--from` means by a name or a number."""
        found = self._named.get(reference.lower())
        if found is None and reference.isascii() and reference.isdigit():
            index = int(reference)
            found = self.stages[index] if index < len(self.stages) else None
        return found

    @property
    def last(self) -> Stage | None:
        return self.stages[-1] if self.stages else None


def build_stages(
    dockerfile: Dockerfile,
    targets: Iterable[str | None] = (None,),
    arguments: Mapping[str, str] | None = None,
) -> StageGraph:
    """The graph of `dockerfile`, with `arguments` as the values of the global ARGs.

    `targets` are the stages that callers build: None for the last, "?" for one that could
    not be resolved.
    """
    values = arguments or {}
    escape = dockerfile.escape
    named: dict[str, Stage] = {}
    stages: list[Stage] = []
    for index, block in enumerate(dockerfile.stages):
        raw = _decoded(block.from_.image.raw)
        base = _expanded(raw, values, escape)
        parent = named.get(base.lower()) if base else None
        others = _alternatives(block.from_.image, named, parent, escape)
        name = (block.from_.stage_name or "").lower() or None
        stage = Stage(index, name, block, parent, None if parent else raw, base, others, _Links())
        if parent is not None:
            parent._links.children.append(stage)
        for other in others:
            other._links.possible_children.append(stage)
        if name:
            named[name] = stage
        stages.append(stage)
    graph = StageGraph(tuple(stages), frozenset(_mark_finals(stages, named, set(targets))))
    for stage in stages:
        _link_sources(graph, stage)
    return graph


def _mark_finals(
    stages: list[Stage], named: dict[str, Stage], targets: set[str | None]
) -> Iterator[str]:
    """Mark what someone can run; yields the targets that no stage answers to."""
    if not stages:
        return
    finals = [stages[-1]]
    for target in targets:
        if target is None:
            continue
        if target == UNRESOLVED or "$" in target:
            finals += [stage for stage in stages if stage.name]
        elif (found := named.get(target.lower())) is not None:
            finals.append(found)
        elif target.isascii() and target.isdigit() and int(target) < len(stages):
            finals.append(stages[int(target)])
        else:
            yield target
    for stage in finals:
        stage._links.final = True
    waiting = finals
    while waiting:
        stage = waiting.pop()
        if not stage._links.in_final_chain:
            stage._links.in_final_chain = True
            waiting += stage.alternatives
            if stage.parent is not None:
                waiting.append(stage.parent)


def _link_sources(graph: StageGraph, stage: Stage) -> None:
    seen: set[int] = set()
    for reference in _references(stage):
        source = graph.find(reference)
        if source is not None and source.index < stage.index and source.index not in seen:
            seen.add(source.index)
            stage._links.sources.append(source)
            source._links.copied_into.append(stage)


def _references(stage: Stage) -> Iterator[str]:
    """What `--from` and mounts of the stage name, with the triggers that it runs."""
    triggered = (found.trigger for found in stage.triggers)
    for instruction in (*triggered, *stage.instructions):
        if isinstance(instruction, Copy | Add):
            if instruction.from_:
                yield instruction.from_
        elif isinstance(instruction, Run):
            for mount in instruction.mounts:
                if reference := mount.get("from"):
                    yield reference


def _alternatives(
    image: Word, named: Mapping[str, Stage], parent: Stage | None, escape: bytes
) -> tuple[Stage, ...]:
    """Earlier stages whose name fits the FROM word when its variables may be anything."""
    uses = [use for use in variables(image.raw, escape) if not use.nested]
    if not uses or not named:
        return ()
    pieces = []
    at = 0
    for use in uses:
        pieces.append(_decoded(image.raw[at : use.span.start]).lower().strip("\"'"))
        at = use.span.end
    pieces.append(_decoded(image.raw[at:]).lower().strip("\"'"))
    return tuple(
        stage for name, stage in named.items() if stage is not parent and _fits(name, pieces)
    )


def _fits(name: str, pieces: list[str]) -> bool:
    """Whether `name` is the pieces in order with anything between them."""
    first, *middle, last = pieces
    if not name.startswith(first):
        return False
    at = len(first)
    for piece in middle:
        found = name.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(name) >= at + len(last) and name.endswith(last)


def _expanded(raw: str, values: Mapping[str, str], escape: bytes) -> str | None:
    try:
        return expand(raw, values, escape).result or None
    except ExpansionError:
        return None


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
