"""Which variables of a Dockerfile hold secrets, and where their values come from."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockerfix.model.expand import variables
from dockerfix.model.predefined import is_control, is_platform, is_proxy
from dockerfix.model.quick import quick
from dockerfix.model.secrets import Verdict, classify
from dockerfix.rewrite.mounts import beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.model import Binding


class Origin(enum.Enum):
    """Where the value stands."""

    CALLER = "the caller gives it"
    LITERAL = "it is written in the Dockerfile"
    PLACEHOLDER = "a placeholder stands in the Dockerfile, callers may override it"
    COMPUTED = "it is built from other variables"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variable that holds a secret, by `verdict`; `roots` are the bindings that introduce it.

    `maybe` is set where only the value, which is not known here, can tell: PIP_INDEX_URL.
    """

    name: str
    roots: tuple[Binding, ...]
    verdict: Verdict
    origin: Origin
    maybe: bool = False

    @property
    def proxy(self) -> bool:
        return is_proxy(self.name)


def arguments(context: Context) -> Iterator[Candidate]:
    """Secrets that ARG introduces, in order of declaration."""
    by_name: dict[str, list[Binding]] = {}
    for binding in context.model.bindings:
        if binding.kind in ("arg", "global") and binding.onbuild is None:
            by_name.setdefault(binding.name, []).append(binding)
    for name, roots in by_name.items():
        if is_control(name) or is_platform(name):
            continue
        found = judge(context, name, tuple(roots))
        if found is not None:
            yield found


def mounted_arguments(context: Context) -> Iterator[Candidate]:
    """ARGs of which the file has a secret mount as well, whatever their name says."""
    known = {one.name: one for one in arguments(context)}
    by_name: dict[str, list[Binding]] = {}
    for binding in context.model.bindings:
        if binding.kind in ("arg", "global") and binding.onbuild is None:
            by_name.setdefault(binding.name, []).append(binding)
    for name, roots in by_name.items():
        given = beside(context, name)
        if given is None or is_control(name) or is_platform(name) or is_proxy(name):
            continue
        if name in known:
            yield replace(known[name], maybe=False)
            continue
        evidence = (f"line {given.run.start_line} mounts it as a secret",)
        verdict = Verdict(True, "", 0.9, evidence)
        yield Candidate(name, tuple(roots), verdict, _origin(context, tuple(roots), verdict))


def judge(context: Context, name: str, roots: tuple[Binding, ...]) -> Candidate | None:
    """The candidate that `roots` (all ARG bindings of `name`) make, if it is a secret.

    The strongest verdict counts: on the default, on what a caller passes, on a name that ENV
    gives it.
    """
    default = next((literal(one) for one in roots if literal(one)), None)
    uses = _uses(context, name, roots)
    verdict = classify(name, default, uses=uses)
    if not verdict.secret and not verdict.public:
        others = [classify(other, default) for other in _renamed(context, roots)]
        if verdict.carrier:
            others += [classify(name, value, uses=uses) for value in passed(context, name)]
        elif quick(b"FROM x\nARG " + name.encode("utf-8", "surrogateescape") + b"\n"):
            # What the cheap test would skip must not be found here either.
            others += [classify("VALUE", value) for value in passed(context, name)]
        verdict = next((one for one in others if one.secret), verdict)
    if verdict.secret:
        return Candidate(name, roots, verdict, _origin(context, roots, verdict))
    if verdict.often and default is None:
        evidence = (*verdict.evidence, "its value, which is not known here, may hold credentials")
        return Candidate(
            name, roots, replace(verdict, evidence=evidence), Origin.CALLER, maybe=True
        )
    return None


def shipped(context: Context) -> Iterator[tuple[Binding, Verdict]]:
    """ARGs and ENVs that a bundler puts into what it ships, by their name: no mount helps."""
    seen = set()
    for binding in context.model.bindings:
        verdict = classify(binding.name, literal(binding) or None)
        if verdict.public and verdict.kind != "public-key" and binding.name not in seen:
            seen.add(binding.name)
            yield binding, verdict


def passed(context: Context, name: str) -> Iterator[bytes]:
    """The values that callers in the tree pass, as they are written there."""
    for call in context.calls:
        for arg in call.passes(name):
            text = context.workspace.read(arg.path or call.path)[arg.span.start : arg.span.end]
            value = text.partition(name.encode("utf-8", "surrogateescape") + b"=")[2]
            if value:
                yield value.strip(b"\"' \t\\\r\n")


