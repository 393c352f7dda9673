"""What a RUN does with a value in its own setting, and what becomes of the files it leaves.

Puts taint.py (one shell text) into the Dockerfile: the directory, the user and the shell that
are in force, here-documents, mounts whose files get into no layer, later RUNs that remove a
file, and COPY --from that takes it further. It does not know which variables are secrets.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dockerfix.model.taint import Leak, Setting, covers, leaks, rows, takes_out
from dockerfix.projection import Projection, Segment
from dockerfix.shell import read
from dockerfix.source import Span
from dockerfix.syntax.nodes import Copy, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dockerfix.model.scopes import Model
    from dockerfix.model.stages import Stage
    from dockerfix.shell import Script
    from dockerfix.syntax.nodes import Instruction

__all__ = ["Fate", "fate", "run_leaks", "secret_files", "setting_of", "takes", "with_heredocs"]

UNKEPT = frozenset({"tmpfs", "cache", "bind", "secret", "ssh"})
_DEPTH = 8
_OPERATOR = re.compile(rb"[;&|]")


def run_leaks(
    model: Model,
    run: Run,
    scripts: Iterable[Script],
    name: str,
    files: Iterable[str] = (),
) -> tuple[Leak, ...]:
    """What `run` does with the value of the variable `name` (or of `files`); `scripts` are its
    shell texts without here-documents."""
    scripts = tuple(scripts)
    told = any(one.projection.stand_ins for one in scripts)
    whole = with_heredocs(model, run) if not told else None
    setting = setting_of(model, run)
    unkept = tuple(
        posixpath.join("/", target)
        for mount in run.mounts
        if mount.type in UNKEPT
        for target in (mount.get("target") or mount.get("dst") or mount.get("destination"),)
        if target
    )
    texts = scripts if whole is None else (whole, *_given_to_shell(run, whole))
    return tuple(
        leak
        for text in texts
        for leak in leaks(text, name, files=files, setting=setting, unkept=unkept)
    )


def setting_of(model: Model, run: Run) -> Setting:
    """Directory, home and tracing for the text of `run`."""
    found = model.setting(run)
    stage = model.stage_of(run)
    workdir = found.workdir
    if workdir is None and stage is not None and not _has_workdir(stage, run):
        # What the base image says is not known; nearly all of them start in `/`.
        workdir = "/"
    user = ""
    if found.user is not None and found.user.argument is not None:
        user = found.user.argument.raw.decode("utf-8", "surrogateescape").partition(":")[0]
    home: str | None = "/root"
    if user not in ("", "root", "0"):
        home = None if user.isdigit() or "$" in user else f"/home/{user}"
    return Setting(workdir, home, _traced(model, run))


def secret_files(run: Run) -> dict[str, str]:
    """The files that secret mounts put there, by path, with the id of each."""
    found = {}
    for mount in run.mounts:
        if mount.type == "secret":
            target = mount.target
            if not target and mount.env is None and mount.id:
                target = f"/run/secrets/{mount.id.rpartition('/')[2]}"
            if target:
                found[target] = mount.id or target.rpartition("/")[2]
    return found


def _has_workdir(stage: Stage, run: Run) -> bool:
    from dockerfix.syntax.nodes import Workdir

    return any(
        isinstance(one, Workdir) and one.span.start < run.span.start
        for below in stage.chain
        for one in below.instructions
    )


def _traced(model: Model, run: Run) -> bool:
    """Whether the shell of the RUN prints commands: SHELL with -x, or a script's `#!` line."""
    if run.exec_form:
        words = run.exec_words
        return bool(words) and _traces(words[0], words[1:-1])
    if run.is_script and run.heredoc_bodies:
        first = run.heredoc_bodies[0].text.split(b"\n", 1)[0]
        if first.startswith(b"#!"):
            line = first[2:].decode("utf-8", "replace").split()
            return bool(line) and any(_is_option(word) for word in line[1:])
    shell = model.setting(run).shell
    return shell is not None and any(_is_option(word) for word in shell.exec_words[1:])


def _traces(program: str, words: Iterable[str]) -> bool:
    name = program.rpartition("/")[2]
    return name in rows()["tracers"] and any(_is_option(word) for word in words)


def _is_option(word: str) -> bool:
    return word[:1] == "-" and word[:2] != "--" and "x" in word[1:]


