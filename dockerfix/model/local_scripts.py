"""Scripts of the build context that a RUN starts, read one level deep.

Which word of a command names a script, in which language it is, and whether it is still the
file that was copied. What its commands read is the business of `readers`.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.globs import fits
from dockerfix.model.tools import started, table, text_of
from dockerfix.projection import Projection
from dockerfix.shell import Script, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dockerfix.model.build_context import BuildContext, ContextFile
    from dockerfix.model.tools import Started
    from dockerfix.shell import Command
    from dockerfix.syntax.nodes import Run

    RunTexts = Callable[[Run], Iterable[Script]]

__all__ = ["LocalScript", "local_scripts"]

SHELLS = frozenset({"sh", "bash", "ash", "dash", "ksh", "mksh", "zsh"})
SOURCING = frozenset({".", "source"})
OTHERS = ("python*", "pypy*", "node", "nodejs", "deno", "bun", "ruby", "perl", "php", "tsx")
TAKES_VALUE = frozenset({"-o", "+o", "-O", "+O", "--rcfile", "--init-file", "-W", "-X", "-r"})
NO_FILE = {
    True: frozenset({"-c", "-s", "-", "--version"}),
    False: frozenset({"-c", "-m", "-e", "-p", "-", "--eval", "--print", "--version", "-v"}),
}
"""Options after which no word names a script: of shells, and of other languages."""
LEAVES = frozenset({
    "chmod", "chown", "chgrp", "dos2unix", "ls", "stat", "test", "[", "[[", "cat", "echo", "rm",
    "head", "tail", "grep", "file", "sha256sum", "md5sum", "find", "shellcheck", "exec", "command",
})  # fmt: skip
"""Commands that may name a script and leave its text as it is."""
PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
LIMIT = 200_000


@dataclass(frozen=True, eq=False)
class LocalScript:
    """One that `command` starts as `program`. `script` is None where no shell reads it."""

    path: str
    data: bytes
    command: Command
    program: Started
    script: Script | None

    def names(self, name: str) -> bool:
        """Whether its text holds the name, in whatever language."""
        wanted = re.escape(name.encode("utf-8", "surrogateescape"))
        return re.search(rb"(?<![A-Za-z0-9_])%s(?![A-Za-z0-9_])" % wanted, self.data) is not None


def local_scripts(
    run: Run, texts: Iterable[Script], context: BuildContext, others: RunTexts
) -> Iterator[LocalScript]:
    """The scripts of the context that the commands of `run` start, as far as it is sure which
    they are. `others` gives the shell texts of an earlier RUN."""
    every = tuple(pair for text in texts for pair in text.every())
    for _, command in every:
        for one in started(command):
            for path, shell in _named(one, command):
                found = context.find(run, path)
                if found is None:
                    continue
                base = posixpath.basename(path)
                earlier = tuple(
                    pair for past in found.since for text in others(past) for pair in text.every()
                )
                if any(_changes(text, other, base) for text, other in (*earlier, *every)):
                    break
                for file in found.files:
                    yield _read(file, command, one, shell)
                break


def _named(one: Started, command: Command) -> Iterator[tuple[str, bool | None]]:
    """Where the script that a program is, or is given, may lie; and whether a shell reads it
    (None: its first line decides)."""
    if one.name is None or one.bare_environment:
        return
    if one.name in SHELLS | SOURCING or any(fits(one.name, glob) for glob in OTHERS):
        shell = one.name in SHELLS | SOURCING
        word = _file_word(one.words, shell)
        if word is not None:
            yield from ((path, shell) for path in _at(word, command))
    elif "/" in one.path:
        yield from ((path, None) for path in _at(one.path, command))
    elif table().tool(one.name) is None:
        yield from ((f"{folder}/{one.name}", None) for folder in PLACES)


def _at(word: str, command: Command) -> Iterator[str]:
    word = word.strip("\"'")
    if not word or any(char in word for char in "$`*?[{~\x01") or re.match(r"[a-z]+://", word):
        return
    cwd = command.cwd
    if cwd is None and not word.startswith("/"):
        return
    path = posixpath.join(cwd or "", word)
    if path.isprintable():
        yield path


def _file_word(words: tuple[str, ...], shell: bool) -> str | None:
    """The first word that is no option: `-ex build.sh`, `-o pipefail build.sh`."""
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in NO_FILE[shell] or re.fullmatch(r"-[a-z]*c", word):
            return None
        elif word in TAKES_VALUE or re.fullmatch(r"[-+][a-z]+o", word):
            skip = True
        elif not word.startswith(("-", "+")):
            return word
    return None


def _read(file: ContextFile, command: Command, one: Started, shell: bool | None) -> LocalScript:
    data = file.data
    if len(data) > LIMIT or b"\0" in data:
        return LocalScript(file.path, data[:LIMIT], command, one, None)
    if shell is None:
        first = data.split(b"\n", 1)[0]
        if first.startswith(b"#!"):
            words = [one.rpartition(b"/")[2].decode("latin-1") for one in first[2:].split()]
            words = [one for one in words if one != "env" and not one.startswith("-")]
            shell = bool(words) and words[0] in SHELLS
        else:
            base = posixpath.basename(file.path)
            shell = base.endswith(".sh") or "." not in base
    script = read(Projection.identity(data)) if shell else None
    return LocalScript(file.path, data, command, one, script)


def _changes(text: Script, command: Command, base: str) -> bool:
    """Whether a command may write a file of this name."""
    for redirect in command.redirects:
        if ">" in redirect.operator and redirect.target is not None:
            target = redirect.target.raw.decode("latin-1").strip("\"'")
            if posixpath.basename(target) == base:
                return True
    named = False
    for word in command.words:
        last = posixpath.basename(text_of(word).strip("\"'"))
        named = named or last == base or (any(c in last for c in "*?[") and fits(base, last))
    if not named or not command.words:
        return False
    for one in started(command):
        if one.name in LEAVES or one.name is None:
            continue
        if one.name == "sed" and any("\\r" in word for word in one.words):
            continue
        if posixpath.basename(one.path) == base or one.name in SHELLS | SOURCING:
            continue
        if any(fits(one.name, glob) for glob in OTHERS):
            continue
        return True
    return False
