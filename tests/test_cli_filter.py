"""The filter: standard input to standard output, as an editor runs it on save."""

from __future__ import annotations

from pathlib import Path

from command_line import (
    CALLER,
    CANARY,
    CLEAN,
    DOCKERFILE,
    FIXED,
    FIXED_CALLER,
    RUN_TIME,
    dockerfix,
    lay_out,
    text,
)


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
