"""Flags, and the mounts that `RUN --mount` asks for.

A flag's value is read without its quotes and escapes (rule 1.24), so the nodes inside a
mount keep their own map to the file. Unknown flags and keys are nodes like any other; what
BuildKit makes of known ones is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.source import Span
from dockerfix.syntax import shapes
from dockerfix.syntax.parser import derive
from dockerfix.syntax.tree import Node, Part, Shaped, Token, children_of, filled, lazy

if TYPE_CHECKING:
    from dockerfix.source import Source


class Flag(Shaped):
    """One `--name=value` of an instruction. `value` is None where there is no `=`."""

    @lazy
    def name(self) -> str:
        part = self.parts[0]
        assert not isinstance(part, Node)
        return (
            shapes.unquoted(self.line, part[1], self._end)[0].split(b"=")[0][2:].decode("latin-1")
        )

    @property
    def _end(self) -> int:
        part = self.parts[-1]
        assert not isinstance(part, Node)
        return part[2]

    @lazy
    def value(self) -> str | None:
        """The value as BuildKit reads it: a byte a character (rule 1.25)."""
        part = self.token("FLAG_NAME")
        assert part is not None
        whole = shapes.unquoted(self.line, part[1], self._end)[0]
        _, equals, value = whole.partition(b"=")
        return value.decode("latin-1") if equals else None

    @property
    def value_span(self) -> Span | None:
        part = self.token("FLAG_VALUE")
        return self.line.span(part[1], part[2]) if part is not None else None

    @lazy
    def mount(self) -> Mount | None:
        """The options of `RUN --mount=...`; None for other flags and where they are no CSV."""
        if self.name != "mount" or self.value is None or shapes.name(self.line) != "run":
            return None
        tokens = shapes.mount_tokens(self.value.encode("latin-1"))
        if tokens is None:
            return None
        found = derive("mount", "mount", tokens, VIEWED_NODES, FlagValue(self))
        return found if isinstance(found, Mount) else None

    @lazy
    def children(self) -> tuple[Node, ...]:
        if self.mount is None:
            return children_of(self.line, self.span, self.parts)
        return children_of(self.line, self.span, (*self.parts[:-1], self.mount))

    def __repr__(self) -> str:
        return f"Flag({self.name!r}, {self.value!r})"


class FlagValue:
    """The unquoted value of a flag and where its bytes stand: what `mount.lark` reads."""

    def __init__(self, flag: Flag) -> None:
        part = flag.token("FLAG_VALUE")
        assert part is not None
        _, self.start, self.end = part
        self.flag = flag
        self.value, self.places = shapes.unquoted(flag.line, self.start, self.end)

    def text(self, token: shapes.Token) -> str:
        raw = self.value[token[1] : token[2]].replace(b'""', b'"')
        return raw.decode("latin-1")

    def span(self, start: int, end: int) -> Span:
        if not self.places:
            return self.flag.line.span(self.start + start, self.start + end)
        low = self.places[start] if start < len(self.places) else self.end
        high = self.places[end - 1] + 1 if end > start else low
        return self.flag.line.span(low, high)


@dataclass(frozen=True, eq=False)
class Viewed(Node):
    """A node inside a flag's value."""

    view: FlagValue
    parts: tuple[Part, ...]

    @property
    def source(self) -> Source:
        return self.view.flag.source

    def _leaf(self, part: Part) -> Node:
        if isinstance(part, Node):
            return part
        return Token(self.source, part[0], self.view.span(part[1], part[2]))

    @lazy
    def children(self) -> tuple[Node, ...]:
        return filled(self.source, self.span, map(self._leaf, self.parts))


class MountOption(Viewed):
    """One `key=value` or bare `key` of a mount; `key` in lower case (rule 3.2)."""

    @lazy
    def span(self) -> Span:
        return Span(self._leaf(self.parts[0]).span.start, self._leaf(self.parts[-1]).span.end)

    @lazy
    def key(self) -> str:
        part = self.parts[0]
        assert not isinstance(part, Node)
        return self.view.text(part).lower()

    @lazy
    def value(self) -> str | None:
        part = self.parts[-1]
        assert not isinstance(part, Node)
        return self.view.text(part) if part[0] == "VALUE" else None


SYNONYMS = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}


class Mount(Viewed):
    """The options of one `--mount`, in order, unknown keys among them."""

    @property
    def flag(self) -> Flag:
        return self.view.flag

    @lazy
    def span(self) -> Span:
        return self.flag.line.span(self.view.start, self.view.end)

    @lazy
    def nodes(self) -> tuple[MountOption, ...]:
        return tuple(part for part in self.parts if isinstance(part, MountOption))

    @lazy
    def options(self) -> tuple[tuple[str, str | None], ...]:
        return tuple((node.key, node.value) for node in self.nodes)

    def get(self, key: str) -> str | None:
        """The value of the last option called `key` or a synonym of it."""
        wanted = SYNONYMS.get(key, key)
        for name, value in reversed(self.options):
            if SYNONYMS.get(name, name) == wanted:
                return value
        return None

    @property
    def type(self) -> str:
        return (self.get("type") or "bind").lower()

    @property
    def id(self) -> str | None:
        """The id that the client is asked for: `id`, `source`, or the target's last name (3.3)."""
        found = self.get("id")
        if found or self.type not in ("secret", "ssh"):
            return found
        if source := self.get("source"):
            return source
        target = self.get("target") if self.type == "secret" else None
        return target.rstrip("/").rpartition("/")[2] if target else found

    @property
    def env(self) -> str | None:
        return self.get("env")

    @property
    def target(self) -> str | None:
        return self.get("target")

    @property
    def required(self) -> bool:
        for name, value in reversed(self.options):
            if name == "required":
                return value is None or value.lower() in ("1", "t", "true")
        return False

    def __repr__(self) -> str:
        return f"Mount({self.flag.value!r})"


VIEWED_NODES: dict[str, type[Viewed]] = {"mount": Mount, "mount_option": MountOption}
