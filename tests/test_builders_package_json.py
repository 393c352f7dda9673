"""Scripts of a package.json: the shell's rules inside JSON strings, and none of cmd.exe's broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from turning import calls_in, turned

from dockerfix.builders import package_json
from dockerfix.finding import Refusal

if TYPE_CHECKING:
    from pathlib import Path

FILE = "web/package.json"
CHANGED = [
    ("docker build --build-arg X .", "docker build --secret id=X,env=X ."),
    ('docker build --build-arg "X=$X" .', 'docker build --secret "id=X,env=X" .'),
    ("a && docker buildx build --build-arg=X=${Y} . | b", "a && docker buildx build --secret=id=X,env=Y . | b"),
    ("cross-env A=1 docker build --build-arg X=$(cat 'f\\t') .", "cross-env X=\"$(cat 'f\\t')\" A=1 docker build --secret id=X,env=X ."),
    ("docker build --build-arg X=$(cat f) .", 'X="$(cat f)" docker build --secret id=X,env=X .'),
    ("export A=1 && docker build --build-arg X=1 .", "export A=1 && X=1 docker build --secret id=X,env=X ."),
    ("cross-env X=1 docker build --build-arg X .", "cross-env X=1 docker build --secret id=X,env=X ."),
]  # fmt: skip


@pytest.mark.parametrize(("before", "wanted"), CHANGED)
def test_scripts(tmp_path: Path, before: str, wanted: str) -> None:
    value = {"name": "é", "scripts": {"image": before, "test": "jest"}, "x": [1]}
    for text in (json.dumps(value), json.dumps(value, indent="\t", ensure_ascii=False) + "\n"):
        result = turned(package_json, tmp_path, {FILE: text}, FILE, ["X"])
        assert not isinstance(result, Refusal)
        after = json.loads(result[FILE])
        assert after["scripts"].pop("image") == wanted
        assert after == {"name": "é", "scripts": {"test": "jest"}, "x": [1]}


@pytest.mark.parametrize(
    "script", ["docker build --build-arg X=1 .", "docker build --build-arg X=%X% ."]
)
def test_a_variable_before_the_command_is_refused(tmp_path: Path, script: str) -> None:
    text = json.dumps({"scripts": {"image": script}})
    result = turned(package_json, tmp_path, {FILE: text}, FILE, ["X"])
    assert isinstance(result, Refusal)
    assert "cmd.exe" in result.reason


@pytest.mark.parametrize(("script", "cwd"), [("", "web"), ("cd .. && ", ""), ("cd a && ", "web/a")])
def test_scripts_start_in_their_folder(tmp_path: Path, script: str, cwd: str) -> None:
    text = json.dumps({"scripts": {"image": f"{script}docker build --build-arg X ."}})
    (call,) = calls_in(package_json, tmp_path, {FILE: text}, FILE)
    assert (call.cwd, call.kind) == (cwd, "package.json")


@pytest.mark.parametrize(
    "text",
    ['{"scripts": {"a": "docker build --build-arg X ."', '{"scripts": [1]} build', '"scripts": docker build', ""],
)  # fmt: skip
def test_broken_files_do_not_raise(tmp_path: Path, text: str) -> None:
    assert len(calls_in(package_json, tmp_path, {FILE: text}, FILE)) <= 1
