"""`runtime-secret-in-env`: ENV keeps a secret for containers. Page: docs/passes/runtime-secret-in-env.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.edits import Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.model.run_time import file_variable
from dockerfix.rewrite.candidates import of_itself
from dockerfix.rewrite.environment import RunTimeSecret, run_time_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context

PAGE = "see `dockerfix explain runtime-secret-in-env`"


class RuntimeSecretInEnv:
    name = "runtime-secret-in-env"

    def run(self, context: Context) -> Iterator[Finding]:
        told = False
        for one in run_time_secrets(context):
            yield self.finding(context, one, short=told)
            told = told or not one.default

    def finding(self, context: Context, one: RunTimeSecret, *, short: bool) -> Finding:
        severity = Severity.ERROR if one.real else Severity.WARNING
        message = (
            f"ENV {one.name} keeps a secret in the image, for every container and for whoever "
            "can pull it (`docker inspect`)"
        )
        if all(of_itself(context, root) for root in one.roots):
            severity = Severity.INFO
            message = f"ENV {one.name} is empty, unless the base image sets it: no ARG takes it"
        if one.default:
            severity = Severity.INFO
            message = f"ENV {one.name} has a default for development, which every container gets"
        return Finding(
            path=context.path,
            span=one.roots[0].pair.span,
            name=self.name,
            variable=one.name,
            severity=severity,
            safety=Safety.MANUAL,
            message=message,
            reason=why(context, one),
            help=help_for(context, one, short),
            residual="known",
            related=tuple(places(context, one)),
        )


def why(context: Context, one: RunTimeSecret) -> str:
    said = [one.default] if one.default else list(one.verdict.evidence)
    said.extend(dict.fromkeys(read.says for read in one.readers))
    said.extend(f"{path} starts FROM this image and inherits it" for path in one.heirs)
    said.extend(oddities(context, one))
    if not one.readers and not one.heirs and not one.runs and not one.default:
        said.append("no RUN needs it, so containers do")
    return "; ".join(said)


def oddities(context: Context, one: RunTimeSecret) -> Iterator[str]:
    """Where the line does not say what its author meant."""
    if one.name.endswith(":"):
        yield "the colon is part of the name, which in this form of ENV ends at the first blank"
    for root in one.roots:
        for site in context.model.sites:
            if site.binding is None and root.pair.span.contains(site.span) and site.role == "value":
                yield f"BuildKit puts ${site.name} into it, which nothing here sets"


def help_for(context: Context, one: RunTimeSecret, short: bool) -> str:
    """What to do, one line a way of starting containers; once in full, then in one line."""
    name = one.name
    if one.default:
        return f"let containers set it, and let the program fail without it: no default for {name}"
    gone = f"take {name} out of the ENV and rotate it: pushed images and the git history keep it"
    if all(of_itself(context, root) for root in one.roots):
        gone = f"take {name} out of the ENV: nothing gives it a value"
    if short:
        return (
            f"{gone}; give it when the container starts: docker run `-e`, compose `environment`, "
            f"a Kubernetes Secret ({PAGE})"
        )
    file = next((found for root in one.roots if (found := file_variable(context.model, root))), "")
    id = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")
    lines = [
        gone,
        f"docker run: `docker run -e {name} IMAGE` takes the value from your own environment, "
        f"`--env-file FILE` from a file that is in no repository",
        f"compose: `environment: [{name}]` takes it from where `docker compose` runs",
        f"Kubernetes: a Secret, and `env: [{{name: {name}, valueFrom: {{secretKeyRef: "
        f"{{name: APP, key: {name}}}}}}}]`; swarm: `docker service create --secret {id}`, and "
        f"the program reads /run/secrets/{id}",
    ]
    if file:
        lines[2] = (
            f"compose: `secrets: [{id}]` and `environment: {{{file}: /run/secrets/{id}}}`, "
            "which this image reads instead"
        )
    if one.runs:
        line = one.runs[0].start_line
        lines.append(
            f"the RUN on line {line} reads it too: `--mount=type=secret,id={name},env={name}`"
        )
    return "\n".join(lines)


def places(context: Context, one: RunTimeSecret) -> Iterator[Place]:
    for root in one.roots[1:]:
        yield Place(context.path, root.pair.span, "set here too")
    for read in one.readers:
        yield Place(context.path, read.instruction.keyword_span, read.says)
    for run in dict.fromkeys(one.runs):
        yield Place(context.path, run.keyword_span, f"this RUN reads {one.name} too")
