"""Single commands of a RUN: whether its text is a plain chain, and the edits that take one out of
it or put one behind it.

It works on the text of a shell script that a projection maps to the Dockerfile. It knows no
secret and no tool.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.source import Span
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockerfix.edits import Operation
    from dockerfix.shell import Command, Script, Word
    from dockerfix.syntax.nodes import Dockerfile, Run

BLANKS = b" \t\r\n"
STEERS = frozenset({"exit", "exec", "return", "set", "cd", "trap", "shift", "break"})


def written_in_place(dockerfile: Dockerfile, script: Script, span: Span) -> bool:
    """Whether the bytes of `span` stand in the file as the shell reads them, line breaks aside:
    not in the exec form, not behind another quoting."""
    if not script.projection.segments:
        return False
    for piece, stands_in in script.projection.pieces(span):
        host = dockerfile.source.text(script.projection.host_span(piece))
        read = script.text[piece.start : piece.end]
        # Where lines are continued the shell reads blanks, of the same length.
        same = zip(read, host, strict=False)
        if not stands_in and (
            len(host) != len(read) or any(it not in (at, BLANKS[0]) for it, at in same)
        ):
            return False
    return True


def plain_chain(script: Script) -> bool:
    """Whether nothing but `&&` and pipes stands between the commands: what is put before or behind
    with `&&` belongs to the whole of it."""
    if script.errors or script.comments or not script.commands:
        return False
    if any(
        {"background", "trap"} & set(one.context) or "substitution" in one.context
        for one in script.commands
    ):
        return False
    text = bytearray(script.text)
    for one in script.commands:
        text[one.span.start : one.span.end] = b" " * (one.span.end - one.span.start)
    rest = bytes(text).replace(b"&&", b" ").replace(b"|", b" ")
    return b"||" not in bytes(text) and not rest.strip(BLANKS)


def conditional(script: Script) -> bool:
    """Whether the whole text is a list of commands, some of them behind an `if` or `||`, that can
    stand as one statement before others."""
    if script.errors or script.comments or not script.commands or script.functions:
        return False
    if any(set(one.context) - {"if", "pipeline"} or one.name in STEERS for one in script.commands):
        return False
    return not any(r.body is not None for one in script.commands for r in one.redirects)


def statement_of(script: Script, command: Command) -> Span | None:
    """The command's own span, or that of the pipeline that it ends or starts."""
    if not command.in_pipeline:
        return command.span
    for stages in script.pipelines:
        if any(stage.contains(Span(*command.words[0].span)) for stage in stages):
            inside = [
                one.span
                for one in script.commands
                if any(stage.contains(one.words[0].span) for stage in stages if one.words)
            ]
            return Span(min(one.start for one in inside), max(one.end for one in inside))
    return None


def unbroken(dockerfile: Dockerfile, script: Script, command: Command) -> bool:
    """Whether no word of the command goes on over a line break."""
    return all(joined(dockerfile, script, word.span) == word.raw for word in command.words)


def joined(dockerfile: Dockerfile, script: Script, span: Span) -> bytes:
    """The text of `span` as BuildKit hands it to the shell: without the line breaks, for which a
    projection holds blanks, and the comments between."""
    read = script.text[span.start : span.end]
    projection = script.projection
    host = b"".join(
        script.text[piece.start : piece.end]
        if stands_in
        else dockerfile.source.text(projection.host_span(piece))
        for piece, stands_in in projection.pieces(span)
    )
    if host == read:
        return read
    broken = re.escape(dockerfile.escape) + rb"[ \t]*\r?\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*"
    return re.sub(broken, b"", host)


def on_one_line(
    dockerfile: Dockerfile,
    script: Script,
    start: int,
    end: int,
    instead: Mapping[Span, bytes] | None = None,
) -> bytes:
    """The text from `start` to `end` without its line breaks; for the spans `instead` another."""
    given = dict(instead or {})
    kept: list[Span] = list(given)
    for one in script.commands:
        kept += [word.span for word in one.words]
        kept += [redirect.span for redirect in one.redirects]
        kept += [assignment.span for assignment in one.prefix]
    pieces, at = [], start
    for span in sorted(kept, key=lambda span: (span.start, -span.end)):
        if span.start < at or span.end > end:
            continue
        pieces += [re.sub(rb"\s+", b" ", script.text[at : span.start])]
        pieces += [given.get(span) or joined(dockerfile, script, span)]
        at = span.end
    pieces += [re.sub(rb"\s+", b" ", script.text[at:end])]
    return b"".join(pieces).strip()


def remove_command(
    dockerfile: Dockerfile,
    run: Run,
    script: Script,
    command: Command,
    order: tuple[int, ...] = (),
) -> Operation | None:
    """The command goes with the operator that joins it, the whole RUN with its last command;
    None where it cannot be told what hangs on it."""
    if command.context or command.in_pipeline:
        return None
    return remove_span(dockerfile, run, script, command.span, order)


def remove_span(
    dockerfile: Dockerfile, run: Run, script: Script, span: Span, order: tuple[int, ...] = ()
) -> Operation | None:
    """As `remove_command`, for a pipeline or several commands of one chain."""
    cut = _with_operator(script, span)
    if cut is None:
        return None
    if alone(script, span):
        return verbs.remove(dockerfile, run, order=order)
    return verbs.replace(dockerfile, run, script.projection.host_span(cut), b"", order=order)


def alone(script: Script, span: Span) -> bool:
    """Whether the script holds nothing else."""
    rest = script.text[: span.start] + script.text[span.end :]
    return not rest.strip(BLANKS + b";")


def _with_operator(script: Script, span: Span) -> Span | None:
    """What goes with `span`: one operator beside it, or its line."""
    if script.errors:
        return None
    start, end = span
    text = script.text
    before, after = text[:start].rstrip(b" \t\r"), text[end:].lstrip(b" \t\r")
    if (after and not after.startswith((b"&&", b";", b"\n"))) or after.startswith(b";;"):
        return None
    if not before.strip(BLANKS):
        if not after:
            return Span(start, end)
        operator = 2 if after.startswith(b"&&") else 1
        rest = after[operator:]
        return Span(start, len(text) - len(rest.lstrip(BLANKS)))
    if before.endswith(b"&&"):
        return Span(len(before[:-2].rstrip(BLANKS)), end)
    if before.endswith(b";") and not before.endswith(b";;"):
        return Span(len(before) - 1, end)
    if before.endswith(b"\n") and (not after or after.startswith(b"\n")):
        return Span(len(before), len(text) - len(after) + (1 if after else 0))
    return None


def remove_word(
    dockerfile: Dockerfile, run: Run, script: Script, word: Word, order: tuple[int, ...] = ()
) -> Operation:
    """One word goes with the blanks before it."""
    start = len(script.text[: word.span.start].rstrip(BLANKS))
    span = script.projection.host_span(Span(start, word.span.end))
    return verbs.replace(dockerfile, run, span, b"", order=order)


def append(
    dockerfile: Dockerfile, run: Run, script: Script, text: bytes, order: tuple[int, ...] = ()
) -> Operation:
    """`text`, with its operator in front, behind the last command."""
    end = len(script.text.rstrip(BLANKS))
    at = script.projection.host(end, end=True)
    return verbs.replace(dockerfile, run, Span(at, at), text, order=order)
