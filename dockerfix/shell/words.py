"""Taking one shell word apart: quotes, escapes, expansions, uses. No parser, no state.

`lex` reads bytes from a start to an end that the caller knows to be one word (or the body
of a heredoc); whatever is not closed there ends there.
"""

from __future__ import annotations

from dockerfix.shell.nodes import FOREIGN, Part, Quoting, Use, Word
from dockerfix.source import Span

_NAME_START = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_NAME = _NAME_START | frozenset(b"0123456789")
_SPECIAL = frozenset(b"0123456789@*#?-$!")
_OPERATORS = (
    b":-", b":=", b":+", b":?", b"##", b"%%", b"//", b"/#", b"/%", b"^^", b",,",
    b"-", b"=", b"+", b"?", b"#", b"%", b"/", b"^", b",", b":", b"@",
)  # fmt: skip


def is_name(text: str) -> bool:
    """Whether `text` can be assigned to: `[A-Za-z_][A-Za-z0-9_]*`."""
    raw = text.encode("utf-8", "surrogateescape")
    return bool(raw) and raw[0] in _NAME_START and all(byte in _NAME for byte in raw)


def word(text: bytes, span: Span) -> Word:
    parts = lex(text, span.start, span.end)
    return Word(span, text[span.start : span.end], parts, uses_of(parts, text))


def lex(
    text: bytes, start: int, end: int, *, quoted: bool = False, heredoc: bool = False
) -> tuple[Part, ...]:
    """The parts of `text[start:end]`; `quoted`: it stands in double quotes; `heredoc`: in a body."""
    return _Lexer(text, end).parts(start, quoted=quoted, heredoc=heredoc)


