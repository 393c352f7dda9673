"""Text of another language inside a scalar of a host file: read there, and edited there.

Three texts lie on one another: the file, the scalar (what the host's own syntax says), and what
is read in the end, where the program that reads the host has taken its escapes away (`$$`) and
put in values that are not known here. Knows no language and no program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from dockerfix.edits import Edit, settled, splice
from dockerfix.formats.yaml_scalar import Change
from dockerfix.projection import FOREIGN, Projection, substituted, verbatim
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_DIRECTIVES = re.compile(rb"(?:#!.*\n)?(?:[ \t]*(?:#|//)[ \t]*[A-Za-z]\w*[ \t]*=.*\n)*")


class Holder(Protocol):
    """A scalar of the host: where it stands, what it says, and how its text changes in the file.
    `aligned`: each line of the text is a line of the file."""

    @property
    def span(self) -> Span: ...
    @property
    def projection(self) -> Projection: ...
    @property
    def aligned(self) -> bool: ...
    def edits(self, changes: Iterable[Change]) -> list[Edit]: ...


@dataclass(frozen=True, eq=False)
class StringText:
    """A string in quotes, on one line of the file."""

    span: Span
    projection: Projection
    aligned = False

    def edits(self, changes: Iterable[Change]) -> list[Edit]:
        return [self.projection.edit(*change) for change in changes]


@dataclass(frozen=True, eq=False)
class Embedded:
    """`bare` is what is read, over the text of `holder`, a scalar of the file `path`.

    `known` gives what a hit of `pattern` in the scalar stands for, None for a value that is not
    known (`FOREIGN` bytes); `escape` writes text so that it is read as it is. `lead` counts the
    lines of the file above the scalar's text: lines of `text` count as those of the file do."""

    path: str
    holder: Holder
    pattern: re.Pattern[bytes]
    known: Callable[[re.Match[bytes]], bytes | None]
    escape: Callable[[bytes], bytes] = verbatim
    lead: int = 0

    @cached_property
    def _inner(self) -> Projection:
        """The bare text, on the text of the scalar."""

        def shown(hit: re.Match[bytes]) -> bytes:
            value = self.known(hit)
            return bytes([FOREIGN]) * len(hit[0]) if value is None else value

        text = self.holder.projection.text
        return substituted(Projection.identity(text), self.pattern, shown)

    @property
    def bare(self) -> bytes:
        return self._inner.text

    @cached_property
    def _blank(self) -> Span:
        """The blank lines that `text` has more: behind directives, which must stand first."""
        found = _DIRECTIVES.match(self.bare)
        at = found.end() if found is not None else 0
        lines = self.lead if self.holder.aligned else 0
        return Span(at, at + lines)

    @property
    def text(self) -> bytes:
        """The bare text with blank lines, as a parser is given it."""
        at, end = self._blank
        return self.bare[:at] + b"\n" * (end - at) + self.bare[at:]

    def host_span(self, span: Span) -> Span:
        """The bytes of the file where `span` of `text` stands."""
        return self.holder.projection.host_span(self._inner.host_span(self._in_bare(span)))

    def _in_bare(self, span: Span) -> Span:
        return Span(self._offset(span.start), self._offset(span.end))

    def _offset(self, at: int) -> int:
        start, end = self._blank
        return at if at <= start else max(start, at - (end - start))

    @cached_property
    def put_in(self) -> tuple[tuple[Span, bytes], ...]:
        """Where `text` has values that are not known, and what stands for them in the scalar."""
        found = []
        start, end = self._blank
        for hit in self.pattern.finditer(self.holder.projection.text):
            if self.known(hit) is None:
                segment = next(one for one in self._inner.segments if one.host == hit.start())
                at = segment.text + (end - start if segment.text >= start else 0)
                found.append((Span(at, at + segment.length), hit[0]))
        return tuple(found)

    def settled(self, edits: Iterable[Edit]) -> list[Edit]:
        """Edits of `text` as edits of the bare text."""
        return [
            Edit(self._in_bare(span), text) for span, text in settled(self.text, edits)
        ]  # fmt: skip

    def after(self, edits: Iterable[Edit]) -> bytes:
        """The bare text once `edits` of `text` are done."""
        return splice(self.bare, self.settled(edits))

    def host_edits(self, edits: Iterable[Edit]) -> list[Edit]:
        """Edits of `text` as edits of the file."""
        return self.holder.edits(
            Change(self._inner.host_span(span), self.escape(text))
            for span, text in self.settled(edits)
        )

    def in_the_way(self, edits: Iterable[Edit]) -> Span | None:
        """Where `text` holds a value put in by the host's program that `edits` would change."""
        for edit in edits:
            for one, _ in self.put_in:
                if one.overlaps(edit.span) or FOREIGN in edit.text:
                    return one
        return None
