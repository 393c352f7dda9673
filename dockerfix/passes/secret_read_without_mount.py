"""`secret-read-without-mount`: a RUN reads a secret that only others mount. Page: docs/passes/secret-read-without-mount.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.rewrite.forms import FOLDER, file_path, rights
from dockerfix.rewrite.mounts import (
    files_read,
    finding,
    has_variable,
    secret_mounts,
    shows,
    with_frontend,
)
from dockerfix.shell.words import is_name
from dockerfix.syntax import make, verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.finding import Finding
    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Run


class SecretReadWithoutMount:
    name = "secret-read-without-mount"

    def run(self, context: Context) -> Iterator[Finding]:
        for run in context.runs:
            yield from self.files(context, run)
            yield from self.variables(context, run)

    def files(self, context: Context, run: Run) -> Iterator[Finding]:
        """`cat /run/secrets/X` without a mount of X."""
        targets = [one.get("target") or "" for one in run.mounts]
        here = {one.file for one in secret_mounts(context) if one.run is run}
        for name, span in files_read(context, run):
            path = FOLDER + name
            if path in here or any(one and path.startswith(one) for one in targets):
                continue
            ids = {one.id for one in secret_mounts(context) if one.file == path}
            ids |= {
                one.id
                for call in context.calls
                for one in call.secrets
                if one.id and file_path(one.id) == path
            }
            id = ids.pop() if len(ids) == 1 else None
            operations: tuple[Operation, ...] = ()
            if id is not None:
                uid, mode = rights(context, run)
                target = None if file_path(id) == path and id == name else path
                text = make.mount(id=id, target=target, uid=uid, mode=mode)
                operations = (verbs.add_mount(context.dockerfile, run, text),)
            yield finding(
                context,
                self.name,
                id or name,
                span,
                message=f"this RUN reads {path}, and does not mount it",
                reason="a secret is mounted for one RUN at a time: here the file is missing",
                help=f"mount it on this RUN too: `--mount=type=secret,id={id or name}`",
                operations=operations,
            )

    def variables(self, context: Context, run: Run) -> Iterator[Finding]:
        """`$X` where only other RUNs mount `env=X`, or the secret X, and nothing else sets it."""
        environment = context.model.environment(run)
        others = [one for one in secret_mounts(context) if one.run is not run]
        # A file whose id is written in capitals is taken for a variable of that name.
        found = {one.id: one.id for one in others if is_name(one.id) and one.id.isupper()}
        found |= {one.env: one.id for one in others if one.env}
        for name, id in found.items():
            if name in environment or has_variable(run, name):
                continue
            reading = context.reader.reading(run, name)
            uses = [use for use in reading.uses if not use.assigned_before and not use.operator]
            if reading.reading.how != "explicit" or not uses or reading.optional:
                continue
            if context.reader.needs(run, name) and not shows(context, run, name):
                yield self.variable(context, run, name, id, run.keyword_span)

    def variable(self, context: Context, run: Run, name: str, id: str, span: Span) -> Finding:
        text = make.mount(id=id, env=name)
        needs = with_frontend(context)
        operations = (verbs.add_mount(context.dockerfile, run, text), *needs.operations)
        return finding(
            context,
            self.name,
            name,
            span,
            message=f"this RUN reads ${name}, and does not mount it",
            reason="a secret is mounted for one RUN at a time: here nothing sets the variable, "
            "unless the base image does",
            help=f"mount it on this RUN too: `--mount={text.decode()}`",
            operations=operations if needs.env else (),
        )
