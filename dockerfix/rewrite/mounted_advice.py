"""What to do about a value that a RUN keeps or shows, in words that fit how the RUN has it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.model.taint import advice
from dockerfix.rewrite.mounted_values import variable_of
from dockerfix.rewrite.mounts import secret_mounts
from dockerfix.rewrite.persisted import connected
from dockerfix.rewrite.shell_loads import loads

if TYPE_CHECKING:
    from dockerfix.context import Context
    from dockerfix.rewrite.exposure import Exposure


def advised(context: Context, one: Exposure, *, mount: bool = True) -> str:
    """The advice for the file; of a secret that is mounted as one, with a variable for it and (with
    `mount`) what sets it."""
    if not one.name.startswith("/"):
        return advice(one.leak, one.name)
    given = next(
        (it for it in secret_mounts(context) if it.run is one.run and it.file == one.name), None
    )
    name, here = None, False
    if given is not None:
        held = [it for it in loads(context) if it.given.id == given.id]
        name = variable_of(context, given, connected(context, one.run), held)
        here = any(it.run is one.run and it.name == name for it in held)
    name = name or "NAME"
    said = advice(one.leak, name)
    if not re.search(rf"\b{name}\b", said) or f"id={name}" in said:
        return said.replace(f"id={name}", f"id={one.variable}")
    if here or not mount:
        return said
    return f"{said} (a mount sets {name} with `id={one.variable},env={name}`)"


__all__ = ["advised"]
