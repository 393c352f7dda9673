"""Taskfiles: commands change as shell does, and YAML is read as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from turning import calls_in, turned

from dockerfix.builders import taskfile
from dockerfix.finding import Refusal

if TYPE_CHECKING:
    from pathlib import Path

FILE = "a/Taskfile.yml"
CHANGED = [
    ("docker build --build-arg X=$X .", "docker build --secret id=X,env=X ."),
    ("docker build --build-arg X={{.X}} .", 'X="{{.X}}" docker build --secret id=X,env=X .'),
    ("docker build --build-arg 'X={{.A}}' .", "X='{{.A}}' docker build --secret 'id=X,env=X' ."),
    ("T=1; docker build --build-arg X=$T .", 'T=1; X="$T" docker build --secret id=X,env=X .'),
    ("docker build \\\n  --build-arg X \\\n  .\n", "docker build \\\n  --secret id=X,env=X \\\n  .\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "wanted"), CHANGED)
@pytest.mark.parametrize("style", ["cmds", "cmd", "list", "text", "entry"])
def test_commands(tmp_path: Path, before: str, wanted: str, style: str) -> None:
    task: object = {
        "cmds": {"cmds": ["echo a", before]},
        "cmd": {"cmd": before},
        "list": [before],
        "text": before,
        "entry": {"cmds": [{"cmd": before, "silent": True}]},
    }[style]
    value = {"version": "3", "tasks": {"build": task}}
    text = yaml.safe_dump(value, width=1000)
    result = turned(taskfile, tmp_path, {FILE: text}, FILE, ["X"])
    assert not isinstance(result, Refusal)
    expected = yaml.safe_load(text.replace(before, wanted)) if before in text else None
    after = yaml.safe_load(result[FILE])
    assert wanted in repr_of(after)
    assert before not in repr_of(after)
    if expected is not None:
        assert after == expected


def repr_of(value: object) -> str:
    if isinstance(value, dict):
        return "\0".join(map(repr_of, value.values()))
    return "\0".join(map(repr_of, value)) if isinstance(value, list) else str(value)


@pytest.mark.parametrize(
    ("more", "cwd"),
    [("", "a"), ("    dir: b\n", "a/b"), ("    dir: ..\n", ""), ("    dir: '{{.D}}'\n", None)],
)
def test_commands_run_in_the_tasks_folder(tmp_path: Path, more: str, cwd: str | None) -> None:
    text = f"tasks:\n  t:\n{more}    cmds: [docker build --build-arg X .]\n"
    (call,) = calls_in(taskfile, tmp_path, {FILE: text}, FILE)
    assert (call.cwd, call.kind) == (cwd, "taskfile")
