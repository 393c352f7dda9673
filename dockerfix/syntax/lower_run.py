"""Lowers operations on one RUN: mounts that come, change and go, and shell statements in front.

It knows where flags end and the command begins; it does not read shell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Edit, Operation
from dockerfix.source import Source, Span
from dockerfix.syntax.layout import BLANKS, Layout, first_text
from dockerfix.syntax.members import take_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.syntax.nodes import Instruction

# A line longer than this, or this many new mounts, are broken: one mount a line.
WIDTH = 120
MANY = 2


def lower_run(
    instruction: Instruction, source: Source, operations: Sequence[Operation]
) -> list[Edit]:
    """Edits for the mount and statement verbs; `operations` come in the order of insertion."""
    run = _Run(instruction, source)
    present = {flag.value for flag in instruction.flags if flag.name == "mount"}
    new: list[bytes] = []
    gone: list[int] = []
    edits: list[Edit] = []
    statements: list[bytes] = []
    for operation in operations:
        value = operation.value if isinstance(operation.value, bytes) else b""
        if operation.verb == "add_mount":
            if value.decode("ascii") not in present:
                new.append(b"--mount=" + value)
        elif operation.verb == "insert_statement":
            statements.append(value)
        elif isinstance(operation.member, tuple):
            index = operation.member[1]
            if operation.verb == "replace_mount":
                edits.append(Edit(instruction.flags[index].span, b"--mount=" + value))
            else:
                gone.append(index)
    # A mount that goes makes room for one that comes: its place in the line is kept.
    for index, mount in zip(sorted(gone), new, strict=False):
        edits.append(Edit(instruction.flags[index].span, mount))
    swapped = min(len(gone), len(new))
    if gone[swapped:]:
        edits += run.take_out(sorted(gone)[swapped:])
    if new[swapped:]:
        inline = 0 if run.is_script() else sum(map(len, statements))
        edits.append(run.mounts(new[swapped:], inline))
    if statements:
        edits.append(run.statements(statements, sum(len(one) + 1 for one in new[swapped:])))
    return edits


class _Run:
    """One RUN as it stands: its lines, its flags and where its command begins."""

    def __init__(self, instruction: Instruction, source: Source) -> None:
        self.instruction = instruction
        self.layout = Layout.of(instruction, source)
        self.data = source.data
        self.flags = [flag.span for flag in instruction.flags if flag.name]
        self.anchor = self.flags[-1].end if self.flags else instruction.keyword_span.end
        self.line = self.layout.index(max(self.anchor - 1, instruction.span.start))

    def take_out(self, removed: Sequence[int]) -> list[Edit]:
        head = Span(self.instruction.span.start, self.instruction.keyword_span.end)
        after = self.layout.skip(self.anchor)
        return take_out(self.layout, self.flags, removed, head, after)

    def mounts(self, new: list[bytes], more: int = 0) -> Edit:
        """`more` is the width of what comes behind them."""
        line = self.layout.lines[self.line]
        command = first_text(self.data, self.anchor, line.code_end)
        broken = b" " + self.layout.escape + self.layout.eol
        if self._one_a_line(command):
            indent = self._flag_indent()
            if not indent and line.escape == self.anchor:
                # Only an indent keeps this flag apart from the next line (rule 1.4).
                indent = self.layout.continuation_indent
            if command is None:
                text = b"".join(indent + mount + broken for mount in new)
                return Edit(Span(line.end, line.end), text)
            text = b"".join(broken + indent + mount for mount in new)
            if self.data[command : command + 1] == b"#":
                return Edit(Span(self.anchor, self.anchor), text)
            return Edit(Span(self.anchor, command), text + broken + indent)
        between = broken + self.layout.continuation_indent
        width = line.text_end - line.start + sum(len(mount) + 1 for mount in new) + more
        # A command that goes on over several lines gets a line of its own, as people write it.
        continued = command is not None and line.escape is not None
        many = len(new) >= MANY or width > WIDTH or continued
        if command is not None:
            # A command that begins with `#` would be a comment at the start of a line.
            if many and self.data[command : command + 1] != b"#":
                text = between.join((*new, b""))
                beside = self.anchor - line.start + len(new[0])
                if self.flags and (len(new) >= MANY or beside > WIDTH):
                    return Edit(Span(self.anchor, command), between + text)
            else:
                text = b" ".join((*new, b""))
            return Edit(Span(command, command), text)
        text = b" " + (between if many else b" ").join(new)
        if line.escape == self.anchor:
            text += b" "
        return Edit(Span(self.anchor, self.anchor), text)

    def _one_a_line(self, command: int | None) -> bool:
        """Whether this RUN has the habit of one flag a line."""
        if not self.flags:
            return False
        line = self.layout.lines[self.line]
        here = [flag for flag in self.flags if flag.end > line.start]
        begins = self.layout.index(here[0].start)
        before = self.data[self.layout.lines[begins].start : here[0].start]
        leads = begins > 0 and not before.strip()
        if line.escape is not None and command is None:
            return len(here) == 1
        return leads and len(here) == 1

    def _flag_indent(self) -> bytes:
        first = self.layout.index(self.flags[-1].start)
        return self.layout.indent(first) if first else self.layout.continuation_indent

    def statements(self, texts: list[bytes], more: int = 0) -> Edit:
        """`more` is the width of what comes before them."""
        at = self.command()
        if self.is_script():
            return self._script(texts, self.instruction.heredocs[0].content_span)
        line = self.layout.lines[self.layout.index(at)]
        width = line.text_end - line.start + sum(map(len, texts)) + more
        alone = width > WIDTH or line.escape is not None
        if alone and self.data[at : at + 1] != b"#":
            return Edit(Span(at, at), self._one_a_line_each(texts))
        return Edit(Span(at, at), b"".join(texts))

    def _one_a_line_each(self, texts: list[bytes]) -> bytes:
        """The statements on lines of their own; a chain whose lines begin with `&&` goes on so."""
        broken = b" " + self.layout.escape + self.layout.eol + self.layout.continuation_indent
        leads = any(
            self.data.startswith(b"&&", line.start + len(self.layout.indent(index)))
            for index, line in enumerate(self.layout.lines)
            if index and line.kind == "code"
        )
        found = []
        for text in texts:
            bare = text.rstrip(BLANKS)
            if leads and bare.endswith(b"&&"):
                found.append(bare[:-2].rstrip(BLANKS) + broken + b"&& ")
            else:
                found.append(bare + broken)
        return b"".join(found)

    def is_script(self) -> bool:
        """Whether the whole command is one here-document, which a shell reads."""
        heredocs = self.instruction.heredocs
        if len(heredocs) != 1:
            return False
        opener = heredocs[0].opener_span
        return self.command() == opener.start and not self._joined(opener.end).strip(BLANKS)

    def command(self) -> int:
        """Offset of the command's first byte, behind a `--` that ends the flags (rule 1.23)."""
        at = self.layout.skip(self.anchor)
        if at is not None and self.data.startswith(b"--", at):
            line = self.layout.lines[self.layout.index(at)]
            word = self.data[at : line.code_end].split()[0]
            if word == b"--":
                at = self.layout.skip(at + 2)
        if at is None:
            raise ValueError("this RUN has no command")
        return at

    def _joined(self, start: int) -> bytes:
        """The text from `start` on to the end of the instruction's own lines, joined."""
        return b"".join(
            self.data[max(start, line.start) : line.code_end]
            for line in self.layout.lines[self.layout.index(start) :]
            if line.kind == "code"
        )

    def _script(self, texts: list[bytes], content: Span) -> Edit:
        """The statements as lines of their own at the top of a heredoc script."""
        at = content.start
        if self.data.startswith(b"#!", at):
            at = self.data.find(b"\n", at) + 1
        first = self.data[at : content.end].split(b"\n", 1)[0]
        indent = first[: len(first) - len(first.lstrip(b" \t"))] if first.strip() else b""
        if first.endswith(b"\r"):
            # In a here-document the shell is given the CR, and `fi` with one ends nothing.
            at += len(indent)
            return Edit(Span(at, at), b"".join(texts))
        lines = [indent + _statement(text) + b"\n" for text in texts]
        return Edit(Span(at, at), b"".join(lines))


def _statement(text: bytes) -> bytes:
    """`text` without the operator that would join it to a command on the same line."""
    bare = text.strip(BLANKS)
    for operator in (b"&&", b";"):
        if bare.endswith(operator):
            return bare[: -len(operator)].rstrip(BLANKS)
    return bare
