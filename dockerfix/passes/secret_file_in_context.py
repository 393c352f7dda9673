"""`secret-file-in-context`: a caller writes a secret to a file that the build copies. Page: docs/passes/secret-file-in-context.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.finding import Place
from dockerfix.rewrite.file_findings import finding
from dockerfix.rewrite.files import taken
from dockerfix.rewrite.ssh import copied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.finding import Finding


class SecretFileInContext:
    name = "secret-file-in-context"

    def run(self, context: Context) -> Iterator[Finding]:
        for file, written in taken(context):
            if written is None or copied(context, file) is not None:
                continue
            keyword = file.takings[0].instruction.keyword.upper()
            what = written.variable or "a secret"
            yield finding(
                context,
                self.name,
                file,
                variable=written.variable or file.inner,
                message=f"{keyword} takes {file.inner}, into which {written.caller} writes {what} "
                "before the build",
                reason="what is copied stays in its layer and in the builder's cache, also where "
                "a later RUN deletes the file",
                rotate=f"rotate {written.variable or 'what it holds'} if an image with it was pushed",
                places=(Place(written.caller, written.span, f"{what} is written here"),),
            )
