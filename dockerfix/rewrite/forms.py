"""The two forms of a secret mount, and the shell statements that stand before a command.

`env`: the mount sets the variable. `file`: the mount is a file, and a statement reads it. A
statement needs a POSIX shell of its own; `objection` says where there is none. Knows one RUN at
a time, and nothing of what is removed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from dockerfix.finding import Refusal
from dockerfix.model import windows
from dockerfix.model.runs import POSIX_SHELLS, foreign_shebang, is_script
from dockerfix.rewrite.frontend import SECRET_SINCE, bare_required, pinned
from dockerfix.rewrite.key_commands import only_for_root, rows
from dockerfix.syntax import make
from dockerfix.syntax.nodes import Run

if TYPE_CHECKING:
    from dockerfix.builders.call import BuildCall
    from dockerfix.context import Context
    from dockerfix.syntax.nodes import Mount

Form = Literal["env", "file"]
FOLDER = "/run/secrets/"
PLAIN_ID = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
AMPERSAND = re.compile(rb"(?<![&<>|\\])&(?![&>])")
OLD_BUILDERS = ("podman", "buildah")
"""Builders whose secret mounts had no `env=` until lately (rule 5.8)."""


def form(context: Context, name: str, knows_env: bool) -> tuple[Form, str]:
    """The form for the secret `name`, and what decided for the file form."""
    entry = context.config.secrets.get(name)
    asked = entry.form if entry is not None and entry.form is not None else context.config.form
    if asked == "env":
        return "env", ""
    if asked == "file":
        return "file", 'the configuration says `form = "file"`'
    for call in context.calls:
        where = f"{call.path}:{context.line(call.path, call.span.start)}"
        if knows_files(call):
            return "file", f"{where} builds with {call.tool.split()[0]}"
        if call.files_only:
            return "file", f"{where}: {call.files_only}, whose BuildKit has no `env=`"
    if not knows_env:
        return "file", "the frontend that `# syntax` pins may not know `env=`"
    return "env", ""


def knows_files(call: BuildCall) -> bool:
    """Whether a builder that is not BuildKit has secret mounts, as files."""
    return any(one in call.tool for one in OLD_BUILDERS)


def on_windows(context: Context, run: Run) -> Refusal | None:
    """Why no RUN on a Windows image gets a mount, unless the configuration knows better (T22)."""
    image = windows.image(context.model, run)
    if not image or context.config.form == "env":
        return None
    return Refusal(
        f"the RUN on line {run.start_line} runs on the Windows image {image}, and Docker on Windows "
        "builds without BuildKit: there is no `--mount` there",
        context.path,
        run.keyword_span,
        "if BuildKit builds it (`docker buildx build` with a Windows worker), say "
        '`form = "env"` in the configuration',
    )


def frontend_too_old(context: Context) -> bool:
    """Whether the pinned frontend knows no secret mounts at all (rule 3.1)."""
    minor = pinned(context.dockerfile)
    return minor is not None and minor < SECRET_SINCE


# -- the file form ------------------------------------------------------------------


def file_mount(context: Context, run: Run, id: str, required: bool) -> bytes:
    """The mount of the file, readable for the user that the RUN has (T14)."""
    usual = set(id) <= PLAIN_ID
    uid, mode = rights(context, run)
    target = None if usual else file_path(id)
    bare = bare_required(context.dockerfile) and not any(one.files_only for one in context.calls)
    return make.mount(
        id=id, target=target, required=required or None, mode=mode, uid=uid, bare=bare
    )


def file_path(id: str, mount: Mount | None = None) -> str:
    """Where the file is: at the target of a mount that is there, else below /run/secrets."""
    target = mount.get("target") if mount is not None else None
    if target:
        return target
    last = id.rstrip("/").rpartition("/")[2]
    return FOLDER + "".join(char if char in PLAIN_ID else "_" for char in last or id)


def load(name: str, path: str) -> bytes:
    """Reads the file into the variable; without the file it stays as it is, and a failure
    to read stops the RUN (T15)."""
    text = f'if [ -f {path} ]; then {name}="$(cat {path})" && export {name} || exit 1; fi; '
    return text.encode("utf-8", "surrogateescape")


def rights(context: Context, run: Run) -> tuple[int | None, str | None]:
    """(`uid`, `mode`) that the mount needs: nothing under root, `uid` under a number, and
    `mode=0444` for a name, a variable, or the user of a base image that nobody knows."""
    user = context.model.setting(run).user
    if user is None:
        stage = context.model.stage_of(run)
        while stage is not None and stage.parent is not None:
            stage = stage.parent
        return (None, None) if stage is not None and stage.scratch else (None, "0444")
    raw = user.argument.raw if user.argument is not None else b""
    said = raw.strip(b"\"'").partition(b":")[0]
    if said == b"root" or (said.isdigit() and int(said) == 0):
        return None, None
    if said.isdigit():
        return int(said), None
    return None, "0444"


def runs_as_root(context: Context, run: Run) -> bool:
    """Whether the base image's user, which `run` has, does what only root can do."""
    stage = context.model.stage_of(run)
    if stage is None or context.model.setting(run).user is not None:
        return False
    image = (stage.chain[-1].base or "").partition("@")[0]
    if image.rpartition("/")[2].partition(":")[0] in rows()["root"]["images"] and (
        image.removeprefix("docker.io/").removeprefix("library/").count("/") == 0
    ):
        return True
    return any(
        only_for_root(command)
        for below in stage.chain
        for other in below.instructions
        if isinstance(other, Run) and context.model.setting(other).user is None
        for text in context.reader.scripts(other)
        for command in text.commands
    )


