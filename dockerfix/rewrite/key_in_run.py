"""A private key that stays a secret: what writes it to a file, its use and its removal become one
RUN, so that no layer keeps it.

Unlike any other file (`moved`) a key has known ways of being handled (`key_handling`): its writing
and its rights may stand in several RUNs, and it may never be removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.model.names import secret_file
from dockerfix.model.readers import may_read
from dockerfix.model.runs import RunReading
from dockerfix.rewrite.commands import append, on_one_line, plain_chain
from dockerfix.rewrite.key_handling import Handling, Unclear, Written, handling, path_in
from dockerfix.rewrite.key_removal import take_out
from dockerfix.rewrite.moved import MOST, script_of
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.model.taint import Leak
    from dockerfix.rewrite.persisted import Keeping
    from dockerfix.shell import Word
    from dockerfix.syntax.nodes import Run


def move_key(one: Keeping, leak: Leak) -> bool:
    """Write the key in each RUN that connects with it, and remove it there."""
    context, name, cure = one.context, one.name, one.found
    known = secret_file(leak.path or leak.file)
    if known is None or known.kind != "ssh-key":
        return False
    try:
        found = handling(context, (name,), one.live)
        way = _Way(context, found, one.reading.run, one.order)
        operations = way.operations() if way.sure() else None
    except Unclear:
        return False
    if operations is None:
        return False
    users = {run.span.start for run in found.users}
    cure.operations += operations
    for run in found.users:
        reading = may_read(leak.script, name)
        cure.readers[run.span.start] = RunReading(
            run, name, reading, one.reading.uses, one.reading.guarded
        )
    cure.removed |= {it.at.start for it in operations if it.verb == "remove"}
    idle = {run.span.start for run in one.live if not context.reader.needs(run, name)}
    cure.free |= (idle | set(found.gone)) - users - cure.removed
    one.still = one.still or one.reading.run.span.start in users
    cure.say(f"{leak.file} is written, used and removed in one RUN")
    return True


class _Way:
    """From the writing of the key to its uses: `writer` is the RUN whose leak it is."""

    def __init__(
        self, context: Context, found: Handling, writer: Run, order: tuple[int, ...]
    ) -> None:
        self.context, self.found = context, found
        self.writer, self.order = writer, order

    def sure(self) -> bool:
        """Whether each RUN that connects can take the whole of the handling."""
        found, users = self.found, self.found.users
        writes = [one for one in found.prelude if one.word is not None]
        if not 1 <= len(users) <= MOST or len({one.path for one in writes}) != 1:
            return False
        if any(unit.branch for units in found.gone.values() for unit in units):
            return False
        if any(one.run is not self.writer for one in writes):
            return False
        user = self.context.model.setting(self.writer).user
        for run in users:
            script = script_of(self.context, run)
            if script is None or not plain_chain(script):
                return False
            if not self.word.raw.lstrip(b"\"'").startswith((b"/", b"~/", b"$")) and any(
                command.name in ("cd", "pushd") for command in script.commands
            ):
                return False
            if self.context.model.setting(run).user is not user:
                return False
            if path_in(self.context, run, self.word) != writes[0].path:
                return False
        return True

    @property
    def word(self) -> Word:
        return next(one.word for one in self.found.prelude if one.word is not None)

    def operations(self) -> list[Operation]:
        context, found = self.context, self.found
        operations: list[Operation] = []
        for start, run in sorted(found.runs.items()):
            if run not in found.users and start in found.gone:
                operations += take_out(context, run, found.gone[start], (start,))
        text = self.statement()
        for run in found.users:
            script = script_of(context, run)
            assert script is not None
            if run is not self.writer:
                operations.append(
                    verbs.insert_statement(context.dockerfile, run, text, order=(2, *self.order))
                )
            if run.span.start not in found.removes:
                gone = b" && rm -f " + self.word.raw
                operations.append(append(context.dockerfile, run, script, gone, self.order))
        return operations

    def statement(self) -> bytes:
        """What writes the key and sets its rights, on one line, with its operator."""
        found: list[bytes] = []
        for one in self.found.prelude:
            if one.run in self.found.users and one.run is not self.writer:
                continue
            found.append(_text(self.context, one))
        if not any(text.startswith(b"chmod") for text in found):
            # ssh takes no key that others can read, and a chmod of the whole folder stays behind.
            found.append(b"chmod 600 " + self.word.raw)
        return b" && ".join(dict.fromkeys(found)) + b" && "


def _text(context: Context, one: Written) -> bytes:
    assert one.unit.script is not None
    span = one.unit.span
    return on_one_line(context.dockerfile, one.unit.script, span.start, span.end)
