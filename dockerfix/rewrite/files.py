"""A secret file that COPY takes from the build context, and its move to a mount where it is read.

`taken` finds the files; `move` gives the operations or the reasons why not. A file that other
COPYs would still take is named in `.dockerignore`, and then every Dockerfile that takes it from
the same folder changes with it. What a file holds is never shown.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from dockerfix.builders.link import working_folder
from dockerfix.finding import Refusal
from dockerfix.model.copied_files import CopiedFile, copied_files
from dockerfix.model.expand import variables
from dockerfix.model.file_secrets import kind_of, known
from dockerfix.rewrite.context_files import written_files
from dockerfix.rewrite.file_callers import give
from dockerfix.rewrite.file_mounts import file_mount_at, objection
from dockerfix.rewrite.file_uses import Reads, Use, use_of
from dockerfix.rewrite.ignore_file import IgnoreFile
from dockerfix.syntax import verbs
from dockerfix.syntax.nodes import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.model.copied_files import Taking
    from dockerfix.model.file_secrets import Kind
    from dockerfix.model.stages import Stage
    from dockerfix.rewrite.context_files import Written
    from dockerfix.source import Span


_TAKEN: WeakKeyDictionary[Context, tuple[tuple[CopiedFile, Written | None], ...]] = (
    WeakKeyDictionary()
)


@dataclass(slots=True)
class Move:
    """What moves one file: operations, the RUNs that get it (with the Dockerfile of each), or why
    it stays. `ignored` is the file that now names it for `.dockerignore`."""

    operations: list[Operation] = field(default_factory=list)
    users: list[tuple[str, Run]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    outside: str = ""
    ignored: str = ""


def taken(context: Context) -> tuple[tuple[CopiedFile, Written | None], ...]:
    """The secret files that the Dockerfile takes, with what a caller writes into them."""
    found = _TAKEN.get(context)
    if found is None:
        found = _TAKEN[context] = _taken(context)
    return found


def _taken(context: Context) -> tuple[tuple[CopiedFile, Written | None], ...]:
    written: Mapping[str, Written] = written_files(context)
    says = {
        path: f"{one.variable or 'a secret'}, which {one.caller} writes into it"
        for path, one in written.items()
    }
    files = copied_files(context.build_context, says)
    return tuple((one, written.get(one.path)) for one in files)


def move(context: Context, file: CopiedFile) -> Move:
    """Take the file out of every COPY and mount it where it is read."""
    return _Mover(context, file).move()


def _passed(context: Context, taking: Taking) -> str:
    """The variable in the source or the destination that a caller gives a value."""
    one = taking.instruction
    words = [one.sources[taking.index], *([one.destination] if one.destination else [])]
    names = {
        use.name for word in words for use in variables(word.raw, context.dockerfile.escape)
    }  # fmt: skip
    return next((name for name in sorted(names) if any(c.passes(name) for c in context.calls)), "")


def _kind(file: CopiedFile) -> Kind:
    """By the file's own name, else by the one that COPY gives it."""
    names = [file.inner, *(one.target for one in file.takings if one.target)]
    return kind_of(next((one for one in names if known(one)), file.inner))


def kept_out(context: Context, file: CopiedFile) -> Move:
    """What keeps every COPY of a folder from taking the file, once those that name it are gone."""
    mover = _Mover(context, file)
    if len(mover.parts) > 1:
        at = file.takings[0].instruction.span
        others = ", ".join(one.context.path for one in mover.parts if one.context is not context)
        mover.refuse(f"{others} takes {file.name} too", at, "change both together")
    elif file.shared:
        mover.ignore()
    return mover.found


@dataclass(slots=True)
class _Part:
    """The file in one Dockerfile, and what its RUNs do with it."""

    context: Context
    file: CopiedFile
    uses: dict[tuple[int, str], tuple[Run, Taking, Use]] = field(default_factory=dict)
    kept: bool = False

    @property
    def most(self) -> Reads:
        return max((use.reads for _, _, use in self.uses.values()), default=Reads.NO)

    @property
    def explicit(self) -> bool:
        return any(one.how != "swept" for one in self.file.takings)


