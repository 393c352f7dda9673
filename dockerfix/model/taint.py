"""Where the value of a variable goes in one RUN: into files of the layer, into the log.

Knows what shell text does with a value (through outputs.py), which files it removes again,
and what to do instead; `readers` and tools.toml know what single tools keep. It does not
know stages, mounts or fixes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from dockerfix.globs import fits
from dockerfix.model.outputs import Flow, Setting, flows, in_place, rows, spelled
from dockerfix.model.readers import persists
from dockerfix.model.tools import started

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockerfix.shell import Command, Script, Word
    from dockerfix.source import Span

__all__ = ["Leak", "Setting", "advice", "covers", "leaks", "rows", "takes_out", "undoes"]

Kind = Literal["file", "config", "credentials", "environment-dump", "image-content", "log", "trace"]
SHOWN: frozenset[Kind] = frozenset({"log", "trace"})
TRACE = "`set -x` prints the command with the value in it"
TRACED = "the shell runs with -x, which prints the command with the value in it"


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that a command does with the value. `span` is in `script.text`.

    `file` is where it ends (as the script spells it), `path` the same as an absolute path
    where that is known. `says` is a clause for a message. `survives` is False where the same
    RUN removes the file again. `sure` is False where a text that is not seen decides.
    """

    kind: Kind
    file: str
    says: str
    script: Script
    span: Span
    survives: bool = True
    path: str = ""
    sure: bool = True

    @property
    def stays(self) -> bool:
        """Whether the layer keeps it."""
        return self.survives and self.kind not in SHOWN


def leaks(
    script: Script,
    name: str,
    *,
    files: Iterable[str] = (),
    setting: Setting | None = None,
    unkept: tuple[str, ...] = (),
) -> tuple[Leak, ...]:
    """Everything that `script` does with the value of `name`, in order; each place once.

    `name` is an environment variable, empty for none; `files` are paths that hold the value
    when the script starts; nothing that is written below `unkept` gets into the layer.
    """
    names = frozenset({name} if name else ())
    held = set(files)
    if not _concerns(script, name, held, setting):
        return ()
    every = flows(script, names, held, setting or Setting())
    found: list[Leak] = []
    while True:
        found = [leak for flow in every for leak in _of(flow)]
        new = {one.path for one in found if one.kind == "file" and one.path} - held
        if not new:
            break
        held |= new
        for flow in every:
            flow.spread()
    kept = (_kept(one, every, unkept) for one in _once(found))
    return tuple(sorted((one for one in kept if one is not None), key=lambda one: one.span))


def advice(leak: Leak, name: str) -> str:
    """What to do instead, in one line, with `name` as the variable."""
    for row in rows()["advice"]:
        if (
            row.get("kind", leak.kind) == leak.kind
            and fits(leak.says, row.get("says", "*"))
            and any(fits(leak.file, glob) for glob in row["file"].split("|"))
        ):
            return str(re.sub(r"\bNAME\b", lambda _: name, row["do"]))
    raise AssertionError("the last row of [[advice]] fits every file")


def covers(gone: str, file: str, *, hidden: bool = False) -> bool:
    """Whether a path or glob is the file, or a folder above it. A shell's `*` does not match
    names that begin with a dot; with `hidden` it does."""
    one, other = gone.rstrip("/").removeprefix("./"), file.removeprefix("./")
    if not one:
        return gone == "/"
    pieces, path = one.split("/"), other.split("/")
    return len(path) >= len(pieces) and all(
        fits(had, glob) and (hidden or had[:1] != "." or glob[:1] == ".")
        for glob, had in zip(pieces, path, strict=False)
    )


def takes_out(script: Script, leak: Leak, setting: Setting) -> bool:
    """Whether a later RUN with this text removes the file of `leak`."""
    return any(
        command.words and _takes_out(flow, command, leak)
        for flow in flows(script, frozenset(), set(), setting)
        for command in flow.script.commands
    )


def undoes(command: Command, leak: Leak) -> bool:
    """Whether the command takes back what a tool keeps, by the rows [[undo]]: `npm logout`."""
    one = started(command)[0]
    return any(
        one.name in row["names"] and row["file"] == leak.file and _in_order(one.words, row["words"])
        for row in rows()["undo"]
    )


def _concerns(script: Script, name: str, files: set[str], setting: Setting | None) -> bool:
    """A cheap look: whether the text names the value, dumps the environment or is traced."""
    text = script.text
    if name and name.encode("utf-8", "surrogateescape") in text:
        return True
    if any(path.rpartition("/")[2].encode("utf-8", "surrogateescape") in text for path in files):
        return True
    return bool(name) and re.search(rb"env|set|export|declare|-\w*x", text) is not None


