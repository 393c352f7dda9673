"""One file a pass, named for the bad pattern it finds; `ALL` in the order of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dockerfix.passes.secret_in_arg import SecretInArg
from dockerfix.passes.secret_in_env import SecretInEnv

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.context import Context
    from dockerfix.finding import Finding


class Pass(Protocol):
    """A pure function of its context. `name` is also its file, its class and its page."""

    name: str

    def run(self, context: Context) -> Iterable[Finding]: ...


ALL: tuple[Pass, ...] = (SecretInArg(), SecretInEnv())
