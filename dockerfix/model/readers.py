"""Who reads it: whether a RUN's commands can read a variable, and where they leave it.

`may_read` judges a shell script with the rows of tools.toml; `persists` says what one command
leaves behind; `uses_in` names what the uses of a variable show about it. It knows nothing of
scopes, of mounts or of the Dockerfile; config files of the build context are given to it as bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dockerfix.globs import fits
from dockerfix.model.tools import Started, Sub, Tool, started, table, text_of
from dockerfix.shell import Command, Part, Script, Use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "Persist",
    "Reading",
    "helper_names",
    "may_read",
    "names_in_config",
    "persists",
    "uses_in",
]

How = Literal["explicit", "implicit", "opaque", "no"]
Judgement = tuple[How, str, bool]
"""How a program may read the variable, the reason, and whether it may read anything."""
Follow = Callable[[Command, Started, str], Judgement | None]
"""Judges a program of a command if it is a script of the context; is given its name in messages."""
_RANK: tuple[How, ...] = ("explicit", "implicit", "opaque", "no")
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "ksh", "zsh", "eval"})
_CONFIG_NAMES = re.compile(
    rb"\$\{(?:env[.:])?(\w+)|%(\w+)%|\$env:(\w+)"
    rb"|\b(?:ENV(?:\.fetch)?|getenv|env|environ(?:\.get)?|providers\.environmentVariable)"
    rb"\s*[(\[]\s*[\"'](\w+)|System\.env\.(\w+)|\{\{\s*env\.(\w+)|process\.env\.(\w+)"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """Whether a script may read a variable. `how`: its text names it (`explicit`), a tool reads it
    by itself or through a config file (`implicit`), a command that may read anything runs
    (`opaque`), or none can (`no`). `opaque` is about the whole script, whatever `how` says.
    `why` is a clause for a message and never holds a value."""

    reads: bool
    how: How
    why: str
    opaque: bool


@dataclass(frozen=True, slots=True)
class Persist:
    """What a command leaves behind. `kind`: config, credentials, environment-dump, image-content,
    log. `secret` is False where what it writes only refers to the secret."""

    kind: str
    file: str
    says: str
    tool: str
    secret: bool = True


def may_read(
    script: Script | Command,
    name: str,
    *,
    files: Mapping[str, bytes] | None = None,
    complete: bool = True,
    helpers: frozenset[str] = frozenset(),
    textual: bool = True,
    follow: Follow | None = None,
) -> Reading:
    """Whether a script, or one command of it, may read the environment variable `name`.

    `files`: the config files of the build context by path, None if they were not looked at. Then,
    or if they are not `complete` (others may lie in the image), a tool that expands variables in
    such a file may read any. `helpers`: what a credential helper reads that another RUN has set up
    (`helper_names`). `textual` is False for exec form, where `$X` in a word is no use. `follow`
    judges programs that are scripts of the context. A command alone is judged without what it
    assigns itself.
    """
    found: list[tuple[How, str]] = []
    use = _first_use(script, name) if textual and name else None
    if use is not None:
        found.append(("explicit", _use_says(script, use, name)))
    functions = {f.name for f in script.functions} if isinstance(script, Script) else set()
    nested = _nested_commands(script) if isinstance(script, Script) else set()
    harmless: list[str] = []
    opaque = False
    for command in _commands(script):
        if not command.words or command in nested:
            continue
        own = isinstance(script, Script) and any(one.name == name for one in command.prefix)
        if own and use is None:
            continue  # It gets another value.
        for one in started(command):
            if one.name in functions or (one.name == "eval" and _evaluates(command)):
                continue
            how, why, blind = _judge(one, name, files, complete, helpers)
            if how == "opaque" and follow is not None:
                how, why, blind = follow(command, one, _called(one)) or (how, why, blind)
            opaque = opaque or blind
            if how == "no":
                harmless.append(why)
            else:
                found.append((how, why))
    if isinstance(script, Script):
        for why in _unseen(script, name):
            opaque = True
            found.append(("explicit" if "names" in why else "opaque", why))
    if not found:
        seen = ", ".join(dict.fromkeys(word for word in harmless if word))
        return Reading(False, "no", f"{seen or 'nothing in it'} cannot read it", False)
    how, why = min(found, key=lambda one: _RANK.index(one[0]))
    return Reading(True, how, why, opaque)


def _commands(script: Script | Command) -> Iterator[Command]:
    if isinstance(script, Command):
        yield script
        return
    for text in _scripts(script):
        yield from text.commands


def _scripts(script: Script) -> Iterator[Script]:
    """The script and those that its child shells read, but for `eval "$(ssh-agent)"`."""
    yield script
    for nested in script.nested:
        if not (nested.kind == "eval" and _evaluates(nested.command)):
            yield from _scripts(nested.script)


def _nested_commands(script: Script) -> set[Command]:
    """Commands whose script is read as a script of its own: `sh -c '...'`, `eval '...'`."""
    return {
        one.command
        for text in _scripts(script)
        for one in text.nested
        if (one.command.name or "") in _SHELLS or one.kind == "trap"
    }


def _uses(script: Script | Command, name: str) -> Iterator[Use]:
    if isinstance(script, Command):
        compares = _compares(script)
        for word in script.words:
            yield from (
                use for use in word.uses if use.name == name and not (compares and use.deferred)
            )
        return
    for text in _scripts(script):
        for use in text.uses:
            if use.name == name and not (use.deferred and _compared(text, use)):
                yield use


def _compared(script: Script, use: Use) -> bool:
    return any(_compares(one) and one.span.contains(use.span) for one in script.commands)


def _compares(command: Command) -> bool:
    """Whether `$X` in its words, where the shell leaves it, is text that nobody expands."""
    return command.name in table().compares


def _first_use(script: Script | Command, name: str) -> Use | None:
    return next((use for use in _uses(script, name) if not use.assigned_before), None)


def _use_says(script: Script | Command, use: Use, name: str) -> str:
    for command in _commands(script):
        if command.span.start <= use.span.start < command.span.end and command.words:
            called = _called(started(command)[0])
            return f"{called} names ${name}" + (" for a child to read" if use.deferred else "")
    return f"its text names ${name}"


def _evaluates(command: Command) -> bool:
    """Whether all that `eval` evaluates is the output of programs that only set paths."""
    word = text_of(command.words[-1]).strip("\"'")
    called = re.fullmatch(r"(?s)\$\(\s*([\w./-]+)[^()]*\)|`\s*([\w./-]+)[^`]*`", word)
    if called is None or len(command.words) != 2:
        return False
    return (called[1] or called[2]).rpartition("/")[2] in table().evaluated


def _unseen(script: Script, name: str) -> Iterator[str]:
    """Why the commands that were found may not be all that reads the variable."""
    if re.search(rb"/proc/[\w$*]+/environ", script.text):
        yield "it reads the environment from /proc"
    uses = (use for text in _scripts(script) for use in text.uses)
    if any(use.operator == "!" and not use.subscript for use in uses):
        yield "a variable says which variable it reads (`${!X}`)"
    if script.errors:
        if name and re.search(rb"(?<!\w)%s(?!\w)" % re.escape(_bytes(name)), script.text):
            yield "its text names it, in a part that does not parse as shell"
        yield "a part of it does not parse as shell: it may read anything"


def _judge(
    one: Started,
    name: str,
    files: Mapping[str, bytes] | None,
    complete: bool,
    helpers: frozenset[str],
) -> Judgement:
    """How one program may read the variable, the reason (for `no`, the program), and whether it
    may read anything."""
    called = _called(one)
    if one.bare_environment:
        return "no", called, False
    if one.name is None:
        return "opaque", "it starts a program that a variable names", True
    if one.name in {".", "source"} and _harmless(one):
        return "no", called, False
    tool = table().tool(one.name)
    if tool is None or not _is_that_tool(one, tool):
        if name and _mentioned(one, name):
            return "explicit", f"{called} names {name}", True
        return "opaque", f"{called} is not known: it may read anything", True
    sub = next((row for row in tool.subs if row.fits(one.name, one.words)), None)
    reads, because = (sub.reads, sub.because) if sub else (tool.reads, tool.because)
    because = because or tool.because
    if reads == "mentioned" and any(mark in " ".join(one.words) for mark in tool.everything):
        reads = "all"
    blind = reads == "all"
    if name and _mentioned(one, name):
        return "explicit", f"{called} names {name}", blind and tool.reads != "mentioned"
    if reads == "nothing":
        return "no", called, False
    if name and (reason := _own(one, tool, sub, name, files, helpers)):
        return "implicit", f"{called} {reason}", blind
    if blind:
        return "opaque", f"{called} {because}: it may read anything", True
    known = files is not None and complete
    if not known and reads == "own" and tool.own_config and not (sub and sub.offline):
        where = "" if files is None else ", and the image may hold one"
        return "opaque", f"{called} expands variables in {tool.own_config[0]}{where}", False
    return "no", called, False


def _own(
    one: Started,
    tool: Tool,
    sub: Sub | None,
    name: str,
    files: Mapping[str, bytes] | None,
    helpers: frozenset[str],
) -> str:
    """Why a tool reads the variable without being told to, or ''."""
    if sub is not None and sub.offline:
        return ""
    if glob := tool.knows(name):
        return "reads it by itself" + (f" ({glob})" if glob != name else "")
    if tool.helpers and name in helpers:
        return "asks a credential helper that reads it"
    for path, data in (files or {}).items():
        base = path.rpartition("/")[2]
        if any(
            fits(path, glob) or fits(base, glob) or fits(path, f"*/{glob}")
            for glob in tool.own_config
        ) and (name in names_in_config(data)):
            return f"reads {path}, which names ${{{name}}}"
    return ""


def _mentioned(one: Started, name: str) -> bool:
    """Whether a word names the variable in a form of another language: `ENVIRON["X"]`, `env:X`."""
    pattern = (
        rf"(?:\b(?:env|ENV|ENVIRON|environ|getenv|fetch)\b[\w.]*\W{{1,4}}|%){re.escape(name)}(?!\w)"
    )
    if any(re.search(pattern, word) for word in one.words):
        return True
    tool = table().tool(one.name or "")
    return (
        tool is not None
        and tool.reads == "mentioned"
        and any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", word) for word in one.words)
    )


def _harmless(one: Started) -> bool:
    """Whether a sourced script only sets paths."""
    path = (one.words[0] if one.words else "").strip("\"'")
    return any(fits(path, glob) for glob in table().harmless)


def _is_that_tool(one: Started, tool: Tool) -> bool:
    """Whether a path is that of the tool: in a directory of programs, or a project's own wrapper
    of a tool that may read anything anyway (./gradlew)."""
    if "/" not in one.path or tool.reads == "all":
        return True
    folder = one.path.rpartition("/")[0].rpartition("/")[2]
    return folder in {"bin", "sbin", ".bin", "games"} and not one.path.startswith(
        ("./", "../", "bin/")
    )


def _called(one: Started) -> str:
    """The command as a message names it: the program and the subcommands that the table knows,
    so that no word of the user's own is repeated."""
    if one.name is None or re.search(r"[^\w./@+\[\]:-]", one.path):
        return "the program"
    said = [one.path]
    for word in one.words[:2]:
        if word not in table().verbs or not re.fullmatch(r"[a-z][a-z-]+", word):
            break
        said.append(word)
    return f"`{' '.join(said)}`"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def names_in_config(data: bytes) -> frozenset[str]:
    """The variables that a config file names in the form of its tool: `${X}` (npm, pip, conda),
    `${env.X}` (Maven), `%X%` (NuGet), `ENV["X"]` (Ruby), `getenv("X")` (Gradle, PHP)."""
    return frozenset(
        name.decode("latin-1") for row in _CONFIG_NAMES.findall(data) for name in row if name
    )


