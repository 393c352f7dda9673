"""The site of one scalar: its text changes, and with it what a language inside it changes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockerfix.edits import Operation
from dockerfix.formats.yaml_cuts import apart
from dockerfix.formats.yaml_scalar import Change
from dockerfix.source import Source

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from dockerfix.edits import Edit
    from dockerfix.formats.yaml import Scalar
    from dockerfix.source import Span


@dataclass(frozen=True, slots=True)
class Inside:
    """An operation inside a scalar. Equal ones make the same edits, however the text was read."""

    key: tuple[Edit, ...]
    operation: Operation = field(compare=False)


def _readings(asked: Sequence[Inside]) -> Iterable[list[Operation]]:
    """Operations by place, those of one reading of the text together; each change once."""
    groups: dict[tuple[Span, int], list[Inside]] = defaultdict(list)
    for one in asked:
        reading = id(getattr(one.operation.site, "projection", None))
        groups[one.operation.at, reading].append(one)
    done: set[tuple[Span, tuple[Edit, ...]]] = set()
    for (at, _), group in sorted(groups.items(), key=lambda item: -len(item[1])):
        left = []
        for one in group:
            if (at, one.key) not in done:
                done.add((at, one.key))
                left.append(one.operation)
        if left:
            yield left


@dataclass(frozen=True, slots=True)
class ScalarSite:
    """The text of one scalar. Its operations carry text changes, or operations of a language
    that the scalar holds, whose sites edit the scalar's text through its projection."""

    path: str
    scalar: Scalar = field(repr=False)

    @property
    def span(self) -> Span:
        return self.scalar.span

    def change(self, span: Span, text: bytes, order: tuple[int, ...] = ()) -> Operation:
        """Put `text` where `span` of the scalar's text is."""
        host = self.scalar.projection.host_span(span) if self.scalar.text else self.span
        return Operation(
            self.path, "text", ("text", span), text, self.span, (host,), order, site=self
        )

    def inside(self, operation: Operation, member: Hashable) -> Operation:
        """An operation on a site that lies in the scalar's text, done by way of this one.

        What it writes must be text of the scalar, not encoded for the file. `member` names what it
        is done to in terms of the file: the same text may be read in several ways.
        """
        source = Source(self.path, self.scalar.content.data)
        key = tuple(operation.site.lower(source, [operation]))
        return Operation(
            self.path,
            "inside",
            (operation.at, operation.verb, member),
            Inside(key, operation),
            self.span,
            operation.touches,
            operation.order,
            site=self,
        )

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        content = self.scalar.content
        changes = [
            Change(operation.member[1], operation.value)  # type: ignore[index, arg-type]
            for operation in operations
            if operation.verb == "text"
        ]
        inner = [operation.value for operation in operations if operation.verb == "inside"]
        for group in _readings(inner):  # type: ignore[arg-type]
            for edit in group[0].site.lower(source, group):
                changes.append(Change(content.text_span(edit.span), edit.text))
        return content.edits(apart(changes))
