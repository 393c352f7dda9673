"""Variables of a justfile that hold flags of a build: `flags := "--build-arg X=" + token`.

An expression is read as strings put together and other pieces; what changes in it stays one
expression. Knows just's strings, not what a flag means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.held_flags import FLAGS, PUT_IN, Held, Uses, holding, unquoted
from dockerfix.edits import Edit, Operation
from dockerfix.finding import Refusal
from dockerfix.projection import Projection, Segment, substituted
from dockerfix.shell.nodes import FOREIGN
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockerfix.builders.call import BuildArg, BuildCall
    from dockerfix.builders.shell_dialect import ShellDialect
    from dockerfix.workspace import Workspace

_DEFINITION = re.compile(rb"^(export[ \t]+)?([A-Za-z_]\w*)[ \t]*:=[ \t]*([^\r\n]*)", re.M)
_PIECE = re.compile(
    rb"[ \t]*(?:'([^'\n]*)'|\"([^\"\\\n]*)\"|((?:[^\s+'\"{}()/#]+|\([^()\n]*\))+))[ \t]*"
)
_OPAQUE = re.compile(rb"[A-Za-z_]\w*(?:\([^()]*\))?")
_ALONE = re.compile(rb"\{\{[ \t]*([A-Za-z_]\w*)[ \t]*\}\}")
_STRING = re.compile(rb"'[^'\n]*'|\"[^\"\n]*\"")


class Piece(NamedTuple):
    """A string of an expression with its quote, or (no quote) what is no string; `inside` leaves the
    quotes out."""

    inside: Span
    quote: bytes


@dataclass(frozen=True, eq=False)
class Definition:
    """`name := expression`. `span` is the whole line, `whole` the expression."""

    name: str
    span: Span
    whole: Span
    exported: bool
    pieces: tuple[Piece, ...]
    projection: Projection

    @property
    def text(self) -> bytes:
        return self.projection.text

    def between(self, host: Span) -> Span:
        """What stands between the strings round a run of foreign bytes at `host`."""
        inner = [one for one in self.pieces if not one.quote and host.contains(one.inside)]
        return Span(inner[0].inside.start, inner[-1].inside.end) if inner else Span(0, 0)

    def quote_at(self, offset: int) -> bytes:
        """The quote of the string in which a place lies, also at one of its ends; empty outside."""
        found = [one for one in self.pieces if one.inside.start <= offset <= one.inside.end]
        return next((one.quote for one in found if one.quote), b"")


def definitions(data: bytes) -> Iterator[Definition]:
    """What the file assigns, as far as it is strings and plain pieces put together by `+`."""
    for hit in _DEFINITION.finditer(data):
        pieces = _pieces(data, hit.start(3), hit.end(3))
        if pieces is None:
            continue
        text, segments = _text(data, pieces, Span(*hit.span(3)))
        projection = Projection(text, segments)
        name, whole = hit[2].decode(), Span(*hit.span(3))
        yield Definition(name, Span(*hit.span()), whole, bool(hit[1]), pieces, projection)


def _pieces(data: bytes, start: int, end: int) -> tuple[Piece, ...] | None:
    found: list[Piece] = []
    at = start
    while True:
        hit = _PIECE.match(data, at, end)
        if hit is None:
            return None
        for group, quote in ((1, b"'"), (2, b'"'), (3, b"")):
            if hit[group] is not None:
                found.append(Piece(Span(*hit.span(group)), quote))
        last = found[-1].inside
        if not found[-1].quote and not _OPAQUE.fullmatch(data, last.start, last.end):
            return None
        at = hit.end()
        if at >= end or data[at : at + 1] == b"#":
            return tuple(found)
        if data[at : at + 1] != b"+":
            return None
        at += 1


def _text(data: bytes, pieces: Sequence[Piece], whole: Span) -> tuple[bytes, tuple[Segment, ...]]:
    text = bytearray()
    segments: list[Segment] = []
    for index, piece in enumerate(pieces):
        if piece.quote:
            size = piece.inside.end - piece.inside.start
            if size:
                segments.append(Segment(len(text), piece.inside.start, size, size))
            text += data[piece.inside.start : piece.inside.end]
            continue
        # From string to string, so that what is written instead needs no quotes of its own.
        before = pieces[index - 1] if index else None
        after = pieces[index + 1] if index + 1 < len(pieces) else None
        start = before.inside.end if before is not None and before.quote else piece.inside.start
        end = after.inside.start if after is not None and after.quote else piece.inside.end
        size = piece.inside.end - piece.inside.start
        segments.append(Segment(len(text), start, size, end - start))
        text += bytes([FOREIGN]) * size
    return bytes(text), tuple(segments)


def use(name: str) -> re.Pattern[bytes]:
    """A use in a recipe, or outside of one."""
    raw = re.escape(name.encode())
    return re.compile(
        rb"\{\{[^}\n]*\b" + raw + rb"\b|\$\{?" + raw + rb"\b"
        rb"|^(?!(?:export[ \t]+)?"
        + raw
        + rb"[ \t]*:=)[^\s#][^\n]*(?<![\w-])"
        + raw
        + rb"(?![\w-])",
        re.M,
    )


class JustFlags:
    """The variables of one justfile that hold flags of a build."""

    def __init__(self, path: str, data: bytes, workspace: Workspace, every: bool) -> None:
        self.path = path
        self.data = data
        self.uses = Uses(path, data, use, workspace)
        others = [
            workspace.read(other)
            for other in workspace.files()
            if other != path and other.lower().endswith(("justfile", ".just"))
        ]
        known = {one.name: one for one in definitions(data)}
        names = [hit[2].decode() for hit in _DEFINITION.finditer(data)]
        self.held: list[tuple[Definition, Held]] = []
        raw = {
            name: _STRING.sub(lambda hit: hit[0] if FLAGS.search(hit[0]) else b"", self._raw(one))
            for name, one in known.items()
        }
        for name in holding(raw, lambda other: re.compile(rb"\b" + other.encode() + rb"\b")):
            one = known[name]
            elsewhere = any(re.search(rb"\b" + name.encode() + rb"\b", text) for text in others)
            if names.count(name) == 1 and not elsewhere and not self._shadowed(one):
                forms = ("text", "literal") if one.exported or every else ("text",)
                for form in forms:
                    held = Held(name if form == "literal" else name + PUT_IN, one, form)  # type: ignore[arg-type]
                    if held.usable:
                        self.held.append((one, held))

    def reads(self, span: Span) -> None:
        """A recipe at `span` was read with the variables."""
        for one, _ in self.held:
            self.uses.read.setdefault(one.name, []).extend((span, *(d.span for d, _ in self.held)))

    def _raw(self, one: Definition) -> bytes:
        return self.data[one.whole.start : one.whole.end]

    def _shadowed(self, one: Definition) -> bool:
        """Whether a recipe has a parameter of the name of something that the expression names."""
        named = set(re.findall(rb"[A-Za-z_]\w*", _STRING.sub(b"", self._raw(one))))
        heads = re.findall(rb"^[@A-Za-z_][^\n:#]*:(?!=)", self.data, re.M)
        return any(named & set(re.findall(rb"[A-Za-z_]\w*", head)[1:]) for head in heads)

    def shown(self, text: Projection) -> Projection:
        """A recipe's text behind the assignments, with the flags where they are put in."""
        names = {held.name: one for one, held in self.held if held.form == "text"}

        def spread(hit: re.Match[bytes]) -> bytes:
            name = hit[1] + PUT_IN.encode()
            one = names.get(name.decode())
            # `{{a}}{{b}}`, where b begins with a blank.
            apart = one is not None and one.text[:1] == b" "
            if one is None or not unquoted(text.text[: hit.start()], apart):
                return hit[0]
            return b" " * apart + b'"${' + name + b'[@]}"'

        body = substituted(text, _ALONE, spread)
        pieces = [held.assigned(self._inner(one, held)) for one, held in self.held]
        made = bytearray()
        segments: list[Segment] = []
        for piece in (*pieces, body):
            segments += [one._replace(text=one.text + len(made)) for one in piece.segments]
            made += piece.text
        return Projection(bytes(made), tuple(segments))

    def _inner(self, one: Definition, held: Held) -> Projection:
        """The definition's text; another held one in it is that one's array."""
        known = {other.name: form for other, form in self.held if form.form == held.form}

        def named(hit: re.Match[bytes]) -> bytes:
            host = one.projection.host_span(Span(*hit.span()))
            inside = one.between(host)
            name = self.data[inside.start : inside.end].decode("utf-8", "replace").strip()
            before, after = one.text[: hit.start()], one.text[hit.end() :]
            apart = before[-1:] in (b"", b" ") and after[:1] in (b"", b" ")
            if name not in known or not apart:
                return hit[0]
            if held.form == "literal":
                return b"$" + name.encode()
            return b'"${' + known[name].name.encode() + b'[@]}"'

        return substituted(one.projection, re.compile(b"%c+" % FOREIGN), named)

    def at(self, host: Span) -> Definition | None:
        return next((one for one, _ in self.held if one.span.contains(host)), None)

    def expression(self, host: Span) -> bytes:
        """What stands for a run of foreign bytes in a definition; empty elsewhere."""
        one = self.at(host)
        if one is None:
            return b""
        inside = one.between(host)
        return self.data[inside.start : inside.end]


