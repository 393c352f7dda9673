"""The Dockerfile frontend: whether it knows `env=` on a secret mount, and the edit that makes it so.

`env=` needs Dockerfile 1.10 (rule 3.1). Inserting or raising `# syntax` swaps the parser
of the whole file, so what newer parsers read differently is looked for here (T13).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.source import Span
from dockerfix.syntax import verbs
from dockerfix.syntax.nodes import parse
from dockerfix.syntax.pins import OFFICIAL, minor, split

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.edits import Operation
    from dockerfix.syntax.nodes import Directive, Dockerfile

DEFAULT_IMAGE = "docker/dockerfile:1"
CURRENT_TAGS = frozenset({"", "1", "latest", "labs", "1-labs", "master", "master-labs"})
ENV_SINCE = 10
HEREDOC_SINCE = 4
BARE_REQUIRED_SINCE = 3
SECRET_SINCE = 2
START = Span(0, 0)


@dataclass(frozen=True, slots=True)
class Frontend:
    """What the file's `# syntax` line needs so that `env=` works.

    `operations` is empty where nothing changes. `unsafe` says why the change could read
    the rest of the file differently. With `env` False the pinned frontend cannot be
    raised, and `why` says so: only the file form works there.
    """

    operations: tuple[Operation, ...] = ()
    env: bool = True
    why: str = ""
    unsafe: str = ""
    place: Span = START


def frontend(dockerfile: Dockerfile, others: Iterable[Dockerfile], policy: str) -> Frontend:
    """`policy` is `insert`, `keep` or the image to name (configuration key `syntax`), which is
    taken for a file without `# syntax` and for one that pins too old a version."""
    directive = next((one for one in dockerfile.directives if one.name == "syntax"), None)
    if directive is None:
        if policy == "keep":
            return Frontend()
        image = common_image(others) if policy == "insert" else policy
        if too_old(image):
            return Frontend(env=False, why=f"the configuration names {image}")
        operation = verbs.set_syntax(dockerfile, image)
        return Frontend((operation,), unsafe=reads_differently(dockerfile, None))
    image = directive.value.split(" ")[0]
    if knows_env(image) or image == policy:
        return Frontend()
    raised = raise_image(image)
    if raised is None:
        why = f"line {directive.line} pins the frontend {image}, whose version cannot be told"
        return Frontend(env=False, why=why, place=directive.span)
    if policy == "keep":
        why = f'line {directive.line} pins {image}, and `syntax = "keep"` forbids to raise it'
        return Frontend(env=False, why=why, place=directive.span)
    if policy != "insert" and not raised.endswith("-labs"):
        raised = policy
        if too_old(raised):
            why = f"line {directive.line} pins {image}, and the configuration names {raised}"
            return Frontend(env=False, why=why, place=directive.span)
    later = under(dockerfile, directive, raised)
    if len(later.errors) > len(dockerfile.errors):
        line = later.errors[0].line
        why = f"line {directive.line} pins {image}, and a current one cannot read line {line}"
        return Frontend(env=False, why=why, place=directive.span)
    operation = verbs.set_syntax(dockerfile, raised)
    return Frontend((operation,), unsafe=reads_differently(later, minor(image)))


def pinned(dockerfile: Dockerfile) -> int | None:
    """The minor version that the file's `# syntax` pins, None where it floats or cannot be told."""
    directive = next((one for one in dockerfile.directives if one.name == "syntax"), None)
    image = directive.value.split(" ")[0] if directive is not None else ""
    return minor(image) if OFFICIAL.fullmatch(split(image)[0]) else None


def bare_required(dockerfile: Dockerfile) -> bool:
    """Whether the frontend knows `required` without a value, which came with 1.3.1."""
    directive = next((one for one in dockerfile.directives if one.name == "syntax"), None)
    image = directive.value.split(" ")[0] if directive is not None else ""
    version = pinned(dockerfile)
    return version is None or (version >= BARE_REQUIRED_SINCE and split(image)[1] != "1.3.0")


def official(dockerfile: Dockerfile) -> bool:
    """Whether Docker's own frontend reads the file, in whatever version."""
    directive = next((one for one in dockerfile.directives if one.name == "syntax"), None)
    image = directive.value.split(" ")[0] if directive is not None else "docker/dockerfile"
    return OFFICIAL.fullmatch(split(image)[0]) is not None


def knows_env(image: str) -> bool:
    name, tag, digest = split(image)
    if not OFFICIAL.fullmatch(name):
        return False
    version = minor(image)
    if version is not None:
        return version >= ENV_SINCE
    return tag in CURRENT_TAGS and not digest


def too_old(image: str) -> bool:
    """Whether a frontend that the configuration names is one of Docker's from before `env=`."""
    version = minor(image)
    official = OFFICIAL.fullmatch(split(image)[0]) is not None
    return official and version is not None and version < ENV_SINCE


def raise_image(image: str) -> str | None:
    """The same frontend at version 1, or None where the pin is not one of versions."""
    name, tag, digest = split(image)
    if digest or not OFFICIAL.fullmatch(name) or minor(image) is None:
        return None
    return f"{name}:1-labs" if tag.endswith("-labs") else f"{name}:1"


def common_image(others: Iterable[Dockerfile]) -> str:
    """The frontend image that the tree's other Dockerfiles use, where it knows `env=`."""
    found = Counter(
        image
        for other in others
        for one in other.directives
        if one.name == "syntax" and knows_env(image := one.value.split(" ")[0])
    )
    return min(found, key=lambda image: (-found[image], image)) if found else DEFAULT_IMAGE


def under(dockerfile: Dockerfile, directive: Directive, image: str) -> Dockerfile:
    """The file as the frontend `image` reads it: `$((1 << 2))` opens a here-document since 1.16."""
    data, value = dockerfile.code, directive.value_span
    return parse(data[: value.start] + image.encode("ascii") + data[value.end :])


def reads_differently(dockerfile: Dockerfile, pinned: int | None) -> str:
    """Why a current frontend could read this file otherwise than the one in use, or ``."""
    for directive in dockerfile.directives:
        if directive.name == "check" and re.search(r"error=(1|t|true)\b", directive.value, re.I):
            return f"line {directive.line} turns every check of a newer frontend into an error"
    for instruction in dockerfile.instructions:
        for heredoc in instruction.heredocs:
            opener = dockerfile.source.text(heredoc.opener_span)
            if pinned is not None and pinned < HEREDOC_SINCE:
                return f"line {instruction.start_line} becomes a heredoc (since frontend 1.4)"
            if re.match(rb"\d*<<-?[ \t]", opener):
                return f"line {instruction.start_line} becomes a heredoc (since frontend 1.16)"
    return ""
