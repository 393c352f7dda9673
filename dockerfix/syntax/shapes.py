"""One instruction's text as the tokens of its sub-grammar.

Follows BuildKit's own scanners byte by byte: keyword, flags, words, pairs, JSON. It says
where a token begins and ends in the joined text; blanks, and an escape character that ends
the text, are given to nobody. Whether the tokens make a valid instruction is the grammar's
business.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from dockerfix.syntax.lines import WIDE_SPACE, LogicalLine, trimmed_end, trimmed_start

Token = tuple[str, int, int]
"""Terminal, start and end in the joined text."""

KEYWORD = re.compile(rb"[^\t\v\f\r ]*")
BLANKS = re.compile(rb"[\t\v\f\r ]*")
WORD = re.compile(rb"[^\t\v\f\r ]+")
# Flags are scanned a byte at a time, each read as a Latin-1 character (rule 1.25).
BYTE_BLANKS = re.compile(rb"[\t\n\v\f\r \x85\xa0]*")
BYTE_WORD = re.compile(rb"[^\t\n\v\f\r \x85\xa0]*")
STAGE_NAME = re.compile(rb"[a-z][a-z0-9-_.]*")
JSON_TOKEN = (
    rb"[\t\n\r ]*(?:(?P<LSQB>\[)|(?P<RSQB>\])|(?P<COMMA>,)|(?P<COLON>:)|(?P<LBRACE>\{)|(?P<RBRACE>\})"
    rb'|(?P<STRING>"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*")'
    rb"|(?P<NUMBER>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    rb"|(?P<LITERAL>true|false|null))[\t\n\r ]*"
)


DEEPEST_JSON = 10000
"""Go's decoder refuses what is nested deeper: it is no JSON then."""


class Quoting(NamedTuple):
    """The patterns that depend on the escape character."""

    flag: re.Pattern[bytes]
    word: re.Pattern[bytes]


@cache
def quoting(escape: bytes) -> Quoting:
    """Compiled when first needed: most files need one of the two, and some none."""
    e = re.escape(escape)
    flag = (
        rb"(?:[^\t\n\v\f\r \x85\xa0'\"" + e + rb"]+|" + e + rb"[\s\S]?"
        rb"|'(?:[^'" + e + rb"]+|" + e + rb"[\s\S]?)*'?"
        rb'|"(?:[^"' + e + rb"]+|" + e + rb'[\s\S]?)*"?)+'
    )
    # An escape character takes the whole next character, wide blanks included, and stands
    # for nothing at the end of the text.
    pair = e + rb"(?:" + WIDE_SPACE + rb"|[\s\S])"
    word = (
        rb"(?:[^\t\n\v\f\r '\"\xc2\xe1\xe2\xe3"
        + e
        + rb"]+|(?!"
        + WIDE_SPACE
        + rb")[\xc2\xe1\xe2\xe3]"
        rb"|" + pair + rb"|'[^']*'?"
        rb'|"(?:[^"' + e + rb"]+|" + pair + rb')*"?)+'
    )
    return Quoting(re.compile(flag), re.compile(word))


@cache
def _json_token() -> re.Pattern[bytes]:
    return re.compile(JSON_TOKEN)


NAMES = {
    name.upper().encode("ascii"): name
    for name in (
        "add", "arg", "cmd", "copy", "entrypoint", "env", "expose", "from", "healthcheck",
        "label", "maintainer", "onbuild", "run", "shell", "stopsignal", "user", "volume",
        "workdir",
    )
}  # fmt: skip


Head = tuple[list[Token], int, int]
"""The tokens of keyword and flags, and where the arguments begin and end."""


def keyword(line: LogicalLine) -> tuple[int, int]:
    """Start and end of the keyword, which is empty only in an empty line."""
    if line.keyword is not None:
        return line.keyword
    text = line.text
    start = trimmed_start(text, 0, len(text)) if text[:1] < b"!" or text[0] > 127 else 0
    found = KEYWORD.match(text, start)
    assert found is not None
    end = found.end()
    if end > start and text[end - 1] > 127:
        end = min(end, max(trimmed_end(text, start, len(text)), start))
    line.keyword = start, end
    return line.keyword


