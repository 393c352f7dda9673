"""From a logical line to a typed instruction: tokens, the sub-grammar, then objections.

This is where an instruction that fails its shape turns into an ErrorInstruction. It never
raises, and knows no file: lines come from the lexer, one at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.syntax import heredocs, objections, shapes
from dockerfix.syntax.instructions import (
    KEYWORDS,
    RULES,
    Copying,
    ErrorInstruction,
    Instruction,
    Onbuild,
    UnknownInstruction,
    problem,
)
from dockerfix.syntax.objections import Objection
from dockerfix.syntax.parser import STARTS, derive

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.syntax.lines import LogicalLine, Opener, Problem

GRAMMARS = {rule: grammar for grammar, rules in STARTS.items() for rule in rules}
JSON_LISTS = frozenset({"copy", "add", "volume"})
COMMANDS = frozenset({"run", "cmd", "entrypoint", "shell"})


def read_instruction(line: LogicalLine) -> Instruction:
    """The typed instruction of one logical line. Never raises."""
    name = line.name or shapes.name(line)
    head, start, end = shapes.head(line)
    if name not in KEYWORDS:
        if name == "":
            return _error(line, head, (), objections.to_shape(name, b"", ()))
        if start < end:
            head.append(("ARGUMENTS", start, end))
        unknown = _derived(line, UnknownInstruction.rule, head)
        assert unknown is not None
        return unknown
    readings = _arguments(line, name, start, end)
    found = None
    for tokens in readings:
        found = _derived(line, name, head + tokens)
        if found is not None:
            break
    if found is None:
        tokens = readings[-1]
        return _error(line, head, tokens, objections.to_shape(name, line.text, tokens))
    # Most instructions have nothing that could be objected to once their shape is right.
    objection = None
    if len(head) > 1 or len(readings) > 1 or name == "onbuild" or b"<<" in line.text:
        objection = _objection(found)
        if line.failure and (objection is None or objection.stage != "parse"):
            objection = Objection(line.failure, "parse")
    if objection is not None:
        return _error(line, head, tokens, objection)
    return found


def _derived(line: LogicalLine, rule: str, tokens: Iterable[shapes.Token]) -> Instruction | None:
    found = derive(GRAMMARS[rule], rule, tokens, RULES, line)
    return found if isinstance(found, Instruction) else None


def _error(
    line: LogicalLine,
    head: Iterable[shapes.Token],
    tokens: Iterable[shapes.Token],
    objection: Objection,
) -> ErrorInstruction:
    found = _derived(line, ErrorInstruction.rule, (*head, *tokens))
    assert found is not None
    return ErrorInstruction(line, found.parts, objection)


def _arguments(line: LogicalLine, name: str, start: int, end: int) -> list[list[shapes.Token]]:
    """The ways in which the arguments can be read: as an exec form first, where they may be."""
    text = line.text
    if name == "from":
        return [shapes.from_words(text, start, end)]
    if name in ("arg", "env", "label"):
        return [shapes.pairs(line, start, end, legacy=name != "arg")]
    prefix: list[shapes.Token] = []
    if name == "healthcheck":
        prefix, start = shapes.health(text, start, end)
        if start < end and prefix and prefix[0][0] != "CMD":
            return [[*prefix, ("WORD", start, end)]]
    if start == end:
        return [prefix]
    if name == "onbuild":
        return [[("TRIGGER", start, end)]]
    if name == "expose":
        return [shapes.words(text, start, end)]
    if name in COMMANDS or name == "healthcheck":
        plain = [*prefix, ("SHELL_TEXT", start, end)]
    elif name in JSON_LISTS:
        plain = shapes.words(text, start, end)
    else:
        return [[("WORD", start, end)]]
    json = shapes.json_tokens(text, start, end)
    return [plain] if json is None else [prefix + json, plain]


def _objection(found: Instruction) -> Objection | None:
    """What BuildKit says against an instruction whose shape is right."""
    name = found.name
    form = found.exec_part
    if form is not None and not form.strings_only:
        return objections.NOT_STRINGS
    if isinstance(found, Onbuild):
        trigger = found.trigger
        failure = trigger.objection if isinstance(trigger, ErrorInstruction) else None
        return objections.to_trigger(trigger, failure)
    if found.flags:
        objection = objections.to_flags(found)
        if objection is not None:
            return objection
    if form is not None:
        return objections.to_exec(name, form)
    if isinstance(found, Copying) and found.destination is not None:
        return objections.to_destination(name, found.destination.raw)
    return None


def notes_on(instruction: Instruction) -> list[Problem]:
    """What this BuildKit does not know in an instruction that is otherwise sound."""
    if isinstance(instruction, UnknownInstruction):
        messages = [f"unknown instruction: {instruction.keyword}"]
    elif instruction.flags and not isinstance(instruction, ErrorInstruction):
        messages = objections.notes(instruction)
    else:
        return []
    return [problem(instruction, Objection(message)) for message in messages]


def find_heredocs(line: LogicalLine) -> tuple[Opener, ...]:
    """The heredocs that follow `line` (rule 1.28); what the lexer asks when it sees `<<`."""
    inner = line
    if shapes.name(line) == "onbuild":
        _, start, end = shapes.head(line)
        inner = line.within(start, end)
    if shapes.name(inner) not in ("run", "copy", "add"):
        return ()
    read = read_instruction(inner)
    if read.exec_part is not None:
        return ()
    if isinstance(read, ErrorInstruction) and read.objection.stage == "parse":
        return ()
    try:
        return heredocs.openers(line.text)
    except heredocs.HeredocError as failure:
        line.failure = str(failure)
        return ()
