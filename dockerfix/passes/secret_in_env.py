"""`secret-in-env`: the build reads a secret that ENV writes. Page: docs/passes/secret-in-env.md."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.edits import Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.rewrite.candidates import Candidate, environment, literal, unset
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
        for candidate in unset(context):
            yield self.never_set(context, candidate)

    def never_set(self, context: Context, candidate: Candidate) -> Finding:
        """What the callers pass arrives nowhere; as a secret it does, and the image keeps nothing."""
        name = candidate.name
        found = migrate(context, candidate, self.name, unset_roots)
        fix = replace(found.fix, safety=Safety.UNSAFE) if found.fix is not None else None
        does = "remove the ENV, and mount the secret for the RUNs that read it, which this fix does"
        return replace(
            found,
            message=f"ENV {name} is empty, and the build argument {name} arrives nowhere: no ARG "
            "takes it",
            reason="without `ARG` BuildKit ignores the argument, unless the base image has an ONBUILD "
            "ARG for it; with it the value would be in the image",
            help=f"{does}: they have a value now that they had not" if fix else found.help,
            safety=Safety.UNSAFE if fix is not None else found.safety,
            fix=fix,
        )

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


def unset_roots(context: Context, name: str) -> tuple[Binding, ...]:
    return next((one.roots for one in unset(context) if one.name == name), ())


def written_roots(context: Context, name: str) -> tuple[Binding, ...]:
    return next((one.roots for one in environment(context) if one.name == name), ())
