"""Here-documents of COPY that BuildKit would put a secret into: the reference in its place, where
the tool that reads the file expands it.

Knows the text that stands in the Dockerfile; what RUNs write is `persisted`.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from dockerfix.model import references
from dockerfix.model.readers import may_read
from dockerfix.model.runs import RunReading
from dockerfix.rewrite.persisted import Cure
from dockerfix.syntax import verbs
from dockerfix.syntax.nodes import Add, Copy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.context import Context
    from dockerfix.model import Binding, ExpansionSite
    from dockerfix.model.references import Reference
    from dockerfix.source import Span


def reference_at(context: Context, site: ExpansionSite) -> Reference | None:
    """What can stand for the value at `site`; None where nothing expands it."""
    instruction = site.instruction
    if site.role != "heredoc" or site.onbuild is not None or site.nested:
        return None
    if site.operator not in ("", ":-", "-") or site.operand.strip():
        return None
    assert isinstance(instruction, Copy | Add)
    if len(instruction.heredocs) != 1 or instruction.destination is None:
        return None
    to = instruction.destination.raw.decode("utf-8", "replace").strip("\"'")
    name = instruction.heredocs[0].name if to.endswith("/") else to
    body = context.dockerfile.source.text(instruction.heredocs[0].content_span)
    row = references.in_file(posixpath.basename(name))
    # All of the file is no line of it.
    whole = body.strip() == context.dockerfile.source.text(site.span)
    return row if row is not None and not whole and row.text(site.name) is not None else None


def copied_references(
    context: Context, removed: Iterable[Binding], order: tuple[int, ...]
) -> tuple[dict[str, Cure], set[Span]]:
    """What is done by variable, and the places that then expand nothing."""
    cures: dict[str, Cure] = {}
    places: set[Span] = set()
    for binding in removed:
        for site in context.model.expansions(binding):
            row = reference_at(context, site)
            text = row.text(binding.name) if row is not None else None
            if row is None or text is None:
                continue
            found = cures.setdefault(binding.name, Cure())
            places.add(site.span)
            # BuildKit takes a backslash before `$` away, whatever `# escape` says (rule 1.34).
            written = text.replace(b"$", b"\\$")
            found.operations.append(
                verbs.replace(context.dockerfile, site.instruction, site.span, written, order=order)
            )
            shown = text.decode("utf-8", "replace")
            found.say(
                f"{row.readers} then holds {shown}, which the tool expands when it reads the file: "
                f"who runs it later needs {binding.name} in the environment"
            )
            _readers(context, binding, site, row, found)
    return cures, places


def _readers(
    context: Context, binding: Binding, site: ExpansionSite, row: Reference, found: Cure
) -> None:
    name = binding.name
    files = {row.readers: b"${%s} ${env.%s} %%%s%%" % ((name.encode(),) * 3)}
    for run in context.model.reach(binding):
        if run.span.start < site.span.start:
            continue
        for text in context.reader.scripts(run):
            reading = may_read(text, name, files=files)
            if reading.how in ("explicit", "implicit"):
                found.readers[run.span.start] = RunReading(run, name, reading)
