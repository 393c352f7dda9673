"""Operations, fixes, and the only place where bytes change.

A pass asks for `Operation`s: anchored verbs on members of a `Site`, which is a node
of the snapshot that the pass read. `choose` compares operations and takes the fixes
that commute; `apply` lowers all operations on one site together, once, and splices
the edits. Nothing here knows what a Dockerfile is: a site knows how it is written.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dockerfix.source import BOM, Source, Span

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence


class Edit(NamedTuple):
    """Replace the bytes of `span` by `text`. An empty span inserts."""

    span: Span
    text: bytes


class Removal(Edit):
    """Whole lines go, and with them one of two blank lines that would then meet.

    It is looked at together with the removals that touch it, so that a paragraph of
    instructions that goes takes one blank line with it, whichever sites asked. `comment` is
    the comment directly above, if it speaks of what goes: it goes too, unless the line below
    the removals begins with one of the words `shared`, and may be what it speaks of as well.
    """

    comment: Span | None
    shared: tuple[bytes, ...]

    def __new__(
        cls, span: Span, text: bytes, comment: Span | None = None, shared: tuple[bytes, ...] = ()
    ) -> Removal:
        made = super().__new__(cls, span, text)
        made.comment, made.shared = comment, shared
        return made


class Site(Protocol):
    """A node that operations are anchored to, and that lowers them to edits."""

    @property
    def span(self) -> Span: ...

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        """Edits that carry out all `operations` (each on this site, sorted by `order`)."""
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """`verb` done to `member` of `site` with `value`.

    `member` None means the whole site. `touches` holds the byte spans that change or
    go (an empty span for an insertion), which is what other fixes' guards are held
    against. `order` sorts insertions at one point: the byte offset of the declaration
    that asked for them. Equality needs no tree: `site` itself is not compared.
    """

    path: str
    verb: str
    member: Hashable
    value: Hashable
    at: Span
    touches: tuple[Span, ...] = ()
    order: tuple[int, ...] = ()
    site: Site = field(compare=False, repr=False, kw_only=True)

    def same_change(self, other: Operation) -> bool:
        """Equal but for the order in which it was asked for."""
        return (self.path, self.verb, self.member, self.value, self.at) == (
            other.path,
            other.verb,
            other.member,
            other.value,
            other.at,
        )

    def commutes(self, other: Operation) -> bool:
        """Whether both can be done in one round, in either order, with one result."""
        if self.path != other.path:
            return True
        if self.at == other.at:
            if self.same_change(other):
                return True
            if self.member is None or other.member is None:
                return False
            return self.member != other.member and not any(
                mine.overlaps(its) for mine in self.touches for its in other.touches
            )
        return not self.at.overlaps(other.at)


class Safety(enum.Enum):
    """What a fix claims. `worst` of several is the least safe."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    MANUAL = "manual"

    @property
    def rank(self) -> int:
        return ("safe", "unsafe", "manual").index(self.value)

    @classmethod
    def worst(cls, *safeties: Safety) -> Safety:
        return max(safeties, key=lambda safety: safety.rank, default=cls.SAFE)


class Guard(NamedTuple):
    """Bytes that a fix has read and relies on: no other fix of the round may change them."""

    path: str
    span: Span


@dataclass(frozen=True, slots=True)
class Fix:
    """Operations over any number of files that land together or not at all.

    `residual` says whether the secret is gone afterwards: `none`, `known` or `unknown`.
    """

    name: str
    safety: Safety
    residual: str
    operations: tuple[Operation, ...]
    guards: tuple[Guard, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted({operation.path for operation in self.operations}))


class Conflict(NamedTuple):
    """Why a fix waits for the next round: the chosen fix that it does not commute with."""

    fix: Fix
    against: Fix


def choose(fixes: Iterable[Fix]) -> tuple[list[Fix], list[Conflict]]:
    """Take as many fixes as commute; the order in which they come does not matter."""
    chosen: list[Fix] = []
    waiting: list[Conflict] = []
    at: dict[str, list[int]] = defaultdict(list)
    for fix in sorted(fixes, key=_rank):
        paths = {*fix.paths, *(guard.path for guard in fix.guards)}
        near = sorted({index for path in paths for index in at[path]})
        against = next((chosen[one] for one in near if not _compatible(fix, chosen[one])), None)
        if against is None:
            for path in paths:
                at[path].append(len(chosen))
            chosen.append(fix)
        else:
            waiting.append(Conflict(fix, against))
    return chosen, waiting


def apply(sources: Mapping[str, Source], fixes: Iterable[Fix]) -> dict[str, bytes]:
    """The new bytes of each file that `fixes` change, which must come from `choose`.

    Raises ValueError if a site lowers its operations to overlapping edits: our bug.
    """
    edits = lower(sources, fixes)
    return {path: splice(sources[path].data, found) for path, found in edits.items()}


