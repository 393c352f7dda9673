"""A run of the frontend: what a build with given arguments delivers, and what it records.

For each RUN its environment and secrets, for the image its ENV, and the history lines of
ARG, ENV and RUN with the values they give away (rules 2.7 to 2.13). It holds values, so
nothing of it may be shown; the engine compares two of them (before, after). Commands are
not run, and files are not looked at.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.model.expand import ExpansionError, expand
from dockerfix.model.predefined import PLATFORM
from dockerfix.model.stages import build_stages
from dockerfix.syntax.nodes import Arg, Env, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dockerfix.model.stages import Stage, StageGraph
    from dockerfix.syntax.nodes import Dockerfile, Instruction, Mount, Pair, Word

__all__ = ["BaseImage", "Evaluation", "Execution", "FrontendError", "SecretMount", "evaluate"]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class FrontendError(ValueError):
    """The build fails at one-based `line` of the file, before anything runs."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class BaseImage(NamedTuple):
    """What matters here of an external image: its ENV and the text of its triggers."""

    env: Mapping[str, str] = {}
    onbuild: tuple[bytes, ...] = ()


class SecretMount(NamedTuple):
    """A secret or ssh mount after expansion. `env` and `target` are None where there is none."""

    type: str
    id: str
    env: str | None
    target: str | None
    required: bool
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One RUN as it is carried out: `env` is what it gets apart from its secrets, in order."""

    run: Run
    stage: Stage
    env: Mapping[str, str]
    mounts: tuple[SecretMount, ...]

    @property
    def names(self) -> frozenset[str]:
        """Every variable of the process, secrets included."""
        return frozenset(self.env) | {mount.env for mount in self.mounts if mount.env is not None}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a build does: executions in order; the image's ENV; its history.

    `history` holds the lines of ARG, ENV and RUN, of the latter only the part before the
    command (`RUN |1 X=value`).
    """

    executions: tuple[Execution, ...]
    image_env: Mapping[str, str]
    history: tuple[str, ...]


def evaluate(
    dockerfile: Dockerfile,
    arguments: Mapping[str, str] | None = None,
    target: str | None = None,
    bases: Mapping[str, BaseImage] | None = None,
    *,
    every_stage: bool = False,
) -> Evaluation:
    """Run the frontend over `dockerfile` with `arguments` as build arguments.

    `bases` are the external images that are known, by the text that FROM comes to; others
    count as having PATH alone. Raises FrontendError where BuildKit would refuse.
    """
    arguments = arguments or {}
    globals_ = _globals(dockerfile, arguments)
    graph = build_stages(dockerfile, (target,), globals_)
    last = graph.last if target is None else graph.find(target)
    if last is None:
        return Evaluation((), {}, ())
    needed = set(graph.stages) if every_stage else _needed(graph, last)
    states: dict[Stage, _State] = {}
    executions: list[Execution] = []
    for stage in graph:
        if stage in needed:
            frontend = _Frontend(dockerfile.escape, arguments, globals_, stage)
            frontend.begin(states.get(stage.parent) if stage.parent else None, bases or {})
            for instruction in frontend.steps(bases or {}):
                frontend.dispatch(instruction)
            states[stage] = frontend.state
            executions += frontend.executions
    state = states[last]
    return Evaluation(tuple(executions), dict(state.image_env), tuple(state.history))


@dataclass(slots=True)
class _State:
    env: dict[str, str] = field(default_factory=dict)
    image_env: dict[str, str] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)

    def copy(self) -> _State:
        return _State(dict(self.env), dict(self.image_env), dict(self.declared), list(self.history))

    def put(self, name: str, value: str) -> None:
        """Set a variable; one that is set again goes to the end."""
        self.env.pop(name, None)
        self.env[name] = value


