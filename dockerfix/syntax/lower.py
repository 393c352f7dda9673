"""Lowers all operations on one instruction, or on the header, to edits of the file's bytes.

Everything about how a change is spelt is decided here: line ends, indents,
continuations, which line goes as a whole. Why something changes is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Edit, Operation, Removal
from dockerfix.source import Source, Span
from dockerfix.syntax.comments import SHARED, leading_comment
from dockerfix.syntax.layout import Layout, directive_in, read_header
from dockerfix.syntax.lower_run import lower_run
from dockerfix.syntax.members import take_out
from dockerfix.syntax.nodes import Add, Arg, Copy, Env, Label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockerfix.syntax.nodes import Instruction


def lower_instruction(
    instruction: Instruction, source: Source, operations: Sequence[Operation]
) -> list[Edit]:
    """Edits that carry out `operations`, in their order where they meet at one point."""
    removed = _removed_members(operations)
    members = _members(instruction)
    whole = any(operation.verb == "remove" for operation in operations)
    whole = whole or (members != [] and len(removed) == len(members))
    edits = list(_new_lines(instruction, source, operations, whole))
    if whole:
        return [*edits, _remove(instruction, source)]
    deletions: list[Edit] = []
    if removed and isinstance(instruction, Copy | Add) and instruction.exec_form:
        # The string goes with what separates it from the next one: the destination is the last.
        words = instruction.words
        deletions = [
            Edit(Span(words[index].span.start - 1, words[index + 1].span.start - 1), b"")
            for index in sorted(removed)
        ]
    elif removed:
        head = Span(instruction.span.start, _head_end(instruction))
        after = None
        if isinstance(instruction, Copy | Add) and instruction.destination is not None:
            after = instruction.destination.span.start
        layout = Layout.of(instruction, source)
        deletions = take_out(layout, members, removed, head, after)
    if any(operation.verb == "insert_after" for operation in operations):
        closing = _close(instruction, source)
        deletions += [cut for cut in closing if not _inside(cut, deletions)]
    for operation in operations:
        if operation.verb in ("replace", "set_value"):
            edit = Edit(operation.touches[0], _bytes(operation.value))
            if not _inside(edit, deletions):
                edits.append(edit)
    run = [operation for operation in operations if operation.verb in RUN_VERBS]
    if run:
        edits += lower_run(instruction, source, run)
    return edits + deletions


def lower_header(source: Source, operations: Sequence[Operation]) -> list[Edit]:
    """Edits that write the `# syntax=` line: the value replaced, or a new first line."""
    header = read_header(source)
    present = next((found for found in header.directives if found.name == b"syntax"), None)
    edits: list[Edit] = []
    for operation in operations:
        image = _bytes(operation.value)
        if present is None:
            text = b"# syntax=" + image
            at = header.insert_at
            closed = at == len(source.bom) or source.data[:at].endswith(b"\n")
            edits.append(Edit(Span(at, at), text + source.eol if closed else source.eol + text))
            continue
        line = source.text(present.line)
        indent = len(line) - len(line.lstrip())
        if indent:
            # An indented directive counts for the parser, not for the frontend (rule 1.10).
            edits.append(Edit(Span(present.line.start, present.line.start + indent), b""))
        if source.text(present.value) != image:
            edits.append(Edit(present.value, image))
    return edits


RUN_VERBS = frozenset({"add_mount", "remove_mount", "replace_mount", "insert_statement"})


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"this verb takes bytes, not {type(value).__name__}")
    return value


def _removed_members(operations: Iterable[Operation]) -> set[int]:
    return {
        operation.member[1]
        for operation in operations
        if operation.verb in ("remove_pair", "remove_source")
        and isinstance(operation.member, tuple)
    }


def _members(instruction: Instruction) -> list[Span]:
    if isinstance(instruction, Arg | Env | Label):
        return [pair.span for pair in instruction.pairs]
    if isinstance(instruction, Copy | Add):
        return [word.span for word in instruction.sources]
    return []


def _head_end(instruction: Instruction) -> int:
    flags = instruction.flags
    return max(instruction.keyword_span.end, *(flag.span.end for flag in flags), 0)


def _remove(instruction: Instruction, source: Source) -> Edit:
    start, end = instruction.span
    line = source.line_span(source.line(start)).start
    line += len(source.bom) if line == 0 else 0
    if not source.data[line:start].strip():
        start = line
    if _wakes_directive(source, Span(start, end)):
        return Edit(Span(start, end), source.eol)
    return Removal(Span(start, end), b"", leading_comment(instruction, source, start), SHARED)


def _wakes_directive(source: Source, gone: Span) -> bool:
    """Whether a plain comment below would turn into a parser directive (rule 1.8)."""
    if gone.end >= len(source.data):
        return False
    below = source.line_span(source.line(gone.end))
    if directive_in(source.data, below) is None:
        return False
    above = source.data[read_header(source).end : gone.start].split(b"\n")[:-1]
    return not any(
        not line.strip() or line.lstrip().startswith(b"#") or line.lstrip()[:4].upper() == b"FROM"
        for line in above
    )


def _inside(edit: Edit, deletions: Iterable[Edit]) -> bool:
    span = edit.span
    return any(
        gone.span.contains(span) and (not span.empty or gone.span.overlaps(span))
        for gone in deletions
    )


def _close(instruction: Instruction, source: Source) -> list[Edit]:
    """Takes away an escape at the end of the file, so that a new line is not drawn in (1.18)."""
    if instruction.heredocs or instruction.span.end < len(source.data):
        return []
    lines = Layout.of(instruction, source).lines
    last = max(index for index, line in enumerate(lines) if line.kind == "code")
    first = last
    while first and not source.data[lines[first].start : lines[first].code_end].strip():
        first -= 1
        while lines[first].kind != "code":
            first -= 1
    end = lines[last].escape
    if end is None:
        return []
    text = source.data[lines[first].start : lines[first].code_end]
    return [Edit(Span(lines[first].start + len(text.rstrip()), lines[last].text_end), b"")]


def _new_lines(
    instruction: Instruction, source: Source, operations: Iterable[Operation], gone: bool
) -> Iterable[Edit]:
    start, end = instruction.span
    line = source.line_span(source.line(start)).start
    line += len(source.bom) if line == 0 else 0
    first = source.line_span(source.line(start))
    eol = b"\r\n" if source.text(first).endswith(b"\r\n") else source.eol
    open_end = end == len(source.data) and not source.data.endswith(b"\n")
    for operation in operations:
        text = _bytes(operation.value) if operation.verb.startswith("insert_") else b""
        if operation.verb == "insert_before":
            yield Edit(Span(line, line), text + eol)
        elif operation.verb == "insert_after":
            yield Edit(Span(end, end), eol + text if open_end and not gone else text + eol)