class _Lexer:
    def __init__(self, text: bytes, end: int) -> None:
        self.text = text
        self.end = end

    def parts(
        self, at: int, *, quoted: bool = False, heredoc: bool = False, end: int | None = None
    ) -> tuple[Part, ...]:
        text, stop = self.text, self.end if end is None else end
        soft = quoted or heredoc
        found: list[Part] = []
        plain = at

        def flush(upto: int) -> None:
            if upto > plain:
                found.append(Part("text", Span(plain, upto), text[plain:upto]))

        while at < stop:
            byte = text[at]
            part: Part | None = None
            if byte == 0x5C:
                part = self._escape(at, stop, soft=soft, heredoc=heredoc)
            elif byte == FOREIGN:
                close = at
                while close < stop and text[close] == FOREIGN:
                    close += 1
                part = Part("foreign", Span(at, close))
            elif byte == 0x27 and not soft:
                close = text.find(b"'", at + 1, stop)
                close = stop if close < 0 else close + 1
                inner = (
                    text[at + 1 : close - 1]
                    if text[close - 1 : close] == b"'"
                    else text[at + 1 : close]
                )
                part = Part("single", Span(at, close), inner)
            elif byte == 0x22 and not heredoc and not quoted:
                part = self._double(at, at + 1, stop)
            elif byte == 0x60:
                close = self._backtick(at, stop)
                part = Part("command", Span(at, close))
            elif byte == 0x24:
                part = self._dollar(at, stop, soft=soft)
            elif byte in b"<>" and not soft and text[at + 1 : at + 2] == b"(":
                part = Part("process", Span(at, self.closing(at + 1, stop)))
            if part is None:
                at += 1
                continue
            flush(at)
            found.append(part)
            at = plain = part.span.end
        flush(at)
        return tuple(found)

    def _escape(self, at: int, stop: int, *, soft: bool, heredoc: bool) -> Part | None:
        following = self.text[at + 1 : at + 2] if at + 1 < stop else b""
        if not following:
            return Part("escape", Span(at, at + 1), b"\\")
        if following == b"\n":
            return Part("escape", Span(at, at + 2), b"")
        special = b'$`\\"' if not heredoc else b"$`\\"
        if soft and following not in tuple(special[i : i + 1] for i in range(len(special))):
            return None
        return Part("escape", Span(at, at + 2), following)

    def _double(self, at: int, inside: int, stop: int) -> Part:
        close = self._double_end(inside, stop)
        closed = close <= stop and self.text[close - 1 : close] == b'"' and close > inside
        children = self.parts(inside, quoted=True, end=close - 1 if closed else close)
        return Part("double", Span(at, close), children=children)

    def _double_end(self, at: int, stop: int) -> int:
        text = self.text
        while at < stop:
            byte = text[at]
            if byte == 0x5C:
                at += 2
            elif byte == 0x22:
                return at + 1
            elif byte == 0x60:
                at = self._backtick(at, stop)
            elif byte == 0x24 and text[at + 1 : at + 2] in (b"(", b"{"):
                at = self.closing(at + 1, stop)
            else:
                at += 1
        return stop

    def _backtick(self, at: int, stop: int) -> int:
        at += 1
        while at < stop:
            if self.text[at] == 0x5C:
                at += 2
            elif self.text[at] == 0x60:
                return at + 1
            else:
                at += 1
        return stop

    def closing(self, at: int, stop: int) -> int:
        """Offset behind the bracket that closes the one at `at` (`(` or `{`)."""
        text = self.text
        opening = text[at]
        close = {0x28: 0x29, 0x7B: 0x7D, 0x5B: 0x5D}[opening]
        at += 1
        depth = 1
        while at < stop:
            byte = text[at]
            if byte == 0x5C:
                at += 2
                continue
            if byte == 0x27 and opening != 0x7B:
                end = text.find(b"'", at + 1, stop)
                at = stop if end < 0 else end + 1
                continue
            if byte == 0x22:
                at = self._double_end(at + 1, stop)
                continue
            if byte == 0x60:
                at = self._backtick(at, stop)
                continue
            if byte == 0x24 and text[at + 1 : at + 2] in (b"(", b"{"):
                at = self.closing(at + 1, stop)
                continue
            if byte == opening and opening != 0x7B:
                depth += 1
            elif byte == close:
                depth -= 1
                if not depth:
                    return at + 1
            at += 1
        return stop

    def _dollar(self, at: int, stop: int, *, soft: bool) -> Part | None:
        text = self.text
        following = text[at + 1] if at + 1 < stop else -1
        if following == 0x28:
            close = self.closing(at + 1, stop)
            if text[at + 2 : at + 3] == b"(" and text[close - 2 : close] == b"))":
                return Part("arithmetic", Span(at, close), children=self._sums(at + 3, close - 2))
            return Part("command", Span(at, close))
        if following == 0x7B:
            close = self.closing(at + 1, stop)
            return self._braced(at, close, soft=soft)
        if following == 0x27 and not soft:
            close = at + 2
            while close < stop and text[close] != 0x27:
                close += 2 if text[close] == 0x5C else 1
            close = min(close + 1, stop)
            return Part("ansi", Span(at, close), _ansi(text[at + 2 : close - 1]))
        if following == 0x22 and not soft:
            return self._double(at, at + 2, stop)
        if following in _NAME_START:
            close = at + 2
            while close < stop and text[close] in _NAME:
                close += 1
        elif following in _SPECIAL:
            close = at + 2
        else:
            return None
        span = Span(at, close)
        use = Use(_str(text[at + 1 : close]), span, quoting="double" if soft else "none")
        return Part("variable", span, use=use)

    def _braced(self, at: int, close: int, *, soft: bool) -> Part | None:
        text = self.text
        inside, last = at + 2, close - 1 if text[close - 1 : close] == b"}" else close
        span = Span(at, close)
        quoting: Quoting = "double" if soft else "none"
        operator = ""
        head = text[inside : inside + 1]
        if head in (b"!", b"#") and inside + 1 < last and text[inside + 1] in (_NAME | _SPECIAL):
            operator = "!" if head == b"!" else "length"
            inside += 1
        stop = inside
        if stop < last and text[stop] in _NAME_START:
            while stop < last and text[stop] in _NAME:
                stop += 1
        elif stop < last and text[stop] in b"0123456789":
            while stop < last and text[stop] in b"0123456789":
                stop += 1
        elif stop < last and text[stop] in _SPECIAL:
            stop += 1
        if stop == inside:
            return None
        name = _str(text[inside:stop])
        subscript = b""
        if text[stop : stop + 1] == b"[" and stop < last:
            bracket = self.closing(stop, last)
            subscript = text[stop + 1 : bracket - 1]
            stop = bracket
        if not operator and stop < last:
            found = next((op for op in _OPERATORS if text.startswith(op, stop, last)), None)
            if found is not None:
                operator = found.decode()
                stop += len(found)
        operand = text[stop:last]
        children = self.parts(stop, quoted=soft, end=last) if operand else ()
        use = Use(name, span, operator, operand, quoting, subscript=subscript)
        return Part("variable", span, use=use, children=children)

    def _sums(self, at: int, stop: int) -> tuple[Part, ...]:
        """Uses inside arithmetic: `$X`, and names that stand bare."""
        found: list[Part] = []
        text = self.text
        while at < stop:
            byte = text[at]
            if byte == 0x24:
                part = self._dollar(at, stop, soft=True)
                if part is not None:
                    found.append(part)
                    at = part.span.end
                    continue
            elif byte in _NAME_START:
                close = at + 1
                while close < stop and text[close] in _NAME:
                    close += 1
                span = Span(at, close)
                use = Use(_str(text[at:close]), span, "arithmetic")
                found.append(Part("variable", span, use=use))
                at = close
                continue
            elif byte in b"0123456789":
                while at < stop and text[at] in _NAME:
                    at += 1
                continue
            at += 1
        return tuple(found)


