"""What a run found, as text for people and as the JSON document. Prints nothing, holds no value.

The JSON document is described by docs/report.schema.json; `VERSION` rises when a key
changes its meaning or goes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockerfix.engine import Problem, Reported, Result
    from dockerfix.finding import Finding, Place, Refusal
    from dockerfix.source import Span
    from dockerfix.workspace import Workspace

VERSION = 1


@dataclass(frozen=True, slots=True)
class Names:
    """How the paths of one root are shown: below the working directory as seen from there;
    all of them from the root if a file that changes lies elsewhere."""

    root: str
    cwd: str
    from_root: bool

    @classmethod
    def of(cls, workspace: Workspace, changed: Iterable[str], cwd: str) -> Names:
        here = os.path.realpath(cwd)
        prefix = here.rstrip(os.sep) + os.sep
        outside = any(not workspace.absolute(path).startswith(prefix) for path in changed)
        return cls(workspace.root, here, outside)

    def __call__(self, path: str) -> str:
        if self.from_root:
            return path or "."
        shown = os.path.relpath(os.path.join(self.root, path), self.cwd)
        return shown.replace(os.sep, "/")


def printable(text: str) -> str:
    """`text` without anything that could steer a terminal or break the line."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode()
        for char in text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )


def at(reported: Reported, names: Names, path: str, offset: int) -> str:
    line, column = reported.position(path, offset)
    return f"{names(path)}:{line}:{column}"


def brief(one: Reported, names: Names) -> str:
    """A finding in one line."""
    finding = one.finding
    where = at(one, names, finding.path, finding.span.start)
    severity = finding.severity.value
    if one.outcome == "fixed":
        severity = "partly fixed" if finding.residual == "known" else "fixed"
    return printable(f"{where}: {severity}: {finding.message} [{finding.name}]")


def full(one: Reported, names: Names) -> Iterator[str]:
    """A finding in lines: what is wrong, why it matters, what to do. Of a fixed one only what
    is not certain; what to do about these is told once for all (`aftermath`)."""
    finding = one.finding
    yield brief(one, names)
    if one.outcome == "fixed":
        if finding.residual != "none" and finding.reason:
            yield printable(f"  note: {finding.reason}")
        return
    if reason := _once(finding):
        yield printable(f"  why: {reason}")
    for shown, elsewhere in _by_reason(finding):
        for refusal in shown:
            where = at(one, names, refusal.path, refusal.span.start)
            yield printable(f"  refused: {where}: {_from_place(refusal)}")
        if others := dict.fromkeys(names(refusal.path) for refusal in elsewhere):
            yield printable(f"  refused: and for the same reason {', '.join(others)}")
    helps = dict.fromkeys((finding.help, *(refusal.help for refusal in finding.refusals)))
    for help in helps:
        for line in help.splitlines():
            yield printable(f"  do: {line}")
    yield f"  {fixability(one, names)}"


def _once(finding: Finding) -> str:
    """The reason without what the refusals say."""
    reason = f"; {finding.reason}" if finding.reason else ""
    for refusal in finding.refusals:
        reason = reason.replace(f"; S2: {refusal.reason}", "", 1)
    return reason.removeprefix("; ")


def _from_place(refusal: Refusal) -> str:
    """What it says, which may name the file, behind the place."""
    kind, told, rest = refusal.reason.removeprefix(f"{refusal.path} (").partition(") passes ")
    named = told and refusal.reason.startswith(f"{refusal.path} (")
    return f"{kind} passes {rest}" if named else refusal.reason


def _by_reason(finding: Finding) -> Iterator[tuple[list[Refusal], list[Refusal]]]:
    """Refusals of one reason: those to show in full, and those of the fix's other Dockerfiles,
    which say it at their own place again."""
    reasons: dict[str, list[Refusal]] = {}
    for refusal in finding.refusals:
        reasons.setdefault(refusal.reason, []).append(refusal)
    for group in reasons.values():
        here = [one for one in group if one.path == finding.path]
        yield (here, [one for one in group if one.path != finding.path]) if here else (group, [])


