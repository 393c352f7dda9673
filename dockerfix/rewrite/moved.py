"""A file that one RUN writes and others use: written, used and removed in each of them.

What is written, used and removed in one RUN leaves nothing in a layer. Moves only where it is
known who uses the file: up to the RUN that removes it, or, where none does, by the programs
that read such a file (references.toml).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.model import references
from dockerfix.model.outputs import in_place
from dockerfix.model.readers import may_read
from dockerfix.model.run_taint import fate, setting_of
from dockerfix.model.runs import RunReading, is_script
from dockerfix.model.taint import rows, takes_out
from dockerfix.model.tools import started, table
from dockerfix.rewrite.beside_text import ANCHORED, removal_beside_text
from dockerfix.rewrite.commands import (
    BLANKS,
    alone,
    append,
    conditional,
    on_one_line,
    plain_chain,
    remove_command,
    remove_span,
    written_in_place,
)
from dockerfix.rewrite.forms import AMPERSAND
from dockerfix.rewrite.heredoc_lines import as_printf
from dockerfix.rewrite.users import commands, uses
from dockerfix.source import Span
from dockerfix.syntax import verbs
from dockerfix.syntax.nodes import Copy, Env, Run, User, Workdir

if TYPE_CHECKING:
    from dockerfix.context import Context
    from dockerfix.model.stages import Stage
    from dockerfix.model.taint import Leak
    from dockerfix.rewrite.persisted import Keeping
    from dockerfix.shell import Command, Script
    from dockerfix.syntax.nodes import Instruction

MOST = 4
PREPARES = frozenset({"mkdir", "chmod", "touch", "umask", "chown", "install"})
TESTS = frozenset({"[", "[[", "test", ":", "true"})
REMOVERS = frozenset({"rm", "unlink", "shred"})


@dataclass(frozen=True, slots=True)
class Made:
    """What makes the file: `block` of the RUN's text, and other RUNs that do nothing else;
    `statement` is all of it."""

    block: Span
    statement: bytes
    others: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """Who uses the file, behind the RUN that writes it, and who removes it (None: nobody);
    `final` says that containers have it."""

    users: tuple[Run, ...]
    remover: Run | None = None
    final: bool = False


def script_of(context: Context, run: Run) -> Script | None:
    """The one shell text of a RUN in shell form without here-documents."""
    if run.exec_form or run.heredocs or not context.reader.posix(run):
        return None
    texts = context.reader.scripts(run)
    return texts[0] if len(texts) == 1 else None


def move_file(one: Keeping, leak: Leak) -> bool:
    """Write the file in each RUN that uses it, and remove it there."""
    context, run, script = one.context, one.reading.run, leak.script
    text = script_of(context, run)
    beside = bool(run.heredocs) and not is_script(run)
    if run.heredocs and not beside and leak.path:
        return _removed_here(one, leak)
    if not leak.path or (not beside and (text is None or text.text != script.text)):
        return False
    made = _made(one, leak)
    way = _way(one, leak, made) if made is not None else None
    if made is None:
        return _removed_here(one, leak)
    if way is None or any(it not in one.live for it in way.users):
        return False
    readers = references.read_by(leak.path)
    after = [it for it in commands(context, run, start=made.block.end) if _own(script, it)]
    if beside and not way.users:
        return _removed_here(one, leak)
    used_here = any(_may_use(it, readers) for it in after)
    if not 1 <= len(way.users) + used_here <= MOST or (used_here and made.others):
        return False
    if any(not _same(one, maker, it) for it in way.users for maker in (run, *made.others)):
        return False
    if not all(_can_take(context, it) for it in (*way.users, *((run,) if used_here else ()))):
        return False
    operations = [verbs.remove(context.dockerfile, it, order=one.order) for it in made.others]
    if used_here:
        _remove_there(one, run, leak)
        one.still = True
    else:
        gone = remove_span(context.dockerfile, run, script, made.block, one.order)
        if gone is None:
            return False
        operations.append(gone)
        if one.clashes(operations):
            return False
        if gone.verb == "remove":
            one.found.removed.add(run.span.start)
        else:
            one.replaced.add(made.block)
    one.found.operations += operations
    one.found.removed |= {it.span.start for it in made.others}
    order = (2, min(it.span.start for it in (run, *made.others)))
    for it in way.users:
        said = verbs.insert_statement(
            context.dockerfile, it, made.statement + b" && ", order=order, sets=leak.path
        )
        one.found.operations.append(said)
        if it is not way.remover:
            _remove_there(one, it, leak)
        one.found.readers[it.span.start] = RunReading(
            it, one.name, may_read(script, one.name), one.reading.uses, one.reading.guarded
        )
    if way.remover is not None and way.remover not in way.users:
        _drop_removal(one, way.remover, leak)
    elif way.remover is None and way.final:
        one.found.say(f"the containers of the image no longer find {leak.file}")
    one.found.say(f"{leak.file} is written, used and removed in one RUN")
    return True


def _removed_here(one: Keeping, leak: Leak) -> bool:
    """A file that this RUN makes in any way, and that no other uses, is removed at its end."""
    writers = [c for c in leak.script.commands if _writes(one, c, leak) or _adds(c, leak)]
    way = _way(one, leak, Made(Span(0, 0), b"", ()))
    if not writers or way is None or way.users or ">>" in _operators(writers[0]):
        return False
    run, readers = one.reading.run, references.read_by(leak.path)
    behind = [it for it in leak.script.commands if it.span.start > writers[-1].span.start]
    if not any(it.words and _may_use(it, readers) for it in behind):
        return False
    if run.heredocs:
        gone = removal_beside_text(one, leak)
        if gone is None:
            return False
        one.found.operations.append(gone)
    elif _can_take(one.context, run):
        _remove_there(one, run, leak)
    else:
        return False
    one.still = True
    if way.remover is not None:
        _drop_removal(one, way.remover, leak)
    elif way.final:
        one.found.say(f"the containers of the image no longer find {leak.file}")
    one.found.say(f"{leak.file} is written, used and removed in one RUN")
    return True


# -- what makes the file --------------------------------------------------------------


def _made(one: Keeping, leak: Leak) -> Made | None:
    """What makes the file, in this RUN and in others that do nothing else."""
    found = _written(one, leak)
    if found is None:
        return None
    block, statement = found
    run = one.reading.run
    stage = one.context.model.stage_of(run)
    name = _name(leak)
    before: list[bytes] = []
    behind: list[bytes] = []
    others: list[Run] = []
    for it in stage.instructions if stage is not None else ():
        if it is run or name not in one.context.dockerfile.source.text(it.span):
            continue
        script = script_of(one.context, it) if isinstance(it, Run) else None
        text = _whole(one.context, script) if script is not None else None
        if isinstance(it, Run) and text is not None and script is not None and not _shown(script):
            others.append(it)
            (before if it.span.start < run.span.start else behind).append(text)
        elif it.span.start < run.span.start:
            # What is there already would be lost with what is added to it.
            writers = [c for c in leak.script.commands if _writes(one, c, leak)]
            if any(">>" in _operators(c) for c in writers[:1]):
                return None
    return Made(block, b" && ".join([*before, statement, *behind]), tuple(others))


def _shown(script: Script) -> bool:
    """Whether it prints a file instead of writing one."""
    return any(
        it.name == "cat" and not it.redirects and not it.in_pipeline for it in script.commands
    )


def _name(leak: Leak) -> bytes:
    return posixpath.basename(leak.path).encode("utf-8", "surrogateescape")


def _operators(command: Command) -> str:
    words = " ".join(word.literal or "" for word in command.words if command.name == "tee")
    return " ".join(it.operator for it in command.redirects) + (">>" if " -a" in words else "")


def _writes(one: Keeping, command: Command, leak: Leak) -> bool:
    return any(
        other.path == leak.path and other.span.overlaps(command.span) for other in one.reading.leaks
    )


def _whole(context: Context, script: Script) -> bytes | None:
    """A text that only writes files and prepares them, as one statement."""
    if not all(_writer(it) or it.name in TESTS for it in script.commands):
        return None
    start = len(script.text) - len(script.text.lstrip(BLANKS))
    end = len(script.text.rstrip(BLANKS + b";"))
    text = on_one_line(context.dockerfile, script, start, end)
    if plain_chain(script):
        return text
    if not conditional(script):
        return None
    return text if text.startswith(b"if ") and text.endswith(b"fi") else b"{ " + text + b"; }"


def _writer(command: Command) -> bool:
    """Whether it only writes: what it is told, or what a pipe brings."""
    if references.writes_words(command) or command.name in PREPARES:
        return True
    filters = rows()["filters"]
    return command.in_pipeline and any(re.fullmatch(it, command.name or "") for it in filters)


def _written(one: Keeping, leak: Leak) -> tuple[Span, bytes] | None:
    """The part of the RUN that writes the file, and the statement that does so elsewhere."""
    script = leak.script
    if one.reading.run.heredocs:
        return _written_beside_text(one, leak)
    others = [it for it in one.reading.leaks if it.stays and it.path != leak.path]
    whole = _whole(one.context, script) if not others else None
    if whole is not None:
        start = len(script.text) - len(script.text.lstrip(BLANKS))
        return Span(start, len(script.text.rstrip(BLANKS + b";"))), whole
    if not plain_chain(script):
        return None
    mine = [it for it in script.commands if _about(one, it, leak)]
    if not mine or not all(_writer(it) for it in mine):
        return None
    block = Span(mine[0].span.start, max(it.span.end for it in mine))
    inside = [it for it in script.commands if block.contains(it.span)]
    if any(in_place(it) and _names(it, leak) for it in script.commands):
        return None
    if len(inside) != len(mine) or any(it.span.overlaps(block) for it in others):
        return None
    return block, on_one_line(one.context.dockerfile, script, block.start, block.end)


def _written_beside_text(one: Keeping, leak: Leak) -> tuple[Span, bytes] | None:
    """The same for a RUN that writes a here-document to the file, and prepares it, and does no more."""
    script = leak.script
    texts = []
    here = one.context.model.environment(one.reading.run)
    for command in script.commands:
        writes = _writes(one, command, leak)
        text = as_printf(script, command) if writes else None
        if not writes and command.name in PREPARES:
            text = b" ".join(it.raw for it in command.words)
        if text is None or command.context or command.operator_before not in ("", "&&"):
            return None
        texts.append(text)
    bound = all(
        it.name == one.name
        or (
            it.name in here
            and all(
                one.context.model.environment(run).get(it.name) is here[it.name]
                for run in one.later
            )
        )
        for it in script.uses
    )
    if not bound or script.errors or len(one.reading.run.heredocs) != 1:
        return None
    return Span(0, len(script.text)), b" && ".join(texts)


def _about(one: Keeping, command: Command, leak: Leak) -> bool:
    """Whether the command writes the file or changes its rights, alone or in its pipeline."""
    if _writes(one, command, leak):
        return True
    script = leak.script
    for stages in script.pipelines:
        if any(stage.contains(command.words[0].span) for stage in stages if command.words):
            return any(
                stage.contains(other.words[0].span) and _writes(one, other, leak)
                for other in script.commands
                for stage in stages
                if other.words
            )
    names = [word.raw.decode("utf-8", "replace").strip("\"'") for word in command.words[1:]]
    return command.name in PREPARES and leak.file in names


def _own(script: Script, command: Command) -> bool:
    return any(it is command for it in script.commands)


def _same(one: Keeping, maker: Run, run: Run) -> bool:
    """Whether the other variables of what `maker` does mean the same in `run`."""
    here = one.context.model.environment(maker)
    there = one.context.model.environment(run)
    return all(
        here.get(use.name) is there.get(use.name)
        for text in one.context.reader.scripts(maker)
        for use in text.uses
        if use.name != one.name and not text.assigned(use.name)
    )


# -- who uses it ----------------------------------------------------------------------


def _way(one: Keeping, leak: Leak, made: Made) -> Way | None:
    """The RUNs that may use the file, and the one that removes it; None if that is not sure."""
    context, run = one.context, one.reading.run
    stage = context.model.stage_of(run)
    readers = references.read_by(leak.path)
    if stage is None:
        return None
    if any(copied_by_name(it, leak) for it in context.dockerfile.instructions):
        return None
    users: list[Run] = []
    for below in stage.descendants:
        for it in below.instructions:
            if it.span.start <= run.span.start or it in made.others:
                if users and it in made.others:
                    return None
                continue
            if isinstance(it, Run):
                script = script_of(context, it)
                removes = script is not None and takes_out(
                    script, leak, setting_of(context.model, it)
                )
                others = [c for c in commands(context, it) if not (removes and c.name in REMOVERS)]
                uses_it = any(_may_use(c, readers) or _names(c, leak) for c in others)
                if uses_it and (script is None or any(_adds(c, leak) for c in others)):
                    return None
                if uses_it:
                    users.append(it)
                if removes:
                    return Way(tuple(users), it)
            elif _moves_it(it, leak):
                known = _no_more(context, it, stage, readers)
                return Way(tuple(users), final=stage.in_final_chain) if known else None
    if readers or (not users and _stays_here(one, leak)):
        return Way(tuple(users), final=stage.in_final_chain)
    return None


def _stays_here(one: Keeping, leak: Leak) -> bool:
    """Whether no image and no RUN behind this one can have the file, whoever reads such files."""
    context, run = one.context, one.reading.run
    return (
        bool(leak.path) and fate(context.model, run, leak, context.reader.scripts).kind == "cache"
    )


def _no_more(context: Context, at: Instruction, stage: Stage, readers: tuple[str, ...]) -> bool:
    """Whether no RUN behind `at` may use a file that `readers` read."""
    return bool(readers) and not any(
        uses(context, it, readers)
        for below in stage.descendants
        for it in below.instructions
        if isinstance(it, Run) and it.span.start > at.span.start
    )


def _moves_it(one: Instruction, leak: Leak) -> bool:
    """Whether the file has another name, or another owner, behind the instruction."""
    if isinstance(one, User):
        return True
    if isinstance(one, Env) and any(pair.name == "HOME" for pair in one.pairs):
        return True
    return isinstance(one, Workdir) and not leak.file.startswith(ANCHORED)


def copied_by_name(one: Instruction, leak: Leak) -> bool:
    """Whether another stage takes the file by its name."""
    return (
        isinstance(one, Copy)
        and bool(one.from_)
        and any(
            word.raw.decode("utf-8", "replace").strip("\"'") == leak.path for word in one.sources
        )
    )


def _names(command: Command, leak: Leak) -> bool:
    return any(_name(leak) in word.raw for word in command.words)


def _adds(command: Command, leak: Leak) -> bool:
    """Whether the command writes into the file too."""
    targets = [it.target.raw for it in command.redirects if it.target and ">" in it.operator]
    if command.name == "tee":
        targets += [word.raw for word in command.words[1:]]
    return any(_name(leak) in raw for raw in targets)


def _may_use(command: Command, readers: tuple[str, ...]) -> bool:
    if readers:
        return command.words != () and any(
            references.starts(it, readers) or references.opens(it) for it in started(command)
        )
    for it in started(command):
        tool = table().tool(it.name or "")
        if tool is None or tool.reads != "nothing":
            return True
    return False


def _can_take(context: Context, run: Run) -> bool:
    """Whether what stands before and behind the text with `&&` belongs to the whole of it."""
    script = script_of(context, run)
    if script is None or script.errors or script.comments or not script.commands:
        return False
    if script.text.rstrip().endswith(b";") or AMPERSAND.search(script.text):
        return False
    return not any(
        "trap" in it.context or (not it.context and it.name in ("exit", "exec"))
        for it in script.commands
    )


def _remove_there(one: Keeping, run: Run, leak: Leak) -> None:
    script = script_of(one.context, run)
    assert script is not None
    moves = any(it.name in ("cd", "pushd") for it in script.commands)
    file = leak.path if moves and not leak.file.startswith(ANCHORED) else leak.file
    text = b" && rm -f " + file.encode("utf-8", "surrogateescape")
    one.found.operations.append(append(one.context.dockerfile, run, script, text, one.order))


def _drop_removal(one: Keeping, remover: Run, leak: Leak) -> None:
    """The `rm` has nothing left to do; one without -f would fail."""
    script = script_of(one.context, remover)
    for command in script.commands if script is not None else ():
        words = [word for word in command.words[1:] if not word.raw.startswith(b"-")]
        if script is None or command.name != "rm" or len(words) != 1:
            continue
        path = words[0].raw.decode("utf-8", "replace").strip("\"'")
        if posixpath.basename(path) != posixpath.basename(leak.path):
            continue
        if not written_in_place(one.context.dockerfile, script, command.span):
            continue
        gone = remove_command(one.context.dockerfile, remover, script, command, one.order)
        if gone is not None:
            one.found.operations.append(gone)
            if alone(script, command.span):
                one.found.removed.add(remover.span.start)
            return


__all__ = ["copied_by_name", "move_file", "script_of"]
