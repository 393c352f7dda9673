"""`secret-path-in-env`: ENV gives a secret's name the path of its file. Page: docs/passes/secret-path-in-env.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.model.secrets import classify
from dockerfix.rewrite.candidates import command_text, literal
from dockerfix.rewrite.forms import FOLDER
from dockerfix.rewrite.mounts import finding, give_variable, secret_mounts, with_frontend
from dockerfix.rewrite.plan import remove
from dockerfix.rewrite.shell_loads import path_read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.finding import Finding
    from dockerfix.model import Binding

# What ends so holds a path by design.
PATHS = ("FILE", "PATH", "DIR", "CONFIG", "CREDENTIALS", "NETRC", "KUBECONFIG", "LOCATION")


class SecretPathInEnv:
    name = "secret-path-in-env"

    def run(self, context: Context) -> Iterator[Finding]:
        for binding in context.model.bindings:
            value = literal(binding)
            if binding.kind != "env" or not classify(binding.name).secret:
                continue
            if command_text(binding):
                yield self.command(context, binding, path_read(value))
            elif value.startswith(FOLDER.encode()) and not binding.name.upper().endswith(PATHS):
                yield self.path(context, binding, value.decode("utf-8", "replace"))

    def path(self, context: Context, binding: Binding, path: str) -> Finding:
        name = binding.name
        return finding(
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

    def command(self, context: Context, binding: Binding, path: str) -> Finding:
        """`ENV X="$(cat /run/secrets/x)"`, which is that text."""
        name = binding.name
        known = {one.file: one.id for one in secret_mounts(context) if one.file}
        id = known.get(path, path.removeprefix(FOLDER) if path.startswith(FOLDER) else name)
        operations: tuple[Operation, ...] = ()
        needs = with_frontend(context)
        if path.startswith(FOLDER) or path in known:
            readers = [
                run
                for run in context.model.reach(binding)
                if context.reader.reading(run, name).reads
                and not any(one.env == name for one in run.mounts)
            ]
            if needs.env:
                operations = (
                    remove(context, binding, (binding.pair.span.start,)),
                    *(give_variable(context, run, id, name) for run in readers),
                    *(needs.operations if readers else ()),
                )
        return finding(
            context,
            self.name,
            name,
            binding.pair.span,
            message=f"ENV {name} holds the text of a command, which nobody runs",
            reason=f"BuildKit runs no command for a value: what reads ${name} gets `$(...)` itself, "
            "in the build and in every container",
            help=f"mount it as a variable where it is needed: `--mount=type=secret,id={id},env={name}`"
            + (", and remove the ENV, which this fix does" if operations else ""),
            operations=operations,
        )
