"""BuildKit's word expansion: variables, operators, quotes and escapes of one word.

Holds what the frontend does to the words of ENV, ARG, FROM, COPY and the like (rules
2.3 to 2.5), with the same errors. It is not a shell: `$(cmd)` and backticks stay text.
It knows neither instructions nor scopes; spans are byte offsets in the word it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

from dockerfix.model.patterns import PatternError, replaced, trimmed
from dockerfix.source import Span

__all__ = ["Expansion", "ExpansionError", "WordUse", "expand", "variables"]

BACKSLASH = "\\"
_DEPTH = 200
_SPECIAL = frozenset("@*#?-$!0")
_OPERATORS = frozenset("+-?#%")
# Go's unicode.IsSpace; str.isspace() also takes the separators U+001C to U+001F.
_SPACE = frozenset(
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_GO_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


class ExpansionError(ValueError):
    """BuildKit refuses the word. `matched` and `unmatched` are the names read before that."""

    def __init__(
        self,
        message: str,
        matched: frozenset[str] = frozenset(),
        unmatched: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(message)
        self.matched = matched
        self.unmatched = unmatched


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a word becomes: in one piece, split at unquoted blanks, and which names it read."""

    result: str
    words: tuple[str, ...]
    matched: frozenset[str]
    unmatched: frozenset[str]


class WordUse(NamedTuple):
    """One `$X` or `${X...}` of a word.

    `span` covers the whole expression, in bytes of the raw word. `operator` is "" for a
    plain read, else one of `:- - :+ + :? ? # ## % %% / //`, or the text that BuildKit
    refuses. `operand` is the raw text between the operator and the closing brace.
    `nested` means that the expression stands in the operand of another one.
    """

    name: str
    span: Span
    operator: str
    operand: bytes
    quoted: bool
    nested: bool


def expand(
    word: bytes | str,
    env: Mapping[str, str],
    escape: bytes | str = BACKSLASH,
    *,
    quotes: bool = True,
) -> Expansion:
    """`word` with `env` put in, as the frontend does it.

    With `quotes` false quotes are text and only `$` and the escape character are special:
    the way of COPY and ADD heredocs (rule 1.34). Raises ExpansionError where the build
    would fail.
    """
    text = _text(word)
    walk = _Walk(text, env, _text(escape), quotes)
    try:
        result = walk.until("", raw=False)
    except (_RefusedError, PatternError) as failure:
        raise ExpansionError(
            f"failed to process {_quoted(text)}: {failure}",
            frozenset(walk.matched),
            frozenset(walk.unmatched),
        ) from None
    return Expansion(
        result, walk.pieces.finish(), frozenset(walk.matched), frozenset(walk.unmatched)
    )


def variables(
    word: bytes | str, escape: bytes | str = BACKSLASH, *, quotes: bool = True
) -> tuple[WordUse, ...]:
    """Every variable that `word` may read, in the order of the text, nested ones included.

    Operands count although an operator may skip them. A word that BuildKit refuses gives
    what stands before the place of the error.
    """
    text = _text(word)
    if "$" not in text:
        return ()
    walk = _Walk(text, None, _text(escape), quotes)
    try:
        walk.until("", raw=False)
    except _RefusedError:
        walk.abandon()
    offsets = None if text.isascii() else _offsets(text)
    uses = []
    for use in sorted(walk.uses, key=lambda use: use.start):
        start, end = use.start, use.end
        operand = _bytes(text[use.operand_start : max(use.operand_end, use.operand_start)])
        if offsets is not None:
            start, end = offsets[start], offsets[end]
        uses.append(
            WordUse(use.name, Span(start, end), use.operator, operand, use.quoted, use.nested)
        )
    return tuple(uses)


class _RefusedError(Exception):
    """The text of a substitution error, before the word is wrapped round it."""


@dataclass(slots=True)
class _Use:
    name: str
    start: int
    quoted: bool
    nested: bool
    end: int = -1
    operator: str = ""
    operand_start: int = 0
    operand_end: int = 0


class _Pieces:
    """Collects the words of the split form."""

    __slots__ = ("done", "inside", "word")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.done: list[str] = []
        self.word: list[str] = []
        self.inside = False

    def character(self, character: str) -> None:
        if character not in _SPACE:
            self.word.append(character)
            self.inside = True
        elif self.inside and self.word:
            self.done.append("".join(self.word))
            self.word = []
            self.inside = False

    def value(self, text: str) -> None:
        for character in text:
            self.character(character)

    def verbatim(self, text: str) -> None:
        if text:
            self.word.append(text)
        self.inside = True

    def finish(self) -> tuple[str, ...]:
        if self.word:
            self.done.append("".join(self.word))
        return tuple(self.done)


