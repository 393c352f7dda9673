"""A value that RUNs read from a mounted file and keep, told as if a variable held it.

What keeps a variable's value out of a layer (`persisted`) is asked about the RUN as it would stand
with a variable in the place of `$(cat FILE)`. Each RUN that needs the variable then gets it: from
the mount (`env=`), or by a statement that reads the file where `env=` may not give the same bytes.
A file that is used as a file is not its business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockerfix.edits import Fix, Safety
from dockerfix.model import references
from dockerfix.model.file_secrets import called_like
from dockerfix.model.outputs import spelled
from dockerfix.model.run_taint import run_leaks, with_heredocs
from dockerfix.model.secrets import classify
from dockerfix.model.taint import SHOWN, rows
from dockerfix.rewrite import forms
from dockerfix.rewrite.composite import RUNTIME_NAMES, SHELL_NAMES
from dockerfix.rewrite.mounts import Given, secret_mounts, with_frontend
from dockerfix.rewrite.persisted import Cure, connected, cure
from dockerfix.rewrite.shell_loads import Load, content_of, loads
from dockerfix.shell.words import is_name
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.model.taint import Leak
    from dockerfix.rewrite.forms import Form
    from dockerfix.shell import Assignment, Command, Part, Script, Word
    from dockerfix.syntax.nodes import Run


VALUED = frozenset({"-m", "-o", "-g", "--mode", "--owner", "--group"})
"""Options of `install` that have a value."""


@dataclass(frozen=True, slots=True)
class Told:
    """The secret `id` as the variable `name`: `context` is the Dockerfile with the RUNs `given`
    (by offset) told so. `loads` are their assignments of the variable, `form` is how a RUN without
    one gets it."""

    context: Context
    id: str
    name: str
    form: Form
    given: Mapping[int, Given]
    loads: Mapping[int, Load]
    live: tuple[Run, ...]

    @property
    def first(self) -> Given:
        return next(iter(self.given.values()))


def told(context: Context, run: Run, path: str, place: str = "") -> Told | None:
    """The file at `path`, which `run` reads, as a variable; None where that cannot be told. Of
    copies only those to `place` are told as text that is written."""
    mine = next((it for it in secret_mounts(context) if it.run is run and it.file == path), None)
    if mine is None:
        return None
    given: dict[int, Given] = {}
    for it in secret_mounts(context):
        if it.id == mine.id and it.file and context.reader.posix(it.run) and not it.run.exec_form:
            given.setdefault(it.run.span.start, it)
    paths = {
        leak.path
        for it in given.values()
        for leak in run_leaks(
            context.model, it.run, context.reader.scripts(it.run), "", (it.file or "",)
        )
        if leak.stays
    }
    live = connected(context, next(iter(given.values())).run, paths)
    held = [load for load in loads(context) if load.given.id == mine.id]
    name = variable_of(context, mine, live, held)
    if name is None or run.span.start not in given:
        return None
    assigned = {load.run.span.start: load for load in held if load.name == name}
    scripts = {}
    for one in context.runs:
        start, texts = one.span.start, context.reader.scripts(one)
        whole = with_heredocs(context.model, one) if start in given else None
        texts = (whole,) if whole is not None else texts
        if start in given:
            retold = [
                _retold(text, given[start].file or "", name, assigned.get(start), place)
                for text in texts
            ]
            if None in retold:
                del given[start]
            else:
                texts = tuple(text for text in retold if text is not None)
        scripts[start] = texts
    if run.span.start not in given:
        return None
    return Told(
        context.told(scripts), mine.id, name, _form(context, mine.id, name), given, assigned, live
    )


def variable_of(
    context: Context, given: Given, live: Iterable[Run], held: Iterable[Load] = ()
) -> str | None:
    """The name of a variable for the secret: the one that the RUN reads it into, that a caller
    takes it from, or the id's; None where the RUNs `live` have another use for it."""
    own = [load.name for load in held if load.run is given.run]
    set_already = [it.env for it in secret_mounts(context) if it.id == given.id and it.env]
    names = [*set_already, *(own or [load.name for load in held])]
    if not own:
        for call in (*context.calls, *context.documents):
            sources = [it.source for it in call.secrets if it.id == given.id]
            names += [it.removeprefix("env:") for it in sources if it.startswith("env:")]
        plain = re.sub(r"\W", "_", given.id)
        plain = plain if plain != plain.lower() else plain.upper()
        # Of a file's name a variable may say where the file is: NETRC.
        names += [plain] if classify(plain).secret and not called_like(given.id) else []
        names += [f"{plain}_SECRET"]
    if any(it.kind != "env" for it in context.model.bindings_of(names[0])):
        # `arg-beside-mount` has the argument of that name, and mounts the variable.
        return None
    return next((it for it in names if _free(context, given, it, live, held)), None)