@dataclass(frozen=True, slots=True)
class ExpressionSite:
    """The expression of one definition."""

    path: str
    definition: Definition = field(repr=False, compare=False)
    span: Span

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        for edit in sorted({Edit(*operation.value) for operation in operations}):  # type: ignore[misc]
            first = self.definition.quote_at(edit.span.start)
            last = self.definition.quote_at(edit.span.end)
            text = edit.text
            if first and last and first != last:
                text += first + b" + " + last
            elif first and not last:
                text += first
            elif last and not first:
                text = last + text
            elif not first:
                text = b'"' + text + b'"'
            yield Edit(edit.span, text)


@dataclass(eq=False)
class JustDialect:
    """A build command of a recipe, some of whose flags stand in a variable."""

    inner: ShellDialect
    flags: JustFlags

    @property
    def shared(self) -> tuple[Span, ...]:
        return self.inner.shared

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        return self._stray(arg) or self._placed(self.inner.take_secret(call, arg, id, source))

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        return self._placed(self.inner.add_secret(call, id, source))

    def take_ssh(self, call: BuildCall, arg: BuildArg, form: str) -> Sequence[Operation] | Refusal:
        return self._stray(arg) or self._placed(self.inner.take_ssh(call, arg, form))

    def add_ssh(self, call: BuildCall, value: str) -> Sequence[Operation] | Refusal:
        return self._placed(self.inner.add_ssh(call, value))

    def mend_secret(self, call: BuildCall, flag: object) -> Sequence[Operation] | Refusal:
        return self._placed(self.inner.mend_secret(call, flag))  # type: ignore[arg-type]

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        return self._stray(arg) or self._placed(self.inner.drop(call, arg))

    def _stray(self, arg: BuildArg) -> Refusal | None:
        held = self.flags.at(arg.span)
        return None if held is None else self.flags.uses.stray(held.name)

    def _placed(self, result: Sequence[Operation] | Refusal) -> Sequence[Operation] | Refusal:
        if isinstance(result, Refusal):
            return result
        found: list[Operation] = []
        source = Source(self.flags.path, self.flags.data)
        for operation in result:
            held = self.flags.at(operation.at)
            if held is None:
                found.append(operation)
                continue
            site = ExpressionSite(operation.path, held, held.whole)
            for edit in operation.site.lower(source, [operation]):
                found.append(
                    replace(
                        operation,
                        verb="rewrite",
                        member=("edit", edit.span),
                        value=(edit.span, edit.text),
                        at=held.whole,
                        touches=(edit.span,),
                        site=site,
                    )
                )
        return found
