"""The removal of a file in a RUN with here-documents, which has no single line to put it behind.

Knows where the command line ends and that a script may end anywhere; who uses the file is `moved`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.model.runs import is_script
from dockerfix.rewrite.forms import AMPERSAND, objection
from dockerfix.source import Span
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from dockerfix.edits import Operation
    from dockerfix.model.taint import Leak
    from dockerfix.rewrite.persisted import Keeping

ANCHORED = ("/", "~/", "$HOME/", "${HOME}/")


def removal_beside_text(one: Keeping, leak: Leak) -> Operation | None:
    """The removal in a RUN with here-documents: at the end of its command line, or by a trap where
    the here-document is the script, whose last command decides what becomes of the RUN."""
    context, run, script = one.context, one.reading.run, leak.script
    moves = any(it.name in ("cd", "pushd") for it in script.commands)
    file = leak.path if moves and not leak.file.startswith(ANCHORED) else leak.file
    removal = b"rm -f " + file.encode("utf-8", "surrogateescape")
    ways_out = {it.name for it in script.commands if not it.context} & {"exec", "trap"}
    if script.errors or ways_out or b"'" in removal or not context.reader.posix(run):
        return None
    if is_script(run):
        others = {it.path for it in one.reading.leaks if it.stays and it.kind == "file"}
        if others != {leak.path} or objection(context, run):
            return None
        text = b"trap '%s' EXIT && " % removal
        return verbs.insert_statement(
            context.dockerfile, run, text, order=(1, *one.order), sets=f"trap {leak.path}"
        )
    line = run.body.text.rstrip()
    if line.endswith(b";") or AMPERSAND.search(line) or b"#" in line:
        return None
    at = run.body.host(len(line), end=True)
    gone = b" && " + removal
    return verbs.replace(context.dockerfile, run, Span(at, at), gone, order=one.order)
