"""What an expression `${{ }}` of a GitHub workflow or action may be, as far as the tree tells.

Workflow, job and step give env, matrix and inputs; callers in the same root give inputs of
reusable workflows and local actions. Knows nothing of builds.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from dockerfix.formats.yaml import File, List, Map, Node, Scalar, parse
from dockerfix.shell.values import SCRIPT_DIR, WORK_TREE
from dockerfix.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockerfix.builders.held_flags import Uses
    from dockerfix.workspace import Workspace

EXPRESSION = re.compile(rb"\$\{\{.*?\}\}", re.S)
_TEXT = re.compile(r"\$\{\{(.*?)\}\}", re.S)
_NAME = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*|[A-Za-z_]\w*\[\s*'[^']*'\s*\]")
MOST = 64
DEEPEST = 4

Values = frozenset[str] | None


@lru_cache(maxsize=512)
def tree(path: str, data: bytes) -> File:
    return parse(Source(path, data))


def inner(expression: str) -> str:
    """`secrets.X` of `${{ secrets.X }}`; empty if the text is not exactly one expression."""
    found = _TEXT.fullmatch(expression.strip())
    return found[1].strip() if found else ""


def normal(text: str) -> str:
    """Texts that GitHub evaluates alike are alike."""
    return _TEXT.sub(lambda hit: "${{ " + hit[1].strip() + " }}", text.strip())


@dataclass(frozen=True, eq=False)
class Scope:
    """`env` holds the texts of the variables that are set here, by name; `matrix` one combination
    (None: known to exist, not known what). `use` is the one who uses this file, where that is
    known; `depth` how many files the question came through. `uses`: where the variables of this
    file are used that hold flags of a build; `lists` the same for lists of arguments;
    `combinations` are all of the job's matrix."""

    file: File
    workspace: Workspace | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    matrix: Mapping[str, Node | None] = field(default_factory=dict)
    use: Use | None = None
    depth: int = 0
    uses: Uses | None = None
    lists: Uses | None = None
    combinations: tuple[Mapping[str, Node | None], ...] = ()

    @property
    def path(self) -> str:
        return self.file.source.path

    def with_env(self, node: Node | None) -> Scope:
        found = {
            name: text
            for name, entry in self.file.entries(node).items()
            if (text := self.file.text(entry.value)) is not None
        }
        return replace(self, env={**self.env, **found})

    def values(self, text: str | None) -> Values:
        """Everything that a text with expressions may be; None if that cannot be told."""
        if text is None:
            return None
        pieces: list[Values] = []
        at = 0
        for hit in _TEXT.finditer(text):
            pieces += (frozenset({text[at : hit.start()]}), self._expression(hit[1].strip()))
            at = hit.end()
        pieces.append(frozenset({text[at:]}))
        if any(piece is None for piece in pieces):
            return None
        found = frozenset("".join(one) for one in product(*(piece for piece in pieces if piece)))
        return found if len(found) <= MOST and all(pieces) else None

    def known(self, expression: bytes) -> bytes | None:
        """The one value that an expression has here."""
        found = self.values(expression.decode("utf-8", "surrogateescape"))
        if found is None or len(found) != 1:
            return None
        return next(iter(found)).encode("utf-8", "surrogateescape")

    def _expression(self, said: str) -> Values:
        found: set[str] = set()
        alternatives = said.split("||")
        for index, one in enumerate(alternatives):
            values = self._name(one.strip())
            if values is None:
                return None
            last = index == len(alternatives) - 1
            found |= {value for value in values if value or last}
            if "" not in values:
                break
        return frozenset(found)

    def _name(self, said: str) -> Values:
        if re.fullmatch(r"'[^']*'", said):
            return frozenset({said[1:-1]})
        if not _NAME.fullmatch(said):
            return None
        said = re.sub(r"\[\s*'([^']*)'\s*\]", r".\1", said)
        context, _, name = said.partition(".")
        if said == "github.workspace":
            return frozenset({WORK_TREE})
        if said == "github.action_path":
            return frozenset({SCRIPT_DIR})
        if context == "matrix":
            return self._matrix(name)
        if context == "env":
            text = self.env.get(name)
            return self.values(text) if text is not None and f"env.{name}" not in text else None
        if context == "inputs" or said.startswith("github.event.inputs."):
            return self._inputs(name.removeprefix("event.inputs."))
        return None

    def _matrix(self, name: str) -> Values:
        first, *rest = name.split(".")
        node = self.matrix.get(first)
        if node is None:
            computed = first in self.matrix or "*" in self.matrix
            return None if computed else frozenset({""})
        text = self.file.text(self.file.get(node, *rest))
        return None if text is None or "matrix." in text else self.values(text)

    def _inputs(self, name: str) -> Values:
        declared = self._declared(name)
        if declared is None or self.depth > DEEPEST:
            return None
        default = self.file.text(self.file.get(declared, "default"))
        uses = uses_of(self.path, self.workspace) if self.workspace is not None else ()
        if self.use is not None:
            uses = (self.use,)
        if not uses:
            return None if default is None or "${{" in default else frozenset({default})
        found: set[str] = set()
        for use in uses:
            given = use.scope.file.get(use.user, "with")
            text = use.scope.file.text(use.scope.file.get(given, name))
            if text is None and name in use.scope.file.entries(given):
                return None
            values = replace(use.scope, depth=self.depth + 1).values(
                (default or "") if text is None else text
            )
            if values is None:
                return None
            found |= values
        return frozenset(found)

    def _declared(self, name: str) -> Node | None:
        root = self.file.root
        for place in (
            ("inputs",),
            ("on", "workflow_call", "inputs"),
            ("on", "workflow_dispatch", "inputs"),
        ):
            found = self.file.get(root, *place, name)
            if found is not None:
                return found
        return None


