"""What a Dockerfile takes from its build context: which files lie where when a RUN starts.

Follows COPY, ADD, WORKDIR and bind mounts along a chain of stages, `.dockerignore` honoured.
`configs` answers what may be there (anything that could have come counts), `find` what surely
is. Paths of images assume that an external image starts in `/`; a path that holds a variable
without a value is compared as it is written. What a RUN or the base image puts there is not
known, and no file is interpreted.
"""

from __future__ import annotations

import posixpath
import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.globs import fits
from dockerfix.model.dockerignore import Dockerignore
from dockerfix.model.expand import ExpansionError, expand, variables
from dockerfix.model.tools import table
from dockerfix.syntax.nodes import Add, Arg, Copy, Env, Run, Workdir
from dockerfix.workspace import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockerfix.model.scopes import Model
    from dockerfix.model.stages import Stage
    from dockerfix.syntax.nodes import Instruction, Word
    from dockerfix.workspace import Workspace

__all__ = ["BuildContext", "ContextFile", "Found"]

_OPEN = "\x01"
"""Stands before the name of a variable whose value is not known."""
_REMOTE = re.compile(r"^(?:https?://|git@|ssh://|git://)|\.git(?:#.*)?$")
_DEPTH = 8


class ContextFile(NamedTuple):
    """A file of the context; `path` is relative to the workspace's root."""

    path: str
    data: bytes


class Found(NamedTuple):
    """The file that a RUN finds at a path (several if the context's folder is not certain), and
    the RUNs that ran since it came there."""

    files: tuple[ContextFile, ...]
    since: tuple[Run, ...]


class _Arrival(NamedTuple):
    """A COPY, ADD or bind mount: what it takes and where it puts it, absolute in the image.
    `said` is the destination before it was joined to the working directory."""

    sources: tuple[str, ...]
    destination: str
    from_: str | None
    instruction: Copy | Add | None = None
    said: str = ""


_Event = _Arrival | Run


