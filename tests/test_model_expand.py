"""BuildKit's word expansion against BuildKit's own answers, and what we add to it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerfix.model.expand import ExpansionError, expand, variables

DATA = Path(__file__).parent / "data"
OWN = json.loads((DATA / "own_shell_words.json").read_text())
NO_VECTORS = "DOCKERFIX_VECTORS does not name the folder of vectors"


def answer(word: str, env: dict[str, str]) -> dict[str, Any]:
    try:
        found = expand(word.encode(), env)
    except ExpansionError as error:
        return {
            "error": str(error),
            "words_error": str(error),
            "result": "",
            "words": [],
            "matched": sorted(error.matched),
            "unmatched": sorted(error.unmatched),
        }
    return {
        "result": found.result,
        "words": list(found.words) or None,
        "matched": sorted(found.matched),
        "unmatched": sorted(found.unmatched),
    }


@pytest.mark.parametrize("case", OWN["cases"], ids=lambda case: case["word"])
def test_own_words(case: dict[str, Any]) -> None:
    expected = {key: value for key, value in case.items() if key != "word"}
    assert answer(case["word"], OWN["env"]) == expected


def test_buildkit_words() -> None:
    folder = os.environ.get("DOCKERFIX_VECTORS")
    if not folder:
        pytest.skip(NO_VECTORS)
    vectors = json.loads((Path(folder) / "buildkit_shell_words.json").read_text())
    assert len(vectors["cases"]) > 200
    for case in vectors["cases"]:
        expected = {key: value for key, value in case["oracle"].items() if key != "word"}
        assert answer(case["word"], vectors["env"]) == expected, case["word"]


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("${X%.*}", "a.b"),
        ("${X%%.*}", "a"),
        ("${X#*.}", "b.c"),
        ("${X##*.}", "c"),
        ("${X%?}", "a.b."),
        ("${X/./-}", "a-b.c"),
        ("${X//./-}", "a-b-c"),
        ("${X//*/-}", "-"),
        ("${X//z/-}", "a.b.c"),
        ("${S%\\**}", "a"),
        ("${S#\\?}", "a*b"),
        ("${U#x}", ""),
        ("${X:+${U:-'$X'}}", "$X"),
        ('"${U:-a"b"}"', "ab"),
    ],
)
def test_operators(word: str, result: str) -> None:
    assert expand(word, {"X": "a.b.c", "S": "a*b"}).result == result


def test_backtick_escape_leaves_backslashes_alone() -> None:
    assert expand(b"C:\\a\\$X`$X", {"X": "v"}, b"`").result == "C:\\a\\v$X"


def test_heredoc_form_keeps_quotes() -> None:
    found = expand(b"\"$X\" '$X' \\$X it's", {"X": "v"}, quotes=False)
    assert found.result == "\"v\" 'v' $X it's"


def test_bytes_that_are_not_utf8_survive() -> None:
    assert expand(b"\xff$X\xfe", {"X": "v"}).result.encode("utf-8", "surrogateescape") == (
        b"\xffv\xfe"
    )


def test_split_form_splits_values_but_not_quotes() -> None:
    assert expand('$X "$X"', {"X": "1 2"}).words == ("1", "2", "1 2")


def test_uses_with_spans_in_bytes() -> None:
    word = "é$A-\"${B:-$C}\"${D//x/${E}}'$F'\\$G".encode()
    found = variables(word)
    assert [(use.name, word[use.span.start : use.span.end]) for use in found] == [
        ("A", b"$A"),
        ("B", b"${B:-$C}"),
        ("C", b"$C"),
        ("D", b"${D//x/${E}}"),
        ("E", b"${E}"),
    ]
    assert [use.operator for use in found] == ["", ":-", "", "//", ""]
    assert [use.operand for use in found] == [b"", b"$C", b"", b"x/${E}", b""]
    assert [use.quoted for use in found] == [False, True, True, False, False]
    assert [use.nested for use in found] == [False, False, True, False, True]


@pytest.mark.parametrize(
    ("word", "operators"),
    [
        (b"${A:?no}", [":?"]),
        (b"${A##x}${A%%x}", ["##", "%%"]),
        (b"${A#x}${A%x}", ["#", "%"]),
        (b"${A/x/y}", ["/"]),
        (b"$$", [""]),
        (b"$(cmd) `cmd`", []),
        (b"a$", []),
    ],
)
def test_operators_of_uses(word: bytes, operators: list[str]) -> None:
    assert [use.operator for use in variables(word)] == operators


def test_uses_before_an_error_are_kept() -> None:
    assert [use.name for use in variables(b"$A${B:-$C")] == ["A", "B", "C"]
    assert [use.name for use in variables(b"$A'$B")] == ["A"]


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    deep = b"${A:-" * 5000 + b"x" + b"}" * 5000
    with pytest.raises(ExpansionError, match="too deeply"):
        expand(deep, {})
    assert variables(deep)[0].name == "A"


@settings(max_examples=300)
@given(st.text(alphabet="$AB{}:-+?#%/\\'\" *é", max_size=24))
def test_uses_agree_with_expansion(word: str) -> None:
    names = {use.name for use in variables(word)}
    try:
        found = expand(word, {"A": "v w"})
    except ExpansionError as error:
        read = error.matched | error.unmatched
    else:
        read = found.matched | found.unmatched
    assert read - {""} <= names


@given(st.binary(max_size=30))
def test_any_bytes(word: bytes) -> None:
    for use in variables(word):
        assert word[use.span.start : use.span.start + 1] == b"$"
        assert use.span.end <= len(word)
