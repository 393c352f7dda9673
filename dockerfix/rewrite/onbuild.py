"""Secrets in ONBUILD: what they declare for the builds of others, and what holds a fix back.

A trigger is text that runs in every build FROM the image (rule 2.12). It is never edited: who
builds on the image has to give the secret, and most of them are in other repositories.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dockerfix.finding import Refusal
from dockerfix.model.file_secrets import swept
from dockerfix.model.predefined import is_control, is_platform, is_proxy
from dockerfix.model.secrets import Verdict, classify
from dockerfix.syntax.nodes import Add, Arg, Copy, Env, Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.model import Binding
    from dockerfix.syntax.nodes import Onbuild, Pair, Word


class Declared(NamedTuple):
    """A secret that a trigger declares, by ARG or ENV; `span` is the pair."""

    onbuild: Onbuild
    pair: Pair
    verdict: Verdict

    @property
    def keyword(self) -> str:
        return "ENV" if isinstance(self.onbuild.trigger, Env) else "ARG"


def declared(context: Context) -> Iterator[Declared]:
    """The ARGs of triggers that take a secret, and the ENVs that hold one, in file order."""
    for stage in context.model.stages:
        for onbuild in stage.onbuild:
            trigger = onbuild.trigger
            for pair in trigger.pairs if isinstance(trigger, Arg | Env) else ():
                if is_control(pair.name) or is_platform(pair.name) or is_proxy(pair.name):
                    continue
                value = pair.value.raw.strip(b"\"'") if pair.value is not None else b""
                if isinstance(trigger, Env) and (not value or b"$" in value):
                    continue
                verdict = classify(pair.name, value or None)
                if verdict.secret and not verdict.placeholder:
                    yield Declared(onbuild, pair, verdict)


def copied(context: Context) -> Iterator[tuple[Onbuild, Word]]:
    """Each file that a trigger copies from the context of whoever builds on the image, and that
    is named like one with a login."""
    for stage in context.model.stages:
        for onbuild in stage.onbuild:
            trigger = onbuild.trigger
            if isinstance(trigger, Copy | Add) and trigger.from_ is None:
                for source in trigger.sources:
                    if swept(source.raw.decode("utf-8", "surrogateescape").strip("\"'")):
                        yield onbuild, source


def held(context: Context, removed: tuple[Binding, ...]) -> Iterator[Refusal]:
    """A refusal for each trigger that runs in a stage of this file and needs what `removed` sets:
    it is text, and gets no mount."""
    for binding in removed:
        for onbuild in context.model.triggered(binding):
            trigger = onbuild.trigger
            # Here-documents of a trigger stand at the ONBUILD, and are not read.
            if isinstance(trigger, Run) and (
                onbuild.heredocs or context.reader.reading(trigger, binding.name).reads
            ):
                yield _refusal(context, onbuild, f"may read {binding.name} in a stage of this file")
    if any(one.kind != "env" for one in removed):
        names = {one.name for one in removed}
        for one in context.model.bindings:
            if one.onbuild is not None and one.kind == "arg" and one.name in names:
                yield _refusal(context, one.onbuild, f"takes {one.name} in a stage of this file")


def _refusal(context: Context, onbuild: Onbuild, does: str) -> Refusal:
    return Refusal(
        f"the ONBUILD trigger on line {onbuild.start_line} {does}",
        context.path,
        onbuild.keyword_span,
        "write its instruction into the stages that are built on it, delete the ONBUILD, and run "
        "dockerfix again",
    )