def helper_names(script: Script) -> frozenset[str]:
    """The variables that a git credential helper reads which this script sets up, later RUNs too:
    `git config credential.helper '!f() { echo "password=$TOKEN"; }; f'`."""
    found: set[str] = set()
    for text in _scripts(script):
        for command in text.commands:
            if any("credential" in text_of(word) for word in command.words):
                found.update(use.name for word in command.words for use in word.uses)
                for word in command.words:
                    found.update(re.findall(r"\$\{?(\w+)", text_of(word)))
    return frozenset(found)


def persists(command: Command, script: Script | None = None) -> tuple[Persist, ...]:
    """What a command leaves in its layer or in the log, by tools.toml. Whether the secret is among
    it is for the caller to see: this only knows the command's habits. With the script that holds
    the command, a redirect behind a declaration (`export -p > f`) is seen too."""
    if not command.words:
        return ()
    found: list[Persist] = []
    for one in started(command):
        tool = table().tool(one.name or "")
        if tool is None or one.name is None:
            continue
        words = (one.name, *one.words)
        for row in tool.persist:
            if row.names and one.name not in row.names:
                continue
            if row.bare and any(not word.startswith("-") for word in one.words):
                continue
            if any(word in row.without for word in words):
                continue
            if not _in_order(words if _names_itself(row.words, one.name) else one.words, row.words):
                continue
            if _has(command, script, row.needs):
                found.append(Persist(row.kind, row.file, row.says, one.name, row.secret))
                break
    return tuple(found)


