"""How a change to a build command is written in shell: the site, and the text of values.

A `ShellSite` is one command, or one assignment that holds some of its flags. It lowers all
operations on it together: flags that become other flags or go (with their line where they
stood alone on it), variables set before the command, sudo's list of variables to keep. Works
in the text of a projection; the projection encodes what is written. Knows no client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from dockerfix.edits import Edit, Operation
from dockerfix.shell.nodes import FOREIGN
from dockerfix.source import Source, Span, united

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dockerfix.builders.arguments import Argument, Leaf
    from dockerfix.projection import Projection
    from dockerfix.shell import Part

BLANKS = b" \t"


class Piece(NamedTuple):
    """Text to write; `raw` is host text that must not be encoded again."""

    text: bytes
    raw: bool = False


Text = tuple[Piece, ...]


class Replacement(NamedTuple):
    """Put `text` where `span` of the projection's text is."""

    span: Span
    text: Text


@dataclass(frozen=True, slots=True)
class Placed:
    """A span of a projection's text, and the `host` bytes that it stands for.

    Two readings of one recipe have their texts at different offsets: what is asked of the same
    host bytes is the same, so only these are compared.
    """

    host: Span
    span: Span = field(compare=False)


class Keep(NamedTuple):
    """Have sudo, whose word ends at `at` (text offset), keep a variable.

    `mode`: `flag` adds `--preserve-env=`, `append` adds to a list that ends at `at`, `quote`
    also puts the word from `start` on in double quotes (`SUDO=sudo`), `expand` writes it into
    an unquoted `$SUDO` that may be empty.
    """

    mode: str
    start: int
    at: int


