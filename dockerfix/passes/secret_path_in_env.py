"""`secret-path-in-env`: ENV gives a secret's name the path of its file. Page: docs/passes/secret-path-in-env.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.model.secrets import classify
from dockerfix.rewrite.candidates import literal
from dockerfix.rewrite.forms import FOLDER
from dockerfix.rewrite.mounts import finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.finding import Finding

# What ends so holds a path by design.
PATHS = ("FILE", "PATH", "DIR", "CONFIG", "CREDENTIALS", "NETRC", "KUBECONFIG", "LOCATION")


class SecretPathInEnv:
    name = "secret-path-in-env"

    def run(self, context: Context) -> Iterator[Finding]:
        for binding in context.model.bindings:
            value = literal(binding)
            if binding.kind != "env" or not value.startswith(FOLDER.encode()):
                continue
            name = binding.name
            if name.upper().endswith(PATHS) or not classify(name).secret:
                continue
            path = value.decode("utf-8", "replace")
            yield finding(
                context,
                self.name,
                name,
                binding.pair.span,
                message=f"ENV {name} holds the path {path}, not the secret",
                reason=f"what reads ${name} as a secret gets the path; the file is there only in a "
                "RUN that mounts it, and in no container",
                help=f"mount it as a variable where it is needed: "
                f"`--mount=type=secret,id={path.rpartition('/')[2]},env={name}`; if the program "
                f"wants a path, call the variable {name}_FILE",
            )
