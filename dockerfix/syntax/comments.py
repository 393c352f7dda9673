"""Which comment above an instruction goes with it: one that speaks of what it declares.

A comment often heads a whole paragraph, or tells what the command below does. It is taken for
one about the instruction alone only if its words say so, and never if it looks like a heading, a
commented-out instruction, or a note of many lines. The words stand in `comments.toml`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dockerfix.source import Span
from dockerfix.syntax.nodes import Add, Arg, Copy, Env, Run

if TYPE_CHECKING:
    from dockerfix.source import Source
    from dockerfix.syntax.nodes import Instruction

SHARED = (b"ARG", b"ENV", b"RUN", b"ONBUILD")
"""Instructions that a comment about a variable may speak of as well as the one that goes."""
LONGEST = 3
_CODE = re.compile(
    rb"^#+\s*(?:(?:ARG|ENV|RUN|COPY|ADD|FROM|USER|WORKDIR|CMD)\s|(?:docker|podman)\b|\w+\s*=)|"
    rb"\bdocker\s+\w*\s*build",
    re.M,
)


@cache
def _said() -> dict[str, re.Pattern[bytes]]:
    """The patterns of `comments.toml`."""
    import tomllib

    rows = tomllib.loads(Path(__file__).with_name("comments.toml").read_text("utf-8"))
    shapes = {name: "|".join(words) for name, words in rows.items()}
    shapes["does"] = r"^#+\s*(?:\W*\d+\W+)?(?:" + shapes["does"] + ")"
    shapes["clears"] = r"\b(?:" + shapes["clears"] + ")"
    return {name: re.compile(text.encode(), re.I | re.M) for name, text in shapes.items()}


def leading_comment(instruction: Instruction, source: Source, start: int) -> Span | None:
    """The comment lines directly above the line that begins at `start`, if they go with it."""
    data, at, lines = source.data, start, 0
    while at > len(source.bom) and lines <= LONGEST:
        line = data.rfind(b"\n", 0, at - 1) + 1
        if not data[line:at].lstrip().startswith(b"#"):
            break
        at, lines = line, lines + 1
    if not lines or lines > LONGEST or at == len(source.bom):
        return None  # What stands at the top speaks of the file.
    text = b"\n".join(line.strip() for line in data[at:start].splitlines())
    if _said()["heads"].search(text) or _CODE.search(text):
        return None
    return Span(at, start) if _speaks(instruction, text) else None


def _speaks(instruction: Instruction, text: bytes) -> bool:
    if isinstance(instruction, Arg | Env):
        named = any(
            pair.name.encode("utf-8", "surrogateescape") in text for pair in instruction.pairs
        )
        return named or (
            _said()["declares"].search(text) is not None and not _said()["does"].search(text)
        )
    if isinstance(instruction, Copy | Add):
        return any(word.raw.rpartition(b"/")[2] in text for word in instruction.sources)
    return isinstance(instruction, Run) and _said()["clears"].search(text) is not None