def _of(flow: Flow) -> Iterator[Leak]:
    for command in flow.script.commands:
        if command.words:
            yield from _written(flow, command)
            yield from _kept_by_tool(flow, command)
            yield from _traced(flow, command)
    for one in flow.script.assignments:
        bare = not any(c.span.contains(one.span) for c in flow.script.commands)
        span = one.value_span
        if bare and span is not None and _is_traced(flow, one.span) and flow.carries(span):
            says = TRACED if flow.setting.traced else TRACE
            yield Leak("trace", "the build log", says, flow.script, one.span)


def _written(flow: Flow, command: Command) -> Iterator[Leak]:
    """What the command prints or copies, where that goes to a file or to the log."""
    one = started(command)[0]
    name = one.name or ""
    said = flow.emits(command)
    if said:
        for sink in flow.sinks(command):
            if sink.kind == "file" and sink.target is not None:
                yield from _into(flow, command, sink.target, dump=said == "dump")
            elif sink.kind == "log":
                says = f"{_called(name)} prints it"
                if said == "dump":
                    says = f"{_called(name)} prints every variable, the secret with them"
                yield Leak("log", "the build log", says, flow.script, command.span)
    read = rows()
    words = [word for word in command.words[1:] if not word.raw.startswith(b"-")]
    if said and name in read["into_words"]:
        for word in words:
            yield from _into(flow, command, word, dump=said == "dump")
    if said and name == "dd":
        for word in command.words[1:]:
            if spelled(word).startswith("of="):
                yield from _into(flow, command, word, dump=said == "dump", text=spelled(word)[3:])
    if in_place(command) and flow.in_words(command) and len(words) > 1:
        yield from _into(flow, command, words[-1])
    if name in read["copiers"] and len(words) > 1 and not _links(command):
        for source in words[:-1]:
            if flow.path(spelled(source), command) in flow.files or (
                spelled(source) == "/dev/stdin" and flow.is_fed(command)
            ):
                yield from _into(flow, command, words[-1], source=source)


def _links(command: Command) -> bool:
    """`ln -s`: the link says where the file is, and not what is in it."""
    one = started(command)[0]
    return one.name == "ln" and any(
        word == "--symbolic" or re.fullmatch(r"-\w*s\w*", word) for word in one.words
    )


def _called(name: str) -> str:
    """A program as a message names it; one that taint.toml does not know may be anything."""
    known = name in rows()["printers"] or any(re.fullmatch(f, name) for f in rows()["filters"])
    return f"`{name}`" if known or name in ("env", "printenv", "set", "export") else "it"


def _into(
    flow: Flow,
    command: Command,
    word: Word,
    *,
    dump: bool = False,
    text: str = "",
    source: Word | None = None,
) -> Iterator[Leak]:
    file = text or spelled(word)
    if source is not None and (file.endswith("/") or file in (".", "..", "~")):
        file = f"{file.rstrip('/')}/{spelled(source).rpartition('/')[2]}"
    path = flow.path(file, command)
    if path in rows()["shown"]:
        says = f"{_called(started(command)[0].name or '')} prints it"
        yield Leak("log", "the build log", says, flow.script, command.span)
    if any(fits(path, pattern) for pattern in rows()["outside"]):
        return
    kind: Kind = "environment-dump" if dump else "file"
    says = f"the value is written to {file}"
    if dump:
        says = f"it writes every variable to {file}, the secret with them"
    yield Leak(kind, file, says, flow.script, command.span, path=path)


def _kept_by_tool(flow: Flow, command: Command) -> Iterator[Leak]:
    """What tools.toml says that the command keeps of what it is given."""
    given: bool | None = None
    for one in persists(command, flow.script):
        name = one.tool
        if not one.secret or one.kind == "environment-dump" or name in rows()["printers"]:
            continue
        if given is None:
            given = flow.in_words(command) or bool(flow.is_fed(command)) or _reads(flow, command)
        if name == "envsubst":
            given = given or _substitutes(flow, command)
        if not given:
            continue
        file = one.file
        if file == ".git/config of the clone":
            path = flow.path(f"{_clone(command)}/.git/config", command)
        elif " " in file:
            path = ""
        else:
            path = flow.path(file, command)
        yield Leak(one.kind, file, one.says, flow.script, command.span, path=path)  # type: ignore[arg-type]


def _reads(flow: Flow, command: Command) -> bool:
    """Whether a word names a file with the value: `--key-file=/run/secrets/KEY`."""
    for word in command.words[1:]:
        text = spelled(word)
        if any(flow.path(part, command) in flow.files for part in (text, text.partition("=")[2])):
            return True
    return False


def _substitutes(flow: Flow, command: Command) -> bool:
    """Whether envsubst is told to put the value in: its words or its template name it."""
    texts = [word.raw for word in command.words[1:]]
    texts += [
        flow.script.text[one.body.start : one.body.end]
        for one in command.redirects
        if one.body is not None
    ]
    return any(
        re.search(rb"\$\{?%s(?!\w)" % re.escape(name.encode("utf-8", "surrogateescape")), text)
        for name in flow.environment
        for text in texts
    )


