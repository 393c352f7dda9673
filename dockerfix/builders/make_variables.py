"""What a make variable is worth in a recipe, and whether the recipe's environment has it.

Knows the Makefile and what it includes (or is included by), not what any recipe does. GNU
make hands a variable to a recipe's environment if it came from the environment or the command
line, or if `export` says so (T31); everything else must be put there.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.formats.make import Assignment, Makefile, Reference, read, references
from dockerfix.formats.make_text import Inline, Known
from dockerfix.globs import fits
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockerfix.builders.call import BuildArg
    from dockerfix.workspace import Workspace

SHELL_SAFE = re.compile(rb"[A-Za-z0-9_./:@%+,=-]*\Z")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_INCLUDES = re.compile(rb"^[ \t]*[-s]?include[ \t]", re.M)
_EVAL = re.compile(rb"\$[({]eval[ \t]+([\w.-]+)[ \t]*(?:::?|[?+!])?=")
_HERE = re.compile(
    rb"\$[({](?:CURDIR|PWD|shell pwd|realpath \.|abspath \.|"
    rb"dir \$[({](?:abspath|realpath) \$[({](?:lastword|firstword) \$[({]MAKEFILE_LIST[)}]+|"
    rb"shell dirname \$[({](?:abspath|realpath) \$[({](?:lastword|firstword) \$[({]MAKEFILE_LIST[)}]+|"
    rb"patsubst %/,%,\$[({]dir \$[({](?:abspath|realpath) \$[({](?:lastword|firstword) \$[({]MAKEFILE_LIST[)}]+)[)}]+\Z"
)
_FLAGS = re.compile(rb"--(?:build-arg|secret)\b")
_QUIET = frozenset(b" \t@+-")
MOST = 8


class Definition(NamedTuple):
    """One assignment and the file that it stands in."""

    file: Makefile
    assignment: Assignment

    @property
    def value(self) -> bytes:
        return self.file.source.text(self.assignment.value)


@dataclass(frozen=True, eq=False)
class Family:
    """A Makefile with everything that make reads together with it, in reading order.

    `unseen`: an include could not be read, or an `$(eval)` is computed. `folder` is where make
    runs, relative to the root. `whole` is the text of `main` with those of the others behind it:
    places in it are what a recipe's text is mapped to.
    """

    main: Makefile
    files: tuple[Makefile, ...]
    unseen: bool
    folder: str

    @cached_property
    def whole(self) -> bytes:
        return b"\n".join(file.source.data for file, _ in self._bases)

    @cached_property
    def _bases(self) -> tuple[tuple[Makefile, int], ...]:
        found, at = [], 0
        for file in (self.main, *(one for one in self.files if one is not self.main)):
            found.append((file, at))
            at += len(file.source.data) + 1
        return tuple(found)

    def base(self, path: str) -> int:
        """Where the text of a file starts in `whole`."""
        return next(base for file, base in self._bases if file.source.path == path)

    def placed(self, span: Span) -> tuple[Makefile, Span]:
        """The file that has a place of `whole`, and the place in it."""
        file, base = next(one for one in reversed(self._bases) if one[1] <= span.start)
        return file, Span(span.start - base, span.end - base)

    def span_of(self, path: str, arg: BuildArg) -> Span:
        """The place in `whole` of an argument of a call in the file at `path`."""
        return moved(arg.span, self.base(arg.path or path))

    @cached_property
    def definitions(self) -> tuple[Assignment, ...]:
        """All assignments, with their places in `whole`."""
        return tuple(
            replace(one, span=moved(one.span, base), value=moved(one.value, base))
            for file, base in self._bases
            for one in file.assignments
        )


def moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)


def is_makefile(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name in ("Makefile", "makefile", "GNUmakefile") or any(
        fits(name, one) for one in ("Makefile.*", "*.mk", "*.mak", "*.make", "*.makefile")
    )


def family(path: str, data: bytes, workspace: Workspace) -> Family:
    """The Makefile at `path`, what includes it, and what those include."""
    main = read(Source(path, data))
    top, folder = main, posixpath.dirname(path)
    name = path.rpartition("/")[2]
    if name.lower() not in ("makefile", "gnumakefile"):
        parent = next(_parents(path, workspace), None)
        if parent is not None:
            top, folder = parent, posixpath.dirname(parent.source.path)
    files: list[Makefile] = []
    unseen = _collect(top, folder, workspace, files)
    if all(one.source.path != path for one in files):
        files.append(main)
    files = [main if one.source.path == path else one for one in files]
    evals = any(len(one.evals) != len(_EVAL.findall(one.source.data)) for one in files if one.evals)
    return Family(main, tuple(files), unseen or evals, folder)


def strangers(found: Family, path: str, workspace: Workspace) -> Iterator[str]:
    """Makefiles outside the family that read the file at `path` as well."""
    known = {one.source.path for one in found.files}
    yield from (
        one.source.path for one in _parents(path, workspace) if one.source.path not in known
    )


def _parents(path: str, workspace: Workspace) -> Iterator[Makefile]:
    name = path.rpartition("/")[2].encode("utf-8", "surrogateescape")
    for other in workspace.files():
        if other == path or not is_makefile(other):
            continue
        data = workspace.read(other)
        if name in data and _INCLUDES.search(data):
            found = read(Source(other, data))
            folder = posixpath.dirname(other)
            if any(path in _included(one.name, found, folder, workspace) for one in found.includes):
                yield found


def _included(name: bytes, file: Makefile, folder: str, workspace: Workspace) -> list[str]:
    """The files that an include names; empty if that is not known."""
    text = _HERE.sub(b".", name)
    for one in references(name, Span(0, len(name))):
        if _HERE.match(name[one.span.start : one.span.end]):
            text = name[: one.span.start] + b"./" + name[one.span.end :]
    if b"$" in text:
        return []
    wanted = text.decode("utf-8", "surrogateescape")
    if "*" in wanted:
        pattern = posixpath.normpath(posixpath.join(folder, wanted))
        return [path for path in workspace.files() if fits(path, pattern)]
    for base in (folder, posixpath.dirname(file.source.path)):
        path = posixpath.normpath(posixpath.join(base, wanted))
        if not path.startswith("../") and workspace.exists(path):
            return [path]
    return []


def _collect(file: Makefile, folder: str, workspace: Workspace, into: list[Makefile]) -> bool:
    unseen = False
    for one in file.includes:
        paths = _included(one.name, file, folder, workspace)
        unseen |= not paths and b"*" not in one.name
        for path in paths:
            if len(into) > 64 or any(path == known.source.path for known in into):
                continue
            try:
                found = read(Source(path, workspace.read(path)))
            except Exception:  # what cannot be read may assign anything
                unseen = True
                continue
            unseen |= _collect(found, folder, workspace, into)
    into.append(file)
    return unseen


class Variables:
    """Variables as the recipes of `family.main` see them. `choice` picks one of several
    definitions by name; `several` counts those that were met."""

    def __init__(self, found: Family, targets: tuple[str, ...]) -> None:
        self.family = found
        self.targets = targets
        self.data = found.whole
        self.choice: dict[str, int] = {}
        self.several: dict[str, int] = {}
        self.used: set[str] = set()
        self.shadowed: frozenset[str] = frozenset()

    # -- the environment ------------------------------------------------------

    def assignments(self, name: str) -> list[Definition]:
        return [
            Definition(file, one)
            for file in self.family.files
            for one in file.assignments
            if one.name == name
        ]

    def in_environment(self, name: str) -> bool:
        """Whether the environment of every recipe holds what `$(name)` is, in one form."""
        if not _IDENTIFIER.match(name) or self.family.unseen or self._evaluated(name):
            return False
        exports = [one for file in self.family.files for one in file.exports]
        if any(
            not one.on and (name in one.names or one.computed or not one.names) for one in exports
        ):
            return False
        found = self.assignments(name)
        if all(one.assignment.operator == "?=" and not one.value.strip() for one in found):
            return True
        exported = (
            any(file.export_all for file in self.family.files)
            or any(name in one.names and not one.condition for one in exports if one.on)
            or all(one.assignment.exported for one in found)
        )
        return exported and all(_survives_the_shell(one) for one in found)

    def _evaluated(self, name: str) -> bool:
        raw = name.encode("utf-8", "surrogateescape")
        return any(
            raw == found for file in self.family.files for found in _EVAL.findall(file.source.data)
        )

    # -- resolving ------------------------------------------------------------

    def resolve(self, one: Reference, before: bytes) -> Inline | Known | None:
        written = self.data[one.span.start : one.span.end]
        if in_value(before):
            return self._environment(one.name) if self._whole_value(one, before) else None
        if _HERE.match(written) and not (one.name and self.assignments(one.name)):
            return Known(b".")
        if one.function == "call":
            return self._called(one)
        if one.function == "if":
            alternative = flags_of(self.data, one)
            return Inline((alternative,)) if alternative is not None else None
        name = one.name
        if name is None:
            return None
        if name == "MAKE":
            return Known(b"make")
        if name == "@" and len(self.targets) == 1 and "%" not in self.targets[0]:
            return Known(self.targets[0].encode("utf-8", "surrogateescape"))
        if self._quiet(one):
            return Known(b"")
        candidates = self.candidates(name)
        if not candidates:
            return self._environment(name)
        if len(candidates) > 1:
            self.several[name] = len(candidates)
        return self._chosen(candidates[self.choice.get(name, 0) % len(candidates)])

    def _whole_value(self, one: Reference, before: bytes) -> bool:
        """Whether the reference is all of the value, where the shell would expand a variable."""
        after = self.data[one.span.end : one.span.end + 1]
        return (
            before.endswith((b"=", b'="'))
            and after in (b"", b" ", b"\t", b"\r", b"\n", b'"', b";", b"&", b"|", b")", b",")
            and before.count(b"'") == 0
        )

    def _environment(self, name: str | None) -> Known | None:
        if name is None or name in self.shadowed or not self.in_environment(name):
            return None
        self.used.add(name)
        return Known(b"${" + name.encode() + b"}")

    def _called(self, one: Reference) -> Inline | None:
        arguments = self.data[one.arguments.start : one.arguments.end]
        name = arguments.partition(b",")[0].strip().decode("utf-8", "surrogateescape")
        candidates = self.candidates(name)
        if len(candidates) != 1:
            return None
        found = self._chosen(candidates[0])
        return found if isinstance(found, Inline) else None

    def _chosen(self, chain: list[Definition]) -> Inline | Known | None:
        if any(one.assignment.operator == "!=" for one in chain):
            return None
        here = self.family.main.source.path
        own = all(one.file.source.path == here for one in chain)
        # What holds flags is followed into other files.
        if own or any(_FLAGS.search(one.value) for one in chain):
            return Inline(
                tuple(
                    moved(one.assignment.value, self.family.base(one.file.source.path))
                    for one in chain
                )
            )
        found = b" ".join(one.value for one in chain)
        return None if b"$" in found or b"\\" in found else Known(found)

    def candidates(self, name: str) -> list[list[Definition]]:
        """The values that a recipe may meet, each as the assignments that make it up."""
        found: list[list[Definition]] = []
        given = self.assignments(name)
        own = [one for one in given if one.assignment.targets is not None]
        for one in [one for one in given if one.assignment.targets is None] + own:
            operator, sure = one.assignment.operator, not one.assignment.condition
            if one.assignment.targets is not None:
                sure &= any(_fits(target, one.assignment.targets) for target in self.targets)
            if operator == "undefine":
                continue
            if operator == "+=":
                found = [[*chain, one] for chain in found] or [[one]]
            elif operator == "?=" and found:
                if all(chain[0].assignment.condition for chain in found):
                    found.append([one])
            elif sure:
                found = [[one]]
            else:
                found.append([one])
        return found[:MOST]

    def _quiet(self, one: Reference) -> bool:
        """Whether it only ever stands for a recipe prefix (`$(Q)docker build`)."""
        data = self.data
        start = data.rfind(b"\n", 0, one.span.start) + 1
        before = data[start : one.span.start]
        if before.strip(b"\t @+-" + bytes([self.family.main.prefix])):
            return False
        found = self.assignments(one.name or "")
        if any(set(definition.value) - _QUIET for definition in found):
            return False
        glued = data[one.span.end : one.span.end + 1] not in (b" ", b"\t", b"", b"\n")
        return glued or any(set(definition.value) & frozenset(b"@+-") for definition in found)


def split(data: bytes, span: Span) -> list[Span]:
    """The arguments of a function, split at its own commas."""
    found, start = [], span.start
    inner = [one.span for one in references(data, span)]
    for hit in re.compile(rb",").finditer(data, span.start, span.end):
        if not any(one.start <= hit.start() < one.end for one in inner):
            found.append(Span(start, hit.start()))
            start = hit.end()
    return [*found, Span(start, span.end)]


def flags_of(data: bytes, one: Reference) -> Span | None:
    """Where the flags stand that `$(if $(X),--build-arg X=$(X))` gives, if it may give no others."""
    pieces = split(data, one.arguments)
    texts = [data[piece.start : piece.end].strip() for piece in pieces]
    if len(texts) < 2 or any(texts[2:]) or not _FLAGS.match(texts[1]):
        return None
    return pieces[1]


def in_value(before: bytes) -> bool:
    """Whether what follows `before` in its word is a value: `NAME=`, `--build-arg=NAME=`."""
    word = re.sub(rb"\A--[\w-]+=", b"", before.lstrip(b"\"'"))
    return b"=" in word


def _survives_the_shell(one: Definition) -> bool:
    """Whether the shell reads the value, put into a command, as the environment has it."""
    value = one.value
    plain = bytearray(value)
    for found in references(value, Span(0, len(value))):
        plain[found.span.start : found.span.end] = b"_" * (found.span.end - found.span.start)
    return one.assignment.operator != "undefine" and SHELL_SAFE.match(bytes(plain)) is not None


def _fits(target: str, patterns: Iterable[str]) -> bool:
    return any(
        target == pattern or ("%" in pattern and fits(target, pattern.replace("%", "*")))
        for pattern in patterns
    )