def fixability(one: Reported, names: Names) -> str:
    """Whether dockerfix can do it, and with which flag."""
    fix = one.finding.fix
    if fix is None and one.finding.with_fix_of:
        return f"fix: with that of {printable(one.finding.with_fix_of)}"
    if fix is None:
        held = "held back by what is named above" if one.finding.refusals else "by hand only"
        return f"fix: none, {held}"
    files = printable(", ".join(names(path) for path in fix.paths))
    if one.outcome == "elsewhere":
        return f"fix: not from standard input alone, it also changes files on disk ({files}): add --write"
    flag = " with --unsafe-fixes" if one.outcome == "unsafe" else ""
    secret = {"none": "", "known": ", something of the secret stays"}.get(
        fix.residual, ", not all of what reads the secret was seen into"
    )
    return f"fix: {fix.safety.value}{flag}{secret} ({files})"


def problem(one: Problem, names: Names) -> str:
    """An error in one line."""
    line = f":{one.line}" if one.line else ""
    label = {"internal": "internal error", "note": "note"}.get(one.kind, "error")
    path = names(one.path) if one.path else "dockerfix"
    help = f"; {one.help}" if one.help else ""
    return printable(f"{path}{line}: {label}: {one.message}{help}")


def place(workspace: Workspace, names: Names, one: Place, label: str) -> str:
    from dockerfix.source import Source

    line, column = Source(one.path, workspace.read(one.path)).position(one.span.start)
    return printable(f"{names(one.path)}:{line}:{column}: {label}: {one.message}")


def aftermath(results: Iterable[Result]) -> Iterator[str]:
    """What is still to be done about the secrets that were fixed, each thing once."""
    said = (
        part
        for result in results
        for one in result.findings
        # What another finding's fix did away with has advice for doing it by hand.
        if one.outcome == "fixed" and one.finding.fix is not None
        for part in one.finding.help.split("; ")
        if "this fix" not in part
        # `remarks` says this of each Dockerfile.
        and not (one.finding.outside_flag and one.finding.outside_flag in part)
    )
    for part in dict.fromkeys(said):
        if part:
            yield printable(f"afterwards: {part}")


def remarks(result: Result, names: Names) -> Iterator[str]:
    """What nobody changed, and what callers that nobody saw must do."""
    for one in result.not_changed:
        yield place(result.workspace, names, one, "not changed")
    for caller in result.outside_callers:
        path, name = caller.dockerfile, caller.variable
        declared = result.before.model(path).bindings_of(name) if result.before else ()
        taken = any(one.kind in ("arg", "global") for one in declared)
        yield printable(
            f"{names(path)}: callers outside this tree must give `{caller.flag}`"
            + (f" instead of `--build-arg {name}`" if taken else "")
        )
        for one in caller.through:
            yield place(result.workspace, names, one, "see")


def counts(results: Sequence[Result], errors: int) -> dict[str, int]:
    """The numbers of the summary."""
    from dockerfix.finding import Severity

    every = [one for result in results for one in result.findings]
    outcome = [one.outcome for one in every]
    return {
        "dockerfiles": sum(len(result.dockerfiles) for result in results),
        "findings": len(every),
        "info": sum(one.finding.severity is Severity.INFO for one in every),
        "fixed": outcome.count("fixed"),
        "left": sum(len(result.left) for result in results),
        "fixable": sum(_safe(one) for one in every),
        "unsafe": outcome.count("unsafe"),
        "refused": sum(_unfixed(one, "refused") for one in every),
        "report": sum(_unfixed(one, "report") for one in every),
        "suppressed": sum(result.suppressed for result in results),
        "changed": sum(len(result.changes) for result in results),
        "errors": errors,
    }


def _unfixed(one: Reported, status: str) -> bool:
    own = not one.finding.with_fix_of
    return own and one.finding.status == status and one.outcome != "fixed"


def _safe(one: Reported) -> bool:
    return one.finding.fix is not None and one.outcome in ("fixed", "left")


