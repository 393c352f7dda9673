"""What a pass says: `Finding`, `Refusal`, `Severity`. Never holds the value of a secret."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dockerfix.edits import Fix, Safety
    from dockerfix.source import Span


class Severity(enum.Enum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Place(NamedTuple):
    """Bytes of a file (path relative to the workspace root), with a word on why they matter."""

    path: str
    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why dockerfix leaves something alone, where that shows, and what a person can do."""

    reason: str
    path: str
    span: Span
    help: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One leaking variable in one Dockerfile.

    `message` says what is wrong, `reason` why it matters (and, for a fix, each piece of
    evidence that decided its safety), `help` what to do. With `fix` None and `refusals`
    empty the finding is only a report. `not_changed` lists text that names the variable
    and that nobody runs (prose); `outside_flag` is what a caller outside the tree must
    give from now on, empty where every caller is known; `elsewhere` is what may build it in
    another repository.
    """

    path: str
    span: Span
    name: str
    variable: str
    severity: Severity
    safety: Safety
    message: str
    reason: str
    help: str
    residual: str = "unknown"
    related: tuple[Place, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    fix: Fix | None = None
    not_changed: tuple[Place, ...] = ()
    outside_flag: str = ""
    with_fix_of: str = ""
    elsewhere: tuple[Place, ...] = ()

    @property
    def status(self) -> str:
        if self.fix is not None:
            return "fixable"
        return "refused" if self.refusals else "report"