class BuildContext:
    """The build context of the Dockerfile at `path`.

    `folders` are those that its callers name, relative to the root; without one it is guessed
    from where the sources of COPY exist.
    """

    def __init__(
        self, path: str, model: Model, workspace: Workspace, folders: Sequence[str] = ()
    ) -> None:
        self.path = path
        self.model = model
        self.workspace = workspace
        self._named = tuple(folders)
        self._events: dict[int, tuple[_Event, ...]] = {}
        self._workdirs: dict[tuple[int, int], str] = {}
        self._ends: dict[int, tuple[str, dict[str, str]]] = {}
        self._ignores: dict[str, Dockerignore] = {}

    # What may be there.

    def configs(self, run: Run) -> dict[str, bytes]:
        """The config files of tools.toml that may be in the image when `run` starts, by path."""
        found: dict[str, bytes] = {}
        arrivals = [one for one in self._before(run) if isinstance(one, _Arrival)]
        arrivals += self._mounted(run)
        for folder in self.folders if arrivals else ():
            for path in self._inside(folder):
                inner = path[len(folder) + 1 :] if folder else path
                if any(self._may_bring(one, inner, 0) for one in arrivals) and not (
                    self._ignored(folder, inner)
                ):
                    data = self._read(path)
                    if data is not None:
                        found[path] = data
        return found

    def _inside(self, folder: str) -> Iterator[str]:
        prefix = f"{folder}/" if folder else ""
        return (path for path in _config_files(self.workspace) if path.startswith(prefix))

    def _may_bring(self, arrival: _Arrival, inner: str, depth: int) -> bool:
        if arrival.from_ is None:
            return any(_may_match(source, inner) for source in arrival.sources)
        stage = self.model.graph.find(arrival.from_)
        if stage is None or depth > _DEPTH:
            return False
        return any(
            self._may_bring(one, inner, depth + 1)
            for one in self._chain(stage)
            if isinstance(one, _Arrival)
        )

    # What is there.

    def find(self, run: Run, path: str) -> Found | None:
        """The file of the context at `path` (absolute, or relative to the working directory of
        `run`) when `run` starts. None if it comes from elsewhere, or may."""
        stage = self.model.stage_of(run)
        if stage is None:
            return None
        before = self._before(run)
        full = posixpath.normpath(posixpath.join(self._workdirs[stage.index, run.span.start], path))
        for mount in run.mounts:
            target = posixpath.join("/", mount.get("target") or mount.get("dst") or "/\x01")
            if mount.type != "bind" and _under(full, target) is not None:
                return None
        return self._find((*before, *self._mounted(run)), full, 0)

    def find_in_image(self, stage: Stage, path: str) -> Found | None:
        """The file at `path` (absolute, or relative to the last WORKDIR) in the stage's image."""
        events = self._chain(stage)
        full = posixpath.normpath(posixpath.join(self._ends[stage.index][0], path))
        return self._find(events, full, 0)

    def _find(self, events: Sequence[_Event], full: str, depth: int) -> Found | None:
        since: list[Run] = []
        for event in reversed(events):
            if isinstance(event, Run):
                since.append(event)
                continue
            inner = _under(full, event.destination)
            if inner is None:
                continue
            files = self._brought(event, inner, depth)
            if files is None:
                return None
            if files:
                return Found(files, tuple(since))
        return None

    def _brought(self, arrival: _Arrival, inner: str, depth: int) -> tuple[ContextFile, ...] | None:
        """What `arrival` puts at `inner` below its destination: () for nothing, None if it
        puts something there that is not of the context, or may."""
        if arrival.from_ is not None:
            stage = self.model.graph.find(arrival.from_)
            if stage is None or depth > _DEPTH:
                return None
            events = self._chain(stage)
            for source in arrival.sources:
                for path in _candidates(posixpath.join("/", source), inner):
                    if found := self._find(events, path, depth + 1):
                        return found.files if not found.since else None
            return None
        found_files: list[ContextFile] = []
        for source in arrival.sources:
            if _OPEN in source or _REMOTE.search(source) or source.startswith("<<"):
                return None
            for folder in self.folders:
                for candidate in self._named_by(source, inner):
                    path = posixpath.join(folder, candidate) if folder else candidate
                    if self.workspace.exists(path) and not self._ignored(folder, candidate):
                        data = self._read(path)
                        if data is None:
                            return None
                        found_files.append(ContextFile(path, data))
        return tuple(dict.fromkeys(found_files))

    def _named_by(self, source: str, inner: str) -> Iterator[str]:
        for candidate in _candidates(clean(source), inner):
            if not wild(source):
                yield candidate
            elif inner and "/" not in inner:
                # What matches a wildcard may be the file itself.
                pattern = clean(source)
                path = posixpath.join(posixpath.dirname(pattern), inner)
                if segments_match(pattern, path) == len(path.split("/")):
                    yield path

    # What is taken.

    def copies(self) -> Iterator[tuple[Stage, Copy | Add, tuple[str, ...], str]]:
        """Each COPY and ADD from the context, with its stage: its sources and its destination as
        they are once their variables have values. An ONBUILD's are not among them."""
        for stage in self.model.stages:
            own = {one.span.start for one in stage.instructions}
            for event in self._of(stage):
                if isinstance(event, Run) or event.from_ is not None or event.instruction is None:
                    continue
                if event.instruction.span.start in own:
                    yield stage, event.instruction, event.sources, event.said

    def workdir(self, instruction: Instruction) -> str | None:
        """The working directory at an instruction; None if a variable without a value is in it.
        Without any WORKDIR it is taken for `/`."""
        stage = self.model.stage_of(instruction)
        if stage is None:
            return None
        self._of(stage)
        found = self._workdirs.get((stage.index, instruction.span.start), "/")
        return None if _OPEN in found else found

    # How it came there.

    def _before(self, run: Run) -> tuple[_Event, ...]:
        stage = self.model.stage_of(run)
        if stage is None:
            return ()
        below = self._chain(stage.parent) if stage.parent is not None else ()
        own = self._of(stage)
        at = next((n for n, one in enumerate(own) if one is run), len(own))
        return (*below, *own[:at])

    def _chain(self, stage: Stage) -> tuple[_Event, ...]:
        return tuple(event for one in reversed(stage.chain) for event in self._of(one))

    def _of(self, stage: Stage) -> tuple[_Event, ...]:
        if stage.index not in self._events:
            for one in reversed(stage.chain):
                if one.index not in self._events:
                    self._events[one.index] = tuple(self._walk(one))
        return self._events[stage.index]

    def _walk(self, stage: Stage) -> Iterator[_Event]:
        workdir = "/"
        values: dict[str, str] = {}
        if stage.parent is not None:
            workdir, known = self._ends[stage.parent.index]
            values = dict(known)
        triggered = (one.trigger for one in stage.triggers if one.trigger is not None)
        for instruction in (*triggered, *stage.instructions):
            self._workdirs[stage.index, instruction.span.start] = workdir
            if isinstance(instruction, Arg | Env):
                for pair in instruction.pairs:
                    self._put(values, pair.name, pair.value, isinstance(instruction, Arg))
            elif isinstance(instruction, Workdir) and instruction.argument is not None:
                to = self._text(instruction.argument, values)
                workdir = posixpath.normpath(posixpath.join(workdir, to))
            elif isinstance(instruction, Copy | Add) and instruction.destination is not None:
                said = self._text(instruction.destination, values)
                to = posixpath.normpath(posixpath.join(workdir, said))
                sources = tuple(self._text(one, values) for one in instruction.sources)
                yield _Arrival(sources, to, instruction.from_, instruction, said)
            elif isinstance(instruction, Run):
                yield instruction
        self._ends[stage.index] = (workdir, values)

    def _put(self, values: dict[str, str], name: str, value: Word | None, arg: bool) -> None:
        if value is not None:
            values[name] = self._text(value, values)
        elif arg and (outside := self.model.globals.get(name)) is not None and outside.value:
            values[name] = self._text(outside.value, values)

    def _text(self, word: Word, values: dict[str, str]) -> str:
        escape = self.model.dockerfile.escape
        open_ = {use.name: _OPEN + use.name for use in variables(word.raw, escape)}
        try:
            return expand(word.raw, open_ | values, escape).result
        except ExpansionError:
            return _OPEN

    def earlier_runs(self, run: Run) -> tuple[Run, ...]:
        """The RUNs whose files `run` finds: of its stage and of those below it."""
        return tuple(one for one in self._before(run) if isinstance(one, Run))

    def _mounted(self, run: Run) -> tuple[_Arrival, ...]:
        stage = self.model.stage_of(run)
        workdir = self._workdirs.get((stage.index, run.span.start), "/") if stage else "/"
        found = []
        for mount in run.mounts:
            if mount.type == "bind":
                target = mount.get("target") or mount.get("dst") or mount.get("destination") or "."
                source = mount.get("source") or mount.get("src") or "."
                if "$" in source or "$" in target:
                    source = _OPEN
                to = posixpath.normpath(posixpath.join(workdir, target))
                found.append(_Arrival((source,), to, mount.get("from")))
        return tuple(found)

    # Where it is.

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """The folders that may be the build context, relative to the root."""
        if self._named:
            return self._named
        own = posixpath.dirname(self.path)
        parts = own.split("/") if own else []
        possible = ["/".join(parts[:depth]) for depth in range(len(parts), -1, -1)]
        sources = {
            clean(source)
            for stage in self.model.stages
            for one in self._of(stage)
            if isinstance(one, _Arrival) and one.from_ is None
            for source in one.sources
            if not wild(source) and _OPEN not in source
        } - {""}
        scores = [sum(self._there(folder, one) for one in sources) for folder in possible]
        best = max(scores)
        if not best:
            return (own,)
        return tuple(
            folder for folder, score in zip(possible, scores, strict=True) if score == best
        )

    def _there(self, folder: str, source: str) -> bool:
        path = posixpath.join(folder, source)
        return self.workspace.exists(path) or self.workspace.is_folder(path)

    def ignored(self, folder: str, inner: str) -> bool:
        """Whether a `.dockerignore` keeps the file out of the context `folder`."""
        return self._ignored(folder, inner)

    def _ignored(self, folder: str, inner: str) -> bool:
        if folder not in self._ignores:
            own = f"{self.path}.dockerignore"
            common = posixpath.join(folder, ".dockerignore")
            name = own if self.workspace.exists(own) else common
            data = (self._read(name) if self.workspace.exists(name) else None) or b""
            self._ignores[folder] = Dockerignore(data.decode("utf-8", "surrogateescape"))
        return self._ignores[folder].excludes(inner)

    def _read(self, path: str) -> bytes | None:
        try:
            return self.workspace.read(path)
        except Unreadable:
            return None


