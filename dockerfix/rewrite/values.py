"""Which bindings go with a secret, and what value each of them had, as a template.

A binding's value is the secret itself, the secret with a placeholder for when it is missing, or
text put together from it. Knows declarations, not what RUNs do with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockerfix.finding import Refusal
from dockerfix.rewrite.composite import NotComposableError, Read, Template, plain, reads, template

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.context import Context
    from dockerfix.model import Binding
    from dockerfix.syntax.nodes import Instruction

SUFFIX = "_SECRET"


@dataclass(slots=True)
class Values:
    """`removed` are the roots and every ENV that is made from them, in file order; `of` the
    value of each."""

    removed: tuple[Binding, ...] = ()
    of: dict[Binding, Template] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def composed(self) -> tuple[Binding, ...]:
        """The ENVs whose value is more than the secret."""
        return tuple(
            one
            for one in self.removed
            if one.kind == "env" and one in self.of and not plain(self.of[one])
        )


def values(context: Context, roots: Iterable[Binding], *, placeholder: bool = False) -> Values:
    """What goes with `roots`. With `placeholder` their defaults stay, in the shell."""
    found = Values()
    every = list(roots)
    for one in every:
        for flow in context.model.flows(one):
            target = flow.binding
            if target.kind == "env" and target.onbuild is None and target not in every:
                every.append(target)
    roots = tuple(roots)
    for one in sorted(every, key=lambda one: one.order):
        if one in roots:
            found.of[one] = _root(context, one, placeholder)
        else:
            try:
                found.of[one] = _made(context, one, found.of)
            except NotComposableError as why:
                found.refusals.append(_refusal(context, one, str(why)))
    found.removed = tuple(sorted(every, key=lambda one: one.order))
    for one in found.composed:
        reader = started_with(context, one)
        if reader is not None:
            found.refusals.append(
                Refusal(
                    f"ENV {one.name} holds the secret, and {reader.keyword.upper()} on line "
                    f"{reader.start_line} reads it in the container",
                    context.path,
                    one.pair.span,
                    f"give {one.name} when the container starts, and take it out of the image",
                )
            )
    return found


def _root(context: Context, root: Binding, placeholder: bool) -> Template:
    default = root if root.value is not None else root.default_from
    if not placeholder or default is None or default.value is None:
        return (Read(root.name, "", (), root, True),)
    try:
        text = template(default.value.raw, context.dockerfile.escape, iter(()), {})
    except NotComposableError:
        text = ()
    if not text:
        return (Read(root.name, "", (), root, True),)
    return (Read(root.name + SUFFIX, ":-", text, None, True),)


def _made(context: Context, one: Binding, known: dict[Binding, Template]) -> Template:
    """The value of an ENV, with what its variables meant where it stands."""
    if one.value is None:
        raise NotComposableError("it has no value")
    sites = [
        site
        for site in context.model.sites
        if site.instruction is one.instruction
        and site.stage is one.stage
        and site.role == "value"
        and site.word is one.value
    ]
    sites.sort(key=lambda site: site.span)
    bindings = (site.binding for site in sites)
    made = template(one.value.raw, context.dockerfile.escape, bindings, known)
    if any(read.name == one.name and not read.secret for read in reads(made)):
        raise NotComposableError(f"it is built from an older {one.name}")
    return made


def _refusal(context: Context, one: Binding, why: str) -> Refusal:
    line = context.dockerfile.source.line(one.pair.span.start)
    return Refusal(
        f"ENV {one.name} on line {line} is built from the secret, and the shell cannot build it: {why}",
        context.path,
        one.pair.span,
        "build the value inside the RUN that needs it, from a mounted secret",
    )


def started_with(context: Context, binding: Binding) -> Instruction | None:
    """CMD, ENTRYPOINT or HEALTHCHECK of an image that has `binding` in its ENV and names it."""
    name = binding.name.encode("utf-8", "surrogateescape")
    for stage in context.model.stages:
        if stage.final and context.model.image_env(stage).get(binding.name) is binding:
            for one in context.model.entry(stage).readers:
                if name in context.dockerfile.source.text(one.span):
                    return one
    return None
