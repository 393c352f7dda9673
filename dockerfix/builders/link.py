"""Which Dockerfiles a build call builds: by `-f`, by context, else by its arguments' names.

Paths are relative to the workspace root. Where a script starts is not known: the root, the
script's own folder and the folders between are tried, and what exists there decides. Knows
nothing of how a call is written.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from dockerfix.builders.forwarding import links
from dockerfix.builders.standard_input import Piped
from dockerfix.shell.values import SCRIPT_DIR, START_DIR, WORK_TREE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockerfix.builders.call import BuildCall
    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Dockerfile
    from dockerfix.workspace import Workspace

Link = Literal["flag", "context", "name", "unresolved"]
STARTS_ANYWHERE = frozenset({"shell", "bake", "markdown"})
"""Kinds of file whose working directory at the start is not known."""

UNKNOWN = "?"
_REMOTE = re.compile(
    r"^(?:[a-z][a-z0-9+.-]*://|git@|github\.com/|[^/]+@[^/]+:)|\.git(?:#.*)?$", re.I
)


def link(
    calls: Iterable[BuildCall], dockerfiles: Mapping[str, Dockerfile], workspace: Workspace
) -> tuple[BuildCall, ...]:
    """`calls` with `dockerfiles` and `linked_by` filled in.

    Calls at one place (rounds of a loop, call sites of a function) each get all Dockerfiles of the
    group.
    """
    linker = _Linker(dockerfiles, workspace)
    every = (linker.one(one) for call in calls for one in linker.by_service(call))
    found = links(every, linker.file_of)
    groups: dict[object, list[int]] = defaultdict(list)
    for index, call in enumerate(found):
        if not call.through:
            groups[call.path, call.span].append(index)
    for members in groups.values():
        together = sorted({path for index in members for path in found[index].dockerfiles})
        if len(members) == 1 or len(together) < 2:
            continue
        for index in members:
            if found[index].dockerfiles:
                found[index] = replace(found[index], dockerfiles=tuple(together))
    return tuple(_with_companions(_where_one_is(found)))


def _where_one_is(calls: Sequence[BuildCall]) -> Sequence[BuildCall]:
    """Of the places that one build may have, by its inputs or a matrix, those where no Dockerfile is
    are never built: it is tied to what the others lead to."""
    known: dict[object, BuildCall] = {}
    for call in calls:
        if call.linked_by in ("flag", "context") and not call.through:
            known.setdefault((call.path, call.span), call)
    return [
        replace(call, linked_by=sure.linked_by, dockerfiles=sure.dockerfiles)
        if call.linked_by in ("name", "unresolved")
        and not call.through
        and _says_where(call)
        and (sure := known.get((call.path, call.span))) is not None
        else call
        for call in calls
    ]


def _says_where(call: BuildCall) -> bool:
    """Whether the place of its Dockerfile is known, be there one or not."""
    place = call.dockerfile_argument or call.context
    said = place is not None and not place.startswith((UNKNOWN, "-", "/")) and "$" not in place
    return said and call.cwd not in (None, UNKNOWN) and not _remote(call.context or "")


def _with_companions(calls: Sequence[BuildCall]) -> Iterator[BuildCall]:
    """Services that one command builds keep their own Dockerfiles, and know of each other's."""
    together: dict[object, set[str]] = defaultdict(set)
    for call in calls:
        if call.through:
            together[call.path, call.span].update(call.dockerfiles)
    for call in calls:
        others = together[call.path, call.span].difference(call.dockerfiles) if call.through else ()
        yield replace(call, companions=tuple(sorted(others))) if others else call


def calls_for(path: str, calls: Iterable[BuildCall]) -> tuple[BuildCall, ...]:
    """The calls that build the Dockerfile `path`."""
    return tuple(call for call in calls if path in call.dockerfiles)


def unlinked_with(name: str, calls: Iterable[BuildCall]) -> tuple[BuildCall, ...]:
    """The calls that pass `name` and could not be tied to any Dockerfile."""
    return tuple(call for call in calls if call.linked_by == "unresolved" and call.passes(name))


def possible(
    name: str,
    calls: Iterable[BuildCall],
    dockerfiles: Mapping[str, Dockerfile],
    workspace: Workspace,
) -> tuple[BuildCall, ...]:
    """The calls that pass `name` and do not say what they build (`docker build $1`), as calls of every
    Dockerfile that takes it: whichever is built, all of them take it in one way. Another argument
    that one Dockerfile alone takes does not say that no other is built."""
    found = [
        call
        for call in calls
        if call.linked_by in ("name", "unresolved")
        and call.passes(name)
        and not (call.refusal or call.through or call.piped or call.inline)
        and (call.forward is None or call.forward.body is not None)
        and call.dockerfile_argument != "-"
        and not _remote(call.context or "")
        and not _says_where(call)
    ]
    takers = _Linker(dockerfiles, workspace).declaring(name) if found else ()
    return tuple(
        replace(call, dockerfiles=takers, linked_by="name")
        for call in found
        if not set(takers) <= set(call.dockerfiles)
    )


