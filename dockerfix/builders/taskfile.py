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
NAMES = re.compile(r"[Tt]askfile(?:\.dist)?\.ya?ml|[Tt]askfile\.[\w-]+\.ya?ml")
TEMPLATE = re.compile(rb"\{\{.*?\}\}", re.DOTALL)


def claims(path: str, head: bytes) -> bool:
    """Whether the file at `path` is a Taskfile."""
    return NAMES.fullmatch(path.rpartition("/")[2]) is not None


def find_calls(path: str, data: bytes, workspace: Workspace) -> Iterable[BuildCall]:
    """The build calls in the commands of the Taskfile at `path`."""
    if b"tasks" not in data or not mentions_build(data):
        return
    from dockerfix.builders.yaml_shell import Session, YamlDialect, calls_in, start
    from dockerfix.formats import yaml

    file = yaml.parse(Source(path, data))
    if file.errors:
        return
    shared = _environment(file, file.root)
    for task in file.entries(file.get(file.root, "tasks")).values():
        variables = shared | _environment(file, task.value)
        cwd = _folder(file, task.value, path)
        for scalar in _commands(file, task.value):
            if not mentions_build(scalar.text):
                continue
            session = Session.of([scalar], TEMPLATE, lambda expression, before: None)
            initial = start(dict.fromkeys(variables), "")
            for call, dialect in calls_in(path, session, initial, Task(session)):
                where = None if cwd is None else inside(cwd, call.cwd)
                yield replace(call, dialect=YamlDialect(dialect, session), cwd=where)


class Task(Host):
    """What `task` puts in is text of the command."""

    kind = KIND

    def __init__(self, session: Session) -> None:
        self.session = session

    def substitution(self, script: Script, span: Span) -> Substitution | None:
        raw = self.session.raw(script, span)
        return Substitution(raw) if raw.startswith(b"{{") else None


def _environment(file: File, node: Node | None) -> set[str]:
    return set(file.entries(file.get(node, "env")))


def _folder(file: File, task: Node | None, path: str) -> str | None:
    """Where the commands run; None if that is computed."""
    said = file.text(file.get(task, "dir"))
    if said is not None and ("{{" in said or "$" in said or said.startswith(("/", "~"))):
        return None
    full = posixpath.normpath(posixpath.join(posixpath.dirname(path), said or "."))
    return "" if full == "." else full


def _commands(file: File, task: Node | None) -> Iterator[Scalar]:
    """The scalars that `task` runs as shell."""
    from dockerfix.formats.yaml import Scalar

    held = file.resolve(task)
    listed = (*file.items(held), *file.items(file.get(held, "cmds")))
    for node in (held, file.get(held, "cmd"), file.get(held, "cmds"), *listed):
        found = node if isinstance(node, Scalar) else file.get(node, "cmd")
        if isinstance(found, Scalar) and (node is not held or isinstance(held, Scalar)):
            yield found
