"""Services that build a Dockerfile of the root and give the build every variable that they hold
as a build argument (`platforms.toml`). Nothing in the tree says which: a fix tells of them.

Reads no more of their files than where the Dockerfile is. Rewrites nothing.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.mentions import matches
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.workspace import Workspace


class Platform(NamedTuple):
    name: str
    files: tuple[str, ...]
    dockerfile: tuple[bytes, ...]
    builder: bytes
    builds: frozenset[str]
    beside: bool


class Built(NamedTuple):
    """`span` is where the file at `path` names the Dockerfile, or its start."""

    path: str
    span: Span
    platform: str


@cache
def table() -> tuple[Platform, ...]:
    import tomllib
    from importlib.resources import files

    read = tomllib.loads(files("dockerfix.builders").joinpath("platforms.toml").read_text("utf-8"))
    return tuple(
        Platform(
            name=one["name"],
            files=tuple(one["files"]),
            dockerfile=tuple(key.encode() for key in one["dockerfile"]),
            builder=one.get("builder", {}).get("key", "").encode(),
            builds=frozenset(one.get("builder", {}).get("values", ())),
            beside=one.get("beside", False),
        )
        for one in read["platform"]
    )


def built_by_platforms(dockerfile: str, workspace: Workspace) -> Iterator[Built]:
    """The files by which a service builds the Dockerfile."""
    for path in workspace.files():
        for platform in table():
            if any(matches(path, pattern) for pattern in platform.files):
                span = _builds(platform, path, _read(workspace, path), dockerfile)
                if span is not None:
                    yield Built(path, span, platform.name)


def _builds(platform: Platform, path: str, data: bytes, dockerfile: str) -> Span | None:
    folder = posixpath.dirname(path)
    if platform.builder:
        for hit in _values(data, platform.builder):
            if _text(hit).lower() not in platform.builds:
                return None
    named = [hit for key in platform.dockerfile for hit in _values(data, key)]
    for hit in named:
        value = _text(hit).lstrip("/")
        if dockerfile in {posixpath.normpath(value), posixpath.normpath(f"{folder}/{value}")}:
            return Span(*hit.span(1))
    beside = platform.beside and posixpath.join(folder, "Dockerfile") == dockerfile
    return Span(0, 0) if beside and not named else None


def _values(data: bytes, key: bytes) -> Iterator[re.Match[bytes]]:
    pattern = rb"(?m)(?:^|[\s{,\"'])" + re.escape(key) + rb"[\"']?\s*[:=]\s*[\"']([^\"'\n]+)[\"']"
    return re.finditer(pattern, data)


def _text(hit: re.Match[bytes]) -> str:
    return hit[1].decode("utf-8", "replace").strip()


def _read(workspace: Workspace, path: str) -> bytes:
    try:
        return workspace.read(path)
    except Exception:  # who needs this file says why it cannot be read
        return b""
