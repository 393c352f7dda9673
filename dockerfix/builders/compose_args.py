"""The arguments of one build in a compose file: where each is written, and what it passes.

A map or a list, anchors and merge keys followed. Knows no service and no other file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.builders import compose_text
from dockerfix.builders.call import BuildArg, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.builders.compose_dialect import Held
    from dockerfix.formats.yaml import Entry, File, Node

DEEPEST = 24


def places(file: File, build: Node | None) -> Iterator[tuple[str, Held]]:
    """Name and place of each argument in the build's `args`, anchors and merges followed."""
    from dockerfix.builders.compose_dialect import Held
    from dockerfix.formats.yaml import List, Map

    entry = file.entries(build).get("args")
    if entry is None or build is None:
        return
    held, holder = file.resolve(entry.value), file.owners[id(entry.key)][0]
    assert isinstance(holder, Map)
    if isinstance(held, Map):
        for name, one in file.entries(held).items():
            owner = file.owners.get(id(one.key))
            if owner is not None and isinstance(owner[0], Map):
                yield name, Held(file, owner[0], one, holder, build)
    elif isinstance(held, List):
        for item in held.items:
            text = file.text(item.value)
            if text:
                yield text.partition("=")[0], Held(file, held, item, holder, build)


def texts(file: File, node: Node | None, but: set[int], depth: int = 0) -> Iterator[str]:
    """Every scalar below `node`, aliases followed, without those of the entries `but`."""
    from dockerfix.formats.yaml import List, Map, Scalar

    found = file.resolve(node)
    if depth > DEEPEST or found is None:
        return
    if isinstance(found, Scalar):
        yield found.value
    elif isinstance(found, Map | List):
        members = found.entries if isinstance(found, Map) else found.items
        for one in members:
            if id(one) not in but:
                yield from texts(file, one.value, but, depth + 1)


def argument(file: File, member: Entry | object) -> BuildArg:
    """What an entry of a map or an item of a list passes."""
    from dockerfix.formats.yaml import Entry, Item, Scalar

    if isinstance(member, Entry):
        value = file.resolve(member.value)
        name = member.name
        bare = value is None or (isinstance(value, Scalar) and value.null)
        text = file.text(value) or ""
    else:
        assert isinstance(member, Item)
        name, equals, text = (file.text(member.value) or "").partition("=")
        bare = not equals
    if bare:
        return BuildArg(name, member.span, Value.ENVIRONMENT, name, True, False)
    variable = compose_text.one_variable(text)
    if variable is not None:
        return BuildArg(name, member.span, Value.ENVIRONMENT, variable, True)
    needed = compose_text.required(text)
    if needed is not None:
        filled = compose_text.parts(text)[0].operator == ":?"
        return BuildArg(name, member.span, Value.ENVIRONMENT, needed, True, True, not filled)
    literal = compose_text.literal(text)
    if literal is not None:
        return BuildArg(name, member.span, Value.LITERAL, None, False, True, not literal)
    filled = any(
        (one.text or one.operator in (":?", "?")) or (one.operator == ":-" and one.word)
        for one in compose_text.parts(text)
    )
    return BuildArg(name, member.span, Value.TEXT, None, False, True, not filled)
