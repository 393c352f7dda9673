"""The command line, run as a user runs it: streams, exit codes, roots, subcommands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import (
    CALLER,
    CANARY,
    CLEAN,
    DOCKERFILE,
    FIXED,
    FIXED_CALLER,
    ROOT,
    RUN_TIME,
    dockerfix,
    document,
    lay_out,
    text,
)

# Reports


def test_a_report_says_what_is_wrong_why_and_what_to_do(repository: Path) -> None:
    done = dockerfix(repository)
    first, *rest = done.stdout.splitlines()
    assert first.startswith("Dockerfile:2:5: warning: ARG NPM_TOKEN")
    assert first.endswith("[secret-in-arg]")
    assert any(line.startswith("  why: ") for line in rest)
    assert any(line.startswith("  do: ") for line in rest)
    assert "  fix: safe" in done.stdout
    assert "1 finding in 1 Dockerfile" in done.stderr
    assert done.returncode == 1
    assert text(repository / "Dockerfile") == DOCKERFILE


def test_what_another_findings_fix_does_is_not_to_do_by_hand(tmp_path: Path) -> None:
    run = 'RUN git config --global url."https://$T_TOKEN@github.com/".insteadOf https://github.com/'
    lay_out(tmp_path, {"Dockerfile": f"FROM golang:1\nARG T_TOKEN\n{run}\nRUN go mod download\n"})
    done = dockerfix(tmp_path)
    assert "  fix: with that of T_TOKEN" in done.stdout
    assert "by hand" not in done.stdout + done.stderr


def test_a_caller_that_holds_a_fix_back_is_told_once(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {
            "Dockerfile": DOCKERFILE,
            ".drone.yml": "commands:\n- docker build --build-arg NPM_TOKEN .\n",
        },
    )
    done = dockerfix(tmp_path, "Dockerfile")
    assert done.stdout.count(".drone.yml") == 1
    assert "a Drone or Woodpecker pipeline passes NPM_TOKEN" in done.stdout


def test_check_is_one_line_a_finding(repository: Path) -> None:
    done = dockerfix(repository, "--check")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_a_clean_tree_is_quiet(tmp_path: Path) -> None:
    lay_out(tmp_path, {"Dockerfile": CLEAN})
    for arguments in (("--check",), ("--check", "Dockerfile"), ("Dockerfile",), ("--diff",)):
        done = dockerfix(tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (0, ""), arguments


def test_what_only_containers_read_is_reported_and_its_value_never_shown(tmp_path: Path) -> None:
    lay_out(tmp_path, {"Dockerfile": RUN_TIME})
    for arguments in ((), ("--check",), ("--output-format", "json"), ("--write",), ("--diff",)):
        done = dockerfix(tmp_path, *arguments)
        assert done.returncode == 1, arguments
        assert CANARY not in done.stdout + done.stderr, arguments
    assert text(tmp_path / "Dockerfile") == RUN_TIME


def test_the_flag_that_would_add_more_is_named(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {"Dockerfile": f"FROM node:20\nARG NPM_TOKEN={CANARY}\nRUN echo $NPM_TOKEN | npm-login\n"},
    )
    done = dockerfix(tmp_path, "--diff")
    assert done.stdout == ""
    assert done.returncode == 1
    assert "--unsafe-fixes would fix 1 more" in done.stderr
    done = dockerfix(tmp_path, "--diff", "--unsafe-fixes")
    assert f"-ARG NPM_TOKEN={CANARY}" in done.stdout
    assert CANARY not in done.stderr


def test_a_redacted_diff_shows_no_value_and_says_what_it_is(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {
            "Dockerfile": f"FROM node:20\nARG NPM_TOKEN={CANARY}\nENV DB_PASSWORD={CANARY}2\nRUN x $NPM_TOKEN\n"
        },
    )
    done = dockerfix(tmp_path, "--diff", "--unsafe-fixes", "--redact")
    assert "-ARG NPM_TOKEN=***" in done.stdout
    assert CANARY not in done.stdout + done.stderr
    assert "cannot be applied" in done.stderr


# Diffs and writes


def test_the_diff_alone_is_on_stdout_applies_and_is_what_write_writes(repository: Path) -> None:
    patch = dockerfix(repository, "--diff")
    assert patch.returncode == 1
    assert patch.stdout.startswith("--- a/Dockerfile\n+++ b/Dockerfile\n@@ ")
    subprocess.run(
        ["git", "apply", "-"], cwd=repository, input=patch.stdout.encode(), check=True, timeout=60
    )
    assert text(repository / "Dockerfile") == FIXED
    assert text(repository / "build.sh") == FIXED_CALLER
    lay_out(repository, {"Dockerfile": DOCKERFILE, "build.sh": CALLER})
    written = dockerfix(repository, "--write")
    assert (written.returncode, written.stdout) == (0, "")
    assert "Dockerfile:2:5: fixed:" in written.stderr
    assert text(repository / "Dockerfile") == FIXED
    assert text(repository / "build.sh") == FIXED_CALLER
    again = dockerfix(repository, "--diff")
    assert (again.returncode, again.stdout) == (0, "")


def test_the_path_chooses_the_dockerfile_and_its_caller_comes_along(tmp_path: Path) -> None:
    other = "#!/bin/sh\ndocker build --build-arg NPM_TOKEN other\n"
    lay_out(
        tmp_path,
        {
            "app/Dockerfile": DOCKERFILE,
            "other/Dockerfile": DOCKERFILE,
            "ci/build.sh": "#!/bin/sh\ndocker build --build-arg NPM_TOKEN app\n",
            "ci/other.sh": other,
        },
    )
    assert dockerfix(tmp_path, "--write", "app/Dockerfile").returncode == 0
    assert text(tmp_path / "app/Dockerfile") == FIXED
    assert "--secret id=NPM_TOKEN,env=NPM_TOKEN app" in text(tmp_path / "ci/build.sh")
    assert text(tmp_path / "other/Dockerfile") == DOCKERFILE
    assert text(tmp_path / "ci/other.sh") == other
    assert dockerfix(tmp_path, "--write", "ci/other.sh").returncode == 0
    assert text(tmp_path / "other/Dockerfile") == FIXED


def test_from_a_subfolder_the_patch_is_seen_from_the_root(tmp_path: Path) -> None:
    caller = CALLER.replace("-t app .", "app")
    lay_out(tmp_path, {"app/Dockerfile": DOCKERFILE, "build.sh": caller})
    done = dockerfix(tmp_path / "app", "--diff")
    assert "--- a/app/Dockerfile\n" in done.stdout
    assert "--- a/build.sh\n" in done.stdout
    assert f"`git -C {tmp_path} apply`" in done.stderr
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(
        ["git", "-C", str(tmp_path), "apply"], input=done.stdout.encode(), check=True, timeout=60
    )
    assert text(tmp_path / "app/Dockerfile") == FIXED


def test_from_a_subfolder_that_holds_all_changes_the_patch_is_seen_from_there(
    tmp_path: Path,
) -> None:
    lay_out(tmp_path, {"app/Dockerfile": DOCKERFILE, "app/build.sh": CALLER})
    done = dockerfix(tmp_path / "app", "--diff")
    assert done.stdout.startswith("--- a/Dockerfile\n")
    assert "git -C" not in done.stderr


def test_roots_in_a_folder_are_handled_each_for_itself(tmp_path: Path) -> None:
    one = {f"one/{name}": data for name, data in (("Dockerfile", DOCKERFILE), ("b.sh", CALLER))}
    lay_out(
        tmp_path,
        {**one, "one/.dockerfix.toml": "root = true\n", "two/Dockerfile": CLEAN, "b.sh": CALLER},
    )
    done = dockerfix(tmp_path, "--diff")
    assert "--- a/one/Dockerfile" in done.stdout
    assert "--- a/one/b.sh" in done.stdout
    assert "--- a/b.sh" not in done.stdout


@pytest.mark.parametrize("ends", ["crlf", "no final newline"])
def test_bytes_that_no_fix_touches_stay(tmp_path: Path, ends: str) -> None:
    data = DOCKERFILE + "LABEL a=\udce9\n"
    raw = data.encode("utf-8", "surrogateescape")
    raw = raw.replace(b"\n", b"\r\n") if ends == "crlf" else raw.rstrip(b"\n")
    lay_out(tmp_path, {"Dockerfile": raw, "build.sh": CALLER})
    patch = dockerfix(tmp_path, "--diff").stdout.encode("utf-8", "surrogateescape")
    assert dockerfix(tmp_path, "--write").returncode == 0
    written = (tmp_path / "Dockerfile").read_bytes()
    assert written.endswith(b"LABEL a=\xe9" + (b"\r\n" if ends == "crlf" else b""))
    assert written.count(b"\r\n") == (written.count(b"\n") if ends == "crlf" else 0)
    lay_out(tmp_path, {"Dockerfile": raw, "build.sh": CALLER})
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply"], cwd=tmp_path, input=patch, check=True, timeout=60)
    assert (tmp_path / "Dockerfile").read_bytes() == written


def test_an_interrupted_write_is_told_and_dealt_with(repository: Path) -> None:
    (repository / ".dockerfix-journal").write_bytes(b"[[torn")
    done = dockerfix(repository, "--check")
    assert "interrupted" in done.stderr
    assert not (repository / ".dockerfix-journal").exists()


def test_what_another_fix_cures_is_neither_left_by_hand_nor_advised(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(
        b"FROM node:20\nARG T_TOKEN\n"
        b'RUN echo "//r.example.com/:_authToken=$T_TOKEN" > .npmrc\nRUN npm ci\n'
    )
    done = dockerfix(tmp_path, "--diff", "--unsafe-fixes")
    said = done.stderr if isinstance(done.stderr, str) else done.stderr.decode()
    assert "2 findings in 1 Dockerfile; 2 fixed by this diff" in said
    assert "to do by hand" not in said
    assert "write the reference" not in said


# Bad input


def test_bad_files_are_named_and_the_others_still_fixed(repository: Path) -> None:
    lay_out(
        repository,
        {
            "a/Dockerfile": b"\xff\xfeF\0R\0O\0M\0 \0a\0",
            "b/Dockerfile": b"",
            "c/Dockerfile/x": b"",
            "d/Dockerfile": "FROM a\nRUN cat <<EOF\nnever ended\n",
            "f/Dockerfile": b"FROM a\nRUN echo " + b"x" * 1_000_000,
        },
    )
    (repository / "e").mkdir()
    (repository / "e/Dockerfile").symlink_to("nowhere")
    with open(repository / "b/big.Dockerfile", "wb") as file:
        file.truncate(50_000_000)
    before = {path: path.read_bytes() for path in repository.glob("?/*file") if path.is_file()}
    done = dockerfix(repository, "--write")
    assert done.returncode == 2
    for start, said in (
        ("a/Dockerfile:1: error: ", "UTF-16"),
        ("b/Dockerfile: error: ", "empty"),
        ("b/big.Dockerfile: error: ", "50000000 bytes"),
        ("c/Dockerfile: error: ", "folder"),
        ("d/Dockerfile:2: error: ", "heredoc"),
        ("e/Dockerfile: error: ", "nowhere"),
        ("f/Dockerfile:2: error: ", "1000009 bytes"),
    ):
        lines = [line for line in done.stderr.splitlines() if line.startswith(start)]
        assert len(lines) == 1, (start, done.stderr)
        assert said in lines[0]
    assert {path: path.read_bytes() for path in before} == before
    assert text(repository / "Dockerfile") == FIXED
    errors = document(dockerfix(repository, "--output-format=json"))["errors"]
    assert [one["path"] for one in errors] == sorted(one["path"] for one in errors)
    assert len(errors) == 7


def test_a_file_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    lay_out(tmp_path, {"Dockerfile": DOCKERFILE})
    (tmp_path / "Dockerfile").chmod(0)
    done = dockerfix(tmp_path)
    assert done.returncode == 2
    assert "permission" in done.stderr


def test_the_notes_of_a_template_are_one(tmp_path: Path) -> None:
    lay_out(tmp_path, {"Dockerfile": "FROM a\n" + "{% if x %}\nRUN b\n{% endif %}\n" * 3})
    done = dockerfix(tmp_path)
    assert done.stderr.count("note") == 1
    assert "Dockerfile:2: note: unknown instruction: {% (and on 5 more lines)" in done.stderr


def test_an_unknown_instruction_is_a_note_and_no_error(tmp_path: Path) -> None:
    lay_out(tmp_path, {"Dockerfile": "FROM a\nNOVELTY x\n"})
    done = dockerfix(tmp_path, "Dockerfile")
    assert done.returncode == 0
    assert "Dockerfile:2: note: " in done.stderr


def test_a_wrong_configuration_names_file_line_and_key(repository: Path) -> None:
    lay_out(repository, {".dockerfix.toml": "unsafe_fixs = true\n"})
    done = dockerfix(repository, "--write")
    assert done.returncode == 2
    assert ".dockerfix.toml:1: error: unknown key `unsafe_fixs`" in done.stderr
    assert "`unsafe-fixes`" in done.stderr
    assert text(repository / "Dockerfile") == DOCKERFILE


# Wrong use


@pytest.mark.parametrize(
    "arguments",
    [
        ["--check", "--diff"],
        ["--check", "--write"],
        ["--redact"],
        ["--nope"],
        ["--stdin-filename", "x"],
        ["-", "Dockerfile"],
        ["--output-format", "xml"],
        ["--select", "secret-in-agr"],
        ["missing"],
        ["dump"],
        ["explain", "nope"],
    ],
)
def test_wrong_use_is_said_in_a_line_and_exits_2(repository: Path, arguments: list[str]) -> None:
    done = dockerfix(repository, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: " in done.stderr.splitlines()[0]
    if arguments[0] in ("--nope", "missing", "--select", "--redact"):
        found = document(dockerfix(repository, *arguments, "--output-format", "json"))
        assert found["errors"][0]["kind"] == "usage"


def test_help_is_plain_and_names_the_subcommands(repository: Path) -> None:
    done = dockerfix(repository, "--help")
    assert done.returncode == 0
    assert "--unsafe-fixes" in done.stdout
    assert "explain PASS" in done.stdout


# Subcommands


def test_dump_prints_the_tree_the_model_and_the_calls(repository: Path) -> None:
    tree = dockerfix(repository, "dump", "Dockerfile")
    assert "NPM_TOKEN" in tree.stdout
    assert "Run" in tree.stdout
    one = dockerfix(repository, "dump", "--json", "Dockerfile", "Dockerfile").stdout.splitlines()
    assert [json.loads(line)["nodes"][1]["instruction"] for line in one] == ["arg", "arg"]
    assert "arg NPM_TOKEN line 2" in dockerfix(repository, "dump", "--model", "Dockerfile").stdout
    calls = dockerfix(repository, "dump", "--calls", "Dockerfile").stdout
    assert calls.startswith("build.sh:2: docker build")
    assert "build argument NPM_TOKEN from environment NPM_TOKEN" in calls
    bad = dockerfix(repository, "dump", "missing", "Dockerfile")
    assert bad.returncode == 2
    assert "Run" in bad.stdout


def test_explain_prints_the_page_of_a_pass(repository: Path) -> None:
    assert dockerfix(repository, "explain", "secret-in-arg").stdout.startswith("# secret-in-arg")
    every = dockerfix(repository, "explain").stdout
    listed = dict(line.split(maxsplit=1) for line in every.splitlines())
    assert listed["secret-in-arg"] == "a secret that reaches the build through ARG"
    assert every.count("\n") == len(list((ROOT / "docs/passes").glob("*.md")))


def test_wrong_use_of_a_subcommand_names_its_own_help(repository: Path) -> None:
    done = dockerfix(repository, "dump")
    assert done.returncode == 2
    assert done.stderr.endswith("; see dockerfix dump --help\n")
    assert ".;" not in done.stderr


def test_a_patch_says_what_is_left_to_do_and_not_what_it_does(repository: Path) -> None:
    said = dockerfix(repository, "--diff").stderr
    assert "afterwards: a changed secret no longer re-runs a cached step" in said
    assert "which this fix does" not in said


def test_config_prints_what_is_in_force(repository: Path) -> None:
    lay_out(repository, {"api/.dockerfix.toml": 'syntax = "keep"\n'})
    assert 'syntax = "keep"' in dockerfix(repository, "config", "api/Dockerfile").stdout
    assert 'syntax = "insert"' in dockerfix(repository, "config").stdout


# Cold start


def test_a_clean_file_loads_no_engine(tmp_path: Path) -> None:
    lay_out(tmp_path, {"Dockerfile": CLEAN * 25})
    program = (
        "import sys\nfrom dockerfix.cli import start\n"
        "assert start(['--check', 'Dockerfile']) == 0\n"
        "heavy = {'dockerfix.engine.rounds', 'dockerfix.syntax', 'rich', 'json', 'tomllib', 'lark',"
        " 'tree_sitter', 'dataclasses'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.stdout == "[]\n", done.stderr


def test_what_several_dockerfiles_are_refused_for_is_told_once_each(tmp_path: Path) -> None:
    names = ("a/Dockerfile", "b/Dockerfile", "c/Dockerfile")
    lay_out(
        tmp_path,
        {
            **dict.fromkeys(names, "FROM alpine\nCOPY . .\nRUN ls\n"),
            ".env": f"DB_PASSWORD={CANARY}\n",
            "compose.yaml": "services:\n"
            + "".join(
                f"  {one[0]}:\n    build: {{context: ., dockerfile: {one}}}\n" for one in names
            ),
        },
    )
    lines = dockerfix(tmp_path).stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("b/Dockerfile:2:6: warning"))
    refused = [line for line in lines[at:] if line.startswith("  refused: ")][:2]
    assert refused == [
        "  refused: b/Dockerfile:2:1: a container may read .env when it runs",
        "  refused: and for the same reason a/Dockerfile, c/Dockerfile",
    ]