class Use(NamedTuple):
    """A step or a job (`user`) that uses a workflow or an action of the same root."""

    scope: Scope
    user: Map


_uses: WeakKeyDictionary[Workspace, dict[str, list[Use]]] = WeakKeyDictionary()


def uses_of(path: str, workspace: Workspace) -> Sequence[Use]:
    """Who in this root uses the reusable workflow or action at `path`, once for each combination
    of a matrix."""
    if workspace not in _uses:
        found: dict[str, list[Use]] = {}
        for use in _all_uses(workspace):
            said = use.scope.file.text(use.scope.file.get(use.user, "uses")) or ""
            found.setdefault(posixpath.normpath(said), []).append(use)
        _uses[workspace] = found
    return _uses[workspace].get(path if "/workflows/" in path else posixpath.dirname(path), ())


def _all_uses(workspace: Workspace) -> Iterator[Use]:
    for path in workspace.files():
        if not is_github(path):
            continue
        try:
            data = workspace.read(path)
        except Exception:  # an unreadable file is told of by whoever reads it as a file
            continue
        if b"uses:" not in data or b"./" not in data:
            continue
        file = tree(path, data)
        whole = Scope(file, workspace).with_env(file.get(file.root, "env"))
        yield from _used_in(whole, file.get(file.root, "runs"))
        for entry in file.entries(file.get(file.root, "jobs")).values():
            job = file.resolve(entry.value)
            scope = whole.with_env(file.get(job, "env"))
            for one in combinations(file, file.get(job, "strategy")):
                yield from _used_in(replace(scope, matrix=one), job)


def _used_in(scope: Scope, place: Node | None) -> Iterator[Use]:
    for user in (place, *scope.file.items(scope.file.get(place, "steps"))):
        said = scope.file.text(scope.file.get(user, "uses"))
        if isinstance(user, Map) and said is not None and said.startswith("./"):
            yield Use(scope.with_env(scope.file.get(user, "env")), user)


def is_github(path: str) -> bool:
    name = path.rpartition("/")[2]
    if name in ("action.yml", "action.yaml"):
        return True
    folders = path.split("/")[:-1]
    return folders[-2:] == [".github", "workflows"] and name.endswith((".yml", ".yaml"))


def combinations(file: File, strategy: Node | None) -> tuple[Mapping[str, Node | None], ...]:
    """The combinations of a matrix. What is computed in it is None in all of them, under `*` where
    not even its name is known."""
    matrix = file.get(strategy, "matrix")
    if file.text(matrix) is not None:
        return ({"*": None},)
    entries = file.entries(matrix)
    axes: dict[str, list[Node | None]] = {}
    for name, entry in entries.items():
        if name in ("include", "exclude"):
            continue
        value = file.resolve(entry.value)
        axes[name] = list(file.items(value)) if isinstance(value, List) else [None]
    found: list[dict[str, Node | None]] = [
        dict(zip(axes, one, strict=True)) for one in product(*axes.values())
    ]
    if len(found) > MOST or file.text(file.get(matrix, "include")) is not None:
        return ({"*": None},)
    for item in file.items(file.get(matrix, "include")):
        given = {name: file.resolve(entry.value) for name, entry in file.entries(item).items()}
        same = [one for one in found if _fits(file, one, given, axes)]
        for one in same:
            one.update(given)
        if not same or not axes:
            found.append(given)
    if not axes and len(found) > 1:
        found = [one for one in found if one]
    return tuple(found) or ({},)


def _fits(
    file: File,
    one: Mapping[str, Node | None],
    given: Mapping[str, Node | None],
    axes: Iterable[str],
) -> bool:
    """Whether an `include` only adds to a combination."""
    own = [name for name in given if name in axes]
    return bool(axes) and all(_same(file, one.get(name), given[name]) for name in own)


def _same(file: File, one: Node | None, two: Node | None) -> bool:
    one, two = file.resolve(one), file.resolve(two)
    if isinstance(one, Scalar) and isinstance(two, Scalar):
        return one.text == two.text
    return one is two


__all__ = [
    "EXPRESSION",
    "Scope",
    "Use",
    "combinations",
    "inner",
    "is_github",
    "normal",
    "tree",
    "uses_of",
]
