"""`dockerfix.diff`: patches are applied with the real git and must give the new bytes."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockerfix.diff import blocks, lines, masking, patch, quoted


def apply(where: Path, path: str, old: bytes, new: bytes) -> bytes:
    target = where / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(old)
    subprocess.run(["git", "init", "-q"], cwd=where, check=True)
    done = subprocess.run(
        ["git", "apply", "-"], cwd=where, input=patch(path, old, new), capture_output=True
    )
    assert done.returncode == 0, done.stderr
    return target.read_bytes()


CASES = {
    "insert first": (b"FROM a\nRUN b\n", b"# syntax=x\nFROM a\nRUN b\n"),
    "crlf": (b"FROM a\r\nARG X\r\nRUN b\r\n", b"FROM a\r\nRUN c\r\n"),
    "mixed ends": (b"FROM a\r\nARG X\nRUN b\r\n", b"FROM a\r\nRUN b\n"),
    "no newline on both": (b"FROM a\nARG X\nRUN b", b"FROM a\nRUN b"),
    "newline lost": (b"FROM a\nARG X\n", b"FROM a"),
    "newline won": (b"FROM a", b"FROM a\n"),
    "latin-1 and NUL": (b"LABEL a=\xe9\nARG X\nRUN \0\n", b"LABEL a=\xe9\nRUN \0\n"),
    "emptied": (b"ARG X\n", b""),
    "far apart": (
        b"ARG X\n" + b"RUN same\n" * 40 + b"RUN y\n",
        b"RUN same\n" * 40 + b"RUN z\nRUN y\n",
    ),
}


def test_git_makes_a_new_file(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "Dockerfile").write_bytes(b"FROM a\n")
    both = patch("Dockerfile", b"FROM a\n", b"FROM b\n") + patch("a b/.x", None, b"1\n2")
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=both, check=True)
    assert (tmp_path / "a b/.x").read_bytes() == b"1\n2"
    assert (tmp_path / "Dockerfile").read_bytes() == b"FROM b\n"


@pytest.mark.parametrize(("old", "new"), CASES.values(), ids=CASES)
def test_git_applies_it_byte_for_byte(tmp_path: Path, old: bytes, new: bytes) -> None:
    assert apply(tmp_path, "Dockerfile", old, new) == new


@pytest.mark.parametrize(
    "path", ["a dir/Docker file", 'qu"ote', "tab\there", "umläut", "back\\slash", "plain"]
)
def test_paths_are_quoted_as_git_does(tmp_path: Path, path: str) -> None:
    assert apply(tmp_path, path, b"a\nb\n", b"a\nc\n") == b"a\nc\n"


def test_a_path_that_is_not_utf8() -> None:
    assert quoted("a/\udce9") == b'"a/\\351"'


def test_the_form_is_the_usual_one() -> None:
    old = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n"
    new = b"0\n1\n2\n3\n4\n5\n6\n7\nVIII\n9\n"
    assert patch("Dockerfile", old, new) == (
        b"--- a/Dockerfile\n+++ b/Dockerfile\n"
        b"@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n"
        b"@@ -5,5 +6,5 @@\n 5\n 6\n 7\n-8\n+VIII\n 9\n"
    )


def test_nothing_changed_is_no_patch() -> None:
    assert patch("Dockerfile", b"a", b"a") == b""


TEXTS = st.lists(st.sampled_from([b"a", b"b", b"c", b"d\r", b""]), max_size=30).map(b"\n".join)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, TEXTS)
def test_blocks_turn_old_into_new(old: bytes, new: bytes) -> None:
    before, after = lines(old), lines(new)
    out: list[bytes] = []
    at = 0
    for block in blocks(before, after):
        assert block.start >= at
        out += before[at : block.start]
        assert len(out) == block.new_start
        out += after[block.new_start : block.new_end]
        at = block.end
    assert b"".join(out + before[at:]) == new


@pytest.mark.parametrize("unique", [True, False], ids=["distinct lines", "equal lines"])
def test_a_big_file_takes_no_longer_than_it_must(unique: bool) -> None:
    body = [b"RUN step %d\n" % (number if unique else 0) for number in range(100_000)]
    old = b"ARG X\n" + b"".join(body) + b"RUN last\n"
    changed = list(body)
    changed[50_000] = b"RUN other\n"
    new = b"# syntax\n" + b"".join(changed) + b"RUN lasts\n"
    start = time.process_time()
    found = patch("Dockerfile", old, new)
    assert time.process_time() - start < 3
    assert found.count(b"\n@@ ") == 3


def test_many_changes_in_a_big_file_stay_quick() -> None:
    shuffled = random.Random(7)
    old = [b"RUN %d\n" % shuffled.randrange(10**9) for _ in range(20_000)]
    new = [b"RUN --mount " + line[4:] if index % 2 else line for index, line in enumerate(old)]
    start = time.process_time()
    patch("Dockerfile", b"".join(old), b"".join(new))
    assert time.process_time() - start < 5


def test_masked_values_are_gone_from_every_line() -> None:
    secret = b"ghp_notARealTokenAtAll"
    old = b"FROM a\nENV T=%s\nRUN echo %s\n" % (secret, secret)
    found = patch("Dockerfile", old, b"FROM a\nRUN echo %s\n" % secret, masking([secret]))
    assert secret not in found
    assert b"-ENV T=***\n" in found


def test_each_line_of_a_long_value_is_masked() -> None:
    mask = masking([b"-----BEGIN\nabcdef\n"])
    assert mask(b"ENV K=-----BEGIN\n") == b"ENV K=***\n"
    assert mask(b"abcdef\\\n") == b"***\\\n"
