"""`mount-not-read`: a secret mount that its RUN does not read. Page: docs/passes/mount-not-read.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Safety
from dockerfix.rewrite.mounts import (
    Given,
    finding,
    may_read_file,
    secret_mounts,
    shows,
    with_frontend,
)
from dockerfix.shell.words import is_name
from dockerfix.syntax import make, verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.finding import Finding

AS_VARIABLE = ("explicit", "implicit")


class MountNotRead:
    name = "mount-not-read"

    def run(self, context: Context) -> Iterator[Finding]:
        for given in secret_mounts(context):
            if given.env and context.reader.reading(given.run, given.env).reads:
                continue
            if given.file and may_read_file(context, given.run, given.file):
                continue
            reading = context.reader.reading(given.run, given.id)
            if given.env or not reading.reads:
                yield self.useless(context, given)
            elif is_name(given.id) and reading.reading.how in AS_VARIABLE:
                yield self.wants_variable(context, given, reading.reading.why)
            else:
                yield self.unnamed(context, given)

    def useless(self, context: Context, given: Given) -> Finding:
        return finding(
            context,
            self.name,
            given.id,
            given.span,
            message=f"nothing in this RUN can read the secret {given.id} that it mounts",
            reason="a mount that nobody needs widens what a command of this RUN could take",
            help="remove the mount, which this fix does",
            operations=(verbs.remove_mount(context.dockerfile, given.run, given.mount),),
            safety=Safety.SAFE,
        )

    def wants_variable(self, context: Context, given: Given, why: str) -> Finding:
        """`$TOKEN` behind a mount that only makes a file."""
        needs = with_frontend(context)
        bound = given.id in context.model.environment(given.run)
        held = bound or not needs.env or shows(context, given.run, given.id)
        mount = given.mount
        text = make.mount(id=given.id, env=given.id, required=_required(mount.options) or None)
        operations = (
            verbs.replace_mount(context.dockerfile, given.run, mount, text),
            *needs.operations,
        )
        return finding(
            context,
            self.name,
            given.id,
            given.span,
            message=f"the secret {given.id} is mounted as a file, and read as a variable: {why}",
            reason=f"without `env=` the mount sets no variable: ${given.id} is empty here, and the "
            f"file {given.file} is not read",
            help=f"write `env={given.id}` into the mount"
            + ("" if held else ", which this fix does"),
            operations=() if held else operations,
        )

    def unnamed(self, context: Context, given: Given) -> Finding:
        return finding(
            context,
            self.name,
            given.id,
            given.span,
            message=f"the secret {given.id} is mounted at {given.file}, and no command here names that file",
            reason="programs do not look below /run/secrets by themselves",
            help="give the mount `env=NAME` with the variable that the program reads, or `target=` "
            "with the path where it looks",
        )


def _required(options: tuple[tuple[str, str | None], ...]) -> bool:
    return any(key == "required" and value in (None, "true", "1") for key, value in options)
