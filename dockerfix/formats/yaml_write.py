"""New YAML text in a file's own habits: indentation, list items, quotes, line ending."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from dockerfix.formats.yaml import Entry, List, Map, Scalar
from dockerfix.formats.yaml_scalar import (
    escaped,
    flow_scalar,
    literal_header,
    literal_lines,
    plain_holds,
)

if TYPE_CHECKING:
    from dockerfix.formats.yaml import File, Node


class Lines(NamedTuple):
    """A text of several lines, written as a literal block scalar."""

    lines: tuple[bytes, ...]


class Pairs(NamedTuple):
    """A map."""

    pairs: tuple[tuple[str, Value], ...]


class Items(NamedTuple):
    """A list."""

    items: tuple[Value, ...]


Value: TypeAlias = bytes | Lines | Pairs | Items


@dataclass(frozen=True, slots=True)
class Habits:
    """`unit`: how much deeper a map stands than the one round it. `dash`: how much deeper a list's
    dashes stand than the key above. `quote`: what is used where quotes are needed."""

    unit: int = 2
    dash: int = 2
    quote: bytes = b"'"
    eol: bytes = b"\n"

    @classmethod
    def of(cls, file: File, node: Node) -> Habits:
        near: Counter[int] = Counter()
        units: Counter[int] = Counter()
        dashes: Counter[int] = Counter()
        quotes: Counter[bytes] = Counter()
        for one in file.every():
            owner = file.owners.get(id(one))
            if isinstance(one, Scalar) and one.style in ("single", "double"):
                quotes[b"'" if one.style == "single" else b'"'] += 1
            if owner is None or not isinstance(owner[1], Entry) or not isinstance(owner[0], Map):
                continue
            depth = getattr(one, "column", 0) - owner[0].column
            if owner[0].flow or getattr(one, "flow", True):
                if isinstance(one, Scalar) and one.content.block and one.text.strip():
                    (near if owner[0] is node else units)[one.content.indent - owner[0].column] += 1
            elif isinstance(one, Map):
                (near if owner[0] is node else units)[depth] += 1
            elif isinstance(one, List):
                dashes[depth] += 1
        found = near or units
        unit = found.most_common(1)[0][0] if found else 2
        return cls(
            unit if unit > 0 else 2,
            dashes.most_common(1)[0][0] if dashes else 2,
            quotes.most_common(1)[0][0] if quotes else b"'",
            file.source.eol,
        )


def key_text(key: str) -> bytes:
    text = key.encode("utf-8", "surrogateescape")
    # A key that looks like a number or a boolean is written as it is: files name variables so.
    return text if plain_holds(text, True, b"1") else flow_scalar(text, True)


def block_entry(key: str, value: Value, column: int, habits: Habits) -> bytes:
    """`key: value` for a block map whose keys stand at `column`; no blanks before, no final EOL."""
    return key_text(key) + b":" + block_value(value, column, habits)


def block_value(value: Value, column: int, habits: Habits) -> bytes:
    """What follows the colon."""
    eol = habits.eol
    if isinstance(value, bytes):
        return b" " + flow_scalar(value, False, habits.quote)
    if isinstance(value, Lines):
        text = b"".join(line + b"\n" for line in value.lines)
        made = literal_lines(text, column + habits.unit, eol)
        if made is None:
            return b' "' + escaped(text) + b'"'
        return b" " + literal_header(text, habits.unit) + eol + made
    if isinstance(value, Pairs):
        deeper = column + habits.unit
        return b"".join(
            eol + b" " * deeper + block_entry(key, one, deeper, habits) for key, one in value.pairs
        )
    deeper = column + habits.dash
    return b"".join(eol + b" " * deeper + block_item(one, deeper, habits) for one in value.items)


def block_item(value: Value, column: int, habits: Habits) -> bytes:
    """`- value` for a block list whose dashes stand at `column`."""
    if isinstance(value, Pairs):
        lines = [block_entry(key, one, column + 2, habits) for key, one in value.pairs]
        return b"- " + (habits.eol + b" " * (column + 2)).join(lines)
    if isinstance(value, Items):
        return b"- " + flow_value(value, habits)
    return b"-" + block_value(value, column, habits)


def flow_value(value: Value, habits: Habits) -> bytes:
    if isinstance(value, bytes):
        return flow_scalar(value, True, habits.quote)
    if isinstance(value, Lines):
        return b'"' + escaped(b"\n".join(value.lines)) + b'"'
    if isinstance(value, Pairs):
        inner = (key_text(key) + b": " + flow_value(one, habits) for key, one in value.pairs)
        return b"{" + b", ".join(inner) + b"}"
    return b"[" + b", ".join(flow_value(one, habits) for one in value.items) + b"]"
