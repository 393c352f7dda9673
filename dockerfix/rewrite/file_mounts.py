"""The mount of a secret file at the path where COPY used to put it: its text, its rights, and
where it would get in the way of the RUN (T14, T17)."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from dockerfix.model.file_secrets import rows
from dockerfix.model.names import secret_file
from dockerfix.model.run_taint import setting_of
from dockerfix.rewrite import forms
from dockerfix.syntax import make
from dockerfix.syntax.nodes import Copy, Run, Workdir

if TYPE_CHECKING:
    from dockerfix.context import Context
    from dockerfix.model.copied_files import Taking
    from dockerfix.source import Span


def file_mount_at(context: Context, run: Run, taking: Taking, id: str) -> bytes:
    """The mount, readable for the user who read the copied file."""
    uid, mode = _rights(context, run, taking)
    return make.mount(
        id=id,
        target=_target(context, run, taking),
        required=True if not context.calls else None,
        mode=mode,
        uid=uid,
    )


def _target(context: Context, run: Run, taking: Taking) -> str:
    """Without any WORKDIR only the base image knows where a relative path lies; a relative target
    of a mount is put there too (rule 7.3)."""
    target = taking.target or ""
    said = taking.instruction.destination
    relative = said is not None and not said.raw.lstrip(b"\"'").startswith(b"/")
    if relative and not _has_workdir(context, run) and not _from_scratch(context, run):
        return posixpath.relpath(target, "/")
    return target


def _has_workdir(context: Context, run: Run) -> bool:
    stage = context.model.stage_of(run)
    return stage is not None and any(
        isinstance(one, Workdir) and one.span.start < run.span.start
        for below in stage.chain
        for one in below.instructions
    )


def _from_scratch(context: Context, run: Run) -> bool:
    stage = context.model.stage_of(run)
    return stage is not None and bool(stage.chain) and stage.chain[-1].scratch


def _rights(context: Context, run: Run, taking: Taking) -> tuple[int | None, str | None]:
    uid, mode = forms.rights(context, run)
    unknown = context.model.setting(run).user is None and mode is not None
    known = secret_file(taking.target or "")
    if unknown and (
        (taking.target or "").startswith("/root/")
        or (known and known.kind == "ssh-key")
        or forms.runs_as_root(context, run)
    ):
        # Who puts a file into root's home runs as root; and ssh takes no key of its own user that
        # others may read.
        mode = None
    said = {flag.name: flag.value or "" for flag in taking.instruction.flags}
    rights = said.get("chmod", "")
    if re.fullmatch(r"0?[0-7]{3}", rights):
        mode = rights.rjust(4, "0")
    owner = said.get("chown", "").partition(":")[0]
    if owner.isdigit() and int(owner):
        uid, mode = int(owner), mode if rights else None
    return uid, mode


def objection(context: Context, run: Run, taking: Taking) -> tuple[str, Span, str] | None:
    """A folder that is not there is made for the RUN and belongs to root: why that may be in the
    way of another user, the place, and what to do."""
    uid, mode = _rights(context, run, taking)
    user = context.model.setting(run).user
    parent = posixpath.dirname(taking.target or "/")
    if user is None or (uid is None and mode != "0444") or there(context, run, parent):
        return None
    return (
        f"the folder {parent} would belong to root in line {run.start_line}, where another user "
        "may have to write to it",
        run.keyword_span,
        f"make {parent} in a RUN of its own for that user, and run dockerfix again",
    )


def there(context: Context, run: Run, folder: str) -> bool:
    """Whether the image has the folder before the RUN."""
    setting = setting_of(context.model, run)
    if folder in (setting.workdir, setting.home, *rows()["destination"]["there"]):
        return True
    if folder == context.build_context.workdir(run):
        return True
    stage = context.model.stage_of(run)
    for below in stage.chain if stage is not None else ():
        for one in below.instructions:
            if one.span.start >= run.span.start:
                break
            if isinstance(one, Run) and _makes(context, one, folder):
                return True
            if isinstance(one, Copy) and one.destination is not None:
                said = one.destination.raw.decode("utf-8", "replace").strip("\"'")
                here = posixpath.join(context.build_context.workdir(one) or "/", said)
                if (
                    said.endswith("/")
                    and len(one.sources) > 1
                    and posixpath.normpath(here) == folder
                ):
                    return True
    return False


def _makes(context: Context, run: Run, folder: str) -> bool:
    """Whether a `mkdir` or `install -d` of the RUN names the folder, or one in it."""
    setting = setting_of(context.model, run)
    workdir = context.build_context.workdir(run) or "/"
    for script in context.reader.scripts(run):
        for _, command in script.every():
            if command.name not in ("mkdir", "install"):
                continue
            for word in command.words[1:]:
                text = word.raw.decode("utf-8", "replace").strip("\"'")
                for mark in ("~", "$HOME", "${HOME}"):
                    if text.startswith(mark + "/") and setting.home:
                        text = setting.home + text[len(mark) :]
                path = posixpath.normpath(posixpath.join(workdir, text))
                if (path + "/").startswith(folder + "/"):
                    return True
    return False
