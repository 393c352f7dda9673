"""`secret-in-env`: a secret written into the Dockerfile by ENV. Page: docs/passes/secret-in-env.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.edits import Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.rewrite.candidates import Candidate, environment, literal
from dockerfix.rewrite.migration import migrate
from dockerfix.rewrite.plan import mounted_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.model import Binding
    from dockerfix.syntax.nodes import Instruction


class SecretInEnv:
    name = "secret-in-env"

    def run(self, context: Context) -> Iterator[Finding]:
        for candidate in environment(context):
            if read_by_build(context, candidate):
                yield migrate(context, candidate, self.name, written_roots)
            else:
                yield self.run_time(context, candidate)

    def run_time(self, context: Context, candidate: Candidate) -> Finding:
        name = candidate.name
        return Finding(
            path=context.path,
            span=candidate.roots[0].pair.span,
            name=self.name,
            variable=name,
            severity=Severity.ERROR,
            safety=Safety.MANUAL,
            message=f"ENV {name} puts a secret into the image's config: whoever can pull it can read it",
            reason="; ".join((*candidate.verdict.evidence, "no RUN needs it, so containers do")),
            help=f"delete the line, rotate the value, and give it when the container starts: "
            f"`docker run -e {name}`, compose `environment: [{name}]`, or your orchestrator's secret",
            residual="known",
            related=tuple(
                Place(context.path, one.pair.span, "set here too") for one in candidate.roots[1:]
            ),
        )


def written_roots(context: Context, name: str) -> tuple[Binding, ...]:
    return next((one.roots for one in environment(context) if one.name == name), ())


def read_by_build(context: Context, candidate: Candidate) -> bool:
    """Whether the secret is there for the build. What a final image keeps is there for its
    containers, unless a RUN plainly reads it and nothing that starts in a container does (T4)."""
    if len({literal(one) for one in candidate.roots}) > 1:
        return False
    found = tuple(mounted_runs(context, candidate.roots))
    final = [one for one in candidate.roots if one.stage is not None and one.stage.in_final_chain]
    if not final:
        return bool(found)
    if any(run_time_reader(context, one) for one in final):
        return False
    return any(one.reading.reading.how in ("explicit", "implicit") for one in found)


def run_time_reader(context: Context, binding: Binding) -> Instruction | None:
    """CMD, ENTRYPOINT or HEALTHCHECK of an image with `binding` in its ENV that names it."""
    named = re.compile(
        rb"(?<![A-Za-z0-9_])" + re.escape(binding.name.encode()) + rb"(?![A-Za-z0-9_])"
    )
    for stage in context.model.stages:
        if stage.final and context.model.image_env(stage).get(binding.name) is binding:
            for one in context.model.entry(stage).readers:
                if named.search(context.dockerfile.source.text(one.span)):
                    return one
    return None
