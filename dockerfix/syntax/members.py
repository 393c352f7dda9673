"""Takes members (pairs, flags, sources) out of an instruction the way a careful person would.

It works on spans and physical lines: it does not know what the members are. A line that
holds nothing else goes as a whole, comment lines between members stay unless nothing
follows them, and what stays keeps its own bytes.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.edits import Edit
from dockerfix.source import Span
from dockerfix.syntax.layout import Layout, continues

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class _Item(NamedTuple):
    span: Span
    kept: bool
    first: int
    last: int


def take_out(
    layout: Layout,
    members: Sequence[Span],
    removed: Collection[int],
    head: Span,
    after: int | None = None,
) -> list[Edit]:
    """Edits that take the members with the indices `removed` out.

    `head` is the keyword (with what else stands before the members); `after` is where
    text that follows the members begins. One of head, members and `after` must stay.
    """
    items = [_item(layout, head, True)]
    items += [_item(layout, span, index not in removed) for index, span in enumerate(members)]
    if after is not None:
        items.append(_item(layout, Span(after, after), True))
    return _Removal(layout, items).edits()


def _item(layout: Layout, span: Span, kept: bool) -> _Item:
    first = layout.index(span.start)
    return _Item(span, kept, first, max(first, layout.index(max(span.end - 1, span.start))))


class _Removal:
    """The state of one `take_out`: spans to delete, and lines that go as a whole."""

    def __init__(self, layout: Layout, items: list[_Item]) -> None:
        self.layout = layout
        self.items = items
        self.deleted: list[Edit] = []
        self.lines: set[int] = set()
        self.last_kept = max(index for index, item in enumerate(items) if item.kept)

    def edits(self) -> list[Edit]:
        for block in self._blocks():
            if any(not self.items[index].kept for index in block):
                self._block(block)
        self._whole_lines()
        if self.last_kept + 1 < len(self.items):
            self._tail()
        return self._joined()

    def _blocks(self) -> list[list[int]]:
        """Indices of items up to the last kept one, grouped by the lines that they share."""
        blocks: list[list[int]] = []
        for index, item in enumerate(self.items[: self.last_kept + 1]):
            if blocks and item.first <= self.items[blocks[-1][-1]].last:
                blocks[-1].append(index)
            else:
                blocks.append([index])
        return blocks

    def _block(self, block: list[int]) -> None:
        items = self.items
        if not any(items[index].kept for index in block):
            self.lines.update(range(items[block[0]].first, items[block[-1]].last + 1))
            return
        at = 0
        while at < len(block):
            if items[block[at]].kept:
                at += 1
                continue
            start = at
            while at < len(block) and not items[block[at]].kept:
                at += 1
            if at < len(block):
                self._up_to(block[start], block[at])
            else:
                self._end_of_block(block[start], block[-1])

    def _up_to(self, first: int, following: int) -> None:
        """Items from `first` on go, and `following`, which stays, takes their place."""
        start, end = self.items[first].span.start, self.items[following].span.start
        if self.layout.data[end : end + 1] == b"#" and self._leads(first):
            # At the start of a line it would become a comment (rule 1.16).
            self._pull_up(first, following)
        else:
            self.deleted.append(Edit(Span(start, end), b""))

    def _leads(self, index: int) -> bool:
        item = self.items[index]
        line = self.layout.lines[item.first]
        return item.first > 0 and not self.layout.data[line.start : item.span.start].strip()

    def _pull_up(self, first: int, following: int) -> None:
        kept = max(index for index in range(first) if self.items[index].kept)
        span = Span(self.items[kept].span.end, self.items[following].span.start)
        self.deleted.append(Edit(span, b" "))

    def _end_of_block(self, first: int, last: int) -> None:
        """Items `first` to `last` go from the end of a line whose beginning stays."""
        following = next(i for i in range(last + 1, len(self.items)) if self.items[i].kept)
        start = self.items[first].span.start
        if first == 1 and not self._comments(first, following):
            # Only the keyword would be left: what follows moves up to it.
            self.deleted.append(Edit(Span(start, self.items[following].span.start), b""))
        else:
            span = Span(self.items[first - 1].span.end, self.items[last].span.end)
            self.deleted.append(Edit(span, b""))

    def _comments(self, first: int, following: int) -> bool:
        """Whether a comment line stands between the items, not inside one."""
        inside = {
            line
            for item in self.items[first:following]
            for line in range(item.first, item.last + 1)
        }
        between = range(self.items[first].first, self.items[following].first)
        return any(self.layout.lines[i].kind == "comment" for i in between if i not in inside)

    def _whole_lines(self) -> None:
        lines = self.layout.lines
        for index in sorted(self.lines):
            self.deleted.append(Edit(Span(lines[index].start, lines[index].end), b""))
            start = index
            while start in self.lines:
                start -= 1
            end = index + 1
            if (
                end not in self.lines
                and end < len(lines)
                and lines[start].kind == lines[end].kind == "blank"
            ):
                self.deleted.append(Edit(Span(lines[end].start, lines[end].end), b""))

    def _tail(self) -> None:
        """Everything behind the last kept item goes, with its own line's continuation."""
        kept = self.items[self.last_kept]
        # Lines that hold a lone escape may follow the last member.
        lines = self.layout.lines[self.items[-1].last :]
        end = max(line.text_end for line in lines if line.kind == "code")
        line = self.layout.lines[kept.last]
        # A word that ends in an escaped blank would now make the line go on.
        text = self.layout.data[line.start : kept.span.end]
        closing = b'""' if continues(text, self.layout.escape) is not None else b""
        self.deleted.append(Edit(Span(kept.span.end, end), closing))

    def _joined(self) -> list[Edit]:
        """The deletions merged, and a blank wherever two members would grow together."""
        merged: list[Edit] = []
        for span, text in sorted(self.deleted):
            if merged and span.start <= merged[-1].span.end:
                before = merged.pop()
                span = Span(before.span.start, max(before.span.end, span.end))
                text = before.text + text
            merged.append(Edit(span, text))
        kept = [item for item in self.items if item.kept]
        for one, two in itertools.pairwise(kept):
            gap = Span(one.span.end, two.span.start)
            changed = [edit for edit in merged if gap.contains(edit.span)]
            if changed:
                merged += self._blanks(gap, changed)
        return merged

    def _blanks(self, gap: Span, changed: list[Edit]) -> list[Edit]:
        data, escape = self.layout.data, self.layout.escape
        rest, at = b"", gap.start
        for span, text in changed:
            rest += data[at : span.start] + text
            at = span.end
        rest += data[at : gap.end]
        found: list[Edit] = []
        if rest.startswith(escape) and data[gap.start - 1 : gap.start] == escape:
            found.append(Edit(Span(gap.start, gap.start), b" "))
        elif not _separates(rest, escape):
            found.append(Edit(Span(gap.end, gap.end), b" "))
        return found


def _separates(gap: bytes, escape: bytes) -> bool:
    """Whether anything is left of `gap` once its lines are joined (rules 1.15 to 1.17)."""
    *pieces, last = gap.split(b"\n")
    for index, piece in enumerate(pieces):
        bare = piece.strip()
        if index and (not bare or bare.startswith(b"#")):
            continue
        if piece[: continues(piece.rstrip(b"\r"), escape)]:
            return True
    return last != b""
