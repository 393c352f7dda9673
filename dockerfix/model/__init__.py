"""What a Dockerfile means: stages, scopes, bindings and expansions, built once from a tree.

`build(dockerfile, targets, passed) -> Model`. Word expansion is in `model.expand`, a run of
the frontend with given build arguments in `history`; what is secret and who reads it are
rooms of their own (`secrets`, `readers`, `runs`). Imported lazily: a file with nothing to fix
never pays for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dockerfix.model.bindings import Binding, Step
    from dockerfix.model.expand import Expansion, ExpansionError, WordUse, variables
    from dockerfix.model.history import Evaluation, evaluate
    from dockerfix.model.runtime import Entry, Setting
    from dockerfix.model.scopes import Alias, Model, build
    from dockerfix.model.sites import ExpansionSite
    from dockerfix.model.stages import Stage, StageGraph, build_stages

__all__ = [
    "Alias",
    "Binding",
    "Entry",
    "Evaluation",
    "Expansion",
    "ExpansionError",
    "ExpansionSite",
    "Model",
    "Setting",
    "Stage",
    "StageGraph",
    "Step",
    "WordUse",
    "build",
    "build_stages",
    "evaluate",
    "variables",
]

_ROOMS = {
    "Alias": "scopes",
    "Binding": "bindings",
    "Entry": "runtime",
    "Evaluation": "history",
    "Expansion": "expand",
    "ExpansionError": "expand",
    "ExpansionSite": "sites",
    "Model": "scopes",
    "Setting": "runtime",
    "Stage": "stages",
    "StageGraph": "stages",
    "Step": "bindings",
    "WordUse": "expand",
    "build": "scopes",
    "build_stages": "stages",
    "evaluate": "history",
    "variables": "expand",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    room = _ROOMS.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{room}"), name)
