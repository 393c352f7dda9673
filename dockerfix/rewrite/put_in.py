"""A secret that the program which reads a bake or compose file writes into a Dockerfile there.

What stands for it becomes the shell's own variable, which an argument or a mount gives the RUN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dockerfix
from dockerfix.edits import Edit, splice
from dockerfix.finding import Refusal
from dockerfix.model import build
from dockerfix.model.runs import RunReader
from dockerfix.rewrite.callers import source_for
from dockerfix.rewrite.mounts import give_variable, has_variable, with_frontend
from dockerfix.rewrite.plan import secret_id
from dockerfix.syntax import verbs
from dockerfix.syntax.nodes import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.builders.call import BuildCall, Inline, Put
    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.shell import Script


class Unclear(Exception):  # noqa: N818
    """Why it stays, as a clause, where, and what to do."""

    def __init__(self, says: str, put: Put, help: str) -> None:
        super().__init__(says)
        self.says, self.put, self.help = says, put, help


def written_out(context: Context, inline: Inline, name: str) -> tuple[Operation, ...] | Refusal:
    """What makes the RUNs read `name`, whose value is written into them today."""
    try:
        return tuple(_operations(context, inline, name))
    except Unclear as reason:
        return Refusal(reason.says, context.path, reason.put.span, reason.help)


def _operations(context: Context, inline: Inline, name: str) -> Iterator[Operation]:
    puts = [one for one in inline.put if one.name == name]
    by_run = _runs(context, inline, puts)
    taken = bool(context.model.bindings_of(name))
    for run, own in by_run.items():
        for put in own:
            order = (put.span.start,)
            yield verbs.replace(context.dockerfile, run, put.span, put.said, order=order)
        if not taken and not has_variable(run, name):
            yield give_variable(context, run, secret_id(context, name), name, (own[0].span.start,))
    if taken:
        _same_value(context, inline, name, by_run)
        return
    if not inline.environment:
        says = f"{inline.tool} may have {name} from elsewhere than the environment"
        raise Unclear(says, puts[0], f"give the build {name} as a secret, and let the RUN read it")
    needed = with_frontend(context)
    if not needed.env:
        raise Unclear(needed.why, puts[0], "raise the `# syntax` line, and run dockerfix again")
    yield from needed.operations
    for call in context.calls:
        yield from _given(context, call, name, puts[0])


def _runs(context: Context, inline: Inline, puts: list[Put]) -> dict[Run, list[Put]]:
    """The RUNs of `puts`, each of which must then be one that a shell expands."""
    said = inline.reference(puts[0].name)
    found: dict[Run, list[Put]] = {}
    text = splice(context.dockerfile.source.data, [Edit(one.span, one.said) for one in puts])
    tree = dockerfix.parse(text, context.path)
    reader = RunReader(build(tree))
    after = {one.span.start: one for one in tree.instructions if isinstance(one, Run)}
    for put in puts:
        if not put.said:
            raise Unclear(
                "it is more there than the value of the variable",
                put,
                f"write `{said}` there, and run dockerfix again",
            )
        run = next((one for one in context.runs if one.span.contains(put.span)), None)
        if run is None:
            raise Unclear(
                "only a RUN can read a secret",
                put,
                "take it out, and give it to the RUN or the container that needs it",
            )
        new = after.get(run.span.start)
        if new is None or not _expands(reader, new, put):
            raise Unclear(
                f"the shell of the RUN on line {run.start_line} would not expand it there",
                put,
                f"let the RUN read `{said}`, and run dockerfix again",
            )
        found.setdefault(run, []).append(put)
    return found


def _expands(reader: RunReader, run: Run, put: Put) -> bool:
    """Whether a shell reads the variable where it stands."""
    return not run.exec_form and any(
        use.name == put.name
        and not use.deferred
        and not use.assigned_before
        and script.projection.host_span(use.span).overlaps(put.span)
        for outer in reader.scripts(run)
        for script in _every(outer)
        for use in script.uses
    )


def _every(script: Script) -> Iterator[Script]:
    yield script
    for nested in script.nested:
        yield from _every(nested.script)


def _same_value(context: Context, inline: Inline, name: str, by_run: dict[Run, list[Put]]) -> None:
    """An argument of that name must hold the same value in each RUN."""
    said = f"declare `ARG {name}` above it, pass {name} as the variable that it is, and run dockerfix again"
    for run, own in by_run.items():
        binding = context.model.environment(run).get(name)
        if has_variable(run, name):
            continue
        if binding is None or binding.kind == "env":
            raise Unclear(f"the RUN on line {run.start_line} has no argument {name}", own[0], said)
        for call in context.calls:
            args = call.passes(name)
            if not call.through and not any(one.variable == name for one in args):
                raise Unclear(f"the argument {name} may be another value", own[0], said)


def _given(context: Context, call: BuildCall, name: str, put: Put) -> Iterator[Operation]:
    configured = context.config.secrets.get(name)
    source = source_for(context, call, configured.source if configured is not None else None)
    result = call.add_secret(secret_id(context, name), source or f"env:{name}")
    if isinstance(result, Refusal):
        raise Unclear(result.reason, put, result.help)
    yield from result
