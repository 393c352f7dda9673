"""`secret-in-env`: the build reads a secret that ENV writes. Page: docs/passes/secret-in-env.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.rewrite.candidates import Candidate, environment, literal
from dockerfix.rewrite.environment import for_containers
from dockerfix.rewrite.migration import migrate
from dockerfix.rewrite.mounts import beside
from dockerfix.rewrite.ssh import forwarding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.model import Binding


class SecretInEnv:
    name = "secret-in-env"

    def run(self, context: Context) -> Iterator[Finding]:
        for candidate in environment(context):
            if for_containers(context, candidate.roots):
                continue  # runtime-secret-in-env reports it
            if forwarding(context, candidate) is not None:
                continue  # ssh-key-in-build reports it
            others = tuple(other_values(context, candidate))
            if others:
                yield self.several_values(context, candidate, others)
            else:
                yield migrate(context, candidate, self.name, written_roots)

    def several_values(
        self, context: Context, candidate: Candidate, others: tuple[Place, ...]
    ) -> Finding:
        """One secret cannot hold what two lines say."""
        name = candidate.name
        return Finding(
            path=context.path,
            span=candidate.roots[0].pair.span,
            name=self.name,
            variable=name,
            severity=Severity.ERROR,
            safety=Safety.MANUAL,
            message=f"ENV {name} leaves a secret in the build's log and provenance",
            reason="; ".join((*candidate.verdict.evidence, "several values stand under one name")),
            help=f"rotate the values, give each an id of its own, and mount it where it is read: "
            f"`--mount=type=secret,id=...,env={name}`",
            residual="known",
            related=others,
        )


def other_values(context: Context, candidate: Candidate) -> Iterator[Place]:
    """Where the same name has another value: in another ENV, or from a mount."""
    written = literal(candidate.roots[0])
    for one in candidate.roots[1:]:
        if literal(one) != written:
            yield Place(context.path, one.pair.span, "another value stands here")
    given = beside(context, candidate.name)
    if given is not None:
        yield Place(context.path, given.span, "a mount gives another value")


def written_roots(context: Context, name: str) -> tuple[Binding, ...]:
    return next((one.roots for one in environment(context) if one.name == name), ())
