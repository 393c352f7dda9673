"""`secret-persisted-in-layer`: a RUN leaves a secret in a file. Page: docs/passes/secret-persisted-in-layer.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Fix, Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.model.file_secrets import kind_of
from dockerfix.model.run_taint import fate
from dockerfix.rewrite.copied_texts import reference_at
from dockerfix.rewrite.exposure import Exposure, exposures, heredocs
from dockerfix.rewrite.mounted_advice import advised
from dockerfix.rewrite.mounted_copies import mounted_there
from dockerfix.rewrite.mounted_values import copied_to, ended_in_file, repair_file
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
        cure, fix = self.cured(context, one)
        certain = cure is not None or forwarded(context, one.variable)
        return Finding(
            path=context.path,
            span=one.at,
            name=self.name,
            variable=one.variable,
            severity=Severity.INFO if quiet else Severity.WARNING,
            safety=Safety.UNSAFE if fix is not None else Safety.MANUAL,
            message=f"{one.variable} stays in {where}: {says}",
            reason=f"{known.says}; a secret mount alone does not change that",
            help=help_for(context, one, cure, part=fix is None),
            residual="none" if certain else "known",
            fix=fix,
            with_fix_of=one.variable if certain and fix is None else "",
            related=tuple(
                Place(context.path, place.keyword_span, known.says)
                for place in (known.place,)
                if place is not None
            ),
        )

    def cured(self, context: Context, one: Exposure) -> tuple[Cure | None, Fix | None]:
        """What ends it, and the fix where the secret is mounted already."""
        if one.script:
            return None, None
        if not one.name.startswith("/"):
            cure = ended(context, one.name, one.run, one.leak)
            certain = cure is not None or forwarded(context, one.variable)
            fix = repair(context, self.name, one.name, one.run, one.leak) if certain else None
            return cure, fix
        copied = mounted_there(context, self.name, one.run, one.name, one.leak)
        if copied is not None:
            said = f"{one.leak.file} is mounted where it is read, and in no layer"
            return Cure(said=[said]), copied
        found = ended_in_file(context, one.run, one.name, one.leak)
        fix = repair_file(context, self.name, *found) if found is not None else None
        return (found[1] if found is not None and fix is not None else None), fix

    def copied(self, context: Context, variable: str, site: ExpansionSite) -> Finding:
        """BuildKit expands a here-document of COPY and writes it into a layer."""
        keyword = site.instruction.keyword.upper()
        row = reference_at(context, site)
        help = (
            f"quote the name (`<<'EOF'`) if the program that reads the file replaces ${{{site.name}}} "
            "itself; otherwise write the file in the RUN that needs it, with a mount, and remove it "
            "there"
        )
        if row is not None:
            said = row.spelling.replace("NAME", site.name)
            help = (
                f"{row.readers} then holds {said}, which the tool expands: that is part of the fix "
                f"that mounts {variable}"
            )
        return Finding(
            path=context.path,
            span=site.span,
            name=self.name,
            variable=variable,
            severity=Severity.WARNING,
            safety=Safety.MANUAL,
            message=f"{variable} stays in a layer: {keyword} writes it into a file",
            reason="BuildKit puts variables into a here-document of COPY whose name is not quoted",
            help=help,
            residual="none" if row is not None else "known",
            with_fix_of=variable if row is not None else "",
        )


def help_for(context: Context, one: Exposure, cure: Cure | None, *, part: bool) -> str:
    """What is done about it, as `part` of another fix or by this one; else what fits the file. A
    mounted file that is only copied can be mounted there at once."""
    if cure is not None and cure.said:
        said = "; ".join(cure.said)
        return f"{said}: that is part of the fix that mounts {one.variable}" if part else said
    leak = one.leak
    command = next((it for it in leak.script.commands if it.span == leak.span), None)
    if one.name.startswith("/") and leak.path and command and copied_to(command, one.name):
        mount = f"`--mount=type=secret,id={one.variable},target={leak.path}`"
        if any(it.operator == ">>" for it in command.redirects):
            return (
                "write the file, use it and remove it in one RUN, or let the secret be all of it, and "
                f"mount it there: {mount}"
            )
        run_time = kind_of(leak.path).container
        return f"let the mount put it there: {mount}" + (
            "; a container that needs it gets it when it starts" if run_time else ""
        )
    return advised(context, one)
