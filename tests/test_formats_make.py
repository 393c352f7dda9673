"""Reading Makefiles, and recipes as shell text with a map back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerfix.formats.make import Makefile, Reference, read, references
from dockerfix.formats.make_text import Inline, Known, RecipeText, shell_text
from dockerfix.source import Source, Span


def made(text: str) -> Makefile:
    return read(Source("Makefile", text.encode()))


def assigned(text: str) -> list[tuple[str, str, str]]:
    found = made(text)
    return [(a.name, a.operator, found.source.text(a.value).decode()) for a in found.assignments]


def recipes(text: str) -> list[tuple[tuple[str, ...], list[str]]]:
    found = made(text)
    return [
        (r.targets, [found.source.text(line.span).decode() for line in r.lines])
        for r in found.recipes
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X = a b # c\n", ("X", "=", "a b ")),
        ("X:=a\n", ("X", ":=", "a")),
        ("X ::= a\n", ("X", "::=", "a")),
        ("X?=a\n", ("X", "?=", "a")),
        ("X += a \\\n  b\n", ("X", "+=", "a \\\n  b")),
        ("X != cat f\n", ("X", "!=", "cat f")),
        ("export X = a\n", ("X", "=", "a")),
        ("override export X := a\n", ("X", ":=", "a")),
        ("export = a\n", ("export", "=", "a")),
        ("  X = a\n", ("X", "=", "a")),
        ("\tX = a\n", ("X", "=", "a")),
        ("define X\na\nb\nendef\n", ("X", "=", "a\nb")),
        ("define X :=\na\ndefine Y\nendef\nendef\n", ("X", ":=", "a\ndefine Y\nendef")),
        ("t: X = a\n", ("X", "=", "a")),
        ("t u: private X += a\n", ("X", "+=", "a")),
        ("undefine X\n", ("X", "undefine", "")),
        ("X = $(shell echo '#') # c\n", ("X", "=", "$(shell echo '#') ")),
        ("X =\n", ("X", "=", "")),
        ("X = a\r\n", ("X", "=", "a")),
    ],
)
def test_an_assignment(text: str, expected: tuple[str, str, str]) -> None:
    assert assigned(text) == [expected]


def test_what_is_no_assignment() -> None:
    assert assigned("a: b\n\tX=1 docker\n# Y = 2\ninclude x=y\n") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b: c\n\tone\n\n# comment\n\ttwo\n", [(("a", "b"), ["one", "two"])]),
        ("a: ; one # two\n\tthree\n", [(("a",), [" one # two", "three"])]),
        ("a:\n\tone \\\n\ttwo\n", [(("a",), ["one \\\n\ttwo"])]),
        ("a::\n\tone\nb &: c\n\ttwo\n", [(("a",), ["one"]), (("b",), ["two"])]),
        ("a:\n\tone\nX = 1\n\tY = 2\n", [(("a",), ["one"])]),
        ("a:\nifdef X\n\tone\nelse\n\ttwo\nendif\n\tthree\n", [(("a",), ["one", "two", "three"])]),
        (".RECIPEPREFIX = >\na:\n>one\n", [(("a",), ["one"])]),
        ("a:\n\tone\n", [(("a",), ["one"])]),
        ("a:\r\n\tone \\\r\n\ttwo\r\n", [(("a",), ["one \\\r\n\ttwo"])]),
        ("a: $(X:.c=.o)\n\tone", [(("a",), ["one"])]),
    ],
)
def test_recipes(text: str, expected: list[tuple[tuple[str, ...], list[str]]]) -> None:
    assert recipes(text) == expected


def test_exports_and_includes() -> None:
    found = made(
        "export A B\nunexport C\nexport $(shell x) D\n-include a.mk $(E).mk\ninclude b.mk\n"
    )
    assert [(e.names, e.on, e.computed) for e in found.exports] == [
        (("A", "B"), True, False),
        (("C",), False, False),
        (("D",), True, True),
    ]
    assert [(i.name, i.optional) for i in found.includes] == [
        (b"a.mk", True),
        (b"$(E).mk", True),
        (b"b.mk", False),
    ]
    assert not found.export_all
    assert made("export\n").export_all
    assert made(".EXPORT_ALL_VARIABLES:\n").export_all
    assert made("define X\nexport\nendef\n").export_all is False


def test_conditions_are_kept() -> None:
    found = made("ifdef A\nX = 1\nelse\nX = 2\nendif\nX = 3\n")
    assert [a.condition for a in found.assignments] == [((1, 0),), ((1, 1),), ()]


def test_one_shell_groups_lines() -> None:
    (recipe,) = made(".ONESHELL:\na:\n\tone\n\ttwo\n").recipes
    assert [len(shell) for shell in recipe.shells] == [2]
    (recipe,) = made("a:\n\tone\n\ttwo\n").recipes
    assert [len(shell) for shell in recipe.shells] == [1, 1]


def test_references() -> None:
    data = b"a$$b $(X) ${Y} $Z $(shell cat $(F)) $(X:a=b) $(call f,1)"
    found = [
        (r.name, r.function, data[r.span.start : r.span.end])
        for r in references(data, Span(0, len(data)))
    ]
    assert found == [
        ("X", None, b"$(X)"),
        ("Y", None, b"${Y}"),
        ("Z", None, b"$Z"),
        (None, "shell", b"$(shell cat $(F))"),
        (None, None, b"$(X:a=b)"),
        (None, "call", b"$(call f,1)"),
    ]


# -- recipes as shell text --------------------------------------------------------


def text_of(text: str) -> tuple[bytes, RecipeText]:
    found = made(text)

    def resolve(one: Reference, before: bytes) -> Inline | Known | None:
        if one.name == "KNOWN":
            return Known(b"known")
        values = tuple(a.value for a in found.assignments if a.name == one.name)
        return Inline(values) if values else None

    lines = tuple(line.span for line in found.recipes[0].lines)
    data = found.source.data
    return data, shell_text(data, lines, found.prefix, resolve)


def host(data: bytes, text: RecipeText, piece: bytes) -> bytes:
    at = text.text.index(piece)
    span = text.host_span(Span(at, at + len(piece)))
    return data[span.start : span.end]


def test_text_and_its_map() -> None:
    data, text = text_of("a:\n\t@-docker $$X \\\n\t  $(O) end\n")
    assert text.text == b"  docker $X \\\n  ${make_ref_0%?} end"
    assert host(data, text, b"$X") == b"$$X"
    assert host(data, text, b"docker") == b"docker"
    assert host(data, text, b"${make_ref_0%?}") == b"$(O)"
    assert host(data, text, b"end") == b"end"
    assert text.encode(b'Y="${make_ref_0%?}$Z"') == b'Y="$(O)$$Z"'


def test_an_expanded_variable_is_edited_where_it_is_written() -> None:
    data, text = text_of("V = one \\\n  two\nV += $(W) three\nW = w\na:\n\trun $(V) last\n")
    assert text.text == b"run one two w three last"
    assert host(data, text, b"one") == b"one"
    assert host(data, text, b"one two") == b"one \\\n  two"
    assert host(data, text, b"w") == b"w"
    assert host(data, text, b"w three") == b"$(W) three"
    assert host(data, text, b"run one two w three") == b"run $(V)"
    at = text.text.index(b"one")
    before = text.host(at)
    assert data[before:].startswith(b"$(V)"), "an insertion before it stands in the recipe"
    whole = Span(at, at + len(b"one two w three"))
    assert text.whole(whole)
    assert not text.whole(Span(at - 1, at + 1))


def test_known_text_is_replaced_as_a_whole_or_not_at_all() -> None:
    data, text = text_of("a:\n\t$(KNOWN) build\n")
    assert text.text == b"known build"
    assert host(data, text, b"known build") == b"$(KNOWN) build"
    assert text.whole(Span(0, 5))
    assert not text.whole(Span(0, 3))


MAKE_TEXT = st.lists(
    st.sampled_from(
        [
            "a: b\n", "\tcmd $(X) \\\n", "\t  more\n", "X = 1\n", "define Y\n", "endef\n", "ifdef X\n",
            "endif\n", "else\n", "export\n", "export X\n", "# c \\\n", ".RECIPEPREFIX = >\n", ">x\n",
            "$(", ")", "\r\n", "\\", "\n", "include \\\n", "t: X := 2 # c\n", "\t@$$(x) ${Y}\n", "é\x00",
        ]
    ),
    max_size=12,
)  # fmt: skip


@given(MAKE_TEXT)
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_and_mapped_back(pieces: list[str]) -> None:
    data = "".join(pieces).encode()
    found = read(Source("Makefile", data))
    for one in found.assignments:
        assert 0 <= one.value.start <= one.value.end <= len(data)
    for recipe in found.recipes:
        lines = tuple(line.span for line in recipe.lines)
        text = shell_text(data, lines, found.prefix, lambda one, before: None)
        for offset in range(len(text.text)):
            span = text.host_span(Span(offset, offset + 1))
            assert lines[0].start <= span.start <= span.end <= lines[-1].end
