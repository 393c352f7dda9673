"""Which words of an instruction open heredocs (rules 1.28 to 1.31).

BuildKit asks its shell lexer for the words of the joined line, with a backslash as escape
whatever the file says, quotes kept, and no variable set. This is that lexer, no more: it
expands nothing. Words whose lexing fails hold no heredoc.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dockerfix.syntax.lines import Opener

HEREDOC = re.compile(r"([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)\Z")
PLAIN = re.compile(
    r"[^\\$<'\"}/\s\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
)
SPACE = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | frozenset(
    map(chr, range(0x2000, 0x200B))
)
SPECIAL = frozenset("@*#?-$!0")


class HeredocError(Exception):
    """The shell lexer refuses the text."""


class Word(NamedTuple):
    text: str
    start: int
    end: int


def openers(text: bytes) -> tuple[Opener, ...]:
    """The heredocs that the joined line `text` opens, in order; spans are byte offsets.

    Raises HeredocError where BuildKit gives the file up because of a heredoc's name.
    """
    line = text.decode("utf-8", "surrogateescape")
    try:
        words = _Splitter(line, raw_quotes=True, raw_escapes=True).words()
    except (HeredocError, RecursionError):
        return ()
    found = []
    for word in words:
        match = HEREDOC.match(word.text)
        if match is not None and match[3]:
            opener = _opener(match, word, line)
            if opener is not None:
                found.append(opener)
    return tuple(found)


def words(text: str) -> list[str]:
    """The words of `text`, quotes and escapes taken away. Raises HeredocError."""
    return [word.text for word in _Splitter(text, raw_quotes=False, raw_escapes=False).words()]


def is_heredoc(word: bytes) -> bool:
    """Whether a word of COPY or ADD stands for a heredoc's text."""
    match = HEREDOC.match(word.decode("utf-8", "surrogateescape"))
    try:
        return match is not None and bool(match[3]) and _name(match[3]) is not None
    except (HeredocError, RecursionError):
        return False


def _name(rest: str) -> tuple[str, bool] | None:
    """(name, whether the body expands) of the text behind `<<`, None if it is not one word."""
    plain = _Splitter(rest, raw_quotes=False, raw_escapes=False).words()
    if len(plain) != 1:
        return None
    kept = _Splitter(rest, raw_quotes=True, raw_escapes=False).words()
    if len(kept) != 1:
        raise HeredocError(f"internal lexing of heredoc produced inconsistent results: {rest}")
    return plain[0].text, _quotes(plain[0].text) == _quotes(kept[0].text)


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')


def _opener(match: re.Match[str], word: Word, line: str) -> Opener | None:
    named = _name(match[3])
    if named is None:
        return None
    start, end = word.start, word.end
    if not line.isascii():
        start = len(line[:start].encode("utf-8", "surrogateescape"))
        end = len(line[:end].encode("utf-8", "surrogateescape"))
    # A number that fits no machine word counts as the largest.
    fd = min(int(match[1][:20] or "0"), 2**64 - 1)
    name = named[0].encode("utf-8", "surrogateescape")
    spaced = match.start(3) > match.end(2)
    return Opener(name, fd, named[1], match[2] == "-", start, end, spaced)


