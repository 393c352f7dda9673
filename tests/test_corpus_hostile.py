"""The bytes that break parsers: never changed, never a traceback, named where they are broken."""

from __future__ import annotations

import os
import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest
from corpus_samples import HOSTILE, dockerfix, tree

import dockerfix as package

if TYPE_CHECKING:
    from pathlib import Path

CASES = tomllib.loads((HOSTILE / "cases.toml").read_text())
LEAK = b"FROM node:20-alpine\nARG NPM_TOKEN\nRUN npm ci\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".dockerfix.toml").write_text("root = true\n")
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_parsing_loses_no_byte(name: str) -> None:
    data = (HOSTILE / f"{name}.Dockerfile").read_bytes()
    parsed = package.parse(data, f"{name}.Dockerfile")
    assert parsed.code == data
    assert b"".join(child.code for child in parsed.children) == data


def test_the_table_names_every_file() -> None:
    assert {f"{name}.Dockerfile" for name in CASES} == {
        p.name for p in HOSTILE.glob("*.Dockerfile")
    }


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_is_left_alone_and_named(name: str, folder: Path) -> None:
    file = folder / f"{name}.Dockerfile"
    shutil.copyfile(HOSTILE / file.name, file)
    data = file.read_bytes()
    done = dockerfix(folder, "--write", "--unsafe-fixes")
    assert b"Traceback" not in done.stderr
    assert file.read_bytes() == data
    said = (done.stdout + done.stderr).decode()
    assert (done.returncode == 2) == CASES[name]["reported"], said
    if CASES[name]["reported"]:
        assert any(
            line.startswith(file.name) or f" {file.name}:" in line for line in said.splitlines()
        )


def test_one_bad_file_does_not_stop_the_others(folder: Path) -> None:
    shutil.copytree(HOSTILE, folder, dirs_exist_ok=True)
    (folder / ".dockerfix.toml").write_text("root = true\n")
    before = tree(folder)
    (folder / "Dockerfile").write_bytes(LEAK)
    done = dockerfix(folder, "--write")
    assert b"Traceback" not in done.stderr
    assert b"ARG" not in (folder / "Dockerfile").read_bytes(), done.stderr.decode()
    assert {path: data for path, data in tree(folder).items() if path != "Dockerfile"} == before
    assert done.returncode == 2


def long_line(length: int) -> bytes:
    """A LABEL of `length` bytes, its line ending not counted."""
    return b"LABEL text=" + b"x" * (length - len("LABEL text=")) + b"\n"


def test_the_longest_line_that_builders_read_is_an_ordinary_line(folder: Path) -> None:
    line = long_line(65_535)
    (folder / "Dockerfile").write_bytes(LEAK + line)
    done = dockerfix(folder, "--write")
    mount = b"RUN --mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN,required npm ci\n"
    expected = b"# syntax=docker/dockerfile:1\nFROM node:20-alpine\n" + mount + line
    assert (folder / "Dockerfile").read_bytes() == expected, done.stderr.decode()


@pytest.mark.parametrize("length", [65_536, 1_000_000])
def test_a_longer_line_is_named_and_left_alone(length: int, folder: Path) -> None:
    data = LEAK + long_line(length)
    (folder / "Dockerfile").write_bytes(data)
    done = dockerfix(folder, "--write")
    assert (folder / "Dockerfile").read_bytes() == data
    assert b"Dockerfile:4" in done.stderr
    assert done.returncode == 2


def test_a_big_file_takes_no_age(folder: Path) -> None:
    rest = b"RUN echo one && \\\n    echo two\n" * 60_000
    (folder / "Dockerfile").write_bytes(b"FROM alpine:3.20\n" + rest)
    done = dockerfix(folder, "--check")
    assert done.returncode == 0, done.stderr.decode()


def test_what_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "app").mkdir()
    (folder / "app" / "Dockerfile").mkdir()
    (folder / "gone.Dockerfile").symlink_to("nowhere")
    (folder / "Dockerfile").write_bytes(LEAK)
    done = dockerfix(folder, "--write")
    assert b"Traceback" not in done.stderr
    assert b"gone.Dockerfile" in done.stderr
    assert b"ARG" not in (folder / "Dockerfile").read_bytes()
    assert done.returncode == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_named(folder: Path) -> None:
    (folder / "Dockerfile").write_bytes(LEAK)
    (folder / "Dockerfile").chmod(0)
    done = dockerfix(folder, "--check")
    assert done.returncode == 2
    assert b"Dockerfile" in done.stderr
