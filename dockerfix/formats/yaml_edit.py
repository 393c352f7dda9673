"""Changes to a YAML file as operations: entries of maps, items of lists, text of scalars.

A site is one map, one list or one scalar. It lowers all operations on it together, with the
file's habits: indentation, items at the key's level or deeper, quotes, line ending. Comments
stay where they are, but for one behind a value that goes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.edits import Edit, Operation, Removal
from dockerfix.formats.yaml import Entry, File, Item, List, Map, Node, Scalar
from dockerfix.formats.yaml_cuts import apart, flow_edits, line_end, whole_lines
from dockerfix.formats.yaml_scalar import Change, literal_header, literal_lines
from dockerfix.formats.yaml_shared import emptied, members, merged
from dockerfix.formats.yaml_write import (
    Habits,
    Items,
    Lines,
    Pairs,
    Value,
    block_entry,
    block_item,
    block_value,
    flow_value,
    key_text,
)
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Move(NamedTuple):
    """A line of a scalar goes (`to` empty), or moves to the entry `to` as `text`."""

    span: Span
    to: str
    text: bytes


class Added(NamedTuple):
    """A new entry: `before` or `after` the entry of that name, else at the end."""

    value: Value
    before: str = ""
    after: str = ""


# -- maps ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MapSite:
    """One map. Its place for operations is its first key (its brace in flow style), so that what
    is done to a scalar inside it does not stand in the way."""

    path: str
    file: File = field(repr=False)
    map: Map = field(repr=False)

    @property
    def span(self) -> Span:
        if self.map.flow or not self.map.entries:
            return Span(self.map.span.start, self.map.span.start + 1)
        return self.map.entries[0].key.place

    # -- asking ---------------------------------------------------------------

    def add(
        self, key: str, value: Value, *, before: str = "", after: str = "", order: int = 0
    ) -> Operation:
        """A new entry. `before` and `after` name the entry beside which it goes."""
        return self._operation("add", ("entry", key), Added(value, before, after), None, order)

    def put(
        self,
        key: str,
        name: str,
        value: Value,
        *,
        before: str = "",
        after: str = "",
        order: int = 0,
    ) -> Operation:
        """An entry `name` in the map under `key`, which is made where there is none."""
        held = self.map.entry(key)
        inner = self.file.resolve(held.value) if held is not None else None
        if isinstance(inner, Map) and (inner.entries or inner.flow):
            return MapSite(self.path, self.file, inner).add(name, value, order=order)
        return self._operation(
            "put", ("entry", key, name), Added(value, before, after), held, order
        )

    def append(
        self, key: str, value: Value, *, before: str = "", after: str = "", order: int = 0
    ) -> Operation:
        """An item in the list under `key`, which is made where there is none."""
        held = self.map.entry(key)
        inner = self.file.resolve(held.value) if held is not None else None
        if isinstance(inner, List) and (inner.items or inner.flow):
            return ListSite(self.path, self.file, inner).append(value, order=order)
        return self._operation(
            "item", ("entry", key, value), Added(value, before, after), held, order
        )

    def remove(self, key: str, *, order: int = 0) -> Operation:
        """The entry goes with its lines; a map that it leaves empty goes too."""
        return self._operation("remove", ("entry", key), None, self.map.entry(key), order)

    def thin(self, key: str, member: Span, *, order: int = 0) -> Operation:
        """`member` (an entry or an item) goes from what stands or is referred to under `key`. With
        the last one the entry goes. Who refers to one thing from several places asks for all."""
        operation = self._operation("thin", ("member", key, member), member, member, order)
        held = self.map.entry(key)
        own = held is not None and held.span.contains(member)
        return operation if own else replace(operation, touches=())

    def replace(self, key: str, value: Value, *, order: int = 0) -> Operation:
        return self._operation("replace", ("entry", key), value, self.map.entry(key), order)

    def move_line(self, key: str, span: Span, to: str, text: bytes, *, order: int = 0) -> Operation:
        """Take `span` (text offsets) out of the lines of the scalar `key`, and give `text` to the
        entry `to` as a line; with `to` empty it only goes. A scalar left empty goes too."""
        held = self.map.entry(key)
        scalar = self.file.resolve(held.value) if held is not None else None
        touched = None
        if isinstance(scalar, Scalar):
            touched = scalar.projection.host_span(span)
        return self._operation("move", ("line", key, span), Move(span, to, text), touched, order)

    def add_line(self, key: str, text: bytes, *, after: str = "", order: int = 0) -> Operation:
        """A line at the end of the scalar under `key`, which is made where there is none."""
        return self._operation(
            "line", ("added", key, text), Move(Span(0, 0), after, text), None, order
        )

    def _operation(
        self, verb: str, member: object, value: object, touched: object, order: int
    ) -> Operation:
        touches: tuple[Span, ...] = ()
        if isinstance(touched, Entry):
            touches = (touched.span,)
        elif isinstance(touched, Span):
            touches = (touched,)
        return Operation(
            self.path,
            verb,
            member,
            value,
            self.span,
            touches,
            (order,),
            site=self,
        )

    # -- doing ----------------------------------------------------------------

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        return _MapEdits(self.file, self.map, source).lower(operations)


class _MapEdits:
    def __init__(self, file: File, map: Map, source: Source) -> None:
        self.file = file
        self.map = map
        self.source = source
        self.habits = Habits.of(file, map)
        self.gone: set[str] = set()
        self.edits: list[Edit] = []
        self.new: list[tuple[str, Added]] = []

    def lower(self, operations: Sequence[Operation]) -> list[Edit]:
        moves: dict[str, list[Move]] = defaultdict(list)
        lines: dict[str, list[Move]] = defaultdict(list)
        nested: dict[str, list[tuple[object, Added]]] = {}
        thinned: dict[str, set[Span]] = defaultdict(set)
        for operation in operations:
            key = operation.member[1]  # type: ignore[index]
            value = operation.value
            if operation.verb == "move":
                moves[key].append(value)  # type: ignore[arg-type]
            elif operation.verb == "line":
                lines[key].append(value)  # type: ignore[arg-type]
            elif operation.verb in ("put", "item"):
                name = operation.member[2] if operation.verb == "put" else None  # type: ignore[index]
                nested.setdefault(key, []).append((name, value))  # type: ignore[arg-type]
            elif operation.verb == "add":
                self.new.append((key, value))  # type: ignore[arg-type]
            elif operation.verb == "remove":
                self.gone.add(key)
            elif operation.verb == "thin":
                thinned[key].add(value)  # type: ignore[arg-type]
            elif operation.verb == "replace":
                self._replace(key, value)  # type: ignore[arg-type]
        for key, spans in thinned.items():
            self._thin(key, spans)
        for key, asked in moves.items():
            self._move(key, asked, lines)
        for key, asked in lines.items():
            if asked:
                self._lines(key, asked)
        for key, made in nested.items():
            self._nested(key, made)
        self._finish()
        return self.edits

    # -- lines of scalars -----------------------------------------------------

    def _move(self, key: str, asked: list[Move], lines: dict[str, list[Move]]) -> None:
        held = self.map.entry(key)
        scalar = self.file.resolve(held.value) if held is not None else None
        if held is None or not isinstance(scalar, Scalar):
            return
        asked = sorted(asked, key=lambda move: move.span)
        # A line that moves to where it is only gets another text.
        asked = [one._replace(to="") if one.to == key and not one.text else one for one in asked]
        left = scalar.text
        for move in reversed(asked):
            stays = move.text if move.to == key else b""
            left = left[: move.span.start] + stays + left[move.span.end :]
        targets = {move.to for move in asked if move.to}
        empty = not left.strip()
        to = next(iter(targets), "")
        if empty and len(targets) == 1 and self.map.entry(to) is None and not lines.get(to):
            # All of it moves: the key gets the new name, and the lines stay where they are.
            self._rename(held.key, to)
            self._take_out(scalar, asked, {to})
            return
        if empty:
            self.gone.add(key)
        else:
            self._take_out(scalar, asked, {key})
        for move in asked:
            if move.to and move.to != key:
                lines[move.to].append(Move(move.span, key, move.text))

    def _rename(self, key: Node, name: str) -> None:
        style = key.style if isinstance(key, Scalar) else "plain"
        mark = {"single": b"'", "double": b'"'}.get(style, b"")
        self.edits.append(Edit(key.span, mark + name.encode() + mark))

    def _take_out(self, scalar: Scalar, asked: Sequence[Move], here: set[str]) -> None:
        changes = []
        for move in asked:
            if move.to in here:
                changes.append(Change(move.span, move.text))
            else:
                changes.append(Change(whole_lines(scalar.text, move.span), b""))
        last = scalar.text.rstrip(b"\n")
        kept = [one for one in changes if one.text]
        if changes and not kept and changes[-1].span.end >= len(last):
            # What stood last takes the blank lines before it along.
            start = changes[-1].span.start
            before = len(scalar.text[:start].rstrip(b"\n"))
            if before + 1 < start:
                changes[-1] = Change(Span(before + 1, changes[-1].span.end), b"")
        self.edits += scalar.content.edits(apart(changes))

    def _lines(self, key: str, asked: Sequence[Move]) -> None:
        texts = list(dict.fromkeys(move.text for move in asked))
        held = self.map.entry(key)
        scalar = self.file.resolve(held.value) if held is not None else None
        if held is not None and isinstance(scalar, Scalar) and not scalar.null:
            text = scalar.text
            new = [one for one in texts if one not in text.split(b"\n")]
            if not new:
                return
            if text.endswith(b"\n"):
                change = Change(Span(len(text), len(text)), b"".join(one + b"\n" for one in new))
                self.edits += scalar.content.edits([change])
            elif scalar.content.block or scalar.content.in_flow or not text:
                change = Change(Span(len(text), len(text)), b"\n" + b"\n".join(new))
                self.edits += scalar.content.edits([change])
            else:
                whole = b"".join(one + b"\n" for one in (text, *new))
                self._write_block(scalar, whole)
            return
        after = next((move.to for move in asked if move.to), "")
        source = self.map.entry(after) if after else None
        like = self.file.resolve(source.value) if source is not None else None
        single = isinstance(like, Scalar) and not like.content.block and len(texts) == 1
        value: Value = texts[0] if single or self.map.flow else Lines(tuple(texts))
        if self.map.flow and len(texts) > 1:
            value = b"\n".join(texts)
        if held is not None:
            self._replace(key, value)
        else:
            self.new.append((key, Added(value, after=after)))

    def _write_block(self, scalar: Scalar, text: bytes) -> None:
        indent = self.map.column + self.habits.unit
        made = literal_lines(text, indent, self.habits.eol)
        head = literal_header(text, indent - self.map.column)
        if made is None:
            self.edits += scalar.content.edits([Change(Span(0, len(scalar.text)), text)])
            return
        self.edits.append(Edit(scalar.span, head + self.habits.eol + made))

    # -- entries --------------------------------------------------------------

    def _thin(self, key: str, gone: set[Span]) -> None:
        held = self.map.entry(key)
        if held is None:
            return
        if all(one.span in gone for one in members(self.file, held.value)):
            self.gone.add(key)
            return
        holder = held.value
        inner = merged(self.file, holder)
        if isinstance(inner, List):
            self._take_items(inner, emptied(self.file, inner, gone))
        elif isinstance(holder, List):
            self._take_items(holder, [one for one in holder.items if one.span in gone])
        elif isinstance(holder, Map) and inner is None:
            site = MapSite(self.source.path, self.file, holder)
            asked = [site.remove(one.name) for one in holder.entries if one.span in gone]
            self.edits += site.lower(self.source, asked)

    def _take_items(self, listed: List, items: Sequence[Item]) -> None:
        site = ListSite(self.source.path, self.file, listed)
        self.edits += site.lower(self.source, [site.remove(one) for one in items])

    def _replace(self, key: str, value: Value) -> None:
        held = self.map.entry(key)
        if held is None:
            self.new.append((key, Added(value)))
            return
        start = held.value.place.start if held.value is not None else held.span.end
        start = len(self.source.data[:start].rstrip(b" "))
        if self.map.flow:
            text = b" " + flow_value(value, self.habits)
        else:
            text = block_value(value, self.map.column, self.habits)
        self.edits.append(Edit(Span(start, held.span.end), text))

    def _nested(self, key: str, made: Sequence[tuple[object, Added]]) -> None:
        if made[0][0] is None:
            value: Value = Items(tuple(one.value for _, one in made))
        else:
            value = Pairs(tuple((str(name), one.value) for name, one in made))
        if self.map.entry(key) is not None:
            self._replace(key, value)
        else:
            self.new.append((key, made[0][1]._replace(value=value)))

    def _finish(self) -> None:
        names = [entry.name for entry in self.map.entries]
        if names and not self.new and self.gone.issuperset(names):
            self.edits += removal(self.file, self.source, self.map)
            return
        if self.map.flow:
            self._finish_flow()
            return
        for entry in self.map.entries:
            if entry.name in self.gone:
                self.edits.append(self._removed(entry))
        for key, added in self.new:
            self._insert(key, added)

    def _removed(self, entry: Entry) -> Edit:
        data = self.source.data
        start = data.rfind(b"\n", 0, entry.span.start) + 1
        end = line_end(data, entry.span.end)
        if data[start : entry.span.start].strip(b" \xef\xbb\xbf"):
            # It shares its line with a dash: the next entry moves up to it.
            left = [one for one in self.map.entries if one.name not in self.gone]
            following = next((one for one in left if one.span.start > entry.span.start), None)
            if following is not None:
                return Edit(Span(entry.span.start, following.span.start), b"")
            return Edit(Span(entry.span.start, entry.span.end), b"")
        return Removal(Span(start, end), b"")

    def _insert(self, key: str, added: Added) -> None:
        data, habits, column = self.source.data, self.habits, self.map.column
        written = block_entry(key, added.value, column, habits)
        before = self.map.entry(added.before) if added.before else None
        first = self.map.entries[0] if self.map.entries else None
        if before is not None and before is not first:
            at = data.rfind(b"\n", 0, before.span.start) + 1
            self.edits.append(Edit(Span(at, at), b" " * column + written + habits.eol))
            return
        after = self.map.entry(added.after) if added.after else before
        if after is None and self.map.entries:
            after = self.map.entries[-1]
        at = line_end(data, after.span.end) if after is not None else len(data)
        text = b" " * column + written
        if data[at - 1 : at] == b"\n" or at == 0:
            text += habits.eol
        elif after is None or after.name not in self.gone:
            text = habits.eol + text
        self.edits.append(Edit(Span(at, at), text))

    def _finish_flow(self) -> None:
        written = [
            key_text(key) + b": " + flow_value(added.value, self.habits) for key, added in self.new
        ]
        spans = [entry.span for entry in self.map.entries]
        gone = [entry.span for entry in self.map.entries if entry.name in self.gone]
        self.edits += flow_edits(self.source.data, self.map.span, spans, gone, written)


# -- lists --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListSite:
    """One list. Its place for operations is its first dash (its bracket in flow style)."""

    path: str
    file: File = field(repr=False)
    list: List = field(repr=False)

    @property
    def span(self) -> Span:
        return Span(self.list.span.start, self.list.span.start + 1)

    def append(self, value: Value, *, order: int = 0) -> Operation:
        return Operation(
            self.path,
            "append",
            ("item", value),
            value,
            self.span,
            (),
            (order,),
            site=self,
        )

    def remove(self, item: Item, *, order: int = 0) -> Operation:
        """The item goes with its lines; a list that it leaves empty goes too."""
        return Operation(
            self.path, "remove", ("item", item.span), item.span, self.span, (item.span,), (order,),
            site=self,
        )  # fmt: skip

    def thin(self, item: Item, member: Span, *, order: int = 0) -> Operation:
        """`member` goes from what `item` refers to. With the last one the item goes."""
        return Operation(
            self.path, "thin", ("member", item.span, member), member, self.span, (),
            (order,), site=self,
        )  # fmt: skip

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        data, habits = source.data, Habits.of(self.file, self.list)
        gone = [operation.value for operation in operations if operation.verb == "remove"]
        thinned: set[Span] = {o.value for o in operations if o.verb == "thin"}  # type: ignore[misc]
        gone += [item.span for item in emptied(self.file, self.list, thinned)]
        new: list[Value] = [o.value for o in operations if o.verb == "append"]  # type: ignore[misc]
        spans = [item.span for item in self.list.items]
        if spans and not new and set(gone) >= set(spans):
            return removal(self.file, source, self.list)
        if self.list.flow:
            written = [flow_value(value, habits) for value in new]
            return flow_edits(data, self.list.span, spans, gone, written)  # type: ignore[arg-type]
        edits = []
        for index, span in enumerate(spans):
            if span not in gone:
                continue
            start = data.rfind(b"\n", 0, span.start) + 1
            if data[start : span.start].strip(b" "):
                following = next((one for one in spans[index + 1 :] if one not in gone), span)
                end = following.start if following is not span else span.end
                edits.append(Edit(Span(span.start, end), b""))
            else:
                edits.append(Edit(Span(start, line_end(data, span.end)), b""))
        kept = [span for span in spans if span not in gone]
        at = line_end(data, kept[-1].end) if kept else line_end(data, spans[-1].end)
        for value in new:
            text = b" " * self.list.column + block_item(value, self.list.column, habits)
            whole = data[at - 1 : at] == b"\n"
            edits.append(Edit(Span(at, at), text + habits.eol if whole else habits.eol + text))
        return edits


# -- shared -------------------------------------------------------------------


def removal(file: File, source: Source, node: Node) -> list[Edit]:
    """Edits that remove `node` with the entry or item that holds it, and what that empties."""
    owner = file.owners.get(id(node))
    if owner is None:
        return [Edit(node.place, b"{}" if isinstance(node, Map) else b"[]")]
    container, member = owner
    if isinstance(container, Map) and isinstance(member, Entry):
        edits = _MapEdits(file, container, source)
        edits.gone.add(member.name)
        edits._finish()
        return edits.edits
    assert isinstance(container, List)
    assert isinstance(member, Item)
    site = ListSite(source.path, file, container)
    return list(site.lower(source, [site.remove(member)]))


__all__ = ["Items", "Lines", "ListSite", "MapSite", "Pairs"]
