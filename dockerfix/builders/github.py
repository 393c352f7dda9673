"""GitHub workflows and actions that start builds: `run:` steps and docker's own actions.

Reads workflows, reusable workflows, and composite actions. `github_scope` says what expressions
are, `github_env` how a value gets into a step's environment, `github_actions` what the actions
take. The text of `run:` is shell, read where the runner's shell is one.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dockerfix.builders import agents, github_lists
from dockerfix.builders.call import BuildCall, Prior
from dockerfix.builders.command_line import mentions_build
from dockerfix.builders.github_scope import is_github

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockerfix.builders.github_scope import Scope
    from dockerfix.formats.yaml import Map, Node
    from dockerfix.workspace import Workspace

KIND = "github"
SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh"))
ENV_HELP = "Set `env:` on the step and pass `--secret id=NAME,env=NAME` by hand."


def claims(path: str, head: bytes) -> bool:
    """Whether the file at `path` is a workflow or an action."""
    return is_github(path)


def find_calls(path: str, data: bytes, workspace: Workspace | None = None) -> Iterable[BuildCall]:
    """The build calls of one workflow or action (path relative to the workspace root)."""
    if not mentions_build(data) and b"image:" not in data and not _hands(data):
        return
    from dockerfix.builders.github_run import any_use
    from dockerfix.builders.github_scope import Scope, tree
    from dockerfix.builders.held_flags import Uses

    file = tree(path, data)
    if file.errors:
        return
    scope = Scope(
        file,
        workspace,
        uses=Uses(path, data, any_use, workspace),
        lists=Uses(path, data, github_lists.use, workspace),
    )
    seen: set[tuple[object, ...]] = set()
    # All of it is read before a call is asked for anything: what is used elsewhere counts.
    for call in list(_calls(scope)):
        places = (call.cwd, call.context, call.dockerfile_argument, call.target)
        mark = (call.span, *places, call.buildkit, *(arg.span for arg in call.args))
        if mark not in seen:
            seen.add(mark)
            yield call


def _hands(data: bytes) -> bool:
    """Whether the file may give something to a build elsewhere, or in a file beside it."""
    return b"uses:" in data and (
        b"./" in data or re.search(rb"build[-_]?arg", data, re.I) is not None
    )


def _calls(scope: Scope) -> Iterator[BuildCall]:
    file, root = scope.file, scope.file.root
    if file.get(root, "runs") is not None:
        yield from _container(scope)
        yield from _Job(scope, (file.get(root, "runs"),)).calls()
        return
    scope = scope.with_env(file.get(root, "env"))
    for entry in file.entries(file.get(root, "jobs")).values():
        yield from _in_job(scope, file.resolve(entry.value), root)


def _in_job(scope: Scope, job: Node | None, root: Node | None) -> Iterator[BuildCall]:
    from dockerfix.builders.github_scope import combinations
    from dockerfix.builders.github_uses import handed
    from dockerfix.formats.yaml import Map

    inside = scope.with_env(scope.file.get(job, "env"))
    uses = scope.file.text(scope.file.get(job, "uses"))
    every = combinations(scope.file, scope.file.get(job, "strategy"))
    for one in every:
        here = replace(inside, matrix=one, combinations=every)
        if uses is not None and isinstance(job, Map):
            yield from handed(here, job, uses)
        yield from _Job(here, (job, root)).calls()


def _container(scope: Scope) -> Iterator[BuildCall]:
    """An action whose runner builds a Dockerfile before it starts it."""
    from dockerfix.builders.yaml_shell import Unable

    file = scope.file
    image = file.get(file.root, "runs", "image")
    text = file.text(image)
    if image is None or text is None or text.startswith("docker://"):
        return
    yield BuildCall(
        KIND,
        scope.path,
        image.span,
        "container action",
        Unable("GitHub builds the image of a container action itself, without secrets"),
        posixpath.dirname(scope.path),
        ".",
        text,
        buildkit="yes",
    )


class _Job:
    """The steps of one job in one combination of its matrix. `places` are the maps whose settings
    hold for them, nearest first."""

    def __init__(self, scope: Scope, places: tuple[Node | None, ...]) -> None:
        self.scope = scope
        self.file = scope.file
        self.places = places
        self.prefix = ""

    def calls(self) -> Iterator[BuildCall]:
        from dockerfix.formats.yaml import Map

        agent = False
        before: list[Map] = []
        for step in self.file.items(self.file.get(self.places[0], "steps")):
            if not isinstance(step, Map):
                continue
            prior = partial(self._prior, tuple(before))
            uses = self.file.text(self.file.get(step, "uses"))
            if uses is not None:
                self._checkout(uses, step)
                found = self._action(step, uses)
            else:
                found = self._run(step)
                before.append(step)
            own = agent or self._agent(step)
            for call in found:
                yield replace(call, agent=own, prior=prior)
            agent = own if uses is not None else agent or self._agent(step, stays=True)

    def _agent(self, step: Map, *, stays: bool = False) -> bool:
        """Whether the step has an ssh agent, or (`stays`) leaves one to those behind it."""
        if agents.action(self.file.text(self.file.get(step, "uses")) or ""):
            return True
        script = (self.file.text(self.file.get(step, "run")) or "").encode()
        named = agents.SOCKET in self.scope.with_env(self.file.get(step, "env")).env
        if stays:
            known = agents.SOCKET in self.scope.env
            return agents.keeps(script) or (known and agents.evident(script))
        return named or agents.evident(script)

    def _prior(self, steps: tuple[Map, ...]) -> Iterator[Prior]:
        """What earlier steps ran, where they may have written a file."""
        from dockerfix.builders.github_run import session_of, variables
        from dockerfix.builders.yaml_shell import start
        from dockerfix.formats.yaml import Scalar

        for step in steps:
            scalar = self.file.get(step, "run")
            if not isinstance(scalar, Scalar) or self._foreign_shell(step):
                continue
            if not any(mark in scalar.text for mark in (b">", b"tee ", b"cp ")):
                continue
            scope = self.scope.with_env(self.file.get(step, "env"))
            session = session_of(scope, scalar)
            script = session.script(start(variables(scope), self._folder(step, scope)))
            yield Prior(script, partial(session.raw, script), self._here)

    def _checkout(self, uses: str, step: Map) -> None:
        """`actions/checkout` may put the repository into a folder."""
        if not uses.startswith("actions/checkout@"):
            return
        repository = self.file.text(self.file.get(step, "with", "repository"))
        if repository is None or "github.repository" in repository:
            path = self.scope.values(self.file.text(self.file.get(step, "with", "path")) or ".")
            self.prefix = next(iter(path)) if path is not None and len(path) == 1 else ""

    def _here(self, path: str | None) -> str | None:
        """A path of the runner as a path of the repository."""
        if path is None or not self.prefix:
            return path
        prefix = posixpath.normpath(self.prefix)
        plain = posixpath.normpath(path) if path else "."
        if prefix == "." or (plain != prefix and not plain.startswith(f"{prefix}/")):
            return path
        return posixpath.relpath(plain, prefix)

    # -- actions ----------------------------------------------------------------

    def _action(self, step: Map, uses: str) -> Iterator[BuildCall]:
        from dockerfix.builders import github_bake
        from dockerfix.builders.github_actions import BUILD, ActionStep, build_calls
        from dockerfix.builders.github_env import StepEnv
        from dockerfix.builders.github_uses import followed, given, handed

        scope = self.scope.with_env(self.file.get(step, "env"))
        if not BUILD.match(uses) and not github_bake.ACTION.match(uses):
            for call in handed(scope, step, uses):
                yield self._placed(call)
            return
        env = StepEnv(scope.path, self.file, step, "with", scope.env)
        action = ActionStep(scope, step, uses, env)
        if github_bake.ACTION.match(uses):
            yield from github_bake.bake_calls(action)
            return
        known = followed(action)
        for call in build_calls(action):
            if known:
                open_ = tuple(one for one in call.unresolved if given(one) is None)
                call = replace(call, unresolved=open_, part=True)
            # What users give is their own call; one without arguments of its own is no other.
            if call.args or not known:
                yield self._placed(call)

    def _placed(self, call: BuildCall) -> BuildCall:
        return replace(
            call,
            context=self._here(call.context),
            dockerfile_argument=self._here(call.dockerfile_argument),
        )

    # -- scripts ----------------------------------------------------------------

    def _run(self, step: Map) -> Iterator[BuildCall]:
        from dockerfix.builders import github_unset
        from dockerfix.builders.github_env import StepEnv
        from dockerfix.builders.github_run import (
            RunDialect,
            Runner,
            held_by,
            session_of,
            variables,
        )
        from dockerfix.builders.yaml_shell import (
            YamlDialect,
            calls_in,
            on_old_docker,
            start,
            unread,
        )
        from dockerfix.formats.yaml import Scalar

        scalar = self.file.get(step, "run")
        if not isinstance(scalar, Scalar) or not mentions_build(scalar.text):
            return
        refused = self._foreign_shell(step)
        if refused:
            yield from unread(KIND, self.scope.path, [scalar], refused, ENV_HELP)
            return
        scope = self.scope.with_env(self.file.get(step, "env"))
        held = held_by(scope, (step, *self.places), scalar)
        session = session_of(scope, scalar, held)
        if self.scope.uses is not None:
            self.scope.uses.reads(held, [scalar.span])
        initial = start(variables(scope), self._folder(step, scope))
        env = StepEnv(scope.path, self.file, step, "run", scope.env, [session.script(initial)])
        host = Runner(session, env, self._shell(step) in ("bash", "zsh", "ksh", ""))
        found = list(calls_in(scope.path, session, initial, host))
        for call, dialect in found:
            inner = RunDialect.of(dialect, session, env)
            args = tuple(inner.build_arg(given) for given in inner.line.build_args)
            job = github_unset.Job(self.file, self.places[0])
            secrets = tuple(github_unset.judged(one, inner, env, job) for one in call.secrets)
            placed = YamlDialect(inner, session, inner.extra, self.scope.uses)
            call = replace(call, dialect=placed, args=args, secrets=secrets)
            call = replace(
                call,
                cwd=self._here(call.cwd) if call.cwd else call.cwd,
                context=self._outer(call, call.context),
                dockerfile_argument=self._outer(call, call.dockerfile_argument),
            )
            yield on_old_docker(call, self._images(), scalar.text)

    def _outer(self, call: BuildCall, path: str | None) -> str | None:
        """A path seen from the top of the runner's workspace, which the checkout lies below."""
        return path if call.cwd else self._here(path)

    def _images(self) -> list[str]:
        container = self.file.get(self.places[0], "container")
        text = self.file.text(container) or self.file.text(self.file.get(container, "image"))
        return [text] if text else []

    def _setting(self, step: Map, name: str) -> str:
        own = self.file.text(self.file.get(step, name))
        if own is not None:
            return own
        for place in self.places:
            found = self.file.text(self.file.get(place, "defaults", "run", name))
            if found is not None:
                return found
        return ""

    def _shell(self, step: Map) -> str:
        """The base name of the shell that runs the step, `?` if it is not known."""
        said = self._setting(step, "shell")
        if not said:
            return ""
        values = self.scope.values(said)
        names = {value.split()[0].rpartition("/")[2] for value in values or () if value.split()}
        return names.pop() if len(names) == 1 else "?"

    def _foreign_shell(self, step: Map) -> str:
        """Why the step's script is not read; empty if it is shell."""
        shell = self._shell(step)
        if shell and shell.removesuffix(".exe") not in SHELLS:
            return (
                f"the step runs in {shell}"
                if shell != "?"
                else "it is not known which shell runs the step"
            )
        runner = self.file.get(self.places[0], "runs-on")
        labels = [
            self.file.text(runner) or "",
            *(self.file.text(one) or "" for one in self.file.items(runner)),
        ]
        for label in labels:
            values = self.scope.values(label) or frozenset({label})
            if any("windows" in value.lower() for value in values):
                return "the job runs on Windows"
        return ""

    def _folder(self, step: Map, scope: Scope) -> str | None:
        said = self._setting(step, "working-directory")
        if not said:
            return ""
        found = scope.values(said)
        if found is None or len(found) != 1:
            return None
        folder = posixpath.normpath(next(iter(found)))
        return "" if folder == "." else folder