def with_heredocs(model: Model, run: Run) -> Script | None:
    """The command with its here-documents behind it, as the shell gets them (rule 1.33)."""
    if run.exec_form or not run.heredocs or run.is_script:
        return None
    command = _opener_behind(run)
    text, segments = command.text, list(command.segments)
    text += b"\n"
    for one in run.heredocs:
        body = model.dockerfile.source.text(one.span)
        segments.append(Segment(len(text), one.span.start, len(body), len(body)))
        text += body
    return read(Projection(text, tuple(segments)))


def _opener_behind(run: Run) -> Projection:
    """The command; `<<EOF cat > f` as `cat > f <<EOF`, which the parser of shell knows."""
    opener, body = run.heredocs[0].opener_span, run.body
    start = opener.start - body.host(0)
    word = run.source.text(opener)
    before = body.text[:start].rstrip()
    if len(run.heredocs) > 1 or not body.text.startswith(word, start):
        return body
    if before and before[-1:] not in b";&|({":
        return body
    end = start + len(word)
    following = _OPERATOR.search(body.text, end)
    cut = following.start() if following is not None else len(body.text)
    return body.told_as([(Span(start, end), b" "), (Span(cut, cut), b" " + word + b" ")])


def _given_to_shell(run: Run, script: Script) -> Iterator[Script]:
    """Here-documents that a shell reads as its script: `bash <<'EOF'`."""
    for command, body in zip(
        (one for one in script.commands if any(r.body is not None for r in one.redirects)),
        run.heredoc_bodies,
        strict=False,
    ):
        if command.name in rows()["tracers"]:
            yield read(body)


@dataclass(frozen=True, slots=True)
class Fate:
    """Who keeps a file that a RUN leaves. `kind`: a layer of a `final` image, an image that
    takes it by COPY (`copied`), or only the `cache` of the builder. `says` is a clause;
    `place` the instruction that decides, if one does."""

    kind: Literal["final", "copied", "cache"]
    says: str
    place: Instruction | None = None


def fate(model: Model, run: Run, leak: Leak, scripts: Callable[[Run], Iterable[Script]]) -> Fate:
    """What becomes of what `leak` leaves in the layer of `run`."""
    stage = model.stage_of(run)
    if stage is None:
        return Fate("final", "the layer keeps it")
    gone = _removed_later(model, stage, run, leak, scripts)
    if stage.in_final_chain:
        if gone is not None:
            line = gone.start_line
            return Fate(
                "final", f"line {line} removes it, but the layer of this RUN keeps it", gone
            )
        return Fate(
            "final",
            "the layer of this RUN keeps it, whatever a later one removes, for whoever can pull it",
        )
    if gone is None:
        taken = _taken(model, stage, leak.path, 0)
        if taken is not None:
            sure = "takes it" if leak.path else "may take it"
            line = taken.start_line
            return Fate("copied", f"COPY --from on line {line} {sure} into an image", taken)
    return Fate(
        "cache",
        "no image takes it: it stays in the builder's cache, and in a cache that is exported "
        "with mode=max",
    )


def _removed_later(
    model: Model,
    stage: Stage,
    run: Run,
    leak: Leak,
    scripts: Callable[[Run], Iterable[Script]],
) -> Run | None:
    """A later RUN of the stage, or of one built FROM it, that takes the file out of sight."""
    for later in stage.descendants:
        for one in later.instructions:
            if isinstance(one, Run) and one.span.start > run.span.start:
                setting = setting_of(model, one)
                if any(takes_out(text, leak, setting) for text in scripts(one)):
                    return one
    return None


def _taken(model: Model, stage: Stage, path: str, depth: int) -> Instruction | None:
    """A COPY --from that brings `path` (any file where it is empty) into a final image."""
    holders = {one.index for one in stage.descendants}
    for other in model.stages:
        for one in other.instructions:
            if not isinstance(one, Copy) or not one.from_ or one.destination is None:
                continue
            source = model.graph.find(one.from_)
            if source is None or source.index not in holders or source.index >= other.index:
                continue
            if not takes(one, path):
                continue
            if other.in_final_chain:
                return one
            if depth < _DEPTH and _taken(model, other, "", depth + 1) is not None:
                return one
    return None


def takes(copy: Copy, path: str) -> bool:
    """Whether a COPY --from may take the file at `path`; any file where that is empty."""
    for word in copy.sources:
        wanted = word.raw.decode("utf-8", "surrogateescape").strip("\"'")
        root = posixpath.normpath(posixpath.join("/", wanted))
        if not path or "$" in root or _copies(root, path):
            return True
    return False


def _copies(source: str, path: str) -> bool:
    """Whether COPY of `source` takes `path`; its globs match dotfiles, unlike a shell's."""
    return source == "/" or not path.startswith("/") or covers(source, path, hidden=True)
