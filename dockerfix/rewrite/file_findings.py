"""The finding for a secret file that COPY takes, with its fix or the reasons why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Fix, Guard, Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.rewrite.files import move

if TYPE_CHECKING:
    from dockerfix.context import Context
    from dockerfix.model.copied_files import CopiedFile


def finding(
    context: Context,
    name: str,
    file: CopiedFile,
    *,
    variable: str,
    message: str,
    reason: str,
    rotate: str,
    places: tuple[Place, ...] = (),
) -> Finding:
    """One finding a file. `rotate` is what a person has to do beside the fix."""
    found = move(context, file)
    first, *others = sorted(
        file.takings, key=lambda one: (one.how == "swept", one.instruction.span.start)
    )
    related = [
        Place(
            context.path, one.instruction.keyword_span, f"this {_word(one)} takes {file.name} too"
        )
        for one in others
    ]
    related += [
        Place(path, run.keyword_span, f"this RUN may read {file.name}") for path, run in found.users
    ]
    fix = None
    if not found.refusals:
        guards = [Guard(path, run.arguments_span) for path, run in found.users]
        fix = Fix(
            name, Safety.UNSAFE, "none", tuple(found.operations), tuple(dict.fromkeys(guards))
        )
    did = "mount the file where it is read" if found.users else f"name the file in {found.ignored}"
    flag = f"; callers outside this tree must give `{found.outside}`" if found.outside else ""
    return Finding(
        path=context.path,
        span=first.instruction.sources[first.index].span,
        name=name,
        variable=variable,
        severity=Severity.WARNING,
        safety=Safety.UNSAFE if fix is not None else Safety.MANUAL,
        message=message,
        reason=reason,
        help=found.refusals[0].help
        if found.refusals
        else f"{did}, which this fix does{flag}; {rotate}",
        residual="none" if fix is not None else "known",
        related=(*places, *dict.fromkeys(related)),
        refusals=tuple(found.refusals),
        fix=fix,
        outside_flag=found.outside if fix is not None else "",
    )


def _word(taking: object) -> str:
    return str(taking.instruction.keyword.upper())  # type: ignore[attr-defined]
