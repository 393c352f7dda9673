"""One root at one moment: its Dockerfiles, models, build calls and configuration, read lazily.

Parsed trees are shared between the rounds through `Memo`; so are errors, each told once.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dockerfix.config import Config, ConfigError, load
from dockerfix.context import Context
from dockerfix.engine.inline import Inlines
from dockerfix.engine.inputs import Problem, problems
from dockerfix.engine.plain import plain
from dockerfix.source import Source
from dockerfix.workspace import Unreadable, looks_like_dockerfile

if TYPE_CHECKING:
    from dockerfix.builders.call import BuildCall
    from dockerfix.finding import Finding
    from dockerfix.model import Model
    from dockerfix.suppress import Suppressions
    from dockerfix.syntax.lines import Problem as Objection
    from dockerfix.syntax.nodes import Dockerfile
    from dockerfix.workspace import Workspace


class Memo:
    """What several rounds share."""

    def __init__(self) -> None:
        self.trees: dict[tuple[str, bytes], Dockerfile | None] = {}
        self.suppressions: dict[tuple[str, bytes], Suppressions] = {}
        self.configs: dict[str, Config | None] = {}
        self.claimed: dict[str, tuple[Any, ...]] = {}
        self.errors: list[Problem] = []
        self.notes: list[Problem] = []
        self.targets: frozenset[str] = frozenset()
        self.unread: dict[str, str] = {}
        self.inlined = False
        self._told: set[tuple[str, int | None, str]] = set()

    def tell(self, problem: Problem) -> None:
        """Keep an error (or note), once. Errors of changed files are the recheck's business."""
        mark = (problem.path, problem.line, problem.message)
        if mark not in self._told:
            self._told.add(mark)
            (self.notes if problem.kind == "note" else self.errors).append(problem)

    def bug(self, path: str, name: str, error: BaseException) -> None:
        """A failure of ours. Names the place in our code; never an argument, which may be secret."""
        frames = traceback.extract_tb(error.__traceback__)
        where = (
            f"{frames[-1].filename.rpartition('dockerfix/')[2]}:{frames[-1].lineno}"
            if frames
            else ""
        )
        said = str(error) if type(error) is ValueError and "\n" not in str(error) else ""
        self.tell(
            Problem(
                path,
                f"{name} failed ({type(error).__name__}{f' in {where}' if where else ''}"
                f"{f': {said}' if said.startswith(('not done', 'a fix', 'edits overlap')) else ''}),"
                " and nothing was changed for it",
                "this is a bug of dockerfix: please report it with the file (its secrets replaced)",
                kind="internal",
            )
        )