def _uses(context: Context, name: str, roots: tuple[Binding, ...]) -> frozenset[str]:
    return frozenset(
        use
        for one in roots
        for run in context.model.reach(one)
        for use in context.reader.uses(run, name)
    )


def environment(context: Context) -> Iterator[Candidate]:
    """Secrets that ENV introduces by a value written in the Dockerfile."""
    by_name: dict[str, list[Binding]] = {}
    for binding in context.model.bindings:
        if binding.onbuild is not None:
            continue  # secret-in-onbuild reports it
        if binding.kind == "env" and literal(binding) and not command_text(binding):
            by_name.setdefault(binding.name, []).append(binding)
    for name, roots in by_name.items():
        written = [one for one in roots if not computed(context, one)]
        if not written:
            continue
        verdict = classify(name, literal(written[0]), uses=_uses(context, name, tuple(written)))
        if verdict.secret and not verdict.placeholder:
            yield Candidate(name, tuple(written), verdict, Origin.LITERAL)


def unset(context: Context) -> Iterator[Candidate]:
    """Secrets that `ENV X=$X` would keep if an ARG took the build argument that callers pass: without
    one the value is empty."""
    by_name: dict[str, list[Binding]] = {}
    for binding in context.model.bindings:
        if binding.kind == "env" and binding.onbuild is None and of_itself(context, binding):
            by_name.setdefault(binding.name, []).append(binding)
    for name, roots in by_name.items():
        given = any(call.passes(name) and not call.documentation for call in context.calls)
        alone = len(roots) == len(context.model.bindings_of(name))
        verdict = classify(name, uses=_uses(context, name, tuple(roots)))
        if given and alone and verdict.secret:
            yield Candidate(name, tuple(roots), verdict, Origin.CALLER)


def of_itself(context: Context, binding: Binding) -> bool:
    """`ENV X $X` where nothing of the file sets X before."""
    name = re.escape(binding.name.encode("utf-8", "surrogateescape"))
    pattern = rb"[\"']?\$(%s|\{%s\})[\"']?" % (name, name)
    return binding.value is not None and (
        re.fullmatch(pattern, binding.value.raw) is not None
        and all(
            site.binding is None
            for site in context.model.sites
            if site.role == "value" and binding.pair.span.contains(site.span)
        )
    )


def literal(binding: Binding) -> bytes:
    """The value as written, without one pair of outer quotes; empty for none."""
    if binding.value is None:
        return b""
    raw = binding.value.raw
    if len(raw) >= 2 and raw[:1] == raw[-1:] and raw[:1] in b"\"'":
        raw = raw[1:-1]
    return raw


def command_text(binding: Binding) -> bool:
    """Whether the value is `$(...)`: BuildKit runs no command, so that it is text, and no secret."""
    value = literal(binding).strip()
    return value.startswith((b"$(", b"`")) and value.endswith((b")", b"`"))


def computed(context: Context, binding: Binding) -> bool:
    value = binding.value
    return value is not None and bool(variables(value.raw, context.dockerfile.escape))


def hollow(context: Context, binding: Binding) -> bool:
    """`ARG X=${X}` with nothing before that sets X: its default is empty."""
    value, name = binding.value, binding.name.encode("utf-8", "surrogateescape")
    if binding.kind != "arg" or value is None:
        return False
    pattern = rb"[\"']?\$(%s|\{%s(:?-[\"']*)?\})[\"']?" % ((re.escape(name),) * 2)
    return re.fullmatch(pattern, value.raw) is not None and not any(
        one.order < binding.order for one in context.model.bindings_of(binding.name)
    )


def _renamed(context: Context, roots: tuple[Binding, ...]) -> Iterator[str]:
    for one in roots:
        for alias in context.model.aliases(one):
            if alias.binding.name != one.name:
                yield alias.binding.name


def _origin(context: Context, roots: tuple[Binding, ...], verdict: Verdict) -> Origin:
    if not any(literal(one) and not hollow(context, one) for one in roots):
        return Origin.CALLER
    if any(computed(context, one) for one in roots):
        return Origin.COMPUTED
    return Origin.PLACEHOLDER if verdict.placeholder else Origin.LITERAL
