"""The engine: `run(workspace, paths, options) -> Result`, which writes nothing.

`inputs` says what is wrong with bytes, `snapshot` is one root at one moment, `rounds` goes
from findings to changes, `recheck` holds these against the promise, `redaction` knows what
a patch must not show. Imported lazily: a file with nothing to report never pays for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dockerfix.engine.inputs import Problem
    from dockerfix.engine.rounds import ROUNDS, Options, Reported, Result, run

__all__ = ["ROUNDS", "Options", "Problem", "Reported", "Result", "run"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = "inputs" if name == "Problem" else "rounds"
    return getattr(import_module(f"{__name__}.{room}"), name)
