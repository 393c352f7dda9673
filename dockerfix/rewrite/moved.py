"""Statements that move to the RUNs that need them: a file that is written in one RUN, used in
others and removed in a later one, and a setting that a variable replaces.

What is written, used and removed in one RUN leaves nothing in a layer. Moves only where the
whole way from the writing to the removal can be seen.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from dockerfix.model import references
from dockerfix.model.readers import may_read
from dockerfix.model.run_taint import setting_of
from dockerfix.model.runs import RunReading, is_script
from dockerfix.model.taint import takes_out
from dockerfix.model.tools import started, table
from dockerfix.rewrite.commands import (
    alone,
    append,
    on_one_line,
    plain_chain,
    remove_command,
    written_in_place,
)
from dockerfix.syntax import verbs
from dockerfix.syntax.nodes import Run, User, Workdir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.context import Context
    from dockerfix.model.taint import Leak
    from dockerfix.rewrite.persisted import Cure
    from dockerfix.shell import Command, Script
    from dockerfix.syntax.nodes import Instruction

MOST = 3
PREPARES = frozenset({"mkdir", "chmod", "touch", "umask", "chown"})
ANCHORED = ("/", "~/", "$HOME/", "${HOME}/")


def script_of(context: Context, run: Run) -> Script | None:
    """The one shell text of a RUN in shell form without here-documents."""
    if run.exec_form or run.heredocs or not context.reader.posix(run):
        return None
    texts = context.reader.scripts(run)
    return texts[0] if len(texts) == 1 else None


# -- a setting that a variable replaces -----------------------------------------------


def move_setting(
    context: Context,
    name: str,
    run: Run,
    leak: Leak,
    command: Command,
    live: Sequence[Run],
    order: tuple[int, ...],
    found: Cure,
) -> bool:
    """`pip config set global.index-url URL` becomes `export PIP_INDEX_URL=URL` where pip runs."""
    row = references.setting(command)
    if row is None or command.redirects or command.prefix:
        return False
    variable, at, programs = row
    word = command.words[at]
    if any(use.name != name or use.operator for use in word.uses) or not word.uses:
        return False
    if context.model.bindings_of(variable) or b"`" in word.raw or b"$(" in word.raw:
        return False
    needing = [
        one
        for one in live
        if one.span.start >= run.span.start and _runs(context, one, programs, command)
    ]
    if any(one.exec_form or (one.heredocs and not is_script(one)) for one in needing):
        return False
    gone = remove_command(context.dockerfile, run, leak.script, command, order)
    if gone is None or (gone.verb == "remove" and run in needing):
        return False
    value = word.raw if word.raw[:1] in b"\"'" else b'"' + word.raw + b'"'
    text = b"export " + variable.encode() + b"=" + value + b" && "
    for one in needing:
        found.operations.append(
            verbs.insert_statement(context.dockerfile, one, text, order=(2, *order), sets=variable)
        )
        reading = context.reader.reading(one, name)
        found.readers.setdefault(one.span.start, reading)
    found.operations.append(gone)
    (found.removed if gone.verb == "remove" else found.free).add(run.span.start)
    if run in needing:
        found.free.discard(run.span.start)
    found.say(f"{variable} takes the place of what `{command.name} config` wrote")
    return True


def _runs(context: Context, run: Run, programs: frozenset[str], but: Command) -> bool:
    return any(
        any(one.name in programs for one in started(command))
        for text in context.reader.scripts(run)
        for _, command in text.every()
        if command.words
        and not (
            command.span == but.span
            and command.words[0].raw == but.words[0].raw
            and command.words[-1].raw == but.words[-1].raw
        )
    )


# -- a file that is written, used and removed -----------------------------------------


def move_file(
    context: Context,
    name: str,
    reading: RunReading,
    leak: Leak,
    live: Sequence[Run],
    order: tuple[int, ...],
    found: Cure,
) -> bool:
    """Write the file in each RUN that uses it, and remove it there."""
    run, script = reading.run, leak.script
    text = script_of(context, run)
    if text is None or text.text != script.text or not plain_chain(script) or not leak.path:
        return False
    if any(one.path != leak.path for one in reading.leaks if one.stays):
        return False
    if not all(references.writes_words(one) or one.name in PREPARES for one in script.commands):
        return False
    way = _way(context, run, leak)
    if way is None:
        return False
    users, remover = way
    if not 1 <= len(users) <= MOST or any(one not in live for one in users):
        return False
    if any(not _can_take(context, one) for one in users):
        return False
    statement = on_one_line(script, script.commands[0], script.commands[-1])
    for one in users:
        found.operations.append(
            verbs.insert_statement(context.dockerfile, one, statement + b" && ", order=(2, *order))
        )
        if one is not remover:
            its = script_of(context, one)
            assert its is not None
            gone = b" && rm -f " + leak.file.encode("utf-8", "surrogateescape")
            found.operations.append(append(context.dockerfile, one, its, gone, order))
        found.readers[one.span.start] = RunReading(
            one, name, may_read(script, name), reading.uses, reading.guarded
        )
    if remover not in users or len(users) > 1:
        _drop_removal(context, remover, leak, order, found, keep=remover in users)
    found.operations.append(verbs.remove(context.dockerfile, run, order=order))
    found.removed.add(run.span.start)
    found.say(f"{leak.file} is written, used and removed in one RUN")
    return True


def _way(context: Context, run: Run, leak: Leak) -> tuple[list[Run], Run] | None:
    """The RUNs that may use the file, and the one that removes it; None if that is not sure."""
    stage = context.model.stage_of(run)
    if stage is None:
        return None
    users: list[Run] = []
    for one in stage.instructions:
        if one.span.start <= run.span.start:
            continue
        if _moves_it(one, leak):
            return None
        if not isinstance(one, Run):
            continue
        script = script_of(context, one)
        if script is None:
            return None
        removes = takes_out(script, leak, setting_of(context.model, one))
        others = [c for c in script.commands if not (removes and c.name == "rm")]
        if any(_may_use(command) for command in others):
            users.append(one)
        if removes:
            return users, one
    return None


def _moves_it(one: Instruction, leak: Leak) -> bool:
    """Whether the file has another name, or another owner, behind the instruction."""
    if isinstance(one, User):
        return True
    return isinstance(one, Workdir) and not leak.file.startswith(ANCHORED)


def _may_use(command: Command) -> bool:
    for one in started(command):
        tool = table().tool(one.name or "")
        if tool is None or tool.reads != "nothing":
            return True
    return False


def _can_take(context: Context, run: Run) -> bool:
    script = script_of(context, run)
    return script is not None and plain_chain(script)


def _drop_removal(
    context: Context, remover: Run, leak: Leak, order: tuple[int, ...], found: Cure, *, keep: bool
) -> None:
    """The `rm` has nothing left to do; one without -f would fail."""
    script = script_of(context, remover)
    if script is None or keep:
        return
    for command in script.commands:
        words = [word for word in command.words[1:] if not word.raw.startswith(b"-")]
        if command.name != "rm" or len(words) != 1:
            continue
        path = words[0].raw.decode("utf-8", "replace").strip("\"'")
        if posixpath.basename(path) != posixpath.basename(leak.path):
            continue
        if not written_in_place(context.dockerfile, script, command.span):
            continue
        gone = remove_command(context.dockerfile, remover, script, command, order)
        if gone is not None:
            found.operations.append(gone)
            if alone(script, command):
                found.removed.add(remover.span.start)
            return


__all__ = ["move_file", "move_setting", "script_of"]