def after_keyword(line: LogicalLine) -> int:
    """Where the text behind the keyword and its blanks begins, flags included."""
    found = BLANKS.match(line.text, keyword(line)[1])
    return found.end() if found is not None else len(line.text)


def name(line: LogicalLine) -> str:
    """The keyword in lower case: `run`."""
    known = line.name
    if known is None:
        text = line.text
        cut = text.find(b" ")
        known = NAMES.get(text[:cut])
        if known is not None and cut > 0:
            line.keyword = 0, cut
            line.name = known
            return known
        start, end = keyword(line)
        raw = line.text[start:end]
        known = NAMES.get(raw) or raw.decode("utf-8", "surrogateescape").lower()
        line.name = known
    return known


def head(line: LogicalLine) -> Head:
    """Cut keyword and flags off (rules 1.22 to 1.25)."""
    text = line.text
    start, at = line.keyword or keyword(line)
    tokens: list[Token] = [("KEYWORD", start, at)]
    size = len(text)
    end = size if size and 0x20 < text[size - 1] < 0x80 else trimmed_end(text, at, size)
    found = BLANKS.match(text, at, end)
    at = found.end() if found is not None else at
    if text.startswith(b"-", at) or (at < end and text[at] > 127):
        at = flags(line, at, end, tokens)
        at = trimmed_start(text, at, end)
        end = max(at, end)
    return tokens, at, end


def flags(line: LogicalLine, at: int, end: int, tokens: list[Token]) -> int:
    """Append the tokens of the leading `--flag` words; returns where the rest begins."""
    text = line.text
    pattern = quoting(line.escape).flag
    while True:
        found = BYTE_BLANKS.match(text, at, end)
        start = found.end() if found is not None else at
        if not text.startswith(b"--", start, end):
            return start if start < end else end
        word = pattern.match(text, start, end)
        assert word is not None
        at = word.end()
        value, places = unquoted(line, start, at)
        if value == b"--":
            tokens.append(("END_OF_FLAGS", start, at))
            return at
        cut = value.find(b"=")
        if cut < 0:
            tokens.append(("FLAG_NAME", start, at))
            continue
        equals = places[cut] if places else start + cut
        tokens += (
            ("FLAG_NAME", start, equals),
            ("FLAG_EQUALS", equals, equals + 1),
            ("FLAG_VALUE", equals + 1, at),
        )


def unquoted(line: LogicalLine, start: int, end: int) -> tuple[bytes, list[int]]:
    """A flag's text without quotes and escapes (rule 1.24), and where each byte stood.

    The places are empty where nothing was taken away.
    """
    text, mark = line.text, line.escape[0]
    raw = text[start:end]
    if 34 not in raw and 39 not in raw and mark not in raw:
        return raw, []
    value = bytearray()
    places: list[int] = []
    quote = 0
    at = start
    while at < end:
        byte = text[at]
        if byte == mark:
            at += 1
            if at == end:
                break
            byte = text[at]
        elif quote and byte == quote:
            quote = 0
            at += 1
            continue
        elif not quote and byte in b"'\"":
            quote = byte
            at += 1
            continue
        value.append(byte)
        places.append(at)
        at += 1
    return bytes(value), places


def words(text: bytes, start: int, end: int) -> list[Token]:
    """Words between ASCII blanks; quotes mean nothing (FROM, COPY, EXPOSE; rule 1.39)."""
    return [("WORD", found.start(), found.end()) for found in WORD.finditer(text, start, end)]


def quoted_words(line: LogicalLine, start: int, end: int) -> list[tuple[int, int]]:
    """Words between blanks, where quotes and the escape character group (rule 1.36)."""
    pattern = quoting(line.escape).word
    return [found.span() for found in pattern.finditer(line.text, start, end)]


