"""A `.dockerignore` that gets one more line at its end. Knows no Dockerfile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.edits import Edit, Operation
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class IgnoreFile:
    """The end of the file at `path`, which has `size` bytes."""

    path: str
    size: int

    @property
    def span(self) -> Span:
        return Span(self.size, self.size)

    def add(self, pattern: str) -> Operation:
        value = pattern.encode("utf-8", "surrogateescape")
        return Operation(
            self.path, "ignore", ("ignore", value), value, self.span, (self.span,), (), site=self
        )

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        lead = b"" if not source.data or source.data.endswith(b"\n") else source.eol
        lines = [one.value for one in operations if isinstance(one.value, bytes)]
        yield Edit(self.span, lead + b"".join(line + source.eol for line in lines))
