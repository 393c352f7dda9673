"""What the tests of YAML callers share: a small tree of files, and every build arg turned into a secret."""

from __future__ import annotations

import difflib
import textwrap
from types import ModuleType

from dockerfix.builders.call import BuildCall
from dockerfix.edits import Fix, Operation, Safety, apply, choose
from dockerfix.finding import Refusal
from dockerfix.source import Source


class Files:
    """As much of a workspace as a builder asks for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.held = files

    def files(self) -> tuple[str, ...]:
        return tuple(self.held)

    def exists(self, path: str) -> bool:
        return path in self.held

    def read(self, path: str) -> bytes:
        return self.held[path]

    def head(self, path: str, size: int = 1024) -> bytes:
        return self.held[path][:size]


def dedent(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def calls(
    kind: ModuleType, path: str, text: str | bytes, others: dict[str, str] | None = None
) -> list[BuildCall]:
    data = text if isinstance(text, bytes) else dedent(text).encode()
    files = {name: dedent(one).encode() for name, one in (others or {}).items()}
    return list(kind.find_calls(path, data, Files({**files, path: data})))


def turned(
    kind: ModuleType,
    path: str,
    data: bytes,
    others: dict[str, bytes] | None = None,
    *,
    names: tuple[str, ...] = (),
    drop: bool = False,
) -> tuple[dict[str, bytes], list[Refusal]]:
    """The files after every build arg (of those names) of every call became a secret, one fix a name."""
    files = {**(others or {}), path: data}
    fixes: dict[str, list[Operation]] = {}
    refusals: list[Refusal] = []
    for call in kind.find_calls(path, data, Files(files)):
        for arg in call.args:
            if names and arg.name not in names:
                continue
            last = call.passes(arg.name)[-1] is arg
            result = call.take_secret(arg, arg.name) if last and not drop else call.drop(arg)
            if isinstance(result, Refusal):
                refusals.append(result)
            else:
                fixes.setdefault(arg.name, []).extend(result)
    made = [
        Fix(name, Safety.SAFE, "none", tuple(dict.fromkeys(ops))) for name, ops in fixes.items()
    ]
    chosen, waiting = choose(made)
    assert not waiting
    changed = apply({name: Source(name, one) for name, one in files.items()}, chosen)
    return {**files, **changed}, refusals


def diff(before: str, after: str) -> str:
    """The lines that go and come, without headers."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))
