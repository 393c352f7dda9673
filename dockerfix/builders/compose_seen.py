"""What the rest of the tree says about who reads its compose files.

`docker stack deploy` and kompose refuse `secrets: X: environment:`, compose v1 has no
`build.secrets` (T35). Looks at text by patterns: what is only evidence needs no parsing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

from dockerfix.finding import Refusal
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.workspace import Workspace

BuildKit = Literal["yes", "no", "unknown"]

_STACK = re.compile(
    rb"\b(?:docker[ \t]+stack[ \t]+(?:deploy|up|config)\b|kompose[ \t]+convert\b)[^\n]*"
)
_FILE = re.compile(rb"(?:-c|-f|--compose-file|--file)[= \t]+[\"']?([^\s\"']+)")
_VERSION_ONE = re.compile(
    rb"\bpip3?[ \t]+install\b[^\n]*\bdocker-compose\b|\bdocker/compose:v?1\.|"
    rb"\bcompose/releases/download/v?1\.|\bCOMPOSE_VERSION['\"]?[ \t]*[:=][ \t]*['\"]?v?1\."
)
_OLD_NAME = re.compile(
    rb"(?<![\w/.-])docker-compose(?:[ \t]+-{1,2}[\w-]+(?:[= \t]+(?!build|up|run|create)[^\s-]\S*)?)*"
    rb"[ \t]+(?:build|up|run|create)\b"
)
_CLASSIC = re.compile(rb"DOCKER_BUILDKIT['\"]?[ \t]*[:=][ \t]*['\"]?(?:0|false)\b")


@dataclass(frozen=True)
class Seen:
    """`stacks`: base names of files that something else than compose reads, and where."""

    stacks: dict[str, tuple[str, Span]]
    version_one: tuple[str, Span] | None
    classic: tuple[str, Span] | None
    old_name: tuple[str, Span] | None

    def of(self, path: str) -> tuple[BuildKit, str, Refusal | None]:
        """Whether a build of the compose file at `path` is BuildKit's, why, or a refusal."""
        name = path.rpartition("/")[2]
        stack = self.stacks.get(name)
        if stack is not None:
            return (
                "yes",
                "",
                Refusal(
                    f"{name} is also given to docker stack or kompose, which know no secret from "
                    "the environment",
                    *stack,
                    "Keep the build in a compose file of its own, then run dockerfix again.",
                ),
            )
        if self.version_one is not None:
            return (
                "no",
                "",
                Refusal(
                    "docker-compose v1 is used here, which has no build.secrets",
                    *self.version_one,
                    "Use compose v2 (`docker compose`), then run dockerfix again.",
                ),
            )
        if self.classic is not None:
            return (
                "no",
                "",
                Refusal(
                    "DOCKER_BUILDKIT=0 asks for the classic builder, and compose then has no secrets",
                    *self.classic,
                    "Remove that setting, so that BuildKit builds, and run dockerfix again.",
                ),
            )
        if self.old_name is not None:
            where = f"{self.old_name[0]} calls docker-compose, which may be version 1"
            return "unknown", where, None
        return "yes", "compose v2 builds with BuildKit", None


_known: WeakKeyDictionary[Workspace, Seen] = WeakKeyDictionary()


def seen(workspace: Workspace) -> Seen:
    found = _known.get(workspace)
    if found is None:
        found = _known[workspace] = _look(workspace)
    return found


def _look(workspace: Workspace) -> Seen:
    from dockerfix.builders.mentions import matches, table

    stacks: dict[str, tuple[str, Span]] = {}
    first: dict[str, tuple[str, Span]] = {}
    prose = table().prose
    for path, data in _texts(workspace):
        for hit in _STACK.finditer(data):
            names = _FILE.findall(hit[0]) or [b"docker-compose.yml", b"docker-compose.yaml"]
            for name in names:
                base = name.decode("utf-8", "replace").rpartition("/")[2]
                stacks.setdefault(base, (path, Span(*hit.span())))
        if any(matches(path, pattern) for pattern in prose):
            continue
        patterns = {"one": _VERSION_ONE, "old": _OLD_NAME}
        if b"compose" in data:
            patterns["classic"] = _CLASSIC
        for key, pattern in patterns.items():
            found = pattern.search(data)
            if found is not None:
                first.setdefault(key, (path, Span(*found.span())))
    return Seen(stacks, first.get("one"), first.get("classic"), first.get("old"))


def _texts(workspace: Workspace) -> Iterator[tuple[str, bytes]]:
    for path in workspace.files():
        try:
            data = workspace.read(path)
        except Exception:  # an unreadable file is told of by whoever reads it as a file
            continue
        if b"compose" in data or b"docker stack" in data:
            yield path, data
