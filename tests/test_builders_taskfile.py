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
    ("docker build --build-arg X={{.X | shellQuote}} .",
     "X={{.X | shellQuote}} docker build --secret id=X,env=X ."),
    ("docker build --build-arg 'X={{.A}}' .", "X='{{.A}}' docker build --secret 'id=X,env=X' ."),
    ("T=1; docker build --build-arg X=$T .", 'T=1; X="$T" docker build --secret id=X,env=X .'),
    ("docker build \\\n  --build-arg X \\\n  .\n", "docker build \\\n  --secret id=X,env=X \\\n  .\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "wanted"), CHANGED)
@pytest.mark.parametrize("style", ["cmds", "cmd", "list", "text", "entry", "defer"])
def test_commands(tmp_path: Path, before: str, wanted: str, style: str) -> None:
    task: object = {
        "cmds": {"cmds": ["echo a", before]},
        "cmd": {"cmd": before},
        "list": [before],
        "text": before,
        "defer": {"cmds": [{"defer": before}]},
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
    [
        ("", "a"),
        ("    dir: b\n", "a/b"),
        ("    dir: ..\n", ""),
        ("    dir: '{{.D}}'\n", None),
        ("    dir: '{{.TASKFILE_DIR}}/b'\n", "a/b"),
        ("    dir: '{{ .ROOT_DIR }}'\n", "a"),
    ],
)
def test_commands_run_in_the_tasks_folder(tmp_path: Path, more: str, cwd: str | None) -> None:
    text = f"tasks:\n  t:\n{more}    cmds: [docker build --build-arg X .]\n"
    (call,) = calls_in(taskfile, tmp_path, {FILE: text}, FILE)
    assert (call.cwd, call.kind) == (cwd, "taskfile")


INCLUDES = [
    ("web: ./web", "web/Taskfile.yml", ""),
    ("web: ./web/Tasks.yml", "web/Tasks.yml", ""),
    ("web: {taskfile: ./web, dir: ./web}", "web/Taskfile.yml", "web"),
    ("web: {taskfile: ./web, dir: '{{.D}}'}", "web/Taskfile.yml", None),
    ("other: ./other", "web/Taskfile.yml", "web"),
]


@pytest.mark.parametrize(("include", "path", "cwd"), INCLUDES)
def test_included_tasks_run_where_the_including_file_says(
    tmp_path: Path, include: str, path: str, cwd: str | None
) -> None:
    text = "version: '3'\ntasks:\n  t:\n    cmds: [docker build --build-arg X .]\n"
    files = {path: text, "Taskfile.yml": f"version: '3'\nincludes:\n  {include}\n"}
    assert taskfile.claims(path, text.encode())
    (call,) = calls_in(taskfile, tmp_path, files, path)
    assert call.cwd == cwd


def test_a_compose_file_is_no_taskfile() -> None:
    assert not taskfile.claims("a.yml", b"version: '3'\nservices:\n  tasks:\n")
