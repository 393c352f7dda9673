"""The verbs: what an instruction looks like after all operations on it are lowered together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asking import F, changed, without

import dockerfix
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from dockerfix.edits import Operation
    from dockerfix.syntax.nodes import Dockerfile

PAIRS = [
    ("one of three", b"ENV A=1 S=2 C=3\n", "S", b"ENV A=1 C=3\n"),
    ("first", b"ENV S=1 B=2\n", "S", b"ENV B=2\n"),
    ("last", b"ENV A=1 S=2\n", "S", b"ENV A=1\n"),
    ("last, blanks behind", b"ENV A=1 S=2  \n", "S", b"ENV A=1\n"),
    ("last, no newline", b"ENV A=1 S=2", "S", b"ENV A=1"),
    ("bare ARGs", b"ARG A S B=x\n", "S", b"ARG A B=x\n"),
    ("two of four", b"ENV A=1 S=2 T=3 D=4\n", "ST", b"ENV A=1 D=4\n"),
    ("outer ones", b"ENV S=1 B=2 T=3\n", "ST", b"ENV B=2\n"),
    ("lower case and tabs", b"env\tA=1\tS=2\tC=3\n", "S", b"env\tA=1\tC=3\n"),
    ("quoted", b"ENV A=\"a b\" S='x y' C=3\n", "S", b'ENV A="a b" C=3\n'),
    ("label", b"LABEL a=1 S=2 c=3\n", "S", b"LABEL a=1 c=3\n"),
    (
        "middle line",
        b"ENV A=1 \\\n    S=2 \\\n    C=3\n",
        "S",
        b"ENV A=1 \\\n    C=3\n",
    ),
    (
        "last line takes its backslash",
        b"ENV A=1 \\\n    B=2 \\\n    S=3\n",
        "S",
        b"ENV A=1 \\\n    B=2\n",
    ),
    (
        "last lines",
        b"ENV A=1 \\\n    S=2 \\\n    T=3\nRUN x\n",
        "ST",
        b"ENV A=1\nRUN x\n",
    ),
    (
        "first moves up",
        b"ENV S=1 \\\n    B=2 \\\n    C=3\n",
        "S",
        b"ENV B=2 \\\n    C=3\n",
    ),
    (
        "first two move up",
        b"ENV S=1 \\\n    T=2 \\\n    C=3\n",
        "ST",
        b"ENV C=3\n",
    ),
    (
        "keyword alone",
        b"ENV \\\n    S=1 \\\n    B=2 \\\n    T=3\n",
        "ST",
        b"ENV \\\n    B=2\n",
    ),
    (
        "aligned backslashes",
        b"ENV A=1   \\\n    S=222 \\\n    C=33  \\\n    D=4\n",
        "S",
        b"ENV A=1   \\\n    C=33  \\\n    D=4\n",
    ),
    (
        "several on a line",
        b"ENV A=1 S=2 \\\n    C=3 T=4 \\\n    U=5 E=6\n",
        "STU",
        b"ENV A=1 \\\n    C=3 \\\n    E=6\n",
    ),
    (
        "comment above stays",
        b"ENV A=1 \\\n    # about S\n    S=2 \\\n    C=3\n",
        "S",
        b"ENV A=1 \\\n    # about S\n    C=3\n",
    ),
    (
        "comment below the first keeps its place",
        b"ENV S=1 \\\n    # about B\n    B=2\n",
        "S",
        b"ENV \\\n    # about B\n    B=2\n",
    ),
    (
        "comment that would trail goes",
        b"ENV A=1 \\\n    # about S\n    S=2\nRUN x\n",
        "S",
        b"ENV A=1\nRUN x\n",
    ),
    (
        "comments between two that go stay",
        b"ENV A=1 \\\n    S=1 \\\n    # one\n    T=2 \\\n    # two\n    D=3\n",
        "ST",
        b"ENV A=1 \\\n    # one\n    # two\n    D=3\n",
    ),
    (
        "blank lines in the continuation",
        b"ENV A=1 \\\n\n    S=2 \\\n\n    C=3\n",
        "S",
        b"ENV A=1 \\\n\n    C=3\n",
    ),
    (
        "blank lines that would trail",
        b"ENV A=1 \\\n\n    S=2\nRUN x\n",
        "S",
        b"ENV A=1\nRUN x\n",
    ),
    (
        "backslash at the end of the file",
        b"ENV A=1 \\\n    S=2 \\\n",
        "S",
        b"ENV A=1\n",
    ),
    (
        "backslash and comment at the end of the file",
        b"ENV A=1 \\\n    S=2 \\\n# the end\n",
        "S",
        b"ENV A=1\n# the end\n",
    ),
    (
        "crlf",
        b"ENV A=1 \\\r\n    S=2 \\\r\n    C=3\r\nENV B=1 \\\r\n    T=2\r\n",
        "ST",
        b"ENV A=1 \\\r\n    C=3\r\nENV B=1\r\n",
    ),
    (
        "value over two lines",
        b'ENV A=1 \\\n    S="x \\\n  y" \\\n    C=3\n',
        "S",
        b"ENV A=1 \\\n    C=3\n",
    ),
    (
        "value over two lines beside others",
        b'ENV A=1 S="x \\\n  y" C=3\n',
        "S",
        b"ENV A=1 C=3\n",
    ),
    (
        "only an indent kept them apart",
        b"ENV A=1\\\n  S=2 \\\nC=3\n",
        "S",
        b"ENV A=1\\\n C=3\n",
    ),
    (
        "only the keyword's indent",
        b"ENV\\\n  S=2 \\\nC=3\n",
        "S",
        b"ENV\\\n C=3\n",
    ),
    ("escaped blank at the end", b"ENV A=x\\  S=2\nRUN x\n", "S", b'ENV A=x\\ ""\nRUN x\n'),
    (
        "a name that would be a comment",
        b"ARG A \\\n  S #x \\\n  C\n",
        "S",
        b"ARG A #x \\\n  C\n",
    ),
]


@pytest.mark.parametrize(
    ("before", "names", "after"), [p[1:] for p in PAIRS], ids=[p[0] for p in PAIRS]
)
def test_pairs_that_go(before: bytes, names: str, after: bytes) -> None:
    assert changed(F + before, without(*names)) == F + after


def test_backtick_as_escape() -> None:
    before = b"# escape=`\nFROM a\nENV A=1 `\n    S=C:\\x\\ `\n    C=3 `\n    T=4\n"
    after = b"# escape=`\nFROM a\nENV A=1 `\n    C=3\n"
    assert changed(before, without("S", "T")) == after


WHOLE = [
    ("one line", b"FROM a\nARG S\nRUN x\n", b"FROM a\nRUN x\n"),
    ("legacy", b"FROM a\nENV S some value\nRUN x\n", b"FROM a\nRUN x\n"),
    ("all its lines", b"FROM a\nENV S=1 \\\n    # why\n    T=2\nRUN x\n", b"FROM a\nRUN x\n"),
    ("indented", b"FROM a\n  ARG S\nRUN x\n", b"FROM a\nRUN x\n"),
    ("between blank lines", b"FROM a\n\nARG S\n\nRUN x\n", b"FROM a\n\nRUN x\n"),
    ("a paragraph", b"FROM a\n\nARG S\nARG T\n\nRUN x\n", b"FROM a\n\nRUN x\n"),
    ("two paragraphs", b"FROM a\n\nARG S\n\nENV T=1\n\nRUN x\n", b"FROM a\n\nRUN x\n"),
    ("above a blank line", b"FROM a\nARG S\n\nRUN x\n", b"FROM a\n\nRUN x\n"),
    ("last without newline", b"FROM a\nRUN x\nENV S=1", b"FROM a\nRUN x\n"),
    ("first of the file", b"ARG S\n\nFROM a\n", b"FROM a\n"),
    ("behind a BOM", b"\xef\xbb\xbfARG S\nFROM a\n", b"\xef\xbb\xbfFROM a\n"),
    ("crlf", b"FROM a\r\n\r\nARG S\r\n\r\nRUN x\r\n", b"FROM a\r\n\r\nRUN x\r\n"),
    (
        "a comment must not become a directive",
        b"ARG S\n# escape=`\nFROM a\n",
        b"\n# escape=`\nFROM a\n",
    ),
    (
        "a comment that cannot become one",
        b"FROM a\nARG S\n# check=skip=all\nRUN x\n",
        b"FROM a\n# check=skip=all\nRUN x\n",
    ),
]


@pytest.mark.parametrize(("before", "after"), [p[1:] for p in WHOLE], ids=[p[0] for p in WHOLE])
def test_an_instruction_goes_with_its_last_pair(before: bytes, after: bytes) -> None:
    assert changed(before, without("S", "T")) == after


# Each stands between `FROM a` and `RUN z`.
COMMENTS = [
    ("about it alone", b"# the token\nARG S\n\n", b"\n"),
    ("about all that goes", b"# build arguments\nARG S\nARG T\n\n", b"\n"),
    (
        "about what stays as well",
        b"# build arguments\nARG S\nARG A\n",
        b"# build arguments\nARG A\n",
    ),
    ("above the command that reads it", b"# the token\nARG S\n", b"# the token\n"),
    ("above what reads no variable", b"# the token\nARG S\nCOPY a b\n", b"COPY a b\n"),
    ("above another comment", b"# the token\nARG S\n# b\nARG A\n", b"# b\nARG A\n"),
    ("that names it", b"# give S\nARG S\n\n", b"\n"),
    ("about something else", b"# packages\nARG S\n\n", b"# packages\n\n"),
    (
        "that tells what is done",
        b"# install with a token\nARG S\n\n",
        b"# install with a token\n\n",
    ),
    ("that is a heading", b"# --- tokens ---\nARG S\n\n", b"# --- tokens ---\n\n"),
    ("that is an instruction", b"# ARG token\nARG S\n\n", b"# ARG token\n\n"),
    ("that is long", b"# token\n# b\n# c\n# d\nARG S\n\n", b"# token\n# b\n# c\n# d\n\n"),
    ("behind a blank line", b"# the token\n\nARG S\n", b"# the token\n\n"),
    ("with blank lines around", b"\n# the token\nARG S\n\n", b"\n"),
]


@pytest.mark.parametrize(
    ("before", "after"), [p[1:] for p in COMMENTS], ids=[p[0] for p in COMMENTS]
)
def test_a_comment_goes_with_what_it_speaks_of(before: bytes, after: bytes) -> None:
    for eol in (b"\n", b"\r\n"):
        whole, left = (b"FROM a\n" + one + b"RUN z\n" for one in (before, after))
        found = changed(whole.replace(b"\n", eol), without("S", "T"))
        assert found == left.replace(b"\n", eol)


def test_the_comment_at_the_top_speaks_of_the_file() -> None:
    assert changed(b"# token\nARG S\n\nFROM a\n", without("S")) == b"# token\n\nFROM a\n"


def test_a_heredoc_goes_with_its_run() -> None:
    before = b"FROM a\nRUN <<E\nx\nE\nRUN y\n"
    assert changed(before, lambda d: [verbs.remove(d, d.instructions[1])]) == b"FROM a\nRUN y\n"


M = b"--mount=type=secret,id=X,env=X"
S = b'export Y="a${X}" && '

VALUES = [
    ("value", b"ARG A=1 B=2\n", 0, b"x", b"ARG A=x B=2\n"),
    ("bare", b"ARG A B\n", 0, b"x", b"ARG A=x B\n"),
    ("empty", b"ENV A= B=2\n", 0, b"x", b"ENV A=x B=2\n"),
    ("legacy", b"ENV A some words\n", 0, b"x", b"ENV A x\n"),
    ("none", b"ARG A=1 B\n", 0, None, b"ARG A B\n"),
]


@pytest.mark.parametrize(
    ("before", "index", "text", "after"), [p[1:] for p in VALUES], ids=[p[0] for p in VALUES]
)
def test_values(before: bytes, index: int, text: bytes | None, after: bytes) -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        return [verbs.set_value(tree, tree.instructions[1], index, text)]  # type: ignore[arg-type]

    assert changed(F + before, ask) == F + after


def test_a_bare_name_gets_a_value_while_its_neighbour_goes() -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        return [verbs.set_value(tree, tree.instructions[1], 0, b"x"), *without("S")(tree)]  # type: ignore[arg-type]

    assert changed(F + b"ARG A S\n", ask) == F + b"ARG A=x\n"


def test_new_lines_above_and_below() -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        run = tree.instructions[1]
        return [
            verbs.insert_after(tree, run, b"LAST"),
            verbs.insert_before(tree, run, b"TWO", order=(2,)),
            verbs.insert_before(tree, run, b"ONE", order=(1,)),
        ]

    assert changed(b"FROM a\n  RUN x", ask) == b"FROM a\nONE\nTWO\n  RUN x\nLAST"
    assert changed(b"FROM a\r\nRUN x\r\n", ask) == b"FROM a\r\nONE\r\nTWO\r\nRUN x\r\nLAST\r\n"


def test_a_new_line_is_not_drawn_into_an_instruction_that_goes_on() -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        return [verbs.insert_after(tree, tree.instructions[1], b"USER 1")]

    assert changed(b"FROM a\nRUN x \\\n", ask) == b"FROM a\nRUN x\nUSER 1\n"
    assert changed(b"FROM a\nRUN x \\\n# c", ask) == b"FROM a\nRUN x\n# c\nUSER 1"


def test_a_word_is_replaced_and_its_neighbours_stay() -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        copy = tree.instructions[1]
        return [
            verbs.replace(tree, copy, copy.destination, b"/new/"),  # type: ignore[attr-defined]
            verbs.remove_source(tree, copy, 1),  # type: ignore[arg-type]
        ]

    before = F + b"COPY --chown=1 a \\\n  .npmrc \\\n  b /app/\n"
    assert changed(before, ask) == F + b"COPY --chown=1 a \\\n  b /new/\n"


def test_copy_goes_with_its_last_source() -> None:
    before = F + b"COPY .npmrc /root/\nRUN x\n"
    asked = changed(before, lambda d: [verbs.remove_source(d, d.instructions[1], 0)])  # type: ignore[arg-type]
    assert asked == F + b"RUN x\n"


NEW = b"# syntax=docker/dockerfile:1"
SYNTAX = [
    ("new", b"FROM a\n", NEW + b"\nFROM a\n"),
    ("crlf", b"FROM a\r\n", NEW + b"\r\nFROM a\r\n"),
    ("BOM", b"\xef\xbb\xbfFROM a\n", b"\xef\xbb\xbf" + NEW + b"\nFROM a\n"),
    ("above a comment", b"# c\nFROM a\n", NEW + b"\n# c\nFROM a\n"),
    ("above escape", b"# escape=`\nFROM a\n", NEW + b"\n# escape=`\nFROM a\n"),
    ("below a shebang", b"#!/x\nFROM a\n", b"#!/x\n" + NEW + b"\nFROM a\n"),
    (
        "replaced, its spelling kept",
        b"#Syntax = docker/dockerfile:1.4 \nFROM a\n",
        b"#Syntax = docker/dockerfile:1 \nFROM a\n",
    ),
    (
        "replaced below escape",
        b"# escape=`\n# syntax=x\nFROM a\n",
        b"# escape=`\n" + NEW + b"\nFROM a\n",
    ),
    (
        "replaced below a shebang",
        b"#!/x\n#syntax=a\nFROM a\n",
        b"#!/x\n#syntax=docker/dockerfile:1\nFROM a\n",
    ),
    ("a late one is no directive", b"\n# syntax=x\nFROM a\n", NEW + b"\n\n# syntax=x\nFROM a\n"),
    ("an indented one", b"  # syntax=x\nFROM a\n", NEW + b"\nFROM a\n"),
    ("is there already", NEW + b"\nFROM a\n", NEW + b"\nFROM a\n"),
]


@pytest.mark.parametrize(("before", "after"), [p[1:] for p in SYNTAX], ids=[p[0] for p in SYNTAX])
def test_the_syntax_line(before: bytes, after: bytes) -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        return [verbs.set_syntax(tree, "docker/dockerfile:1")]

    assert changed(before, ask) == after
    assert changed(after, ask) == after


def test_the_syntax_line_and_a_first_instruction_that_goes() -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        return [*without("S")(tree), verbs.set_syntax(tree, "docker/dockerfile:1")]

    assert changed(b"ARG S\nFROM a\n", ask) == NEW + b"\nFROM a\n"


def test_verbs_refuse_what_cannot_stand() -> None:
    tree = dockerfix.parse(F + b'RUN ["a"]\nRUN b\nENV A=1\nRUN\n')
    _, exec_run, run, env, empty = tree.instructions
    for mount in (b"type=secret,id=a b", "type=secret,id=à".encode(), b"", b"a\n"):
        with pytest.raises(ValueError, match="ASCII"):
            verbs.add_mount(tree, run, mount)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="exec"):
        verbs.insert_statement(tree, exec_run, S)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no command"):
        verbs.insert_statement(tree, empty, S)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="line break"):
        verbs.insert_statement(tree, run, b"a\nb")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs a value"):
        verbs.set_value(tree, env, 0, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="outside"):
        verbs.replace(tree, run, env.span, b"")
    with pytest.raises(ValueError, match="image"):
        verbs.set_syntax(tree, "a b")


def test_sources_that_cannot_go_alone() -> None:
    tree = dockerfix.parse(F + b"COPY <<E a /c\nx\nE\n")
    with pytest.raises(ValueError, match="heredoc"):
        verbs.remove_source(tree, tree.instructions[1], 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "gone", "becomes"),
    [
        (b'COPY ["a", "b b", "/c"]\n', [0], b'COPY ["b b", "/c"]\n'),
        (b'COPY ["a", "b b", "/c"]\n', [1], b'COPY ["a", "/c"]\n'),
        (b'ADD --chown=1 [ "a" ,"b","c", "/d" ]\n', [0, 2], b'ADD --chown=1 [ "b","/d" ]\n'),
        (b'COPY ["a", \\\n  "b", \\\n  "/c"]\n', [1], b'COPY ["a", \\\n  "/c"]\n'),
        (b'COPY ["a", "/c"]\nRUN x\n', [0], b"RUN x\n"),
    ],
)
def test_sources_of_the_json_form(text: bytes, gone: list[int], becomes: bytes) -> None:
    asked = changed(
        F + text,
        lambda d: [verbs.remove_source(d, d.instructions[1], one) for one in gone],  # type: ignore[arg-type]
    )
    assert asked == F + becomes


def test_what_an_operation_touches() -> None:
    tree = dockerfix.parse(F + b"ENV A=1 B=2\nRUN cmd\n")
    env, run = tree.instructions[1:]
    (touched,) = verbs.remove_pair(tree, env, 1).touches  # type: ignore[arg-type]
    assert tree.source.text(touched) == b"B=2"
    (touched,) = verbs.add_mount(tree, run, M).touches  # type: ignore[arg-type]
    assert touched.empty
    assert tree.source.data[: touched.start].endswith(b"RUN")
    (touched,) = verbs.insert_statement(tree, run, S).touches  # type: ignore[arg-type]
    assert tree.source.data[touched.start :] == b"cmd\n"
