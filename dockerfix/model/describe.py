"""The model in plain text, for people who wonder why. Never shows a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.model.scopes import Binding, Model
    from dockerfix.model.sites import ExpansionSite
    from dockerfix.model.stages import Stage

_SHOWN = 8


def describe(model: Model) -> str:
    """One block a stage, then one a binding; line numbers are those of the file."""
    return "\n".join(_lines(model)) + "\n"


def _lines(model: Model) -> Iterator[str]:
    for stage in model.stages:
        yield from _stage(model, stage)
    for binding in model.bindings:
        yield from _binding(model, binding)
    loose = [site for site in model.sites if site.binding is None and not site.nested]
    if loose:
        yield "not bound by this file:"
        yield from (f"  {_place(site)}" for site in loose)


def _stage(model: Model, stage: Stage) -> Iterator[str]:
    origin = stage.parent.label if stage.parent else f"image {_printable(stage.image or '')}"
    notes = [
        note
        for note, holds in (
            ("final", stage.final),
            ("in a final chain", stage.in_final_chain and not stage.final),
            ("leaves ONBUILD triggers", bool(stage.onbuild)),
            ("runs ONBUILD triggers", bool(stage.triggers)),
        )
        if holds
    ]
    yield f"stage {stage.index} {stage.label}: from {origin}" + (
        f" ({', '.join(notes)})" if notes else ""
    )
    for word, stages in (
        ("may be from", stage.alternatives),
        ("takes files from", stage.sources),
        ("gives files to", stage.copied_into),
    ):
        if stages:
            yield f"  {word} {', '.join(other.label for other in stages)}"
    if image_env := model.image_env(stage):
        yield f"  image ENV: {', '.join(_printable(name) for name in image_env)}"
    if readers := model.entry(stage).readers:
        shown = ", ".join(f"{reader.keyword} line {reader.start_line}" for reader in readers)
        yield f"  runs: {shown}"


def _binding(model: Model, binding: Binding) -> Iterator[str]:
    where = f"stage {binding.stage.label}" if binding.stage else "before the first FROM"
    notes = []
    if binding.default_from is not None:
        notes.append(f"default from line {binding.default_from.instruction.start_line}")
    elif binding.value is None:
        notes.append("no default")
    if not binding.binds:
        notes.append("nothing gives it a value")
    if binding.onbuild is not None:
        notes.append(f"by ONBUILD line {binding.onbuild.start_line}")
    tail = f" ({', '.join(notes)})" if notes else ""
    yield f"{binding.kind} {_printable(binding.name)} line {binding.instruction.start_line}, {where}{tail}"
    if runs := model.reach(binding):
        yield f"  live at RUN: {_some([run.start_line for run in runs])}"
    for site in model.expansions(binding):
        yield f"  expanded: {_place(site)}"
    for alias in model.flows(binding):
        how = "same value" if alias.exact else "part of the value"
        yield (
            f"  flows into: {alias.binding.kind} {_printable(alias.binding.name)} "
            f"line {alias.binding.instruction.start_line} ({how})"
        )
    if beyond := model.beyond(binding):
        yield f"  may reach: {', '.join(stage.label for stage in beyond)}"


def _some(lines: list[int]) -> str:
    shown = ", ".join(f"line {line}" for line in lines[:_SHOWN])
    rest = len(lines) - _SHOWN
    return shown if rest <= 0 else f"{shown} and {rest} more, the last in line {lines[-1]}"


def _place(site: ExpansionSite) -> str:
    operator = f" with {site.operator}" if site.operator else ""
    return (
        f"{_printable(site.name)} in {site.instruction.keyword} {site.role} "
        f"line {site.instruction.start_line}{operator}"
    )


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
