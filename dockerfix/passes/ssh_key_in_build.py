"""`ssh-key-in-build`: an ssh key is given to a build that an agent could serve. Page: docs/passes/ssh-key-in-build.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Fix, Guard, Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.rewrite.candidates import arguments
from dockerfix.rewrite.ssh import Forwarding, forwarding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context


class SshKeyInBuild:
    name = "ssh-key-in-build"

    def run(self, context: Context) -> Iterator[Finding]:
        for candidate in arguments(context):
            found = forwarding(context, candidate)
            if found is not None:
                yield self.argument(context, found)

    def argument(self, context: Context, found: Forwarding) -> Finding:
        """The key is an argument: it is in the history, and in the layer that it is written to."""
        root = found.candidate.roots[0]
        name = found.candidate.name
        flag = f"; callers outside this tree must give `{found.outside}`" if found.outside else ""
        return Finding(
            path=context.path,
            span=root.pair.span,
            name=self.name,
            variable=name,
            severity=Severity.WARNING,
            safety=Safety.UNSAFE,
            message=f"ARG {name} leaves a private key in the image: in its history and in a layer",
            reason="; ".join(
                (*found.candidate.verdict.evidence, "the key is only there for ssh connections")
            ),
            help="forward an ssh agent with `RUN --mount=type=ssh`, which this fix does: the key "
            f"never enters the build (the client reads unencrypted key files only){flag}",
            residual="none",
            related=tuple(
                Place(context.path, run.keyword_span, "this RUN may connect by ssh")
                for run in found.users
            ),
            fix=Fix(
                self.name,
                Safety.UNSAFE,
                "none",
                found.operations,
                tuple(Guard(context.path, run.arguments_span) for run in found.users),
            ),
            not_changed=tuple(found.callers.not_changed),
            outside_flag=found.outside,
        )
