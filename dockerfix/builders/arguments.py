"""From the words of a shell command to the arguments that a program gets.

Arrays, flag strings, `${X:+...}` and variables that resolve are followed to the text that
holds each argument. Knows the shell, not any client. What cannot be followed is an argument
with `unresolved` set, which may stand for any number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from dockerfix.shell import values
from dockerfix.shell.nodes import Part, Word
from dockerfix.source import Span

if TYPE_CHECKING:
    from dockerfix.shell import Assignment, Contribution, Script, State

Foreign = Callable[[Span], bytes | None]
"""Gives the value of a host's own substitution (a make variable) at a span of the text."""

Where = Literal["direct", "array", "string", "alternative"]


class Leaf(NamedTuple):
    """A part outside any double quotes, or directly inside them (`quoted`)."""

    part: Part
    quoted: bool


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument as the program gets it.

    `where`: `direct` in the command; `array` an element of `"${args[@]}"`; `string` a field
    of an unquoted `$ARGS` (then `span` lies inside the word that was assigned); `alternative`
    inside `${X:+...}`. `literal` is its value where that is known (variables that resolve
    included). `via` is the contribution that holds it (array and string).
    """

    script: Script
    span: Span
    leaves: tuple[Leaf, ...]
    where: Where = "direct"
    literal: bytes | None = None
    conditional: bool = False
    whole_quoted: bool = False
    unresolved: bool = False
    via: Contribution | None = None
    word: Word | None = None

    @property
    def text(self) -> bytes:
        return self.script.text[self.span.start : self.span.end]

    @property
    def assignment(self) -> Assignment | None:
        return self.via.assignment if self.via is not None else None


def leaves_of(parts: Iterable[Part], quoted: bool = False) -> Iterator[Leaf]:
    for part in parts:
        if part.kind == "double":
            yield from leaves_of(part.children, True)
        else:
            yield Leaf(part, quoted)


def expand(
    script: Script, given: Sequence[Word], state: State, foreign: Foreign | None
) -> list[Argument]:
    """The arguments that `given` make in `state`."""
    return _Expansion(script, state, foreign).words(given)


def resolve(
    argument: Argument, state: State, foreign: Foreign | None, *, defaults: bool = False
) -> values.Values:
    """What the argument may be in `state` (its own state if it comes from an assignment)."""
    where = argument.via.at if argument.via is not None else state
    parts = [leaf.part for leaf in argument.leaves]
    return values.resolve(argument.script.text, parts, where, foreign=foreign, defaults=defaults)


class _Expansion:
    def __init__(self, script: Script, state: State, foreign: Foreign | None) -> None:
        self.script = script
        self.state = state
        self.foreign = foreign

    def words(self, given: Sequence[Word]) -> list[Argument]:
        found: list[Argument] = []
        for word in given:
            found += self._word(word, self.state, "direct", None, False, 0)
        return found

    def _word(
        self,
        word: Word,
        state: State,
        where: Where,
        via: Contribution | None,
        conditional: bool,
        depth: int,
    ) -> list[Argument]:
        plain = self._argument(word.span, word.parts, state, where, via, conditional, word)
        parts = word.parts
        quoted = len(parts) == 1 and parts[0].kind == "double"
        if quoted:
            parts = parts[0].children
        if len(parts) != 1 or depth > 5:
            return [plain]
        part = parts[0]
        if part.kind in ("command", "foreign") and not quoted:
            known = plain.literal
            return [replace(plain, unresolved=known is None or known.split() != [known])]
        if part.kind != "variable" or part.use is None:
            return [plain]
        use = part.use
        if use.operator in (":+", "+"):
            return self._alternative(word, part, quoted, state, where, via, depth)
        if use.operator and not (use.operator in (":-", "-") and not use.word):
            if quoted or (plain.literal is not None and plain.literal.split() == [plain.literal]):
                return [plain]
            if use.operator in (":-", "-", ":=", "="):
                return [replace(plain, unresolved=True)]
            return [replace(plain, unresolved=plain.literal is None)]
        if use.name == "@" and quoted:
            return self._array(plain, "@", state, depth)
        if use.name in ("@", "*"):
            return [replace(plain, unresolved=True)]
        if use.subscript in (b"@", b"*"):
            return self._array(plain, use.name, state, depth)
        if use.subscript:
            return [plain]
        return self._scalar(plain, use.name, quoted, state, depth)

    def _array(self, plain: Argument, name: str, state: State, depth: int) -> list[Argument]:
        variable = state.variable(name)
        if not variable.contributions:
            known = variable.assigned == "yes" and variable.values is not None
            return [] if known else [replace(plain, unresolved=True)]
        found: list[Argument] = []
        if _open_ended(variable.contributions[0], name):
            found.append(replace(plain, unresolved=True))
        for contribution in variable.contributions:
            assignment = contribution.assignment
            if self._elsewhere(assignment) or assignment.kind in ("read", "mapfile", "for"):
                found.append(replace(plain, unresolved=True))
                continue
            for element in assignment.elements or ((assignment.value,) if assignment.value else ()):
                if _mentions(element.parts, name):
                    continue
                found += self._word(
                    element,
                    contribution.at,
                    "array",
                    contribution,
                    contribution.conditional,
                    depth + 1,
                )
        return found

    def _elsewhere(self, assignment: Assignment) -> bool:
        """Whether it stands in another file, or in the script around this nested one: its spans
        are not in this text."""
        return bool(assignment.origin) or not any(
            own is assignment for own in self.script.assignments
        )

    def _scalar(
        self, plain: Argument, name: str, quoted: bool, state: State, depth: int
    ) -> list[Argument]:
        variable = state.variable(name)
        if variable.array and variable.contributions:
            return [replace(plain, unresolved=not quoted)]
        if not variable.contributions:
            if plain.literal is None:
                return [replace(plain, unresolved=not quoted)]
            return [plain] if plain.literal or quoted else []
        usable = [c for c in variable.contributions if c.assignment.value is not None]
        if len(usable) != len(variable.contributions) or any(
            self._elsewhere(c.assignment) for c in usable
        ):
            return [plain if plain.literal is not None else replace(plain, unresolved=not quoted)]
        if quoted:
            held = usable[0].assignment.value
            if len(usable) == 1 and not usable[0].conditional and held is not None:
                inner = self._argument(
                    _inside(held), held.parts, usable[0].at, "string", usable[0], False, held
                )
                flaglike = inner.leaves and inner.leaves[0].part.value[:1] not in (b"", b"$")
                if flaglike and b"=" in held.raw:
                    return [inner]
            return [plain]
        if variable.values and all(value and _is_path(value) for value in variable.values):
            # One word, which may be another at each call of the function that holds the build.
            return [plain]
        found: list[Argument] = []
        if _open_ended(usable[0], name):
            found.append(replace(plain, unresolved=True))
        for contribution in usable:
            held = contribution.assignment.value
            if held is None or (held.literal is not None and _is_path(held.literal_bytes)):
                if held is not None and held.literal_bytes:
                    found.append(replace(plain, conditional=contribution.conditional))
                continue
            for leaves in _fields(held, self.script.text):
                if all(_mentions((leaf.part,), name) for leaf in leaves):
                    continue
                found += self._field(leaves, contribution, depth)
        literals = {argument.text for argument in found if argument.where == "direct"}
        if len(literals) == 1 and all(argument.where == "direct" for argument in found):
            return [plain]
        return found

    def _field(
        self, leaves: tuple[Leaf, ...], contribution: Contribution, depth: int
    ) -> list[Argument]:
        span = Span(leaves[0].part.span.start, leaves[-1].part.span.end)
        parts = tuple(leaf.part for leaf in leaves)
        word = Word(span, self.script.text[span.start : span.end], parts)
        if len(parts) == 1 and parts[0].kind in ("variable", "command", "foreign"):
            return self._word(
                word, contribution.at, "string", contribution, contribution.conditional, depth + 1
            )
        found = self._argument(
            span, parts, contribution.at, "string", contribution, contribution.conditional, word
        )
        return [replace(found, leaves=leaves)]

    def _alternative(
        self,
        word: Word,
        part: Part,
        quoted: bool,
        state: State,
        where: Where,
        via: Contribution | None,
        depth: int,
    ) -> list[Argument]:
        text = self.script.text
        inside = Word(word.span, word.raw, part.children)
        if not part.children:
            return []
        # `${args[@]+"${args[@]}"}`: the way to expand an array that may be empty under set -u.
        if len(part.children) == 1:
            return [
                replace(argument, conditional=True) if argument.where == "direct" else argument
                for argument in self._word(
                    Word(part.children[0].span, b"", part.children),
                    state,
                    "alternative" if where == "direct" else where,
                    via,
                    True,
                    depth + 1,
                )
            ]
        found: list[Argument] = []
        fields = [tuple(leaves_of(inside.parts))] if quoted else _fields(inside, text)
        for leaves in fields:
            span = Span(leaves[0].part.span.start, leaves[-1].part.span.end)
            whole = [p for p in part.children if p.kind == "double" and p.span.overlaps(span)]
            if whole and whole[0].span.start <= span.start and whole[0].span.end >= span.end:
                span = whole[0].span
            elif whole:
                span = Span(min(span.start, whole[0].span.start), max(span.end, whole[-1].span.end))
            argument = self._argument(
                span, [leaf.part for leaf in leaves], state,
                "alternative" if where == "direct" else where, via, True, word,
            )  # fmt: skip
            whole_quoted = bool(whole) and span == whole[0].span
            found.append(replace(argument, leaves=leaves, whole_quoted=whole_quoted))
        return found

    def _argument(
        self,
        span: Span,
        parts: Sequence[Part],
        state: State,
        where: Where,
        via: Contribution | None,
        conditional: bool,
        word: Word,
    ) -> Argument:
        literal = values.one(
            values.resolve(self.script.text, parts, state, foreign=self.foreign, defaults=True)
        )
        return Argument(
            self.script,
            span,
            tuple(leaves_of(parts)),
            where,
            literal,
            conditional,
            len(parts) == 1 and parts[0].kind == "double",
            False,
            via,
            word,
        )


def _open_ended(contribution: Contribution, name: str) -> bool:
    """Whether the first assignment adds to a value that came from outside (`A="$A --x"`)."""
    assignment = contribution.assignment
    before = contribution.at.variable(name)
    if before.contributions or before.values is not None:
        return False
    words = (assignment.value,) if assignment.value else assignment.elements or ()
    adds = any(use.name == name and not use.deferred for word in words for use in word.uses)
    return adds or (assignment.append and before.assigned == "maybe")


def _mentions(parts: Sequence[Part], name: str) -> bool:
    """Whether `parts` are just the variable itself (`ARGS="$ARGS more"`)."""
    inner = [leaf.part for leaf in leaves_of(parts)]
    if len(inner) != 1 or inner[0].use is None:
        return False
    use = inner[0].use
    if use.operator in (":+", "+"):
        return bool(inner[0].children) and _mentions(inner[0].children, name)
    return use.name == name


def _is_path(value: bytes | None) -> bool:
    """Whether a literal is one plain field that is no flag and no `NAME=VALUE`."""
    return value is not None and len(value.split()) <= 1 and value[:1] != b"-" and b"=" not in value


def _inside(word: Word) -> Span:
    if len(word.parts) == 1 and word.parts[0].kind in ("double", "single"):
        return Span(word.span.start + 1, word.span.end - 1)
    return word.span


def _fields(word: Word, text: bytes) -> list[tuple[Leaf, ...]]:
    """The fields that splitting at blanks makes of the word's value (or of an operand)."""
    found: list[tuple[Leaf, ...]] = []
    held: list[Leaf] = []

    def close() -> None:
        if held:
            found.append(tuple(held))
            held.clear()

    unquoted_operand = not any(part.kind in ("double", "single") for part in word.parts)
    for leaf in leaves_of(word.parts):
        part = leaf.part
        operand = word.raw.startswith(b"${")
        if part.kind == "escape" and not part.value:
            close()
            continue
        splits = part.kind == "text" or (part.kind == "single" and not operand)
        if operand and leaf.quoted and not unquoted_operand:
            splits = False
        if not splits:
            held.append(leaf)
            continue
        start = part.span.start + (1 if part.kind == "single" else 0)
        begin: int | None = None
        for index, byte in enumerate(part.value):
            if byte in b" \t\r\n":
                if begin is not None:
                    held.append(_piece(leaf, start, begin, index))
                    begin = None
                close()
            elif begin is None:
                begin = index
        if begin is not None:
            held.append(_piece(leaf, start, begin, len(part.value)))
    close()
    return found


def _piece(leaf: Leaf, start: int, begin: int, end: int) -> Leaf:
    span = Span(start + begin, start + end)
    kind: Literal["text", "single"] = "single" if leaf.part.kind == "single" else "text"
    return Leaf(Part(kind, span, leaf.part.value[begin:end]), leaf.quoted)
