"""Variables of a Taskfile that hold flags of a build: `vars:`, put in as text, and `env:`.

Held is one that is set in one place, from variables that are the same there as in the command.
What `sh:` computes, and what tasks hand to one another, is not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.builders.held_flags import Held, Uses, holding, unquoted
from dockerfix.formats.yaml import Map, Scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockerfix.formats.yaml import File, Node
    from dockerfix.workspace import Workspace

_ALONE = re.compile(rb"\{\{-?\s*\.([A-Za-z_]\w*)\s*-?\}\}")
_NAMED = re.compile(rb"\{\{[^}]*\}\}")
_TASKFILE = re.compile(r"[Tt]askfile[\w.-]*\.ya?ml")


def put_in(held: list[Held]) -> Callable[[bytes, bytes], bytes | None]:
    """What the shell is shown for an expression: the flags that it stands for."""
    names = {one.name.encode() for one in held if one.form == "text"}

    def known(expression: bytes, before: bytes) -> bytes | None:
        hit = _ALONE.fullmatch(expression)
        if hit is None or hit[1] not in names or not unquoted(before):
            return None
        return b'"${' + hit[1] + b'[@]}"'

    return known


def use(name: str) -> re.Pattern[bytes]:
    """A use in a template, or in the shell."""
    raw = re.escape(name.encode())
    return re.compile(rb"\{\{[^}]*\." + raw + rb"\b|\$\{?" + raw + rb"\b")


class TaskFlags:
    """The variables of one Taskfile; `uses` tells of those that were read."""

    def __init__(self, file: File, workspace: Workspace) -> None:
        self.file = file
        path = file.source.path
        self.uses = Uses(path, file.source.data, use, workspace)
        self.others = [
            workspace.read(other)
            for other in workspace.files()
            if other != path and _TASKFILE.fullmatch(other.rpartition("/")[2])
        ]

    def of(self, task: Node | None) -> list[Held]:
        """What holds flags for the commands of `task`."""
        found: list[Held] = []
        names: set[str] = set()
        for key in ("vars", "env"):
            texts: dict[str, Scalar] = {}
            for place in (self.file.root, task):
                for name, entry in self.file.entries(self.file.get(place, key)).items():
                    texts.pop(name, None)
                    value = self.file.resolve(entry.value)
                    if isinstance(value, Scalar):
                        texts[name] = value
            for name in holding({key: one.text for key, one in texts.items()}, use):
                one = Held(name, texts[name], "text" if key == "vars" else "literal")
                if one.usable and name not in names and self._certain(one, texts):
                    found.append(one)
                    names.add(name)
        return found

    def _certain(self, held: Held, texts: Mapping[str, Scalar]) -> bool:
        """Whether the text is what the command gets, and means there what it means here."""
        own = re.compile(rb"\b" + re.escape(held.name.encode()) + rb"\b")
        if self._set(held.name) != 1 or any(own.search(other) for other in self.others):
            return False
        if held.form == "literal" and b"$" in _NAMED.sub(b"", held.scalar.text):
            return False
        for hit in _NAMED.finditer(held.scalar.text):
            for raw in re.findall(rb"\.([A-Za-z_]\w*)", hit[0]):
                name = raw.decode()
                times = self._set(name)
                above = name in texts and texts[name].span.start < held.scalar.span.start
                if times > 1 or (times == 1 and not above and not self._shared(name, held)):
                    return False
        return True

    def _shared(self, name: str, held: Held) -> bool:
        """Whether `vars:` of the file set it, above what stands in `held`."""
        entry = self.file.entries(self.file.get(self.file.root, "vars")).get(name)
        return entry is not None and entry.span.start < held.scalar.span.start

    def _set(self, name: str) -> int:
        """How many maps of the file have a key of that name under `vars:` or `env:`."""
        count = 0
        for node in self.file.every():
            if isinstance(node, Map):
                for key in ("vars", "env"):
                    entry = node.entry(key)
                    held = entry.value if entry is not None else None
                    count += isinstance(held, Map) and held.entry(name) is not None
        return count
