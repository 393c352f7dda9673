"""`variable-in-mount`: `env=$X` where a name belongs. Page: docs/passes/variable-in-mount.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.model.secrets import classify
from dockerfix.rewrite.mounts import finding
from dockerfix.shell.words import is_name
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.finding import Finding

VARIABLE = re.compile(r"\$\{?(\w+)\}?")


class VariableInMount:
    name = "variable-in-mount"

    def run(self, context: Context) -> Iterator[Finding]:
        for run in context.runs:
            for mount in run.mounts:
                found = VARIABLE.fullmatch(mount.env or "")
                if mount.type != "secret" or found is None or not is_name(found[1]):
                    continue
                name = found[1]
                if name in context.model.environment(run) and not classify(name).secret:
                    continue  # It may well hold the name of a variable (rule 3.13).
                node = next(one for one in reversed(mount.nodes) if one.key == "env")
                text = f"env={name}".encode()
                yield finding(
                    context,
                    self.name,
                    name,
                    mount.flag.span,
                    message=f"`env={mount.env}` names the variable after the value of {name}",
                    reason="`env=` takes the name of the variable that the mount sets, and BuildKit "
                    "expands the value first: the RUN does not see the secret under its name, and "
                    "a value that is set ends up in the build's records",
                    help=f"write `env={name}`, which this fix does",
                    operations=(verbs.replace(context.dockerfile, run, node.span, text),)
                    if mount.id
                    else (),
                )
