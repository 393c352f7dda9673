"""Generated Dockerfiles, by the model alone: what is given, what stays, and in what order.

The same cases are built on a real engine in test_generated_built.py. DOCKERFIX_GENERATED=FIRST:COUNT
tries others.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from generated import Case, case, seeds
from generated_builds import Given, given

from dockerfix import parse
from dockerfix.engine import Options, Result, run
from dockerfix.engine.snapshot import Snapshot
from dockerfix.model.history import evaluate
from dockerfix.workspace import Workspace

SEEDS = seeds(150)
BLOCK = 25


def fixed(folder: Path, files: dict[str, bytes]) -> tuple[Result, dict[str, bytes]]:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    result = run(Workspace(folder), [""], Options(unsafe_fixes=True))
    return result, {**files, **{path: new for path, (_, new) in result.changes.items()}}


def blocks() -> Iterator[range]:
    for first in range(SEEDS.start, SEEDS.stop, BLOCK):
        yield range(first, min(first + BLOCK, SEEDS.stop))


@pytest.mark.parametrize("block", list(blocks()), ids=str)
def test_generated_dockerfiles(
    block: range, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = []
    for seed in block:
        one = case(seed)
        wrong += [f"seed {seed}: {what}" for what in broken(one, tmp_path / str(seed), monkeypatch)]
    assert not wrong, "\n".join(wrong)


def broken(one: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    result, files = fixed(folder, one.files)
    yield from (f"{problem.path}: {problem.message}" for problem in result.errors)
    yield from refusals(one, result)
    tree = parse(files["Dockerfile"])
    if tree.errors:
        yield f"broken: {tree.errors[0].message}"
        return
    yield from lost(one, files["Dockerfile"])
    yield from environments(one, folder, files)
    again, _ = fixed(folder.with_name(f"{folder.name}-again"), files)
    if again.changes:
        yield f"a second run changes {sorted(again.changes)}"
    passes = list(Snapshot.passes(again.before)) if again.before is not None else []
    random.Random(one.seed).shuffle(passes)
    with monkeypatch.context() as patch:
        patch.setattr(Snapshot, "passes", lambda _: tuple(passes))
        _, shuffled = fixed(folder.with_name(f"{folder.name}-shuffled"), one.files)
    if shuffled != files:
        yield "another order of the passes gives another result"


def refusals(one: Case, result: Result) -> Iterator[str]:
    """A refusal that nothing in the case asks for is a defect too."""
    for found in result.findings:
        refused = [refusal.reason for refusal in found.finding.refusals]
        if found.finding.variable in one.canaries and refused and not one.may_refuse:
            yield f"{found.finding.name} refuses {found.finding.variable}: {refused}"


def lost(one: Case, after: bytes) -> Iterator[str]:
    """What is not part of an operation stands there as it stood, and in its order."""
    at = 0
    for piece in one.kept:
        found = after.find(piece, at)
        if found < 0:
            yield f"lost or moved: {piece!r}"
        at = max(found, at)


def environments(one: Case, folder: Path, files: dict[str, bytes]) -> Iterator[str]:
    """Each RUN gets the values that it got. Where the shell reads or puts together one, only its
    name tells."""
    was = executions(one.files["Dockerfile"], given(folder / "build.sh", one.values, folder / "a"))
    (folder / "build.sh").write_bytes(files["build.sh"])
    now = executions(files["Dockerfile"], given(folder / "build.sh", one.values, folder / "b"))
    for (_, had), (code, has) in zip(was, now, strict=True):
        exported = {name for name in had if f"export {name}".encode() in code}
        for name in sorted(had.keys() - has.keys() - exported):
            yield f"{name} is gone from {code!r}"
        for name in sorted(has.keys() - exported):
            if name not in had and not name.endswith("_SECRET"):
                yield f"{name} is new in {code!r}"
            elif name in had and had[name] != has[name]:
                yield f"{name} has another value in {code!r}"


def executions(data: bytes, what: Given) -> list[tuple[bytes, dict[str, str]]]:
    """The text and the environment of every RUN, those of stages that no image needs included."""
    found = evaluate(parse(data), what.arguments, every_stage=True)
    return [
        (one.run.code, {**one.env, **{m.env: what.secrets[m.id] for m in one.mounts if m.env}})
        for one in found.executions
    ]