class _Walk:
    """One pass over a word. Without an environment it only notes the uses."""

    __slots__ = (
        "at",
        "depth",
        "end",
        "env",
        "escape",
        "matched",
        "pieces",
        "quotes",
        "text",
        "unmatched",
        "uses",
    )

    def __init__(self, text: str, env: Mapping[str, str] | None, escape: str, quotes: bool) -> None:
        self.text = text
        self.end = len(text)
        self.at = 0
        self.env = env
        self.escape = escape
        self.quotes = quotes
        self.depth = 0
        self.pieces = _Pieces()
        self.matched: set[str] = set()
        self.unmatched: set[str] = set()
        self.uses: list[_Use] = []

    def until(self, stop: str, *, raw: bool, quoted: bool = False) -> str:
        """Process up to `stop`, which is consumed, or to the end of the word if it is ""."""
        out: list[str] = []
        text, escape = self.text, self.escape
        outermost = not stop
        pieces = self.pieces
        while self.at < self.end:
            character = text[self.at]
            if character == stop:
                self.at += 1
                return "".join(out)
            if character == "$":
                value = self.dollar(raw=raw, quoted=quoted)
                out.append(value)
                if outermost:
                    pieces.value(value)
            elif character == "'" and self.quotes:
                value = self.single()
                out.append(value)
                if outermost:
                    pieces.verbatim(value)
            elif character == '"' and self.quotes:
                value = self.double(raw=raw)
                out.append(value)
                if outermost:
                    pieces.verbatim(value)
            elif character == escape:
                if raw:
                    out.append(character)
                if self.at + 1 < self.end:
                    out.append(text[self.at + 1])
                    if outermost:
                        pieces.verbatim(text[self.at + 1])
                self.at += 2
            else:
                out.append(character)
                if outermost:
                    pieces.character(character)
                self.at += 1
        self.at = self.end
        if stop:
            raise _RefusedError(f"unexpected end of statement while looking for matching {stop}")
        return "".join(out)

    def single(self) -> str:
        close = self.text.find("'", self.at + 1)
        if close < 0:
            self.at = self.end
            raise _RefusedError(
                "unexpected end of statement while looking for matching single-quote"
            )
        value = self.text[self.at + 1 : close]
        self.at = close + 1
        return value

    def double(self, *, raw: bool) -> str:
        out: list[str] = []
        self.at += 1
        while self.at < self.end:
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return "".join(out)
            if character == "$":
                out.append(self.dollar(raw=raw, quoted=True))
                continue
            self.at += 1
            if character == self.escape:
                if raw:
                    out.append(character)
                if self.at >= self.end:
                    break
                if self.text[self.at] in ('"', "$", self.escape):
                    character = self.text[self.at]
                    self.at += 1
            out.append(character)
        raise _RefusedError("unexpected end of statement while looking for matching double-quote")

    def dollar(self, *, raw: bool, quoted: bool) -> str:
        use = _Use("", self.at, quoted, self.depth > 0)
        self.at += 1
        if self.peek() != "{":
            use.name = self.name()
            if not use.name:
                return "$"
            use.end = self.at
            self.uses.append(use)
            value = self.get(use.name)
            return "" if value is None else value
        self.at += 1
        if self.at >= self.end:
            raise _RefusedError("syntax error: missing '}'")
        if self.peek() in ("{", "}", ":"):
            raise _RefusedError("syntax error: bad substitution")
        use.name = self.name()
        if use.name:
            self.uses.append(use)
        operator = self.take()
        if operator == "}":
            use.end = self.at
            value = self.get(use.name)
            return "" if value is None else value
        self.depth += 1
        if self.depth > _DEPTH:
            raise _RefusedError("substitutions nested too deeply")
        try:
            return self.substitution(use, operator, quoted=quoted)
        finally:
            self.depth -= 1
            # The frontend shares one list of words between the levels of a substitution
            # and starts it afresh: what stood before is lost to the split form.
            self.pieces.clear()

    def substitution(self, use: _Use, operator: str, *, quoted: bool) -> str:
        if operator == "/":
            return self.replacement(use, quoted=quoted)
        colon = operator == ":"
        kind = self.take() if colon else operator
        if colon:
            operator += kind
        use.operator = operator
        use.operand_start = self.at
        if not colon and kind not in _OPERATORS:
            use.operator = operator if operator != "\ufffd" else ""
            raise _RefusedError(f"unsupported modifier ({operator}) in substitution")
        if colon and kind in ("#", "%"):
            raise _RefusedError(f"unsupported modifier ({operator}) in substitution")
        if kind in ("#", "%") and self.peek() == kind:
            use.operator = kind * 2
            use.operand_start += 1
        operand = self.operand("}", raw=kind in ("#", "%"), quoted=quoted, missing="'}'")
        use.operand_end = self.at - 1
        use.end = self.at
        value = self.get(use.name)
        if kind not in _OPERATORS:
            raise _RefusedError(f"unsupported modifier ({operator}) in substitution")
        if self.env is None:
            return ""
        if kind in ("#", "%"):
            greedy = operand.startswith(kind)
            return trimmed(value or "", operand[greedy:], suffix=kind == "%", greedy=greedy)
        absent = value is None or (colon and not value)
        if kind == "-":
            return operand if absent else value or ""
        if kind == "+":
            return "" if absent else operand
        if absent:
            state = "unset" if value is None else "empty"
            raise _RefusedError(f"{use.name}: {operand or f'is not allowed to be {state}'}")
        return value or ""

    def replacement(self, use: _Use, *, quoted: bool) -> str:
        every = self.peek() == "/"
        if every:
            self.at += 1
        use.operator = "//" if every else "/"
        use.operand_start = self.at
        pattern = self.operand("/", raw=True, quoted=quoted, missing="'/' in ${}")
        text = self.operand("}", raw=True, quoted=quoted, missing="'}'")
        use.operand_end = self.at - 1
        use.end = self.at
        value = self.get(use.name)
        if self.env is None:
            return ""
        return replaced(value or "", pattern, text, every=every)

    def operand(self, stop: str, *, raw: bool, quoted: bool, missing: str) -> str:
        try:
            return self.until(stop, raw=raw, quoted=quoted)
        except _RefusedError:
            if self.at >= self.end:
                raise _RefusedError(f"syntax error: missing {missing}") from None
            raise

    def name(self) -> str:
        text, start = self.text, self.at
        if start >= self.end:
            return ""
        first = text[start]
        if first.isdecimal():
            while self.at < self.end and text[self.at].isdecimal():
                self.at += 1
        elif first in _SPECIAL:
            self.at += 1
        else:
            while self.at < self.end and (
                text[self.at] == "_" or text[self.at].isalpha() or text[self.at].isdecimal()
            ):
                self.at += 1
        return text[start : self.at]

    def get(self, name: str) -> str | None:
        if self.env is None:
            return None
        value = self.env.get(name)
        (self.unmatched if value is None else self.matched).add(name)
        return value

    def peek(self) -> str:
        return self.text[self.at] if self.at < self.end else ""

    def take(self) -> str:
        """The next character; at the end the replacement character, as Go prints it."""
        if self.at >= self.end:
            return "\ufffd"
        self.at += 1
        return self.text[self.at - 1]

    def abandon(self) -> None:
        """Close the uses that an error left open: they reach to the end of the word."""
        for use in self.uses:
            if use.end < 0:
                use.end = self.end
                use.operand_start = use.operand_start or self.end
                use.operand_end = self.end


def _text(word: bytes | str) -> str:
    return word if isinstance(word, str) else word.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _offsets(text: str) -> list[int]:
    """Byte offset of each character of `text`, and of its end."""
    offsets = [0]
    for character in text:
        offsets.append(offsets[-1] + len(_bytes(character)))
    return offsets


def _quoted(text: str) -> str:
    """`text` as Go's %q writes it."""
    out = []
    for character in text:
        if character in _GO_ESCAPES:
            out.append(_GO_ESCAPES[character])
        elif character.isprintable():
            out.append(character)
        elif ord(character) < 0x80:
            out.append(f"\\x{ord(character):02x}")
        elif ord(character) < 0x10000:
            out.append(f"\\u{ord(character):04x}")
        else:
            out.append(f"\\U{ord(character):08x}")
    return f'"{"".join(out)}"'
