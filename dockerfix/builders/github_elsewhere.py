"""Workflows and actions of other repositories that get a secret here, and may build with it.

What they do with it is not known: nothing is changed for them. Whoever migrates a variable is told
of each, with the secret, or the input, in which it is given.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.github_scope import tree
from dockerfix.builders.github_unset import quiet
from dockerfix.builders.github_uses import is_build_input
from dockerfix.formats.yaml import Map, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.formats.yaml import File, Node
    from dockerfix.source import Span
    from dockerfix.workspace import Workspace

_BUILDS = re.compile(r"docker|container|image|build", re.I)


class Elsewhere(NamedTuple):
    """`span` is what gives the secret; `why` a clause about it. `likely`: it is given that very
    secret, or every one and what looks like a build."""

    path: str
    span: Span
    why: str
    likely: bool


class _Given(NamedTuple):
    span: Span
    uses: str
    place: str
    key: str
    text: str
    builds: bool


def elsewhere(name: str, workspace: Workspace) -> tuple[Elsewhere, ...]:
    """What may build with the secret `name` in another repository."""
    found: list[Elsewhere] = []
    for path in workspace.files():
        if not path.startswith(".github/workflows/") or not path.endswith((".yml", ".yaml")):
            continue
        try:
            data = workspace.read(path)
        except Exception:  # an unreadable file is told of by whoever reads it as a workflow
            continue
        if b"uses:" in data:
            found += (one for given in _given(path, data) if (one := _one(path, given, name)))
    return tuple(found)


def _one(path: str, given: _Given, name: str) -> Elsewhere | None:
    if given.key == "inherit":
        why = f"`{given.uses}` gets every secret (`secrets: inherit`): if it builds this image with {name}, it has to give it as a secret"
        return Elsewhere(path, given.span, why, given.builds)
    named = re.search(rf"\b(?:secrets|env)\.{re.escape(name)}\b", given.text)
    if not (given.key.lower() == name.lower() or named):
        return None
    if given.place == "with" and not given.builds:
        return None
    why = f"`{given.uses}` gets {name} in `{given.place}: {given.key}`: if it builds this image, it has to give it as a secret"
    return Elsewhere(path, given.span, why, True)


@lru_cache(maxsize=128)
def _given(path: str, data: bytes) -> tuple[_Given, ...]:
    file = tree(path, data)
    found: list[_Given] = []
    for entry in file.entries(file.get(file.root, "jobs")).values():
        job = file.resolve(entry.value)
        found += _of(file, job, "secrets")
        for step in file.items(file.get(job, "steps")):
            found += _of(file, step, "with")
    return tuple(found)


def _of(file: File, user: Node | None, place: str) -> Iterator[_Given]:
    uses = file.text(file.get(user, "uses"))
    if not isinstance(user, Map) or uses is None or "@" not in uses or uses.startswith("./"):
        return
    if place == "with" and uses.partition("/")[0] in quiet():
        return
    inputs = file.entries(file.get(user, "with"))
    builds = _BUILDS.search(uses) is not None or any(map(is_build_input, inputs))
    value = file.get(user, place)
    if isinstance(value, Scalar) and file.text(value) == "inherit":
        yield _Given(value.span, uses, place, "inherit", "", builds)
    for key, entry in file.entries(value).items():
        text = file.text(entry.value)
        if text is not None:
            yield _Given(entry.span, uses, place, key, text, builds)
