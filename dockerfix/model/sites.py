"""Every place of an instruction where BuildKit expands variables (rules 2.1, 2.2).

Holds which words those are, and where each use stands in the file. It does not know what
a name is bound to there (scopes.py), nor RUN bodies, CMD and the like, which BuildKit
leaves to a shell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.model.expand import variables
from dockerfix.syntax.nodes import (
    Add,
    Arg,
    Copy,
    Env,
    Expose,
    From,
    Label,
    Run,
    Stopsignal,
    User,
    Volume,
    Workdir,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.model.expand import WordUse
    from dockerfix.model.scopes import Binding
    from dockerfix.model.stages import Stage
    from dockerfix.source import Source, Span
    from dockerfix.syntax.nodes import Flag, Heredoc, Instruction, Onbuild, Word

__all__ = ["ExpansionSite", "RawUse", "uses"]


class RawUse(NamedTuple):
    """A use in an instruction, before anyone asks what it means there.

    `role` is one of image, platform, key, value, default, source, destination, flag,
    mount, heredoc, argument, word. `pair` is the index of the pair in ARG, ENV, LABEL.
    `span` is in the file. `whole` says that the word is nothing but this expression,
    one pair of double quotes aside.
    """

    role: str
    pair: int
    word: Word | None
    span: Span
    use: WordUse
    whole: bool


@dataclass(frozen=True, eq=False)
class ExpansionSite:
    """One place where an instruction expands a variable.

    `span` covers `$X` or `${X...}` in bytes of the file, `operator` and `operand` are as
    in WordUse, `role` as in RawUse. `onbuild` is set if the instruction is a trigger that
    runs in `stage`; `stage` is None for FROM and the ARGs before it. `binding` is what
    the name means there, None if nothing binds it.
    """

    instruction: Instruction
    stage: Stage | None
    role: str
    pair: int
    word: Word | None
    span: Span
    name: str
    operator: str
    operand: bytes
    quoted: bool
    nested: bool
    whole: bool
    onbuild: Onbuild | None
    binding: Binding | None

    def __repr__(self) -> str:
        return f"ExpansionSite({self.instruction.name} {self.role} {self.name!r} at {self.span})"


def uses(
    instruction: Instruction, source: Source, escape: bytes, onbuild: Onbuild | None = None
) -> Iterator[RawUse]:
    """The uses in `instruction`; `onbuild` is what holds it, and its heredocs, as a trigger."""
    if isinstance(instruction, Arg | Env | Label):
        value_role = "default" if isinstance(instruction, Arg) else "value"
        for index, pair in enumerate(instruction.pairs):
            if not isinstance(instruction, Arg):
                yield from _in_span(source, pair.name_span, "key", index, escape)
            yield from _in_word(pair.value, value_role, escape, index)
    elif isinstance(instruction, From):
        yield from _in_word(instruction.platform, "platform", escape)
        yield from _in_word(instruction.image, "image", escape)
    elif isinstance(instruction, Run):
        for flag in instruction.flags:
            if flag.name == "mount":
                yield from _in_flag(source, flag, "mount")
    elif isinstance(instruction, Copy | Add):
        for flag in instruction.flags:
            yield from _in_flag(source, flag, "flag")
        for word in instruction.sources:
            if not word.raw.startswith(b"<<"):
                yield from _in_word(word, "source", escape)
        yield from _in_word(instruction.destination, "destination", escape)
        for heredoc in (onbuild or instruction).heredocs:
            yield from _in_heredoc(source, heredoc)
    elif isinstance(instruction, User | Workdir | Stopsignal):
        yield from _in_word(instruction.argument, "argument", escape)
    elif isinstance(instruction, Expose | Volume):
        for word in instruction.words:
            yield from _in_word(word, "word", escape)


def _in_word(word: Word | None, role: str, escape: bytes, pair: int = 0) -> Iterator[RawUse]:
    if word is None or b"$" not in word.raw:
        return
    for use in variables(word.raw, escape):
        whole = word.raw[use.span.start : use.span.end] in (word.raw, _unquoted(word.raw))
        yield RawUse(role, pair, word, word.text.host_span(use.span), use, whole)


def _in_span(source: Source, span: Span, role: str, pair: int, escape: bytes) -> Iterator[RawUse]:
    for use in variables(source.text(span), escape):
        yield RawUse(role, pair, None, use.span.shifted(span.start), use, False)


def _in_flag(source: Source, flag: Flag, role: str) -> Iterator[RawUse]:
    # The flag scanner takes quotes and escapes away before anything is expanded (1.24).
    for use in variables(source.text(flag.span), b"", quotes=False):
        yield RawUse(role, 0, None, use.span.shifted(flag.span.start), use, False)


def _in_heredoc(source: Source, heredoc: Heredoc) -> Iterator[RawUse]:
    if not heredoc.expand:
        return
    # Always a backslash here, whatever the escape directive says (1.34).
    start = heredoc.content_span.start
    for use in variables(source.text(heredoc.content_span), quotes=False):
        yield RawUse("heredoc", 0, None, use.span.shifted(start), use, False)


def _unquoted(raw: bytes) -> bytes:
    return raw[1:-1] if len(raw) > 1 and raw[:1] == raw[-1:] == b'"' else raw
