"""`secret-in-log`: a RUN prints a secret. Page: docs/passes/secret-in-log.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.edits import Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.model.taint import SHOWN
from dockerfix.rewrite.exposure import Exposure, exposures
from dockerfix.rewrite.mounted_advice import advised
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context

WHY = "BuildKit masks nothing that a command prints, and CI keeps its logs, often for everybody"


class SecretInLog:
    name = "secret-in-log"

    def run(self, context: Context) -> Iterator[Finding]:
        told: set[tuple[str, int, str]] = set()
        for one in exposures(context):
            if one.leak.kind not in SHOWN:
                continue
            # One `set -x` shows every command behind it: told of the first.
            mark = (one.variable, one.run.span.start if one.leak.kind == "trace" else one.at.start)
            if (*mark, one.leak.kind) in told:
                continue
            if one.leak.sure:
                told.add((*mark, one.leak.kind))
                yield self.shown(context, one, one.leak.says)
            else:
                yield from self.traced_script(context, one)

    def shown(
        self, context: Context, one: Exposure, says: str, *, quiet: bool = False, script: str = ""
    ) -> Finding:
        script = script or one.script
        related = (Place(script, Span(0, 0), "this script does it"),) if script else ()
        return Finding(
            path=context.path,
            span=one.at,
            name=self.name,
            variable=one.variable,
            severity=Severity.INFO if quiet or one.maybe else Severity.WARNING,
            safety=Safety.MANUAL,
            message=f"the build log shows the value of {one.variable}: "
            + (f"{one.script}: {says}" if one.script else says),
            reason=WHY,
            help=advised(context, one, mount=False),
            residual="known",
            related=related,
        )

    def traced_script(self, context: Context, one: Exposure) -> Iterator[Finding]:
        """`bash -x SCRIPT`: what it shows is decided by the script, where that can be read."""
        found = context.build_context.find(one.run, one.leak.file)
        if found is None:
            yield self.shown(context, one, f"{one.leak.says}, and may show it there", quiet=True)
            return
        used = rb"\$\{?" + re.escape(one.name.encode("utf-8", "surrogateescape")) + rb"(?!\w)"
        for file in found.files:
            if re.search(used, file.data):
                says = f"{one.leak.says}, and it uses ${one.name}"
                yield self.shown(context, one, says, script=file.path)
                return
