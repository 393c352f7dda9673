"""`secret-file-copied`: COPY takes a file that holds a secret. Page: docs/passes/secret-file-copied.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.rewrite.file_findings import finding
from dockerfix.rewrite.files import taken
from dockerfix.rewrite.ssh import copied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.finding import Finding


class SecretFileCopied:
    name = "secret-file-copied"

    def run(self, context: Context) -> Iterator[Finding]:
        for file, written in taken(context):
            if written is not None or copied(context, file) is not None:
                continue  # reported by secret-file-in-context, or by ssh-key-in-build
            keyword = file.takings[0].instruction.keyword.upper()
            yield finding(
                context,
                self.name,
                file,
                variable=file.inner,
                message=f"{keyword} puts {file.inner} into a layer, and it holds {file.what}",
                reason="the layer keeps it, whatever a later RUN deletes, and whoever can pull "
                "the image can read it",
                rotate="rotate what it holds if an image with it was pushed, or if git knows the "
                "file",
            )