@dataclass(slots=True)
class _Frontend:
    """Carries one stage through."""

    escape: bytes
    arguments: Mapping[str, str]
    globals: Mapping[str, str]
    stage: Stage
    state: _State = field(default_factory=_State)
    executions: list[Execution] = field(default_factory=list)

    def begin(self, below: _State | None, bases: Mapping[str, BaseImage]) -> None:
        if below is not None:
            self.state = below.copy()
        elif (base := bases.get(self.stage.base or "")) is not None:
            self.state.image_env = dict(base.env)
        self.state.image_env.setdefault("PATH", DEFAULT_PATH)
        for name, value in self.state.image_env.items():
            self.state.put(name, value)

    def steps(self, bases: Mapping[str, BaseImage]) -> Iterator[Instruction]:
        base = bases.get(self.stage.base or "") if self.stage.parent is None else None
        if base is not None and base.onbuild:
            from dockerfix.syntax.nodes import parse

            for text in base.onbuild:
                yield from parse(b"FROM x\n" + text).stages[0].instructions[-1:]
        for onbuild in self.stage.triggers:
            if onbuild.trigger is not None:
                yield onbuild.trigger
        yield from self.stage.instructions

    def dispatch(self, instruction: Instruction) -> None:
        try:
            if isinstance(instruction, Arg):
                parts = [self.arg(pair) for pair in instruction.pairs]
                self.state.history.append(f"ARG {' '.join(parts)}")
            elif isinstance(instruction, Env):
                self.env(instruction.pairs)
            elif isinstance(instruction, Run):
                self.run(instruction)
        except ExpansionError as error:
            raise FrontendError(str(error), instruction.start_line) from error

    def arg(self, pair: Pair) -> str:
        name, value = pair.name, None
        if name in self.arguments:
            value = self.arguments[name]
        elif pair.value is not None:
            value = self.expanded(pair.value, self.state.env)
        else:
            value = self.globals.get(name)
        self.state.declared[name] = value or ""
        if value is None:
            return name
        self.state.put(name, value)
        return f"{name}={value}"

    def env(self, pairs: Iterable[Pair]) -> None:
        before = dict(self.state.env)
        found = [
            (
                expand(pair.name, before, self.escape).result,
                self.expanded(pair.value, before) if pair.value is not None else "",
            )
            for pair in pairs
        ]
        for name, value in found:
            self.state.put(name, value)
            self.state.image_env[name] = value
        self.state.history.append(f"ENV {' '.join(f'{name}={value}' for name, value in found)}")

    def run(self, run: Run) -> None:
        state = self.state
        env = dict(state.env)
        mounts: list[SecretMount] = []
        sockets = 0
        for mount in run.mounts:
            if mount.type == "secret":
                mounts.append(self.mount(mount, "", run.start_line))
            elif mount.type == "ssh":
                mounts.append(
                    self.mount(mount, f"/run/buildkit/ssh_agent.{sockets}", run.start_line)
                )
                if not sockets:
                    env["SSH_AUTH_SOCK"] = mounts[-1].target or ""
                sockets += 1
        self.executions.append(Execution(run, self.stage, env, tuple(mounts)))
        given = [f"{name}={state.env.get(name, state.declared[name])}" for name in state.declared]
        state.history.append(" ".join(["RUN", *([f"|{len(given)}", *given] if given else [])]))

    def mount(self, mount: Mount, socket: str, line: int) -> SecretMount:
        """A secret mount, or an ssh mount with `socket` as its default target (3.2 to 3.6, 3.17)."""
        options = {
            key.lower(): expand(value, self.state.env, self.escape).result
            if value is not None
            else None
            for key, value in mount.options
        }
        target = options.get("target") or options.get("dst") or options.get("destination") or ""
        name = options.get("id") or options.get("source") or options.get("src") or ""
        env = None
        if not socket:
            env = options.get("env")
            name = name or posixpath.basename(target)
            if not name:
                raise FrontendError("invalid secret mount. one of source, target required", line)
            if not target and env is None:
                target = f"/run/secrets/{posixpath.basename(name)}"
        required = "required" in options and (options["required"] or "true").lower() in _TRUE
        try:
            mode = int(options.get("mode") or ("0600" if socket else "0400"), 8)
            uid, gid = (int(options.get(key) or 0) for key in ("uid", "gid"))
        except ValueError as error:
            raise FrontendError(f"invalid {mount.type} mount", line) from error
        return SecretMount(
            mount.type, name, env, target or socket or None, required, mode, uid, gid
        )

    def expanded(self, word: Word, env: Mapping[str, str]) -> str:
        return expand(word.raw, env, self.escape).result


_TRUE = frozenset({"1", "t", "true"})


def _globals(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> dict[str, str]:
    values = dict(PLATFORM) | {name: arguments[name] for name in PLATFORM if name in arguments}
    for arg in dockerfile.meta_args:
        for pair in arg.pairs:
            try:
                if pair.name in arguments:
                    values[pair.name] = arguments[pair.name]
                elif pair.value is not None:
                    values[pair.name] = expand(pair.value.raw, values, dockerfile.escape).result
            except ExpansionError as error:
                raise FrontendError(str(error), arg.start_line) from error
    return values


def _needed(graph: StageGraph, last: Stage) -> set[Stage]:
    found: set[Stage] = set()
    waiting = [last]
    while waiting:
        stage = waiting.pop()
        if stage not in found:
            found.add(stage)
            waiting += stage.sources
            if stage.parent is not None:
                waiting.append(stage.parent)
    return found