def _free(
    context: Context, given: Given, name: str, live: Iterable[Run], held: Iterable[Load]
) -> bool:
    """Whether a variable of that name is nothing else in the RUNs."""
    if not is_name(name) or not name.isascii() or name in SHELL_NAMES | RUNTIME_NAMES:
        return False
    own = {load.assignment.span for load in held if load.name == name}
    return not any(
        name in context.model.environment(run)
        or any(it.env == name and it.id != given.id for it in run.mounts if it.type == "secret")
        or any(
            it.name == name and it.span not in own and it.value_span is not None
            for text in context.reader.scripts(run)
            for script in (text, *(nested.script for nested in text.nested))
            for it in script.assignments
        )
        for run in live
    )


def _form(context: Context, id: str, name: str) -> Form:
    """A file may end in a line break, which `$(cat FILE)` cuts off and `env=` does not."""
    found, _ = forms.form(context, name, with_frontend(context).env)
    calls = (*context.calls, *context.documents)
    if any(it.id == id and it.source.startswith("file:") for call in calls for it in call.secrets):
        return "file"
    return found


# -- the text with a variable in it ---------------------------------------------------


def reads(script: Script, path: str) -> Iterator[Span]:
    """Where the shell puts in what the file at `path` holds: `$(cat PATH)`, `$(< PATH)`."""
    looks = content_of(re.escape(path.encode("utf-8", "surrogateescape")))
    parts = set(_substitutions(part for command in script.commands for part in _parts(command)))
    for found in looks.finditer(script.text):
        span = Span(found.start(), found.end())
        if span in parts or any(
            "substitution" in it.context and it.name == "cat" and span.contains(it.span)
            for it in script.commands
        ):
            yield span


def _parts(command: object) -> Iterator[Part]:
    for word in command.words:  # type: ignore[attr-defined]
        yield from word.parts


def _substitutions(parts: Iterable[Part]) -> Iterator[Span]:
    for one in parts:
        if one.kind == "command":
            yield one.span
        yield from _substitutions(one.children)


def _retold(script: Script, path: str, name: str, load: Load | None, place: str) -> Script | None:
    """`script` with the variable for the file, and without the assignment that reads it; None
    where that assignment does not hold for all of the text."""
    from dockerfix.shell import read

    changes: list[tuple[Span, bytes]] = []
    gone = None
    if load is not None and load.script is script:
        gone = cut(load)
        if gone is None:
            return None
        changes.append((gone, b" " * (gone.end - gone.start)))
    for span in reads(script, path):
        if gone is None or not gone.contains(span):
            changes.append((span, b"${%s}" % name.encode()))
    changes += _fed(script, path, name)
    changes += _copied(script, path, name, place)
    return read(script.projection.told_as(changes)) if changes else script


def _fed(script: Script, path: str, name: str) -> Iterator[tuple[Span, bytes]]:
    """A login that takes the file on its standard input is told with `echo`."""
    said = b'echo "${%s}"' % name.encode()
    for command in script.commands:
        setting = references.setting(command, command.words[0]) if command.words else None
        if setting is None or not setting.stdin:
            continue
        for redirect in command.redirects[-1:] if not command.in_pipeline else ():
            same = redirect.target is not None and redirect.target.literal == path
            if redirect.operator == "<" and same and len(command.redirects) == 1:
                yield Span(command.span.start, command.span.start), said + b" | "
                yield redirect.span, b" " * (redirect.span.end - redirect.span.start)
        for stages in script.pipelines:
            if len(stages) == 2 and stages[1].contains(command.words[0].span):
                first = [it for it in script.commands if stages[0].contains(it.span)]
                if [it.literal for one in first for it in one.words] == ["cat", path]:
                    yield first[0].span, said


def _written(name: str) -> bytes:
    return b'printf "%%s\\n" "${%s}"' % name.encode()


def as_files(
    one: Told, operations: Iterable[Operation]
) -> tuple[tuple[Operation, ...], frozenset[int]]:
    """`operations` with `cat FILE` where a copy was told as text and moved on, and the RUNs (by
    offset) that only need the file for it."""
    changed, files = [], set()
    said = _written(one.name)
    for it in operations:
        if it.verb == "insert_statement" and isinstance(it.value, bytes) and said in it.value:
            path = (one.first.file or "").encode("utf-8", "surrogateescape")
            value = it.value.replace(said, b"cat " + path)
            if one.name.encode() not in value:
                files.add(it.at.start)
                it = replace(it, value=value)
        changed.append(it)
    return tuple(changed), frozenset(files)


def _copied(script: Script, path: str, name: str, place: str) -> Iterator[tuple[Span, bytes]]:
    """A copy of the file to `place` is told as its text that is written."""
    said = _written(name)
    for command in script.commands:
        to = copied_to(command, path)
        if to is None or spelled(to) != place:
            continue
        if command.name == "cat":
            yield Span(command.words[0].span.start, command.words[-1].span.end), said
        else:
            yield command.span, said + b" > " + to.raw


