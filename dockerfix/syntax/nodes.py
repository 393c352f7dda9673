"""The Dockerfile as a tree: the file, its header, its lines and its stages.

Everything that other rooms name is found here, the instructions and small nodes too. The
file is read in two layers: the outer one knows lines, and a line turns into a typed
instruction when something first asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockerfix.source import Source, Span
from dockerfix.syntax import shapes
from dockerfix.syntax.flags import VIEWED_NODES, Flag, Mount, MountOption
from dockerfix.syntax.instructions import (
    RULES,
    Add,
    Arg,
    Cmd,
    Commanded,
    Copy,
    Copying,
    Entrypoint,
    Env,
    ErrorInstruction,
    Expose,
    From,
    Healthcheck,
    Heredoc,
    Instruction,
    Label,
    Listed,
    Maintainer,
    Onbuild,
    Paired,
    Run,
    Shell,
    Single,
    Stopsignal,
    UnknownInstruction,
    User,
    Volume,
    Workdir,
)
from dockerfix.syntax.lexer import DirectiveLine, Lexed, lex
from dockerfix.syntax.lines import LogicalLine, Problem
from dockerfix.syntax.parser import derive
from dockerfix.syntax.reading import find_heredocs, notes_on, read_instruction
from dockerfix.syntax.tree import (
    ExecForm,
    JsonWord,
    Node,
    Pair,
    Shaped,
    ShellForm,
    Token,
    Word,
    filled,
    lazy,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dockerfix.edits import Edit, Operation

__all__ = [
    "Add", "Arg", "Blank", "Cmd", "Commanded", "Comment", "Copy", "Copying", "Directive",
    "Dockerfile", "Entrypoint", "Env", "ErrorInstruction", "ExecForm", "Expose", "Flag", "From",
    "Header", "Healthcheck", "Heredoc", "Instruction", "JsonWord", "Label", "Listed",
    "Maintainer", "Mount", "MountOption", "Node", "Onbuild", "Pair", "Paired", "Problem", "Run",
    "Shaped", "Shebang", "Shell", "ShellForm", "Single", "StageBlock", "Stopsignal",
    "Token", "UnknownInstruction", "User", "Volume", "Word", "Workdir", "node_classes", "parse",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Lines(Node):
    """A node of whole physical lines."""

    of: Source
    at: Span

    @property
    def source(self) -> Source:
        return self.of

    @property
    def span(self) -> Span:
        return self.at

    @property
    def children(self) -> tuple[Node, ...]:
        return (Token(self.of, type(self).__name__.upper(), self.at),)


class Comment(Lines):
    """A comment line outside an instruction."""

    __slots__ = ()

    @property
    def text(self) -> str:
        return self.code.strip()[1:].strip().decode("utf-8", "surrogateescape")


class Blank(Lines):
    """One or more lines of white space outside an instruction."""

    __slots__ = ()


class Shebang(Lines):
    """`#!...` on the first line."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Directive(Node):
    """A parser directive: `# syntax=...`, `# escape=...`, `# check=...`."""

    of: Source
    read: DirectiveLine

    @property
    def source(self) -> Source:
        return self.of

    @property
    def span(self) -> Span:
        return self.read.span

    @property
    def children(self) -> tuple[Node, ...]:
        return filled(self.of, self.span, (Token(self.of, "VALUE", self.value_span),))

    @property
    def name(self) -> str:
        """In lower case."""
        return self.read.name

    @property
    def value(self) -> str:
        return self.read.value.decode("utf-8", "surrogateescape")

    @property
    def value_span(self) -> Span:
        return self.read.value_span

    @property
    def line(self) -> int:
        return self.read.line

    @property
    def in_force(self) -> bool:
        """Whether BuildKit heeds it: it looks for each name in its own way (1.9 to 1.11)."""
        if self.read.duplicate:
            return False
        return self.read.parsed if self.name == "escape" else self.read.detected


@dataclass(frozen=True, eq=False)
class Header(Node):
    """BOM, shebang and directives at the top; empty in most files."""

    of: Source
    parts: tuple[Any, ...]

    @property
    def source(self) -> Source:
        return self.of

    @lazy
    def span(self) -> Span:
        children = self.children
        return Span(0, children[-1].span.end if children else 0)

    @lazy
    def children(self) -> tuple[Node, ...]:
        return tuple(_node(self.of, part) for part in self.parts)

    @lazy
    def directives(self) -> tuple[Directive, ...]:
        """All of them, repeated and unheeded ones too."""
        return tuple(part for part in self.parts if isinstance(part, Directive))

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        from dockerfix.syntax.lower import lower_header

        return lower_header(source, operations)


def _node(source: Source, part: Any) -> Node:
    if isinstance(part, Node):
        return part
    kind, _, start, end = part
    made = LINES.get(kind)
    span = Span(start, end)
    return Token(source, kind, span) if made is None else made(source, span)


@dataclass(frozen=True, eq=False)
class StageBlock:
    """A FROM and the instructions up to the next one, as they stand in the file."""

    index: int
    from_: From
    instructions: tuple[Instruction, ...]

    @property
    def name(self) -> str | None:
        return self.from_.stage_name


