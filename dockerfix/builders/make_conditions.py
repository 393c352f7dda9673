"""Flags in an argument of make's `$(if ...)`, which a comma would end.

`--secret id=X,env=X` becomes `--secret id=X` there: without more, the client looks for a variable of
that name, and for a file where there is none.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.builders.make_variables import flags_of
from dockerfix.edits import Edit
from dockerfix.formats.make import references

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from dockerfix.edits import Operation
    from dockerfix.source import Span

_SECRET = re.compile(rb"(.*\bid=)([\w.-]+),env=\2([\"']?)")


def tested(data: bytes, around: Span, span: Span) -> bytes | None:
    """The condition of the `$(if ...)` in `around` that holds `span`; None if there is none."""
    for one in references(data, around):
        held = flags_of(data, one) if one.function == "if" else None
        if held is not None and held.contains(span):
            return data[one.arguments.start : held.start]
    return None


def without_commas(
    data: bytes,
    operation: Operation,
    around: Callable[[Span], Span],
    variables: Container[object],
) -> Operation | None:
    """The operation as it can stand in `$(if ...)`. None if it needs its comma: the variable has
    another name, or may be missing (it is not among `variables`, which are set for the client,
    and the condition does not test it)."""
    if operation.verb != "replace":
        return operation
    edits = []
    for span, text in operation.value:  # type: ignore[attr-defined]
        condition = tested(data, around(span), span) if b"," in text else None
        if condition is not None:
            hit = _SECRET.fullmatch(text)
            if hit is None:
                return None
            sure = re.search(rb"\$[({]" + re.escape(hit[2]) + rb"[)}]", condition)
            if sure is None and hit[2].decode() not in variables:
                return None
            text = hit[1] + hit[2] + hit[3]
        edits.append(Edit(span, text))
    return replace(operation, value=tuple(edits))
