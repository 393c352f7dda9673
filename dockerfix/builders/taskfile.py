"""Taskfiles (`task`): commands in YAML, each a shell of its own, with `{{.X}}` put in as text.

A variable of `vars:` is not in a command's environment, one of `env:` is (T37). Knows nothing of
how YAML is written.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.builders.command_line import mentions_build
from dockerfix.builders.package_json import inside
from dockerfix.builders.shell_values import Host, Substitution
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockerfix.builders.call import BuildCall
    from dockerfix.builders.yaml_shell import Session
    from dockerfix.formats.yaml import File, Node, Scalar
    from dockerfix.shell import Script
    from dockerfix.workspace import Workspace

KIND = "taskfile"
STARTS = ("Taskfile.yml", "Taskfile.yaml", "taskfile.yml", "taskfile.yaml", "Taskfile.dist.yml")
NAMES = re.compile(r"[Tt]askfile(?:\.dist)?\.ya?ml|[Tt]askfile\.[\w-]+\.ya?ml")
_LOOKS = re.compile(
    rb"^version:[ \t]*['\"]?[23](?:\.\d+)*['\"]?[ \t]*\r?$.*^(?:tasks|includes):", re.M | re.S
)
PLAIN = re.compile(rb"\{\{-?\s*\.[\w.]+\s*-?\}\}")
"""A variable alone: what a function such as `shellQuote` makes of it has quotes of its own."""
TEMPLATE = re.compile(rb"\{\{.*?\}\}", re.DOTALL)


def claims(path: str, head: bytes) -> bool:
    """Whether the file at `path` is a Taskfile."""
    if NAMES.fullmatch(path.rpartition("/")[2]):
        return True
    return path.endswith((".yml", ".yaml")) and _LOOKS.search(head) is not None


def find_calls(path: str, data: bytes, workspace: Workspace) -> Iterable[BuildCall]:
    """The build calls in the commands of the Taskfile at `path`."""
    # All of it is read before a call is asked for anything: what is used elsewhere counts.
    return list(_calls(path, data, workspace))


def _calls(path: str, data: bytes, workspace: Workspace) -> Iterator[BuildCall]:
    if b"tasks" not in data or not mentions_build(data):
        return
    from dockerfix.builders.task_flags import TaskFlags, put_in
    from dockerfix.builders.yaml_shell import Session, YamlDialect, calls_in, start
    from dockerfix.formats import yaml

    file = yaml.parse(Source(path, data))
    if file.errors:
        return
    shared = _environment(file, file.root)
    flags = TaskFlags(file, workspace)
    for task in file.entries(file.get(file.root, "tasks")).values():
        variables = shared | _environment(file, task.value)
        cwd = _folder(file, task.value, path, workspace)
        held = flags.of(task.value)
        for scalar in _commands(file, task.value):
            if not mentions_build(scalar.text):
                continue
            session = Session.of([scalar], TEMPLATE, put_in(held), held)
            flags.uses.reads(held, [scalar.span])
            initial = start(dict.fromkeys(variables), "")
            for call, dialect in calls_in(path, session, initial, Task(session)):
                where = None if cwd is None else inside(cwd, call.cwd)
                placed = YamlDialect(dialect, session, uses=flags.uses)
                yield replace(call, dialect=placed, cwd=where)


class Task(Host):
    """What `task` puts in is text of the command."""

    kind = KIND

    def __init__(self, session: Session) -> None:
        self.session = session

    def substitution(self, script: Script, span: Span) -> Substitution | None:
        raw = self.session.raw(script, span)
        if not raw.startswith(b"{{"):
            return None
        return Substitution(raw, quotes=PLAIN.fullmatch(raw) is None)


def _environment(file: File, node: Node | None) -> set[str]:
    return set(file.entries(file.get(node, "env")))


def _folder(file: File, task: Node | None, path: str, workspace: Workspace) -> str | None:
    """Where the commands run; None if that is computed, or differs with what includes the file."""
    said = file.text(file.get(task, "dir"))
    own = posixpath.dirname(path)
    if said is not None and (named := _DIRECTORY.match(said)):
        base: str | None = own if named[1] == "TASKFILE_DIR" else _root(path, workspace)
        said = said[named.end() :].lstrip("/")
    else:
        starts = _included(path, workspace) or {own}
        base = starts.pop() if len(starts) == 1 else None
    if base is None or (
        said is not None and ("{{" in said or "$" in said or said.startswith(("/", "~")))
    ):
        return None
    return _tidy(posixpath.join(base, said or "."))


def _tidy(path: str) -> str:
    full = posixpath.normpath(path)
    return "" if full == "." else full


_DIRECTORY = re.compile(r"\{\{-?\s*\.(ROOT_DIR|TASKFILE_DIR)\s*-?\}\}")


def _root(path: str, workspace: Workspace) -> str:
    """The folder of the Taskfile that `task` starts with: the topmost above `path`."""
    folder, found = posixpath.dirname(path), posixpath.dirname(path)
    while folder:
        folder = posixpath.dirname(folder)
        if any(workspace.exists(posixpath.join(folder, name)) for name in STARTS):
            found = folder
    return found


def _included(path: str, workspace: Workspace, depth: int = 0) -> set[str | None]:
    """The folders in which tasks of `path` run, as the files that include it say."""
    from dockerfix.formats import yaml

    found: set[str | None] = set()
    for other in workspace.files() if depth < 4 else ():
        if other == path or not NAMES.fullmatch(posixpath.basename(other)):
            continue
        try:
            data = workspace.read(other)
        except Exception:  # an unreadable file is told of by whoever reads it as a file
            continue
        if b"includes:" not in data:
            continue
        file = yaml.parse(Source(other, data))
        for entry in file.entries(file.get(file.root, "includes")).values():
            said = file.text(entry.value) or file.text(file.get(entry.value, "taskfile"))
            if said is None or not _is(posixpath.join(posixpath.dirname(other), said), path):
                continue
            folder = file.text(file.get(entry.value, "dir"))
            if folder is not None and ("{{" in folder or folder.startswith(("/", "~"))):
                found.add(None)
                continue
            for base in _included(other, workspace, depth + 1) or {posixpath.dirname(other)}:
                full = None if base is None else posixpath.join(base, folder or ".")
                found.add(None if full is None else _tidy(full))
    return found


def _is(said: str, path: str) -> bool:
    """Whether an include of `said`, a file or its folder, means `path`."""
    full = posixpath.normpath(said)
    return path == full or (
        posixpath.dirname(path) == full and NAMES.fullmatch(posixpath.basename(path)) is not None
    )


def _commands(file: File, task: Node | None) -> Iterator[Scalar]:
    """The scalars that `task` runs as shell."""
    from dockerfix.formats.yaml import Scalar

    held = file.resolve(task)
    listed = (*file.items(held), *file.items(file.get(held, "cmds")))
    for node in (held, file.get(held, "cmd"), file.get(held, "cmds"), *listed):
        found = node
        if not isinstance(node, Scalar):
            later = file.get(node, "defer")
            found = file.get(node, "cmd") or (later if isinstance(later, Scalar) else None)
        if isinstance(found, Scalar) and (node is not held or isinstance(held, Scalar)):
            yield found
