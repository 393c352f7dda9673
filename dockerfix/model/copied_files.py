"""Secret files that COPY and ADD take from the build context: by name, by a wildcard, or with a folder.

`copied_files` says for each file which instructions take it and where it lands. It looks at what
files hold and never gives it back. What happens to a file in the image is not its business.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from dockerfix.model.build_context import clean, segments_match, wild
from dockerfix.model.file_secrets import brought, holds, rows, swept
from dockerfix.model.names import secret_file
from dockerfix.syntax.nodes import Workdir
from dockerfix.workspace import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockerfix.model.build_context import BuildContext
    from dockerfix.model.stages import Stage
    from dockerfix.syntax.nodes import Add, Copy
    from dockerfix.workspace import Workspace

How = Literal["named", "matched", "swept"]


@dataclass(frozen=True, eq=False, slots=True)
class Taking:
    """Source `index` of a COPY or ADD takes the file. `alone`: it takes nothing else. `target` is
    where the file lands, absolute in the image, None where that is not known."""

    stage: Stage
    instruction: Copy | Add
    index: int
    how: How
    alone: bool
    target: str | None


@dataclass(frozen=True, eq=False, slots=True)
class CopiedFile:
    """`inner` is the file's path in the context `folder`; `what` says what it holds. `there`:
    the file is in the tree. `shared`: a source takes it, or may, that takes other files too."""

    folder: str
    inner: str
    what: str
    there: bool
    takings: tuple[Taking, ...]
    shared: bool

    @property
    def path(self) -> str:
        return posixpath.join(self.folder, self.inner)

    @property
    def name(self) -> str:
        return posixpath.basename(self.inner)


def copied_files(
    context: BuildContext, written: Mapping[str, str] | None = None
) -> tuple[CopiedFile, ...]:
    """The secret files that the Dockerfile of `context` takes. `written` are files (relative to
    the root) that its callers make before they build, with what they write."""
    finder = _Finder(context, written or {})
    found: dict[tuple[str, str], list[Taking]] = {}
    copies = [one for one in context.copies() if not one[1].heredocs]
    for _, _, sources, said in copies:
        for source in filter(_local, sources):
            finder.named.update(one[:2] for one in finder.taken(source, said) if one[2] == "named")
    unclear = any("\x01" in source for _, _, sources, _ in copies for source in sources)
    for stage, instruction, sources, said in copies:
        for index, source in enumerate(sources):
            for folder, inner, how, alone in finder.taken(source, said) if _local(source) else ():
                target = finder.target(stage, instruction, source, said, inner, how)
                taking = Taking(stage, instruction, index, how, alone, target)
                found.setdefault((folder, inner), []).append(taking)
    return tuple(
        CopiedFile(
            folder,
            inner,
            what,
            context.workspace.exists(posixpath.join(folder, inner)),
            tuple(all_),
            unclear or not all(one.alone for one in all_),
        )
        for (folder, inner), all_ in found.items()
        if (what := finder.what(folder, inner, any(one.how == "named" for one in all_)))
    )  # fmt: skip


class _Finder:
    def __init__(self, context: BuildContext, written: Mapping[str, str]) -> None:
        self.context = context
        self.workspace = context.workspace
        self.written = written
        self.named: set[tuple[str, str]] = set()

    # -- which files --------------------------------------------------------------

    def taken(self, source: str, said: str) -> Iterator[tuple[str, str, How, bool]]:
        """(folder, path in it, how, whether nothing else is taken) of each file with the name of
        a secret one, there or at the destination `said`, that `source` may take."""
        folders = self.context.folders or ("",)
        inner = clean(source)
        stem = inner.removesuffix("*")
        if stem != inner and self._absent(folders, inner, stem):
            yield folders[0], stem, "named", True
            return
        if not wild(source) and inner:
            for folder in folders:
                path = posixpath.join(folder, inner)
                if self.workspace.exists(path) or path in self.written:
                    yield from self._named(folder, inner, said)
                    return
            if not any(self.workspace.is_folder(posixpath.join(one, inner)) for one in folders):
                yield from self._named(folders[0], inner, said)
                return
        if len(folders) != 1 and inner:
            folders = tuple(
                one for one in folders if self.workspace.is_folder(posixpath.join(one, inner))
            )
        for folder in folders[:1]:
            yield from self._matched(folder, inner)

    def _absent(self, folders: Sequence[str], pattern: str, stem: str) -> bool:
        """Whether `id_rsa*` and the like match no file of the tree: the secret is the one that is
        called so."""
        known = None if wild(stem) else secret_file(stem)
        every = (*self.workspace.files(), *self.workspace.ignored_files())
        return (
            known is not None
            and known.sure
            and not any(
                segments_match(pattern, it) for one in folders for it in _inside(one, every)
            )
        )

    def _named(self, folder: str, inner: str, said: str) -> Iterator[tuple[str, str, How, bool]]:
        known = (secret_file(inner), None if said.endswith(("/", ".")) else secret_file(said))
        path = posixpath.join(folder, inner)
        if path in self.written or any(one and one.kind != "directory" for one in known):
            yield folder, inner, "named", True

    def _matched(self, folder: str, pattern: str) -> Iterator[tuple[str, str, How, bool]]:
        known = {
            *_inside(folder, (*_named_like_secrets(self.workspace), *self.written)),
            *(inner for its, inner in self.named if its == folder),
        }
        for inner in sorted(known):
            if self.context.ignored(folder, inner):
                continue
            count = segments_match(pattern, inner) if pattern else 0
            depth = inner.count("/") + 1
            if pattern and not count:
                continue
            if pattern and count == depth:
                yield folder, inner, "matched", self._only(folder, pattern)
            elif (
                swept(inner)
                or (folder, inner) in self.named
                or posixpath.join(folder, inner) in self.written
            ):
                yield folder, inner, "swept", False

    def _only(self, folder: str, pattern: str) -> bool:
        every = _inside(folder, (*self.workspace.files(), *self.workspace.ignored_files()))
        return sum(segments_match(pattern, inner) > 0 for inner in every) < 2

    # -- what they hold -----------------------------------------------------------

    def what(self, folder: str, inner: str, named: bool) -> str:
        path = posixpath.join(folder, inner)
        if path in self.written:
            return self.written[path]
        if self.workspace.exists(path):
            try:
                data = self.workspace.read(path)
                return holds(data) if named else brought(path, data)
            except Unreadable:
                return ""
        known = secret_file(inner)
        if named and known is not None and known.sure:
            return "a secret, by its name (the file is not in the tree)"
        if named and known is not None and self.workspace.ignored(path):
            return "a secret, by its name (git ignores the file, and it is not in the tree)"
        return ""

    # -- where they land ----------------------------------------------------------

    def target(
        self, stage: Stage, one: Copy | Add, source: str, said: str, inner: str, how: How
    ) -> str | None:
        workdir = self.context.workdir(one)
        if workdir is None or not said or "\x01" in said or "~" in said or "$" in said:
            return None
        path = posixpath.normpath(posixpath.join(workdir, said))
        if how == "swept":
            return posixpath.join(path, _below(clean(source), inner))
        name = posixpath.basename(inner)
        if said.endswith(("/", "/.")) or said == "." or len(one.sources) > 1 or path == workdir:
            return posixpath.join(path, name)
        base = posixpath.basename(path)
        if base in rows()["destination"]["folders"] or self._is_folder(stage, path):
            return posixpath.join(path, name)
        if base == name or secret_file(path) is not None or "." in base:
            return path
        return None

    def _is_folder(self, stage: Stage, path: str) -> bool:
        """Whether a WORKDIR of the chain, or a COPY of it, says that `path` is a folder."""
        for below in stage.chain:
            for one in below.instructions:
                if isinstance(one, Workdir) and self.context.workdir(one) is not None:
                    argument = one.argument.raw.decode("utf-8", "replace") if one.argument else ""
                    here = posixpath.join(self.context.workdir(one) or "/", argument.strip("\"'"))
                    if (posixpath.normpath(here) + "/").startswith(path + "/"):
                        return True
        return False


def _local(source: str) -> bool:
    return "\x01" not in source and "://" not in source and not source.startswith("git@")


def _below(source: str, inner: str) -> str:
    """The path of `inner` below the folder that `source`, which may hold wildcards, names."""
    return "/".join(inner.split("/")[source.count("/") + 1 :]) if source else inner


def _inside(folder: str, paths: Iterable[str]) -> Iterator[str]:
    prefix = f"{folder}/" if folder else ""
    return (path[len(prefix) :] for path in paths if path.startswith(prefix))


@lru_cache(maxsize=2)
def _named_like_secrets(workspace: Workspace) -> Sequence[str]:
    """Every file of the root, ignored by git or not, whose name is that of a secret file."""
    from dockerfix.model.quick import FILE_WORDS

    words = tuple(word.decode() for word in FILE_WORDS)
    found = []
    for path in (*workspace.files(), *workspace.ignored_files()):
        tail = "/".join(path.lower().rsplit("/", 2)[-2:])
        if any(word in tail for word in words):
            known = secret_file(path)
            if known is not None and known.kind != "directory":
                found.append(path)
    return tuple(found)


@lru_cache(maxsize=2)
def swept_secrets(workspace: Workspace) -> Sequence[str]:
    """Those that are looked at in folders, and hold a secret."""
    found = []
    for path in _named_like_secrets(workspace):
        if swept(path):
            try:
                what = brought(path, workspace.read(path))
            except Unreadable:
                what = ""
            if what:
                found.append(path)
    return tuple(found)
