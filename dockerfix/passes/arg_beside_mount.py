"""`arg-beside-mount`: an ARG left beside a mount of the same secret. Page: docs/passes/arg-beside-mount.md."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.finding import Place
from dockerfix.rewrite.candidates import mounted_arguments
from dockerfix.rewrite.migration import argument_roots, migrate
from dockerfix.rewrite.mounts import beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.finding import Finding


class ArgBesideMount:
    name = "arg-beside-mount"

    def run(self, context: Context) -> Iterator[Finding]:
        for candidate in mounted_arguments(context):
            mount = beside(context, candidate.name)
            if mount is None:
                continue
            found = migrate(context, candidate, self.name, argument_roots)
            line = mount.run.start_line
            reason = (
                "the value of an ARG is in the history, the mount's is not; without the secret the "
                f"mounted variable is empty, whatever the ARG says; {found.reason}"
            )
            here = Place(context.path, mount.span, f"the secret {mount.id} is mounted here")
            yield replace(
                found,
                message=f"ARG {candidate.name} is left beside the mount on line {line}, and leaks "
                "what the mount protects",
                reason=reason,
                related=(here, *found.related),
            )
