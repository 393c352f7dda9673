"""The frontend as we model it against BuildKit's own answers (own_semantics).

Compared for every vector: the environment of each RUN (names, values, order), its secrets
and ssh sockets, the image's ENV, and the history lines of ARG, ENV and RUN with what they
give away; errors by line and message. Not compared, because the model does not hold it:
`args` and `progress_name` (shell text), `cwd` and `user` as strings, `files`, labels and
the rest of the image config, lint warnings, digests, mounts other than secret and ssh.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerfix import parse
from dockerfix.model import build, evaluate
from dockerfix.model.history import BaseImage, FrontendError, SecretMount

VECTORS = json.loads((Path(__file__).parent / "data" / "own_semantics.json").read_text())

# Vector -> why it is not covered.
NOT_COVERED: dict[str, str] = {}


class Flags:
    """The flags of the build that gave the answer."""

    def __init__(self, flags: list[str]) -> None:
        self.arguments: dict[str, str] = {}
        self.bases: dict[str, BaseImage] = {}
        self.target: str | None = None
        self.every_stage = False
        given = iter(flags)
        for flag in given:
            if flag == "-all-stages":
                self.every_stage = True
                continue
            name, _, value = next(given).partition("=")
            if flag == "-arg":
                self.arguments[name] = value
            elif flag == "-target":
                self.target = name
            elif flag == "-base":
                config = json.loads(value)["config"]
                env = dict(entry.split("=", 1) for entry in config.get("Env", []))
                triggers = tuple(text.encode() for text in config.get("OnBuild", []))
                self.bases[name] = BaseImage(env, triggers)
            else:
                assert flag == "-os", flag


def pairs(entries: list[str]) -> list[tuple[str, ...]]:
    return [tuple(entry.split("=", 1)) for entry in entries]


def history(lines: list[str]) -> list[str]:
    """The lines that we model; of RUN what stands before the command."""
    return [line for line in lines if line.startswith(("ARG ", "ENV ", "RUN "))]


def mounts(execution: dict[str, Any]) -> list[tuple[object, ...]]:
    files = [
        (m["type"], m["id"], m["dest"], not m["optional"], int(m["mode"], 8), m["uid"], m["gid"])
        for m in execution["mounts"]
        if m["type"] in ("SECRET", "SSH")
    ]
    variables = [("ENV", s["id"], s["name"], not s["optional"]) for s in execution["secret_env"]]
    return sorted([*files, *variables], key=str)


def modelled(found: tuple[SecretMount, ...]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for m in found:
        # BuildKit's answer leaves out the default id of an ssh mount, as we do.
        if m.target is not None:
            rows.append((m.type.upper(), m.id, m.target, m.required, m.mode, m.uid, m.gid))
        if m.env is not None:
            rows.append(("ENV", m.id, m.env, m.required))
    return sorted(rows, key=str)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_frontend(vector: dict[str, Any]) -> None:
    if vector["name"] in NOT_COVERED:
        pytest.skip(NOT_COVERED[vector["name"]])
    flags = Flags(vector["flags"])
    dockerfile = parse(vector["dockerfile"].encode())
    expected = vector["expect"]
    if "error" in expected:
        with pytest.raises(FrontendError) as caught:
            evaluate(dockerfile, flags.arguments, flags.target, flags.bases)
        assert str(caught.value) == expected["error"]["message"]
        assert caught.value.line == expected["error"]["lines"][0]
        return
    found = evaluate(
        dockerfile, flags.arguments, flags.target, flags.bases, every_stage=flags.every_stage
    )
    assert [list(execution.env.items()) for execution in found.executions] == [
        pairs(execution["env"]) for execution in expected["execs"]
    ]
    assert [modelled(execution.mounts) for execution in found.executions] == [
        mounts(execution) for execution in expected["execs"]
    ]
    assert list(found.image_env.items()) == pairs(expected["image_env"])
    lines = history(expected["history"])
    assert len(found.history) == len(lines)
    for ours, theirs in zip(found.history, lines, strict=True):
        if ours.startswith("RUN"):
            assert theirs.startswith(f"{ours} ")
            assert ours != "RUN" or not theirs.startswith("RUN |")
        else:
            assert ours == theirs


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_live_bindings(vector: dict[str, Any]) -> None:
    """The model's live bindings are the variables of each RUN, but for what no line binds."""
    flags = Flags(vector["flags"])
    if "error" in vector["expect"] or flags.bases:
        pytest.skip("no RUN is reached, or the variables come with the base image")
    dockerfile = parse(vector["dockerfile"].encode())
    model = build(dockerfile, {flags.target}, frozenset(flags.arguments))
    found = evaluate(dockerfile, flags.arguments, flags.target, every_stage=flags.every_stage)
    assert len(found.executions) == len(vector["expect"]["execs"])
    for execution in found.executions:
        variables = set(execution.env) - {"PATH", "SSH_AUTH_SOCK"}
        assert set(model.environment(execution.run)) == variables
    last = model.graph.last if flags.target is None else model.graph.find(flags.target)
    assert last is not None
    assert set(model.image_env(last)) == set(found.image_env) - {"PATH"}