class Snapshot:
    """The files of `workspace`, and what follows from them."""

    def __init__(
        self, workspace: Workspace, memo: Memo, allow_partial: bool, *, first: bool = True
    ) -> None:
        self.workspace = workspace
        self.memo = memo
        self.first = first
        self.allow_partial = allow_partial
        self._contexts: dict[str, Context] = {}
        self._models: dict[str, Model] = {}
        self.inlines = Inlines()

    # Which files.

    def targets(self, paths: Iterable[str]) -> tuple[str, ...]:
        """The Dockerfiles that the user's paths choose: those named, those in the folders
        named, and those that a named caller builds."""
        found: list[str] = []
        for path in paths:
            if self.workspace.is_folder(path) and path not in self.workspace.dockerfiles():
                found.extend(self.workspace.dockerfiles(path))
                self._tell_closed(path)
                prefix = f"{path}/" if path else ""
                found.extend(
                    one for call in self.calls for one in call.dockerfiles if one.startswith(prefix)
                )
            elif looks_like_dockerfile(path.rpartition("/")[2]) or not self.claims(path):
                found.append(path)
            else:
                found.extend(self.built_by(path))
        known = dict.fromkeys(
            self.workspace.canonical(path) if self.workspace.exists(path) else path
            for path in found
        )
        chosen = tuple(path for path in sorted(known) if not self.excluded(path))
        self.memo.targets = frozenset(chosen)
        return chosen

    def _tell_closed(self, folder: str) -> None:
        for closed in self.workspace.closed_folders():
            if not folder or closed == folder or closed.startswith(f"{folder}/"):
                self.memo.tell(
                    Problem(
                        closed,
                        "the folder cannot be looked into",
                        "check its permissions",
                        kind="unreadable",
                    )
                )

    def excluded(self, path: str) -> bool:
        config = self._config(path)
        return config is not None and config.excludes(self.inlines.host(path))

    def built_by(self, path: str) -> Iterator[str]:
        calls = [call for call in self.calls if call.path == path]
        if not calls:
            self.memo.tell(
                Problem(
                    path,
                    "it is not named like a Dockerfile and starts no build",
                    "name a Dockerfile, a file that starts a build, or a folder",
                    kind="usage",
                )
            )
        for call in calls:
            yield from call.dockerfiles

    @cached_property
    def dockerfile_paths(self) -> tuple[str, ...]:
        linked = (one for call in self.calls for one in call.dockerfiles)
        named = (one for one in self.workspace.dockerfiles() if self.workspace.exists(one))
        return tuple(sorted({*named, *linked}))

    # What they hold.

    def interesting(self, path: str) -> bool:
        """Whether passes could have anything to say of a Dockerfile. Tells what is broken in it."""
        from dockerfix.model.quick import quick
        from dockerfix.rewrite.asked import unnamed

        try:
            data = self.workspace.read(path)
        except Unreadable as error:
            self.memo.tell(Problem(path, error.message, error.help, kind="unreadable"))
            return False
        if self._config(path) is None:
            return False
        put = path in self.inlines and self.inlines[path].put
        wanted = bool(put) or quick(data) or self._may_take_secrets(path, data)
        wanted = wanted or any(unnamed(call, data) for call in self.building(path))
        if not problems(path, data) and not wanted and plain(data):
            return False
        return self.dockerfile(path) is not None and wanted

    def _may_take_secrets(self, path: str, data: bytes) -> bool:
        """Whether COPY may take a secret file with a folder, which its own bytes do not say: one
        that lies in the tree, or one that a caller writes."""
        from dockerfix.model.copied_files import swept_secrets

        lower = data.lower()
        if b"copy" not in lower and b"add" not in lower:
            return False
        if swept_secrets(self.workspace):
            return True
        return any(self._writes_secrets(call.path) for call in self.building(path))

    def _writes_secrets(self, path: str) -> bool:
        from dockerfix.model.file_secrets import swept_in

        return swept_in(self.workspace.read(path))

    def dockerfile(self, path: str) -> Dockerfile | None:
        """The tree of a file; None if no builder could read its bytes, told if it is a target."""
        try:
            data = self.workspace.read(path)
        except Unreadable:
            return None
        if (path, data) not in self.memo.trees:
            self.memo.trees[path, data] = self._parsed(path, data)
        return self.memo.trees[path, data]

    def _parsed(self, path: str, data: bytes) -> Dockerfile | None:
        import dockerfix

        # What a host does not hand over as it stands may be no Dockerfile to anyone.
        told = self.first and path in self.memo.targets and path not in self.inlines
        found = problems(path, data)
        if told:
            for problem in found:
                self.memo.tell(problem)
        if found:
            return None
        tree: Dockerfile = dockerfix.parse(data, path)
        if told:
            for error in tree.errors:
                self.memo.tell(_said(path, error, "broken"))
            for note in _noted(path, tree):
                self.memo.tell(note)
        return tree

    def model(self, path: str) -> Model:
        from dockerfix.model import build

        if path not in self._models:
            tree = self.dockerfile(path)
            assert tree is not None, path
            targets = {call.target for call in self.building(path)}
            self._models[path] = build(tree, frozenset(targets or {None}))
        return self._models[path]

    def config(self, path: str) -> Config:
        return self._config(path) or Config()

    def _config(self, path: str) -> Config | None:
        path = self.inlines.host(path)
        if path not in self.memo.configs:
            try:
                self.memo.configs[path] = load(self.workspace, path)
            except ConfigError as error:
                self.memo.configs[path] = None
                self.memo.tell(
                    Problem(error.path, error.message, error.help, error.line, kind="config")
                )
        return self.memo.configs[path]

    def source(self, path: str) -> Source:
        """The bytes of a file that a fix changes; none where it makes it."""
        if path in self.inlines:
            return Source(path, self.workspace.read(path))
        return Source(path, self.workspace.original(path) or b"")

    def settle(self, wanted: Mapping[str, bytes]) -> None:
        """Find the Dockerfiles inside files again, if the first snapshot had some. Raises
        ValueError if one of them does not read as it must."""
        if self.memo.inlined and self.calls:
            self.inlines.check(wanted)

    # Who builds them.

    def claims(self, path: str) -> tuple[Any, ...]:
        """The builders that read a file."""
        from dockerfix import builders

        if path not in self.memo.claimed or path in self.workspace.overlaid:
            head = self.workspace.head(path)
            self.memo.claimed[path] = tuple(one for one in builders.ALL if one.claims(path, head))
        return self.memo.claimed[path]

    def find_calls(self, paths: Iterable[str]) -> Iterator[BuildCall]:
        for path in paths:
            for builder in self.claims(path):
                try:
                    yield from builder.find_calls(path, self.workspace.read(path), self.workspace)
                except Unreadable as error:
                    self.memo.unread[path] = error.message
                    self.memo.tell(
                        Problem(error.path, error.message, error.help, kind="unreadable")
                    )
                except Exception as error:
                    self.memo.unread[path] = "dockerfix failed on it"
                    self.memo.bug(path, "reading the builds that it starts", error)

    @cached_property
    def calls(self) -> tuple[BuildCall, ...]:
        """Every build call of the root, linked to the Dockerfiles that it builds."""
        return tuple(one for one in self._found if not one.documentation)

    def building(self, path: str) -> tuple[BuildCall, ...]:
        """The calls that build a Dockerfile."""
        return tuple(self._calls_of.get(path, ()))

    @cached_property
    def _calls_of(self) -> dict[str, list[BuildCall]]:
        found: dict[str, list[BuildCall]] = {}
        for call in self.calls:
            for path in dict.fromkeys(call.dockerfiles):
                found.setdefault(path, []).append(call)
        return found

    @cached_property
    def documents(self) -> tuple[BuildCall, ...]:
        """Commands that files only show, linked likewise."""
        return tuple(one for one in self._found if one.documentation)

    @cached_property
    def _found(self) -> tuple[BuildCall, ...]:
        return self._linked(tuple(self.find_calls(self.workspace.files())))

    def ignored_calls(self) -> tuple[BuildCall, ...]:
        """Calls in files that git ignores: told of, never edited (trap 39)."""
        return tuple(self.find_calls(self.workspace.ignored_files()))

    def _linked(self, calls: tuple[BuildCall, ...]) -> tuple[BuildCall, ...]:
        if not calls:
            return ()
        from dockerfix.builders.link import link

        named = [one for one in self.workspace.dockerfiles() if self.workspace.exists(one)]
        self.inlines = Inlines.of(calls)
        self.memo.inlined |= bool(self.inlines)
        for path, inline in self.inlines.items():
            self.workspace.embed(path, inline.text.text)
        linked = link(calls, Trees(named, self.dockerfile), self.workspace)
        flagged = {one for call in linked for one in call.dockerfiles}.difference(named)
        if flagged:
            # A Dockerfile of an unusual name is known once a call has named it.
            linked = link(calls, Trees([*named, *sorted(flagged)], self.dockerfile), self.workspace)
        return tuple(
            replace(call, dockerfiles=tuple(map(self.workspace.canonical, call.dockerfiles)))
            for call in linked
        )

    # What passes get.

    def passes(self) -> tuple[Any, ...]:
        from dockerfix import passes

        return tuple(passes.ALL)

    def context(self, path: str) -> Context:
        if path not in self._contexts:
            tree = self.dockerfile(path)
            assert tree is not None, path
            self._contexts[path] = Context(
                path=path,
                dockerfile=tree,
                model=self.model(path),
                calls=self.building(path),
                all_calls=self.calls,
                documents=tuple(one for one in self.documents if path in one.dockerfiles),
                dockerfiles=Trees(self.dockerfile_paths, self.dockerfile),
                workspace=self.workspace,
                config=self.config(path),
                allow_partial=self.allow_partial,
                sibling=self.context,
            )
        return self._contexts[path]

    def unwanted(self, finding: Finding) -> bool:
        """Whether the configuration says that it is no secret, or leaves its file out."""
        config, path = self.config(finding.path), self.inlines.host(finding.path)
        return config.excludes(path) or not config.is_secret(finding.variable)

    def suppressed(self, finding: Finding) -> bool:
        """Whether a comment or the configuration says to leave this alone."""
        if self.unwanted(finding):
            return True
        tree = self.dockerfile(finding.path)
        if tree is None:
            return False
        key = (finding.path, tree.source.data)
        if key not in self.memo.suppressions:
            from dockerfix.suppress import suppressions

            self.memo.suppressions[key] = suppressions(tree)
        found = self.memo.suppressions[key]
        return found.covers(finding.name, finding.variable, finding.span.start) is not None


