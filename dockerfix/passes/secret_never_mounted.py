"""`secret-never-mounted`: a build gives a secret that no RUN mounts. Page: docs/passes/secret-never-mounted.md."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.finding import Place, Severity
from dockerfix.rewrite.asked import asked_elsewhere, readers, unasked
from dockerfix.rewrite.mounts import finding, give_variable, with_frontend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.builders.call import BuildCall, SecretFlag
    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.finding import Finding
    from dockerfix.syntax.nodes import Run


class SecretNeverMounted:
    name = "secret-never-mounted"

    def run(self, context: Context) -> Iterator[Finding]:
        for call, flag in unasked(context):
            name, runs = readers(context, flag)
            if runs:
                yield self.read(context, call, flag, name, runs)
            elif call.dockerfiles[0] == context.path and not asked_elsewhere(context, call, flag):
                yield self.unread(context, call, flag)

    def read(
        self, context: Context, call: BuildCall, flag: SecretFlag, name: str, runs: tuple[Run, ...]
    ) -> Finding:
        """`$X` in a RUN, a secret X that the build gives, and no mount between them."""
        needs = with_frontend(context)
        operations: tuple[Operation, ...] = ()
        if needs.env:
            mounts = (give_variable(context, run, flag.id, name) for run in runs)
            operations = (*mounts, *needs.operations)
        return finding(
            context,
            self.name,
            flag.id,
            runs[0].keyword_span,
            message=f"this RUN reads ${name}, and does not mount the secret {flag.id} that the "
            "build gives",
            reason=f"a secret is there only in a RUN that mounts it: ${name} is empty, unless the "
            "base image sets it",
            help=f"mount it: `--mount=type=secret,id={flag.id},env={name}`",
            operations=operations,
            related=(Place(call.path, flag.span, f"the secret {flag.id} is given here"),),
        )

    def unread(self, context: Context, call: BuildCall, flag: SecretFlag) -> Finding:
        found = finding(
            context,
            self.name,
            flag.id,
            flag.span,
            message=f"the build gives the secret {flag.id}, and no RUN of {context.path} mounts it",
            reason="a secret is there only in a RUN that mounts it",
            help="mount it where it is needed, or do not give it",
            severity=Severity.INFO,
        )
        return replace(found, path=call.path)
