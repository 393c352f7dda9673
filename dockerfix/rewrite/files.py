"""A secret file that COPY takes from the build context, and its move to a mount where it is read.

`secret_copies` finds them; `move` gives the operations or the reasons why not. What the file
holds is looked at, and never shown.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from dockerfix.builders.link import working_folder
from dockerfix.finding import Refusal
from dockerfix.model.dockerignore import Dockerignore
from dockerfix.model.file_secrets import holds, readers
from dockerfix.model.names import secret_file
from dockerfix.model.run_taint import setting_of
from dockerfix.model.tools import started, table, text_of
from dockerfix.rewrite import forms
from dockerfix.rewrite.ignore_file import IgnoreFile
from dockerfix.rewrite.key_commands import Unit
from dockerfix.rewrite.key_handling import Unclear
from dockerfix.rewrite.key_removal import take_out
from dockerfix.rewrite.moved import script_of
from dockerfix.syntax import make, verbs
from dockerfix.syntax.nodes import Add, Copy, Run
from dockerfix.workspace import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.shell import Command, Word
    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Instruction

RIGHTS = frozenset({"chmod", "chown"})
REMOVERS = frozenset({"rm", "unlink", "shred"})
CHANGERS = frozenset(
    {"mv", "sed", "tee", "truncate", "dd", "patch", "cp", "tar", "rsync", "zip", "ln"}
)
KINDS_LEFT = frozenset({"directory"})


@dataclass(frozen=True, slots=True)
class SecretCopy:
    """Source `index` of a COPY or ADD: `inner` is its path in the context `folder`, `what` it
    holds ("" where the file is not in the tree)."""

    instruction: Copy | Add
    index: int
    folder: str
    inner: str
    what: str

    @property
    def name(self) -> str:
        return posixpath.basename(self.inner)

    @property
    def id(self) -> str:
        return re.sub(r"[^\w.-]", "_", self.name.lstrip(".")) or "file"


@dataclass(slots=True)
class Move:
    """What moves one file: operations, the RUNs that get it, or why it stays."""

    operations: list[Operation] = field(default_factory=list)
    users: list[Run] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    target: str = ""
    outside: str = ""


def secret_copies(context: Context) -> Iterator[SecretCopy]:
    """Sources of COPY and ADD that are secret files, as far as name and content tell."""
    for stage in context.dockerfile.stages:
        for one in stage.instructions:
            if not isinstance(one, Copy | Add) or one.from_ or one.heredocs:
                continue
            for index, word in enumerate(one.sources):
                found = _judge(context, one, index, word.raw.decode("utf-8", "surrogateescape"))
                if found is not None:
                    yield found


def _judge(context: Context, one: Copy | Add, index: int, source: str) -> SecretCopy | None:
    known = secret_file(source)
    if known is None or known.kind in KINDS_LEFT or re.search(r"[$*?\[\]:]", source):
        return None
    inner = posixpath.normpath("/" + source.strip("\"'")).lstrip("/")
    folders = context.build_context.folders
    for folder in folders:
        path = posixpath.join(folder, inner)
        if context.workspace.exists(path):
            try:
                what = holds(context.workspace.read(path))
            except Unreadable:
                what = ""
            return SecretCopy(one, index, folder, inner, what) if what else None
    if known.sure and not any(
        context.workspace.is_folder(posixpath.join(folder, inner)) for folder in folders
    ):
        return SecretCopy(one, index, folders[0] if folders else "", inner, "")
    return None


def move(context: Context, copy: SecretCopy) -> Move:
    """Take the source out of its COPY and mount the file where it is read."""
    return _Mover(context, copy).move()


def kept_out(context: Context, copy: SecretCopy) -> Move:
    """What keeps every other COPY from taking the file as well, once its own is gone."""
    mover = _Mover(context, copy)
    mover.elsewhere()
    return mover.found


def landing(context: Context, copy: SecretCopy) -> str | None:
    """Where the file lands in the image, None if that is not known."""
    one = copy.instruction
    if one.destination is None:
        return None
    text = one.destination.raw.decode("utf-8", "surrogateescape").strip("\"'")
    workdir = context.model.setting(one).workdir
    if workdir is None and not text.startswith("/"):
        return None
    if "$" in text or "~" in text:
        return None
    path = posixpath.normpath(posixpath.join(workdir or "/", text))
    folder = text.endswith(("/", ".")) or len(one.sources) > 1 or path == workdir
    if folder or posixpath.basename(path) in (".ssh",):
        return posixpath.join(path, copy.name)
    base = posixpath.basename(path)
    if base == copy.name or secret_file(base) is not None or "." in base:
        return path
    return None


@dataclass(slots=True)
class _Mover:
    context: Context
    copy: SecretCopy
    found: Move = field(default_factory=Move)

    def refuse(self, reason: str, at: Span, help: str, path: str = "") -> None:
        self.found.refusals.append(Refusal(reason, path or self.context.path, at, help))

    def move(self) -> Move:
        one, found = self.copy.instruction, self.found
        by_hand = f"mount it where it is read: `--mount=type=secret,id={self.copy.id},target=PATH`"
        if one.exec_form:
            self.refuse("a source of the JSON form is not taken out", one.span, by_hand)
            return found
        target = landing(self.context, self.copy)
        if target is None:
            self.refuse("where the file lands is not known", one.span, by_hand)
            return found
        found.target = target
        order = (one.sources[self.copy.index].span.start,)
        found.operations.append(
            verbs.remove_source(self.context.dockerfile, one, self.copy.index, order=order)
        )
        self.elsewhere()
        self.runs(order)
        if not found.users and not found.refusals:
            self.refuse("no RUN of the build is seen to read it", one.span, (
                "give it to the container when it starts (a secret of the orchestrator, `-v`), "
                "and take it out of the image"
            ))  # fmt: skip
        self.callers()
        return found

    # -- what else takes it (T16) -----------------------------------------------

    def elsewhere(self) -> None:
        inner, folder = self.copy.inner, self.copy.folder
        if not any(self.takes(one) for one in self.context.dockerfile.instructions):
            return
        own = f"{self.context.path}.dockerignore"
        name = (
            own if self.context.workspace.exists(own) else posixpath.join(folder, ".dockerignore")
        )
        shared = [
            path
            for path, other in self.context.dockerfiles.items()
            if path != self.context.path and self.copy.name.encode() in other.source.data
        ]
        if shared:
            self.refuse(
                f"another COPY would still take {self.copy.name}, and {shared[0]} copies it too",
                self.copy.instruction.span,
                f"change both Dockerfiles, and name {inner} in {name}",
            )
        elif not self.context.workspace.exists(name):
            self.refuse(
                f"another COPY would still take {self.copy.name}, and there is no {name}",
                self.copy.instruction.span,
                f"write `{inner}` into {name}, then run dockerfix again",
            )
        else:
            data = self.context.workspace.read(name)
            self.found.operations.append(IgnoreFile(name, len(data)).add(inner))

    def takes(self, one: Instruction) -> bool:
        if not isinstance(one, Copy | Add) or one.from_ or one.heredocs:
            return False
        own = f"{self.context.path}.dockerignore"
        for name in (own, posixpath.join(self.copy.folder, ".dockerignore")):
            if self.context.workspace.exists(name):
                text = self.context.workspace.read(name).decode("utf-8", "surrogateescape")
                if Dockerignore(text).excludes(self.copy.inner):
                    return False
                break
        for index, word in enumerate(one.sources):
            if one is self.copy.instruction and index == self.copy.index:
                continue
            said = word.raw.decode("utf-8", "surrogateescape").strip("\"'")
            source = posixpath.normpath("/" + said).lstrip("/")
            if source in ("", ".") or self.copy.inner.startswith(source + "/"):
                return True
            if fnmatchcase(self.copy.inner, source) or "$" in source:
                return True
        return False

    # -- who reads it -----------------------------------------------------------

    def runs(self, order: tuple[int, ...]) -> None:
        stage = self.context.model.stage_of(self.copy.instruction)
        if stage is None:
            return
        for later in stage.descendants:
            for one in later.instructions:
                later_run = isinstance(one, Run) and one.span > self.copy.instruction.span
                if later_run and self.one_run(one, order):  # type: ignore[arg-type]
                    return

    def one_run(self, run: Run, order: tuple[int, ...]) -> bool:
        """Mounts the file where `run` reads it; whether it is gone after that."""
        script = script_of(self.context, run)
        if script is None:
            text = self.context.dockerfile.source.text(run.span)
            if self.copy.name.encode() in text:
                self.refuse(
                    f"what line {run.start_line} does with {self.copy.name} is not read",
                    run.keyword_span,
                    "mount the file there by hand",
                )
            elif self.reads_blindly(run):
                self.mount(run, order)
            return False
        gone: list[Unit] = []
        reads = removed = False
        for command in script.commands:
            paths = [self.path(run, word) for word in command.words[1:]]
            named = self.found.target in paths or any(
                self.found.target in text_of(word) for word in command.words
            )
            name = command.name or ""
            if (
                self.writes(run, command)
                or (named and name in CHANGERS)
                or self.copies(run, command)
            ):
                self.refuse(
                    f"line {run.start_line} changes, moves or copies {self.copy.name}, which a "
                    "mount cannot take",
                    run.keyword_span,
                    "change that command first: a mounted file cannot be written or moved",
                )
                return True
            if named and name in RIGHTS | REMOVERS:
                files = [w for w in command.words[1:] if not w.raw.startswith(b"-")]
                files = files[1:] if name in RIGHTS else files
                if len(files) != 1 or command.context:
                    self.refuse(
                        f"line {run.start_line} handles {self.copy.name} together with other files",
                        run.keyword_span,
                        "give it a command of its own",
                    )
                    return True
                gone.append(Unit(command.span, (command,)))
                removed = removed or name in REMOVERS
                continue
            reads = reads or named or self.reads(command)
        if gone:
            try:
                self.found.operations += take_out(self.context, run, gone, order)
            except Unclear as why:
                self.refuse(str(why), run.keyword_span, "give it a command of its own")
        if reads:
            self.mount(run, order)
        return removed

    def reads(self, command: Command) -> bool:
        known = readers(self.copy.name)
        for one in started(command) if command.words else ():
            tool = table().tool(one.name or "")
            if tool is None or (known is None and tool.reads == "all"):
                return True
            if known is not None and one.name in known:
                return True
        return False

    def reads_blindly(self, run: Run) -> bool:
        scripts = self.context.reader.scripts(run)
        return not scripts or any(
            self.reads(command) for text in scripts for _, command in text.every()
        )

    def writes(self, run: Run, command: Command) -> bool:
        return any(
            ">" in one.operator and one.target is not None and self.path(run, one.target) == self.found.target
            for one in command.redirects
        )  # fmt: skip

    def copies(self, run: Run, command: Command) -> bool:
        """Whether it copies or packs a folder above the file, other than all of the context."""
        if command.name not in ("cp", "tar", "rsync", "zip", "mv"):
            return False
        paths = [self.path(run, word) for word in command.words[1:-1]]
        return any(one and self.found.target.startswith(one.rstrip("/") + "/") for one in paths)

    def path(self, run: Run, word: Word) -> str | None:
        setting = setting_of(self.context.model, run)
        text = word.raw.decode("utf-8", "replace").replace('"', "").replace("'", "")
        for mark in ("~", "${HOME}", "$HOME"):
            if (text == mark or text.startswith(mark + "/")) and setting.home is not None:
                text = setting.home + text[len(mark) :]
        if "$" in text or "`" in text or text.startswith("-"):
            return None
        return posixpath.normpath(posixpath.join(setting.workdir or "/", text))

    def mount(self, run: Run, order: tuple[int, ...]) -> None:
        uid, mode = forms.rights(self.context, run)
        known = secret_file(self.copy.inner)
        if known is not None and known.kind == "ssh-key" and mode is not None:
            # ssh takes no key that others can read, if it is the user's own.
            own = self.context.model.setting(run).user is None
            own = own and (
                self.found.target.startswith("/root/") or forms.runs_as_root(self.context, run)
            )
            mode = None if own else mode
        said = {flag.name: flag.value or "" for flag in self.copy.instruction.flags}
        rights = said.get("chmod", "")
        if re.fullmatch(r"0?[0-7]{3}", rights):
            mode = rights.rjust(4, "0")
        owner = said.get("chown", "").partition(":")[0]
        if owner.isdigit() and int(owner):
            uid, mode = int(owner), mode if rights else None
        parent = posixpath.dirname(self.found.target)
        setting = setting_of(self.context.model, run)
        user = self.context.model.setting(run).user
        other = user is not None and (uid is not None or mode == "0444")
        if other and parent not in ("/", setting.workdir, setting.home):
            self.refuse(
                f"the folder {parent} would belong to root in line {run.start_line}, where "
                "another user may have to write to it",
                run.keyword_span,
                f"make {parent} in a RUN of its own for that user, and mount the file by hand",
            )
        text = make.mount(
            id=self.copy.id,
            target=self.found.target,
            required=True if not self.context.calls else None,
            mode=mode,
            uid=uid,
        )
        self.found.operations.append(
            verbs.add_mount(self.context.dockerfile, run, text, order=order)
        )
        self.found.users.append(run)

    # -- who gives it -----------------------------------------------------------

    def callers(self) -> None:
        path = posixpath.join(self.copy.folder, self.copy.inner)
        if not self.context.calls:
            self.found.outside = f"--secret id={self.copy.id},src={path}"
        for call in self.context.calls:
            folder = working_folder(call, self.context.path)
            if folder is None:
                self.refuse(
                    "in which folder this build runs is not known", call.span,
                    f"give it `--secret id={self.copy.id},src=PATH` by hand", call.path,
                )  # fmt: skip
                continue
            result = call.add_secret(self.copy.id, "file:" + posixpath.relpath(path, folder or "."))
            if isinstance(result, Refusal):
                self.found.refusals.append(result)
            else:
                self.found.operations.extend(result)
