"""Whether a RUN runs on Windows, by the image below it or by its SHELL. Knows no builder."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dockerfix.model.scopes import Model
    from dockerfix.syntax.nodes import Run


def image(model: Model, run: Run) -> str:
    """The Windows image below the stage of `run`, or '' if it is not known to be one."""
    stage = model.stage_of(run)
    if stage is None:
        return ""
    below = stage.chain[-1]
    name = (below.base or below.image or "").lower()
    platform = below.from_.platform
    if platform is not None and platform.raw.lower().startswith(b"windows"):
        return name
    return name if any(fnmatchcase(name, glob) for glob in _rows()["images"]) else ""


def shell(model: Model, run: Run) -> str:
    """The shell of `run`, where only Windows has it."""
    found = model.setting(run).shell
    words = found.exec_words if found is not None else ()
    name = re.split(r"[/\\]", words[0])[-1].lower() if words else ""
    return name if name in _rows()["shells"] else ""


@cache
def _rows() -> dict[str, Any]:
    import tomllib

    return tomllib.loads(files("dockerfix.model").joinpath("windows.toml").read_text("utf-8"))
