"""A proof that could not fail would prove nothing: each fix that is wrong on purpose is caught."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from corpus_samples import SAMPLES, STUB

from dockerfix.verify.engine import without_syntax
from dockerfix.verify.proof import Proof, prove_absent, prove_given
from dockerfix.verify.scan import invent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dockerfix.verify.engine import Engine
    from dockerfix.verify.proof import Project

MOUNT = "--mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN"
GOOD = f"FROM node:20-alpine\nRUN {MOUNT} npm ci\n"


@dataclass(frozen=True)
class Mistake:
    """A migration of node-npm-token as people get it wrong, and the claim that it breaks."""

    broken: str
    dockerfile: str = GOOD
    script: str = "docker build --secret id=NPM_TOKEN,env=NPM_TOKEN -t IMAGE .\n"
    prove: Callable[[Engine, Project], Proof] = prove_given


MISTAKES = {
    "ARG left behind": Mistake(
        "no secret in",
        "FROM node:20-alpine\nARG NPM_TOKEN\nRUN npm ci\n",
        'docker build --build-arg NPM_TOKEN="$NPM_TOKEN" -t IMAGE .\n',
    ),
    "caller half forgotten": Mistake(
        "no secret in",
        script='docker build --secret id=NPM_TOKEN,env=NPM_TOKEN --build-arg NPM_TOKEN="$NPM_TOKEN" -t IMAGE .\n',
    ),
    "mount forgotten": Mistake("every RUN saw the same", "FROM node:20-alpine\nRUN npm ci\n"),
    "wrong id in the caller": Mistake(
        "every RUN saw the same",
        script="docker build --secret id=TOKEN,env=NPM_TOKEN -t IMAGE .\n",
    ),
    "variable not exported": Mistake(
        "every RUN saw the same",
        script='T="$NPM_TOKEN"\ndocker build --secret id=NPM_TOKEN,env=T -t IMAGE .\n',
    ),
    "environment dumped": Mistake(
        "no secret in", f"FROM node:20-alpine\nRUN {MOUNT} npm ci && env > /app.env\n"
    ),
    "written as base64": Mistake(
        "no secret in",
        f'FROM node:20-alpine\nRUN {MOUNT} npm ci && printf "u:$NPM_TOKEN" | base64 > /auth\n',
    ),
    "removed in a later layer": Mistake(
        "no secret in",
        f'FROM node:20-alpine\nRUN {MOUNT} npm ci && echo "$NPM_TOKEN" > /x\nRUN rm /x\n',
    ),
    "printed by set -x": Mistake(
        "no secret in the log",
        f'FROM node:20-alpine\nRUN {MOUNT} npm ci && set -x && : "$NPM_TOKEN"\n',
    ),
    "a file more": Mistake(
        "the same files", f"FROM node:20-alpine\nRUN {MOUNT} npm ci && touch /more\n"
    ),
    "CMD lost": Mistake("the same settings", GOOD + 'CMD ["npm", "start"]\n'),
    "required": Mistake(
        "the same exit code with the secret missing",
        GOOD.replace(MOUNT, f"{MOUNT},required"),
        "docker build ${NPM_TOKEN:+--secret id=NPM_TOKEN,env=NPM_TOKEN} -t IMAGE .\n",
        prove_absent,
    ),
}


@pytest.fixture(scope="module")
def proofs(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Proof]:
    (sample,) = (sample for sample in SAMPLES if sample.name == "node-npm-token")
    projects = {}
    for number, (name, mistake) in enumerate(MISTAKES.items()):
        image = f"dockerfix/mistake-{number}"
        folder = tmp_path_factory.mktemp("mistake")
        project = sample.project(folder / "after", STUB)
        shutil.copytree(sample.before, folder / "before")
        shutil.copytree(sample.before, folder / "after")
        script = (sample.before / "build.sh").read_text().replace("-t app", f"-t {image}")
        (folder / "before" / "build.sh").write_text(script)
        (folder / "after" / "build.sh").write_text(mistake.script.replace("IMAGE", image))
        (folder / "after" / "Dockerfile").write_text(mistake.dockerfile)
        projects[name] = replace(project, before=folder / "before", images=(image,))
    with ThreadPoolExecutor(max_workers=4) as pool:
        futures = {
            name: pool.submit(MISTAKES[name].prove, engine, one) for name, one in projects.items()
        }
    return {name: future.result() for name, future in futures.items()}


@pytest.mark.engine
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_caught(name: str, proofs: dict[str, Proof]) -> None:
    broken = [claim.name for claim in proofs[name].broken()]
    assert any(claim.startswith(MISTAKES[name].broken) for claim in broken), broken


@pytest.mark.engine
def test_the_base_image_holds_no_canary(engine: Engine, tmp_path: Path) -> None:
    assert engine.save(STUB, tmp_path).find({"TOKEN": invent()}) == []


@pytest.mark.engine
def test_an_engine_of_ours_has_provenance(engine: Engine) -> None:
    assert engine.attests, "the engine's image store keeps no provenance (SNAPSHOTTER=true)"


def test_only_the_syntax_line_is_taken_out() -> None:
    assert without_syntax(b"# syntax=docker/dockerfile:1\nFROM a\n") == b"FROM a\n"
    assert without_syntax(b"\xef\xbb\xbf#syntax = x\r\nFROM a\r\n") == b"FROM a\r\n"
    assert without_syntax(b"FROM a\n# syntax=b\n") == b"FROM a\n# syntax=b\n"
    assert without_syntax(b"x: |\n  # syntax=b\n  FROM a\n") == b"x: |\n  FROM a\n"
    assert without_syntax(b'x: "# syntax=b/c:1\\nFROM a"\n') == b'x: "FROM a"\n'
