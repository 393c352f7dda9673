"""What a shell script is made of, frozen. Spans are byte offsets in `Script.projection.text`.

The classes hold no parser: `reading` and `flow` make them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from dockerfix.projection import FOREIGN as FOREIGN
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockerfix.projection import Projection

NOWHERE = Span(0, 0)

Quoting = Literal["none", "double", "escaped", "single"]


@dataclass(frozen=True, slots=True)
class Use:
    """A variable that is read. `operator` is as written (`:-`, `#`, `@`...), `length` for
    `${#X}`, `!` for `${!X}`, `-v` and `printenv` for those tests, `arithmetic` inside `$(( ))`.

    `deferred`: the shell itself passes the text on (`\\$X`, `'$X'`) and a child may read it.
    `assigned_before`: the script assigns it on every path to here, so that what is read is
    not the environment's value.
    """

    name: str
    span: Span
    operator: str = ""
    word: bytes = b""
    quoting: Quoting = "none"
    deferred: bool = False
    assigned_before: bool = False
    subscript: bytes = b""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a word.

    `text` (unquoted), `escape` (`\\c`, also an escaped newline, whose value is empty),
    `single`, `ansi` (`$'..'`), `double` (children), `variable` (`use`; children are the
    operand's), `command` (`$(..)`, backticks), `arithmetic`, `process`, `foreign`.
    `value` holds the bytes that a literal part contributes.
    """

    kind: Literal[
        "text",
        "escape",
        "single",
        "double",
        "ansi",
        "variable",
        "command",
        "arithmetic",
        "process",
        "foreign",
    ]
    span: Span
    value: bytes = b""
    use: Use | None = None
    children: tuple[Part, ...] = ()

    @property
    def literal(self) -> bytes | None:
        if self.kind == "double":
            pieces = [child.literal for child in self.children]
            return None if None in pieces else b"".join(p for p in pieces if p is not None)
        return self.value if self.kind in ("text", "escape", "single", "ansi") else None


@dataclass(frozen=True)
class Word:
    """One word of a command. `raw` is as written."""

    span: Span
    raw: bytes
    parts: tuple[Part, ...]
    uses: tuple[Use, ...] = ()

    @cached_property
    def literal_bytes(self) -> bytes | None:
        pieces = [part.literal for part in self.parts]
        return None if None in pieces else b"".join(p for p in pieces if p is not None)

    @property
    def literal(self) -> str | None:
        """The word's value if it holds no expansion. Globs, braces and tildes: see `patterned`."""
        value = self.literal_bytes
        return None if value is None else value.decode("utf-8", "surrogateescape")

    @cached_property
    def single_variable(self) -> str | None:
        """X if the word is exactly `$X`, `${X}`, `"$X"` or `"${X}"`."""
        parts = self.parts
        if len(parts) == 1 and parts[0].kind == "double":
            parts = parts[0].children
        if len(parts) != 1 or parts[0].kind != "variable":
            return None
        use = parts[0].use
        if use is None or use.operator or use.subscript:
            return None
        return use.name

    @cached_property
    def patterned(self) -> bool:
        """Whether unquoted text of it holds a tilde, glob or brace that the shell may expand."""
        for index, part in enumerate(self.parts):
            if part.kind == "text" and (
                any(byte in part.value for byte in b"*?[{")
                or (index == 0 and part.value.startswith(b"~"))
                or b"=~" in part.value
                or b":~" in part.value
            ):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Redirect:
    """`operator` as written (`>`, `<<-`...). A heredoc has `body` (its content) and `expands`."""

    span: Span
    operator: str
    target: Word | None = None
    body: Span | None = None
    expands: bool = True
    delimiter: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A name that gets a value.

    `kind`: plain, prefix (`X=1 cmd`), export, declare, local, readonly, read, for, getopts,
    mapfile, printf, arithmetic, default (`${X:=d}`), unset. `value` is None where there is no
    word for it. `elements` are an array's words. `exported`: this statement exports it. `origin` is the path
    of the sourced file that it stands in, empty for the script itself; `statement` the whole
    statement (list or pipeline) that it is part of.
    """

    name: str
    span: Span
    kind: str
    value: Word | None = None
    value_span: Span | None = None
    exported: bool = False
    append: bool = False
    elements: tuple[Word, ...] | None = None
    command: Span | None = None
    statement: Span = NOWHERE
    origin: str = ""


class Contribution(NamedTuple):
    """An assignment that put something into a variable; `conditional` if only on some paths.

    `at` is the state in which its words were expanded.
    """

    assignment: Assignment
    conditional: bool
    at: State


@dataclass(frozen=True, slots=True)
class Variable:
    """What is known of a variable at one place.

    `values`: all values it may have, or None if not known. `in_sync`: what a child would
    find in its environment is exactly the shell's value (true for a variable that nothing
    assigned). `assigned`: yes, maybe (on some paths), no. `contributions` are the assignments
    that made the value, in order, empty where they are not known.
    """

    values: frozenset[bytes] | None = None
    attribute: Literal["yes", "maybe", "no"] = "maybe"
    in_sync: bool = True
    assigned: Literal["yes", "maybe", "no"] = "no"
    readonly: bool = False
    contributions: tuple[Contribution, ...] = ()
    array: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What holds before one command. Compare by identity.

    `cwds` are the possible working directories, None if not known: posix paths relative to
    where the script starts (`""`), or to what `paths` marks (the script's own folder, the top
    of the work tree). `opaque`: text that could not be seen into (a sourced file, `eval`) may
    have assigned anything before. `dead`: nothing gets here (behind `exit`).
    """

    variables: Mapping[str, Variable] = field(default_factory=dict)
    cwds: frozenset[str] | None = frozenset({""})
    stack: tuple[frozenset[str] | None, ...] = ()
    nounset: bool = False
    xtrace: bool = False
    errexit: bool = False
    allexport: bool = False
    opaque: bool = False
    dead: bool = False

    def variable(self, name: str) -> Variable:
        found = self.variables.get(name)
        if found is not None:
            return found
        return Variable(in_sync=not self.opaque, assigned="maybe" if self.opaque else "no")

    @property
    def cwd(self) -> str | None:
        return next(iter(self.cwds)) if self.cwds is not None and len(self.cwds) == 1 else None


