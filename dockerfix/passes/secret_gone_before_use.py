"""`secret-gone-before-use`: a variable is set where it ends too soon. Page: docs/passes/secret-gone-before-use.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.finding import Place
from dockerfix.rewrite.mounts import finding, give_variable, has_variable, shows, with_frontend
from dockerfix.rewrite.shell_loads import command_of, exportable, loads, missed, only_loads
from dockerfix.source import Span
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.finding import Finding
    from dockerfix.rewrite.shell_loads import Load
    from dockerfix.syntax.nodes import Run


class SecretGoneBeforeUse:
    name = "secret-gone-before-use"

    def run(self, context: Context) -> Iterator[Finding]:
        found = tuple(loads(context))
        for load in found:
            if load.name in context.model.environment(load.run):
                continue
            if any(one.env == load.name for one in load.run.mounts):
                continue
            if only_loads(load):
                yield self.nothing_else(
                    context, load, [one for one in found if one.run is load.run]
                )
            elif why := missed(load):
                yield self.first_command_only(context, load, why)

    def nothing_else(self, context: Context, load: Load, group: list[Load]) -> Finding:
        """`RUN export X=$(cat /run/secrets/x)`. With one of a `group` all of them go."""
        readers = tuple(wanting(context, load))
        needs = with_frontend(context)
        operations: tuple[Operation, ...] = ()
        if readers and needs.env:
            mounts = dict.fromkeys(
                give_variable(context, run, one.given.id, one.name, (one.assignment.span.start,))
                for one in group
                for run in wanting(context, one)
            )
            operations = (verbs.remove(context.dockerfile, load.run), *mounts, *needs.operations)
        return finding(
            context,
            self.name,
            load.name,
            load.script.projection.host_span(load.assignment.span),
            message=f"{load.name} is set in a RUN that does nothing else, and ends with it",
            reason="each RUN is a shell of its own: what it exports, no later RUN and no container has",
            help=f"mount the secret where {load.name} is read: "
            f"`--mount=type=secret,id={load.given.id},env={load.name}`"
            + (", which this fix does" if operations else "")
            + ("" if readers else "; what containers need is given to them when they start"),
            operations=operations,
            related=tuple(
                Place(context.path, run.keyword_span, f"this RUN may read {load.name}")
                for run in readers
            ),
        )

    def first_command_only(self, context: Context, load: Load, why: str) -> Finding:
        """`X=$(cat /run/secrets/x) first && second`."""
        own = command_of(load)
        operations: tuple[Operation, ...] = ()
        if own is not None and exportable(load) and not shows(context, load.run, load.name):
            at = load.script.projection.host(own.words[0].span.start)
            text = f"&& export {load.name} && ".encode()
            operations = (verbs.replace(context.dockerfile, load.run, Span(at, at), text),)
        return finding(
            context,
            self.name,
            load.name,
            load.script.projection.host_span(load.assignment.span),
            message=f"`{load.name}=` before a command holds for that command alone: {why}",
            reason=f"without the secret {load.name} is empty there, and the command may go on",
            help=f"set it for all of them: `{load.name}=... && export {load.name} && ...`"
            + (", which this fix does" if operations else ""),
            operations=operations,
        )


def wanting(context: Context, load: Load) -> Iterator[Run]:
    """Later RUNs of the stage, and of stages built FROM it, that may read the variable and get it
    from nowhere."""
    stage = context.model.stage_of(load.run)
    for run in context.runs:
        its = context.model.stage_of(run)
        if run.span.start <= load.run.span.start or stage is None or its is None:
            continue
        if stage not in its.chain or load.name in context.model.environment(run):
            continue
        if has_variable(run, load.name):
            continue
        reading = context.reader.reading(run, load.name)
        needs = reading.reads and context.reader.needs(run, load.name)
        if needs and not shows(context, run, load.name):
            yield run
