"""The command line, run as a user runs it: streams, exit codes, roots, the filter, JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CANARY = "canary-gQ7vX2mZ9pLr4tYw8sKd"
DOCKERFILE = "FROM node:20\nARG NPM_TOKEN\nRUN npm ci\n"
FIXED = (
    "# syntax=docker/dockerfile:1\nFROM node:20\n"
    "RUN --mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN npm ci\n"
)
CALLER = '#!/bin/sh\ndocker build --build-arg NPM_TOKEN="$NPM_TOKEN" -t app .\n'
FIXED_CALLER = "#!/bin/sh\ndocker build --secret id=NPM_TOKEN,env=NPM_TOKEN -t app .\n"
CLEAN = "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
RUN_TIME = f"FROM node:20\nENV DB_PASSWORD={CANARY}\nCMD node\n"


def dockerfix(
    where: Path, *arguments: str, stdin: bytes | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "dockerfix", *arguments],
        cwd=where,
        input=stdin,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return subprocess.CompletedProcess(
        done.args,
        done.returncode,
        done.stdout.decode("utf-8", "surrogateescape"),
        done.stderr.decode("utf-8", "surrogateescape"),
    )


def lay_out(root: Path, files: dict[str, str | bytes]) -> Path:
    (root / ".git").mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "r", {"Dockerfile": DOCKERFILE, "build.sh": CALLER})


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    conforms(found, SCHEMA)
    return found


def text(path: Path) -> str:
    return path.read_bytes().decode()


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


# The filter


def test_the_filter_prints_the_fixed_text(tmp_path: Path) -> None:
    lay_out(tmp_path, {"Dockerfile": "FROM scratch\n"})
    done = dockerfix(tmp_path, "-", "--stdin-filename", "Dockerfile", stdin=DOCKERFILE.encode())
    assert done.returncode == 0
    assert done.stdout == FIXED.replace("env=NPM_TOKEN", "env=NPM_TOKEN,required")
    assert "callers outside this tree must give" in done.stderr
    assert text(tmp_path / "Dockerfile") == "FROM scratch\n"


def test_the_filter_leaves_what_would_change_other_files(repository: Path) -> None:
    done = dockerfix(repository, "-", "--stdin-filename", "Dockerfile", stdin=DOCKERFILE.encode())
    assert (done.returncode, done.stdout) == (0, DOCKERFILE)
    assert "build.sh" in done.stderr
    assert text(repository / "build.sh") == CALLER


def test_the_filter_with_write_writes_the_callers_first(repository: Path) -> None:
    done = dockerfix(
        repository, "-", "--stdin-filename", "Dockerfile", "--write", stdin=DOCKERFILE.encode()
    )
    assert (done.returncode, done.stdout) == (0, FIXED)
    assert text(repository / "build.sh") == FIXED_CALLER
    assert text(repository / "Dockerfile") == DOCKERFILE


def test_the_filter_does_not_write_callers_for_a_buffer_that_asks_something_else(
    repository: Path,
) -> None:
    """What is on disk needs the build argument still: saving might never come (trap 40)."""
    lay_out(repository, {"Dockerfile": CLEAN})
    done = dockerfix(
        repository, "-", "--stdin-filename", "Dockerfile", "--write", stdin=DOCKERFILE.encode()
    )
    assert (done.returncode, done.stdout) == (0, DOCKERFILE)
    assert "save the file first" in done.stderr
    assert text(repository / "build.sh") == CALLER


def test_the_filter_exits_0_with_something_left(tmp_path: Path) -> None:
    lay_out(tmp_path, {})
    done = dockerfix(tmp_path, "-", stdin=RUN_TIME.encode())
    assert (done.returncode, done.stdout) == (0, RUN_TIME)
    assert "DB_PASSWORD" in done.stderr
    assert CANARY not in done.stderr


def test_the_filter_prints_its_input_when_it_fails(tmp_path: Path) -> None:
    lay_out(tmp_path, {})
    broken = DOCKERFILE + "RUN cat <<EOF\n"
    done = dockerfix(tmp_path, "-", "--stdin-filename", "Dockerfile", stdin=broken.encode())
    assert (done.returncode, done.stdout) == (2, broken)
    assert "Dockerfile:4: error: " in done.stderr


# JSON

SCHEMA = json.loads((ROOT / "docs/report.schema.json").read_bytes())
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "null": type(None),
}  # fmt: skip


def conforms(value: Any, schema: dict[str, Any], where: str = "$") -> None:
    """Holds `value` to the part of JSON Schema that the report's schema uses."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(isinstance(value, TYPES[name]) for name in names), where
    if "const" in schema:
        assert value == schema["const"], where
    if "enum" in schema:
        assert value in schema["enum"], (where, value)
    if "minimum" in schema:
        assert value >= schema["minimum"], where
    if isinstance(value, dict):
        known = schema.get("properties", {})
        assert set(schema.get("required", ())) <= set(value), where
        more = schema.get("additionalProperties", True)
        for name, one in value.items():
            if name in known:
                conforms(one, known[name], f"{where}.{name}")
            else:
                assert more is not False, f"{where}.{name}"
    if isinstance(value, list) and "items" in schema:
        for index, one in enumerate(value):
            conforms(one, schema["items"], f"{where}[{index}]")