class _Mover:
    def __init__(self, context: Context, file: CopiedFile) -> None:
        self.context, self.file = context, file
        self.kind = _kind(file)
        self.found = Move()
        self.ignore_file = self._ignore_file()
        self.parts = list(self._parts())

    def refuse(self, reason: str, at: Span, help: str, path: str = "") -> None:
        refusal = Refusal(reason, path or self.context.path, at, help)
        if refusal not in self.found.refusals:
            self.found.refusals.append(refusal)

    def _ignore_file(self) -> str:
        own = f"{self.context.path}.dockerignore"
        common = posixpath.join(self.file.folder, ".dockerignore")
        return own if self.context.workspace.exists(own) else common

    def _parts(self) -> Iterator[_Part]:
        """The file in this Dockerfile and, where `.dockerignore` changes, in every other one that
        takes it under the same `.dockerignore`."""
        paths = [self.context.path]
        if self.file.shared and self.ignore_file == posixpath.join(
            self.file.folder, ".dockerignore"
        ):
            paths = sorted(self.context.dockerfiles)
        for path in paths:
            if path == self.context.path:
                yield _Part(self.context, self.file)
                continue
            other = self.context.sibling(path)
            if other.workspace.exists(f"{path}.dockerignore"):
                continue
            for file, _ in taken(other):
                if (file.folder, file.inner) == (self.file.folder, self.file.inner):
                    yield _Part(other, file)

    # -- the whole ----------------------------------------------------------------

    def move(self) -> Move:
        for part in self.parts:
            self.follow(part)
        mounted = self.mounted()
        if not self.found.refusals:
            identity = self.identity()
            for part in self.parts:
                self.sources(part)
                self.mount(part, identity, mounted)
            if self.file.shared:
                self.ignore()
            if self.found.users:
                self.callers(identity)
        self.found.operations = list(dict.fromkeys(self.found.operations))
        return self.found

    def follow(self, part: _Part) -> None:
        """What becomes of the file from each COPY on, in its stage and in those built FROM it."""
        order = sorted(part.file.takings, key=lambda one: one.how == "swept")
        for one in order:
            name = _passed(part.context, one)
            if name:
                self.refuse(
                    f"callers pass {name}, on which depends what line "
                    f"{one.instruction.start_line} copies and where to",
                    one.instruction.span,
                    "write the path out, and run dockerfix again",
                    part.context.path,
                )
            if one.target is None:
                if one.how != "swept" or not part.explicit:
                    self.refuse(
                        f"where line {one.instruction.start_line} puts {self.file.name} is not known",
                        one.instruction.span,
                        "end the destination with `/`, or name the file in it",
                        part.context.path,
                    )
                continue
            gone = self.walk(part, one, one.stage, one.instruction.span.end)
            part.kept = part.kept or not gone

    def walk(self, part: _Part, taking: Taking, stage: Stage, start: int) -> bool:
        """Whether the file is gone at the end of the stage and of each one built FROM it."""
        for one in stage.instructions:
            if not isinstance(one, Run) or one.span.start < start:
                continue
            key = (one.span.start, taking.target or "")
            if key not in part.uses:
                use = use_of(part.context, one, taking.target or "", self.kind, self.order(part))
                part.uses[key] = one, taking, use
            if part.uses[key][2].gone:
                return True
        children = [self.walk(part, taking, child, 0) for child in stage.children]
        return bool(children) and all(children)

    def order(self, part: _Part) -> tuple[int, ...]:
        return (part.file.takings[0].instruction.span.start,)

    # -- whether ------------------------------------------------------------------

    def mounted(self) -> bool:
        """Whether RUNs get the file; refuses where that, or its being gone, is not certain."""
        most = max(part.most for part in self.parts)
        explicit = any(part.explicit for part in self.parts)
        read = most >= (Reads.ELSEWHERE if explicit else Reads.SURELY)
        for part in self.parts:
            at = part.file.takings[0].instruction
            if self.kind.container and part.kept and not self.only_built(part):
                self.refuse(
                    f"a container may read {self.file.name} when it runs",
                    at.span,
                    self.container_help(),
                    part.context.path,
                )
            elif not read and not self.found.refusals and (explicit or most is Reads.MAYBE):
                what = "no RUN of the build is seen to read it"
                if most:
                    what = f"whether a RUN reads {self.file.name} there is not known"
                self.refuse(what, at.span, self.unread_help(explicit), part.context.path)
            if read:
                for run, taking, use in part.uses.values():
                    if use.objection and (taking.how != "swept" or self.gets(part, run, taking)):
                        self.refuse(use.objection, run.keyword_span, use.help, part.context.path)
        return read

    def gets(self, part: _Part, run: Run, taking: Taking) -> bool:
        """Whether the RUN may read the file there; one that a folder brings does not count
        beside one that was put in its place."""
        reads = part.uses[run.span.start, taking.target or ""][2].reads
        if reads < (Reads.MAYBE if taking.how == "swept" else Reads.ELSEWHERE):
            return False
        return taking.how != "swept" or not any(
            other is run and one.how != "swept" and use.reads
            for other, one, use in part.uses.values()
        )

    def only_built(self, part: _Part) -> bool:
        """A stage that no image comes from, and that surely reads the file."""
        final = any(
            stage.in_final_chain for one in part.file.takings for stage in one.stage.descendants
        )
        return not final and part.most is Reads.SURELY

    def container_help(self) -> str:
        ignore = "" if self.file.inner != self.file.name else f"name it in {self.ignore_file}, "
        way = (
            "`--env-file`" if "env" in self.file.name else "a mount or a secret of the orchestrator"
        )
        return (
            f"{ignore}give it to the container with {way}, and to a RUN that needs it with "
            f"`--mount=type=secret,id={self.plain_id},target={self.kind.target or 'PATH'}`"
        )

    def unread_help(self, explicit: bool) -> str:
        if explicit:
            return (
                "give it to the container when it starts (a secret of the orchestrator, `-v`), "
                "and take it out of the image"
            )
        return (
            f"name {self.file.inner} in {self.ignore_file}; a RUN that reads it gets "
            f"`--mount=type=secret,id={self.plain_id},target={self.kind.target or 'PATH'}`"
        )

    # -- what changes -------------------------------------------------------------

    @property
    def plain_id(self) -> str:
        return re.sub(r"[^\w.-]", "_", self.file.name.lstrip(".")) or "file"

    def identity(self) -> str:
        """The id: one that a caller gives the same file under, else the file's name, else its
        path where another file has the name."""
        for part in self.parts:
            for call in part.context.calls:
                folder = working_folder(call, part.context.path)
                for secret in call.secrets if folder is not None else ():
                    kind, _, path = secret.source.partition(":")
                    here = posixpath.normpath(posixpath.join(folder or "", path))
                    if kind == "file" and here == self.file.path:
                        return secret.id
        others = {
            other.path
            for part in self.parts
            for other, _ in taken(part.context)
            if other.name == self.file.name
        }
        given = {
            one.id for part in self.parts for call in part.context.calls for one in call.secrets
        }
        if len(others) < 2 and self.plain_id not in given:
            return self.plain_id
        return re.sub(r"[^\w.-]", "_", self.file.inner.replace("/", "-").lstrip(".")) + (
            "" if "/" in self.file.inner else "-file"
        )

    def sources(self, part: _Part) -> None:
        source, order = part.context.dockerfile, self.order(part)
        for one in part.file.takings:
            if one.alone:
                gone = verbs.remove_source(source, one.instruction, one.index, order=order)
                self.found.operations.append(gone)

    def mount(self, part: _Part, id: str, mounted: bool) -> None:
        order = self.order(part)
        for run, taking, use in part.uses.values():
            self.found.operations += use.operations
            if not mounted or not self.gets(part, run, taking):
                continue
            says = objection(part.context, run, taking)
            if says:
                self.refuse(*says, part.context.path)
                continue
            text = file_mount_at(part.context, run, taking, id)
            self.found.operations.append(
                verbs.add_mount(part.context.dockerfile, run, text, order=order)
            )
            self.found.users.append((part.context.path, run))

    def ignore(self) -> None:
        data = self.context.workspace.original(self.ignore_file) or b""
        pattern = re.sub(r"([\\*?\[])", r"\\\1", self.file.inner)
        self.found.operations.append(IgnoreFile(self.ignore_file, len(data)).add(pattern))
        self.found.ignored = self.ignore_file

    def callers(self, id: str) -> None:
        given = give([part.context for part in self.parts], self.file, id)
        self.found.operations += given.operations
        for refusal in given.refusals:
            self.refuse(*refusal)
        self.found.outside = given.outside