@dataclass(frozen=True, eq=False)
class Dockerfile(Node):
    """A whole file. `code` is always the bytes that were parsed."""

    of: Source
    parts: tuple[Any, ...]
    lexed: Lexed

    @property
    def source(self) -> Source:
        return self.of

    @property
    def span(self) -> Span:
        return Span(0, len(self.of.data))

    @property
    def code(self) -> bytes:
        return b"".join(child.code for child in self.children)

    @lazy
    def children(self) -> tuple[Node, ...]:
        """Header, comments, blank lines and instructions, with the indentation between."""
        instructions = iter(self.instructions)
        nodes = (
            next(instructions) if type(part) is LogicalLine else _node(self.of, part)
            for part in self.parts
        )
        return filled(self.of, self.span, nodes)

    @property
    def header(self) -> Header:
        header = self.parts[0]
        assert isinstance(header, Header)
        return header

    @property
    def path(self) -> str:
        return self.of.path

    @property
    def escape(self) -> bytes:
        """The escape character in force."""
        return self.lexed.escape

    @lazy
    def directives(self) -> tuple[Directive, ...]:
        """The directives that BuildKit heeds."""
        return tuple(one for one in self.header.directives if one.in_force)

    @lazy
    def lines(self) -> tuple[LogicalLine, ...]:
        """The logical lines that hold instructions, not looked into."""
        return tuple(part for part in self.parts if type(part) is LogicalLine)

    @lazy
    def _read(self) -> dict[int, Instruction]:
        """The instructions that somebody has asked for, by their place among the lines."""
        return {}

    def _instruction(self, at: int) -> Instruction:
        found = self._read.get(at)
        if found is None:
            found = self._read[at] = read_instruction(self.lines[at])
        return found

    @lazy
    def instructions(self) -> tuple[Instruction, ...]:
        if not self._read:
            return tuple(map(read_instruction, self.lines))
        return tuple(map(self._instruction, range(len(self.lines))))

    def find(self, *names: str) -> Iterator[Instruction]:
        """The instructions with these lower-case keywords; others are not even read."""
        read = self.__dict__.get("instructions")
        for at, line in enumerate(self.lines):
            if (line.name or shapes.name(line)) in names:
                yield read[at] if read is not None else self._instruction(at)

    @lazy
    def stages(self) -> tuple[StageBlock, ...]:
        found: list[StageBlock] = []
        start = 0
        starts = [at for at, one in enumerate(self.instructions) if isinstance(one, From)]
        for index, start in enumerate(starts):
            end = starts[index + 1] if index + 1 < len(starts) else len(self.instructions)
            from_ = self.instructions[start]
            assert isinstance(from_, From)
            found.append(StageBlock(index, from_, self.instructions[start + 1 : end]))
        return tuple(found)

    @lazy
    def meta_args(self) -> tuple[Arg, ...]:
        """The ARGs before the first FROM."""
        found: list[Arg] = []
        for instruction in self.instructions:
            if isinstance(instruction, From):
                break
            if isinstance(instruction, Arg):
                found.append(instruction)
        return tuple(found)

    @lazy
    def errors(self) -> tuple[Problem, ...]:
        """What BuildKit refuses, in order of the file, new syntax aside (that is in `notes`)."""
        found = list(self.lexed.errors)
        found += [one.problem for one in self.instructions if isinstance(one, ErrorInstruction)]
        for instruction in self.instructions:
            if isinstance(instruction, From):
                break
            if not isinstance(instruction, Arg | ErrorInstruction | UnknownInstruction):
                lines = range(instruction.start_line, instruction.end_line + 1)
                message = "no build stage in current context"
                found.append(Problem(lines[0], message, instruction.span, lines, "instructions"))
                break
        if not self.lines:
            data = self.of.data
            last = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
            span = Span(0, len(data))
            message = "file with no instructions"
            found.append(Problem(max(last, 1), message, span, range(last, last + 1), "parse"))
        return tuple(sorted(found, key=lambda one: one.span))

    @lazy
    def notes(self) -> tuple[Problem, ...]:
        """What this BuildKit refuses for its age or its limits: new instructions and flags, long lines."""
        found = [note for one in self.instructions for note in notes_on(one)]
        return tuple(sorted((*self.lexed.notes, *found), key=lambda one: one.span))

    @lazy
    def warnings(self) -> tuple[Problem, ...]:
        """Blank lines inside instructions (rule 1.17)."""
        return tuple(self.lexed.warnings)

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        return self.header.lower(source, operations)

    def __repr__(self) -> str:
        return f"Dockerfile({self.of.path!r}, {len(self.lines)} instructions)"


LINES: dict[str, type[Lines]] = {"COMMENT": Comment, "BLANK": Blank, "SHEBANG": Shebang}


def node_classes() -> dict[str, type[Node]]:
    """The class of each rule of the grammar files."""
    return {
        "dockerfile": Dockerfile,
        "header": Header,
        "shebang": Shebang,
        "directive": Directive,
        "comment": Comment,
        "blank": Blank,
        "instruction": Instruction,
        "heredoc": Heredoc,
        **VIEWED_NODES,
        **RULES,
    }


def _first(context: Any, parts: tuple[Any, ...]) -> Any:
    # Comments and the like are many and seldom asked for: their nodes are made then.
    return parts[0]


MAKERS: dict[str, Callable[[Any, tuple[Any, ...]], Any]] = {
    "dockerfile": lambda lexed, parts: Dockerfile(lexed.source, parts, lexed),
    "header": lambda lexed, parts: Header(lexed.source, parts),
    "directive": lambda lexed, parts: Directive(lexed.source, parts[0][1]),
    "shebang": _first,
    "comment": _first,
    "blank": _first,
    "heredoc": _first,
    "instruction": lambda lexed, parts: parts[0][1],
}


def parse(data: bytes, path: str = "Dockerfile") -> Dockerfile:
    """The tree of `data`. Never raises, whatever the bytes are.

    `path` is how the workspace knows the file.
    """
    lexed = lex(Source(path, data), find_heredocs)
    found = derive("dockerfile", "dockerfile", lexed.tokens, MAKERS, lexed)
    assert isinstance(found, Dockerfile)
    return found
