"""`secret-file-copied`: COPY takes a file that holds a secret. Page: docs/passes/secret-file-copied.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Fix, Guard, Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.rewrite.files import SecretCopy, move, secret_copies
from dockerfix.rewrite.ssh import copied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context


class SecretFileCopied:
    name = "secret-file-copied"

    def run(self, context: Context) -> Iterator[Finding]:
        for copy in secret_copies(context):
            if copied(context, copy) is not None:
                continue  # ssh-key-in-build reports it
            yield self.copied(context, copy)

    def copied(self, context: Context, copy: SecretCopy) -> Finding:
        found = move(context, copy)
        word = copy.instruction.sources[copy.index]
        keyword = copy.instruction.keyword.upper()
        what = copy.what or "a secret, by its name (the file is not in the tree)"
        flag = f"; callers outside this tree must give `{found.outside}`" if found.outside else ""
        fix = None
        if not found.refusals:
            fix = Fix(
                self.name,
                Safety.UNSAFE,
                "none",
                tuple(found.operations),
                tuple(Guard(context.path, run.arguments_span) for run in found.users),
            )
        return Finding(
            path=context.path,
            span=word.span,
            name=self.name,
            variable=copy.inner,
            severity=Severity.WARNING,
            safety=Safety.UNSAFE if fix is not None else Safety.MANUAL,
            message=f"{keyword} puts {copy.name} into a layer, and it holds {what}",
            reason="the layer keeps it, whatever a later RUN deletes, and whoever can pull the "
            "image can read it",
            help=found.refusals[0].help
            if found.refusals
            else f"mount the file where it is read, which this fix does{flag}; rotate what it "
            "holds if an image with it was pushed, or if git knows the file",
            residual="none" if fix is not None else "known",
            related=tuple(
                Place(context.path, run.keyword_span, f"this RUN may read {copy.name}")
                for run in found.users
            ),
            refusals=tuple(found.refusals),
            fix=fix,
            outside_flag=found.outside if fix is not None else "",
        )
