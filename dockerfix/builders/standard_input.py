"""The Dockerfile that a build reads from its standard input: a redirect, or what a pipe brings.

Reads the shell text around one command; knows no client and no file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.shell import values
from dockerfix.workspace import looks_like_dockerfile

if TYPE_CHECKING:
    from dockerfix.builders.command_line import CommandLine, Situation
    from dockerfix.shell import Command, Script, State, Word


class Piped(NamedTuple):
    """`path` as the shell has it. `certain`: these bytes and no others arrive; otherwise the
    program that writes into the pipe only names the file."""

    path: str
    certain: bool


def piped(line: CommandLine, situation: Situation) -> Piped | None:
    """The Dockerfile on the standard input of a build, None if it reads none or none is in sight."""
    if (situation.file or situation.context) != "-":
        return None
    script, command, state = line.script, line.command, line.command.state
    for redirect in reversed(command.redirects):
        if redirect.operator.lstrip("0") in ("<", "<<", "<<-", "<<<"):
            path = _text(script, redirect.target, state) if redirect.operator == "<" else None
            return Piped(path, True) if path else None
    before = _before(script, command)
    if not before:
        return None
    words = [_text(script, word, state) for one in before for word in one.words[1:]]
    files = [word for word in words if word and not word.startswith("-")]
    if len(before) == 1 and before[0].name == "cat" and len(words) == 1 and len(files) == 1:
        return Piped(files[0], True)
    named = {word for word in files if looks_like_dockerfile(re.split(r"[/=]", word)[-1])}
    named |= {
        path
        for one in before
        for redirect in one.redirects
        if redirect.operator == "<" and (path := _text(script, redirect.target, state))
    }
    return Piped(named.pop(), False) if len(named) == 1 else None


def _before(script: Script, command: Command) -> list[Command]:
    """The commands whose output the pipe brings to `command`."""
    for stages in script.pipelines:
        at = next((n for n, one in enumerate(stages) if one.contains(command.span)), 0)
        if at:
            return [
                one for one in script.commands if any(s.contains(one.span) for s in stages[:at])
            ]
    return []


def _text(script: Script, word: Word | None, state: State) -> str | None:
    if word is None:
        return None
    found = values.one(values.resolve(script.text, word.parts, state, defaults=True))
    return None if found is None else found.decode("utf-8", "surrogateescape")