def pairs(line: LogicalLine, start: int, end: int, *, legacy: bool) -> list[Token]:
    """`k=v` words, or the legacy `k v` where the first word holds no `=` (rules 1.37, 1.38)."""
    text = line.text
    tokens: list[Token] = []
    found = quoted_words(line, start, end)
    if legacy and found and text.find(b"=", *found[0]) < 0:
        cut = WORD.match(text, start, end)
        stop = cut.end() if cut is not None else start
        tokens.append(("NAME", start, stop))
        blanks = BLANKS.match(text, stop, end)
        value = blanks.end() if blanks is not None else stop
        if value > stop:
            tokens += (("GAP", stop, value), ("WORD", value, end))
        return tokens
    for low, high in found:
        cut_at = text.find(b"=", low, high)
        if cut_at < 0:
            tokens.append(("NAME", low, high))
            continue
        tokens.append(("NAME" if cut_at > low else "NO_NAME", low, cut_at))
        tokens += (("EQUALS", cut_at, cut_at + 1), ("WORD", cut_at + 1, high))
    return tokens


def from_words(text: bytes, start: int, end: int) -> list[Token]:
    """The words of FROM; `AS` and a valid stage name are told from other words (rule 1.40)."""
    tokens = words(text, start, end)
    if len(tokens) == 3:
        _, low, high = tokens[1]
        if text[low:high].lower() == b"as":
            tokens[1] = ("AS", low, high)
        _, low, high = tokens[2]
        if STAGE_NAME.fullmatch(text[low:high].lower()):
            tokens[2] = ("STAGE_NAME", low, high)
    return tokens


def json_tokens(text: bytes, start: int, end: int) -> list[Token] | None:
    """The tokens of what could be a JSON array; None if they are not JSON's (rule 1.27)."""
    if text[start : start + 1] != b"[":
        return None
    tokens: list[Token] = []
    at, depth = start, 0
    pattern = _json_token()
    while at < end:
        found = pattern.match(text, at, end)
        if found is None or found.lastgroup is None:
            return None
        kind = found.lastgroup
        depth += kind in ("LSQB", "LBRACE")
        depth -= kind in ("RSQB", "RBRACE")
        if depth > DEEPEST_JSON:
            return None
        tokens.append((kind, *found.span(kind)))
        at = found.end()
    return tokens


def health(text: bytes, start: int, end: int) -> tuple[list[Token], int]:
    """The word NONE or CMD of HEALTHCHECK, and where the command begins."""
    if start == end:
        return [], end
    found = BYTE_WORD.match(text, start, end)
    stop = found.end() if found is not None else start
    if stop == start:
        return [], end
    kind = text[start:stop].upper()
    terminal = kind.decode("ascii") if kind in (b"NONE", b"CMD") else "WORD"
    blanks = BYTE_BLANKS.match(text, stop, end)
    return [(terminal, start, stop)], blanks.end() if blanks is not None else stop


def mount_tokens(value: bytes) -> list[Token] | None:
    """A mount's options as CSV; offsets in the unquoted value, None if it is no CSV line."""
    if not value:
        return None
    tokens: list[Token] = []
    at, size = 0, len(value)
    while True:
        low, stop = at, at
        if value.startswith(b'"', at):
            low = at + 1
            close = _closing_quote(value, low)
            if close < 0 or (close + 1 < size and value[close + 1] != 0x2C):
                return None
            high, stop = close, close + 1
        else:
            stop = value.find(b",", at)
            stop = size if stop < 0 else stop
            high = stop
            if b'"' in value[low:high]:
                return None
        cut = value.find(b"=", low, high)
        if cut < 0:
            tokens.append(("OPTION", low, high))
        else:
            tokens += (("OPTION", low, cut), ("EQUALS", cut, cut + 1), ("VALUE", cut + 1, high))
        if stop >= size:
            return tokens
        tokens.append(("COMMA", stop, stop + 1))
        at = stop + 1


def _closing_quote(value: bytes, at: int) -> int:
    while True:
        at = value.find(b'"', at)
        if at < 0 or not value.startswith(b'""', at):
            return at
        at += 2
