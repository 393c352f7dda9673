"""Secret mounts that a Dockerfile has already: what they give, to which RUN, and who asks for it.

Knows what stands there, not whether it is right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.edits import Fix, Operation, Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.model.taint import SHOWN
from dockerfix.model.tools import started, table
from dockerfix.rewrite.forms import FOLDER, file_path
from dockerfix.rewrite.frontend import Frontend, frontend
from dockerfix.syntax import make, verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Mount, Run

# Subcommands that install: they run hooks of packages, and seldom code of the project's own.
INSTALLS = frozenset({"ci", "install", "i", "add", "download", "sync", "restore", "update", "mod"})
_SEPARATORS = str.maketrans("", "", "-_.")
_PATH = re.compile(rb"/run/secrets/([A-Za-z0-9_.-]+)")


@dataclass(frozen=True, slots=True)
class Given:
    """A secret mount of a RUN: `env` is the variable and `file` the path that it fills."""

    run: Run
    mount: Mount
    id: str
    env: str | None
    file: str | None

    @property
    def span(self) -> Span:
        return self.mount.flag.span


def secret_mounts(context: Context) -> Iterator[Given]:
    """Every secret mount of every RUN that BuildKit would take and whose id is plain text."""
    for run in context.runs:
        for mount in run.mounts:
            id = mount.id
            broken = any(key == "" for key, _ in mount.options)
            if mount.type == "secret" and id and "$" not in id and not broken:
                env = mount.env or None
                file = None if env and not mount.get("target") else file_path(id, mount)
                yield Given(run, mount, id, env, file)


def beside(context: Context, name: str) -> Given | None:
    """A mount that gives the variable `name`, or a file of that id."""
    found = [one for one in secret_mounts(context) if one.env == name or one.id == name]
    return min(found, key=lambda one: one.env != name, default=None)


def alike(one: str, other: str) -> bool:
    """Whether two ids differ in case and separators alone."""
    return one.lower().translate(_SEPARATORS) == other.lower().translate(_SEPARATORS)


def text(run: Run) -> bytes:
    """What the RUN's shell gets: its command and its heredocs."""
    return b"\n".join((run.body.text, *(one.text for one in run.heredoc_bodies)))


def paths_read(run: Run) -> Iterator[tuple[str, Span]]:
    """The files below /run/secrets that the RUN names, by their last name, each once."""
    seen = set()
    for projection in (run.body, *run.heredoc_bodies):
        for found in _PATH.finditer(projection.text):
            name = found[1].decode().rstrip(".")
            if name not in seen:
                seen.add(name)
                span = type(run.span)(found.start(), found.end())
                yield name, projection.host_span(span)


def may_read_file(context: Context, run: Run, path: str) -> bool:
    """Whether the RUN may read a file at `path`: its text names it, it runs a program that
    nobody knows, or the file stands where programs look by themselves."""
    if not path.startswith(FOLDER):
        return True
    raw = text(run)
    name = path[len(FOLDER) :].encode()
    if name in raw.replace(b"$", b" $") and FOLDER.rstrip("/").encode() in raw:
        return True
    if FOLDER.rstrip("/").encode() in raw or not context.reader.posix(run):
        return True
    for script in context.reader.scripts(run):
        if script.errors:
            return True
        for _, command in script.every():
            for one in started(command) if command.words else ():
                if one.name is None or (tool := table().tool(one.name)) is None:
                    return True
                sub = next((row for row in tool.subs if row.fits(one.name, one.words)), None)
                blind = (sub.reads if sub else tool.reads) == "all"
                if blind and not INSTALLS.intersection(one.words[:1]):
                    return True
    return run.exec_form and not context.reader.scripts(run)


def has_variable(run: Run, name: str) -> bool:
    """Whether a mount of the RUN sets the variable, or shall: a file of that id is to become it."""
    return any(one.type == "secret" and name in (one.env, one.id) for one in run.mounts)


def shows(context: Context, run: Run, name: str) -> bool:
    """Whether the RUN would print the variable: it shall not get a secret that it had not."""
    return any(one.kind in SHOWN for one in context.reader.reading(run, name).every_leak)


def give_variable(
    context: Context, run: Run, id: str, name: str, order: tuple[int, ...] = ()
) -> Operation:
    """The RUN gets the secret as a variable: a mount that makes a file nobody names becomes that."""
    for one in secret_mounts(context):
        if one.run is not run or one.id != id or one.env or one.mount.get("target"):
            continue
        if (one.file or "").encode() not in text(run):
            required = one.mount.required or None
            value = make.mount(id=id, env=name, required=required)
            return verbs.replace_mount(context.dockerfile, run, one.mount, value, order=order)
    return verbs.add_mount(context.dockerfile, run, make.mount(id=id, env=name), order=order)


def with_frontend(context: Context) -> Frontend:
    """What the file's `# syntax` line needs for `env=`."""
    others = [one for path, one in context.dockerfiles.items() if path != context.path]
    return frontend(context.dockerfile, others, context.config.syntax)


def finding(
    context: Context,
    name: str,
    variable: str,
    span: Span,
    *,
    message: str,
    reason: str,
    help: str,
    operations: tuple[Operation, ...] = (),
    safety: Safety = Safety.UNSAFE,
    severity: Severity = Severity.WARNING,
    residual: str = "none",
    related: tuple[Place, ...] = (),
) -> Finding:
    """A finding about a mount; with `operations` it has a fix."""
    fix = Fix(name, safety, residual, operations) if operations else None
    return Finding(
        path=context.path,
        span=span,
        name=name,
        variable=variable,
        severity=severity,
        safety=safety if fix is not None else Safety.MANUAL,
        message=message,
        reason=reason,
        help=help,
        residual=residual,
        related=related,
        fix=fix,
    )


WRITERS = frozenset({"echo", "printf", "sed", "tee", "mkdir", "touch", "ln", "cp", "mv", "chmod"})


def files_read(context: Context, run: Run) -> Iterator[tuple[str, Span]]:
    """As `paths_read`, where a command of the RUN itself reads the file: not where one prints the
    path, or makes the file."""
    raws: list[bytes] = []
    for script in context.reader.scripts(run):
        for _, command in script.every():
            if (command.name or "") in WRITERS:
                continue
            raws += [word.raw for word in command.words]
            raws += [
                one.target.raw
                for one in command.redirects
                if one.target is not None and one.operator.lstrip("0123456789") == "<"
            ]
    made = b" ".join(text(run).split())
    for name, span in paths_read(run):
        path = (FOLDER + name).encode()
        written = re.search(rb">\s*[\"']?" + re.escape(path) + rb"(?![\w.-])", made)
        if not written and any(_holds(raw, path) for raw in raws):
            yield name, span


def _holds(raw: bytes, path: bytes) -> bool:
    return re.search(re.escape(path) + rb"(?![\w-])", raw) is not None
