"""`secret-in-onbuild`: a trigger makes the builds of others leak. Page: docs/passes/secret-in-onbuild.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Safety
from dockerfix.finding import Finding, Severity
from dockerfix.rewrite.onbuild import Declared, copied, declared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Onbuild, Word

HEIR = "every image that is built FROM this one"


class SecretInOnbuild:
    name = "secret-in-onbuild"

    def run(self, context: Context) -> Iterator[Finding]:
        for one in declared(context):
            yield self.argument(context, one) if one.keyword == "ARG" else self.value(context, one)
        for onbuild, source in copied(context):
            yield self.file(context, onbuild, source)

    def argument(self, context: Context, one: Declared) -> Finding:
        name = one.pair.name
        return self.found(
            context,
            one.pair.span,
            name,
            Severity.WARNING,
            message=f"ONBUILD ARG {name} leaves a secret in {HEIR}: `docker history` and "
            "provenance show it",
            reason="; ".join(one.verdict.evidence),
            help=f"give it to the triggers that need it, `ONBUILD RUN --mount=type=secret,id={name},"
            f"env={name} ...`, and delete the ARG; whoever builds on the image then passes "
            f"`--secret id={name},env={name}` instead of `--build-arg {name}`, so give it a new tag",
        )

    def value(self, context: Context, one: Declared) -> Finding:
        name = one.pair.name
        return self.found(
            context,
            one.pair.span,
            name,
            Severity.ERROR,
            message=f"ONBUILD ENV {name} puts a secret into {HEIR}, and this one's config shows it",
            reason="; ".join(one.verdict.evidence),
            help=f"take {name} out and rotate it: pushed images and the git history keep it; a "
            f"container gets it when it starts (`docker run -e {name}`), a trigger by a mount",
        )

    def file(self, context: Context, onbuild: Onbuild, source: Word) -> Finding:
        keyword = onbuild.trigger.keyword.upper() if onbuild.trigger is not None else "COPY"
        file = source.raw.decode("utf-8", "replace").strip("\"'")
        return self.found(
            context,
            source.span,
            file,
            Severity.INFO,
            message=f"ONBUILD {keyword} leaves {file} in a layer of {HEIR}",
            reason="a file of that name often holds a login, and whoever can pull the image can "
            "read it",
            help="mount it in the triggers that read it: `ONBUILD RUN --mount=type=secret,id=...,"
            "target=...`",
        )

    def found(
        self,
        context: Context,
        span: Span,
        variable: str,
        severity: Severity,
        *,
        message: str,
        reason: str,
        help: str,
    ) -> Finding:
        return Finding(
            path=context.path,
            span=span,
            name=self.name,
            variable=variable,
            severity=severity,
            safety=Safety.MANUAL,
            message=message,
            reason=reason,
            help=help,
            residual="known",
        )
