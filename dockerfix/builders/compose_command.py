"""`docker compose build --build-arg` anywhere: the command line and the compose file that it reads.

Such a command becomes a call for each service that it builds. Its flag goes and the service gets
the secret in the file, from a variable that the command's environment then holds. Knows neither
shell nor YAML: the command's own dialect and the service's do the writing.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockerfix.builders import compose
from dockerfix.builders.clients import steers
from dockerfix.builders.compose_line import split
from dockerfix.builders.shell_values import neutral
from dockerfix.finding import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockerfix.builders.call import BuildArg, BuildCall, Dialect
    from dockerfix.builders.compose import Project
    from dockerfix.builders.compose_line import Composed
    from dockerfix.edits import Operation
    from dockerfix.source import Span
    from dockerfix.workspace import Workspace


def by_service(
    call: BuildCall, folders: Iterable[str | None], workspace: Workspace
) -> Iterator[BuildCall]:
    """`call`, which runs in one of `folders`, once for each service that it builds; as it is where
    its compose file cannot be told."""
    assert call.composed is not None
    projects = _projects(call.composed, folders, workspace)
    found = False
    for project, service in _services(call.composed, projects):
        found = True
        dialect = CommandDialect(call.dialect, service, project)
        yield replace(
            call,
            dialect=dialect,
            cwd="",
            context=service.context,
            dockerfile_argument=service.dockerfile_argument,
            dockerfiles=service.dockerfiles,
            inline=service.inline,
            linked_by=service.linked_by,
            target=service.target,
            secrets=service.secrets,
            refusal=service.refusal,
            through=project.path,
        )
    if not found:
        yield call


def _projects(said: Composed, folders: Iterable[str | None], workspace: Workspace) -> list[Project]:
    """The compose files that the command reads; none if they cannot be told."""
    if said.files is None or said.elsewhere:
        return []
    tried: list[list[str]] = []
    for folder in folders:
        if folder is None or folder == compose.UNKNOWN:
            continue
        paths = _paths(said.files, folder, workspace)
        if paths and paths not in tried:
            tried.append(paths)
    if len(tried) != 1:
        return []
    try:
        projects = [compose.Project(path, workspace.read(path), workspace) for path in tried[0]]
    except Exception:  # an unreadable file is told of by whoever reads it as a file
        return []
    return [] if any(project.file.errors for project in projects) else projects


def _paths(files: Sequence[str], folder: str, workspace: Workspace) -> list[str]:
    named = list(files) or _from_env_file(folder, workspace)
    if named:
        paths = [posixpath.normpath(posixpath.join(folder, one)) for one in named]
        return paths if all(workspace.exists(one) for one in paths) else []
    for name in compose.BASES:
        path = posixpath.join(folder, name)
        if not workspace.exists(path):
            continue
        stem = path.rpartition(".")[0]
        beside = (f"{stem}.override.yml", f"{stem}.override.yaml")
        return [path, *(one for one in beside if workspace.exists(one))]
    return []


def _from_env_file(folder: str, workspace: Workspace) -> list[str]:
    """What COMPOSE_FILE in `.env` names."""
    from dockerfix.builders.compose_text import read_environment

    path = posixpath.join(folder, ".env")
    if not workspace.exists(path):
        return []
    try:
        return split(read_environment(workspace.read(path)).get("COMPOSE_FILE", ""))
    except Exception:  # an unreadable file is told of by whoever reads it as a file
        return []


def _services(said: Composed, projects: Sequence[Project]) -> Iterator[tuple[Project, BuildCall]]:
    """Each service that is built, from the file that gives it a build (the first of several)."""
    seen: set[str] = set()
    for project in projects:
        for name, call in project.calls():
            if name not in seen and (not said.services or name in said.services):
                seen.add(name)
                yield project, call


@dataclass(frozen=True, eq=False)
class CommandDialect:
    """A command that builds one `service` of `project`; `command` writes what stands in it."""

    command: Dialect
    service: BuildCall
    project: Project

    @property
    def shared(self) -> tuple[Span, ...]:
        return getattr(self.command, "shared", ())

    @property
    def taken(self) -> frozenset[str]:
        return self.project.foreign_secrets

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        if call.refusal is not None:
            return call.refusal
        variable = self._variable(call, arg, id)
        if isinstance(variable, Refusal):
            return variable
        command = source is not None and source.startswith("command:")
        if source is not None and source.startswith("env:"):
            variable = source[4:]
        taken = self.command.take_secret(call, arg, variable, source)
        if isinstance(taken, Refusal) or self.service.passes(arg.name):
            # The file passes it too, and changes with its own call.
            return taken
        origin = f"env:{variable}" if source is None or command else source
        given = self.service.dialect.add_secret(self.service, id, origin)
        return given if isinstance(given, Refusal) else [*taken, *given]

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        """Nothing: the file gives it, and changes with its own call."""
        return call.refusal or ()

    def take_ssh(self, call: BuildCall, arg: BuildArg, form: str) -> Sequence[Operation] | Refusal:
        """The command itself: compose has a flag for that."""
        take = getattr(self.command, "take_ssh", None)
        return _no_ssh(call) if take is None else take(call, arg, form)

    def add_ssh(self, call: BuildCall, value: str) -> Sequence[Operation] | Refusal:
        add = getattr(self.command, "add_ssh", None)
        return _no_ssh(call) if add is None else add(call, value)

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        return self.command.drop(call, arg)

    def _variable(self, call: BuildCall, arg: BuildArg, id: str) -> str | Refusal:
        """The variable from which the file takes the secret, the same for all its services."""
        known = self.project.secret_variable(id)
        passed = self.project.variables.get(arg.name, frozenset())
        if known is None and len(passed) > 1:
            return Refusal(
                f"services take {arg.name} from different variables ({', '.join(sorted(passed))})",
                call.path,
                arg.span,
                "Give each service's secret its own id by hand.",
            )
        if known is not None or passed:
            variable = known or next(iter(passed))
            same = arg.exported and arg.variable == variable
            if not same and self.project.interpolates(variable, arg.name):
                return Refusal(
                    f"{self.project.path} uses {variable} for other things than {arg.name}",
                    call.path,
                    arg.span,
                    f"Give {arg.name} a variable of its own there.",
                )
            return variable
        if steers(arg.name) or self.project.interpolates(arg.name, arg.name):
            return neutral(arg.name)
        return arg.name


def _no_ssh(call: BuildCall) -> Refusal:
    return Refusal(
        "dockerfix does not write ssh forwarding into this kind of file",
        call.path,
        call.span,
        "Give the command `--ssh default` by hand.",
    )
