"""Lists of arguments that stand elsewhere in a workflow: `build-args: ${{ env.ARGS }}`, a value of a
matrix, what an earlier step of the job writes to GITHUB_OUTPUT or GITHUB_ENV.

A list is followed if it is written plainly, line by line, and a line of it goes where it stands.
Knows no action's inputs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.call import BuildArg, Value
from dockerfix.builders.github_scope import inner, normal
from dockerfix.builders.held_flags import Held, shell_use
from dockerfix.finding import Refusal
from dockerfix.formats.yaml import List, Map, Scalar
from dockerfix.formats.yaml_edit import ListSite, MapSite
from dockerfix.formats.yaml_text import ScalarSite
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockerfix.builders.github_actions import ActionStep, Item
    from dockerfix.builders.github_scope import Scope
    from dockerfix.edits import Operation
    from dockerfix.formats.yaml import File, Node

UNKNOWN = "\0"
"""The value of a line that the script computes."""
_BRANCHES = re.compile(
    rb"^[ \t]*(?:if|for|while|until|case|select|function)\b|^[ \t]*[\w-]+[ \t]*\(\)|\|\||&&", re.M
)
_OUTPUT = re.compile(r"steps\.([\w-]+)\.outputs\.([\w-]+)")
_VARIABLE = re.compile(rb"\$(?:\{(\w+)\}|(\w+))")
_ECHO = rb"[ \t]*echo[ \t]+(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s\"'>|;&]+))"
_INTO = rb"[ \t]*>>[ \t]*\"?\$\{?(?:%s)\}?\"?"
_CLOSES = re.compile(rb"[ \t]*\}" + _INTO % rb"GITHUB_(?:OUTPUT|ENV)")


class Line(NamedTuple):
    """One item of a list: `NAME=VALUE` as GitHub has it, and the text of the scalar that says it.
    `single`: it is all that the list holds."""

    name: str
    value: str
    span: Span
    single: bool


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a list stands: the scalar, and under which name the workflow knows it (`env.ARGS`).
    `lines` are its items. `written`: a script writes it, and `step` is the one that runs it."""

    scope: Scope
    name: str
    scalar: Scalar
    lines: tuple[Line, ...]
    written: bool = False
    step: Map | None = None

    def host(self, line: Line) -> Span:
        return self.scalar.projection.host_span(line.span)

    def argument(self, line: Line) -> BuildArg:
        kind = Value.LITERAL if line.value and "${{" not in line.value else Value.TEXT
        filled = bool(line.value) and not line.value.startswith(("${{", UNKNOWN))
        return BuildArg(
            line.name,
            self.host(line),
            Value.TEXT if line.value == UNKNOWN else kind,
            may_be_empty=not filled,
        )

    def reads(self, user: Scalar) -> None:
        """`user` is an input that is the list."""
        uses = self.scope.lists
        if uses is not None:
            uses.reads([Held(self.name, self.scalar, "text")], [user.span])

    def stray(self) -> Refusal | None:
        return self.scope.lists.stray(self.name) if self.scope.lists is not None else None

    def remove(self, line: Line) -> Sequence[Operation] | Refusal:
        """Operations that take the line out of the list."""
        order = self.host(line).start
        if line.value == UNKNOWN:
            return self._refusal(f"the script makes the value of {line.name}")
        stray = self.stray() or self._disagree(line)
        if stray is not None:
            return stray
        file, path = self.scope.file, self.scope.path
        if file.shared(self.scalar):
            return self._refusal("an anchor shares the list with others")
        if not self.written:
            owner = file.owners.get(id(self.scalar))
            if owner is None or not isinstance(owner[0], Map):
                return self._refusal("the list is an item of another list")
            key = next(one.name for one in owner[0].entries if one.value is self.scalar)
            return [MapSite(path, file, owner[0]).move_line(key, line.span, "", b"", order=order)]
        text = self.scalar.text
        start = text.rfind(b"\n", 0, line.span.start) + 1
        end = text.find(b"\n", line.span.end)
        whole = Span(start, len(text) if end < 0 else end + 1)
        if (text[: whole.start] + text[whole.end :]).strip():
            return [ScalarSite(path, self.scalar).change(whole, b"", (order,))]
        return self._without_step(order)

    def said(self, line: Line) -> str:
        """The value as it comes to the step: of alike ones in a matrix, the first."""
        first = next(iter(self.scope.combinations), None)
        if not self.name.startswith("matrix.") or first is None:
            return line.value
        other = _of_matrix(replace(self.scope, matrix=first), self.name)
        named = [one.value for one in other.lines if one.name == line.name] if other else []
        return named[0] if named else line.value

    def _without_step(self, order: int) -> Sequence[Operation] | Refusal:
        file, step = self.scope.file, self.step
        owner = file.owners.get(id(step)) if step is not None else None
        job = _job(file, step) if step is not None else None
        text = file.source.text(job.span) if job is not None else file.source.data
        used = re.findall(rb"\bsteps\." + self._id() + rb"\b", text)
        if step is None or owner is None or not isinstance(owner[0], List) or len(used) > 1:
            return self._refusal("the step does nothing else, and is used elsewhere")
        item = next(one for one in owner[0].items if one.value is step)
        return [ListSite(self.scope.path, file, owner[0]).remove(item, order=order)]

    def _id(self) -> bytes:
        text = self.scope.file.text(self.scope.file.get(self.step, "id")) if self.step else None
        return re.escape((text or "").encode())

    def _disagree(self, line: Line) -> Refusal | None:
        """All values of a matrix must say the same: the step has one list of secrets."""
        if not self.name.startswith("matrix."):
            return None
        for one in self.scope.combinations:
            other = _of_matrix(replace(self.scope, matrix=one), self.name)
            said = [two.value for two in other.lines if two.name == line.name] if other else []
            if [normal(value) for value in said] != [normal(line.value)]:
                return self._refusal(
                    f"other values of the matrix give another {line.name}, or none"
                )
        return None

    def _refusal(self, reason: str) -> Refusal:
        return Refusal(
            reason,
            self.scope.path,
            self.scalar.span,
            "Write the arguments into the step that builds, and run dockerfix again.",
        )


