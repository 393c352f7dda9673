"""What HCL and JSON have in common: members in brackets, and changes to them as operations.

`formats.hcl` and `formats.json` make the tree; a `GroupSite` writes. One map or body is a site;
it lowers what goes from the groups inside it and what comes into it together, so that a key
that loses its last member can give its place to the new one. Comments, indentation, commas and
line ends stay. Knows nothing of builds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from dockerfix.edits import Edit, Operation
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockerfix.projection import Projection

LONG = 80
"""From this width on, the items of a new list stand on lines of their own."""

Kind = Literal["list", "map", "body"]
"""`body` is what stands in an HCL block: one attribute a line, no commas."""


@dataclass(frozen=True, eq=False)
class Node:
    span: Span


@dataclass(frozen=True, eq=False)
class Text(Node):
    """A scalar. `literal` is its value if that is written out, `variable` the one variable that
    it is exactly; both None for anything else that is computed. `projection`: a string's text."""

    literal: str | None = None
    variable: str | None = None
    null: bool = False
    projection: Projection | None = field(default=None, repr=False)
    template: tuple[str | None, ...] = ()
    """For a template: its parts, a variable's name after each `$`; empty for anything else."""
    optional: bool = False
    """It is `variable` where that is not empty, else null."""


@dataclass(frozen=True, eq=False)
class Member:
    """`key = value`, `"key": value`, or an item of a list (then `key` is empty)."""

    span: Span
    value: Node
    key: str = ""
    key_span: Span = field(default=Span(0, 0))


@dataclass(frozen=True, eq=False)
class Group(Node):
    """`span` takes in the brackets."""

    kind: Kind
    members: tuple[Member, ...] = ()
    syntax: Literal["json", "hcl"] = "json"

    def get(self, key: str) -> Node | None:
        found = self.member(key)
        return found.value if found is not None else None

    def member(self, key: str) -> Member | None:
        """The last member of that name, as both languages read it."""
        return next((one for one in reversed(self.members) if one.key == key), None)


class Part(NamedTuple):
    """One of the maps of a `Merged`, at `span`. `node` is a map, one variable, or anything else;
    `tests` are the variables of the condition under which it counts, None without one."""

    span: Span
    node: Node
    tests: frozenset[str] | None = None


@dataclass(frozen=True, eq=False)
class Merged(Node):
    """Maps that an expression puts together: `merge(common, {...})`, `X != "" ? {...} : {}`. Of two
    members of one name the last counts."""

    parts: tuple[Part, ...]


class Item(NamedTuple):
    """`text`, a finished item for the list under a key; the key is made behind `after`."""

    text: bytes
    after: str


@dataclass(frozen=True, slots=True)
class GroupSite:
    """A map or body, and the groups that are values in it."""

    path: str
    group: Group = field(repr=False)
    keeps: bool = False
    """Others refer to its values: one that is emptied stays, as an empty one."""

    @property
    def span(self) -> Span:
        return Span(self.group.span.start, self.group.span.start + 1)

    def remove(self, holder: Group, member: Member, *, order: int = 0) -> Operation:
        """`member` of `holder` (this group, or a value in it) goes; an emptied value goes too."""
        value = (holder.span, member.span)
        return self._operation("remove", ("member", member.span), value, (member.span,), order)

    def replace(self, member: Member, text: bytes, *, order: int = 0) -> Operation:
        """The value of a member of this group, or of a value in it, becomes `text`."""
        span = member.value.span
        return self._operation("replace", ("member", member.span), (span, text), (span,), order)

    def add_item(self, key: str, text: bytes, *, after: str = "", order: int = 0) -> Operation:
        """An item of the list under `key`, which is made where there is none."""
        return self._operation("item", ("item", key, text), Item(text, after), (), order)

    def _operation(
        self, verb: str, member: object, value: object, touches: tuple[Span, ...], order: int
    ) -> Operation:
        return Operation(
            self.path, verb, member, value, self.span, touches, (order,), site=self
        )  # fmt: skip

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        gone: dict[Span, set[Span]] = {}
        new: dict[str, list[Item]] = {}
        edits: list[Edit] = []
        for operation in operations:
            if operation.verb == "replace":
                edits.append(Edit(*cast("tuple[Span, bytes]", operation.value)))
            elif operation.verb == "remove":
                holder, member = cast("tuple[Span, Span]", operation.value)
                gone.setdefault(holder, set()).add(member)
            else:
                new.setdefault(operation.member[1], []).append(operation.value)  # type: ignore[index, arg-type]
        return [*edits, *_Edits(source, self.group, self.keeps).made(gone, new)]