def test_the_json_report(repository: Path) -> None:
    done = dockerfix(repository, "--output-format", "json")
    assert (done.returncode, done.stderr) == (1, "")
    found = document(done)
    (one,) = found["findings"]
    place = {key: one[key] for key in ("path", "line", "column", "end_line", "end_column")}
    assert place == {
        "path": "Dockerfile", "line": 2, "column": 5, "end_line": 2, "end_column": 14,
    }  # fmt: skip
    assert (one["pass"], one["variable"]) == ("secret-in-arg", "NPM_TOKEN")
    assert (one["safety"], one["status"], one["severity"]) == ("safe", "fixable", "warning")
    assert one["fix"]["paths"] == ["Dockerfile", "build.sh"]
    assert found["summary"]["findings"] == 1
    assert found["changed"] == []


def test_json_with_diff_and_write(repository: Path) -> None:
    found = document(dockerfix(repository, "--output-format", "json", "--diff"))
    assert found["diff"].startswith("--- a/Dockerfile\n")
    assert found["changed"] == ["Dockerfile", "build.sh"]
    found = document(dockerfix(repository, "--output-format", "json", "--write"))
    assert "diff" not in found
    assert found["findings"][0]["fix"]["outcome"] == "fixed"
    assert text(repository / "Dockerfile") == FIXED


def test_outside_callers_are_told_the_flag(tmp_path: Path) -> None:
    lay_out(tmp_path, {"Dockerfile": DOCKERFILE})
    found = document(dockerfix(tmp_path, "--output-format", "json", "--diff"))
    assert found["outside_callers"] == [
        {
            "dockerfile": "Dockerfile",
            "variable": "NPM_TOKEN",
            "flag": "--secret id=NPM_TOKEN,env=NPM_TOKEN",
        }
    ]
    said = dockerfix(tmp_path, "--diff").stderr
    flag = "Dockerfile: callers outside this tree must give `--secret id=NPM_TOKEN,env=NPM_TOKEN`"
    assert said.count("callers outside") == 1
    assert f"{flag} instead of `--build-arg NPM_TOKEN`\n" in said
    written = "FROM a\nENV NPM_TOKEN=npm_inventedCanary0123456789abcdef\nRUN curl -u $NPM_TOKEN b\n"
    lay_out(tmp_path, {"Dockerfile": written})
    assert f"{flag}\n" in dockerfix(tmp_path, "--diff", "--unsafe-fixes").stderr


def test_a_caller_that_git_ignores_is_told_of_and_not_edited(repository: Path) -> None:
    lay_out(repository, {".gitignore": "local.sh\n", "local.sh": CALLER})
    found = document(dockerfix(repository, "--output-format", "json", "--write"))
    assert [(one["path"], one["line"]) for one in found["not_changed"]] == [("local.sh", 2)]
    assert text(repository / "local.sh") == CALLER
    assert text(repository / "build.sh") == FIXED_CALLER


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
