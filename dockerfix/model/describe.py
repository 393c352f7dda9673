"""The model in plain text, for people who wonder why. Never shows a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.syntax.nodes import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.model.runs import RunReader
    from dockerfix.model.scopes import Binding, Model
    from dockerfix.model.sites import ExpansionSite
    from dockerfix.model.stages import Stage
    from dockerfix.model.taint import Leak

_SHOWN = 8


def describe(model: Model, reader: RunReader | None = None) -> str:
    """One block a stage, then one a binding, then one a secret: who reads it, and where its
    value goes. Line numbers are those of the file. `reader` knows the build context."""
    if reader is None:
        from dockerfix.model.runs import RunReader

        reader = RunReader(model)
    return "\n".join(_lines(model, reader)) + "\n"


def _lines(model: Model, reader: RunReader) -> Iterator[str]:
    for stage in model.stages:
        yield from _stage(model, stage)
    for binding in model.bindings:
        yield from _binding(model, binding)
    loose = [site for site in model.sites if site.binding is None and not site.nested]
    if loose:
        yield "not bound by this file:"
        yield from (f"  {_place(site)}" for site in loose)
    for name, why in _secrets(model, reader).items():
        yield f"secret {_printable(name)}: {_printable(why)}"
        yield from _secret(model, reader, name)


def _secrets(model: Model, reader: RunReader) -> dict[str, str]:
    """The variables that are secrets by name, value and use, and those that are mounted."""
    from dockerfix.model.secrets import classify

    found: dict[str, str] = {}
    for binding in model.bindings:
        if binding.name in found:
            continue
        uses = {use for run in model.reach(binding) for use in reader.uses(run, binding.name)}
        raw = binding.value.raw if binding.value is not None else None
        verdict = classify(binding.name, raw, uses=uses)
        if verdict.secret:
            found[binding.name] = ", ".join(verdict.evidence)
    for run in _runs(model):
        for mount in run.mounts:
            if mount.type == "secret" and (mount.env or mount.id):
                found.setdefault(mount.env or mount.id or "", "it is mounted as a secret")
    return found


def _secret(model: Model, reader: RunReader, name: str) -> Iterator[str]:
    """Each RUN that may read it and why, each place that its value goes to, and containers."""
    from dockerfix.model.run_taint import run_leaks, secret_files
    from dockerfix.model.run_time import reads

    for run in _runs(model):
        where = f"RUN line {run.start_line}"
        leaks: tuple[Leak, ...] = ()
        bound = name in model.environment(run)
        if bound or any(mount.env == name for mount in run.mounts):
            reading = reader.reading(run, name)
            how = "may read it" if reading.reads else "does not read it"
            yield f"  {where} {how} ({reading.reading.how}): {_printable(reading.reading.why)}"
            leaks = tuple(reading.every_leak)
        for path, id in secret_files(run).items():
            if id == name and reader.posix(run):
                yield f"  {where} has it in {_printable(path)}"
                leaks += run_leaks(model, run, reader.scripts(run), "", (path,))
        yield from _leaks(model, reader, run, leaks)
    for binding in model.bindings_of(name):
        if binding.kind == "env":
            for one in dict.fromkeys(read.says for read in reads(model, binding, reader.context)):
                yield f"  in a container: {_printable(one)}"


def _leaks(model: Model, reader: RunReader, run: Run, leaks: tuple[Leak, ...]) -> Iterator[str]:
    from dockerfix.model.run_taint import fate

    for leak in leaks:
        says = _printable(leak.says)
        at = leak.script.projection.host_span(leak.span)
        if not run.exec_form and run.span.contains(at):
            says = f"line {model.dockerfile.source.line(at.start)}: {says}"
        if leak.stays:
            yield f"    goes to: {says}; {fate(model, run, leak, reader.scripts).says}"
        else:
            ends = "" if leak.survives else "; the same RUN removes it"
            yield f"    goes to: {says}{ends}"


def _runs(model: Model) -> Iterator[Run]:
    for stage in model.stages:
        yield from (one for one in stage.instructions if isinstance(one, Run))


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