class _Edits:
    def __init__(self, source: Source, group: Group, keeps: bool) -> None:
        self.source = source
        self.keeps = keeps
        self.data = source.data
        self.group = group

    def made(self, gone: dict[Span, set[Span]], new: dict[str, list[Item]]) -> list[Edit]:
        edits: list[Edit] = []
        own = set(gone.pop(self.group.span, set()))
        for member in self.group.members:
            inner = member.value
            if isinstance(inner, Merged):
                found = self._from_parts(inner, gone)
                edits += found or ()
                own |= {member.span} if found is None else set()
                continue
            if not isinstance(inner, Group) or inner.span not in gone:
                continue
            if gone[inner.span] >= {one.span for one in inner.members}:
                if self.keeps:
                    edits.append(Edit(inner.span, b"{}"))
                else:
                    own.add(member.span)
            else:
                edits += self._removed(inner, gone[inner.span])
        for key, items in new.items():
            edits += self._given(key, items, own)
        return [*edits, *self._removed(self.group, own)]

    # -- new items ------------------------------------------------------------

    def _given(self, key: str, items: list[Item], own: set[Span]) -> list[Edit]:
        held = self.group.member(key)
        texts = [item.text for item in items]
        if held is not None and isinstance(held.value, Group) and held.span not in own:
            return self._appended(held.value, texts)
        after = self.group.member(items[0].after)
        if after is not None and after.span in own:
            own.discard(after.span)
            return [Edit(after.span, self._entry(key, texts, after, instead=True))]
        if after is None:
            left = [one for one in self.group.members if one.span not in own]
            after = left[-1] if left else None
        if after is None:
            at = self.group.span.start + 1
            return [Edit(Span(at, at), self._entry(key, texts, None))]
        entry = self._entry(key, texts, after)
        if self.group.kind == "body":
            at = _line_end(self.data, after.span.end)
            lead = self._indent(after.span.start)
            return [Edit(Span(at, at), lead + entry + self.source.eol)]
        at = after.span.end
        return [Edit(Span(at, at), b"," + self._glue(self.group, after) + entry)]

    def _entry(
        self, key: str, texts: list[bytes], near: Member | None, *, instead: bool = False
    ) -> bytes:
        """`key = [...]` or `"key": [...]`."""
        listed = self._list(texts, near)
        if self.group.syntax == "json":
            first = next((one for one in self.group.members if one.key_span.end), None)
            between = b": "
            if first is not None:
                between = self.data[first.key_span.end : first.value.span.start]
                between = b":" if between == b":" else b": "
            return b'"' + key.encode() + b'"' + between + listed
        return key.encode().ljust(self._column(near, instead, len(key))) + b" = " + listed

    def _list(self, texts: list[bytes], near: Member | None) -> bytes:
        """The items in brackets: one a line where they are long, and the member has its lines."""
        one = b"[" + b", ".join(texts) + b"]"
        if near is None or len(texts) == 1 or len(one) < LONG:
            return one
        start = self.data.rfind(b"\n", 0, near.span.start) + 1
        lead = self.data[start : near.span.start]
        if start <= self.group.span.start or lead.strip(b" \t"):
            return one
        outer = self._indent(self.group.span.start)
        unit = lead.removeprefix(outer) or b"  "
        eol = self.source.eol
        comma = b"," if self.group.syntax == "hcl" else b""
        lines = (b"," + eol).join(lead + unit + text for text in texts)
        return b"[" + eol + lines + comma + eol + lead + b"]"

    def _column(self, near: Member | None, instead: bool, width: int) -> int:
        """How wide the key is written, so that its `=` stands below that of the line before."""
        if near is None:
            return width
        before = near
        if instead:
            index = self.group.members.index(near)
            if not index:
                return width
            before = self.group.members[index - 1]
            if self.data.count(b"\n", before.span.end, near.span.start) != 1:
                return width
            old = self.source.text(near.span)
            if b"\n" not in old and old.index(b"=") != self.source.text(before.span).find(b"="):
                return width
        text = self.source.text(before.span)
        if b"\n" in text:
            return width
        return max(width, len(text[: text.index(b"=")]) - 1)

    def _appended(self, listed: Group, texts: list[bytes]) -> list[Edit]:
        if not listed.members:
            return [Edit(listed.span, b"[" + b", ".join(texts) + b"]")]
        last = listed.members[-1]
        glue = self._glue(listed, last)
        comma = _comma(self.data, last.span.end, listed.span.end - 1)
        if comma is not None:
            at = comma + 1
            text = b"".join(glue + one + b"," for one in texts)
            return [Edit(Span(at, at), text if glue.strip(b" ") else text[:-1])]
        at = last.span.end
        return [Edit(Span(at, at), b"".join(b"," + glue + one for one in texts))]

    # -- what goes ------------------------------------------------------------

    def _from_parts(self, merged: Merged, gone: dict[Span, set[Span]]) -> list[Edit] | None:
        """Members go from maps that are put together, and a map with its last one. None if nothing
        is left at all."""
        edits: list[Edit] = []
        left = []
        for part in merged.parts:
            inner = part.node
            taken = gone.get(inner.span, set()) if isinstance(inner, Group) else set()
            if isinstance(inner, Group) and taken and taken >= {one.span for one in inner.members}:
                continue
            left.append(part)
            if isinstance(inner, Group) and taken:
                edits += self._removed(inner, taken)
        if len(left) == len(merged.parts):
            return edits
        if not left:
            return [Edit(merged.span, b"{}")] if self.keeps else None
        if len(left) == 1:
            # One map needs no function round it.
            (only,) = left
            before = Span(merged.span.start, only.span.start)
            after = Span(only.span.end, merged.span.end)
            return [*edits, Edit(before, b""), Edit(after, b"")]
        for index, part in enumerate(merged.parts):
            if part in left:
                continue
            if index + 1 < len(merged.parts):
                cut = Span(part.span.start, merged.parts[index + 1].span.start)
            else:
                cut = Span(left[-1].span.end, part.span.end)
                edits = [one for one in edits if one.span.start < cut.start]
            edits.append(Edit(cut, b""))
        return edits

    def _removed(self, group: Group, gone: set[Span]) -> list[Edit]:
        edits: list[Edit] = []
        members = group.members
        kept = [one for one in members if one.span not in gone]
        for index, one in enumerate(members):
            if one.span not in gone:
                continue
            line = self._own_line(one, group)
            if line is not None:
                edits.append(Edit(line, b""))
            elif index + 1 < len(members):
                edits.append(Edit(Span(one.span.start, members[index + 1].span.start), b""))
            else:
                start = kept[-1].span.end if kept else one.span.start
                edits = [edit for edit in edits if edit.span.start < start]
                edits.append(Edit(Span(start, one.span.end), b""))
        ends_open = bool(members) and (
            _comma(self.data, members[-1].span.end, group.span.end - 1) is None
        )
        if group.kind != "body" and kept and members[-1].span in gone and ends_open:
            comma = _comma(self.data, kept[-1].span.end, group.span.end - 1)
            covered = any(edit.span.start <= (comma or 0) < edit.span.end for edit in edits)
            if comma is not None and not covered:
                edits.append(Edit(Span(comma, comma + 1), b""))
        return edits

    def _own_line(self, member: Member, group: Group) -> Span | None:
        """The lines that the member has for itself, its comma and comment taken in."""
        start = self.data.rfind(b"\n", 0, member.span.start) + 1
        end = _line_end(self.data, member.span.end)
        if start <= group.span.start or end > group.span.end:
            return None
        rest = self.data[member.span.end : end]
        if self.data[start : member.span.start].strip(b" \t"):
            return None
        if re.fullmatch(rb"[ \t]*,?[ \t]*(?:(?:#|//)[^\n]*)?\r?\n", rest) is None:
            return None
        return Span(start, end)

    def _glue(self, group: Group, member: Member) -> bytes:
        """What stands before `member`: a new one gets the same."""
        start = self.data.rfind(b"\n", 0, member.span.start) + 1
        lead = self.data[start : member.span.start]
        if start > group.span.start and not lead.strip(b" \t"):
            return self.source.eol + lead
        return b" "

    def _indent(self, offset: int) -> bytes:
        start = self.data.rfind(b"\n", 0, offset) + 1
        text = self.data[start:offset]
        return text[: len(text) - len(text.lstrip(b" \t"))]


def _line_end(data: bytes, at: int) -> int:
    newline = data.find(b"\n", at)
    return len(data) if newline < 0 else newline + 1


_GAP = re.compile(rb"(?:\s|(?:#|//)[^\n]*|/\*.*?\*/)*", re.DOTALL)


def _comma(data: bytes, at: int, stop: int) -> int | None:
    """Offset of the comma behind a member, comments skipped; None if there is none."""
    gap = _GAP.match(data, at, stop)
    end = gap.end() if gap is not None else at
    return end if end < stop and data[end : end + 1] == b"," else None
