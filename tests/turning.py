"""Turning every call of a file for some variables, as a pass would, and one round of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dockerfix.edits import Fix, Safety, apply, choose
from dockerfix.finding import Refusal
from dockerfix.source import Source
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dockerfix.builders.call import BuildCall


class Builder(Protocol):
    """A module of `dockerfix.builders`."""

    def find_calls(self, path: str, data: bytes, workspace: Workspace) -> Iterable[BuildCall]: ...


def calls_in(builder: Builder, root: Path, files: dict[str, str], path: str) -> list[BuildCall]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    workspace = Workspace(str(root))
    return list(builder.find_calls(path, workspace.read(path), workspace))


def turned(
    builder: Builder,
    root: Path,
    files: dict[str, str],
    path: str,
    names: Iterable[str],
    *,
    drop: bool = False,
    rounds: int = 10,
) -> dict[str, bytes] | Refusal:
    """The new bytes of the files that change, one fix for each name; rounds as the engine's."""
    after: dict[str, bytes] = {}
    for _ in range(rounds + 1):
        fixes = []
        for name in names:
            operations = []
            for call in calls_in(builder, root, files, path):
                for arg in call.passes(name):
                    result = call.drop(arg) if drop else call.take_secret(arg, name)
                    if isinstance(result, Refusal):
                        return result
                    operations += result
            if operations:
                fixes.append(Fix(name, Safety.SAFE, "none", tuple(operations)))
        if not fixes:
            assert after, "no call passes it"
            return after
        chosen, _ = choose(fixes)
        sources = {name: Source(name, text.encode()) for name, text in files.items()}
        after |= apply(sources, chosen)
        files = files | {name: data.decode() for name, data in after.items()}
    raise AssertionError(f"not done after {rounds} rounds")
