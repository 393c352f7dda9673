"""The verbs on generated Dockerfiles: what was not asked for stays, and order does not matter."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import dockerfix
from dockerfix.edits import Fix, Safety, apply, choose
from dockerfix.syntax import make, verbs
from dockerfix.syntax.nodes import Arg, Env, Label, Run

if TYPE_CHECKING:
    from dockerfix.edits import Operation

BREAKS = [
    b" \\\n    ",
    b" \\\n",
    b"\\\n  ",
    b"   \\ \t\n\t",
    b" \\\n    # a comment\n    ",
    b" \\\n# a comment \\\n",
    b" \\\n\n  ",
    b" \\\n  \\\n  ",
    b" \\\n\n\n    # a comment\n\n    ",
]
GAPS = st.sampled_from([b" "] * 6 + [b"  ", b"\t", *BREAKS, BREAKS[0], BREAKS[0]])
VALUES = st.sampled_from(
    [
        b"1",
        b"",
        b'"a b"',
        b"'x # y'",
        b"x\\ ",
        b"x\\\\",
        b'"a \\\n b"',
        b'"a \\\n  # c\n b"',
        b"#",
        b"$B",
    ]
)
FLAGS = st.sampled_from(
    [
        b"--mount=type=cache,target=/c",
        b"--mount=type=secret,id=W",
        b"--network=none",
        b"--mount=type=bind,\\\ntarget=/b",
        b"--mount='type=bind,target=/b'",
    ]
)
COMMANDS = st.sampled_from(
    [
        b"cmd",
        b"a && \\\n  b",
        b"a && \\\n# c\n\n  b # --mount=x",
        b"# c",
        b"-- --x",
        b"-- \\\n  cmd",
        b'["a", "b"]',
        b"[ -z $X ] || b",
        b"<<E\n  x\nARG A\nE",
        b"<<E\n#!/bin/sh\nx\nE",
        b"cat <<E\nENV A=1\nE",
        b"<<-'E'\n\tx \\\n\tE",
    ]
)
KEYWORDS = {b"ARG": [b"ARG", b"arg"], b"ENV": [b"ENV", b"Env"], b"LABEL": [b"LABEL"]}
NAMES = [b"A", b"B", b"C", b"D", b"E"]


@st.composite
def pairs(draw: Any) -> bytes:
    kind = draw(st.sampled_from(sorted(KEYWORDS)))
    text = draw(st.sampled_from(KEYWORDS[kind]))
    for index, name in enumerate(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5))):
        # Three escapes at the end of a line are no continuation (rule 1.15).
        text += b" " if text.endswith(b"\\") else draw(GAPS)
        if kind == b"ARG" and draw(st.integers(0, 3)) == 0:
            text += draw(st.sampled_from([name, b"#" + name if index else name]))
        else:
            text += name + b"=" + draw(VALUES)
    # An escape and blanks at the end of a line would make it go on.
    return (
        text + draw(st.sampled_from([b"", b"", b"  "])) if not text.endswith(b" ") else text + b'""'
    )


@st.composite
def runs(draw: Any) -> bytes:
    text = draw(st.sampled_from([b"RUN", b"run"]))
    for flag in draw(st.lists(FLAGS, max_size=3, unique=True)):
        text += draw(GAPS) + flag
    return text + draw(GAPS) + draw(COMMANDS)


OTHERS = st.sampled_from(
    [
        b"",
        b"",
        b" \t",
        b"# plain",
        b"# escape=x",
        b"COPY a b /c",
        b"ENV K some text",
        b"ONBUILD RUN x",
    ]
)
TOPS = st.sampled_from([b"", b"# syntax=x/y:1.2\n", b"#!/bin/x\n", b"# c\n", b"\n", b"ARG G\n"])


@st.composite
def files(draw: Any) -> bytes:
    lines = draw(st.lists(st.one_of(pairs(), runs(), OTHERS), max_size=6))
    top = draw(TOPS)
    data = top + b"FROM a\n" + b"".join(line + b"\n" for line in lines)
    ending = draw(st.sampled_from([b"", b"", b"no newline", b" \\\n", b" \\\n# the end"]))
    data = data[:-1] if ending == b"no newline" else data[:-1] + (ending or b"\n")
    if not top and draw(st.booleans()):
        data = b"# escape=`\n" + data.replace(b"\\", b"`")
    if draw(st.integers(0, 3)) == 0:
        data = data.replace(b"\n", b"\r\n")
    return data if draw(st.integers(0, 5)) else b"\xef\xbb\xbf" + data


def ask(draw: Any, tree: Any) -> tuple[list[Operation], dict[int, Any]]:
    """Operations on any of the instructions, and what each instruction shall then hold."""
    operations: list[Operation] = []
    expected: dict[int, Any] = {}
    for number, found in enumerate(tree.instructions):
        if found.name in ("arg", "env", "label"):
            gone = draw(st.sets(st.integers(0, len(found.pairs) - 1)))
            operations += [verbs.remove_pair(tree, found, index) for index in sorted(gone)]
            kept = [index for index in range(len(found.pairs)) if index not in gone]
            new = draw(st.sets(st.sampled_from(kept))) if kept else set()
            operations += [verbs.set_value(tree, found, index, b"new") for index in sorted(new)]
            values = [(index, _pair(found.pairs[index])) for index in kept]
            expected[number] = [(n, b"new" if i in new else value) for i, (n, value) in values]
            if not gone and not new:
                expected[number] = found.code
        elif found.name == "run" and draw(st.integers(0, 6)) == 0:
            operations.append(verbs.remove(tree, found))
            expected[number] = []
        elif found.name == "run":
            operations += _ask_run(draw, tree, found, expected, number)
        else:
            expected[number] = found.code
        if draw(st.integers(0, 5)) == 0 and not any(
            op.verb == "remove" and op.site is found for op in operations
        ):
            last = found.span.end == len(tree.source.data)
            verb = verbs.insert_before if last or draw(st.booleans()) else verbs.insert_after
            operations.append(verb(tree, found, b"# new"))
    if draw(st.booleans()):
        operations.append(verbs.set_syntax(tree, "docker/dockerfile:1"))
    return operations, expected


def _ask_run(
    draw: Any, tree: Any, run: Any, expected: dict[int, Any], number: int
) -> list[Operation]:
    names = draw(st.lists(st.sampled_from("XYZ"), unique=True))
    gone = draw(st.sets(st.integers(0, len(run.mounts) - 1))) if run.mounts else set()
    texts = []
    command = tree.source.text(run.arguments_span).strip()
    if command and not run.exec_form and draw(st.booleans()):
        texts = draw(st.lists(st.sampled_from([b"export P=1 && ", b"export Q=1; "]), unique=True))
    mounts = [make.mount(id=name, env=name) for name in names]
    flags = [flag.value for flag in run.flags]
    for index in gone:
        flags.remove(run.mounts[index].flag.value)
    flags += [mount.decode() for mount in mounts]
    expected[number] = (sorted(flags), texts, run)
    if not (names or gone or texts):
        expected[number] = run.code
    return [
        *(verbs.add_mount(tree, run, mount, order=(n,)) for n, mount in enumerate(mounts)),
        *(verbs.remove_mount(tree, run, run.mounts[index]) for index in sorted(gone)),
        *(verbs.insert_statement(tree, run, text, order=(n,)) for n, text in enumerate(texts)),
    ]


def _pair(pair: Any) -> tuple[str, bytes | None]:
    return pair.name, None if pair.value is None else pair.value.raw


def _check(found: Any, wanted: Any, before: bytes) -> None:
    if isinstance(wanted, bytes):
        assert found.code == wanted
    elif isinstance(wanted, list):
        held = [_pair(pair) for pair in found.pairs]
        # An escaped blank at the end of the instruction is closed by an empty string.
        assert held == wanted or [*held[:-1], (held[-1][0], (held[-1][1] or b"")[:-2])] == wanted
    else:
        flags, texts, run = wanted
        assert sorted(flag.value for flag in found.flags) == flags
        bodies = list(found.heredocs)
        assert len(bodies) == len(run.heredocs)
        added = b"".join(texts)
        body, old = found.body.text, run.body.text
        if body == old and texts:
            script, was = (tree.heredocs[0].content_span for tree in (found, run))
            grown = script.end - script.start - (was.end - was.start)
            assert grown >= len(texts) * len(b"export P=1\n")
        else:
            start = 3 if old.startswith(b"-- ") else 0
            assert body.split() == (old[:start] + added + old[start:]).split()


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None)
@given(data=files(), drawn=st.data())
def test_what_was_asked_for_is_done_and_everything_else_stays(data: bytes, drawn: Any) -> None:
    tree: Any = dockerfix.parse(data)
    assume(not tree.errors)
    # A comment that ate the start of a quoted value leaves a name with half of the quotes.
    assume(
        not any('"' in pair.name for one in tree.instructions for pair in getattr(one, "pairs", ()))
    )
    operations, expected = ask(drawn.draw, tree)
    assume(operations)
    path = tree.source.path
    whole = Fix("all", Safety.SAFE, "none", tuple(operations))
    after = apply({path: tree.source}, [whole])[path]

    shuffled = drawn.draw(st.permutations(operations))
    cut = drawn.draw(st.integers(0, len(shuffled)))
    parts = [
        Fix(name, Safety.SAFE, "none", tuple(part))
        for name, part in (("one", shuffled[:cut]), ("two", shuffled[cut:]))
    ]
    chosen, waiting = choose(parts)
    assert not waiting
    assert apply({path: tree.source}, chosen)[path] == after

    again: Any = dockerfix.parse(after)
    assert not again.errors
    kept = [number for number in sorted(expected) if expected[number] != []]
    assert len(again.instructions) == len(kept)
    for found, number in zip(again.instructions, kept, strict=True):
        assert found.name == tree.instructions[number].name
        _check(found, expected[number], data)
    assert _outside(again, b"# plain") >= _outside(tree, b"# plain")
    new = sum(operation.verb in ("insert_before", "insert_after") for operation in operations)
    assert _outside(again, b"# new") == new


def _outside(tree: Any, comment: bytes) -> int:
    """How many such comments stand outside of instructions."""
    data, at, outside = tree.source.data, 0, []
    for found in tree.instructions:
        outside.append(data[at : found.span.start])
        at = found.span.end
    return b"".join([*outside, data[at:]]).count(comment)


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None)
@given(data=files(), names=st.lists(st.sampled_from("XYZ"), unique=True, min_size=1))
def test_mounts_and_the_syntax_line_are_idempotent(data: bytes, names: list[str]) -> None:
    def twice(source: bytes) -> bytes:
        tree: Any = dockerfix.parse(source)
        assume(not tree.errors)
        operations = [
            verbs.add_mount(tree, run, make.mount(id=name, env=name), order=(order,))
            for run in tree.instructions
            if run.name == "run"
            for order, name in enumerate(names)
        ]
        operations.append(verbs.set_syntax(tree, "docker/dockerfile:1"))
        fix = Fix("all", Safety.SAFE, "none", tuple(operations))
        return apply({tree.source.path: tree.source}, [fix])[tree.source.path]

    once = twice(data)
    assert twice(once) == once


def _vectors() -> list[bytes]:
    folder = os.environ.get("DOCKERFIX_VECTORS")
    if not folder:
        pytest.skip("DOCKERFIX_VECTORS names no folder")
    inputs: list[bytes] = []
    for name in ("own_lexical", "buildkit_testfiles", "buildkit_gotests"):
        cases = json.loads(Path(folder, f"{name}.json").read_text("utf-8"))
        inputs += [
            case["input"].encode(case.get("input_encoding", "utf-8"))
            for case in (cases if isinstance(cases, list) else cases["cases"])
            if isinstance(case.get("input"), str)
        ]
    return inputs


def test_the_vectors_get_mounts_and_lose_every_other_pair_without_a_new_error() -> None:
    inputs = _vectors()
    assert len(inputs) > 500
    for data in inputs:
        tree: Any = dockerfix.parse(data)
        mounts = [make.mount(id=name, env=name) for name in "XYZ"]
        operations, gone = [verbs.set_syntax(tree, "docker/dockerfile:1")], 0
        for number, found in enumerate(tree.instructions):
            if isinstance(found, Run):
                operations += [verbs.add_mount(tree, found, m) for m in mounts[number % 3 :]]
            elif isinstance(found, Arg | Env | Label) and number:
                indices = range(number % 2, len(found.pairs), 2)
                operations += [verbs.remove_pair(tree, found, index) for index in indices]
                gone += len(indices) == len(found.pairs)
        fix = Fix("all", Safety.SAFE, "none", tuple(operations))
        after = apply({tree.source.path: tree.source}, [fix])[tree.source.path]
        again = dockerfix.parse(after)
        assert len(again.errors) <= len(tree.errors), data
        assert len(again.instructions) == len(tree.instructions) - gone, data