class Listed(NamedTuple):
    """An argument that stands in a list elsewhere: the item under `key` of the step leads there."""

    key: str
    item: Item
    origin: Origin
    line: Line

    def take(self, site: MapSite | None, to: str, text: str) -> Sequence[Operation] | Refusal:
        """The line goes, and `text` comes under `to` of the step (empty: it only goes). With the
        last line of a list goes the item that leads to it."""
        gone, order = self.origin.remove(self.line), self.origin.host(self.line).start
        if isinstance(gone, Refusal) or site is None:
            return gone if isinstance(gone, Refusal) else self.origin._refusal("the step is shared")
        new = text.encode("utf-8", "surrogateescape")
        if self.line.single:
            return [*gone, site.move_line(self.key, self.item.span, to, new, order=order)]
        more = [site.add_line(to, new, after=self.key, order=order)] if to else []
        return [*gone, *more]


def lists(step: ActionStep, name: str) -> dict[Span, Origin]:
    """Items of a list input that stand for lists elsewhere in the file, by their spans."""
    scalar = step.input(name)
    if scalar is None or step.place != "with" or hasattr(step, "names"):
        return {}
    found: dict[Span, Origin] = {}
    for item, span in step.items(name):
        one = origin(step.scope, step.step, item.name) if item.value is None else None
        if one is not None:
            one.reads(scalar)
            found[span] = one
    return found


def listed(step: ActionStep, name: str, arg: BuildArg) -> Listed | None:
    """Where the argument stands, if that is a list elsewhere."""
    items = {span: item for item, span in step.items(name)}
    for span, one in lists(step, name).items():
        for line in one.lines:
            if one.host(line) == arg.span:
                return Listed(step.key(name), items[span], one, line)
    return None


def use(name: str) -> re.Pattern[bytes]:
    """A use of a list anywhere in the workflow."""
    raw = re.escape(name.encode())
    if not name.startswith("env."):
        return re.compile(rb"(?<![\w.-])" + raw + rb"(?![\w-])")
    return shell_use(name[4:])


def origin(scope: Scope, step: Map, text: str) -> Origin | None:
    """The list that an input which is `text` alone stands for; None if it is not plain."""
    said = inner(text)
    found: Origin | None = None
    hit = _OUTPUT.fullmatch(said)
    if hit is not None:
        found = _written(scope, step, said, hit[2], "GITHUB_OUTPUT", hit[1])
    elif said.startswith("env."):
        found = _of_env(scope, step, said)
    elif said.startswith("matrix."):
        found = _of_matrix(scope, said)
    if found is None or not found.lines:
        return None
    return found


def _of_env(scope: Scope, step: Map, said: str) -> Origin | None:
    file, name = scope.file, said[4:]
    if _written(scope, step, said, name, "GITHUB_ENV", "") is not None:
        return _written(scope, step, said, name, "GITHUB_ENV", "")
    written = re.search(rb"\b" + re.escape(name.encode()) + rb"(?:=|<<)", file.source.data)
    if written is not None and b"GITHUB_ENV" in file.source.data:
        return None
    for place in (step, _job(file, step), file.root):
        entry = file.entries(file.get(place, "env")).get(name)
        if entry is not None:
            scalar = entry.value
            return _of_scalar(scope, said, scalar) if isinstance(scalar, Scalar) else None
    return None


def _of_matrix(scope: Scope, said: str) -> Origin | None:
    _, first, *rest = said.split(".")
    node = scope.matrix.get(first)
    found = scope.file.get(node, *rest) if rest else node
    return _of_scalar(scope, said, found) if isinstance(found, Scalar) else None


def _of_scalar(scope: Scope, said: str, scalar: Scalar) -> Origin | None:
    from dockerfix.builders.github_actions import items

    found = tuple(items(scalar.text))
    if any(one.value is None or one.quoted or "${{" in one.name for one in found):
        return None
    lines = [
        Line(
            one.name,
            (one.value or b"").decode("utf-8", "surrogateescape"),
            one.span,
            len(found) == 1,
        )
        for one in found
    ]
    return Origin(scope, said, scalar, tuple(lines))


