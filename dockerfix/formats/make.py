"""Reading a Makefile: rules, recipes, variables, exports, includes; and recipes as shell text.

Follows GNU make 4.3 line by line (tree-sitter-make gives an error node for `.RECIPEPREFIX`,
for target-specific `export` and for `ifdef` inside a recipe, so it is not asked). Nothing is
run and no function is evaluated. Knows nothing of shells, builds, or files other than this one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockerfix.source import BOM, Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

NOWHERE = Span(0, 0)
OPERATORS = (b"::=", b":=", b"?=", b"+=", b"!=", b"=")
MODIFIERS = frozenset((b"export", b"override", b"private"))
_WORD = re.compile(rb"[^ \t]+")


@dataclass(frozen=True, slots=True)
class Reference:
    """`$(X)`, `${X}`, `$X` or a function call. `name` is None unless it is one plain variable;
    `function` is the first word of a call such as `$(shell cat f)`, `arguments` what follows."""

    span: Span
    name: str | None
    function: str | None = None
    arguments: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Assignment:
    """A variable that gets a value. `value` is raw make text (host bytes, comment cut off).

    `targets` are those of a target-specific assignment, else None. `condition` is the path of
    `ifdef`-like branches that it stands in. `operator` is "=" for `define` without one and
    "undefine" for that directive.
    """

    name: str
    operator: str
    value: Span
    span: Span
    exported: bool = False
    override: bool = False
    targets: tuple[str, ...] | None = None
    condition: tuple[tuple[int, int], ...] = ()
    define: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """`export A B` (`on`) or `unexport A B`; without names it means every variable.

    `computed`: some of the names are make references.
    """

    names: tuple[str, ...]
    on: bool
    span: Span
    computed: bool = False
    condition: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Include:
    """`include NAME...`. `name` is raw make text; `optional` for `-include`."""

    name: bytes
    span: Span
    optional: bool


@dataclass(frozen=True, slots=True)
class RecipeLine:
    """One line as make hands it to a shell, continuations included, the recipe prefix left out.

    `span` are its host bytes without the last line ending; `body` is set for the recipe of a
    one-line rule (`target: ; cmd`) as well.
    """

    span: Span
    condition: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """The recipe of one rule. `shells` groups its lines by the shell that runs them."""

    targets: tuple[str, ...]
    lines: tuple[RecipeLine, ...]
    oneshell: bool = False

    @property
    def shells(self) -> tuple[tuple[RecipeLine, ...], ...]:
        if self.oneshell:
            return (self.lines,) if self.lines else ()
        return tuple((line,) for line in self.lines)


@dataclass(frozen=True, slots=True)
class Makefile:
    """What one file says; later entries win, as in make. `evals`: it calls `$(eval ...)`, which
    may assign anything. `export_all`: a bare `export` or `.EXPORT_ALL_VARIABLES`."""

    source: Source
    assignments: tuple[Assignment, ...]
    exports: tuple[Export, ...]
    includes: tuple[Include, ...]
    recipes: tuple[Recipe, ...]
    comments: tuple[Span, ...]
    evals: tuple[Span, ...]
    export_all: bool
    prefix: int


def read(source: Source) -> Makefile:
    """Never raises: a line that make would reject is skipped."""
    return _Reader(source).makefile()


def references(data: bytes, span: Span) -> Iterator[Reference]:
    """The outermost references in `data[span]`; `$$` is none."""
    at, end = span
    while True:
        at = data.find(b"$", at, end)
        if at < 0 or at + 1 >= end:
            return
        following = data[at + 1]
        if following == 0x24:
            at += 2
            continue
        if following in b"({":
            close = closing(data, at + 1, end)
            yield _reference(data, Span(at, close))
            at = close
        else:
            yield Reference(Span(at, at + 2), _str(data[at + 1 : at + 2]))
            at += 2


def closing(data: bytes, at: int, end: int) -> int:
    """Offset behind the bracket that closes the one at `at`; make counts its own kind only."""
    opening = data[at]
    close = 0x29 if opening == 0x28 else 0x7D
    depth = 0
    for offset in range(at, end):
        if data[offset] == opening:
            depth += 1
        elif data[offset] == close:
            depth -= 1
            if not depth:
                return offset + 1
    return end


def _reference(data: bytes, span: Span) -> Reference:
    inside = Span(span.start + 2, max(span.end - 1, span.start + 2))
    text = data[inside.start : inside.end]
    if b"$" not in text and not any(byte in text for byte in b" \t\n:=#,"):
        return Reference(span, _str(text))
    call = re.match(rb"([a-z-]+)[ \t]+", text)
    if call is not None:
        return Reference(span, None, _str(call[1]), Span(inside.start + call.end(), inside.end))
    return Reference(span, None)


def _str(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


@dataclass(slots=True)
class _Rule:
    targets: tuple[str, ...]
    lines: list[RecipeLine] = field(default_factory=list)


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.data = source.data
        self.assignments: list[Assignment] = []
        self.exports: list[Export] = []
        self.includes: list[Include] = []
        self.rules: list[_Rule] = []
        self.rule: _Rule | None = None
        self.comments: list[Span] = []
        self.conditions: list[tuple[int, int]] = []
        self.branches = 0
        self.prefix = 0x09
        self.defining: tuple[Assignment, int, int] | None = None
        self.export_all = False
        self.oneshell = False

    def makefile(self) -> Makefile:
        data = self.data
        at = len(BOM) if data.startswith(BOM) else 0
        while at < len(data):
            line = self._logical(at)
            self._line(line)
            at = line.end
            if data[at : at + 2] == b"\r\n":
                at += 2
            elif at < len(data):
                at += 1
        recipes = tuple(
            Recipe(r.targets, tuple(r.lines), self.oneshell) for r in self.rules if r.lines
        )
        evals = tuple(Span(m.start(), m.end()) for m in re.finditer(rb"\$[({]eval[ \t]", data))
        return Makefile(
            self.source,
            tuple(self.assignments),
            tuple(self.exports),
            tuple(self.includes),
            recipes,
            tuple(self.comments),
            evals,
            self.export_all,
            self.prefix,
        )

    def _logical(self, at: int) -> Span:
        """One line and its continuations, without the last line ending."""
        data, start = self.data, at
        while True:
            newline = data.find(b"\n", at)
            end = len(data) if newline < 0 else newline
            if end > start and newline >= 0 and data[end - 1 : end] == b"\r":
                end -= 1
            slashes = end
            while slashes > at and data[slashes - 1] == 0x5C:
                slashes -= 1
            if newline < 0 or (end - slashes) % 2 == 0 or newline + 1 >= len(data):
                return Span(start, end)
            at = newline + 1

    def _line(self, line: Span) -> None:
        data = self.data
        if self.defining is not None:
            self._defining(line)
            return
        if line.empty:
            return
        if data[line.start] == self.prefix and self.rule is not None:
            self.rule.lines.append(
                RecipeLine(Span(line.start + 1, line.end), tuple(self.conditions))
            )
            return
        start = line.start + _blanks(data, line)
        if start == line.end:
            return
        if data[start] == 0x23:
            self.comments.append(Span(start, line.end))
            return
        end = self._uncommented(Span(start, line.end))
        if end < line.end and data[end : end + 1] == b"#":
            self.comments.append(Span(end, line.end))
        text = Span(start, end)
        if self._assignment(text, None, False):
            self.rule = None
            return
        word = _word(data, text)
        name = data[word.start : word.end]
        rest = Span(min(word.end + _blanks(data, Span(word.end, end)), end), end)
        if name in (b"ifdef", b"ifndef", b"ifeq", b"ifneq") or name.startswith(
            (b"ifeq(", b"ifneq(")
        ):
            self.branches += 1
            self.conditions.append((self.branches, 0))
        elif name == b"else":
            if self.conditions:
                number, branch = self.conditions[-1]
                self.conditions[-1] = (number, branch + 1)
        elif name == b"endif":
            if self.conditions:
                self.conditions.pop()
        elif name in (b"export", b"unexport"):
            self._export(rest, name == b"export", text)
        elif name in (b"include", b"-include", b"sinclude"):
            self.rule = None
            for found in _WORD.finditer(_joined(data[rest.start : rest.end])):
                self.includes.append(Include(found[0], text, name != b"include"))
        elif name in (b"vpath", b"load", b"-load"):
            self.rule = None
        else:
            self._rule(text, line)

    def _defining(self, line: Span) -> None:
        assert self.defining is not None
        first, depth, body = self.defining
        start = line.start
        if line.empty or self.data[start] != self.prefix:
            start += _blanks(self.data, line)
            word = _word(self.data, Span(start, line.end))
            name = self.data[word.start : word.end]
            if name == b"define":
                depth += 1
            elif name == b"endef":
                depth -= 1
        if depth:
            self.defining = first, depth, body
            return
        value = Span(body, max(body, line.start - 1))
        self.defining = None
        self.assignments.append(
            Assignment(
                first.name,
                first.operator,
                value,
                Span(first.span.start, line.end),
                first.exported,
                first.override,
                None,
                first.condition,
                True,
            )
        )

    def _assignment(self, text: Span, targets: tuple[str, ...] | None, exported: bool) -> bool:
        data, (at, end) = self.data, text
        override = define = undefine = False
        while True:
            word = _word(data, Span(at, end))
            name = data[word.start : word.end]
            following = word.end + _blanks(data, Span(word.end, end))
            if name not in MODIFIERS and name not in (b"define", b"undefine"):
                break
            if any(data.startswith(operator, following, end) for operator in OPERATORS):
                break  # a variable that is called `export`
            if following == end and not define and not undefine:
                return False
            exported |= name == b"export"
            override |= name == b"override"
            define |= name == b"define"
            undefine |= name == b"undefine"
            at = following
        condition = tuple(self.conditions)
        if undefine:
            name = data[at:end].rstrip()
            where = Span(end, end)
            self.assignments.append(
                Assignment(_str(name), "undefine", where, text, False, override, targets, condition)
            )
            return True
        found = self._operator(Span(at, end))
        if found is None:
            if not define:
                return False
            found = Span(end, end)
        name = data[at : found.start].rstrip(b" \t")
        if not name:
            return False
        operator = _str(data[found.start : found.end]) or "="
        value = Span(found.end + _blanks(data, Span(found.end, end)), end)
        one = Assignment(_str(name), operator, value, text, exported, override, targets, condition)
        if define:
            newline = data.find(b"\n", end)
            self.defining = one, 1, len(data) if newline < 0 else newline + 1
        else:
            self.assignments.append(one)
            if name == b".RECIPEPREFIX":
                self.prefix = data[value.start] if not value.empty else 0x09
        return True

    def _operator(self, text: Span) -> Span | None:
        """Where the assignment operator stands if `text` is NAME OPERATOR VALUE."""
        data, (at, end) = self.data, text
        blank = False
        while at < end:
            byte = data[at]
            for operator in OPERATORS:
                if data.startswith(operator, at, end):
                    return Span(at, at + len(operator))
            if byte == 0x24 and data[at + 1 : at + 2] in (b"(", b"{"):
                at = closing(data, at + 1, end)
                continue
            if byte in b" \t":
                blank = True
            elif blank or byte in b":#":
                return None
            at += 1
        return None

    def _export(self, rest: Span, on: bool, text: Span) -> None:
        self.rule = None
        raw = _joined(self.data[rest.start : rest.end])
        plain = bytearray(raw)
        for found in references(raw, Span(0, len(raw))):
            plain[found.span.start : found.span.end] = b"$" * (found.span.end - found.span.start)
        words = _joined(bytes(plain)).split()
        names = tuple(_str(word) for word in words if b"$" not in word)
        self.exports.append(Export(names, on, text, b"$" in raw, tuple(self.conditions)))
        if on and not raw.strip():
            self.export_all = True

    def _rule(self, text: Span, line: Span) -> None:
        data, end = self.data, text.end
        colon = self._outside(text, b":")
        if colon is None:
            self.rule = None
            return
        names = _joined(data[text.start : colon]).rstrip(b"&")
        targets = tuple(_str(found[0]) for found in _WORD.finditer(names))
        after = colon + (2 if data[colon : colon + 2] == b"::" else 1)
        rest = Span(min(after + _blanks(data, Span(after, end)), end), end)
        if not rest.empty and self._assignment(rest, targets, False):
            self.rule = None
            return
        self.rule = _Rule(targets)
        self.rules.append(self.rule)
        if ".ONESHELL" in targets:
            self.oneshell = True
        if ".EXPORT_ALL_VARIABLES" in targets:
            self.export_all = True
        # A recipe on the rule's line is not cut at `#`: the shell sees it.
        semicolon = self._outside(Span(after, end), b";")
        if semicolon is not None:
            self.rule.lines.append(
                RecipeLine(Span(semicolon + 1, line.end), tuple(self.conditions))
            )

    def _outside(self, text: Span, wanted: bytes) -> int | None:
        """The first `wanted` byte that stands in no reference."""
        data, (at, end) = self.data, text
        while at < end:
            byte = data[at : at + 1]
            if byte == b"$" and data[at + 1 : at + 2] in (b"(", b"{"):
                at = closing(data, at + 1, end)
                continue
            if byte == b"\\":
                at += 2
                continue
            if byte == wanted:
                return at
            at += 1
        return None

    def _uncommented(self, text: Span) -> int:
        """Where the text ends that make reads: at a `#` outside references, blanks kept."""
        hash_at = self._outside(text, b"#")
        return text.end if hash_at is None else hash_at


def _blanks(data: bytes, span: Span) -> int:
    """How many blanks `data[span]` starts with (a continued line end is one)."""
    found = re.compile(rb"(?:[ \t]|\\\r?\n)*").match(data, span.start, span.end)
    return found.end() - span.start if found else 0


def _word(data: bytes, span: Span) -> Span:
    found = _WORD.match(data, span.start, span.end)
    return Span(span.start, found.end() if found else span.start)


def _joined(raw: bytes) -> bytes:
    return re.sub(rb"[ \t]*\\\r?\n[ \t]*", b" ", raw)