@dataclass(frozen=True, slots=True)
class ShellSite:
    """`inside` is the text span of the command or assignment; `prefix_at` is where a variable
    is set for the command; `add_at` where a flag is added and `add_glue` what stands before it."""

    path: str
    projection: Projection = field(repr=False)
    inside: Span
    prefix_at: int = -1
    add_at: int = -1
    add_glue: bytes = b" "
    container: str = "command"

    @property
    def span(self) -> Span:
        return self.projection.host_span(self.inside)

    # -- asking ---------------------------------------------------------------

    def replace(self, flag: Span, replacements: Sequence[Replacement], order: int) -> Operation:
        edits = tuple(self._edit(one.span, one.text) for one in replacements)
        spans = tuple(edit.span for edit in edits)
        member = ("flag", self.projection.host_span(flag))
        return self._operation("replace", member, edits, spans, order)

    def remove(self, flag: Span, regions: tuple[Span, ...], order: int) -> Operation:
        placed = tuple(Placed(self.projection.host_span(one), one) for one in regions)
        spans = tuple(one.host for one in placed)
        member = ("flag", self.projection.host_span(flag))
        return self._operation("remove", member, placed, spans, order)

    def set_variable(self, name: str, value: Text, order: int) -> Operation:
        at = self.projection.host(self.prefix_at)
        return self._operation("set", ("variable", name), value, (Span(at, at),), order)

    def keep_variable(self, name: str, keep: Keep, order: int) -> Operation:
        at = self.projection.host(keep.at, end=True)
        placed = Placed(Span(self.projection.host(keep.start), at), Span(keep.start, keep.at))
        value = (keep.mode, placed)
        return self._operation("keep", ("kept", name), value, (Span(at, at),), order)

    def add_flag(self, member: str, text: Text, order: int) -> Operation:
        at = self.projection.host(self.add_at, end=True)
        return self._operation("add", ("added", member), text, (Span(at, at),), order)

    def _operation(
        self,
        verb: str,
        member: tuple[object, ...],
        value: object,
        touches: tuple[Span, ...],
        order: int,
    ) -> Operation:
        return Operation(self.path, verb, member, value, self.span, touches, (order,), site=self)

    # -- doing ----------------------------------------------------------------

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        edits: list[Edit] = []
        removed: dict[ShellSite, list[Span]] = {}
        prefix: list[Piece] = []
        added: list[Piece] = []
        kept: dict[tuple[str, Placed], tuple[ShellSite, list[str]]] = {}
        for operation in operations:
            value: Any = operation.value
            # Of two readings each knows the offsets of its own text alone.
            site: ShellSite = operation.site  # type: ignore[assignment]
            if operation.verb == "replace":
                edits += value
            elif operation.verb == "remove":
                removed.setdefault(site, []).extend(one.span for one in value)
            elif operation.verb == "set":
                name = operation.member[1]  # type: ignore[index]
                prefix += [
                    Piece(f"{name}=".encode("utf-8", "surrogateescape")),
                    *value,
                    Piece(b" "),
                ]
            elif operation.verb == "keep":
                kept.setdefault(value, (site, []))[1].append(operation.member[1])  # type: ignore[index]
            elif operation.verb == "add":
                added += [Piece(self.add_glue), *value]
        if prefix:
            at = self.projection.host(self.prefix_at)
            edits.append(Edit(Span(at, at), self._encoded(prefix)))
        if added:
            edits.append(self._insert(self.add_at, tuple(added)))
        for (mode, placed), (site, names) in kept.items():
            edits += site._keep(Keep(mode, *placed.span), names)
        cuts = [
            site.projection.host_span(cut) for site in removed for cut in site._cuts(removed[site])
        ]
        edits += [Edit(cut, b"") for cut in united(cuts)]
        return edits

    def _keep(self, keep: Keep, names: Sequence[str]) -> list[Edit]:
        listed = ",".join(dict.fromkeys(names)).encode("utf-8", "surrogateescape")
        if keep.mode == "append":
            return [self._insert(keep.at, (Piece(b"," + listed),))]
        flag = b" --preserve-env=" + listed
        if keep.mode == "flag":
            return [self._insert(keep.at, (Piece(flag),))]
        word = self.projection.text[keep.start : keep.at]
        if keep.mode == "expand":
            name = word.strip(b"${}").partition(b":")[0]
            text = b"${" + name + b":+" + word + flag + b"}"
        else:
            text = b'"' + word + flag + b'"'
        return [self._edit(Span(keep.start, keep.at), (Piece(text),))]

    def _insert(self, at: int, text: Text) -> Edit:
        host = self.projection.host(at, end=True)
        return Edit(Span(host, host), self._encoded(text))

    def _edit(self, span: Span, text: Text) -> Edit:
        return Edit(self.projection.host_span(span), self._encoded(text))

    def _encoded(self, text: Iterable[Piece]) -> bytes:
        return b"".join(
            piece.text if piece.raw else self.projection.encode(piece.text) for piece in text
        )

    # -- removing -------------------------------------------------------------

    def _cuts(self, removed: Sequence[Span]) -> list[Span]:
        """What goes with the regions: a blank, a continuation, a line of their own."""
        if self.container in ("string", "alternative"):
            return self._cuts_between(removed)
        text, end = self.projection.text, self.inside.end
        limit = self._closing() if self.container == "array" else end
        cuts: list[Span] = []
        tail = limit
        for region in sorted(set(removed), reverse=True):
            after = self._forward(region.end, limit)
            before = self._back(region.start)
            if after >= tail and self.container == "command":
                cuts.append(Span(before, region.end))
                tail = before
                continue
            line = text.rfind(b"\n", 0, region.start) + 1
            alone = not text[line : region.start].strip(BLANKS) and line > self.inside.start
            newline = text.find(b"\n", region.end)
            rest = text[region.end : newline] if newline >= 0 else text[region.end :]
            if alone and newline >= 0 and rest.rstrip(b"\r").strip(BLANKS) in (b"", b"\\"):
                cuts.append(Span(line, newline + 1))
            elif rest.rstrip(b"\r").strip(BLANKS) in (b"", b"\\") and not alone and newline >= 0:
                start = region.start
                while start > self.inside.start and text[start - 1] in BLANKS:
                    start -= 1
                cuts.append(Span(start, region.end))
            elif after >= limit or text[region.end] not in b" \t\r\n\\":
                cuts.append(Span(self._back(region.start), region.end))
            else:
                cuts.append(Span(region.start, after))
        return united(cuts)

    def _cuts_between(self, removed: Sequence[Span]) -> list[Span]:
        text = self.projection.text
        cuts: list[Span] = []
        free = self.inside.start
        for region in sorted(set(removed)):
            start, end = region
            while start > free and text[start - 1] in b" \t\n":
                start -= 1
            if start == region.start:
                while end < self.inside.end and text[end] in BLANKS:
                    end += 1
            cuts.append(Span(start, end))
            free = end
        return cuts

    def _closing(self) -> int:
        """Offset of an array's closing parenthesis."""
        return self.inside.end - 1

    def _forward(self, at: int, limit: int) -> int:
        text = self.projection.text
        while at < limit:
            if text[at] in b" \t\r" or (self.container == "array" and text[at] == 0x0A):
                at += 1
            elif text.startswith(b"\\\n", at) or text.startswith(b"\\\r\n", at):
                at = text.index(b"\n", at) + 1
            else:
                break
        return at

    def _back(self, at: int) -> int:
        text = self.projection.text
        while at > self.inside.start:
            if text[at - 1] in BLANKS:
                at -= 1
            elif text[at - 1] == 0x0A and (
                self.container == "array" or text[: at - 1].rstrip(b"\r").endswith(b"\\")
            ):
                at -= 1
                if text[at - 1 : at] == b"\r":
                    at -= 1
                if text[at - 1 : at] == b"\\":
                    at -= 1
            else:
                break
        return at


# -- values -------------------------------------------------------------------