# -- what a step writes -------------------------------------------------------


def _job(file: File, step: Map) -> Node | None:
    listed = file.owners.get(id(step))
    job = file.owners.get(id(listed[0])) if listed is not None else None
    return job[0] if job is not None else None


def _written(scope: Scope, step: Map, said: str, name: str, into: str, id: str) -> Origin | None:
    """The list `name` that the one step before `step` writes which has the id, or which any has."""
    file = scope.file
    writers = []
    for one in file.items(file.get(_job(file, step), "steps")):
        if one is step:
            break
        script = file.get(one, "run")
        own = file.text(file.get(one, "id"))
        if not isinstance(one, Map) or not isinstance(script, Scalar) or (id and own != id):
            continue
        named = re.search(rb"\b" + re.escape(name.encode()) + rb"(?:=|<<)", script.text)
        if named is not None and into.encode() in script.text:
            writers.append((one, script))
    if len(writers) != 1:
        return None
    writer, script = writers[0]
    shell = file.text(file.get(writer, "shell")) or "bash"
    if file.get(writer, "if") is not None or shell not in ("bash", "sh"):
        return None
    inside = replace(scope, env={}).with_env(file.get(file.root, "env"))
    inside = inside.with_env(file.get(_job(file, step), "env")).with_env(file.get(writer, "env"))
    lines = list(_lines(script.text, name, into, inside))
    # One list, written once, in a script that does the same whatever happens.
    if not lines or any(one is None for one in lines) or _BRANCHES.search(script.text):
        return None
    plain = tuple(one for one in lines if one is not None)
    return Origin(scope, said, script, plain, True, writer)


def _lines(text: bytes, name: str, into: str, scope: Scope) -> Iterator[Line | None]:
    """The items of the list, None for what is not plain."""
    raw = re.escape(name.encode())
    echo = re.compile(_ECHO + rb"(?P<into>" + _INTO % into.encode() + rb")?[ \t]*\r?")
    heredoc = re.compile(
        rb"[ \t]*cat"
        + _INTO % into.encode()
        + rb"[ \t]*<<[ \t]*(?P<q>['\"]?)(?P<end>\w+)(?P=q)[ \t]*\r?"
    )
    begins = len(re.findall(rb"(?<![\w-])" + raw + rb"(?:=|<<)", text))
    if begins != 1:
        yield None
        return
    at, delimiter, quoted, body = 0, b"", False, b""
    found: list[Line | None] = []
    for one in text.splitlines(keepends=True):
        line, start = one.rstrip(b"\r\n"), at
        at += len(one)
        hit = echo.fullmatch(line)
        if body:
            said, offset, single = line, start, quoted
            if line.strip() == body:
                body = b""
                continue
        elif hit is not None:
            kind = next(key for key in ("double", "single", "bare") if hit[key] is not None)
            said, offset, single = hit[kind], start + hit.start(kind), kind == "single"
        else:
            opened = heredoc.fullmatch(line)
            if opened is not None:
                body, quoted = opened["end"], bool(opened["q"])
            elif delimiter and not _CLOSES.fullmatch(line):
                found.append(None)
            continue
        if not delimiter and said.startswith(name.encode() + b"="):
            value = said[len(name) + 1 :]
            item = _item(value, Span(offset, offset + len(said)), single, scope, text)
            yield item._replace(single=True) if item is not None else None
            return
        if not delimiter and said.startswith(name.encode() + b"<<"):
            delimiter = said[len(name) + 2 :].strip()
        elif delimiter and said.strip() == delimiter:
            yield from found
            return
        elif delimiter:
            found.append(_item(said, Span(offset, offset + len(said)), single, scope, text))
    yield None


def _item(said: bytes, span: Span, single: bool, scope: Scope, text: bytes) -> Line | None:
    """`NAME=VALUE` as an expression of GitHub, where the shell puts in what `env:` gives it."""
    name, equals, value = said.partition(b"=")
    if not equals or not re.fullmatch(rb"[A-Za-z_*][\w.*-]*", name.strip()):
        return None
    unknown = False

    def known(hit: re.Match[bytes]) -> bytes:
        nonlocal unknown
        variable = (hit[1] or hit[2]).decode()
        held = scope.env.get(variable)
        assigned = re.search(rb"\b" + variable.encode() + rb"=", text.replace(said, b""))
        if held is None or assigned is not None or "env." in held or "\n" in held:
            unknown = True
            return b""
        return held.encode("utf-8", "surrogateescape")

    pieces = re.split(rb"(\$\{\{.*?\}\})", value)
    made = b"".join(
        one if index % 2 or single else _VARIABLE.sub(known, one)
        for index, one in enumerate(pieces)
    )
    rest = b"".join(_VARIABLE.sub(b"", one) for one in pieces[::2])
    if not single and any(byte in rest for byte in b"$`\\"):
        unknown = True
    # Of a value that is not known the name is known, and it stays where it is.
    shown = UNKNOWN if unknown else made.strip().decode("utf-8", "surrogateescape")
    return Line(name.strip().decode(), shown, span, False)
