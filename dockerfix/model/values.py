"""What a value is: a real credential, a dummy, or something that only looks like a secret.

Holds the reading of values.toml and the judging of one value by its form alone. It knows nothing
of variable names, scopes or instructions, and its answers never hold the value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from dockerfix.projection import FOREIGN

REFERENCE = re.compile(
    r"(?:\$\w+|\$\{\w+(?::?[-+?=][^${}]*)?\}|\$\{\{[^{}]*\}\}|\$\([^()]*\)|`[^`]*`|\$env:\w+)"
)
_LONGEST = 16_384


@dataclass(frozen=True, slots=True)
class Value:
    """What a value's form says. `form` is one of `absent`, `empty`, `reference` (nothing but
    variables), `credential` (a known format), `frame` (a text with a hole for a credential),
    `opaque`, or the id of a `[[plain]]` row of values.toml. `kind` and `says` are set for the
    first two tables; `placeholder` also covers well-known dummies; `literal` is False where the
    credential itself is a reference such as `${TOKEN}`."""

    form: str
    kind: str = ""
    says: str = ""
    placeholder: bool = False
    literal: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of values.toml. The pattern is compiled when it is first tried."""

    id: str
    pattern: str
    kind: str = ""
    says: str = ""
    keywords: tuple[str, ...] = ()
    source: str = ""

    def may_match(self, lower: str) -> bool:
        return not self.keywords or any(keyword in lower for keyword in self.keywords)


@dataclass(frozen=True, slots=True)
class Table:
    formats: tuple[Rule, ...]
    frames: tuple[Rule, ...]
    plain: tuple[Rule, ...]
    placeholders: tuple[str, ...]
    dummies: frozenset[str]
    digits: frozenset[str]


@cache
def table() -> Table:
    import tomllib
    from pathlib import Path

    data = tomllib.loads(Path(__file__).with_name("values.toml").read_text("utf-8"))

    def rules(name: str) -> tuple[Rule, ...]:
        rows: list[dict[str, Any]] = data[name]
        return tuple(
            Rule(**{**row, "keywords": tuple(str(word) for word in row.get("keywords", ()))})
            for row in rows
        )

    return Table(
        rules("format"),
        rules("frame"),
        rules("plain"),
        tuple(data["placeholder"]["patterns"]),
        frozenset(data["dummy"]["words"]),
        frozenset(data["dummy"]["digits"]),
    )


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def text_of(value: bytes) -> str:
    """The value as text: blanks and one pair of quotes round it removed, `\\"` read as `"`."""
    text = value[:_LONGEST].decode("utf-8", "replace").strip()
    if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]:
        if text[0] == '"':
            text = text.replace('\\"', '"')
        text = text[1:-1].strip()
    return text


def formats_in(data: bytes) -> bool:
    """Whether any known format of a real credential stands anywhere in the bytes."""
    text = data.decode("latin-1")
    lower = text.lower()
    return any(
        rule.may_match(lower) and _compiled(rule.pattern).search(text) for rule in table().formats
    )


def is_placeholder(text: str, name: str = "") -> bool:
    """Whether the text says that a value is missing, or is a dummy that everybody knows.

    A value that only repeats a part of its variable's name (`NEXUS_PASS=nexus`) is a dummy too.
    """
    if chr(FOREIGN) in text:
        # What a compose or bake file puts there is not known.
        return False
    rows = table()
    if text in rows.digits or any(_compiled(p).fullmatch(text) for p in rows.placeholders):
        return True
    bare = text.lower().strip("\"'*<>[]{}()!@#$%^&._- ")
    stem = bare.rstrip("0123456789!@#$%^&*._-")
    if bare in rows.dummies or stem in rows.dummies:
        return True
    parts = [part for part in re.split(r"[^a-z]+", bare) if part]
    if len(parts) > 1 and all(part in rows.dummies for part in parts):
        return True
    squeezed = re.sub(r"[^a-z0-9]", "", name.lower())
    return len(stem) >= 3 and re.sub(r"[^a-z0-9]", "", stem) in squeezed


def examine(value: bytes | None, name: str = "") -> Value:
    """What the form of a value says; `name` serves only to see that the value repeats it."""
    if value is None:
        return Value("absent")
    text = text_of(value)
    if not text:
        return Value("empty")
    rows = table()
    lower = text.lower()
    for rule in rows.formats:
        if rule.may_match(lower) and (found := _compiled(rule.pattern).search(text)):
            dummy = "example" in found.group().lower() or bool(re.search(r"(.)\1{9}", found[0]))
            return Value("credential", rule.kind, f"value has the form of a {rule.id}", dummy)
    for rule in rows.frames:
        if rule.may_match(lower) and (found := _compiled(rule.pattern).search(text)):
            hole = found["hole"]
            literal = not REFERENCE.fullmatch(hole.strip("\"'"))
            dummy = literal and is_placeholder(hole, name)
            return Value("frame", rule.kind, f"value {rule.says}", dummy, literal)
    if "$" in text or "`" in text:
        rest = REFERENCE.sub("", text)
        if not re.search(r"[A-Za-z0-9]", rest):
            return Value("reference")
    for rule in rows.plain:
        if _compiled(rule.pattern).fullmatch(text):
            return Value(
                rule.id, says=f"value is {rule.says}", placeholder=is_placeholder(text, name)
            )
    return Value("opaque", placeholder=is_placeholder(text, name))
