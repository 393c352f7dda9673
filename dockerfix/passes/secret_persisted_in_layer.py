"""`secret-persisted-in-layer`: a RUN leaves a secret in a file. Page: docs/passes/secret-persisted-in-layer.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.model.run_taint import fate
from dockerfix.model.taint import advice
from dockerfix.rewrite.exposure import Exposure, exposures, heredocs
from dockerfix.rewrite.persisted import Cure, ended, repair
from dockerfix.rewrite.ssh import forwarded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.model import ExpansionSite


class SecretPersistedInLayer:
    name = "secret-persisted-in-layer"

    def run(self, context: Context) -> Iterator[Finding]:
        for one in exposures(context):
            if one.leak.stays:
                yield self.kept(context, one)
        for variable, site in heredocs(context):
            yield self.copied(context, variable, site)

    def kept(self, context: Context, one: Exposure) -> Finding:
        """What a command of a RUN leaves. Where only the builder keeps it, it is information."""
        known = fate(context.model, one.run, one.leak, context.reader.scripts)
        says = f"{one.script}: {one.leak.says}" if one.script else one.leak.says
        quiet = one.maybe or known.kind == "cache"
        where = "the builder's cache" if known.kind == "cache" else "a layer"
        cure = ended(context, one.name, one.run, one.leak) if not one.script else None
        certain = cure is not None or forwarded(context, one.variable)
        fix = repair(context, self.name, one.name, one.run, one.leak) if certain else None
        return Finding(
            path=context.path,
            span=one.at,
            name=self.name,
            variable=one.variable,
            severity=Severity.INFO if quiet else Severity.WARNING,
            safety=Safety.UNSAFE if fix is not None else Safety.MANUAL,
            message=f"{one.variable} stays in {where}: {says}",
            reason=f"{known.says}; a secret mount alone does not change that",
            help=help_for(one, cure, part=fix is None),
            residual="none" if certain else "known",
            fix=fix,
            related=tuple(
                Place(context.path, place.keyword_span, known.says)
                for place in (known.place,)
                if place is not None
            ),
        )

    def copied(self, context: Context, variable: str, site: ExpansionSite) -> Finding:
        """BuildKit expands a here-document of COPY and writes it into a layer."""
        keyword = site.instruction.keyword.upper()
        return Finding(
            path=context.path,
            span=site.span,
            name=self.name,
            variable=variable,
            severity=Severity.WARNING,
            safety=Safety.MANUAL,
            message=f"{variable} stays in a layer: {keyword} writes it into a file",
            reason="BuildKit puts variables into a here-document of COPY whose name is not quoted",
            help="quote the name (`<<'EOF'`) if the program that reads the file replaces "
            f"${{{variable}}} itself; otherwise write the file in the RUN that needs it, with a "
            "mount, and remove it there",
            residual="known",
        )


def help_for(one: Exposure, cure: Cure | None, *, part: bool) -> str:
    """What is done about it, as `part` of another fix or by this one; else what fits the file. A
    mounted file that is only copied can be mounted there at once."""
    if cure is not None and cure.said:
        said = "; ".join(cure.said)
        return f"{said}: that is part of the fix that mounts {one.variable}" if part else said
    leak = one.leak
    words = leak.script.text[leak.span.start : leak.span.end].split()
    if one.name.startswith("/") and leak.path and words[:1] in ([b"cat"], [b"cp"], [b"install"]):
        return f"let the mount put it there: `--mount=type=secret,id={one.variable},target={leak.path}`"
    return advice(leak, one.variable if one.name.startswith("/") else one.name)