def sharing(
    name: str, calls: Iterable[BuildCall], every: Iterable[BuildCall]
) -> tuple[BuildCall, ...]:
    """What else of `every` takes `name` from the very flag that one of `calls` does (a variable of
    flags), which none of them can change alone."""
    own = tuple(calls)
    places = {(call.path, place) for call in own for place in _held(call, name)}
    return tuple(
        call
        for call in every
        if call not in own and any((call.path, place) in places for place in _held(call, name))
    )


def _held(call: BuildCall, name: str) -> Iterator[Span]:
    """The flags outside of a command that give it `name`, as far as others may use them too."""
    given = call.passes(name)
    for place in getattr(call.dialect, "shared", ()) if given else ():
        if any(place.overlaps(arg.span) for arg in given):
            yield place


def context_folders(call: BuildCall, path: str, workspace: Workspace) -> tuple[str, ...]:
    """The folders of the root that `call`, which builds the Dockerfile `path`, may send as its
    context; none if that is not known or lies elsewhere."""
    context, file = call.context, call.dockerfile_argument
    if context is None or _remote(context):
        return ()
    found, certain = [], []
    for start in _Linker({}, workspace)._folders(call):
        folder = _under(start, context, call.path)
        if folder is None or not workspace.is_folder(folder):
            continue
        found.append(folder)
        own = posixpath.dirname(path) if file is None else _under(start, file, call.path)
        if own == (folder if file is None else path):
            certain.append(folder)
    return tuple(dict.fromkeys(certain or found))


def starting_folders(path: str) -> tuple[str, ...]:
    """Where a script at `path` may be started: the root, its own folder, those between."""
    folder = posixpath.dirname(path)
    folders = [""]
    for piece in folder.split("/") if folder else ():
        folders.append(posixpath.join(folders[-1], piece))
    return tuple(folders)


class _Linker:
    def __init__(self, dockerfiles: Mapping[str, Dockerfile], workspace: Workspace) -> None:
        self.dockerfiles = dockerfiles
        self.workspace = workspace
        self.declared: dict[str, tuple[str, ...]] = {}

    def by_service(self, call: BuildCall) -> Iterable[BuildCall]:
        """A command that reads a compose file, as the calls of the services that it builds."""
        if call.composed is None:
            return (call,)
        from dockerfix.builders.compose_command import by_service

        return by_service(call, self._folders(call), self.workspace)

    def one(self, call: BuildCall) -> BuildCall:
        linked = self._one(call)
        if not linked.through or not linked.dockerfiles:
            return linked
        # The command gives its arguments to every service, whether or not one takes them.
        kept = tuple(
            arg for arg in call.args if set(self.declaring(arg.name)) & {*linked.dockerfiles}
        )
        return replace(linked, args=kept)

    def _one(self, call: BuildCall) -> BuildCall:
        if call.linked_by != "unresolved":
            # The builder knows: a Dockerfile that stands inside another file, say.
            return call
        paths, by = self._by_path(call)
        if len(paths) > 1:
            paths, by = self._narrowed(call, paths), "name"
        if not paths and not (call.through and _remote(call.context or "")):
            paths, by = self._by_name(call), "name"
        return replace(call, dockerfiles=tuple(paths), linked_by=by if paths else "unresolved")

    def _by_path(self, call: BuildCall) -> tuple[Sequence[str], Link]:
        file, context = call.dockerfile_argument, call.context
        if call.piped is not None:
            return self._piped(call, call.piped)
        if context == "-" and file is not None and file not in ("-", UNKNOWN):
            # An archive on standard input: what it holds is most likely what stands here.
            return self._piped(call, Piped(file, False))
        if (context is not None and _remote(context)) or file == "-":
            return (), "unresolved"
        found: list[str] = []
        by: Link = "flag" if file is not None else "context"
        for folder in self._folders(call):
            if file is not None:
                hit = self._file(_under(folder, file, call.path))
            elif context is None:
                hit = None
            else:
                hit = self._in_folder(_under(folder, context, call.path), call.tool)
            if hit is not None and hit not in found:
                found.append(hit)
        return found, by

    def file_of(self, call: BuildCall, path: str) -> str | None:
        """`path` as the command has it, if one file of the root is meant."""
        hits = {
            self.workspace.canonical(hit)
            for folder in self._folders(call)
            if (hit := _under(folder, path, call.path)) is not None and self.workspace.exists(hit)
        }
        return hits.pop() if len(hits) == 1 else None

    def _piped(self, call: BuildCall, piped: Piped) -> tuple[Sequence[str], Link]:
        """A program that only names the file may count its path from the root."""
        folders = [*self._folders(call), *(() if piped.certain else ("",))]
        hits = [self._file(_under(folder, piped.path, call.path)) for folder in folders]
        found = [one for one in dict.fromkeys(hits) if one is not None]
        if not piped.certain:
            found = [one for one in found if one in self.dockerfiles][:1]
        return found, "flag" if piped.certain else "name"

    def _folders(self, call: BuildCall) -> tuple[str, ...]:
        cwd = call.cwd
        if cwd is None:
            # An argument that does not depend on the working directory still links.
            return (UNKNOWN,)
        if call.kind not in STARTS_ANYWHERE or call.through:
            folder = _under("", cwd, call.path)
            return () if folder is None else (folder,)
        folders = [_under(start, cwd, call.path) for start in starting_folders(call.path)]
        return tuple(dict.fromkeys(one for one in folders if one is not None))

    def _file(self, path: str | None) -> str | None:
        if path is None:
            return None
        if path in self.dockerfiles:
            return path
        if not self.workspace.exists(path):
            return None
        real = self.workspace.canonical(path)
        return real if real in self.dockerfiles else path

    def _in_folder(self, folder: str | None, tool: str) -> str | None:
        if folder is None:
            return None
        names: tuple[str, ...] = ("Dockerfile", "dockerfile")
        if any(one in tool for one in ("podman", "buildah")):
            names = ("Containerfile", *names)
        hits = (self._file(posixpath.join(folder, name)) for name in names)
        return next((hit for hit in hits if hit is not None), None)

    def _narrowed(self, call: BuildCall, paths: Sequence[str]) -> Sequence[str]:
        """Of several Dockerfiles that exist, those that take what the call passes."""
        if not call.args:
            return paths
        counts = {
            path: sum(path in self.declaring(arg.name) for arg in call.args) for path in paths
        }
        best = max(counts.values())
        return [path for path in paths if counts[path] == best] if best else paths

    def _by_name(self, call: BuildCall) -> Sequence[str]:
        found = {paths[0] for arg in call.args if len(paths := self.declaring(arg.name)) == 1}
        if len(found) != 1:
            return ()
        # All that is declared anywhere must be declared there.
        (path,) = found
        known = [paths for arg in call.args if (paths := self.declaring(arg.name))]
        return (path,) if all(path in paths for paths in known) else ()

    def declaring(self, name: str) -> tuple[str, ...]:
        """The Dockerfiles of the root that declare `ARG name`."""
        if name not in self.declared:
            self.declared[name] = tuple(
                path for path in self.dockerfiles if self._declares(path, name)
            )
        return self.declared[name]

    def _declares(self, path: str, name: str) -> bool:
        try:
            if name.encode("utf-8", "surrogateescape") not in self.workspace.read(path):
                return False
        except Exception:  # an unreadable Dockerfile is reported by who reads it
            return False
        return name in declared_args(self.dockerfiles[path])