class Trees(Mapping[str, "Dockerfile"]):
    """Dockerfiles by path, parsed when asked for; one that cannot be read is not in it."""

    def __init__(self, paths: Iterable[str], parse: Callable[[str], Dockerfile | None]) -> None:
        self._paths = dict.fromkeys(paths)
        self._parse = parse

    def __getitem__(self, path: str) -> Dockerfile:
        tree = self._parse(path) if path in self._paths else None
        if tree is None:
            raise KeyError(path)
        return tree

    def __iter__(self) -> Iterator[str]:
        return (path for path in self._paths if self._parse(path) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, path: object) -> bool:
        return path in self._paths and self._parse(str(path)) is not None


def _noted(path: str, tree: Dockerfile) -> Iterator[Problem]:
    """The notes of a file, those of one text as one: a template has the same on many lines."""
    lines: dict[str, list[Objection]] = {}
    for note in tree.notes:
        lines.setdefault(note.message, []).append(note)
    for message, notes in lines.items():
        first = _said(path, notes[0], "note")
        more = f"{message} (and on {len(notes) - 1} more lines)"
        yield first if len(notes) < 3 else replace(first, message=more)
        if len(notes) == 2:
            yield _said(path, notes[1], "note")


def _said(path: str, about: Objection, kind: str) -> Problem:
    """What the parser says of a line, as something to tell."""
    help = "docker build refuses the file: mend the line" if kind == "broken" else ""
    return Problem(path, about.message, help, about.line, kind=kind)
