"""Generated Dockerfiles, built before and after on a real engine: each RUN saw the same.

In CI a fixed set of seeds. For a long run outside it, DOCKERFIX_GENERATED=FIRST:COUNT.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from corpus_samples import STUB
from generated import Case, case, seeds
from generated_builds import Build, Outcome, build, given

from dockerfix.engine import Options, Result, run
from dockerfix.verify.engine import Engine
from dockerfix.workspace import Workspace

pytestmark = pytest.mark.engine

MANY = 24


def variants(seed: int) -> tuple[str, ...]:
    """Builds cost: every second case is tried with empty secrets, the others without them."""
    return ("given", "missing" if seed % 2 else "empty")


class Tried(NamedTuple):
    case: Case
    result: Result
    before: dict[str, Outcome]
    after: dict[str, Outcome]


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def tried(numbers: Iterable[int], folder: Path) -> Iterator[Tried]:
    """Every case, built four times: before and after, with the secrets and without."""
    cases = {number: case(number) for number in numbers}
    results = {}
    builds: dict[tuple[str, str], list[Build]] = {}
    for number, one in cases.items():
        before = laid_out(folder / str(number) / "before", one.files)
        results[number] = result = run(Workspace(before), [""], Options(unsafe_fixes=True))
        changed = {path: new for path, (_, new) in result.changes.items()}
        after = laid_out(folder / str(number) / "after", {**one.files, **changed})
        for which, tree in (("before", before), ("after", after)):
            for variant in variants(number):
                values = {
                    "given": one.values, "missing": {}, "empty": dict.fromkeys(one.values, "")
                }[variant]  # fmt: skip
                found = given(tree / "build.sh", values, folder / str(number) / "client")
                stops = variant != "given" and (one.stops or variant in one.differs)
                builds.setdefault((which, variant), []).append(
                    Build(f"{number}-{which}-{variant}", number, tree, found, stops)
                )
    outcomes: dict[str, Outcome] = {}
    for group in builds.values():
        outcomes |= build(group, STUB, folder)
    for number, one in cases.items():
        before, after = (
            {variant: outcomes[f"{number}-{which}-{variant}"] for variant in variants(number)}
            for which in ("before", "after")
        )
        yield Tried(one, results[number], before, after)


def test_generated_dockerfiles_build_as_before(engine: Engine, tmp_path: Path) -> None:
    numbers = seeds(MANY)
    wrong: list[str] = []
    fixed = 0
    for at in range(numbers.start, numbers.stop, MANY):
        part = range(at, min(at + MANY, numbers.stop))
        for one in tried(part, tmp_path / str(at)):
            # A value may mean something to the shell of a case, which then never built.
            fixed += "Dockerfile" in one.result.changes and one.before["given"].code == 0
            wrong += [f"seed {one.case.seed}: {what}" for what in broken(one)]
        shutil.rmtree(tmp_path / str(at))
    assert not wrong, "\n".join(wrong)
    assert fixed >= len(numbers) * 3 // 4


def broken(one: Tried) -> Iterator[str]:
    """What is not as it was, and should be."""
    yield from (f"{problem.path}: {problem.message}" for problem in one.result.errors)
    was, now = one.before["given"], one.after["given"]
    if was.code or now.code or was.image is None or now.image is None:
        if was.code != now.code:
            yield f"given: exit code {was.code} before, {now.code} after\n{tail(now)}"
        yield from different("given", was.saw, now.saw)
        return
    if not was.saw:
        yield "no RUN told what it saw"
    yield from different("given", sorted(was.saw), sorted(now.saw), extra=one.case)
    fixed = {found.finding.variable for found in one.result.findings if found.outcome == "fixed"}
    old, new = was.image.files(), now.image.files()
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            yield f"the file {path} was {old.get(path)} and is {new.get(path)}"
    if was.image.settings() != now.image.settings():
        yield f"settings: {was.image.settings()} before, {now.image.settings()} after"
    had, has = was.image.environment(), now.image.environment()
    for name in sorted(had.keys() | has.keys()):
        gone = name not in has and any(c in had[name] for c in one.case.canaries.values())
        if had.get(name) != has.get(name) and not gone:
            yield f"ENV {name} was {had.get(name)!r} and is {has.get(name)!r}"
    canaries = one.case.canaries
    leaked = {place.hit.variable for place in was.image.find(canaries)}
    if leaked != set(canaries):
        yield f"not found before: {set(canaries) - leaked}"
    if not now.image.attested:
        yield "no provenance to look at"
    for place in now.image.find({name: canaries[name] for name in fixed & canaries.keys()}):
        yield f"left after: {place.hit.variable} in {place.part}"
    for variant in variants(one.case.seed)[1:]:
        was, now = one.before[variant], one.after[variant]
        if variant in one.case.differs:
            continue
        if bool(was.code) != bool(now.code):
            yield f"{variant}: exit code {was.code} before, {now.code} after\n{tail(now)}"
        yield from different(
            variant, settled(was.saw, one.case), settled(now.saw, one.case), extra=one.case
        )


def settled(saw: list[str], case: Case) -> list[str]:
    """What the RUNs saw, where unset and empty are one."""
    return sorted(re.sub(r" \[\w+=\]", "", line) for line in saw)


def different(
    variant: str, was: list[str], now: list[str], extra: Case | None = None
) -> Iterator[str]:
    if extra is not None:
        # The name under which a mount stands beside a placeholder is there to be seen.
        known = {name for line in was for name in re.findall(r" \[(\w+)=", line)}
        now = [
            re.sub(
                r" \[(\w+_SECRET)=[^\]]*\]",
                lambda found: found[0] if found[1] in known else "",
                line,
            )
            for line in now
        ]
    for line in was:
        if line not in now:
            yield f"{variant}: no RUN sees any longer {line}"
    for line in now:
        if line not in was:
            yield f"{variant}: a RUN sees now {line}"


def tail(outcome: Outcome) -> str:
    lines = [line for line in outcome.log.splitlines() if "ERROR" in line or " saw " not in line]
    return "\n".join(lines[-12:])
