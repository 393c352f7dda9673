"""Every example of every page in docs/passes is run, and each pass has its page."""

from __future__ import annotations

import contextlib
import io
import subprocess
from pathlib import Path

import examples
import pytest

from dockerfix.cli import start
from dockerfix.passes import ALL

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").glob("passes/*.md")) + sorted((ROOT / "docs").glob("callers/*.md"))
EXAMPLES = [example for page in PAGES for example in examples.read(page)]


def run(arguments: list[str], where: Path) -> subprocess.CompletedProcess[str]:
    """The command line in this process: a thousand starts of Python would cost minutes."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2)]
    with (
        contextlib.chdir(where),
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        code = start(arguments)
    # Not read as text: that would take the CRs out of a patch.
    said = []
    for stream in streams:
        stream.flush()
        said.append(stream.buffer.getvalue().decode("utf-8"))  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(arguments, code, *said)


def lay_out(example: examples.Example, where: Path) -> None:
    (where / ".dockerfix.toml").write_text("root = true\n")
    for name, data in example.files.items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if data.startswith(b"#!"):
            path.chmod(0o755)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_example(example: examples.Example, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    lay_out(example, tmp_path)
    done = run(example.command, tmp_path)
    assert done.returncode in (0, 1), done.stderr
    printed = done.stdout.replace("\r", "")
    if request.config.getoption("--update") and printed != example.expected:
        examples.UPDATES.setdefault(example.page, {})[example.block] = printed
        return
    assert printed == example.expected
    if example.output == "diff":
        check_diff_is_whole(example, tmp_path, done.stdout)


def check_diff_is_whole(example: examples.Example, where: Path, diff: str) -> None:
    """The patch applies, equals what --write writes, and a second run has nothing to add."""
    if not diff:
        return
    patched = where.with_name(where.name + "-patched")
    patched.mkdir()
    lay_out(example, patched)
    subprocess.run(["git", "init", "-q"], cwd=patched, check=True)
    again = run(["--diff", *[flag for flag in example.command if flag != "--diff"]], patched)
    subprocess.run(
        ["git", "apply", "-"], cwd=patched, check=True, input=again.stdout.encode(), timeout=60
    )
    flags = [flag for flag in example.command if flag != "--diff"]
    run(["--write", *flags], where)
    for name in example.files:
        assert (where / name).read_bytes() == (patched / name).read_bytes()
    assert run(example.command, where).stdout == ""


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_each_pass_has_page_file_and_class_of_one_name(one: object) -> None:
    name: str = one.name  # type: ignore[attr-defined]
    assert (ROOT / "docs" / "passes" / f"{name}.md").exists()
    assert type(one).__module__ == "dockerfix.passes." + name.replace("-", "_")
    assert type(one).__name__ == "".join(part.capitalize() for part in name.split("-"))
