"""Logins that git would keep, given by a credential helper instead: `git config`, `git clone`,
`git remote` and ~/.git-credentials.

A host has one helper, so two logins at one host stay; where git is told to store logins, no
helper is written, because git would store what it says. What the helper is: `git_urls`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.rewrite import git_urls
from dockerfix.rewrite.commands import remove_command, unbroken
from dockerfix.syntax.nodes import User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.edits import Operation
    from dockerfix.model.taint import Leak
    from dockerfix.rewrite.git_urls import Plain
    from dockerfix.rewrite.persisted import Keeping
    from dockerfix.shell import Command, Script, Use, Word
    from dockerfix.syntax.nodes import Run

NETWORK = frozenset({"pull", "fetch", "submodule", "push", "lfs", "ls-remote"})
STORED = "/.git-credentials"


def helped(one: Keeping, leak: Leak, command: Command) -> bool:
    """Whether a credential helper now gives what `command` would keep."""
    script = leak.script
    if not unbroken(one.context.dockerfile, script, command):
        return False
    if leak.kind == "file":
        return leak.path.endswith(STORED) and _stored(one, script, command)
    if any(git_urls.keeps(other) for _, _, other in _every(one)):
        return False
    changed = git_urls.config(command, one.name)
    if changed is not None:
        plain, text = changed
        if not _given(one, plain) or _another_login(one, plain.host):
            return False
        removals = _removals(one)
        if removals is None:
            return False
        one.found.operations += removals
        one.replace(script, command.span, _grouped(script, command, text))
        _say(one, plain)
        return True
    return _remote(one, script, command) or _clone(one, script, command)


def _removals(one: Keeping) -> list[Operation] | None:
    """What takes out the commands that would unset the URL again; None if one cannot go."""
    found = []
    for run, text, other in _every(one):
        if git_urls.unsets(other, one.name):
            gone = remove_command(one.context.dockerfile, run, text, other, one.order)
            if gone is None:
                return None
            found.append(gone)
            if gone.verb == "remove":
                one.found.removed.add(run.span.start)
            elif run is one.reading.run:
                one.replaced.add(other.span)
    return found


def _remote(one: Keeping, script: Script, command: Command) -> bool:
    found = git_urls.remote(command, one.name)
    if found is None or command.redirects:
        return False
    word, plain = found
    if not _given(one, plain) or _another_login(one, plain.host):
        return False
    words = [git_urls.in_shell(plain.url) if it is word else _raw(it) for it in command.words]
    text = f"{' '.join(words)} && git config {plain.key} '{plain.helper}'"
    one.replace(script, command.span, _grouped(script, command, text))
    _say(one, plain)
    return True


def _clone(one: Keeping, script: Script, command: Command) -> bool:
    """A clone that no one fetches again gets the helper for this one command, another keeps it."""
    found = git_urls.clone(command, one.name)
    if found is None:
        return False
    word, plain = found
    if not _given(one, plain):
        return False
    later = set(_fetches(one))
    setting = f"{plain.key}='{plain.helper}'"
    if "submodule" in later:
        # A submodule reads the user's configuration, not that of the clone around it.
        if _another_user(one) or _another_login(one, plain.host):
            return False
        words = [git_urls.in_shell(plain.url) if it is word else _raw(it) for it in command.words]
        text = f"git config --global {plain.key} '{plain.helper}' && {' '.join(words)}"
        if command.prefix or command.redirects:
            return False
        one.replace(script, command.span, _grouped(script, command, text))
    else:
        at = command.words[1 if later else 0]
        option = f"clone -c {setting}" if later else f"git -c {setting}"
        one.replace(script, at.span, option.encode("utf-8", "surrogateescape"))
        text = git_urls.in_shell(plain.url)
        one.replace(script, word.span, text.encode("utf-8", "surrogateescape"))
    one.still = True
    _say(one, plain, readers=bool(later))
    return True


def _stored(one: Keeping, script: Script, command: Command) -> bool:
    """A login in ~/.git-credentials, and the `store` helper that would read it and write others."""
    plain = git_urls.stored(command, one.name)
    if plain is None or not _given(one, plain) or _another_login(one, plain.host):
        return False
    removals = []
    for run, its, other in _every(one):
        if git_urls.keeps(other):
            gone = remove_command(one.context.dockerfile, run, its, other, one.order)
            if gone is None or gone.verb == "remove":
                return False
            removals.append(gone)
    if len(removals) > 1 or len(command.redirects) != 1:
        return False
    text = f"git config --global {plain.key} '{plain.helper}'"
    one.replace(script, command.span, text.encode("utf-8", "surrogateescape"))
    one.found.operations += removals
    _say(one, plain)
    return True


def _raw(word: Word) -> str:
    return word.raw.decode("utf-8", "surrogateescape")


def _grouped(script: Script, command: Command, text: str) -> bytes:
    """Two commands stand together where one stood behind `||` or before a pipe."""
    behind = script.text[command.span.end :].lstrip()
    if " && git " in text and (
        command.operator_before == "||" or behind.startswith((b"||", b"|", b"& "))
    ):
        text = "{ " + text + "; }"
    return text.encode("utf-8", "surrogateescape")


def _given(one: Keeping, plain: Plain) -> bool:
    """Whether all that the helper reads is the same wherever the variable itself is."""
    here = one.context.model.environment(one.reading.run)
    return all(
        other in here
        and not one.assigned(other)
        and all(one.context.model.environment(run).get(other) is here[other] for run in one.later)
        for other in plain.names
        if other != one.name
    )


def _another_login(one: Keeping, host: str) -> bool:
    """Whether git is told of a second login at the host."""
    name = host.rpartition("/")[2].encode("utf-8", "surrogateescape")
    if not name or git_urls.OPEN.encode() in name:
        return False
    mine = {use.name for leak in one.reading.leaks for use in _uses(leak)} | {one.name}
    return any(
        command.name == "git"
        and any(name in word.raw for word in command.words)
        and (
            any(b"credential." in word.raw for word in command.words)
            or any(
                use.name not in mine and use.span.start - word.span.start < word.raw.find(name)
                for word in command.words
                for use in word.uses
            )
        )
        for _, _, command in _every(one)
    )


def _uses(leak: Leak) -> Iterator[Use]:
    return (use for use in leak.script.uses if leak.span.contains(use.span))


def _every(one: Keeping) -> Iterator[tuple[Run, Script, Command]]:
    for run in one.context.runs:
        for text in one.context.reader.scripts(run):
            for script, command in text.every():
                yield run, script, command


def _say(one: Keeping, plain: Plain, *, readers: bool = True) -> None:
    where = git_urls.READ.sub(r"$\1", plain.host) or "every host"
    one.found.say(f"git asks a credential helper, which reads {one.name}, for the login at {where}")
    if readers:
        one.readers(helpers=frozenset({one.name}))


def _fetches(one: Keeping) -> Iterator[str]:
    """The git commands by which this RUN and later ones use the clone's remote again."""
    for run in one.live:
        if run.span.start < one.reading.run.span.start:
            continue
        for text in one.context.reader.scripts(run):
            for _, command in text.every():
                if command.name == "git":
                    words = [word.literal or "" for word in command.words[1:]]
                    yield from NETWORK.intersection(words)


def _another_user(one: Keeping) -> bool:
    """Whether a later RUN may run under another user, whose configuration is another."""
    start = one.reading.run.span.start
    return any(
        isinstance(it, User) and it.span.start > start for it in one.context.dockerfile.instructions
    )


__all__ = ["helped"]