def declared_args(dockerfile: Dockerfile) -> frozenset[str]:
    """Every name that an ARG of it declares."""
    return frozenset(
        pair.name
        for instruction in dockerfile.instructions
        if instruction.name == "arg"
        for pair in getattr(instruction, "pairs", ())
    )


def _remote(context: str) -> bool:
    return context == "-" or _REMOTE.search(context) is not None


def _under(folder: str | None, path: str, script: str) -> str | None:
    """`path` seen from `folder`; None if it is not known or lies outside the root."""
    mark = path[:1]
    if mark == SCRIPT_DIR:
        folder, path = posixpath.dirname(script), path[1:].lstrip("/")
    elif mark == WORK_TREE:
        folder, path = "", path[1:].lstrip("/")
    elif mark == START_DIR:
        path = path[1:].lstrip("/")
    elif path.startswith(("/", "~", UNKNOWN)):
        return None
    if folder is None or folder == UNKNOWN or "$" in path:
        return None
    full = posixpath.normpath(posixpath.join(folder, path)) if folder or path else ""
    if full == ".":
        full = ""
    return None if full == ".." or full.startswith("../") else full


def working_folder(call: BuildCall, dockerfile: str) -> str | None:
    """The folder, root-relative, in which the client runs that builds `dockerfile`; None if the
    call does not tell. A script may start anywhere: where its paths lead decides."""
    if call.kind == "compose" or call.through:
        # Its paths count from the folder of the compose file.
        return posixpath.dirname(call.through or call.path)
    if call.cwd is None:
        return None
    if call.kind not in STARTS_ANYWHERE:
        return _under("", call.cwd, call.path)
    found = set()
    for start in starting_folders(call.path):
        folder = _under(start, call.cwd, call.path)
        if folder is None:
            continue
        if call.piped is not None:
            leads = _under(folder, call.piped.path, call.path) == dockerfile
        elif call.dockerfile_argument is not None:
            leads = _under(folder, call.dockerfile_argument, call.path) == dockerfile
        else:
            context = _under(folder, call.context or "", call.path)
            leads = call.context is not None and context == posixpath.dirname(dockerfile)
        if leads:
            found.add(folder)
    return found.pop() if len(found) == 1 else None
