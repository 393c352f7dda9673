"""What several places of a YAML file share through anchors: an alias, or a merge and nothing beside.

Says what is left of it once members go; who writes is `yaml_edit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.formats.yaml import DEEPEST, List, Map

if TYPE_CHECKING:
    from dockerfix.formats.yaml import Entry, File, Item, Node
    from dockerfix.source import Span


def merged(file: File, node: Node | None) -> Node | None:
    """What `node` merges if it holds nothing beside: a map or a list of them; None for another."""
    found = file.resolve(node)
    if isinstance(found, Map) and [one.name for one in found.entries] == ["<<"]:
        return found.entries[0].value
    return None


def members(file: File, node: Node | None, depth: int = 0) -> tuple[Entry | Item, ...]:
    """Entries and items that `node` holds: its own, or those of all that it only merges."""
    found, inner = file.resolve(node), merged(file, node)
    if inner is not None and depth < DEEPEST:
        held = file.resolve(inner)
        several = [one.value for one in held.items] if isinstance(held, List) else [inner]
        return tuple(one for each in several for one in members(file, each, depth + 1))
    if isinstance(found, Map):
        return found.entries
    return found.items if isinstance(found, List) else ()


def emptied(file: File, listed: List, gone: set[Span]) -> list[Item]:
    """The items of `listed` of which nothing is left without the members `gone`."""
    held = [(item, members(file, item.value)) for item in listed.items]
    return [item for item, own in held if own and all(one.span in gone for one in own)]
