"""The tree against BuildKit's own parser: same instructions, lines, flags, values, heredocs.

`tests/data` holds inputs of ours with BuildKit's answers; upstream's inputs are found through
DOCKERFIX_VECTORS.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import dockerfix
from dockerfix.syntax.dump import dump_json
from dockerfix.syntax.heredocs import HeredocError, words
from dockerfix.syntax.mounts import MountError, meaning
from dockerfix.syntax.nodes import ErrorInstruction, Run, UnknownInstruction

DATA = Path(__file__).parent / "data"
SUGGESTION = re.compile(r" \(did you mean .*\)$")
LEXICAL = json.loads((DATA / "own_lexical.json").read_text("utf-8"))
MOUNTS = json.loads((DATA / "own_mount_values.json").read_text("utf-8"))
WORDS = json.loads((DATA / "own_shell_words.json").read_text("utf-8"))["cases"]


def without_suggestions(value: Any) -> Any:
    """BuildKit adds a guess at what was meant, which is not compared."""
    if isinstance(value, dict):
        return {key: without_suggestions(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_suggestions(inner) for inner in value]
    return SUGGESTION.sub("", value) if isinstance(value, str) else value


def data_of(case: dict[str, Any]) -> bytes:
    return str(case["input"]).encode(case.get("input_encoding", "utf-8"))


def same_as_buildkit(case: dict[str, Any]) -> None:
    data = data_of(case)
    tree = dockerfix.parse(data)
    assert tree.code == data
    expected = without_suggestions(case["expect"])
    assert without_suggestions(dump_json(tree)) == expected
    refused_where_buildkit_refuses(tree, expected)


def refused_where_buildkit_refuses(tree: dockerfix.Dockerfile, expected: dict[str, Any]) -> None:
    if "error" not in expected:
        assert not tree.errors
        assert not tree.notes
        return
    lines = expected["error"]["lines"]
    said = [problem for problem in (*tree.errors, *tree.notes) if list(problem.lines) == lines]
    assert said
    shape = any(
        problem.span == one.span
        for problem in said
        for one in tree.instructions
        if isinstance(one, ErrorInstruction | UnknownInstruction)
    )
    whole_file = ("no build stage", "file with no", "only one", "invalid escape", "unknown flag")
    assert shape or said[0].message.startswith(whole_file)


@pytest.mark.parametrize("case", LEXICAL, ids=[case["name"] for case in LEXICAL])
def test_lexical(case: dict[str, Any]) -> None:
    same_as_buildkit(case)


@pytest.mark.parametrize("name", ["buildkit_testfiles", "buildkit_gotests"])
def test_upstream(name: str, vectors: Path) -> None:
    cases = json.loads((vectors / f"{name}.json").read_text("utf-8"))
    assert cases
    for case in cases:
        same_as_buildkit(case)


@pytest.mark.parametrize("case", MOUNTS, ids=[case["value"] or "(empty)" for case in MOUNTS])
def test_mount_values(case: dict[str, Any]) -> None:
    value = case["value"].replace("'", "\\'").replace('"', '\\"').replace(" ", "\\ ")
    tree = dockerfix.parse(f"FROM x\nRUN --mount={value} c\n".encode())
    run = tree.instructions[1]
    expected = without_suggestions(case)
    if isinstance(run, ErrorInstruction):
        # Flags that are no CSV are refused before any option is looked at.
        assert "failed to parse csv mounts" in expected["error"]
        assert "failed to parse csv mounts" in run.message
        return
    assert isinstance(run, Run)
    assert run.flags[0].value == case["value"]
    if "error" in expected:
        with pytest.raises(MountError, match=f"^{re.escape(expected['error'])}$"):
            meaning(run.mounts[0].options)
        return
    found = meaning(run.mounts[0].options)
    keys = ("env", "gid", "id", "mode", "readonly", "required", "source", "target", "type", "uid")
    assert {key: getattr(found, key) for key in keys} == {key: case[key] for key in keys}
    assert found.from_ == case["from"]


PLAIN = [case for case in WORDS if "$" not in case["word"]]


@pytest.mark.parametrize("case", PLAIN, ids=[case["word"] for case in PLAIN])
def test_words_as_the_shell_lexer_splits_them(case: dict[str, Any]) -> None:
    if "words_error" in case:
        with pytest.raises(HeredocError):
            words(case["word"])
    else:
        assert words(case["word"]) == (case["words"] or [])
