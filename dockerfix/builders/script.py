"""Shell scripts that start builds: any shebang of a shell, and files named like scripts.

Reads the script with `shell`, leaves what a call means to `command_line` and how it changes
to `shell_dialect`. Knows where a sourced file is sought, not what a Dockerfile is.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from dockerfix.builders.command_line import mentions_build

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.builders.call import BuildCall
    from dockerfix.shell import State
    from dockerfix.workspace import Workspace

KIND = "shell"
SHELLS = frozenset((b"sh", b"bash", b"dash", b"zsh", b"ksh", b"ash", b"mksh", b"bats"))
WITH_TIME = frozenset((b"bash", b"zsh", b"ksh", b"mksh"))
"""Shells in which `time` is a word of the language and not a program."""
SUFFIXES = (".sh", ".bash", ".zsh", ".ksh", ".dash", ".ash", ".command")


def claims(path: str, head: bytes) -> bool:
    """Whether the file at `path`, which starts with `head`, is read as a shell script."""
    return interpreter(head) in SHELLS or (
        path.endswith(SUFFIXES) and not (head.startswith(b"#!") and interpreter(head) not in SHELLS)
    )


def interpreter(head: bytes) -> bytes:
    """The base name of the program in a shebang line, behind `env` too; empty without one."""
    head = head.removeprefix(b"\xef\xbb\xbf")
    if not head.startswith(b"#!"):
        return b""
    words = head.partition(b"\n")[0][2:].split()
    names = [word.rpartition(b"/")[2] for word in words]
    if names and names[0] == b"env":
        names = [name for name in names[1:] if not name.startswith(b"-") and b"=" not in name]
    return names[0] if names else b""


def find_calls(path: str, data: bytes, workspace: Workspace | None = None) -> Iterable[BuildCall]:
    """The build calls in the script at `path` (relative to the workspace root)."""
    if not mentions_build(data):
        return
    from dockerfix.builders.shell_dialect import Host, calls_of
    from dockerfix.projection import Projection
    from dockerfix.shell.reading import read_script

    def load(name: str) -> bytes | None:
        for candidate in _candidates(path, name):
            if workspace is not None and workspace.exists(candidate):
                try:
                    return workspace.read(candidate)
                except Exception:  # an unreadable file is told of by whoever reads it as a file
                    return None
        return None

    host = Host()
    host.keeps_time = interpreter(data) in WITH_TIME
    script = read_script(Projection.identity(data), load=load, initial=_start(path, workspace))
    yield from calls_of(path, script, host)


def _candidates(path: str, name: str) -> Iterable[str]:
    """Where a sourced file may be: beside the script, or seen from where the script starts."""
    folder = posixpath.dirname(path)
    if name.startswith("\x02"):
        tries = [posixpath.join(folder, name[1:].lstrip("/"))]
    elif name.startswith("\x04"):
        tries = [name[1:].lstrip("/")]
    elif name.startswith("/"):
        return
    else:
        tries = [name, posixpath.join(folder, name)]
    for one in tries:
        full = posixpath.normpath(one)
        if not full.startswith("../") and full != "..":
            yield full


def _start(path: str, workspace: Workspace | None) -> State:
    """What holds at the first line: a file that others source may find anything assigned."""
    from dockerfix.shell import State

    if workspace is None or not is_sourced(path, workspace):
        return State()
    return State(opaque=True)


def is_sourced(path: str, workspace: Workspace) -> bool:
    """Whether another script of the root sources a file of this name."""
    name = re.escape(posixpath.basename(path).encode("utf-8", "surrogateescape"))
    named = re.compile(name + rb"\b")
    return any(other != path and named.search(text) for other, text in _sourcing(workspace))


_SOURCING = re.compile(rb"(?:^|[\s;&|({])(?:\.|source)[ \t]+([^\n;&|]+)", re.M)
_known: WeakKeyDictionary[Workspace, tuple[tuple[str, bytes], ...]] = WeakKeyDictionary()


def _sourcing(workspace: Workspace) -> tuple[tuple[str, bytes], ...]:
    """What the scripts of the root source: the script, and the text behind `.` or `source`."""
    found = _known.get(workspace)
    if found is None:
        found = _known[workspace] = tuple(_all_sourcing(workspace))
    return found


def _all_sourcing(workspace: Workspace) -> Iterable[tuple[str, bytes]]:
    for path in workspace.files():
        if not claims(path, workspace.head(path)):
            continue
        try:
            data = workspace.read(path)
        except Exception:  # an unreadable file is told of by whoever reads it as a file
            continue
        yield from ((path, hit[1]) for hit in _SOURCING.finditer(data))
