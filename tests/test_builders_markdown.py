"""Commands in Markdown change with a fix and never hold one back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from turning import calls_in, turned
from whole_rewrites import looked_at

from dockerfix.builders import markdown
from dockerfix.finding import Refusal

ROOT = Path(__file__).resolve().parent.parent
CHANGED = [
    ("```sh\ndocker build --build-arg X .\n```\n", "```sh\ndocker build --secret id=X,env=X .\n```\n"),
    ("```\n$ docker build --build-arg X=1 .\n```\n", "```\n$ X=1 docker build --secret id=X,env=X .\n```\n"),
    ("~~~console\n# docker build \\\n>   --build-arg X=$X .\ndone --build-arg X\n~~~\n",
     "~~~console\n# docker build \\\n>   --build-arg X=$X .\ndone --build-arg X\n~~~\n"),
    ("```console\n$ docker build \\\n>   --build-arg X=$X .\ndone --build-arg X\n```\n",
     "```console\n$ docker build \\\n>   --secret id=X,env=X .\ndone --build-arg X\n```\n"),
    ("```sh\ndocker build --build-arg X={YOUR TOKEN} .\n```\n", "```sh\nX=\"{YOUR TOKEN}\" docker build --secret id=X,env=X .\n```\n"),
    ("```console\nme@host:~/a$ docker build --build-arg X=$X .\n```\n", "```console\nme@host:~/a$ docker build --secret id=X,env=X .\n```\n"),
    ("Build:\n\n    $ docker build --build-arg X .\n    $ ls\n\nDone\n", "Build:\n\n    $ docker build --secret id=X,env=X .\n    $ ls\n\nDone\n"),
    ("* a\n\n  ```bash\n  docker build --build-arg X=<your token> .\n  ```\n",
     "* a\n\n  ```bash\n  X=\"<your token>\" docker build --secret id=X,env=X .\n  ```\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "wanted"), CHANGED)
@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_fenced_commands(tmp_path: Path, before: str, wanted: str, eol: str) -> None:
    text = before.replace("\n", eol)
    if before == wanted:
        assert calls_in(markdown, tmp_path, {"README.md": text}, "README.md") == []
        return
    result = turned(markdown, tmp_path, {"README.md": text}, "README.md", ["X"])
    assert not isinstance(result, Refusal)
    assert result["README.md"].decode() == wanted.replace("\n", eol)


@pytest.mark.parametrize(
    "text",
    ["docker build --build-arg X .\n", "```yaml\ndocker build --build-arg X .\n```\n", "a\n    docker build --build-arg X .\n"],
)  # fmt: skip
def test_prose_and_other_languages_are_no_commands(tmp_path: Path, text: str) -> None:
    assert calls_in(markdown, tmp_path, {"a.md": text}, "a.md") == []


def dockerfix(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dockerfix", *arguments],
        cwd=where,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.fspath(ROOT), "NO_COLOR": "1"},
        timeout=60,
    )


def test_what_a_readme_shows_is_no_caller(tmp_path: Path) -> None:
    """It neither holds the fix back nor makes it unsafe; what cannot be turned is listed."""
    (tmp_path / ".dockerfix.toml").write_text("root = true\n")
    (tmp_path / "Dockerfile").write_text("FROM a\nARG NPM_TOKEN\nRUN npm ci\n")
    (tmp_path / "build.sh").write_text("#!/bin/sh\ndocker build --build-arg NPM_TOKEN .\n")
    (tmp_path / "README.md").write_text(
        "```sh\ndocker build .\ndocker build --build-arg NPM_TOKEN=1 .\n"
        "ssh h docker build --build-arg NPM_TOKEN .\n```\n"
    )
    report = json.loads(dockerfix(tmp_path, "--output-format", "json").stdout)
    (finding,) = report["findings"]
    assert (finding["safety"], finding["refusals"]) == ("safe", [])
    assert [(one["path"], one["line"]) for one in report["not_changed"]] == [("README.md", 4)]
    dockerfix(tmp_path, "--write")
    assert (tmp_path / "README.md").read_text() == (
        "```sh\ndocker build .\nNPM_TOKEN=1 docker build --secret id=NPM_TOKEN,env=NPM_TOKEN .\n"
        "ssh h docker build --build-arg NPM_TOKEN .\n```\n"
    )


def test_a_command_of_another_dockerfile_changes_with_that_one(tmp_path: Path) -> None:
    """It is not text that stays as it is, for whichever of the two."""
    run = "FROM node:20\nARG T_TOKEN\nRUN npm ci --ignore-scripts\n"
    shown = "```sh\ndocker build --build-arg T_TOKEN=1234 .\n```\n"
    files = {"a/Dockerfile": run, "b/Dockerfile": run, "a/README.md": shown, "b/README.md": shown}
    result = looked_at(tmp_path, files)
    assert {"a/README.md", "b/README.md"} <= set(result.changes)
    assert not result.not_changed
