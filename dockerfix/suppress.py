"""Comments that tell dockerfix to leave something alone: ours, BuildKit's and hadolint's.

`# dockerfix: ignore[secret-in-arg] NAME -- reason` above an instruction silences a pass
for one variable of it; without NAME for all of them, without `[...]` every pass. Where
`# check=skip=SecretsUsedInArgOrEnv` (rules 1.13, 1.41, 4.5) or hadolint's
`# hadolint ignore=DL3064` stand, a person has decided already, and it counts here too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Dockerfile

OURS = re.compile(rb"dockerfix:[ \t]*ignore(?:\[([^\]]*)\])?(.*)", re.DOTALL)
HADOLINT = re.compile(rb"hadolint[ \t]+(global[ \t]+)?ignore[ \t]*=[ \t]*(.*)", re.DOTALL)
CHECK = re.compile(rb"check[ \t]*=[ \t]*(\S*)")

BUILDKIT_RULE = "secretsusedinargorenv"
HADOLINT_RULE = "DL3064"
FOREIGN_PASSES = frozenset({"secret-in-arg", "secret-in-env", "runtime-secret-in-env"})


@dataclass(frozen=True, slots=True)
class Suppression:
    """What one comment silences. Empty `passes` or `variables` mean all; `span` is the
    instruction that it stands above, None for the whole file."""

    span: Span | None
    passes: frozenset[str]
    variables: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Suppressions:
    found: tuple[Suppression, ...] = ()

    def covers(self, name: str, variable: str, offset: int) -> Suppression | None:
        """The comment that silences pass `name` on `variable` at a byte offset, if one does."""
        for one in self.found:
            if one.passes and name not in one.passes:
                continue
            if one.variables and variable not in one.variables:
                continue
            if one.span is None or one.span.start <= offset < one.span.end:
                return one
        return None


def suppressions(dockerfile: Dockerfile) -> Suppressions:
    """Every suppression of a file, in order."""
    if not re.search(rb"ignore|skip", dockerfile.source.data):
        return Suppressions()
    return Suppressions(tuple(_found(dockerfile)))


def _found(dockerfile: Dockerfile) -> Iterator[Suppression]:
    for directive in dockerfile.directives:
        if directive.name == "check" and _skips(directive.value):
            yield Suppression(None, FOREIGN_PASSES, frozenset(), "check=skip")
    taken = {directive.line for directive in dockerfile.directives}
    for instruction in dockerfile.instructions:
        for comment in _comments(dockerfile, instruction.start_line, taken):
            yield from _read(comment, instruction.span)


def _read(comment: bytes, span: Span) -> Iterator[Suppression]:
    if found := OURS.fullmatch(comment):
        names, _, reason = found[2].partition(b"--")
        yield Suppression(
            span,
            frozenset(_words(found[1] or b"")),
            frozenset(_words(names)),
            reason.strip().decode("utf-8", "replace"),
        )
    elif found := HADOLINT.fullmatch(comment):
        if HADOLINT_RULE in _words(found[2].partition(b"#")[0]):
            yield Suppression(
                None if found[1] else span, FOREIGN_PASSES, frozenset(), "hadolint ignore"
            )
    elif (found := CHECK.match(comment)) and _skips(found[1].decode("utf-8", "replace")):
        yield Suppression(span, FOREIGN_PASSES, frozenset(), "check=skip")


def _comments(dockerfile: Dockerfile, line: int, taken: Iterable[int]) -> Iterator[bytes]:
    """The comments above one-based `line`, nearest first. Blank lines may stand between, an
    empty `#` ends them (rule 1.41)."""
    source = dockerfile.source
    while line > 1:
        line -= 1
        text = source.text(source.line_span(line)).strip(b" \t\r\n\xef\xbb\xbf")
        if not text:
            continue
        if not text.startswith(b"#") or line in taken:
            return
        comment = text.lstrip(b"#").strip()
        if not comment:
            return
        yield comment


def _skips(value: str) -> bool:
    for option in value.partition(" ")[0].split(";"):
        key, _, rules = option.partition("=")
        if key.strip().lower() == "skip":
            named = {rule.strip().lower() for rule in rules.split(",")}
            return "all" in named or BUILDKIT_RULE in named
    return False


def _words(text: bytes) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text.decode("utf-8", "replace")) if word]
