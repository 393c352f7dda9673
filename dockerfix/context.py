"""What a pass is given: one Dockerfile, what it means, who builds it, and the tree around it.

Everything here is a snapshot: nothing changes while passes run. This module knows how to
ask, not what the answers mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockerfix.builders.call import BuildCall
    from dockerfix.config import Config
    from dockerfix.model import Model
    from dockerfix.model.build_context import BuildContext
    from dockerfix.model.runs import RunReader
    from dockerfix.shell import Script
    from dockerfix.syntax.nodes import Dockerfile, Run
    from dockerfix.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Context:
    """One Dockerfile in one round.

    `calls` are the build calls linked to it, `all_calls` those of the whole root; `documents`
    are commands for it that a README shows.
    `dockerfiles` holds every Dockerfile of the root by path, parsed when asked for.
    `sibling` gives the context of another one of them.
    """

    path: str
    dockerfile: Dockerfile
    model: Model
    calls: tuple[BuildCall, ...]
    all_calls: tuple[BuildCall, ...]
    dockerfiles: Mapping[str, Dockerfile]
    workspace: Workspace
    config: Config
    allow_partial: bool = False
    documents: tuple[BuildCall, ...] = ()
    sibling: Callable[[str], Context] = field(repr=False, default=None)  # type: ignore[assignment]

    @cached_property
    def reader(self) -> RunReader:
        """What each RUN reads."""
        from dockerfix.model.runs import RunReader

        return RunReader(self.model, self.build_context)

    def told(self, scripts: Mapping[int, tuple[Script, ...]]) -> Context:
        """The same Dockerfile, whose RUNs (by offset) are read as other shell texts."""
        from dockerfix.model.runs import RunReader

        other = replace(self)
        reader = RunReader(self.model, self.build_context, scripts)
        vars(other).update(build_context=self.build_context, reader=reader)
        return other

    def built_by(self, calls: tuple[BuildCall, ...]) -> Context:
        """The same Dockerfile, which these calls build too, from no folder that is known."""
        places = {(one.path, one.span) for one in calls}
        kept = (one for one in self.calls if (one.path, one.span) not in places)
        other = replace(self, calls=(*kept, *calls))
        vars(other).update(build_context=self.build_context, reader=self.reader)
        return other

    @cached_property
    def build_context(self) -> BuildContext:
        """The files that COPY takes from, in the folders that the calls name."""
        from dockerfix.builders.link import context_folders
        from dockerfix.model.build_context import BuildContext

        folders = (
            one for call in self.calls for one in context_folders(call, self.path, self.workspace)
        )
        return BuildContext(self.path, self.model, self.workspace, tuple(dict.fromkeys(folders)))

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Every RUN of every stage, in order. The RUN inside an ONBUILD is not among them."""
        from dockerfix.syntax.nodes import Run

        return tuple(
            one
            for stage in self.dockerfile.stages
            for one in stage.instructions
            if isinstance(one, Run)
        )

    def line(self, path: str, offset: int) -> int:
        """One-based line of a byte offset in a file of the root."""
        return self.workspace.read(path).count(b"\n", 0, offset) + 1
