"""`build-arg-left-over`: a build still passes what the Dockerfile mounts. Page: docs/passes/build-arg-left-over.md."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.builders.link import sharing
from dockerfix.edits import Fix, Safety
from dockerfix.finding import Finding, Place, Refusal, Severity
from dockerfix.model.predefined import is_control, is_platform, is_proxy
from dockerfix.rewrite.asked import unnamed
from dockerfix.rewrite.callers import source_for
from dockerfix.rewrite.frontend import official
from dockerfix.rewrite.mounts import alike, secret_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockerfix.builders.call import BuildArg, BuildCall
    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.rewrite.mounts import Given

DOES = ", which this fix does"


class BuildArgLeftOver:
    name = "build-arg-left-over"

    def run(self, context: Context) -> Iterator[Finding]:
        mounts, seen = tuple(secret_mounts(context)), set[object]()
        for call in (*context.calls, *context.documents):
            for name in dict.fromkeys(arg.name for arg in call.args):
                given = wanted(mounts, name)
                if given is not None and not taken(context, call, name):
                    yield self.finding(context, call, name, given)
                elif given is None and for_nobody(context, call, name):
                    place = call.path, call.passes(name)[-1].span
                    if place not in seen:
                        dead = dropped(call, call.passes(name))
                        yield self.left(context, call, name, dead)
                    seen.add(place)

    def finding(self, context: Context, call: BuildCall, name: str, given: Given) -> Finding:
        passed = call.passes(name)
        both = any(one.id == given.id for one in call.secrets)
        result = dropped(call, passed) if both else turned(context, call, name, given.id)
        does = "" if isinstance(result, Refusal) else DOES
        found = self.left(context, call, name, result, certain=both)
        return replace(
            found,
            severity=Severity.INFO if call.documentation else Severity.WARNING,
            message=f"the build argument {name} is still passed, and {context.path} has no ARG for it"
            + ("" if both else f": it mounts the secret {given.id}"),
            reason="the value is in the provenance and in the process list, and no RUN reads it"
            if both
            else f"an argument that no ARG takes is ignored in silence, and {given.id} is missing",
            help=f"remove it: the secret {given.id} is given already{does}"
            if both
            else f"give it as the secret {given.id}{does}",
            related=(Place(context.path, given.span, f"the secret {given.id} is mounted here"),),
        )

    def left(
        self,
        context: Context,
        call: BuildCall,
        name: str,
        result: Sequence[Operation] | Refusal,
        *,
        certain: bool = True,
    ) -> Finding:
        """A secret that no Dockerfile of the build takes, in whatever way; `result` takes it away."""
        # The image of a FROM may have an ONBUILD ARG of that name (T11).
        certain = certain and not any(one.foreign_onbuild for one in context.model.stages)
        safety = Safety.SAFE if certain else Safety.UNSAFE
        arg = call.passes(name)[-1]
        refused = isinstance(result, Refusal)
        return Finding(
            path=arg.path or call.path,
            span=arg.span,
            name=self.name,
            variable=name,
            severity=Severity.INFO,
            safety=Safety.MANUAL if refused else safety,
            message=f"the build argument {name} is passed, and {context.path} takes no such argument",
            reason="no RUN has it, unless the base image has an ONBUILD ARG for it; the value is in "
            "the provenance and in the process list",
            help=f"remove it{'' if refused else DOES}; a RUN that is meant to have it wants a secret "
            "mount",
            residual="none",
            refusals=(result,) if isinstance(result, Refusal) else (),
            fix=None
            if isinstance(result, Refusal)
            else Fix(self.name, safety, "none", tuple(result)),
        )


def for_nobody(context: Context, call: BuildCall, name: str) -> bool:
    """Whether `name` is a secret that the Dockerfiles of the call, all of whose text is known, do not
    even name."""
    if call.documentation or call.through or call.forward or call.part or call.companions:
        return False
    if call.refusal or call.dockerfiles[0] != context.path or taken(context, call, name):
        return False
    if not context.model.stages or (call.inline is not None and call.inline.put):
        return False
    trees = [context.dockerfiles[path] for path in call.dockerfiles if path in context.dockerfiles]
    return (
        all(official(one) and not one.errors for one in trees)
        and all(name in unnamed(call, one.source.data) for one in trees)
        and not any(taken(context, one, name) for one in sharing(name, (call,), context.all_calls))
    )


def wanted(mounts: Sequence[Given], name: str) -> Given | None:
    """The mount that takes what the argument gave."""
    if is_control(name) or is_platform(name) or is_proxy(name):
        return None
    same = [one for one in mounts if name in (one.env, one.id)]
    return next(iter(same), None) or next((one for one in mounts if alike(one.id, name)), None)


def taken(context: Context, call: BuildCall, name: str) -> bool:
    """Whether a Dockerfile that the call builds declares it, or may."""
    if call.linked_by not in ("flag", "context") and not call.documentation:
        return True
    for path in call.dockerfiles:
        here = context if path == context.path else context.sibling(path)
        if here.model.bindings_of(name) or here.model.onbuild_uses(name):
            return True
        if f"ARG {name}".encode() in here.dockerfile.source.data:
            return True
    return False


def dropped(call: BuildCall, passed: Sequence[BuildArg]) -> list[Operation] | Refusal:
    found: list[Operation] = []
    for arg in passed:
        result = call.drop(arg)
        if isinstance(result, Refusal):
            return result
        found.extend(result)
    return found


def turned(context: Context, call: BuildCall, name: str, id: str) -> list[Operation] | Refusal:
    """The argument as the secret that the mount asks for; of one that is given twice the last
    counts (rule 5.5)."""
    configured = context.config.secrets.get(name)
    source = source_for(context, call, configured.source if configured is not None else None)
    *dead, arg = call.passes(name)
    result = call.take_secret(arg, id, source)
    others = dropped(call, dead)
    if isinstance(result, Refusal) or isinstance(others, Refusal):
        return result if isinstance(result, Refusal) else others
    return [*others, *result]