def _names_itself(wanted: tuple[str, ...], name: str) -> bool:
    return bool(wanted) and name in wanted[0].split("|")


def _in_order(words: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    at = 0
    for one in wanted:
        globs = one.split("|")
        while at < len(words) and not any(
            fits(words[at].lower().strip("\"'"), glob.lower()) for glob in globs
        ):
            at += 1
        if at == len(words):
            return False
        at += 1
    return True


def _has(command: Command, script: Script | None, needs: str) -> bool:
    output = any(">" in redirect.operator for redirect in command.redirects)
    if script is not None:
        output = output or re.match(rb"\s*\d*>", script.text[command.span.end :]) is not None
    if needs == "output":
        return output or command.in_pipeline
    if needs == "no redirect":
        return not output and not command.in_pipeline
    if needs == "url":
        return any(_computed(word.parts) and "://" in text_of(word) for word in command.words)
    if needs == "value":
        return any(_computed(word.parts) for word in command.words) or any(
            redirect.body is not None for redirect in command.redirects
        )
    if needs == "password":
        return any("password" in text_of(word) for word in command.words)
    return True


def _computed(parts: Iterable[Part]) -> bool:
    """Whether the shell puts something into a word: a variable, or what a command prints."""
    return any(one.kind in ("variable", "command") or _computed(one.children) for one in parts)


def uses_in(script: Script, name: str) -> frozenset[str]:
    """What the uses of a variable show about it, as ids of `secrets.USES`."""
    found: set[str] = set()
    for text in _scripts(script):
        shown = text.text.decode("latin-1")
        for use in text.uses:
            if use.name != name:
                continue
            before = shown[max(0, use.span.start - 300) : use.span.start]
            after = shown[use.span.end : use.span.end + 300]
            for pattern in table().uses:
                if re.search(pattern.before, before) and re.search(pattern.after, after):
                    found.add(pattern.id)
            found |= _of_loop(text, before, name)
    return frozenset(found)


def _of_loop(script: Script, before: str, name: str) -> frozenset[str]:
    """What the loop's own variable is used for: `for key in $GPG_KEYS; do gpg --recv-keys $key`."""
    loop = re.search(r"\bfor\s+(\w+)\s+in\s+[^;\n]*$", before)
    return uses_in(script, loop[1]) if loop and loop[1] != name else frozenset()
