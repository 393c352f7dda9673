"""Bake files as their targets and variables, and which files bake reads together.

Knows what stands in a file; what a target builds, and what it passes, is the business of `bake`.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dockerfix.formats.brackets import Group, Member, Node
    from dockerfix.workspace import Workspace

DEFAULTS = (
    "docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl",
)  # fmt: skip


def named(path: str) -> bool:
    """Whether the file at `path` is called as bake files are."""
    name = path.rpartition("/")[2]
    return name.endswith(".hcl") or (name.endswith(".json") and "bake" in name)


class Target(NamedTuple):
    """`body` holds what it says; `head` is where its name stands."""

    name: str
    head: Span
    body: Group
    path: str


@dataclass(frozen=True, eq=False)
class BakeFile:
    """`variables` maps a name to its default: "" for none or an empty one, None if not known. `body`
    holds what stands in no block: attributes that targets refer to."""

    source: Source
    targets: tuple[Target, ...]
    variables: Mapping[str, str | None]
    optional: frozenset[str]
    groups: frozenset[str]
    body: Group | None = None


def read(path: str, data: bytes) -> BakeFile | None:
    """The file's targets and variables; None if it does not parse."""
    source = Source(path, data)
    return _read_json(source) if path.endswith(".json") else _read_hcl(source)


def _read_hcl(source: Source) -> BakeFile | None:
    from dockerfix.formats import hcl

    file = hcl.parse(source)
    if file.errors:
        return None
    targets, grouped = [], set()
    variables: dict[str, str | None] = {one.key: None for one in file.body.members}
    optional = set()
    for block in file.blocks:
        label = block.labels[0] if block.labels else ""
        if block.type == "target" and label:
            targets.append(Target(label, block.head, block.body, source.path))
        elif block.type == "group":
            grouped.update(strings(block.body.get("targets")))
        elif block.type == "variable" and label:
            variables[label] = _default(block.body.get("default"))
            if block.body.get("default") is None:
                optional.add(label)
    optional_names = frozenset(optional)
    return BakeFile(
        source, tuple(targets), variables, optional_names, frozenset(grouped), file.body
    )


def _read_json(source: Source) -> BakeFile | None:
    from dockerfix.formats import json
    from dockerfix.formats.brackets import Group

    file = json.parse(source)
    root = file.root
    if file.errors or not isinstance(root, Group):
        return None
    targets, grouped = [], set()
    variables: dict[str, str | None] = {}
    optional = set()
    for member in members(root.get("target")):
        if isinstance(member.value, Group):
            targets.append(Target(member.key, member.key_span, member.value, source.path))
    for member in members(root.get("group")):
        if isinstance(member.value, Group):
            grouped.update(strings(member.value.get("targets")))
    for member in members(root.get("variable")):
        default = member.value.get("default") if isinstance(member.value, Group) else None
        variables[member.key] = _default(default)
        if default is None:
            optional.add(member.key)
    return BakeFile(source, tuple(targets), variables, frozenset(optional), frozenset(grouped))


def _default(node: Node | None) -> str | None:
    from dockerfix.formats.brackets import Text

    if node is None or (isinstance(node, Text) and node.null):
        return ""
    return node.literal if isinstance(node, Text) else None


def members(node: Node | None) -> tuple[Member, ...]:
    from dockerfix.formats.brackets import Group

    return node.members if isinstance(node, Group) else ()


def strings(node: Node | None) -> list[str]:
    from dockerfix.formats.brackets import Text

    values = (member.value for member in members(node))
    return [one.literal for one in values if isinstance(one, Text) and one.literal is not None]


def beside(path: str, workspace: Workspace) -> Iterator[BakeFile]:
    """The files of the same folder that bake reads together with this one."""
    folder = posixpath.dirname(path)
    names = (posixpath.join(folder, name) for name in DEFAULTS)
    return _each((one for one in names if one != path and workspace.exists(one)), workspace)


def others(own: BakeFile, workspace: Workspace) -> Iterator[BakeFile]:
    """Further files of the folder: `-f` may give them together with this one."""
    folder = posixpath.dirname(own.source.path)
    paths = (
        one
        for one in workspace.files()
        if posixpath.dirname(one) == folder
        and one != own.source.path
        and posixpath.basename(one) not in DEFAULTS
        and named(one)
    )
    return _each(paths, workspace)


def _each(paths: Iterable[str], workspace: Workspace) -> Iterator[BakeFile]:
    for path in paths:
        try:
            found = read(path, workspace.read(path))
        except Exception:  # an unreadable file is told of by whoever reads it as a file
            continue
        if found is not None:
            yield found
