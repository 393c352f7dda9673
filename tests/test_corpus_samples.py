"""dockerfix makes of every sample's `before` what a careful person made of it: its `after`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from corpus_samples import CORPUS, ROOT, SAMPLES, Sample, dockerfix, tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def work(sample: Sample, tmp_path: Path) -> Path:
    shutil.copytree(sample.before, tmp_path / "work")
    return tmp_path / "work"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
class TestSample:
    def test_write_gives_the_after_tree_and_then_changes_nothing(
        self, sample: Sample, work: Path
    ) -> None:
        done = dockerfix(work, "--write", *sample.flags)
        assert b"Traceback" not in done.stderr
        assert tree(work) == sample.trees()[1], done.stderr.decode()
        modes = {path: os.stat(sample.before / path).st_mode for path in tree(work)}
        assert {path: os.stat(work / path).st_mode for path in modes} == modes
        again = dockerfix(work, "--diff", *sample.flags)
        assert again.stdout == b""

    def test_the_diff_is_what_git_applies(self, sample: Sample, work: Path) -> None:
        done = dockerfix(work, "--diff", *sample.flags)
        if done.stdout:
            command = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "-"]
            subprocess.run(command, input=done.stdout, cwd=work, check=True, timeout=60)
        assert tree(work) == sample.trees()[1]

    def test_only_the_unsafe_wait_for_the_flag(self, sample: Sample, work: Path) -> None:
        done = dockerfix(work, "--diff")
        changes = sample.trees()[0] != sample.trees()[1]
        assert bool(done.stdout) == (changes and not sample.unsafe), done.stderr.decode()

    def test_the_findings_are_the_expected_ones(self, sample: Sample, work: Path) -> None:
        done = dockerfix(work, "--output-format", "json")
        found: dict[str, set[str]] = {path: set() for path in sample.findings}
        for finding in json.loads(done.stdout)["findings"]:
            if finding["severity"] != "info":
                found.setdefault(finding["path"], set()).add(finding["variable"])
        assert found == {path: set(names) for path, names in sample.findings.items()}
        assert done.returncode == 1

    def test_after_nothing_is_left_to_fix(self, sample: Sample, tmp_path: Path) -> None:
        shutil.copytree(sample.after, tmp_path / "after")
        done = dockerfix(tmp_path / "after", "--diff", "--unsafe-fixes")
        assert done.stdout == b""


def test_each_sample_is_a_root_of_its_own() -> None:
    for sample in SAMPLES:
        for side in (sample.before, sample.after):
            assert (side / ".dockerfix.toml").read_text() == "root = true\n"


def test_samples_hold_what_the_samples_page_says() -> None:
    assert len(SAMPLES) >= 10
    for sample in SAMPLES:
        before, after = sample.trees()
        assert before.keys() == after.keys()
        changed = {path for path in before if before[path] != after[path]}
        assert sample.built is False or set(sample.findings) <= changed


def test_the_whole_corpus_at_once() -> None:
    done = dockerfix(ROOT, "--diff", os.fspath(CORPUS))
    assert b"Traceback" not in done.stderr
    for sample in SAMPLES:
        changed = sample.trees()[0] != sample.trees()[1] and not sample.unsafe
        assert (f"a/corpus/{sample.name}/before/".encode() in done.stdout) == changed
        assert f"a/corpus/{sample.name}/after/".encode() not in done.stdout