class _Splitter:
    """BuildKit's shell lexer with an empty environment whose variables stay as written."""

    def __init__(self, text: str, *, raw_quotes: bool, raw_escapes: bool) -> None:
        self.text = text
        self.size = len(text)
        self.at = 0
        self.raw_quotes = raw_quotes
        self.raw_escapes = raw_escapes
        self.buffer: list[str] = []
        self.in_word = False
        self.began = 0
        self.found: list[Word] = []

    def words(self) -> list[Word]:
        self.until("", self.raw_escapes)
        self.close()
        return self.found

    def close(self) -> None:
        word = "".join(self.buffer)
        if word:
            self.found.append(Word(word, self.began, self.at))
        self.buffer = []

    def add(self, text: str, start: int) -> None:
        if not text:
            self.in_word = True
            return
        if not self.buffer:
            self.began = start
        self.buffer.append(text)
        self.in_word = True

    def add_split(self, text: str, start: int) -> None:
        """Add what an expression stands for: blanks in it part words too."""
        for character in text:
            if character not in SPACE:
                self.add(character, start)
            elif self.in_word and self.buffer:
                self.found.append(Word("".join(self.buffer), self.began, self.at))
                self.buffer = []
                self.in_word = False

    def until(self, stop: str, raw_escapes: bool) -> str:
        """The text up to `stop`. Words are kept for the outermost call alone."""
        outer = not stop
        result: list[str] = []
        before, self.raw_escapes = self.raw_escapes, raw_escapes
        text = self.text
        while self.at < self.size:
            start = self.at
            plain = PLAIN.match(text, start)
            if plain is not None:
                self.at = plain.end()
                result.append(plain[0])
                if outer:
                    self.add(plain[0], start)
                continue
            character = text[start]
            if character == stop:
                self.at += 1
                self.raw_escapes = before
                return "".join(result)
            if character == "$":
                piece = self.dollar()
                if outer:
                    self.add_split(piece, start)
            elif character in "'\"<":
                piece = self.special(character)
                if outer:
                    self.add(piece, start)
            elif character == "\\":
                self.at += 2
                piece = text[start : start + 2] if raw_escapes else text[start + 1 : start + 2]
                if outer and piece:
                    self.add(piece, start)
            else:
                self.at += 1
                piece = character
                if not outer:
                    pass
                elif character in SPACE:
                    if self.in_word and self.buffer:
                        self.found.append(Word("".join(self.buffer), self.began, start))
                        self.buffer = []
                        self.in_word = False
                else:
                    self.add(character, start)
            result.append(piece)
        if stop:
            raise HeredocError(stop)
        self.at = self.size
        self.raw_escapes = before
        return "".join(result)

    def special(self, character: str) -> str:
        if character == "'":
            return self.single()
        return self.double() if character == '"' else self.less()

    def single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise HeredocError("'")
        inside = self.text[self.at + 1 : end]
        self.at = end + 1
        return f"'{inside}'" if self.raw_quotes else inside

    def double(self) -> str:
        result = ['"'] if self.raw_quotes else []
        self.at += 1
        text = self.text
        while self.at < self.size:
            character = text[self.at]
            if character == '"':
                self.at += 1
                if self.raw_quotes:
                    result.append('"')
                return "".join(result)
            if character == "$":
                result.append(self.dollar())
                continue
            self.at += 1
            if character == "\\":
                if self.raw_escapes:
                    result.append(character)
                following = text[self.at : self.at + 1]
                if not following:
                    break
                if following in '"$\\':
                    character = following
                    self.at += 1
            result.append(character)
        raise HeredocError('"')

    def less(self) -> str:
        self.at += 1
        if not self.text.startswith("<", self.at):
            return "<"
        start = self.at - 1
        self.at += 1
        while self.at < self.size and self.text[self.at] in "\t\r ":
            self.at += 1
        return self.text[start : self.at]

    def dollar(self) -> str:
        """An expression, as written: no variable is set, and unset ones are left."""
        self.at += 1
        if not self.text.startswith("{", self.at):
            return "$" + self.name()
        self.at += 1
        if self.at >= self.size or self.text[self.at] in "{}:":
            raise HeredocError("bad substitution")
        name = self.name()
        operator = self.text[self.at : self.at + 1]
        self.at += 1
        if operator == "}":
            return "${" + name + "}"
        if operator == "/":
            return self.replacement(name)
        if operator == ":":
            operator += self.text[self.at : self.at + 1]
            self.at += 1
            if operator in (":", ":#", ":%"):
                raise HeredocError(operator)
        elif not operator or operator not in "+-?#%":
            raise HeredocError(operator)
        word = self.nested("}", operator in ("#", "%"))
        return "${" + name + operator + word + "}"

    def replacement(self, name: str) -> str:
        if self.text.startswith("/", self.at):
            self.at += 1
        pattern = self.nested("/", True)
        word = self.nested("}", True)
        return "${" + name + "/" + pattern + "/" + word + "}"

    def nested(self, stop: str, raw_escapes: bool) -> str:
        # BuildKit shares one buffer with the operand: what the word had so far is lost.
        self.buffer = []
        return self.until(stop, raw_escapes)

    def name(self) -> str:
        start, text = self.at, self.text
        if start < self.size:
            first = text[start]
            if first.isdecimal():
                while self.at < self.size and text[self.at].isdecimal():
                    self.at += 1
                return text[start : self.at]
            if first in SPECIAL:
                self.at += 1
                return first
        while self.at < self.size and _in_name(text[self.at]):
            self.at += 1
        return text[start : self.at]


def _in_name(character: str) -> bool:
    return character.isalpha() or character.isdecimal() or character == "_"