def split(text: bytes, start: int, end: int, *, quoted: bool = False) -> tuple[Span, ...]:
    """Spans of the words between blanks, newlines and continuations; quotes hold words together.

    With `quoted` the text stands inside double quotes and its blanks split all the same, as
    they do when `$X` is later used unquoted.
    """
    found: list[Span] = []
    begin: int | None = None
    for part in lex(text, start, end, quoted=quoted):
        if part.kind == "escape" and not part.value:
            continue
        if part.kind != "text":
            begin = part.span.start if begin is None else begin
            last = part.span.end
            continue
        for at in range(part.span.start, part.span.end):
            if text[at] in b" \t\n\r":
                if begin is not None:
                    found.append(Span(begin, at))
                begin = None
            elif begin is None:
                begin = at
        last = part.span.end
    if begin is not None:
        found.append(Span(begin, last))
    return tuple(found)


def arithmetic(text: bytes, start: int, end: int) -> tuple[Part, ...]:
    return _Lexer(text, end)._sums(start, end)


def uses_of(parts: tuple[Part, ...], text: bytes) -> tuple[Use, ...]:
    """All uses in `parts`, the deferred ones (`\\$X`, `'$X'`) included, in order.

    What stands in a command substitution is not here: it is a script of its own.
    """
    found: list[Use] = []
    for index, part in enumerate(parts):
        if part.use is not None:
            found.append(part.use)
            found.extend(uses_of(part.children, text))
        elif part.kind in ("double", "arithmetic"):
            found.extend(uses_of(part.children, text))
        elif part.kind in ("single", "ansi"):
            found.extend(deferred(text, Span(part.span.start + 1, part.span.end), "single"))
        elif part.kind == "escape" and part.value == b"$" and index + 1 < len(parts):
            following = parts[index + 1]
            if following.kind == "text" and following.span.start == part.span.end:
                tail = Span(part.span.end - 1, following.span.end)
                found.extend(
                    use for use in deferred(text, tail, "escaped") if use.span.start == tail.start
                )
    return tuple(found)


def deferred(text: bytes, span: Span, quoting: Quoting) -> tuple[Use, ...]:
    """Uses that a child would see in text which this shell passes on as it is."""
    found: list[Use] = []
    lexer = _Lexer(text, span.end)
    at = text.find(b"$", span.start, span.end)
    while at != -1:
        part = lexer._dollar(at, span.end, soft=True)
        after = at + 1
        if part is not None and part.use is not None:
            use = part.use
            found.append(
                Use(use.name, use.span, use.operator, use.word, quoting, True, False, use.subscript)
            )
            found.extend(deferred(text, Span(at + 2, part.span.end), quoting))
            after = part.span.end
        elif part is not None and part.kind == "arithmetic":
            after = part.span.end
        at = text.find(b"$", after, span.end)
    return tuple(found)


def _ansi(raw: bytes) -> bytes:
    simple = {0x6E: 10, 0x74: 9, 0x72: 13, 0x61: 7, 0x62: 8, 0x65: 27, 0x66: 12, 0x76: 11}
    found = bytearray()
    at = 0
    while at < len(raw):
        if raw[at] != 0x5C or at + 1 == len(raw):
            found.append(raw[at])
            at += 1
            continue
        code = raw[at + 1]
        at += 2
        if code in simple:
            found.append(simple[code])
        elif code == 0x78:
            stop = at
            while stop < len(raw) and stop < at + 2 and raw[stop] in b"0123456789abcdefABCDEF":
                stop += 1
            found.append(int(raw[at:stop], 16) if stop > at else code)
            at = stop
        elif code in b"01234567":
            stop = at
            while stop < len(raw) and stop < at + 2 and raw[stop] in b"01234567":
                stop += 1
            found.append(int(raw[at - 1 : stop], 8) & 0xFF)
            at = stop
        else:
            found.append(code)
    return bytes(found)


def _str(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
