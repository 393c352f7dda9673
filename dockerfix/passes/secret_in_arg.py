"""`secret-in-arg`: a secret that reaches the build through ARG. Page: docs/passes/secret-in-arg.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Fix, Operation, Safety
from dockerfix.finding import Finding, Severity
from dockerfix.rewrite.candidates import Candidate, Origin, arguments, literal, shipped
from dockerfix.rewrite.migration import argument_roots, migrate
from dockerfix.rewrite.mounts import beside
from dockerfix.rewrite.plan import other_readers, remove
from dockerfix.rewrite.ssh import forwarding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.model import Binding
    from dockerfix.model.secrets import Verdict


class SecretInArg:
    name = "secret-in-arg"

    def run(self, context: Context) -> Iterator[Finding]:
        for candidate in arguments(context):
            if beside(context, candidate.name) is not None and not candidate.proxy:
                continue
            if candidate.proxy:
                yield from self.proxy(context, candidate)
            elif forwarding(context, candidate) is not None:
                continue
            elif candidate.origin is not Origin.PLACEHOLDER or overridden(context, candidate):
                yield migrate(context, candidate, self.name, argument_roots)
        for binding, verdict in shipped(context):
            yield self.shipped(context, binding, verdict)

    def shipped(self, context: Context, binding: Binding, verdict: Verdict) -> Finding:
        """A name that a bundler copies into its output: everybody who loads the page has it."""
        return Finding(
            path=context.path,
            span=binding.pair.span,
            name=self.name,
            variable=binding.name,
            severity=Severity.INFO,
            safety=Safety.MANUAL,
            message=f"{binding.name} is shipped to every user, so a secret mount protects nothing",
            reason="; ".join(verdict.evidence),
            help="if it is a secret, rotate it and keep it on a server under another name",
            residual="known",
        )

    def proxy(self, context: Context, candidate: Candidate) -> Iterator[Finding]:
        """A predefined proxy needs no ARG: without the line it stays out of the history (T18)."""
        given = all(call.passes(candidate.name) for call in context.calls) and bool(context.calls)
        written = any(literal(one) for one in candidate.roots)
        operations: tuple[Operation, ...] = tuple(
            remove(context, one, (one.order,)) for one in candidate.roots
        )
        safety = Safety.SAFE if given or not written else Safety.UNSAFE
        refusals = tuple(other_readers(context, candidate.roots))
        yield Finding(
            path=context.path,
            span=candidate.roots[0].pair.span,
            name=self.name,
            variable=candidate.name,
            severity=Severity.WARNING,
            safety=Safety.MANUAL if refusals else safety,
            message=f"ARG {candidate.name} writes a proxy with credentials into the image history",
            reason="; ".join(candidate.verdict.evidence),
            help=f"remove the line: BuildKit gives {candidate.name} to every RUN without it; "
            + (
                f"pass `--build-arg {candidate.name}=...`, which not every build does, and rotate "
                "the password: old images and the git history keep it"
                if safety is Safety.UNSAFE
                else f"keep passing `--build-arg {candidate.name}`"
            ),
            residual="none",
            refusals=refusals,
            fix=None if refusals else Fix(self.name, safety, "none", operations),
        )


def overridden(context: Context, candidate: Candidate) -> bool:
    return any(call.passes(candidate.name) for call in context.calls)