def summary(numbers: Mapping[str, int], *, applied: bool, written: bool) -> Iterator[str]:
    """What is at the end of a report for people."""
    if not numbers["dockerfiles"] and not numbers["errors"]:
        yield "no Dockerfile found"
        return
    parts = [
        f"{_number(numbers['findings'], 'finding')} in "
        f"{_number(numbers['dockerfiles'], 'Dockerfile')}"
    ]
    if applied and numbers["fixed"]:
        verb = "fixed" if written else "fixed by this diff"
        parts.append(f"{numbers['fixed']} {verb}")
    elif numbers["fixable"]:
        parts.append(
            f"{numbers['fixable']} can be fixed safely: see it with --diff, do it with --write"
        )
    for key, text in (
        ("refused", "refused"),
        ("report", "to do by hand"),
        ("suppressed", "suppressed"),
    ):
        if numbers[key]:
            parts.append(f"{numbers[key]} {text}")
    if numbers["errors"]:
        parts.append(_number(numbers["errors"], "error"))
    yield "; ".join(parts)
    if numbers["unsafe"]:
        yield f"--unsafe-fixes would fix {numbers['unsafe']} more"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def document(
    results: Sequence[tuple[Result, Names]],
    errors: Sequence[tuple[Problem, Names]],
    exit_code: int,
    diff: bytes | None = None,
) -> dict[str, Any]:
    """The JSON document. `diff` is there only where --diff asked for it."""
    numbers = counts([result for result, _ in results], len(errors))
    found: dict[str, Any] = {
        "version": VERSION,
        "findings": [_finding(one, names) for result, names in results for one in result.findings],
        "errors": [_problem(one, names) for one, names in errors],
        "notes": [_problem(one, names) for result, names in results for one in result.notes],
        "not_changed": [
            _place(result, names, one) for result, names in results for one in result.not_changed
        ],
        "outside_callers": [
            {
                "dockerfile": names(caller.dockerfile),
                "variable": caller.variable,
                "flag": caller.flag,
                "through": [_place(result, names, one) for one in caller.through],
            }
            for result, names in results
            for caller in result.outside_callers
        ],
        "changed": [names(path) for result, names in results for path in result.changes],
        "summary": {**numbers, "exit_code": exit_code},
    }
    if diff is not None:
        found["diff"] = diff.decode("utf-8", "surrogateescape")
    return found


def _finding(one: Reported, names: Names) -> dict[str, Any]:
    finding = one.finding
    fix = finding.fix
    return {
        **_range(one, names, finding.path, finding.span),
        "pass": finding.name,
        "variable": finding.variable,
        "severity": finding.severity.value,
        "safety": finding.safety.value,
        "status": finding.status,
        "residual": finding.residual,
        "message": finding.message,
        "reason": finding.reason,
        "help": finding.help,
        "related": [
            {**_range(one, names, other.path, other.span), "message": other.message}
            for other in finding.related
        ],
        "refusals": [
            {
                **_range(one, names, other.path, other.span),
                "reason": other.reason,
                "help": other.help,
            }
            for other in finding.refusals
        ],
        "fix": None
        if fix is None
        else {
            "safety": fix.safety.value,
            "residual": fix.residual,
            "paths": [names(path) for path in fix.paths],
            "outcome": one.outcome,
        },
    }


def _range(one: Reported, names: Names, path: str, span: Span) -> dict[str, Any]:
    line, column = one.position(path, span.start)
    end_line, end_column = one.position(path, span.end)
    return {
        "path": names(path),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


def _place(result: Result, names: Names, one: Place) -> dict[str, Any]:
    from dockerfix.source import Source

    line, column = Source(one.path, result.workspace.read(one.path)).position(one.span.start)
    return {"path": names(one.path), "line": line, "column": column, "message": one.message}


def _problem(one: Problem, names: Names) -> dict[str, Any]:
    return {
        "path": names(one.path) if one.path else None,
        "line": one.line,
        "kind": one.kind,
        "message": one.message,
        "help": one.help,
    }


def failure(message: str, help: str, kind: str) -> dict[str, Any]:
    """The document of a run that ended before it had results."""
    from dockerfix.engine import Problem

    here = Names(os.getcwd(), os.getcwd(), False)
    return document([], [(Problem("", message, help, kind=kind), here)], 2)
