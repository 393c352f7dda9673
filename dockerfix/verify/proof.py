"""What building a tree before and after a fix has shown.

Each `Claim` is one sentence of what `safe` promises (DESIGN section 6), tried out: the leak is
there before and gone after, every RUN saw the same variables, the images hold the same files,
and without the secret things fail, or succeed, as they did.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from dockerfix.verify.engine import Built, Engine, without_syntax
from dockerfix.verify.scan import invent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dockerfix.verify.image import Image

_MARK = "@CANARY@"
_T = TypeVar("_T")


class Claim(NamedTuple):
    """`holds` says whether what `name` says was seen; `detail` what was seen instead."""

    name: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """Where the builder of a project has secrets from: variables, arguments, files at home.

    `values` and `home` (path to text) hold a mark that the canary replaces.
    """

    environment: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    home: Mapping[str, str] | None = None
    values: Mapping[str, str] | None = None

    def names(self) -> tuple[str, ...]:
        return (*self.environment, *self.arguments, *(self.home or {}))


@dataclass(frozen=True, slots=True)
class Project:
    """A tree before and after a fix, and how its images are built.

    `command` holds `@NAME@` for each of the given arguments. `dockerfiles` are relative to
    the trees. `bases` maps names behind FROM to local images. `lost_at_run_time` names what
    the images' ENV loses on purpose, `residual` parts in which the value is known to stay.
    With `required` mounts a build that does not give the secret fails, whatever it did before.
    """

    before: Path
    after: Path
    command: tuple[str, ...]
    command_after: tuple[str, ...]
    dockerfiles: tuple[str, ...]
    images: tuple[str, ...]
    given: Given
    bases: Mapping[str, str]
    lost_at_run_time: tuple[str, ...] = ()
    residual: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """All claims, and notes: differences that a message must tell, which break no promise."""

    claims: tuple[Claim, ...]
    notes: tuple[str, ...]

    def broken(self) -> list[Claim]:
        return [claim for claim in self.claims if not claim.holds]


def prove(engine: Engine, project: Project) -> Proof:
    """Everything that building can show of `project`: seven builds."""
    given, absent = prove_given(engine, project), prove_absent(engine, project)
    return Proof(given.claims + absent.claims, given.notes + absent.notes)


def prove_given(engine: Engine, project: Project) -> Proof:
    """Build before and after with the secrets: what leaked, what is gone, what is the same."""
    canaries = {name: invent() for name in project.given.names()}
    before = _build(engine, project, "before", canaries)
    after = _build(engine, project, "after", canaries)
    return Proof(
        (
            *_leak_claims(before, canaries),
            *_gone_claims(engine, project, after, canaries),
            *_same_claims(project, before, after),
        ),
        (),
    )


def prove_absent(engine: Engine, project: Project) -> Proof:
    """Build before and after without the secrets and with empty ones, and the new Dockerfiles
    by the old callers, which give the secrets as build arguments."""
    canaries = {name: invent() for name in project.given.names()}
    claims: list[Claim] = []
    notes: list[str] = []
    for word, values in (("missing", None), ("empty", dict.fromkeys(canaries, ""))):
        was, now = (
            _build(engine, project, "before", values),
            _build(engine, project, "after", values),
        )
        louder = project.required and values is None and now.code != 0
        claims.append(_same_code(word, was, now, accepted=louder))
        if was.saw != now.saw:
            notes.append(f"with the secret {word}: {_difference(was.saw, now.saw)}")
    old = _build(engine, project, "old caller", canaries)
    if project.required:
        claims.append(Claim("the old caller fails loudly", old.code != 0, _tail(old.log)))
    elif old.code == 0:
        notes.append(f"the old caller still builds: {'; '.join(old.saw)}")
    return Proof(tuple(claims), tuple(notes))


def _build(engine: Engine, project: Project, which: str, values: Mapping[str, str] | None) -> Built:
    """Build a copy of one tree; `values` None leaves the secrets out altogether."""
    with tempfile.TemporaryDirectory(prefix="dockerfix-") as name:
        scratch, tree = Path(name), Path(name) / "tree"
        shutil.copytree(project.after if which == "after" else project.before, tree)
        for path in project.dockerfiles:
            origin = project.before if which == "before" else project.after
            (tree / path).write_bytes(without_syntax((origin / path).read_bytes()))
        command = project.command_after if which == "after" else project.command
        environment = _environment(project.given, values)
        _fill_home(project.given, values, scratch)
        return engine.run(
            list(_filled(command, project.given, values)),
            tree,
            scratch=scratch,
            environment=environment,
            bases=project.bases,
            images=project.images,
        )


def _environment(given: Given, values: Mapping[str, str] | None) -> dict[str, str]:
    if values is None:
        return {}
    return {name: _value(given, name, values[name]) for name in given.environment}


def _value(given: Given, name: str, canary: str) -> str:
    """An empty canary is an empty value: the text round it goes too."""
    return (given.values or {}).get(name, _MARK).replace(_MARK, canary) if canary else ""


def _filled(
    command: Sequence[str], given: Given, values: Mapping[str, str] | None
) -> Iterable[str]:
    for word in command:
        name = word.strip("@")
        if word != f"@{name}@" or name not in given.arguments:
            yield word
        elif values is not None:
            yield _value(given, name, values[name])


def _fill_home(given: Given, values: Mapping[str, str] | None, home: Path) -> None:
    for path, text in (given.home or {}).items():
        if values is not None:
            target = home / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text.replace(_MARK, values[path]))


def _leak_claims(before: Built, canaries: Mapping[str, str]) -> Iterable[Claim]:
    """The positive control: a scanner that finds nothing proves nothing."""
    yield Claim("it builds before", before.code == 0, _tail(before.log))
    found = {
        place.hit.variable for image in before.images.values() for place in image.find(canaries)
    }
    missed = sorted(set(canaries) - found)
    yield Claim("every secret leaks before", not missed, f"not found: {', '.join(missed)}")
    yield Claim("the stub tools told what they saw", bool(before.saw), "no line in the log")


def _gone_claims(
    engine: Engine, project: Project, after: Built, canaries: Mapping[str, str]
) -> Iterable[Claim]:
    yield Claim("it builds after", after.code == 0, _tail(after.log))
    for name, image in after.images.items():
        left = sorted(
            {
                f"{place.hit.variable} in {place.part} ({place.hit.form}, {place.hit.member})"
                for place in image.find(canaries)
                if place.part not in project.residual
            }
        )
        yield Claim(f"no secret in {name}", not left, "; ".join(left))
        if engine.attests:
            yield Claim(f"{name} has provenance to look at", image.attested)
    shown = sorted(name for name, canary in canaries.items() if canary in after.log)
    told = [] if project.residual else shown
    yield Claim("no secret in the log", not told, ", ".join(told))


def _same_claims(project: Project, before: Built, after: Built) -> Iterable[Claim]:
    same_saw = before.saw == after.saw
    yield Claim("every RUN saw the same", same_saw, _difference(before.saw, after.saw))
    for name in before.images.keys() & after.images.keys():
        was, now = before.images[name], after.images[name]
        yield _same(f"the same files in {name}", was.files(), now.files(), _file_difference)
        yield _same(f"the same settings of {name}", was.settings(), now.settings())
        yield _same(f"the same ENV in {name}", _kept(was, project), _kept(now, project))
        lost = sorted(set(project.lost_at_run_time) & now.environment().keys())
        yield Claim(f"ENV of {name} without the secret", not lost, ", ".join(lost))


def _kept(image: Image, project: Project) -> dict[str, str]:
    lost = project.lost_at_run_time
    return {name: value for name, value in image.environment().items() if name not in lost}


def _same_code(word: str, was: Built, now: Built, *, accepted: bool) -> Claim:
    detail = f"{was.code} before, {now.code} after\n{_tail(was.log)}\n{_tail(now.log)}"
    name = f"the same exit code with the secret {word}"
    return Claim(name, accepted or was.code == now.code, detail)


def _same(name: str, was: _T, now: _T, describe: Callable[[_T, _T], str] | None = None) -> Claim:
    detail = describe(was, now) if describe is not None else f"{was!r} before, {now!r} after"
    return Claim(name, was == now, "" if was == now else detail)


def _file_difference(was: Mapping[str, object], now: Mapping[str, object]) -> str:
    changed = sorted(path for path in was.keys() | now.keys() if was.get(path) != now.get(path))
    return ", ".join(changed)


def _difference(was: Sequence[str], now: Sequence[str]) -> str:
    """Lines of what the RUNs saw hold hashes only, so that they can be shown."""
    gone = [line for line in was if line not in now]
    new = [line for line in now if line not in was]
    return f"before {gone}, after {new}" if gone or new else "nothing differs"


def _tail(log: str) -> str:
    return "\n".join(log.splitlines()[-15:])
