"""Shell patterns over names, with the meaning of `fnmatch.fnmatchcase`. Files are not known here.

The tables hold hundreds of patterns, and every word and path is asked about many of them: those
that are one literal part, nearly all, are answered without a regular expression.
"""

from __future__ import annotations

from functools import lru_cache
from operator import methodcaller
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["fits"]


def fits(name: str, glob: str) -> bool:
    """Whether the whole of `name` matches `glob`, case and all."""
    return bool(_matcher(glob)(name))


@lru_cache(maxsize=4096)
def _matcher(glob: str) -> Callable[[str], object]:
    inner = glob.strip("*")
    if any(char in inner for char in "*?["):
        import re
        from fnmatch import translate

        return re.compile(translate(glob)).match
    open_before, open_behind = glob.startswith("*"), glob.endswith("*")
    if open_before and open_behind:
        return lambda name: inner in name
    if open_before:
        return methodcaller("endswith", inner)
    if open_behind:
        return methodcaller("startswith", inner)
    return lambda name: name == inner