@pytest.mark.parametrize("option", ["mode=rw", "uid=app", "gid=x"])
def test_a_mount_that_buildkit_refuses(option: str) -> None:
    dockerfile = parse(f"FROM x\nRUN --mount=type=secret,id=A,{option} a\n".encode())
    with pytest.raises(FrontendError) as caught:
        evaluate(dockerfile)
    assert caught.value.line == 2


def test_names_of_a_run_include_its_secrets() -> None:
    dockerfile = parse(b"FROM x\nARG A=1\nRUN --mount=type=secret,id=B,env=B,required a\n")
    (execution,) = evaluate(dockerfile).executions
    assert execution.names == {"PATH", "A", "B"}
    assert execution.mounts[0].required


def test_only_the_stages_of_the_target_run() -> None:
    dockerfile = parse(
        b"FROM x AS a\nRUN 1\nFROM x AS b\nRUN 2\nFROM x AS c\nCOPY --from=a /f /\nRUN 3\n"
    )
    lines = [found.run.start_line for found in evaluate(dockerfile).executions]
    assert lines == [2, 7]
    assert [found.run.start_line for found in evaluate(dockerfile, target="B").executions] == [4]


@st.composite
def dockerfiles(draw: st.DrawFn) -> tuple[str, frozenset[str]]:
    """A Dockerfile whose every value tells its line, and the arguments that are passed."""
    names = st.sampled_from(["A", "B", "TARGETARCH"])
    line = st.one_of(
        st.tuples(
            st.sampled_from(["ARG {0}", "ARG {0}={1}", "ENV {0}={1}", "ENV {0}={1} D=x"]), names
        ),
        st.tuples(st.sampled_from(["RUN r", "ONBUILD ARG {0}={1}", "ONBUILD ENV {0}={1}"]), names),
        st.tuples(st.sampled_from(["FROM x AS s{1}", "FROM {2}", "FROM {2} AS s{1}"]), names),
    )
    above = draw(
        st.lists(st.tuples(st.sampled_from(["ARG {0}", "ARG {0}={1}"]), names), max_size=3)
    )
    below = draw(st.lists(line, max_size=14))
    text = []
    stages = ["x"]
    for number, (form, name) in enumerate([*above, ("FROM x", ""), *below, ("RUN r", "")]):
        text.append(form.format(name, number, draw(st.sampled_from(stages))))
        if form.endswith("s{1}"):
            stages.append(f"s{number}")
    return "\n".join(text) + "\n", frozenset(draw(st.sets(st.sampled_from(["A", "B"]))))


@settings(max_examples=200, deadline=None)
@given(dockerfiles())
def test_live_binding_is_the_one_whose_value_arrives(case: tuple[str, frozenset[str]]) -> None:
    text, passed = case
    dockerfile = parse(text.encode())
    model = build(dockerfile, passed=passed)
    arguments = {name: f"passed {name}" for name in passed}
    for execution in evaluate(dockerfile, arguments, every_stage=True).executions:
        live = model.environment(execution.run)
        assert set(live) == set(execution.env) - {"PATH"}
        for name, binding in live.items():
            source = binding if binding.value else binding.default_from
            if binding.kind == "arg" and name in passed:
                expected = f"passed {name}"
            elif source is not None and source.value is not None:
                expected = source.value.raw.decode()
            else:
                expected = "amd64"
            assert execution.env[name] == expected
            if execution.run in dockerfile.instructions:
                assert execution.run in model.reach(binding)
