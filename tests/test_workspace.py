"""`Workspace`: roots, what is listed, what is ignored (checked against git), what is refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dockerfix.workspace import LIMIT, Unreadable, Workspace, find_root, looks_like_dockerfile
from dockerfix.workspace.gitignore import Ignore, ignored_by


def lay_out(root: Path, files: dict[str, bytes | str]) -> None:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dockerfile", True),
        ("dockerfile", True),
        ("Containerfile", True),
        ("api.Dockerfile", True),
        ("api.dockerfile", True),
        ("Dockerfile.prod", True),
        ("Dockerfile.prod.dockerignore", False),
        (".dockerignore", False),
        ("Dockerfile.dockerignore", False),
        ("Dockerfile-notes.md", False),
        ("Dockerfile-atlas", True),
        ("Dockerfile_export", True),
        ("MyDockerfile", False),
        ("Dockerfile.", False),
    ],
)
def test_which_names_are_dockerfiles(name: str, expected: bool) -> None:
    assert looks_like_dockerfile(name) is expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("dockerfile.md", "# Dockerfile\n\nFrom the base image we take all.\n", False),
        ("dockerfile.md", "FROM base tells docker where to start\n", False),
        ("dockerfile.py", "# Rules\nfrom rules import Rule\n", False),
        ("dockerfile.py", "from rules import (\n", False),
        ("dockerfile.test.ts", 'import { it } from "vitest"\n', False),
        ("Dockerfile.go", "package main\n", False),
        (
            "Dockerfile.go",
            "# syntax=docker/dockerfile:1\r\n\r\nARG V=1\r\nFROM golang:$V\r\n",
            True,
        ),
        ("Dockerfile.py", "from --platform=linux/amd64 python:3 as base\nRUN pip list\n", True),
        ("Dockerfile.sh", "FROM alpine", True),
        ("Dockerfile.js", "FROM \\\n  node:20\n", True),
        ("Dockerfile.prod", "whatever it is\n", True),
    ],
)
def test_a_page_or_code_about_dockerfiles_is_none(
    tmp_path: Path, name: str, text: str, expected: bool
) -> None:
    (tmp_path / name).write_text(text)
    assert bool(Workspace(str(tmp_path)).dockerfiles()) is expected


def test_the_root_is_the_nearest_folder_that_says_so(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {
            ".git/HEAD": "",
            "samples/one/.dockerfix.toml": "# a sample\nroot = true\n",
            "samples/one/deep/Dockerfile": "FROM a\n",
            "samples/two/.dockerfix.toml": "[secrets.X]\nroot = true\n",
            "samples/two/Dockerfile": "FROM a\n",
        },
    )
    assert find_root(str(tmp_path / "samples/one/deep/Dockerfile")) == str(tmp_path / "samples/one")
    assert find_root(str(tmp_path / "samples/one/deep")) == str(tmp_path / "samples/one")
    assert find_root(str(tmp_path / "samples/two/Dockerfile")) == str(tmp_path)


def test_a_work_tree_that_is_a_git_file_is_a_root(tmp_path: Path) -> None:
    lay_out(tmp_path, {"sub/.git": "gitdir: elsewhere\n", "sub/a/Dockerfile": ""})
    assert find_root(str(tmp_path / "sub/a")) == str(tmp_path / "sub")


def test_without_either_the_folder_itself_is_the_root(tmp_path: Path) -> None:
    lay_out(tmp_path, {"a/Dockerfile": ""})
    assert find_root(str(tmp_path / "a")) == str(tmp_path / "a")
    assert find_root(str(tmp_path / "a/Dockerfile")) == str(tmp_path / "a")


def test_files_are_walked_hidden_ones_too_but_not_git_and_nested_roots(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {
            "Dockerfile": "FROM a\n",
            ".github/workflows/ci.yml": "",
            ".git/config": "",
            "node_modules/x/Dockerfile": "",
            "logo.png": "",
            "nested/.dockerfix.toml": "root = true\n",
            "nested/Dockerfile": "",
            "module/.git": "gitdir: x\n",
            "module/Dockerfile": "",
        },
    )
    workspace = Workspace(str(tmp_path))
    assert workspace.files() == (".github/workflows/ci.yml", "Dockerfile")
    assert workspace.nested_roots() == ("module", "nested")


IGNORES = {
    ".gitignore": "*.log\n!keep.log\n/build\nout/\n**/gen/*.sh\ndocs/**/tmp\n# no\n\\#odd\n"
    "a[0-9]b\nspaced\\ \ntrail   \n*.tmp\n!/sub/x.tmp\nfoo/**\nx\\*y\n[!q]uux\nz**z\n",
    "sub/.gitignore": "!*.log\nlocal\n/anchored\n*.tmp\n",
    "sub/deep/.gitignore": "*\n!*.sh\n",
}
PATHS = [
    "a.log", "keep.log", "sub/b.log", "build/x", "sub/build/x", "out/x", "sub/out/x", "sub/out",
    "gen/a.sh", "x/y/gen/a.sh", "x/gen/y/a.sh", "docs/tmp", "docs/a/tmp", "docs/a/b/tmp/c", "#odd",
    "a1b", "axb", "spaced ", "trail", "sub/x.tmp", "sub/local", "local", "sub/anchored",
    "sub/x/anchored", "sub/deep/a.sh", "sub/deep/a.txt", "sub/deep/er/a.sh", "foo/bar", "foo/a/b",
    "x*y", "xzy", "buux", "quux", "zaz", "za/z", "é.log", "sub/deep/.gitignore",
]  # fmt: skip


def test_gitignore_means_what_git_says(tmp_path: Path) -> None:
    lay_out(tmp_path, {**IGNORES, **{path: "" for path in PATHS if path != "sub/out"}})
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".git/info/exclude").write_text("zaz\n")
    asked = [path for path in PATHS if path != "sub/out"]
    done = subprocess.run(
        ["git", "check-ignore", "-z", "--no-index", "--stdin"],
        cwd=tmp_path,
        input="\0".join(asked).encode(),
        capture_output=True,
    )
    expected = {name.decode() for name in done.stdout.split(b"\0") if name}
    ignore = Ignore(str(tmp_path))
    assert {path for path in asked if ignore.ignored(path)} == expected
    listed = set(Workspace(str(tmp_path)).files())
    assert {path for path in asked if path in listed} == set(asked) - expected


def test_rules_above_the_root_count_too(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {".git/HEAD": "", ".gitignore": "in/*.sh\n", "in/.dockerfix.toml": "root = true\n"},
    )
    lay_out(tmp_path, {"in/a.sh": "", "in/b.txt": ""})
    workspace = Workspace(str(tmp_path / "in"))
    assert workspace.files() == (".dockerfix.toml", "b.txt")
    assert workspace.ignored_files() == ("a.sh",)
    assert workspace.ignored("a.sh")


def test_exclude_patterns_are_those_of_gitignore() -> None:
    assert ignored_by("vendor/\n*.old", "vendor/a/Dockerfile")
    assert ignored_by("vendor/\n*.old", "x/Dockerfile.old")
    assert not ignored_by("vendor/\n*.old", "a/Dockerfile")


def test_an_overlay_changes_what_is_read_and_nothing_on_disk(tmp_path: Path) -> None:
    lay_out(tmp_path, {"Dockerfile": "old", "b": "b"})
    workspace = Workspace(str(tmp_path))
    over = workspace.overlay({"Dockerfile": b"new", "c/Dockerfile": b"fresh"})
    assert over.read("Dockerfile") == b"new"
    assert over.read("b") == b"b"
    assert over.dockerfiles() == ("Dockerfile", "c/Dockerfile")
    assert over.exists("c/Dockerfile")
    assert workspace.read("Dockerfile") == b"old"
    assert (tmp_path / "Dockerfile").read_bytes() == b"old"


def unreadable(workspace: Workspace, path: str) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        workspace.read(path)
    return caught.value


def test_what_cannot_be_read_is_said_and_listed(tmp_path: Path) -> None:
    lay_out(tmp_path, {"root/Dockerfile/x": "", "outside/Dockerfile": "FROM a\n"})
    root = tmp_path / "root"
    (root / "Dockerfile.gone").symlink_to("nowhere")
    (root / "Dockerfile.out").symlink_to("../outside/Dockerfile")
    os.mkfifo(root / "Dockerfile.pipe")
    workspace = Workspace(str(root))
    assert "folder" in unreadable(workspace, "Dockerfile").message
    assert "nowhere" in unreadable(workspace, "Dockerfile.gone").message
    assert "outside the root" in unreadable(workspace, "Dockerfile.out").message
    assert "regular" in unreadable(workspace, "Dockerfile.pipe").message
    assert "no such file" in unreadable(workspace, "missing").message
    odd = ("Dockerfile", "Dockerfile.gone", "Dockerfile.out", "Dockerfile.pipe")
    assert workspace.dockerfiles() == odd
    assert not workspace.exists("Dockerfile.out")


def test_a_file_that_is_too_big_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "Dockerfile", "wb") as file:
        file.truncate(LIMIT + 1)
    assert str(LIMIT) in unreadable(Workspace(str(tmp_path)), "Dockerfile").message


def test_no_path_leads_out_of_the_root(tmp_path: Path) -> None:
    lay_out(tmp_path, {"root/a": "", "secret": "x"})
    workspace = Workspace(str(tmp_path / "root"))
    assert "outside the root" in unreadable(workspace, "../secret").message
    assert not workspace.exists("../secret")
    assert workspace.head("../secret") == b""
    assert workspace.relative(str(tmp_path / "secret")) is None


def test_a_symlink_inside_the_root_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    lay_out(tmp_path, {"docker/base": "FROM a\n"})
    (tmp_path / "Dockerfile").symlink_to("docker/base")
    workspace = Workspace(str(tmp_path))
    assert workspace.canonical("Dockerfile") == "docker/base"
    assert workspace.read("Dockerfile") == b"FROM a\n"
