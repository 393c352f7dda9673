"""The instructions: one class an instruction, and how one is read from its line.

Each class names the fields of its shape. Which tokens make that shape is said by the
grammar, how text is cut into tokens by `shapes`, what BuildKit objects to by `objections`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dockerfix.projection import Projection
from dockerfix.source import Span
from dockerfix.syntax import shapes
from dockerfix.syntax.flags import Flag, Mount
from dockerfix.syntax.lexer import UNTERMINATED
from dockerfix.syntax.lines import Problem
from dockerfix.syntax.objections import UNEXPLAINED, Objection
from dockerfix.syntax.tree import (
    ExecForm,
    Node,
    Pair,
    Part,
    Shaped,
    ShellForm,
    Token,
    Word,
    children_of,
    lazy,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockerfix.edits import Edit, Operation
    from dockerfix.source import Source
    from dockerfix.syntax.lines import Body, LogicalLine


class Heredoc(Node):
    """The lines of one heredoc, up to and with the line that closes it."""

    __slots__ = ("body", "line")

    def __init__(self, line: LogicalLine, body: Body) -> None:
        self.line = line
        self.body = body

    @property
    def source(self) -> Source:
        return self.line.source

    @property
    def span(self) -> Span:
        return Span(self.body.start, self.body.stop)

    @property
    def content_span(self) -> Span:
        """The text, without the line that closes it."""
        return Span(self.body.start, self.body.end)

    @property
    def opener_span(self) -> Span:
        """The word `<<NAME` in the instruction."""
        return self.line.span(self.body.opener.start, self.body.opener.end)

    @property
    def name(self) -> str:
        return self.body.opener.name.decode("utf-8", "surrogateescape")

    @property
    def fd(self) -> int:
        return self.body.opener.fd

    @property
    def expand(self) -> bool:
        """Whether variables in the text are expanded: no part of the name was quoted."""
        return self.body.opener.expand

    @property
    def chomp(self) -> bool:
        """Whether leading tabs go (`<<-`)."""
        return self.body.opener.chomp

    @property
    def content(self) -> bytes:
        return self.source.text(self.content_span)

    @property
    def children(self) -> tuple[Node, ...]:
        body, source = self.body, self.source
        end = Token(source, "HEREDOC_END", Span(body.end, body.stop))
        if body.end == body.start:
            return (end,)
        return (Token(source, "HEREDOC_TEXT", self.content_span), end)


class Instruction(Shaped):
    """One instruction with its continuations and heredocs.

    `span` runs from the keyword's line, indentation excluded, to the end of the last line,
    line ending included.
    """

    rule: ClassVar[str] = ""

    @lazy
    def span(self) -> Span:
        bodies = self.line.bodies
        return Span(self.line.start, bodies[-1].stop if bodies else self.line.end)

    @lazy
    def children(self) -> tuple[Node, ...]:
        return children_of(self.line, self.span, (*self.parts, *self.heredocs))

    @property
    def name(self) -> str:
        """The keyword in lower case."""
        return shapes.name(self.line)

    @property
    def keyword(self) -> str:
        """The keyword as written."""
        start, end = shapes.keyword(self.line)
        return self.line.text[start:end].decode("utf-8", "surrogateescape")

    @property
    def keyword_span(self) -> Span:
        return self.line.span(*shapes.keyword(self.line))

    @lazy
    def flags(self) -> tuple[Flag, ...]:
        return tuple(part for part in self.parts if isinstance(part, Flag))

    def flag(self, name: str) -> Flag | None:
        """The last flag called `name`."""
        return next((flag for flag in reversed(self.flags) if flag.name == name), None)

    @lazy
    def arguments(self) -> tuple[int, int]:
        """Where the arguments stand in the joined text: behind keyword, flags and blanks."""
        _, start, end = shapes.head(self.line)
        return start, end

    @property
    def arguments_span(self) -> Span:
        return self.line.span(*self.arguments)

    @property
    def arguments_text(self) -> bytes:
        start, end = self.arguments
        return self.line.text[start:end]

    @property
    def start_line(self) -> int:
        return self.line.first

    @property
    def end_line(self) -> int:
        return self.line.last

    @property
    def escape(self) -> bytes:
        return self.line.escape

    @lazy
    def heredocs(self) -> tuple[Heredoc, ...]:
        return tuple(Heredoc(self.line, body) for body in self.line.bodies)

    @property
    def original(self) -> str:
        """The joined line, as BuildKit keeps it."""
        return self.line.text.decode("utf-8", "surrogateescape")

    @property
    def comments(self) -> tuple[str, ...]:
        """The comments above that belong to this instruction (rule 1.41)."""
        return tuple(text.decode("utf-8", "surrogateescape") for text in self.line.comments)

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        from dockerfix.syntax.lower import lower_instruction

        return lower_instruction(self, source, operations)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(line {self.start_line}, {self.original[:60]!r})"

    def _words(self) -> tuple[Word, ...]:
        return tuple(part for part in self.parts if isinstance(part, Word))

    @lazy
    def exec_part(self) -> ExecForm | None:
        part = self.parts[-1]
        return part if isinstance(part, ExecForm) else None


class From(Instruction):
    rule = "from"

    @property
    def image(self) -> Word:
        return self._words()[0]

    @lazy
    def platform(self) -> Word | None:
        """The value of `--platform`, its quotes taken away only where it has none."""
        flag = self.flag("platform")
        part = flag.token("FLAG_VALUE") if flag is not None else None
        return Word(self.line, (part,)) if part is not None else None

    @property
    def stage_name(self) -> str | None:
        """The name behind AS, in lower case as BuildKit keeps it."""
        part = self.token("STAGE_NAME")
        if part is None:
            return None
        return self.line.text[part[1] : part[2]].decode("utf-8", "surrogateescape").lower()


class Paired(Instruction):
    """ARG, ENV and LABEL."""

    @lazy
    def pairs(self) -> tuple[Pair, ...]:
        return tuple(part for part in self.parts if isinstance(part, Pair))


class Arg(Paired):
    rule = "arg"


class Env(Paired):
    rule = "env"


class Label(Paired):
    rule = "label"


class Commanded(Instruction):
    """RUN, CMD, ENTRYPOINT, SHELL and HEALTHCHECK."""

    @property
    def exec_form(self) -> bool:
        return self.exec_part is not None

    @lazy
    def exec_words(self) -> tuple[str, ...]:
        """The strings of the exec form, empty in shell form."""
        if self.exec_part is None:
            return ()
        return tuple(word.raw.decode("utf-8", "surrogateescape") for word in self.exec_part.words)

    @lazy
    def body(self) -> Projection:
        """The command at its own place in the file, continuations masked by blanks."""
        return self.line.masked(*self._command)

    @property
    def _command(self) -> tuple[int, int]:
        return self.arguments

    @property
    def command(self) -> bytes:
        """The command as BuildKit joins it."""
        start, end = self._command
        return self.line.text[start:end]


class Run(Commanded):
    rule = "run"

    @lazy
    def mounts(self) -> tuple[Mount, ...]:
        return tuple(flag.mount for flag in self.flags if flag.mount is not None)

    @property
    def is_script(self) -> bool:
        """Whether the whole command is one heredoc, which the shell gets as its `-c` text (1.33)."""
        text = self.body.text.strip()
        return len(self.heredocs) == 1 and text == self.source.text(self.heredocs[0].opener_span)

    @lazy
    def heredoc_bodies(self) -> tuple[Projection, ...]:
        data = self.source.data
        return tuple(Projection.identity(data, one.content_span) for one in self.heredocs)


class Cmd(Commanded):
    rule = "cmd"


class Entrypoint(Commanded):
    rule = "entrypoint"


class Shell(Commanded):
    rule = "shell"


class Healthcheck(Commanded):
    rule = "healthcheck"

    @property
    def kind(self) -> str:
        """NONE or CMD."""
        return "NONE" if self.token("NONE") is not None else "CMD"

    @property
    def _command(self) -> tuple[int, int]:
        part = self.parts[-1]
        if isinstance(part, ShellForm | ExecForm):
            first, last = part.parts[0], part.parts[-1]
            assert not isinstance(first, Node)
            assert not isinstance(last, Node)
            return first[1], last[2]
        end = self.arguments[1]
        return end, end


class Listed(Instruction):
    """ADD, COPY, EXPOSE and VOLUME."""

    @lazy
    def words(self) -> tuple[Word, ...]:
        return self.exec_part.words if self.exec_part is not None else self._words()

    @property
    def exec_form(self) -> bool:
        return self.exec_part is not None


class Copying(Listed):
    """COPY and ADD."""

    @property
    def sources(self) -> tuple[Word, ...]:
        """All words but the last, those that open heredocs among them."""
        return self.words[:-1]

    @property
    def destination(self) -> Word | None:
        return self.words[-1] if self.words else None

    @property
    def from_(self) -> str | None:
        flag = self.flag("from")
        return flag.value if flag is not None else None


class Copy(Copying):
    rule = "copy"


class Add(Copying):
    rule = "add"


class Expose(Listed):
    rule = "expose"


class Volume(Listed):
    rule = "volume"


class Single(Instruction):
    """USER, WORKDIR, STOPSIGNAL and MAINTAINER: the rest of the line is one argument."""

    @property
    def argument(self) -> Word | None:
        return next(iter(self._words()), None)


class User(Single):
    rule = "user"


class Workdir(Single):
    rule = "workdir"


class Stopsignal(Single):
    rule = "stopsignal"


class Maintainer(Single):
    rule = "maintainer"


class Onbuild(Instruction):
    rule = "onbuild"

    @lazy
    def trigger(self) -> Instruction | None:
        """The instruction that an image built FROM this one runs; the heredocs stay here."""
        if self.token("TRIGGER") is None:
            return None
        from dockerfix.syntax.reading import read_instruction

        return read_instruction(self.line.within(*self.arguments))

    @lazy
    def children(self) -> tuple[Node, ...]:
        trigger = self.trigger
        parts = self.parts if trigger is None else (*self.parts[:-1], trigger)
        return children_of(self.line, self.span, (*parts, *self.heredocs))


class UnknownInstruction(Instruction):
    """A keyword that BuildKit 0.32 does not have: a note, not an error."""

    rule = "unknown_instruction"


class ErrorInstruction(Instruction):
    """An instruction that BuildKit refuses, with its tokens. `message` says why."""

    rule = "error_instruction"

    def __init__(
        self, line: LogicalLine, parts: tuple[Part, ...], objection: Objection = UNEXPLAINED
    ) -> None:
        super().__init__(line, parts)
        self.__dict__["objection"] = objection

    objection: Objection

    @property
    def message(self) -> str:
        return self.objection.message

    @property
    def problem(self) -> Problem:
        return problem(self, self.objection)


KEYWORDS: dict[str, type[Instruction]] = {
    one.rule: one
    for one in (
        From, Arg, Env, Label, Run, Cmd, Entrypoint, Shell, Healthcheck, Copy, Add, Expose,
        Volume, User, Workdir, Stopsignal, Maintainer, Onbuild,
    )
}  # fmt: skip
RULES: dict[str, type[Shaped]] = {
    "word": Word,
    "pair": Pair,
    "flag": Flag,
    "exec_form": ExecForm,
    "shell_form": ShellForm,
    **KEYWORDS,
    UnknownInstruction.rule: UnknownInstruction,
    ErrorInstruction.rule: ErrorInstruction,
}


def problem(instruction: Instruction, objection: Objection) -> Problem:
    """`objection` with the places that BuildKit names."""
    first, last = instruction.start_line, instruction.end_line
    if objection.message == UNTERMINATED:
        # BuildKit has read on to the end of the file.
        last = len(instruction.source.line_starts)
    lines = range(first, last + 1)
    return Problem(first, objection.message, instruction.span, lines, objection.stage)
