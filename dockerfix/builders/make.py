"""Makefiles that start builds: recipes, and the variables that hold their commands and flags.

A recipe is shell behind a projection, so what a call means and how it changes is asked of
`command_line` and `shell_dialect`. What is make's own: which variable a recipe's environment
holds (T31), and flags that stand in a variable, which every recipe that uses it shares.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, TypeVar

from dockerfix.builders.call import BuildArg, BuildCall, SecretFlag, Value
from dockerfix.builders.command_line import mentions_build
from dockerfix.builders.make_conditions import tested, without_commas
from dockerfix.builders.make_sites import DefinitionSite, removal
from dockerfix.builders.make_variables import (
    Family,
    Variables,
    family,
    is_makefile,
    moved,
    split,
    strangers,
)
from dockerfix.builders.shell_ssh import key_file, take_ssh
from dockerfix.edits import Edit, Operation
from dockerfix.finding import Refusal
from dockerfix.formats.make import Assignment, Recipe, RecipeLine, references
from dockerfix.formats.make_text import RecipeText, shell_text
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockerfix.builders.shell_dialect import ShellDialect
    from dockerfix.builders.shell_edits import ShellSite
    from dockerfix.workspace import Workspace

KIND = "make"
Said = TypeVar("Said")
MOST_READINGS = 8


def claims(path: str, head: bytes) -> bool:
    """Whether the file at `path`, which starts with `head`, is read as a Makefile."""
    first = head.partition(b"\n")[0]
    return is_makefile(path) or (first.startswith(b"#!") and b"make" in first)


def find_calls(path: str, data: bytes, workspace: Workspace) -> Iterable[BuildCall]:
    """The build calls in the recipes of one Makefile (path relative to the root)."""
    if not mentions_build(data):
        return []
    found = family(path, data, workspace)
    calls: list[BuildCall] = []
    for recipe in found.main.recipes:
        for shell in recipe.shells:
            calls += _in_shell(found, recipe, shell)
    return _sharing(found, calls, workspace)


def _in_shell(found: Family, recipe: Recipe, shell: tuple[RecipeLine, ...]) -> Iterator[BuildCall]:
    """Every call of one shell, once for each way in which its variables may be defined."""
    from dockerfix.builders.shell_dialect import Host, ShellDialect, calls_of
    from dockerfix.shell import read

    host = Host()
    host.kind = KIND
    seen: set[object] = set()
    for text in _readings(found, recipe, shell):
        if not mentions_build(text.text):
            continue
        for call in calls_of(found.main.source.path, read(text, make=True), host):
            if not isinstance(call.dialect, ShellDialect):
                continue
            dialect = MakeDialect(call.dialect, found, text, tuple(line.span for line in shell))
            end = len(found.main.source.data)
            span = call.span if call.span.end <= end else shell[0].span
            mine = replace(
                call,
                dialect=dialect,
                span=span,
                cwd=_folder(found.folder, call.cwd),
                args=tuple(dialect.placed(dialect.seen_by_make(arg)) for arg in call.args),
                secrets=tuple(
                    one if one.span.end <= end else one._replace(span=span, fault=None)
                    for one in call.secrets
                ),
                refusal=dialect.said(call.refusal),
                unresolved=tuple(_may_hold_flags(text, call.unresolved)),
            )
            mine = _on_old_builder(mine, found)
            if mine not in seen:
                seen.add(mine)
                yield mine


def _on_old_builder(call: BuildCall, found: Family) -> BuildCall:
    """`call`, refused where the Makefile exports `DOCKER_BUILDKIT = 0` to every recipe."""
    if call.refusal is not None or not call.evidence.startswith("docker build is BuildKit since"):
        return call
    name = "DOCKER_BUILDKIT"
    listed = any(one.on and name in one.names for file in found.files for one in file.exports)
    for file in found.files:
        for one in file.assignments:
            if one.name != name or not (one.exported or listed or file.export_all):
                continue
            if file.source.text(one.value).strip().lower() in (b"0", b"false"):
                evidence = "DOCKER_BUILDKIT=0 asks for the classic builder"
                refusal = Refusal(
                    f"{evidence}, which has no secrets",
                    call.path,
                    call.span,
                    "Remove that setting, so that BuildKit builds, and run dockerfix again.",
                )
                return replace(call, buildkit="no", evidence=evidence, refusal=refusal)
    return call


def _may_hold_flags(text: RecipeText, words: Iterable[str]) -> Iterator[str]:
    """The unresolved words as the Makefile has them, without those that cannot pass a build
    argument: `$(if $(Q),--quiet)`, `$(addprefix -t ,$(TAGS))`."""
    for word in words:
        raw = text.encode(word.encode("utf-8", "surrogateescape"))
        found = next(references(raw, Span(0, len(raw))), None)
        if found is not None and found.span == Span(0, len(raw)):
            pieces = [raw[one.start : one.end] for one in split(raw, found.arguments)]
            plain = b"build-arg" not in raw and b"secret" not in raw
            if plain and found.function == "if" and not any(b"$" in one for one in pieces[1:]):
                continue
            flag = {"addprefix": 0, "foreach": 2}.get(found.function or "", 9)
            if plain and flag < len(pieces) and pieces[flag].strip().startswith(b"-"):
                continue
        yield re.sub(rb"\A\$\$\{(\w+)\}\Z", rb"$(\1)", raw).decode("utf-8", "replace")


def _readings(found: Family, recipe: Recipe, shell: tuple[RecipeLine, ...]) -> Iterator[RecipeText]:
    variables = Variables(found, recipe.targets)
    lines = tuple(line.span for line in shell)
    data, prefix = found.whole, found.main.prefix

    def project() -> RecipeText:
        return shell_text(data, lines, prefix, variables.resolve)

    text = project()
    assigned = {
        name
        for name in variables.used
        if re.search(_ASSIGNED % re.escape(name.encode()), text.text)
    }
    if assigned:
        # The recipe's own shell variable of that name is another one.
        variables.shadowed = frozenset(assigned)
        text = project()
    yield text
    seen = {text.text}
    names = sorted(variables.several)
    choices = product(*(range(variables.several[name]) for name in names))
    for _, choice in zip(range(MOST_READINGS), choices, strict=False):
        variables.choice = dict(zip(names, choice, strict=True))
        text = project()
        if text.text not in seen:
            seen.add(text.text)
            yield text


_HARMLESS = re.compile(
    rb"[ \t]*(?:#|ifn?eq|ifn?def|else|\$\((?:info|warning)|[@+\t -]*(?:echo|printf)\b[^;&|]*\Z)"
)
"""Starts of lines that only look at a variable, or print it."""
_ASSIGNED = rb"(?:^|[;&|({\n]|\b(?:export|local|declare|readonly|do|then|else))\s*%s="


def _folder(base: str, cwd: str | None) -> str | None:
    if cwd is None or cwd[:1] in ("\x02", "\x03", "\x04", "/"):
        return cwd
    full = posixpath.normpath(posixpath.join(base, cwd)) if base or cwd else ""
    return "" if full == "." else full


def _sharing(found: Family, calls: list[BuildCall], workspace: Workspace) -> list[BuildCall]:
    """Tell every dialect which flags stand in a variable, and refuse what cannot be changed
    because something that is no build uses the variable too."""
    definitions: dict[Span, Assignment] = {}
    users: dict[Span, list[BuildCall]] = defaultdict(list)
    for call in calls:
        for arg in call.args:
            held = _definition(found, found.span_of(call.path, arg))
            if held is not None:
                definitions[held.value] = held
                users[held.value].append(call)
    for value, held in definitions.items():
        dialects = [call.dialect for call in users[value] if isinstance(call.dialect, MakeDialect)]
        lines = [line for dialect in dialects for line in dialect.lines]
        stray = _stray_use(found, held.name, lines)
        path = found.placed(held.span)[0].source.path
        if path != found.main.source.path and stray is None:
            other = next(strangers(found, path, workspace), None)
            stray = None if other is None else (other, Span(0, 0))
        for call in users[value]:
            if isinstance(call.dialect, MakeDialect):
                call.dialect.in_variables.append(held)
                if stray is not None:
                    call.dialect.strays[held.value] = stray
    return calls


def _definition(found: Family, span: Span) -> Assignment | None:
    return next((one for one in found.definitions if one.value.contains(span)), None)


def _stray_use(found: Family, name: str, lines: Sequence[Span]) -> tuple[str, Span] | None:
    """Where the variable is used outside the recipe `lines` and outside other variables."""
    for file in found.files:
        own = file.source.path == found.main.source.path
        data = file.source.data
        values = [one.value for one in file.assignments]
        stop = len(data)
        for hit in re.finditer(
            rb"\$[({](?:call[ \t]+)?" + re.escape(name.encode()) + rb"[),}:]", data
        ):
            span = Span(hit.start(), min(hit.end(), stop))
            inside = (*lines, *values) if own else values
            start = data.rfind(b"\n", 0, span.start) + 1
            if _HARMLESS.match(data, start, span.start):
                continue
            if not any(one.contains(Span(span.start, span.start + 1)) for one in inside):
                return file.source.path, span
    return None


@dataclass(eq=False)
class MakeDialect:
    """A call in recipe `lines`. `in_variables` are the definitions that hold flags of it, `strays`
    other uses of those, by the value's span."""

    inner: ShellDialect
    family: Family
    text: RecipeText
    lines: tuple[Span, ...]
    in_variables: list[Assignment] = field(default_factory=list)
    strays: dict[Span, tuple[str, Span]] = field(default_factory=dict)

    @property
    def shared(self) -> tuple[Span, ...]:
        """Host spans that other calls may hold as well: all of them must agree."""
        return (*self.inner.shared, *(one.value for one in self.in_variables))

    def seen_by_make(self, arg: BuildArg) -> BuildArg:
        """`arg` with what only make knows: references inside quotes, conditional definitions."""
        data = self.family.whole
        if arg.value is Value.LITERAL and any(references(data, arg.span)):
            arg = replace(arg, value=Value.TEXT)
        held = _definition(self.family, arg.span)
        if (held is not None and held.condition) or tested(data, self._around(arg.span), arg.span):
            arg = replace(arg, always_set=False)
        if arg.value is Value.TEXT and self._tilde(arg):
            arg = replace(arg, doubt="the shell may expand a tilde at the start of the value")
        return arg

    def _around(self, span: Span) -> Span:
        """The value, or the line of the recipe, that holds it."""
        held = _definition(self.family, span)
        if held is not None:
            return held.value
        return next((one for one in self.lines if one.contains(span)), span)

    def _tilde(self, arg: BuildArg) -> bool:
        """Whether a make variable of the value starts with `~`, which a flag does not expand."""
        data = self.family.whole
        variables = Variables(self.family, ())
        return any(
            b"~" in found.value
            for one in references(data, arg.span)
            for found in variables.assignments(one.name or "")
        )

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        arg = self._in_whole(arg)
        return self.said(
            self._unable(arg) or self._placed(self.inner.take_secret(call, arg, id, source))
        )

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        return self.said(self._placed(self.inner.add_secret(call, id, source)))

    def take_ssh(self, call: BuildCall, arg: BuildArg, form: str) -> Sequence[Operation] | Refusal:
        return self.said(self._take_ssh(call, self._in_whole(arg), form))

    def _take_ssh(self, call: BuildCall, arg: BuildArg, form: str) -> Sequence[Operation] | Refusal:
        result = self._unable(arg) or self._placed(self.inner.take_ssh(call, arg, form))
        path = self._key_file(arg, form) if isinstance(result, Refusal) else None
        if path is None:
            return result
        if _definition(self.family, arg.span) is None:
            return self._placed(take_ssh(self.inner, call, arg, form, path))
        dropped, added = self._drop(call, arg), self.add_ssh(call, f'"default={path}"')
        if isinstance(dropped, Refusal) or isinstance(added, Refusal):
            return dropped if isinstance(dropped, Refusal) else added
        return [*dropped, *added]

    def _key_file(self, arg: BuildArg, form: str) -> str | None:
        """F where the value is a make variable that is `$(shell cat F)`, or a command for the shell."""
        data = self.family.whole
        found = list(references(data, arg.span))
        if len(found) != 1:
            return None
        held = Variables(self.family, ()).assignments(found[0].name or "")
        value = held[0].value.strip() if len(held) == 1 else b""
        shell = re.fullmatch(rb"\$\(shell[ \t]+(.*)\)|`(.*)`", value)
        path = key_file(b"$(" + (shell[1] or shell[2]) + b")", form) if shell else None
        return path if path is not None and "$(" not in path else None

    def add_ssh(self, call: BuildCall, value: str) -> Sequence[Operation] | Refusal:
        return self.said(self._placed(self.inner.add_ssh(call, value)))

    def mend_secret(self, call: BuildCall, flag: SecretFlag) -> Sequence[Operation] | Refusal:
        return self.said(self._placed(self.inner.mend_secret(call, flag)))

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        return self.said(self._drop(call, self._in_whole(arg)))

    # -- places ---------------------------------------------------------------

    def placed(self, arg: BuildArg) -> BuildArg:
        """`arg` with its place in the file that has it."""
        file, span = self.family.placed(arg.span)
        other = "" if file is self.family.main else file.source.path
        return replace(arg, span=span, path=other)

    def _in_whole(self, arg: BuildArg) -> BuildArg:
        """The inverse of `placed`."""
        span = self.family.span_of(self.family.main.source.path, arg)
        return replace(arg, span=span, path="")

    def said(self, result: Said) -> Said:
        """A refusal with its place in the file that has it."""
        if not isinstance(result, Refusal) or result.path != self.family.main.source.path:
            return result
        file, span = self.family.placed(result.span)
        return replace(result, path=file.source.path, span=span)

    def _drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        unable = self._unable(arg)
        if unable is not None:
            return unable
        held = _definition(self.family, arg.span)
        if held is not None:
            cut = removal(self.family.whole, held.value, arg.span)
            return [self._rewrite(held, Edit(cut, b""), arg.span.start)]
        return self._placed(self.inner.drop(call, arg))

    def _unable(self, arg: BuildArg) -> Refusal | None:
        path = self.family.main.source.path
        for given in self.inner.line.build_args:
            if given.name != arg.name:
                continue
            flag, value = given.given.flag, given.given.value
            spans = [flag.span] if value is None else [flag.span, value.span]
            if not all(self.text.whole(span) for span in spans):
                return Refusal(
                    f"the flag that passes {arg.name} is put together from several places",
                    path,
                    arg.span,
                    "Write the flag into the recipe, or into a variable, in one piece.",
                )
        held = _definition(self.family, arg.span)
        if held is None:
            return None
        stray = self.strays.get(held.value)
        if stray is not None:
            return Refusal(
                f"$({held.name}) holds the flag and is also used where no build is seen",
                *stray,
                "Use a variable of its own for the build's flags.",
            )
        simple = held.operator in (":=", "::=")
        if simple and self._changes_later(held, arg):
            return Refusal(
                f"$({held.name}) is set once, from a variable that is set again later",
                path,
                arg.span,
                f"Define {held.name} with = or set that variable above it.",
            )
        return None

    def _changes_later(self, held: Assignment, arg: BuildArg) -> bool:
        """Whether the value would be another one if the recipe computed it."""
        data = self.family.whole
        variables = Variables(self.family, ())
        for one in references(data, arg.span):
            for found in variables.assignments(one.name or ""):
                here = found.file is self.family.placed(held.span)[0]
                if not here or found.assignment.targets is not None:
                    return True
                base = self.family.base(found.file.source.path)
                if found.assignment.span.start + base > held.span.start:
                    return True
        return False

    def _placed(self, result: Sequence[Operation] | Refusal) -> Sequence[Operation] | Refusal:
        """What falls into a variable's definition becomes an operation on that definition."""
        if isinstance(result, Refusal):
            return result
        found: list[Operation] = []
        variables = {one.member[1] for one in result if one.verb == "set"}  # type: ignore[index]
        for operation in result:
            data = self.family.whole
            plain = without_commas(data, operation, self._around, variables)
            if plain is None:
                return Refusal(
                    "a comma would end the argument of $(if) in which the flag stands",
                    operation.path,
                    operation.at,
                    "Write the flag into a variable of its own, and name that in $(if).",
                )
            operation = plain
            cuts = operation.value if operation.verb == "remove" else ()
            if not all(self.text.whole(cut.span) for cut in cuts):  # type: ignore[attr-defined]
                return Refusal(
                    "the flag and what stands round it come from different make variables",
                    operation.path,
                    operation.at,
                    "Remove the flag by hand.",
                )
            found += self._place(operation)
        return found

    def _place(self, operation: Operation) -> Iterator[Operation]:
        source = self.family.main.source
        site: ShellSite = operation.site  # type: ignore[assignment]
        edits = list(site.lower(source, [operation]))
        held = [self._held(edit) for edit in edits]
        if not any(held):
            yield operation
            return
        kept = [
            one
            for one in (operation.value if operation.verb == "replace" else ())  # type: ignore[attr-defined]
            if self._held(one) is None
        ]
        if kept:
            yield replace(operation, value=tuple(kept))
        for edit, definition in zip(edits, held, strict=True):
            if definition is not None:
                yield self._rewrite(definition, edit, *operation.order)

    def _rewrite(self, held: Assignment, edit: Edit, *order: int) -> Operation:
        file, at = self.family.placed(held.span)
        base = held.span.start - at.start
        span, value = moved(edit.span, -base), moved(held.value, -base)
        return Operation(
            file.source.path,
            "rewrite",
            ("edit", span, edit.text if span.empty else b""),
            (span, edit.text),
            at,
            (span,),
            order,
            site=DefinitionSite(file.source.path, at, value),
        )

    def _held(self, edit: Edit) -> Assignment | None:
        return _definition(self.family, edit.span)
