"""Flags of a build in a makefile that another one includes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from makefiles import RECORD, calls_in, changed, recorded, turned

from dockerfix.edits import Fix, Safety, apply
from dockerfix.finding import Refusal
from dockerfix.source import Source

if TYPE_CHECKING:
    from pathlib import Path


INCLUDED = {
    "Makefile": "include common.mk\nT = $(X)\nb:\n\tdocker build $(ARGS) .\n",
    "common.mk": "ARGS = --pull --build-arg X=$(T)\n",
}


def everything(root: Path, files: dict[str, str]) -> dict[str, str] | Refusal:
    """All files after X became a secret."""
    operations = []
    for call in calls_in(root, files):
        for arg in call.passes("X"):
            result = call.take_secret(arg, "X")
            if isinstance(result, Refusal):
                return result
            operations += result
    sources = {path: Source(path, text.encode()) for path, text in files.items()}
    after = apply(sources, [Fix("test", Safety.SAFE, "none", tuple(operations))])
    return {**files, **{path: data.decode() for path, data in after.items()}}


def test_flags_of_an_included_file_change_there(tmp_path: Path) -> None:
    (call,) = calls_in(tmp_path, INCLUDED)
    (arg,) = call.args
    assert arg.path == "common.mk"
    assert INCLUDED["common.mk"][arg.span.start : arg.span.end] == "--build-arg X=$(T)"
    assert everything(tmp_path, INCLUDED) == {
        "Makefile": INCLUDED["Makefile"].replace("docker", "X=$(T) docker"),
        "common.mk": "ARGS = --pull --secret id=X,env=X\n",
    }


@pytest.mark.skipif(shutil.which("make") is None, reason="no GNU make on PATH")
def test_docker_gets_the_same_value_from_an_included_file(tmp_path: Path) -> None:
    after = everything(tmp_path, INCLUDED)
    assert isinstance(after, dict)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(RECORD)
    (tmp_path / "bin" / "docker").chmod(0o755)
    found = []
    for files in (INCLUDED, after):
        (tmp_path / "common.mk").write_text(files["common.mk"])
        found.append(recorded(tmp_path, files["Makefile"], ["X=plain"], {}))
    assert found[0] == found[1] == [(5, "plain")]


@pytest.mark.parametrize(
    "more",
    [
        {"sub/Makefile": "include ../common.mk\nb:\n\tdocker build $(ARGS) .\n"},
        {"common.mk": INCLUDED["common.mk"] + "b:\n\tpodman-like $(ARGS) .\n"},
    ],
)
def test_flags_of_an_included_file_that_others_use_stay(
    tmp_path: Path, more: dict[str, str]
) -> None:
    result = everything(tmp_path, {**INCLUDED, **more})
    assert isinstance(result, Refusal)
    assert "used where no build is seen" in result.reason


def test_a_refusal_is_placed_in_the_included_file(tmp_path: Path) -> None:
    files = {**INCLUDED, "common.mk": "ARGS := --build-arg X=$(T)\nT = late\n"}
    result = everything(tmp_path, files)
    assert isinstance(result, Refusal)
    assert result.path == "common.mk"
    assert files["common.mk"][result.span.start : result.span.end] == "--build-arg X=$(T)"


def test_an_assignment_in_an_included_file_counts(tmp_path: Path) -> None:
    files = {
        "Makefile": "include mk/common.mk\nb:\n\tdocker build --build-arg X=$(X) .\n",
        "mk/common.mk": "X ?= abc\n",
    }
    after = turned(tmp_path, files)
    assert isinstance(after, str)
    assert changed(files["Makefile"], after) == ["\tX=$(X) docker build --secret id=X,env=X ."]


def test_an_included_makefile_runs_where_its_parent_stands(tmp_path: Path) -> None:
    files = {
        "Makefile": "X ?= 1\ninclude mk/docker.mk\n",
        "mk/docker.mk": "b:\n\tdocker build --build-arg X=$(X) .\n",
    }
    (call,) = calls_in(tmp_path, files, "mk/docker.mk")
    assert call.cwd == ""
    assert not call.args[0].exported
