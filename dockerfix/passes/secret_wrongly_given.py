"""`secret-wrongly-given`: a build gives a secret in a way that does not arrive. Page: docs/passes/secret-wrongly-given.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Fix, Safety
from dockerfix.finding import Finding, Refusal, Severity
from dockerfix.model.secrets import classify
from dockerfix.rewrite.mounts import alike, secret_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.builders.call import BuildCall, SecretFlag
    from dockerfix.context import Context
    from dockerfix.edits import Operation

VALUES = ("token", "password")
"""Kinds of secrets whose variable holds the value itself, never a path or a name."""


class SecretWronglyGiven:
    name = "secret-wrongly-given"

    def run(self, context: Context) -> Iterator[Finding]:
        wanted = {one.id for one in secret_mounts(context)}
        # One flag in a variable may be given by several builds, each of which needs its value.
        places: dict[object, list[tuple[BuildCall, SecretFlag]]] = {}
        for call in context.calls:
            for flag in call.secrets:
                if certain(call, flag, wanted):
                    places.setdefault((call.path, flag.span), []).append((call, flag))
        for given in places.values():
            yield self.finding(*given[0], mended(given))

    def finding(
        self, call: BuildCall, flag: SecretFlag, result: list[Operation] | Refusal
    ) -> Finding:
        fault = flag.fault
        assert fault is not None
        refused = isinstance(result, Refusal)
        fix = None if refused else Fix(self.name, Safety.UNSAFE, "none", tuple(result))  # type: ignore[arg-type]
        return Finding(
            path=call.path,
            span=flag.span,
            name=self.name,
            variable=flag.id or fault.variable,
            severity=Severity.WARNING,
            safety=Safety.UNSAFE if fix is not None else Safety.MANUAL,
            message=fault.says,
            reason=fault.effect,
            help="give it as it is meant" + (", which this fix does" if fix is not None else ""),
            residual="none",
            fix=fix,
            refusals=(result,) if isinstance(result, Refusal) else (),
        )


def mended(given: list[tuple[BuildCall, SecretFlag]]) -> list[Operation] | Refusal:
    found: list[Operation] = []
    for call, flag in given:
        result = call.mend_secret(flag)
        if isinstance(result, Refusal):
            return result
        found += [one for one in result if not any(one.same_change(other) for other in found)]
    return found


def certain(call: BuildCall, flag: SecretFlag, wanted: set[str]) -> bool:
    """Whether the flag is wrong: a variable may well hold a name, or the path of a file."""
    fault = flag.fault
    if fault is None or not fault.variable:
        return fault is not None
    name = fault.variable
    verdict = classify(name)
    if fault.kind == "env":
        related = any(alike(name, id) for id in (flag.id, *wanted) if id)
        return related or (verdict.secret and not name.upper().endswith(("NAME", "VAR")))
    # GitLab gives a secret of type File as the path of one.
    return verdict.secret and verdict.kind in VALUES and call.kind != "gitlab"