def _clone(command: Command) -> str:
    """The folder that `git clone URL [FOLDER]` makes."""
    words = [spelled(word) for word in command.words if not word.raw.startswith(b"-")]
    at = next((index for index, word in enumerate(words) if "://" in word), len(words) - 1)
    if at + 1 < len(words):
        return words[at + 1]
    return words[at].rstrip("/").rpartition("/")[2].removesuffix(".git")


def _traced(flow: Flow, command: Command) -> Iterator[Leak]:
    """What `set -x` shows, and scripts that are started under `-x`."""
    if _is_traced(flow, command.span) and (
        flow.in_words(command)
        or any(
            one.value_span is not None and flow.carries(one.value_span) for one in command.prefix
        )
    ):
        says = TRACED if flow.setting.traced else TRACE
        yield Leak("trace", "the build log", says, flow.script, command.span)
    one = started(command)[0]
    script = next((word for word in one.words if not word.startswith(("-", "+"))), "")
    if (
        one.name in rows()["tracers"]
        and flow.environment
        and script
        and not any(nested.command is command for nested in flow.script.nested)
        and any(re.fullmatch(r"-\w*x\w*", word) for word in one.words[: one.words.index(script)])
    ):
        says = f"`{one.name} -x` prints the commands of {script} as they run"
        yield Leak("trace", script, says, flow.script, command.span, sure=False)


def _is_traced(flow: Flow, span: Span) -> bool:
    if flow.setting.traced and flow.parent is None:
        return True
    nested = flow.nested
    if nested is not None:
        words = [spelled(word) for word in nested.command.words[1:]]
        before = words[: next((i for i, w in enumerate(words) if not w.startswith("-")), 0)]
        if any(re.fullmatch(r"-\w*x\w*", word) for word in before):
            return True
    return flow.script.xtrace_at(span.start)


def _once(found: list[Leak]) -> Iterator[Leak]:
    seen: set[tuple[int, Span, str, str]] = set()
    for one in found:
        key = (id(one.script), one.span, one.kind, one.file)
        if key not in seen:
            seen.add(key)
            yield one


def _kept(leak: Leak, every: list[Flow], unkept: tuple[str, ...]) -> Leak | None:
    """`leak` with what becomes of its file in the rest of the RUN; None if it is in no layer."""
    if leak.kind in SHOWN:
        return leak
    if leak.path and any(covers(folder, leak.path) for folder in unkept):
        return None
    if leak.kind != "image-content" and any(_removes(flow, leak) for flow in every):
        return replace(leak, survives=False)
    return leak


def _removes(flow: Flow, leak: Leak) -> bool:
    """Whether a command takes the file out again on every path that wrote it."""
    same = flow.script is leak.script
    writer = next((c for c in leak.script.commands if c.span == leak.span), None)
    trap = flow.nested is not None and flow.nested.kind == "trap"
    for command in flow.script.commands:
        if not command.words or (same and command.span.start <= leak.span.start):
            continue
        around = command.context
        if not trap and command.operator_before == "||":
            continue
        if same and writer is not None and writer.context[: len(around)] != around:
            continue
        if not same and not trap and any(one in ("if", "case", "loop") for one in around):
            continue
        if _takes_out(flow, command, leak):
            return True
    return False


def _takes_out(flow: Flow, command: Command, leak: Leak) -> bool:
    if not any(word.raw.rpartition(b"/")[2].decode("latin-1") in _ends() for word in command.words):
        return False
    one = started(command)[0]
    words = [word for word in command.words[1:] if not word.raw.startswith(b"-")]
    file = leak.path or flow.path(leak.file, command)
    if one.name in rows()["removers"]:
        return any(covers(flow.path(spelled(word), command), file) for word in words)
    if one.name == "mv" and len(words) == 2:
        return flow.path(spelled(words[0]), command) == file
    if one.name == "find" and any(word in ("-delete", "rm") for word in one.words):
        base = file.rpartition("/")[2]
        named = [b for a, b in zip(one.words, one.words[1:], strict=False) if a == "-name"]
        return any(fits(base, glob) for glob in named)
    if leak.kind not in ("config", "credentials"):
        return False
    given = flow.in_words(command)
    same = given and {word.raw for word in command.words if word.uses} & _raw_words(leak)
    return any(
        one.name in row["names"]
        and row["file"] == leak.file
        and _in_order(one.words, row["words"])
        and (not given or (same and row.get("names_it")))
        for row in rows()["undo"]
    )


def _raw_words(leak: Leak) -> set[bytes]:
    return {
        word.raw
        for command in leak.script.commands
        if command.span == leak.span
        for word in command.words
    }


@cache
def _ends() -> frozenset[str]:
    """The names of all programs that may take a file out again."""
    names = {name for row in rows()["undo"] for name in row["names"]}
    return frozenset({*names, *rows()["removers"], "mv", "find"})


def _in_order(words: tuple[str, ...], wanted: list[str]) -> bool:
    rest = iter(words)
    return all(any(fits(word, glob) for word in rest for glob in one.split("|")) for one in wanted)
