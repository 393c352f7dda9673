"""The rules of stages and scopes (2.6 to 2.12), confirmed by a real engine.

Each Dockerfile is built, and every `RUN @` of it prints the watched variables that it got. That is
held against `evaluate` (values), `Model.environment` (which binding is there), the ENV of the
image against `image_env`, and the history of the image against what we say that it shows.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from dockerfix import parse
from dockerfix.model import build
from dockerfix.model.history import BaseImage, evaluate
from dockerfix.model.predefined import is_proxy
from dockerfix.syntax.nodes import Run
from dockerfix.verify.engine import Engine

pytestmark = pytest.mark.engine

BASE = "local/base:1"
RULES = "dockerfix/rules:1"
ONBUILD = ("ARG W_TRIGGER", "RUN @900", "ENV W_TRIGGERED=$W_TRIGGER")
WATCHED = r"W_[A-Z_]*|[A-Za-z]*_[Pp][Rr][Oo][Xx][Yy]|TARGETOS|BUILDOS"
PRINTS = rf"echo saw @N; env | sed -n -E 's/^(({WATCHED})=.*)/saw @N \1/p'"
SAW = re.compile(r"^#\d+ \d[\d.]* saw (\d+)(?: (\w+)=(.*))?$", re.MULTILINE)


class Case(NamedTuple):
    """One Dockerfile, the build arguments that it is built with, and the rule that it shows."""

    rule: str
    text: str
    arguments: Mapping[str, str] = {}
    target: str | None = None


CASES = [
    Case("2.6 ENV sees the state before its line", "FROM B\nENV W_A=hello\nENV W_A=bye W_B=$W_A\nRUN @\n"),
    Case("2.6 ARG sees what stands before on its line", "FROM B\nARG W_A=one W_B=$W_A\nRUN @\n"),
    Case("2.7a a global is not in RUN", "ARG W_A=g\nFROM B\nRUN @\nARG W_A\nRUN @\n"),
    Case("2.7a a global chooses the base", "ARG W_IMAGE=B\nFROM $W_IMAGE\nRUN @\n"),
    Case("2.7a a global reaches each stage that declares it", "ARG W_A=g\nFROM B AS one\nARG W_A\nRUN @\nFROM B\nCOPY --from=one /etc /e\nRUN @\n"),
    Case("2.7b from its line on", "FROM B\nRUN @\nARG W_A=1\nRUN @\n"),
    Case("2.7b a stage built FROM it inherits", "FROM B AS one\nARG W_A\nFROM one AS two\nRUN @\nFROM two\nRUN @\n", {"W_A": "v"}),
    Case("2.7b a sibling does not", "FROM B AS one\nARG W_A=1\nENV W_E=1\nRUN @\nFROM B\nCOPY --from=one /etc /e\nRUN @\n"),
    Case("2.7c a build argument beats the default", "FROM B\nARG W_A=default\nRUN @\n", {"W_A": "given"}),
    Case("2.7c the stage's default beats the global's value", "ARG W_A=g\nFROM B\nARG W_A=stage\nRUN @\n"),
    Case("2.7c a build argument beats both", "ARG W_A=g\nFROM B\nARG W_A=stage\nRUN @\n", {"W_A": "given"}),
    Case("2.7c set to empty is set", "FROM B\nARG W_A=default\nARG W_B\nRUN @\n", {"W_A": "", "W_B": ""}),
    Case("2.7c what is not declared is ignored", "FROM B\nRUN @\n", {"W_A": "given"}),
    Case("2.7d without any value it is unset", "FROM B\nARG W_A\nRUN @\n"),
    Case("2.7d so is a bare ARG of a global without a value", "ARG W_A\nFROM B\nARG W_A\nRUN @\n"),
    Case("2.8 ARG then ENV: the ENV", "FROM B\nARG W_A\nENV W_A=env\nRUN @\n", {"W_A": "given"}),
    Case("2.8 ENV then ARG with a default: the ARG, and the image keeps the ENV", "FROM B\nENV W_A=env\nARG W_A=arg\nRUN @\n"),
    Case("2.8 ENV then a bare ARG that is given", "FROM B\nENV W_A=env\nARG W_A\nRUN @\n", {"W_A": "given"}),
    Case("2.8 ENV then a bare ARG that is not given", "FROM B\nENV W_A=env\nARG W_A\nRUN @\n"),
    Case("2.8 in a stage built FROM it the ENV is back", "FROM B AS one\nENV W_A=env\nARG W_A=arg\nRUN @\nFROM one\nRUN @\n"),
    Case("2.8 the ENV of the base image is like an ENV", "FROM R\nRUN @\nARG W_BASE=arg\nRUN @\n"),
    Case("2.8 and a bare ARG leaves it", "FROM R\nARG W_BASE\nRUN @\n"),
    Case("2.9 ENV bakes the ARG in", "FROM B\nARG W_A\nENV W_A=$W_A W_B=x${W_A}y W_C=${W_D:-d}\nRUN @\n", {"W_A": "v"}),
    Case("2.10 ENV reaches children and the image", "FROM B AS one\nENV W_A=1 W_B=1\nFROM one\nENV W_B=2\nRUN @\n"),
    Case("2.10 and the image of a target", "FROM B AS one\nENV W_A=1\nRUN @\nFROM one\nENV W_B=2\nRUN @\n", {}, "one"),
    Case("2.10 not where files are copied to", "FROM B AS one\nENV W_A=1\nRUN @\nFROM B\nCOPY --from=one /etc /e\nRUN @\n"),
    Case("2.11 a proxy needs no ARG and is not in the history", "FROM B\nRUN @\n", {"HTTP_PROXY": "http://u:canary@h"}),
    Case("2.11 with an ARG it is in the history", "FROM B\nARG HTTP_PROXY\nRUN @\n", {"HTTP_PROXY": "http://u:canary@h"}),
    Case("2.11 the platform needs a bare ARG", "FROM B\nRUN @\nARG TARGETOS\nARG BUILDOS\nRUN @\n"),
    Case("2.12 a trigger of this file runs in the child", "FROM B AS one\nARG W_A=outer\nONBUILD ARG W_B=inner\nONBUILD RUN @\nFROM one\nRUN @\n"),
    Case("2.12 a trigger of an image sees what the child is given", "FROM R\nRUN @\n", {"W_TRIGGER": "given"}),
    Case("2.12 and an ARG of the child does not reach it", "ARG W_TRIGGER=g\nFROM R AS one\nARG W_LATER=1\nRUN @\n"),
    Case("3.8 an optional secret that nobody gives is set, and empty", "FROM B\nARG W_A=d\nRUN --mount=type=secret,id=W_A,env=W_A @\n"),
]  # fmt: skip


def written(text: str, number: int = 0) -> str:
    """The Dockerfile: `B` and `R` are images, `@` prints what the RUN got.

    No two cases share a step: a proxy is not in the cache key, so that of two builds at one time
    the second would get what the first was given.
    """
    text = re.sub(r"(?m)^(FROM |ARG W_IMAGE=)B\b", rf"\g<1>{BASE}", text)
    text = re.sub(r"(?m)^(FROM )R\b", rf"\g<1>{RULES}", text)
    lines = text.split("\n")
    for at, line in enumerate(lines, 1):
        mark = str(number * 100 + at)
        lines[at - 1] = re.sub(
            r"@(\d*)$",
            lambda found, mark=mark: PRINTS.replace("@N", found[1] or mark),  # type: ignore[misc]
            line,
        )
    return "\n".join(lines)


class Outcome(NamedTuple):
    saw: Counter[tuple[int, frozenset[tuple[str, str]]]]
    env: dict[str, str]
    history: list[str]


def outcome(case: Case, number: int, folder: Path) -> Outcome:
    tag = f"dockerfix/rule-{number}"
    (folder / "Dockerfile").write_text(written(case.text, number))
    flags = [f"--build-arg={name}={value}" for name, value in case.arguments.items()]
    flags += [f"--target={case.target}"] if case.target else []
    command = ["docker", "build", "--network=none", "--no-cache", "--progress=plain"]
    command += ["--provenance=false", *flags, "-t", tag, os.fspath(folder)]
    done = docker(command)
    seen: dict[int, list[tuple[str, str]]] = {}
    for at, name, value in SAW.findall(done):
        seen.setdefault(int(at), []).extend([(name, value)] if name else [])
    (image,) = json.loads(docker(["docker", "image", "inspect", tag]))
    env = dict(one.split("=", 1) for one in image["Config"].get("Env") or ())
    said = docker(["docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", tag])
    return Outcome(
        Counter((at, frozenset(values)) for at, values in seen.items()),
        env,
        [line for line in said.split("\n") if line.startswith(("ARG ", "ENV ", "RUN "))],
    )


def docker(command: list[str], stdin: str | None = None) -> str:
    environment = dict(os.environ)
    endpoint = environment["DOCKERFIX_ENGINE"]
    if endpoint != "default":
        environment["DOCKER_HOST"] = endpoint
    done = subprocess.run(
        command,
        env=environment,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def outcomes(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Case, Future[Outcome]]]:
    """All of them at once: a build waits more than it works."""
    triggers = "".join(f"ONBUILD {one}\n" for one in ONBUILD)
    text = written(f"FROM B\nENV W_BASE=base\n{triggers}")
    docker(["docker", "build", "--network=none", "-t", RULES, "-"], stdin=text)
    folder = tmp_path_factory.mktemp("rules")
    found: dict[str, Future[Outcome]] = {}
    with ThreadPoolExecutor(max_workers=4) as pool:
        for number, case in enumerate(CASES):
            (folder / str(number)).mkdir()
            found[case.rule] = pool.submit(outcome, case, number, folder / str(number))
        yield found  # type: ignore[misc]
    # Not before the last build: the engine loses blobs of a removed image that others share.
    tags = [f"dockerfix/rule-{number}" for number in range(len(CASES))]
    docker(["docker", "rmi", "--force", RULES, *tags])


def given_proxies(case: Case) -> dict[str, str]:
    """A RUN gets a predefined proxy in upper and in lower case, however it was given."""
    given = {name: value for name, value in case.arguments.items() if is_proxy(name)}
    return {form: value for name, value in given.items() for form in (name.lower(), name.upper())}


def watched(name: str) -> bool:
    return re.fullmatch(WATCHED, name) is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_the_model_says_what_the_engine_does(
    case: Case, outcomes: dict[str, Future[Outcome]]
) -> None:
    real = outcomes[case.rule].result()
    tree = parse(written(case.text, CASES.index(case)).encode())
    onbuild = tuple(written(one).encode() for one in ONBUILD)
    bases = {RULES: BaseImage({"W_BASE": "base"}, onbuild)}
    found = evaluate(tree, case.arguments, case.target, bases)
    proxies = given_proxies(case)
    expected: Counter[tuple[int, frozenset[tuple[str, str]]]] = Counter()
    for one in found.executions:
        env = {**proxies, **one.env}
        env.update({mount.env: "" for mount in one.mounts if mount.env is not None})
        at = re.search(rb"saw (\d+)", one.run.code)
        assert at is not None
        expected[int(at[1]), frozenset(pair for pair in env.items() if watched(pair[0]))] += 1
    assert real.saw == expected
    assert real.saw, "every case runs something"
    assert {name: value for name, value in real.env.items() if watched(name)} == {
        name: value for name, value in found.image_env.items() if watched(name)
    }
    own = list(reversed(real.history[: len(found.history)]))
    for said, ours in zip(own, found.history, strict=True):
        assert said == ours or said.startswith((f"{ours} /bin/sh", f"{ours} #")), (said, ours)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_the_binding_is_there_where_the_variable_is(
    case: Case, outcomes: dict[str, Future[Outcome]]
) -> None:
    real = outcomes[case.rule].result()
    tree = parse(written(case.text, CASES.index(case)).encode())
    model = build(tree, {case.target}, frozenset(case.arguments))
    runs = [
        run
        for stage in model.stages
        for run in (*(one.trigger for one in stage.triggers), *stage.instructions)
        if isinstance(run, Run)
    ]
    lines = {at for at, _ in real.saw}
    names = {at: {name for name, _ in values} for at, values in real.saw}
    foreign = {"W_BASE", "W_TRIGGER", "W_TRIGGERED"} if RULES in written(case.text) else set()
    checked = 0
    for run in runs:
        found = re.search(rb"saw (\d+)", run.code)
        assert found is not None
        at = int(found[1])
        if at in lines:
            bound = {name for name in model.environment(run) if watched(name)}
            secret = {mount.env for mount in run.mounts if mount.env}
            proxies = given_proxies(case).keys()
            assert bound | secret | foreign | proxies == names[at] | foreign | proxies
            checked += 1
    assert checked
    stage = model.graph.find(case.target) if case.target else model.stages[-1]
    assert stage is not None
    assert {name for name in model.image_env(stage) if watched(name)} == {
        name for name in real.env if watched(name) and name not in foreign
    }
