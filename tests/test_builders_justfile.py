"""Justfiles: a line is a shell, a shebang makes a script, and what another shell runs is not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from turning import calls_in, turned

from dockerfix.builders import justfile
from dockerfix.finding import Refusal

if TYPE_CHECKING:
    from pathlib import Path

FILE = "justfile"
CHANGED = [
    ("a:\n    @docker build --build-arg X=$X .\n", "a:\n    @docker build --secret id=X,env=X .\n"),
    ("a:\n\tdocker build \\\n\t\t--build-arg X \\\n\t\t.\n", "a:\n\tdocker build \\\n\t\t--secret id=X,env=X \\\n\t\t.\n"),
    ("t := env('T')\na:\n    docker build --build-arg X={{t}} .\n",
     "t := env('T')\na:\n    docker build --secret id=X,env=T .\n"),
    ("t := env_var_or_default('T', '')\na:\n    docker build --build-arg X={{ t }} .\n",
     "t := env_var_or_default('T', '')\na:\n    docker build --secret id=X,env=T .\n"),
    ("t := env('T', 'd')\na:\n    docker build --build-arg X={{t}} .\n",
     "t := env('T', 'd')\na:\n    X=\"{{t}}\" docker build --secret id=X,env=X .\n"),
    ("a t:\n    -docker build --build-arg 'X={{t}}' .\n",
     "a t:\n    -X='{{t}}' docker build --secret 'id=X,env=X' .\n"),
    ("a t:\n    docker build --build-arg X={{quote(t)}} .\n",
     "a t:\n    X={{quote(t)}} docker build --secret id=X,env=X .\n"),
    ("set shell := ['bash', '-uc']\na:\n    docker build --build-arg X=$X .\n",
     "set shell := ['bash', '-uc']\na:\n    X=\"$X\" docker build --secret id=X,env=X .\n"),
    ("set shell := ['bash', '-uc']\na:\n    #!/bin/sh\n    docker build --build-arg X=$X .\n",
     "set shell := ['bash', '-uc']\na:\n    #!/bin/sh\n    docker build --secret id=X,env=X .\n"),
    ("[script]\na:\n    docker build --build-arg X=$X .\n",
     "[script]\na:\n    X=\"$X\" docker build --secret id=X,env=X .\n"),
    ("[script]\na:\n    T=1\n    docker build --build-arg X=$T .\n",
     "[script]\na:\n    T=1\n    X=\"$T\" docker build --secret id=X,env=X .\n"),
    ("a:\n    T=1\n    docker build --build-arg X=$T .\n",
     "a:\n    T=1\n    docker build --secret id=X,env=T .\n"),
    ("a:\n    #!/bin/sh\n    T=1\n    docker build --build-arg X=$T .\n",
     "a:\n    #!/bin/sh\n    T=1\n    X=\"$T\" docker build --secret id=X,env=X .\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "wanted"), CHANGED)
@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_recipes(tmp_path: Path, before: str, wanted: str, eol: str) -> None:
    text = before.replace("\n", eol)
    result = turned(justfile, tmp_path, {FILE: text}, FILE, ["X"])
    assert not isinstance(result, Refusal)
    assert result[FILE].decode() == wanted.replace("\n", eol)


@pytest.mark.parametrize(
    "text",
    [
        "a:\n    #!/usr/bin/env python\n    docker build --build-arg X .\n",
        'set shell := ["pwsh", "-c"]\na:\n    docker build --build-arg X .\n',
        "set windows-powershell\na:\n    docker build --build-arg X .\n",
        "[script('python3')]\na:\n    docker build --build-arg X .\n",
        "# docker build --build-arg X .\n",
    ],
)
def test_what_is_no_shell_is_not_read(tmp_path: Path, text: str) -> None:
    assert calls_in(justfile, tmp_path, {FILE: text}, FILE) == []


def test_recipes_run_in_the_folder_of_the_file(tmp_path: Path) -> None:
    text = "a:\n    cd b && docker build --build-arg X c\n"
    (call,) = calls_in(justfile, tmp_path, {"d/justfile": text}, "d/justfile")
    assert (call.cwd, call.context, call.kind) == ("d/b", "c", "justfile")


def test_recipes_run_where_the_file_says(tmp_path: Path) -> None:
    text = (
        "set working-directory := '..'\na:\n    docker build --build-arg X .\n"
        "[group('x')]\n[working-directory: 'web']\nb c:\n    docker build --build-arg X .\n"
    )
    calls = calls_in(justfile, tmp_path, {"d/justfile": text}, "d/justfile")
    assert [call.cwd for call in calls] == ["", "web"]