@lru_cache(maxsize=2)
def _config_files(workspace: Workspace) -> tuple[str, ...]:
    """Every file of the root, ignored by git or not, in which some tool expands variables."""
    names = {glob for tool in table().tools for glob in tool.own_config}
    plain = {glob.rpartition("/")[2] for glob in names if "*" not in glob}
    globs = tuple(glob for glob in names if "*" in glob)
    return tuple(
        path
        for path in (*workspace.files(), *workspace.ignored_files())
        if (base := path.rpartition("/")[2]) in plain
        or any(fits(base, glob) or fits(path, f"*{glob}") for glob in globs)
    )


def clean(source: str) -> str:
    found = posixpath.normpath("/" + source).lstrip("/")
    return "" if found == "." else found


def wild(source: str) -> bool:
    return any(char in source for char in "*?[")


def _under(path: str, folder: str) -> str | None:
    """The rest of `path` below `folder`, "" for the same, None if it lies elsewhere."""
    if path == folder:
        return ""
    prefix = folder.rstrip("/") + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def _candidates(source: str, inner: str) -> Iterable[str]:
    """What a COPY of `source` may have put at `inner` below its destination: the source itself
    (a file, renamed or put into a folder), or a file of the folder that it is."""
    if not inner:
        return (source,)
    found = [posixpath.join(source, inner) if source else inner]
    if posixpath.basename(source) == inner:
        found.append(source)
    return found


def _may_match(source: str, path: str) -> bool:
    """Whether a source of COPY may be the file `path` of the context, or a folder that holds it."""
    if _OPEN in source:
        return True
    if _REMOTE.search(source) or source.startswith("<<"):
        return False
    pattern = clean(source)
    return not pattern or segments_match(pattern, path) > 0


def segments_match(pattern: str, path: str) -> int:
    """How many segments of `path` the pattern takes, all of its own used up; 0 if it does not fit."""
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) > len(given):
        return 0
    if all(fits(one, glob) for glob, one in zip(wanted, given, strict=False)):
        return len(wanted)
    return 0