def value_text(
    text: bytes,
    leaves: Sequence[Leaf],
    foreign: Callable[[Span], bytes] | None = None,
    bare: frozenset[Span] = frozenset(),
) -> Text | None:
    """The value as the right side of an assignment, byte for byte what the argument had.

    Text that stood in quotes keeps them; unquoted expansions get double quotes where that
    cannot change what they are. None where it cannot be written so (a bare tilde or brace).
    `foreign` gives the host's text for a run of `FOREIGN` bytes; those in `bare` get no quotes.
    """
    leaves = [leaf for leaf in leaves if leaf.part.kind != "escape" or leaf.part.value]
    plain = all(_plain(text, leaf) for leaf in leaves)
    found: list[Piece] = []
    open_quote = False
    for leaf in leaves:
        part = leaf.part
        raw = text[part.span.start : part.span.end]
        quoted = leaf.quoted or plain
        if part.kind in ("single", "ansi") or (part.span in bare and not leaf.quoted):
            quoted = False
        if part.kind == "text" and not leaf.quoted and _unsafe(part.value, first=leaf is leaves[0]):
            return None
        if quoted != open_quote:
            found.append(Piece(b'"'))
            open_quote = quoted
        if part.kind == "foreign":
            if foreign is None:
                return None
            found.append(Piece(foreign(part.span), raw=True))
        elif part.kind == "single":
            inside = _single(part, foreign)
            if inside is None:
                return None
            found += inside
        elif part.kind == "ansi":
            found.append(Piece(_ansi(part.value)))
        elif part.kind == "escape" and not leaf.quoted and plain:
            found.append(Piece(raw if part.value in b'$`"\\' else part.value))
        else:
            found.append(Piece(raw))
    if open_quote:
        found.append(Piece(b'"'))
    return _compact(found)


def _plain(text: bytes, leaf: Leaf) -> bool:
    """Whether the leaf means the same inside double quotes as where it stands."""
    part = leaf.part
    if leaf.quoted:
        return True
    if part.kind == "text":
        return not any(byte in b'"`\\!' for byte in part.value)
    if part.kind == "escape":
        return True
    if part.kind == "variable" and part.use is not None:
        return not part.use.word
    if part.kind == "command":
        return text[part.span.start : part.span.start + 1] == b"$"
    return part.kind == "foreign"


def _unsafe(value: bytes, *, first: bool) -> bool:
    return (first and value[:1] == b"~") or b":~" in value or (
        b"{" in value and (b"," in value or b".." in value)
    )  # fmt: skip


def _single(part: Part, foreign: Callable[[Span], bytes] | None) -> list[Piece] | None:
    """A single-quoted part, with the host's own text where runs of `FOREIGN` bytes stand."""
    found = [Piece(b"'")]
    for hit in re.finditer(b"%c+|[^%c]+" % (FOREIGN, FOREIGN), part.value):
        if hit[0][0] != FOREIGN:
            found.append(Piece(hit[0]))
            continue
        at = part.span.end - 1 - len(part.value)
        raw = foreign(Span(at + hit.start(), at + hit.end())) if foreign is not None else b""
        if not raw:
            return None
        found.append(Piece(raw, raw=True))
    return [*found, Piece(b"'")]


def _ansi(value: bytes) -> bytes:
    if b"'" not in value:
        return b"'" + value + b"'"
    return b"'" + value.replace(b"'", b"'\\''") + b"'"


def _compact(pieces: Iterable[Piece]) -> Text:
    """One piece for neighbours of one kind; a literal word without special bytes stays bare."""
    found: list[Piece] = []
    for piece in pieces:
        if found and found[-1].raw == piece.raw:
            found[-1] = Piece(found[-1].text + piece.text, piece.raw)
        elif piece.text:
            found.append(piece)
    if len(found) == 1 and not found[0].raw:
        inner = found[0].text
        bare = inner[1:-1]
        safe = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+,"
        if inner[:1] == b'"' == inner[-1:] and bare and not bare.translate(None, safe):
            found = [Piece(bare)]
    return tuple(found)


def quote(value: bytes) -> bytes:
    """A literal as a shell word, single-quoted where it must be."""
    safe = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+,="
    if value and not value.translate(None, safe):
        return value
    return b"'" + value.replace(b"'", b"'\\''") + b"'"


def requoted(argument: Argument, text: bytes, flag: bytes = b"") -> bytes:
    """`text` with the quotes that the argument had round the whole of it, or behind its `=`."""
    written = argument.text
    if argument.whole_quoted and written[:1] == b'"':
        return b'"' + flag + text + b'"'
    single = len(argument.leaves) == 1 and argument.leaves[0].part.kind == "single"
    if single and argument.where != "string" and written[:1] == b"'" == written[-1:]:
        return b"'" + flag + text + b"'"
    behind = written.partition(b"=")[2] if flag else b""
    mark = behind[:1]
    if mark in (b'"', b"'") and mark == behind[-1:] and behind.count(mark) == 2:
        return flag + mark + text + mark
    first = argument.leaves[0] if argument.leaves else None
    if b"*" in text and first is not None and (first.quoted or first.part.kind == "single"):
        # A shell such as zsh fails for a pattern that no file matches.
        return flag + b'"' + text + b'"'
    return flag + text
