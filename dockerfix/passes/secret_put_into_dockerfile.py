"""`secret-put-into-dockerfile`: a secret in the text itself. Page: docs/passes/secret-put-into-dockerfile.md."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.finding import Refusal
from dockerfix.model.secrets import classify
from dockerfix.rewrite.mounts import finding
from dockerfix.rewrite.put_in import written_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.finding import Finding


class SecretPutIntoDockerfile:
    name = "secret-put-into-dockerfile"

    def run(self, context: Context) -> Iterator[Finding]:
        every = (one.inline for one in context.calls)
        inline = next((one for one in every if one and one.path == context.path), None)
        puts = {one.name: one for one in reversed(inline.put)} if inline is not None else {}
        for name, put in reversed(puts.items()):
            verdict = classify(name)
            if inline is None or not verdict.secret:
                continue
            result = written_out(context, inline, name)
            said = finding(
                context,
                self.name,
                name,
                put.span,
                message=f"{inline.tool} writes the value of ${name} into the Dockerfile of "
                f"{inline.label}: its text, `docker history` and provenance hold it",
                reason="; ".join(verdict.evidence),
                help=f"let the RUN read `{inline.reference(name)}` from a secret mount, which this "
                "fix does",
                operations=() if isinstance(result, Refusal) else result,
            )
            if isinstance(result, Refusal):
                said = replace(said, refusals=(result,), help=result.help)
            yield said
