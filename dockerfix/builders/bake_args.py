"""Where the arguments of a bake target stand: in `args`, in maps that it puts together, and in an
attribute outside of any block that several targets refer to.

A map that a function makes, or that is a variable, may hold anything. Knows no secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dockerfix.formats.brackets import Group, Member, Merged, Part, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockerfix.builders.bake_files import BakeFile, Target
    from dockerfix.formats.brackets import Node


class Held(NamedTuple):
    """An argument: its member of the map `holder`, which is `args` of `target`, or part of it, and
    stands in `body` of the file at `path`. `tests`: what the condition names under which it counts,
    None without one. `common`: it stands in no target, and others may refer to it."""

    target: Target
    holder: Group
    member: Member
    body: Group
    path: str
    tests: frozenset[str] | None = None
    common: bool = False


def held(layers: Sequence[Target], files: Sequence[BakeFile]) -> dict[str, Held]:
    """The arguments by name, as what decides first in `layers` gives them."""
    found: dict[str, Held] = {}
    for layer in layers:
        for one in reversed(list(_maps(layer, layer.body.get("args"), files))):
            for member in reversed(one.holder.members):
                if member.key:
                    found.setdefault(member.key, one._replace(member=member))
    return found


def computed(node: Node | None, files: Sequence[BakeFile], common: bool = False) -> bool:
    """Whether `args` may hold more than `held` tells."""
    if node is None:
        return common
    for part in _parts(node):
        name = part.node.variable if isinstance(part.node, Text) else None
        if isinstance(part.node, Group):
            continue
        if common or not name or computed(_attribute(name, files), files, True):
            return True
    return False


def _maps(
    target: Target, node: Node | None, files: Sequence[BakeFile], common: bool = False
) -> Iterator[Held]:
    """The maps that `args` is put together of, each as a `Held` of no member."""
    body = target.body
    if common:
        (body,) = (one.body for one in files if one.body and one.source.path == target.path)
    for part in _parts(node) if node is not None else ():
        if isinstance(part.node, Group):
            none = Member(part.span, part.node)
            yield Held(target, part.node, none, body, target.path, part.tests, common)
        elif isinstance(part.node, Text) and part.node.variable and not common:
            found = _attribute(part.node.variable, files)
            own = [one for one in files if one.source.path == target.path and one.body]
            if own and own[0].body and own[0].body.get(part.node.variable) is found:
                yield from _maps(target, found, files, True)


def _parts(node: Node) -> tuple[Part, ...]:
    return node.parts if isinstance(node, Merged) else (Part(node.span, node),)


def _attribute(name: str, files: Sequence[BakeFile]) -> Node | None:
    """The attribute outside of any block, if one file has it."""
    bodies = [one.body for one in files if one.body is not None]
    found = [value for one in bodies if (value := one.get(name)) is not None]
    return found[0] if len(found) == 1 else None
