"""Values that ENV puts together from a secret and other text, and the same as shell text.

`template` takes an ENV word apart the way BuildKit expands it (model/expand.py); `shell_word`
writes it as one word that a POSIX shell expands to the same value. Knows neither mounts nor
which RUN gets what.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dockerfix.model import Binding

OPERATORS = ("-", "+")
# Set by the shell or by the runtime for a RUN, but not known to BuildKit when it expands ENV.
RUNTIME_NAMES = frozenset({"HOME", "HOSTNAME", "TERM", "USER", "LOGNAME"})
SHELL_NAMES = frozenset(
    {
        "PWD", "OLDPWD", "IFS", "PPID", "SHLVL", "OPTIND", "OPTARG", "RANDOM", "UID", "EUID", "_",
        "LINENO", "SECONDS", "PS1", "PS2", "PS4", "BASH", "BASH_VERSION", "HOSTTYPE", "OSTYPE",
        "MACHTYPE", "GROUPS", "DIRSTACK", "FUNCNAME", "SHELLOPTS", "BASHOPTS", "PIPESTATUS",
    }
)  # fmt: skip
SPECIAL = frozenset("@*#?-$!0")


class Text(NamedTuple):
    """Characters that stand for themselves."""

    text: str


class Read(NamedTuple):
    """A variable that is read. `binding` is what it meant where the word stood (None: nothing in
    the file binds it); `secret` says that it holds the secret that moves."""

    name: str
    operator: str
    operand: tuple[Piece, ...]
    binding: Binding | None
    secret: bool


Piece = Text | Read
Template = tuple[Piece, ...]


class NotComposableError(ValueError):
    """Why a word cannot be written for a shell: a clause for a message."""


@dataclass(slots=True)
class _Parser:
    """One walk over a word, as `model.expand` does it."""

    text: str
    escape: str
    bindings: Iterator[Binding | None]
    at: int = 0

    def until(self, stop: str) -> Template:
        found: list[Piece] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == stop:
                self.at += 1
                return _joined(found)
            self.at += 1
            if character == "$":
                found += self.dollar()
            elif character == "'":
                close = self.text.index("'", self.at)
                found.append(Text(self.text[self.at : close]))
                self.at = close + 1
            elif character == '"':
                found += self.double()
            elif character == self.escape:
                found.append(Text(self.text[self.at : self.at + 1]))
                self.at += 1
            else:
                found.append(Text(character))
        return _joined(found)

    def double(self) -> Iterator[Piece]:
        while self.text[self.at] != '"':
            character = self.text[self.at]
            self.at += 1
            if character == "$":
                yield from self.dollar()
                continue
            if character == self.escape and self.text[self.at] in ('"', "$", self.escape):
                character = self.text[self.at]
                self.at += 1
            yield Text(character)
        self.at += 1

    def dollar(self) -> tuple[Piece, ...]:
        braced = self.text[self.at : self.at + 1] == "{"
        self.at += braced
        name = self.name()
        if not name:
            return (Text("$"),)
        binding = next(self.bindings)
        if not braced:
            return (Read(name, "", (), binding, False),)
        operator = self.text[self.at]
        self.at += 1
        if operator == "}":
            return (Read(name, "", (), binding, False),)
        kind = operator
        if operator == ":":
            kind = self.text[self.at]
            operator += kind
            self.at += 1
        if kind not in OPERATORS:
            raise NotComposableError(f"it uses ${{{name}{operator}...}}")
        return (Read(name, operator, self.until("}"), binding, False),)

    def name(self) -> str:
        start = self.at
        rest = self.text[start : start + 1]
        if rest.isdecimal() or (rest and rest in SPECIAL):
            raise NotComposableError(f"it reads ${rest}")
        while self.at < len(self.text) and (
            self.text[self.at] == "_"
            or self.text[self.at].isalpha()
            or self.text[self.at].isdecimal()
        ):
            self.at += 1
        return self.text[start : self.at]


def template(
    raw: bytes, escape: bytes, bindings: Iterator[Binding | None], values: dict[Binding, Template]
) -> Template:
    """The word `raw` with what `values` knows put in.

    `bindings` is what each variable of it means, in the order of the text. The word must be one
    that BuildKit takes. Raises NotComposableError.
    """
    text = raw.decode("utf-8", "surrogateescape")
    try:
        pieces = _Parser(text, escape.decode(), bindings).until("")
    except (ValueError, IndexError, StopIteration) as error:
        if isinstance(error, NotComposableError):
            raise
        raise NotComposableError("its value cannot be read") from None
    return _joined(_put_in(pieces, values))


def _put_in(pieces: Template, values: dict[Binding, Template]) -> Iterator[Piece]:
    for piece in pieces:
        if isinstance(piece, Text):
            yield piece
            continue
        operand = _joined(_put_in(piece.operand, values))
        value = None if piece.binding is None else values.get(piece.binding)
        if value is None:
            yield piece._replace(operand=operand)
        elif not piece.operator or (not operand and "-" in piece.operator):
            yield from value
        elif plain(value):
            secret = value[0]
            assert isinstance(secret, Read)
            yield secret._replace(operator=piece.operator, operand=operand)
        else:
            raise NotComposableError(f"it uses ${{{piece.name}{piece.operator}...}}")


def plain(pieces: Template) -> bool:
    """Whether the value is the secret and nothing else."""
    return (
        len(pieces) == 1
        and isinstance(pieces[0], Read)
        and pieces[0].secret
        and not pieces[0].operator
    )


def reads(pieces: Template) -> Iterator[Read]:
    """Every variable that is read, those in operands included."""
    for piece in pieces:
        if isinstance(piece, Read):
            yield piece
            yield from reads(piece.operand)


def shell_word(pieces: Template, named: Callable[[Read], str], nounset: bool = False) -> bytes:
    """The value as one word in double quotes.

    `named` gives the name under which the shell has a variable. Under `nounset` a variable that
    may be unset reads as empty. Raises NotComposableError for what no single line can hold.
    """
    text = _inside(pieces, named, nounset, in_operand=False)
    if any(char in text for char in "\n\r\0"):
        raise NotComposableError("its value holds a line break")
    return b'"' + text.encode("utf-8", "surrogateescape") + b'"'


def _inside(
    pieces: Template, named: Callable[[Read], str], nounset: bool, *, in_operand: bool
) -> str:
    out: list[str] = []
    for piece in pieces:
        if isinstance(piece, Text):
            # Shells differ on these inside an operand that stands in double quotes.
            if in_operand and any(char in piece.text for char in "'\"{}\\"):
                raise NotComposableError("the default inside its ${...} holds quotes or braces")
            out.append("".join(_escaped(char) for char in piece.text))
            continue
        operator, operand = piece.operator, piece.operand
        if nounset and not operator:
            operator = "-"
        inner = _inside(operand, named, nounset, in_operand=True)
        out.append(f"${{{named(piece)}{operator}{inner}}}")
    return "".join(out)


def _escaped(character: str) -> str:
    return "\\" + character if character in '\\"$`' else character


def _joined(pieces: Iterator[Piece] | list[Piece]) -> Template:
    """Neighbouring texts as one, empty ones gone."""
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Text) and found and isinstance(found[-1], Text):
            found[-1] = Text(found[-1].text + piece.text)
        elif not isinstance(piece, Text) or piece.text:
            found.append(piece)
    return tuple(found)
