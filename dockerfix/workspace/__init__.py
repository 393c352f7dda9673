"""The one reader and writer of files: `Workspace`, rooted at one folder.

Paths are relative to the root, with forward slashes; nothing outside the root is read or
written, wherever a symlink leads. An overlay gives files other bytes without touching the
disk. This module knows which files are named like Dockerfiles, and of a page or of code that has
such a name whether it begins as one; else not what is in any file.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from dockerfix.workspace.roots import (
    find_root,
    is_root,
    looks_like_dockerfile,
    may_be_other,
    starts_a_build,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LIMIT",
    "Unreadable",
    "Workspace",
    "WriteError",
    "find_root",
    "looks_like_dockerfile",
]

LIMIT = 16 * 1024 * 1024
"""Files of more bytes are not read: no file that starts or describes a build is that big."""

NEVER_WALKED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".tox", ".venv"})
BINARY = frozenset(
    {
        "7z", "a", "avif", "bin", "bmp", "bz2", "class", "dll", "dylib", "eot", "exe", "gif",
        "gz", "ico", "jar", "jpeg", "jpg", "lz4", "mkv", "mov", "mp3", "mp4", "o", "otf", "pdf",
        "png", "pyc", "pyd", "pyo", "rar", "so", "tar", "tgz", "tif", "tiff", "ttf", "war",
        "wasm", "wav", "webm", "webp", "whl", "woff", "woff2", "xz", "zip", "zst",
    }
)  # fmt: skip


class Unreadable(Exception):  # noqa: N818
    """A file that cannot be read: which, why, and what to do about it."""

    def __init__(self, path: str, message: str, help: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message
        self.help = help


class WriteError(Exception):
    """Nothing was written, or everything was put back; `path` is the file that was in the way."""

    def __init__(self, path: str, message: str, help: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message
        self.help = help


class Workspace:
    """The files below `root` (any path to a folder), with `overlay` bytes for some of them."""

    def __init__(self, root: str, overlay: Mapping[str, bytes] | None = None) -> None:
        self.root = os.path.realpath(root)
        self._overlay: dict[str, bytes] = dict(overlay or {})
        self._cache: dict[str, bytes] = {}
        self._embedded: dict[str, bytes] = {}
        self._listing: _Listing | None = None
        self._folders_inside: dict[str, bool] = {}

    def __repr__(self) -> str:
        return f"Workspace({self.root!r}, {len(self._overlay)} overlaid)"

    def overlay(self, changes: Mapping[str, bytes]) -> Workspace:
        """The same files, with the bytes of `changes` instead of what is on disk."""
        found = Workspace(self.root, {**self._overlay, **changes})
        found._cache = self._cache
        if self._listing is not None and all(path in self._listing.known for path in changes):
            found._listing = self._listing
        return found

    def embed(self, path: str, data: bytes) -> None:
        """Let `data`, which stands inside a file, be read as `path`. It is in no listing."""
        self._embedded[path] = data

    @property
    def overlaid(self) -> Mapping[str, bytes]:
        return self._overlay

    def relative(self, path: str) -> str | None:
        """The root-relative form of a path of this machine; None if it lies outside the root.

        The folder that holds the file is resolved, its own name is not: a symlink is known by
        its own path.
        """
        folder, name = os.path.split(os.path.abspath(path))
        real = os.path.join(os.path.realpath(folder), name) if name else os.path.realpath(folder)
        if real == self.root:
            return ""
        prefix = self.root.rstrip(os.sep) + os.sep
        if not real.startswith(prefix):
            return None
        return real[len(prefix) :].replace(os.sep, "/")

    def absolute(self, path: str) -> str:
        return os.path.join(self.root, *path.split("/")) if path else self.root

    def canonical(self, path: str) -> str:
        """`path` with every symlink followed, as long as that stays in the root."""
        if path in self._embedded:
            return path
        found = self.relative(os.path.realpath(self.absolute(path)))
        return path if found is None else found

    def inside(self, path: str) -> bool:
        """Whether `path`, with every symlink followed, lies in the root."""
        return self.relative(os.path.realpath(self.absolute(path))) is not None

    def _within(self, path: str) -> bool:
        """`inside`, with the folders that were asked for once remembered."""
        folder, _, name = path.rpartition("/")
        if name in ("", ".", "..") or os.path.islink(self.absolute(path)):
            return self.inside(path)
        found = self._folders_inside.get(folder)
        if found is None:
            found = self._folders_inside[folder] = self.inside(folder)
        return found

    def exists(self, path: str) -> bool:
        """Whether `path` is a file that could be read (a folder is not)."""
        if path in self._overlay or path in self._embedded:
            return True
        return os.path.isfile(self.absolute(path)) and self._within(path)

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(self.absolute(path)) and self._within(path)

    def read(self, path: str) -> bytes:
        """The bytes of a file, read from disk once. Raises Unreadable with what to do."""
        if path in self._overlay:
            return self._overlay[path]
        if path in self._embedded:
            return self._embedded[path]
        if path not in self._cache:
            self._cache[path] = self._load(path)
        return self._cache[path]

    def original(self, path: str) -> bytes | None:
        """The bytes of a file that is to be written; None where there is none yet."""
        there = path in self._overlay or os.path.lexists(self.absolute(path))
        return self.read(path) if there else None

    def head(self, path: str, size: int = 1024) -> bytes:
        """The first bytes of a file, without keeping the rest; empty if it cannot be read."""
        known = self._overlay.get(path, self._cache.get(path))
        if known is not None:
            return known[:size]
        # What the walk found is a file of the root itself; to resolve each path again costs most.
        listed = self._listing is not None and path in self._listing.known
        if not listed and not self._within(path):
            return b""
        try:
            with open(self.absolute(path), "rb") as file:
                return file.read(size)
        except OSError:
            return b""

    def _load(self, path: str) -> bytes:
        name = self.absolute(path)
        if not self._within(path):
            raise Unreadable(
                path,
                f"it leads to {os.path.realpath(name)}, outside the root {self.root}",
                "name the file it leads to, or run dockerfix where both lie in one root",
            )
        try:
            found = os.stat(name)
            if stat.S_ISDIR(found.st_mode):
                raise Unreadable(
                    path, "it is a folder, not a file", "rename it, or name a file in it"
                )
            if not stat.S_ISREG(found.st_mode):
                raise Unreadable(path, "it is not a regular file", "name a regular file")
            if found.st_size > LIMIT:
                raise Unreadable(
                    path,
                    f"it has {found.st_size} bytes, and dockerfix reads files up to {LIMIT}",
                    "exclude it in the configuration (`exclude`), or make it smaller",
                )
            with open(name, "rb") as file:
                return file.read()
        except FileNotFoundError:
            if os.path.islink(name):
                raise Unreadable(
                    path,
                    f"it is a symlink to {os.readlink(name)}, which does not exist",
                    "repair or remove the symlink",
                ) from None
            raise Unreadable(path, "there is no such file", "check the path") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Unreadable(
                path, f"it cannot be read: {reason}", "check its permissions"
            ) from None

    def files(self) -> tuple[str, ...]:
        """Every file below the root that may be text and that git does not ignore, sorted.

        Hidden folders are walked, `.git` and installed packages are not, and neither are
        folders that are roots of their own. A symlink to a file of the root is left out: the
        file is listed under its own name.
        """
        return self._listed().files

    def ignored_files(self) -> tuple[str, ...]:
        """Files that git ignores, in folders that it does not ignore."""
        return self._listed().ignored

    def nested_roots(self) -> tuple[str, ...]:
        """Folders below the root that are roots of their own."""
        return self._listed().roots

    def closed_folders(self) -> tuple[str, ...]:
        """Folders that could not be looked into."""
        return self._listed().closed

    def ignored(self, path: str) -> bool:
        """Whether a `.gitignore` of the root (or of the git work tree around it) names `path`."""
        return self._listed().ignore.ignored(path)

    def dockerfiles(self, folder: str = "") -> tuple[str, ...]:
        """What is named like a Dockerfile below `folder`, sorted: also folders, broken symlinks
        and symlinks out of the root, which nobody can read and somebody should hear of."""
        prefix = folder.rstrip("/") + "/" if folder else ""
        named = [path for path in self.files() if self._named_like_one(path)]
        listed = self._listed()
        return tuple(sorted(one for one in (*named, *listed.odd) if one.startswith(prefix)))

    def _named_like_one(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        if not looks_like_dockerfile(name):
            return False
        if not may_be_other(name):
            return True
        try:
            return starts_a_build(self.read(path))
        except Unreadable:
            return True

    def write(self, changes: Mapping[str, bytes]) -> None:
        """Replace the bytes of every file of `changes`, or of none. Raises WriteError.
        A file that is not there is made.

        Each file must still be as this workspace read it, and this workspace goes on showing
        what it read: offsets in findings count in those bytes.
        """
        from dockerfix.workspace.journal import staged_write

        staged_write(self, {path: (self.original(path), data) for path, data in changes.items()})

    def recover(self) -> str:
        """Finish or put back what a killed run left behind; says what was done, "" for nothing."""
        from dockerfix.workspace.journal import NAME, recover

        return recover(self) if os.path.lexists(os.path.join(self.root, NAME)) else ""

    def _listed(self) -> _Listing:
        if self._listing is None:
            self._listing = _Listing(self)
        return self._listing


class _Listing:
    """One walk over the root."""

    def __init__(self, workspace: Workspace) -> None:
        from dockerfix.workspace.gitignore import Ignore

        self.ignore = Ignore(workspace.root)
        found: list[str] = [path for path in workspace.overlaid if not self.ignore.ignored(path)]
        ignored: list[str] = []
        roots: list[str] = []
        odd: list[str] = []
        closed: list[str] = []
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                entries = sorted(os.scandir(workspace.absolute(folder)), key=lambda one: one.name)
            except OSError:
                closed.append(folder)
                continue
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if entry.name in NEVER_WALKED or self.ignore.matches(path, folder=True):
                        continue
                    if is_root(entry.path):
                        roots.append(path)
                        continue
                    waiting.append(path)
                    if entry.name in ("Dockerfile", "Containerfile"):
                        odd.append(path)
                elif not is_text_name(entry.name):
                    continue
                elif self.ignore.matches(path, folder=False):
                    ignored.append(path)
                elif entry.is_file(follow_symlinks=False):
                    found.append(path)
                elif looks_like_dockerfile(entry.name) and not entry.is_dir():
                    readable = os.path.isfile(entry.path) and workspace.inside(path)
                    if not readable:
                        odd.append(path)
        self.files = tuple(sorted(set(found)))
        self.ignored = tuple(sorted(ignored))
        self.roots = tuple(sorted(roots))
        self.odd = tuple(odd)
        self.closed = tuple(sorted(closed))
        self.known = frozenset(self.files)


def is_text_name(name: str) -> bool:
    return name.rpartition(".")[2].lower() not in BINARY and not name.startswith(".dockerfix-")
