"""What the RUNs of a Dockerfile do with the secrets that they get, one entry a place.

Joins the variables that hold secrets (candidates.py, and the mounts that are there already)
with where taint sees their values go. What is said of it is the passes' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from dockerfix.model.run_taint import run_leaks, secret_files
from dockerfix.model.taint import rows
from dockerfix.rewrite.candidates import Candidate, Origin, arguments, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.model import Binding, ExpansionSite
    from dockerfix.model.taint import Leak
    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Run


@dataclass(frozen=True, slots=True)
class Exposure:
    """The secret `variable` (the id of a mount without a variable), which `run` has as `name`,
    and what it does with it. `at` is where, in the Dockerfile; `script` is the file of the
    build context that does it, empty for the RUN itself. `maybe` is as in Candidate."""

    variable: str
    name: str
    run: Run
    leak: Leak
    at: Span
    script: str = ""
    maybe: bool = False


_seen: WeakKeyDictionary[Context, tuple[Exposure, ...]] = WeakKeyDictionary()


def exposures(context: Context) -> tuple[Exposure, ...]:
    """Every place where a RUN shows or keeps a secret, in the order of the file."""
    found = _seen.get(context)
    if found is None:
        every = {(one.at, one.leak.kind, one.leak.file, one.variable): one for one in _all(context)}
        found = tuple(sorted(every.values(), key=lambda one: (one.at, one.variable)))
        _seen[context] = found
    return found


def heredocs(context: Context) -> Iterator[tuple[str, ExpansionSite]]:
    """COPY and ADD here-documents that BuildKit puts the value of a secret into."""
    seen = set()
    for candidate in secrets(context):
        for binding in _every_name(context, candidate):
            for site in context.model.expansions(binding):
                if site.role == "heredoc" and site.span not in seen:
                    seen.add(site.span)
                    yield candidate.name, site


def secrets(context: Context) -> Iterator[Candidate]:
    """The variables whose value is a secret, placeholders that nobody overrides aside."""
    for candidate in arguments(context):
        given = any(call.passes(candidate.name) for call in context.calls)
        if (candidate.origin is not Origin.PLACEHOLDER or given) and not candidate.proxy:
            yield candidate
    yield from environment(context)


def _all(context: Context) -> Iterator[Exposure]:
    held: dict[int, dict[str, tuple[str, bool]]] = {}
    for candidate in secrets(context):
        bindings = _every_name(context, candidate)
        for binding in bindings:
            for run in context.model.reach(binding):
                names = held.setdefault(run.span.start, {})
                names.setdefault(binding.name, (candidate.name, candidate.maybe))
    for run in context.runs:
        names = held.get(run.span.start, {})
        files = secret_files(run)
        for mount in run.mounts:
            if mount.type == "secret" and mount.env:
                variable = mount.id if mount.id and mount.id.isupper() else mount.env
                names.setdefault(mount.env, (variable, False))
        if not context.reader.posix(run):
            continue
        for name, (variable, maybe) in names.items():
            yield from _of(context, run, variable, name, maybe)
        for path, id in files.items():
            scripts = context.reader.scripts(run)
            for leak in run_leaks(context.model, run, scripts, "", (path,)):
                if not certificate(leak):
                    yield Exposure(id, path, run, leak, place(run, leak))


def certificate(leak: Leak) -> bool:
    """Whether a mounted file is put where programs look for authorities that they trust."""
    return leak.kind == "file" and any(
        fnmatchcase(leak.path.lower(), glob) for glob in rows()["certificates"]
    )


def _of(context: Context, run: Run, variable: str, name: str, maybe: bool) -> Iterator[Exposure]:
    scripts = context.reader.scripts(run)
    for leak in run_leaks(context.model, run, scripts, name):
        yield Exposure(variable, name, run, leak, place(run, leak), maybe=maybe)
    for script in context.reader.reading(run, name).scripts:
        for leak in script.leaks:
            yield Exposure(variable, name, run, leak, run.keyword_span, script.path, maybe)


def place(run: Run, leak: Leak) -> Span:
    """Where in the Dockerfile a RUN does it. A script of exec form is one JSON string, in which
    no single place is known."""
    if run.exec_form:
        return run.arguments_span
    found = leak.script.projection.host_span(leak.span)
    return found if run.span.contains(found) else run.keyword_span


def _every_name(context: Context, candidate: Candidate) -> tuple[Binding, ...]:
    """The bindings of the secret, and all others whose value holds it."""
    found = list(candidate.roots)
    for root in candidate.roots:
        found += [alias.binding for alias in context.model.aliases(root)]
    return tuple(dict.fromkeys(found))
