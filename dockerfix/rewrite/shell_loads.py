"""Assignments in the shell of a RUN that read a secret from its file: `X=$(cat /run/secrets/x)`.

Knows how far such a variable reaches: an assignment before a command holds for that command
alone, and nothing outlives its RUN.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.model.readers import may_read
from dockerfix.model.runs import only_writes
from dockerfix.rewrite.forms import AMPERSAND
from dockerfix.rewrite.mounts import secret_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.rewrite.mounts import Given
    from dockerfix.shell import Command, Script
    from dockerfix.shell.nodes import Assignment
    from dockerfix.syntax.nodes import Run

_TRIMS = rb"tr\s+-d\s+[\"']?(?:\\[nr]|\[:space:\])+[\"']?"


def content_of(path: bytes) -> re.Pattern[bytes]:
    """`$(cat PATH)` and others that give what the file holds without the line break at its end;
    `path` is a pattern."""
    file = rb"[\"']?" + path + rb"[\"']?"
    shapes = (
        rb"(?:cat\s+|<\s*)" + file,
        rb"cat\s+" + file + rb"\s*\|\s*(?:" + _TRIMS + rb"|xargs)",
        _TRIMS + rb"\s*<\s*" + file,
        rb"head\s+-n?\s*1\s+" + file,
    )
    inner = rb"\s*(?:" + b"|".join(shapes) + rb")\s*"
    return re.compile(rb"\$\(" + inner + rb"\)|`" + inner + b"`")


_READS = content_of(rb"/[\w./-]+")
_PATH = re.compile(rb"/[\w./-]+")
# Commands that leave a RUN as if they had not been there.
QUIET = frozenset({"export", "set", ":", "true", "declare", "typeset", "readonly", "local"})


@dataclass(frozen=True, slots=True)
class Load:
    """`assignment` in `script`, a shell text of `run`, reads the file of the mount `given`."""

    run: Run
    script: Script
    assignment: Assignment
    given: Given

    @property
    def name(self) -> str:
        return self.assignment.name


def path_read(value: bytes) -> str:
    """The path of the one file whose content the word is; empty for any other word."""
    found = _READS.fullmatch(value.strip().strip(b"\"'"))
    path = _PATH.search(found[0]) if found else None
    return path[0].decode() if path else ""


def loads(context: Context) -> Iterator[Load]:
    """Every such assignment, in the order of the file."""
    files = {
        (given.run.span.start, given.file): given for given in secret_mounts(context) if given.file
    }
    for run in context.runs:
        if run.exec_form or not context.reader.posix(run):
            continue
        for script in context.reader.scripts(run):
            for one in script.assignments:
                path = path_read(one.value.raw) if one.value is not None else ""
                given = files.get((run.span.start, path))
                if given is not None:
                    yield Load(run, script, one, given)


def only_loads(load: Load) -> bool:
    """Whether the RUN does nothing but set variables."""
    script = load.script
    if script.errors or script.functions or script.nested or script.groups:
        return False
    return all(
        "substitution" in one.context or (one.name in QUIET and not one.redirects)
        for one in script.commands
    )


def command_of(load: Load) -> Command | None:
    """The command that a prefix assignment holds for."""
    if load.assignment.kind != "prefix":
        return None
    return next((one for one in load.script.commands if load.assignment in one.prefix), None)


def missed(load: Load) -> str:
    """What a prefix assignment does not reach, as a clause; empty if it reaches all that needs it."""
    own = command_of(load)
    if own is None or load.script.errors:
        return ""
    name = load.name
    direct = any(
        use.name == name and not (use.deferred or use.operator or use.assigned_before)
        for word in own.words
        for use in word.uses
    )
    if direct:
        return f"the shell puts ${name} into the words of `{own.name}` before it sets the variable"
    later = [
        one
        for one in load.script.commands
        if own.statement.contains(one.span)
        and one.span.start > own.span.end
        and one.words
        and "substitution" not in one.context
    ]
    for one in later:
        if any(other.name == name for other in one.prefix):
            return ""
        for word in one.words:
            for use in word.uses:
                if use.name == name and not use.assigned_before and not use.operator:
                    return f"`{one.name}`, which reads ${name}, is another command"
    if may_read(own, name).reads and not only_writes(own):
        return ""
    # A reference that is written down is for a later command to follow.
    written = any(use.name == name and own.span.contains(use.span) for use in load.script.uses)
    for one in later:
        found = may_read(one, name)
        if found.how in ("explicit", "implicit") or (written and found.reads):
            return f"`{one.name}`, which may read {name}, is another command"
    return ""


def exportable(load: Load) -> bool:
    """Whether `X=... cmd` can become `X=... && export X && cmd` with nothing else changed."""
    own, text = command_of(load), load.script.text
    if own is None or set(own.context) - {"pipeline"} or len(own.prefix) != 1 or not own.words:
        return False
    whole = text[own.statement.start : own.statement.end]
    if b"||" in whole or AMPERSAND.search(whole) or whole.startswith(b"!"):
        return False
    return own.operator_before in ("", "&&", ";", "\n") and (
        own.words[0].span.start > load.assignment.span.end
    )
