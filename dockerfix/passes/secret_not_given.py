"""`secret-not-given`: what mounts ask for and what builds give do not meet. Page: docs/passes/secret-not-given.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.builders.mentions import names_secret
from dockerfix.finding import Place, Refusal, Severity
from dockerfix.rewrite.asked import gives, known, optional, runs_in
from dockerfix.rewrite.mounts import finding, secret_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.builders.call import BuildCall
    from dockerfix.context import Context
    from dockerfix.finding import Finding
    from dockerfix.rewrite.mounts import Given


class SecretNotGiven:
    name = "secret-not-given"

    def run(self, context: Context) -> Iterator[Finding]:
        calls, told = known(context), set()
        for given in secret_mounts(context):
            if given.id in told:
                continue
            told.add(given.id)
            users = [call for call in calls if runs_in(context, given, call)]
            without = [call for call in users if not gives(call, given)]
            meant = [(call, held) for call in without if (held := for_container(call, given.id))]
            if any(
                one.linked_by == "unresolved" and gives(one, given) for one in context.all_calls
            ):
                # An override of a bake file names no Dockerfile.
                without = [call for call in without if call.kind != "bake"]
            everywhere = without == users and len(users) == len(context.calls)
            for call, held in meant:
                yield self.for_the_container(context, given, call, held)
            if meant or not without:
                continue
            if given.mount.required:
                yield self.required(context, given, without)
            elif (
                everywhere
                and not optional(context, given)
                and not names_secret(given.id, context.workspace, context.dockerfiles)
            ):
                yield self.nobody(context, given, without)

    def for_the_container(
        self, context: Context, given: Given, call: BuildCall, source: str
    ) -> Finding:
        """`secrets:` of a compose service, which is for its container alone."""
        result = call.add_secret(given.id, source)
        operations = () if isinstance(result, Refusal) else tuple(result)
        return finding(
            context,
            self.name,
            given.id,
            given.span,
            message=f"{call.path} gives the secret {given.id} to the container, not to the build",
            reason="`secrets:` of a service are mounted when it runs: a build has those of "
            "`build.secrets` alone",
            help=f"name {given.id} under `build.secrets` too"
            + (", which this fix does" if operations else ""),
            operations=operations,
            related=(Place(call.path, call.span, f"this service builds {context.path}"),),
        )

    def required(self, context: Context, given: Given, calls: list[BuildCall]) -> Finding:
        return finding(
            context,
            self.name,
            given.id,
            given.span,
            message=f"this mount requires the secret {given.id}, and {said(context, calls[0])} "
            "does not give it",
            reason=f"the build stops: `secret {given.id}: not found`",
            help=f"give it there: `--secret id={given.id},env=NAME`, or what that file has for it",
            related=places(calls),
        )

    def nobody(self, context: Context, given: Given, calls: list[BuildCall]) -> Finding:
        what = f"${given.env} is empty" if given.env else f"{given.file} is missing"
        return finding(
            context,
            self.name,
            given.id,
            given.span,
            message=f"no build of the tree gives the secret {given.id} that this mount asks for",
            reason=f"without it {what}, and the RUN may go on",
            help=f"give it: `--secret id={given.id},env=NAME`; if the build may go without it, say so "
            "in the RUN, or leave it at that",
            severity=Severity.INFO,
            related=places(calls),
        )


def for_container(call: BuildCall, id: str) -> str:
    """The source of a secret that a compose service has for its container; empty without one."""
    held: dict[str, str] = getattr(call.dialect, "for_containers", {})
    return held.get(id, "")


def said(context: Context, call: BuildCall) -> str:
    return f"the {call.tool} on line {context.line(call.path, call.span.start)} of {call.path}"


def places(calls: list[BuildCall]) -> tuple[Place, ...]:
    return tuple(Place(one.path, one.span, "this build does not give it") for one in calls)