def named_user(context: Context, run: Run) -> str:
    """The user that a USER of the file gives the RUN, if it is certainly not root; else empty."""
    user = context.model.setting(run).user
    raw = user.argument.raw if user is not None and user.argument is not None else b""
    said = raw.strip(b"\"'").partition(b":")[0].decode("utf-8", "replace")
    if said == "root" or "$" in said or (said.isdigit() and int(said) == 0):
        return ""
    return said


# -- statements ---------------------------------------------------------------------


def export(context: Context, run: Run, name: str, word: bytes) -> bytes:
    """Puts a value together before the command.

    Of a list that `&` sends to the background, all before the `&` would run there.
    """
    texts = (script.text for script in context.reader.scripts(run))
    operator = b"; " if any(AMPERSAND.search(text) for text in texts) else b" && "
    return b"export " + name.encode("utf-8", "surrogateescape") + b"=" + word + operator


def objection(context: Context, run: Run) -> str:
    """Why no shell statement can stand before the command, as a clause; empty if one can."""
    if run.exec_form:
        return "it is in exec form, where no shell statement can stand"
    if not context.reader.posix(run):
        return f"{context.reader.shell(run)} runs it, which is no POSIX shell"
    if is_script(run) and any(map(foreign_shebang, run.heredoc_bodies)):
        return "its script is not shell"
    if len(run.heredocs) > 1 and run.body.text.strip().startswith(b"<<"):
        return "it begins with several here-documents"
    letters = shell_options(context, run)
    if "x" in letters:
        return "its shell prints each command (-x), and would print the value"
    if "n" in letters:
        return "its shell reads commands without running them (-n)"
    return ""


def shell_options(context: Context, run: Run) -> frozenset[str]:
    """Letters of the options that the RUN's shell starts with, from SHELL or a script's shebang."""
    shell = context.model.setting(run).shell
    words = list(shell.exec_words[1:]) if shell is not None else []
    for body in run.heredoc_bodies if is_script(run) else ():
        line = body.text.split(b"\n", 1)[0]
        if line.startswith(b"#!"):
            words += line.decode("utf-8", "replace").split()[1:]
    found: set[str] = set()
    long = {"xtrace": "x", "nounset": "u", "noexec": "n", "errexit": "e"}
    for word in words:
        if word in long:
            found.add(long[word])
        elif word.startswith("-") and not word.startswith("--"):
            found.update(word[1:])
        elif word.rpartition("/")[2] in POSIX_SHELLS:
            found.clear()
    return frozenset(found)
