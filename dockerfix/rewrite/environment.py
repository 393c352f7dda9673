"""Secrets that ENV writes: which are for the build, and which for containers.

`for_containers` is the one place that tells the two apart, so that `secret-in-env` and
`runtime-secret-in-env` never report one variable twice, and never miss one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.model.run_time import ContainerRead, reads
from dockerfix.model.secrets import Verdict, classify
from dockerfix.model.values import text_of
from dockerfix.rewrite.candidates import command_text, environment, literal, unset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.model import Binding
    from dockerfix.syntax.nodes import Run

_ALONGSIDE = re.compile(r"(?i)(^|[_.])(user(name)?|login|name|db|database|schema|role|account)$")
_LOGIN = re.compile(r"://([^\s:@/]+):([^\s@/]+)@")
_LOCAL = re.compile(
    r"(?i)@(localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0|host\.docker\.internal|[a-z0-9_-]+)(:\d+)?([/?]|$)"
)


@dataclass(frozen=True, slots=True)
class RunTimeSecret:
    """A variable that an image keeps for its containers. `roots` are the ENV pairs that set it
    in a final image, `readers` who reads it there, `heirs` Dockerfiles of the tree that start
    FROM the image, `runs` the RUNs that read it as well. `default` says why its value is only
    a development default, '' if it is more. `real` says that it looks like a credential."""

    name: str
    roots: tuple[Binding, ...]
    verdict: Verdict
    readers: tuple[ContainerRead, ...] = ()
    heirs: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()
    default: str = ""
    real: bool = False


def run_time_secrets(context: Context) -> Iterator[RunTimeSecret]:
    """Every secret that ENV keeps in a final image for its containers, in order of the file."""
    for_build = {one.name for one in environment(context) if not for_containers(context, one.roots)}
    for_build |= {one.name for one in unset(context)}
    by_name: dict[str, list[Binding]] = {}
    for binding in context.model.bindings:
        if command_text(binding) or binding.onbuild is not None:
            continue
        if _kept(binding) and literal(binding) and not _computed(context, binding):
            by_name.setdefault(binding.name, []).append(binding)
    for name, roots in by_name.items():
        if name in for_build:
            continue
        judged = [(one, classify(name, literal(one))) for one in roots]
        secrets = [one for one in judged if one[1].secret]
        if secrets:
            root, verdict = next((one for one in secrets if not one[1].placeholder), secrets[0])
            value = text_of(literal(root))
            default = development_default(context, root, verdict, value)
            yield RunTimeSecret(
                name,
                tuple(roots),
                verdict,
                tuple(read for one in roots for read in _reads(context, one)),
                heirs(context),
                _read_plainly(context, tuple(roots)),
                default,
                not default and _looks_real(verdict, value),
            )


def for_containers(context: Context, roots: tuple[Binding, ...]) -> bool:
    """Whether ENV bindings of one secret are there for containers. What a final image keeps
    is, unless a RUN plainly reads it and nothing that starts in a container does (T4)."""
    kept = [one for one in roots if _kept(one)]
    if not kept:
        return False
    if len({literal(one) for one in roots}) > 1:
        return True
    if any(True for one in kept for _ in _reads(context, one)) or heirs(context):
        return True
    return not _read_plainly(context, roots)


def development_default(context: Context, root: Binding, verdict: Verdict, value: str) -> str:
    """Why the value is one that nobody takes for a secret, or ''."""
    if verdict.placeholder:
        return "the value is a placeholder or a dummy that everybody knows"
    login = _LOGIN.search(value)
    if login is not None and login[1].lower() == login[2].lower():
        return "the password in the URL is its user name"
    for other in context.model.bindings:
        if (
            other.kind == "env"
            and other.stage is root.stage
            and other.name != root.name
            and _ALONGSIDE.search(other.name)
            and text_of(literal(other)).lower() == value.lower()
        ):
            return f"the value is that of {other.name}"
    return ""


def heirs(context: Context) -> tuple[str, ...]:
    """Other Dockerfiles of the tree that start FROM an image that a caller tags as this one's."""
    names = {name for call in context.calls for name in tags(context, call.path, *call.span)}
    if not names:
        return ()
    return tuple(
        path
        for path, other in context.dockerfiles.items()
        if path != context.path
        and any(
            _bare(stage.from_.image.raw.decode("utf-8", "surrogateescape")) in names
            for stage in other.stages
        )
    )


def tags(context: Context, path: str, start: int, end: int) -> Iterator[str]:
    """The names that a command line of a caller gives to the image: `-t NAME`, `--tag=NAME`."""
    text = context.workspace.read(path)[start:end].decode("utf-8", "surrogateescape")
    for found in re.finditer(r"(?:^|\s)(?:-t|--tag)(?:[ \t=]|\\\n)+[\"']?([^\s\"']+)", text):
        yield _bare(found[1])


def _bare(image: str) -> str:
    """An image's name without `latest`, the tag that it has by itself."""
    return image.strip("\"'").removesuffix(":latest")


def _kept(binding: Binding) -> bool:
    return binding.kind == "env" and binding.stage is not None and binding.stage.in_final_chain


def _computed(context: Context, binding: Binding) -> bool:
    """Whether the value is made of other variables of the file. `$apr1` in a hash is none, and
    a credential that stands beside them is written all the same."""
    span = binding.pair.span
    bound = any(
        site.binding is not None and span.contains(site.span) and site.role == "value"
        for site in context.model.sites
    )
    return bound and not classify(binding.name, literal(binding)).literal


def _reads(context: Context, binding: Binding) -> Iterator[ContainerRead]:
    return reads(context.model, binding, context.build_context)


def _read_plainly(context: Context, roots: tuple[Binding, ...]) -> tuple[Run, ...]:
    """The RUNs whose text, or whose tools, read one of `roots` or a name that ENV gives it."""
    every = [*roots, *(alias.binding for one in roots for alias in context.model.aliases(one))]
    return tuple(
        run
        for binding in dict.fromkeys(every)
        for run in context.model.reach(binding)
        if context.reader.reading(run, binding.name).reading.how in ("explicit", "implicit")
    )


def _looks_real(verdict: Verdict, value: str) -> bool:
    """Whether it looks like a credential that opens something: a known format, a URL with a
    password that leads to another machine, or a text that nobody would type as a word."""
    if verdict.form == "credential":
        return verdict.literal
    if verdict.form == "frame":
        return verdict.literal and not _LOCAL.search(value)
    digit, lower, upper = (re.search(part, value) for part in (r"\d", r"[a-z]", r"[A-Z]"))
    mixed = bool(digit and (lower or upper)) or bool(lower and upper)
    return (mixed and len(value) >= 8) or len(value) >= 20