def cut(load: Load) -> Span | None:
    """The statement that reads the file into the variable, with its operator, and the `export`
    behind it; None where other statements may see the variable without it."""
    script, one = load.script, load.assignment
    start, end = one.span
    command = next((c for c in script.commands if c.span.contains(one.span)), None)
    if one.kind == "export":
        if command is None or len(command.words) != 2:
            return None
        start, end = command.span
    elif one.kind != "plain":
        return None
    around = next((it for it in script.branches if it.contains(one.span)), None)
    if around is not None:
        if not _only_looks(script, around, one.name):
            return None
        start, end = around
    elif (command is not None and set(command.context) - {"substitution"}) or _inside(script, one):
        return None
    name = re.escape(one.name.encode())
    behind = re.compile(rb"\s*(?:&&|;|\n)\s*(?:export\s+" + name + rb"\s*(?:&&|;|\n)\s*)?")
    found = behind.match(script.text, end)
    whole = Span(start, found.end()) if found is not None else None
    if whole is None or any(
        use.name == one.name and use.span.start < whole.end and not whole.contains(use.span)
        for use in script.uses
    ):
        return None
    return whole


def exported(load: Load, whole: Span) -> bool:
    """Whether commands behind the statement have the variable, where the file is there."""
    script, name = load.script, load.name
    inside = any(it.exported and whole.contains(it.span) for it in script.assignments)
    declared = any(
        it.name == name and it.kind == "export" and whole.contains(it.span)
        for it in script.assignments
    )
    return inside or declared or script.exported_at(name, whole.end)


def _only_looks(script: Script, around: Span, name: str) -> bool:
    """Whether an `if` does nothing but to read a file, where it is there, into the variable."""
    inside = [it for it in script.commands if around.contains(it.span)]
    text = script.text[around.start : around.end]
    return (
        b"else" not in text
        and all(
            "substitution" in it.context or it.name in ("[", "[[", "test", "export", "exit")
            for it in inside
        )
        and all(it.name == name for it in script.assignments if around.contains(it.span))
    )


def _inside(script: Script, one: Assignment) -> bool:
    """Whether a statement without a command of its own stands in a branch, a loop or a group."""
    if one.kind != "plain":
        return False
    before = [it for it in script.commands if it.span.end <= one.span.start]
    after = [it for it in script.commands if it.span.start >= one.span.end]
    return bool(after and after[0].context) or bool(before and before[-1].context) or not after


# -- the fix --------------------------------------------------------------------------


def ended_in_file(context: Context, run: Run, path: str, leak: Leak) -> tuple[Told, Cure] | None:
    """What ends `leak` of the file at `path`, which `run` has mounted."""
    one = told(context, run, path, leak.file)
    if one is None:
        return None
    starts = [it for it in one.live if it.span.start in one.given]
    readings = [one.context.reader.reading(it, one.name) for it in starts]
    found = cure(one.context, one.name, readings, one.live)
    at = leak.script.projection.host_span(leak.span).start
    ends = any(
        found.ends(run, it) and it.script.projection.host_span(it.span).start == at
        for reading in readings
        if reading.run is run
        for it in reading.leaks
    )
    return (one, found) if ends else None


def repair_file(context: Context, pass_name: str, one: Told, found: Cure) -> Fix | None:
    """The fix that `found` is part of; None where a RUN cannot get the variable."""
    from dockerfix.rewrite.variable_given import given_variable

    changed, files = as_files(one, found.operations)
    found.operations = list(changed)
    operations = given_variable(context, one, found, files)
    if operations is None:
        return None
    calls = (*context.calls, *context.documents)
    told = any(it.id == one.id for call in calls for it in call.secrets)
    gives = any(isinstance(it.value, bytes) and b",env=" in it.value for it in operations)
    if gives and not told and not one.loads:
        found.say(
            "the secret must not end in a line break, which `$(cat FILE)` cut off and `env=` keeps"
        )
    return Fix(pass_name, Safety.UNSAFE, "none", (*found.operations, *operations))


def copied_to(command: Command, path: str) -> Word | None:
    """Where the command puts the file at `path` as it is: `cp FILE PLACE`, `cat FILE > PLACE`."""
    if command.prefix or command.in_pipeline or not command.words:
        return None
    if command.name == "cat":
        [target] = (
            [it.target for it in command.redirects] if len(command.redirects) == 1 else [None]
        )
        writes = target is not None and command.redirects[0].operator in (">", ">>")
        return target if writes and [it.literal for it in command.words[1:]] == [path] else None
    if command.redirects or command.name not in rows()["whole_copiers"]:
        return None
    plain: list[Word] = []
    rest = iter(command.words[1:])
    for word in rest:
        text = word.literal or ""
        if text in VALUED:
            next(rest, None)
        elif not text.startswith("-"):
            plain.append(word)
    return plain[1] if len(plain) == 2 and plain[0].literal == path else None


def shows_more(context: Context, one: Told, run: Run) -> bool:
    """Whether the RUN would print the variable, or write it, with all others: it had it not."""
    leaks = one.context.reader.reading(run, one.name).every_leak
    return any(
        (leak.kind in SHOWN or leak.kind == "environment-dump") and "every variable" in leak.says
        for leak in leaks
    )


__all__ = ["Told", "ended_in_file", "repair_file", "shows_more", "told", "variable_of"]