@dataclass(frozen=True, eq=False)
class Command:
    """A simple command. `words` has the name first; `prefix` are `X=1` before it.

    `span` runs from the first prefix or word to the last word or redirect. `states` holds one
    state a way of getting here (call sites of the function, rounds of a loop over literals).
    `context` names the enclosing constructs, outermost first: subshell, function:NAME, if,
    loop, case, substitution, pipeline, background, trap.
    """

    span: Span
    words: tuple[Word, ...]
    prefix: tuple[Assignment, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    operator_before: str = ""
    in_pipeline: bool = False
    context: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    statement: Span = NOWHERE

    @property
    def name(self) -> str | None:
        literal = self.words[0].literal if self.words else None
        return None if literal is None else literal.rpartition("/")[2]

    @property
    def cwd(self) -> str | None:
        found = {state.cwd for state in self.states}
        return found.pop() if len(found) == 1 else None

    @property
    def state(self) -> State:
        """The state here if there is one way to get here, else the first of them."""
        return self.states[0] if self.states else State()


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    name: str
    span: Span
    body: Span


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A statement with redirects of its own behind it: `{ ...; } > f`, `if ...; fi < f`."""

    span: Span
    redirects: tuple[Redirect, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """A word that a child shell reads as a script: `sh -c WORD`, `eval WORD`, `trap WORD`.

    `quoting` is how the word is written: in `double`, the outer shell expands first, and what it
    expands stands in the nested text as `FOREIGN` bytes (`foreign`: nested span to outer part).
    """

    command: Command
    word: Word
    kind: str
    quoting: Literal["single", "double", "none"]
    script: Script
    foreign: Mapping[Span, Part] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Script:
    """One text read as shell.

    `errors`: some of it did not parse (`failed` says where); what did is still here. `sourced`
    are the files that were read in place, `unseen` those that could not be. `commands` are
    those of this text, substitutions included; scripts in strings are in `nested`. `pipelines`
    holds the spans of the stages of each, `branches` those of `if` statements that stand in no
    other construct.
    """

    projection: Projection
    commands: tuple[Command, ...] = ()
    uses: tuple[Use, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    functions: tuple[Function, ...] = ()
    nested: tuple[Nested, ...] = ()
    groups: tuple[Group, ...] = ()
    pipelines: tuple[tuple[Span, ...], ...] = ()
    branches: tuple[Span, ...] = ()
    comments: tuple[Span, ...] = ()
    errors: bool = False
    sourced: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    failed: tuple[Span, ...] = ()
    end: State = field(default_factory=State)

    @property
    def text(self) -> bytes:
        return self.projection.text

    def every(self) -> Iterator[tuple[Script, Command]]:
        """All commands with their scripts, those of nested scripts included."""
        for command in self.commands:
            yield self, command
        for nested in self.nested:
            yield from nested.script.every()

    def assigned(self, name: str) -> bool:
        """Whether anything in it, or in what it sources as far as seen, assigns `name`."""
        return any(a.name == name for a in self.assignments)

    def state_at(self, offset: int) -> State:
        """The state before the last command that starts at or before `offset`."""
        best: Command | None = None
        for command in self.commands:
            if (
                command.states
                and command.span.start <= offset
                and (best is None or command.span.start >= best.span.start)
            ):
                best = command
        return best.state if best is not None else State()

    def nounset_at(self, offset: int) -> bool:
        return self.state_at(offset).nounset

    def xtrace_at(self, offset: int) -> bool:
        return self.state_at(offset).xtrace

    def exported_at(self, name: str, offset: int) -> bool:
        """Whether a child started there surely finds the shell's value of `name`."""
        return self.state_at(offset).variable(name).attribute == "yes"