def lower(sources: Mapping[str, Source], fixes: Iterable[Fix]) -> dict[str, list[Edit]]:
    """The edits of each file that carry out `fixes`, which must come from `choose`."""
    by_site: dict[tuple[str, Span], list[Operation]] = defaultdict(list)
    for fix in fixes:
        for operation in fix.operations:
            by_site[operation.path, operation.at].append(operation)
    edits: dict[str, list[Edit]] = defaultdict(list)
    for (path, _), asked in sorted(by_site.items(), key=lambda item: item[0]):
        group: list[Operation] = []
        for operation in sorted(asked, key=_place):
            if not any(operation.same_change(other) for other in group):
                group.append(operation)
        edits[path].extend(group[0].site.lower(sources[path], group))
    return dict(edits)


def splice(data: bytes, edits: Iterable[Edit]) -> bytes:
    """`data` with every edit carried out. Insertions at one offset keep their order."""
    pieces: list[bytes] = []
    at = 0
    for span, text in settled(data, edits):
        if span.start < at:
            raise ValueError(f"edits overlap at byte {span.start}")
        pieces += (data[at : span.start], text)
        at = span.end
    pieces.append(data[at:])
    return b"".join(pieces)


def settled(data: bytes, edits: Iterable[Edit]) -> list[Edit]:
    """`edits`, sorted, with the comments and the blank lines added that go with their removals."""
    edits = sorted(edits, key=lambda edit: edit.span)
    closed = list(edits)
    paragraphs: list[tuple[int, int, Span]] = []
    at = 0
    while at < len(edits):
        end = at + 1
        if isinstance(edits[at], Removal):
            while end < len(edits) and isinstance(edits[end], Removal):
                between = Span(edits[end - 1].span.end, edits[end].span.start)
                if data[between.start : between.end].strip():
                    break
                closed.append(Edit(between, b""))
                end += 1
            gone = Span(edits[at].span.start, edits[end - 1].span.end)
            comment = _leading(data, edits[at], gone.end)
            if comment is not None and (at == 0 or edits[at - 1].span.end <= comment.start):
                closed.append(Edit(comment, b""))
                gone = Span(comment.start, gone.end)
            if paragraphs and paragraphs[-1][2].end == gone.start:
                first, _, above = paragraphs.pop()
                paragraphs.append((first, end, Span(above.start, gone.end)))
            else:
                paragraphs.append((at, end, gone))
        at = end
    for first, end, gone in paragraphs:
        blank = _spare_blank(data, gone)
        meets = (
            (first == 0 or edits[first - 1].span.end < gone.start)
            and (end == len(edits) or edits[end].span.start > gone.end)
        )  # fmt: skip
        if blank is not None and meets:
            closed.append(Edit(blank, b""))
    return sorted(closed, key=lambda edit: edit.span)


def _leading(data: bytes, first: Edit, end: int) -> Span | None:
    """The comment above a run of removals, if nothing that stays below can be meant by it."""
    if not isinstance(first, Removal) or first.comment is None:
        return None
    below = data[end : data.find(b"\n", end) + 1 or len(data)].split(maxsplit=1)
    return None if below and below[0].upper() in first.shared else first.comment


def _spare_blank(data: bytes, gone: Span) -> Span | None:
    """The blank line beside `gone` that nothing separates from another one, or an end of the file."""
    before = Span(data.rfind(b"\n", 0, max(gone.start - 1, 0)) + 1, gone.start)
    after = Span(gone.end, data.find(b"\n", gone.end) + 1 or len(data))
    top = gone.start == len(BOM) if data.startswith(BOM) else gone.start == 0
    blank_before = not before.empty and not data[before.start : before.end].strip()
    blank_after = not after.empty and not data[after.start : after.end].strip()
    if blank_after and (top or blank_before):
        return after
    return before if blank_before and after.empty else None


def _place(operation: Operation) -> tuple[object, ...]:
    return (operation.order, operation.verb, repr(operation.member), repr(operation.value))


def _rank(fix: Fix) -> tuple[object, ...]:
    return (
        sorted((op.path, op.order, op.at, *_place(op)[1:]) for op in fix.operations),
        fix.name,
        fix.safety.rank,
    )


def _compatible(one: Fix, two: Fix) -> bool:
    if not all(a.commutes(b) for a in one.operations for b in two.operations):
        return False
    return not (_breaks_guard(one, two) or _breaks_guard(two, one))


def _breaks_guard(changing: Fix, guarded: Fix) -> bool:
    return any(
        operation.path == guard.path and touched.overlaps(guard.span)
        for guard in guarded.guards
        for operation in changing.operations
        for touched in operation.touches
        if not any(operation.same_change(other) for other in guarded.operations)
    )
