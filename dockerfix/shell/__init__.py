"""Reading shell: commands, words, variables and what holds at each command.

`read` takes a `Projection` and never raises on its bytes; tree-sitter-bash gives the
structure, `words` takes single words apart, `flow` follows assignments, exports, options
and the working directory. Nothing here knows of builds or Dockerfiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.shell.nodes import (
    FOREIGN,
    Assignment,
    Command,
    Contribution,
    Function,
    Group,
    Nested,
    Part,
    Redirect,
    Script,
    State,
    Use,
    Variable,
    Word,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockerfix.projection import Projection

__all__ = [
    "FOREIGN",
    "Assignment",
    "Command",
    "Contribution",
    "Function",
    "Group",
    "Nested",
    "Part",
    "Redirect",
    "Script",
    "State",
    "Use",
    "Variable",
    "Word",
    "read",
]


def read(
    projection: Projection,
    *,
    make: bool = False,
    load: Callable[[str], bytes | None] | None = None,
) -> Script:
    """Read `projection.text` as shell. Spans in the result are offsets in that text.

    A byte `FOREIGN` (0x01) stands for one byte of a host's own substitution (a make
    reference, `${{ }}`): a run of them is a word part of kind `foreign`, never a break.
    With `make` the text is one recipe: variables are not carried over from another.
    `load` gives the bytes of a sourced file (path relative to where the script starts).
    """
    from dockerfix.shell.reading import read_script

    return read_script(projection, load=load)
