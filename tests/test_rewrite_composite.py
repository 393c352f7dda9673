"""Values that ENV puts together: what the shell makes of them equals what BuildKit made."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerfix.model.expand import ExpansionError, expand, variables
from dockerfix.rewrite.composite import (
    NotComposableError,
    Read,
    Text,
    plain,
    reads,
    shell_word,
    template,
)
from dockerfix.shell.words import is_name

SHELLS = [shell for shell in ("sh", "bash", "dash", "ash") if shutil.which(shell)]
SECRET = "cAnaRy $(id) `id` \\n \"q\" 'q' *"
VALUES = {"X": SECRET, "HOST": "a b.example.com", "EMPTY": ""}

pieces = st.sampled_from(
    [
        "a", " ", "://", ":", "@", "{", "}", "\\", "\\\\", '"', "'", "$", "\\$", "`", "!", "*", "~",
        "%", "#", ";", "&", "|", "<<E", "é", "\\\"", "$X", "${X}", "${HOST}", "${EMPTY:-d e}",
        "${UNSET:-d}", "${X:+y}", "${UNSET-d}", "${EMPTY-d}", "${X:-${HOST}}", "$UNSET", '"${X}"',
        "'$X'", "${UNSET:-`}", "${UNSET:-\\$a}", "${UNSET:-a|b;c}", "${X:-'}", "${UNSET:-\"d\"}",
    ]
)  # fmt: skip


def word_of(raw: str, escape: bytes = b"\\", nounset: bool = False) -> bytes:
    count = len(variables(raw.encode(), escape))
    return shell_word(template(raw.encode(), escape, iter([None] * count), {}), named, nounset)


def named(read: Read) -> str:
    """As the rewrite does: BuildKit knows names that no shell knows."""
    if not is_name(read.name):
        raise NotComposableError(read.name)
    return read.name


def shown(shell: str, script: bytes) -> bytes:
    done = subprocess.run(
        [shell, "-c", script + b'printf %s "$Y"'],
        env={**VALUES, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        timeout=20,
    )
    assert done.returncode == 0, (script, done.stderr)
    return done.stdout


@settings(max_examples=150, deadline=None)
@given(st.lists(pieces, max_size=8).map("".join), st.sampled_from([b"\\", b"`"]))
def test_shell_computes_what_buildkit_expanded(raw: str, escape: bytes) -> None:
    try:
        wanted = expand(raw, VALUES, escape.decode()).result
        word = word_of(raw, escape)
    except (ExpansionError, NotComposableError):
        return
    for shell in SHELLS:
        assert shown(shell, b"export Y=" + word + b" && ").decode() == wanted


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ("https://__token__:${X}@h/simple", '"https://__token__:${X}@h/simple"'),
        ('"a ${X} b"', '"a ${X} b"'),
        ("'{\"p\":\"'${X}'\"}'", r'"{\"p\":\"${X}\"}"'),
        (r"\$5 $X", r'"\$5 ${X}"'),
        ("`id`$X", r'"\`id\`${X}"'),
        (r'"C:\\dir\ $X"', r'"C:\\dir\\ ${X}"'),
        ("${X:-none}", '"${X:-none}"'),
        ("${X:+--token=$X}", '"${X:+--token=${X}}"'),
    ],
)
def test_quoting(raw: str, word: str) -> None:
    assert word_of(raw).decode() == word


@pytest.mark.parametrize("raw", ["${X%a}", "${X/a/b}", "${X:?no}", "a$1", "${X:-a'b}", "a\nb$X"])
def test_what_no_shell_word_can_say_is_refused(raw: str) -> None:
    with pytest.raises(NotComposableError):
        word_of(raw)


def test_nounset_reads_an_unset_variable_as_empty() -> None:
    assert word_of("a$X:${X:-b}", nounset=True) == b'"a${X-}:${X:-b}"'


def test_template_names_every_variable() -> None:
    made = template(b"a$X${HOST:-${D}}", b"\\", iter([None] * 3), {})
    assert [one.name for one in reads(made)] == ["X", "HOST", "D"]
    assert made[0] == Text("a")
    assert not plain(made)
    assert plain((Read("X", "", (), None, True),))
