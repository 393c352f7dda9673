"""`secret-file-in-context`: a caller writes a secret to a file that the build copies. Page: docs/passes/secret-file-in-context.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.finding import Place
from dockerfix.rewrite.context_files import copied_by, written
from dockerfix.rewrite.mounts import finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.finding import Finding


class SecretFileInContext:
    name = "secret-file-in-context"

    def run(self, context: Context) -> Iterator[Finding]:
        seen = set()
        for call in context.calls:
            for one in written(context, call):
                copy = copied_by(context, call, one.path)
                if copy is None or (copy.span, one.path) in seen:
                    continue
                seen.add((copy.span, one.path))
                name = one.path.rpartition("/")[2]
                yield finding(
                    context,
                    self.name,
                    one.variable,
                    copy.keyword_span,
                    message=f"{copy.keyword.upper()} takes {name}, into which {call.path} writes "
                    f"{one.variable} before the build",
                    reason="what is copied stays in its layer and in the builder's cache, also "
                    "where a later RUN deletes the file",
                    help=f"do not write the file: give the variable with `--secret id={one.variable},"
                    f"env={one.variable}`, mount it where it is read, and let {name} name it",
                    residual="known",
                    related=(Place(call.path, one.span, f"{one.variable} is written here"),),
                )
