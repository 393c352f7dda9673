"""The verbs on RUN: mounts that come and go, and statements before the command."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from asking import F, both, changed, with_mounts, without

import dockerfix
from dockerfix.syntax import make, verbs

if TYPE_CHECKING:
    from dockerfix.edits import Operation
    from dockerfix.syntax.nodes import Dockerfile

M = b"--mount=type=secret,id=X,env=X"
N = b"--mount=type=secret,id=Y,env=Y"
O = b"--mount=type=secret,id=Z,env=Z"  # noqa: E741
C = b"--mount=type=cache,target=/c"
D = b"--mount=type=cache,target=/d"

MOUNTS = [
    ("plain", b"RUN cmd\n", "X", b"RUN %b cmd\n" % M),
    ("no newline", b"RUN cmd", "X", b"RUN %b cmd" % M),
    (
        "several are broken",
        b"RUN cmd\n",
        "XY",
        b"RUN %b \\\n    %b \\\n    cmd\n" % (M, N),
    ),
    (
        "a command of several lines",
        b"RUN a && \\\n  b\n",
        "X",
        b"RUN %b \\\n  a && \\\n  b\n" % M,
    ),
    (
        "three, own indent",
        b"RUN a && \\\n  b\n",
        "XYZ",
        b"RUN %b \\\n  %b \\\n  %b \\\n  a && \\\n  b\n" % (M, N, O),
    ),
    (
        "three, crlf",
        b"RUN cmd\r\n",
        "XYZ",
        b"RUN %b \\\r\n    %b \\\r\n    %b \\\r\n    cmd\r\n" % (M, N, O),
    ),
    (
        "three before a break",
        b"RUN \\\n  cmd\n",
        "XYZ",
        b"RUN %b \\\n  %b \\\n  %b \\\n  cmd\n" % (M, N, O),
    ),
    (
        "a long line is broken",
        b"RUN " + b"c" * 90 + b"\n",
        "X",
        b"RUN %b \\\n    %b\n" % (M, b"c" * 90),
    ),
    (
        "a comment stays on the line",
        b"RUN # c \\\n cmd\n",
        "XYZ",
        b"RUN %b %b %b # c \\\n cmd\n" % (M, N, O),
    ),
    ("keyword alone", b"RUN \\\n    cmd\n", "X", b"RUN %b \\\n    cmd\n" % M),
    ("keyword and backslash", b"RUN\\\n    cmd\n", "X", b"RUN %b \\\n    cmd\n" % M),
    (
        "comment first",
        b"RUN \\\n    # c\n    cmd\n",
        "X",
        b"RUN %b \\\n    # c\n    cmd\n" % M,
    ),
    ("column", b"RUN             pip\n", "X", b"RUN             %b pip\n" % M),
    ("tab, lower case", b"run\tcmd\n", "X", b"run\t%b cmd\n" % M),
    ("exec form", b'RUN ["a", "b"]\n', "X", b'RUN %b ["a", "b"]\n' % M),
    ("test", b"RUN [ -z $X ] || b\n", "X", b"RUN %b [ -z $X ] || b\n" % M),
    ("heredoc", b"RUN <<EOF\ncmd\nEOF\n", "X", b"RUN %b <<EOF\ncmd\nEOF\n" % M),
    ("end of flags", b"RUN -- --x\n", "X", b"RUN %b -- --x\n" % M),
    ("behind a flag", b"RUN %b cmd\n" % C, "X", b"RUN %b %b cmd\n" % (C, M)),
    (
        "several behind a flag",
        b"RUN %b cmd\n" % C,
        "XY",
        b"RUN %b \\\n    %b \\\n    %b \\\n    cmd\n" % (C, M, N),
    ),
    ("flag, end of flags", b"RUN %b -- cmd\n" % C, "X", b"RUN %b %b -- cmd\n" % (C, M)),
    ("another flag", b"RUN --network=none cmd\n", "X", b"RUN --network=none %b cmd\n" % M),
    (
        "one flag a line",
        b"RUN %b \\\n    %b \\\n    cmd\n" % (C, D),
        "XY",
        b"RUN %b \\\n    %b \\\n    %b \\\n    %b \\\n    cmd\n" % (C, D, M, N),
    ),
    (
        "one flag, then a break",
        b"RUN %b   \\\n\tcmd\n" % C,
        "X",
        b"RUN %b   \\\n\t%b \\\n\tcmd\n" % (C, M),
    ),
    (
        "one flag a line, command beside the last",
        b"RUN %b \\\n    %b cmd\n" % (C, D),
        "X",
        b"RUN %b \\\n    %b \\\n    %b \\\n    cmd\n" % (C, D, M),
    ),
    (
        "keyword alone, one flag a line",
        b"RUN \\\n  %b \\\n  cmd\n" % C,
        "X",
        b"RUN \\\n  %b \\\n  %b \\\n  cmd\n" % (C, M),
    ),
    (
        "two flags on a line, then a break",
        b"RUN %b %b \\\n    cmd\n" % (C, D),
        "X",
        b"RUN %b %b %b \\\n    cmd\n" % (C, D, M),
    ),
    (
        "a flag split in the middle",
        b"RUN --mount=type=cache,\\\ntarget=/c cmd\n",
        "X",
        b"RUN --mount=type=cache,\\\ntarget=/c %b cmd\n" % M,
    ),
    ("is there already", b"RUN %b cmd\n" % M, "X", b"RUN %b cmd\n" % M),
    ("no command", b"RUN\n", "X", b"RUN %b\n" % M),
]


@pytest.mark.parametrize(
    ("before", "names", "after"), [p[1:] for p in MOUNTS], ids=[p[0] for p in MOUNTS]
)
def test_mounts_that_come(before: bytes, names: str, after: bytes) -> None:
    assert changed(F + before, with_mounts(*names)) == F + after


def test_mounts_with_backtick_as_escape() -> None:
    before = b"# escape=`\nFROM a\nRUN a ; `\n  b\n"
    mounts = b" `\n  ".join((M, N, O))
    after = b"# escape=`\nFROM a\nRUN %b `\n  a ; `\n  b\n" % mounts
    assert changed(before, with_mounts("X", "Y", "Z")) == after


def test_mounts_for_one_variable_that_differ_do_not_commute() -> None:
    tree = dockerfix.parse(F + b"RUN cmd\n")
    run = tree.instructions[1]
    one = verbs.add_mount(tree, run, b"type=secret,id=X,env=X")  # type: ignore[arg-type]
    two = verbs.add_mount(tree, run, b"type=secret,id=Y,env=X")  # type: ignore[arg-type]
    assert not one.commutes(two)
    assert one.commutes(one)


FLAGS = [
    ("only one", b"RUN %b cmd\n" % C, [0], b"RUN cmd\n"),
    ("first", b"RUN %b %b cmd\n" % (C, D), [0], b"RUN %b cmd\n" % D),
    ("last", b"RUN %b %b cmd\n" % (C, D), [1], b"RUN %b cmd\n" % C),
    ("own line", b"RUN %b \\\n    %b \\\n    cmd\n" % (C, D), [1], b"RUN %b \\\n    cmd\n" % C),
    (
        "first of lines",
        b"RUN %b \\\n    %b \\\n    cmd\n" % (C, D),
        [0],
        b"RUN %b \\\n    cmd\n" % D,
    ),
    (
        "all, the command moves up",
        b"RUN %b \\\n    %b \\\n    cmd && \\\n    more\n" % (C, D),
        [0, 1],
        b"RUN cmd && \\\n    more\n",
    ),
    ("end of flags stays", b"RUN %b -- cmd\n" % C, [0], b"RUN -- cmd\n"),
]


@pytest.mark.parametrize(
    ("before", "indices", "after"), [p[1:] for p in FLAGS], ids=[p[0] for p in FLAGS]
)
def test_mounts_that_go(before: bytes, indices: list[int], after: bytes) -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        run = tree.instructions[1]
        return [verbs.remove_mount(tree, run, run.mounts[index]) for index in indices]  # type: ignore[attr-defined,arg-type]

    assert changed(F + before, ask) == F + after
    # What comes instead takes the place of what goes.
    swapped = changed(F + before, both(ask, with_mounts("X")))
    gone = [C, D][indices[0]]
    if len(indices) == 1:
        assert swapped == F + before.replace(gone, M)


def test_a_mount_is_replaced_in_its_place() -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        run = tree.instructions[1]
        return [verbs.replace_mount(tree, run, run.mounts[0], M)]  # type: ignore[attr-defined,arg-type]

    before = b"RUN %b \\\n  %b \\\n  cmd\n"
    assert changed(F + before % (C, D), ask) == F + before % (M, D)


S = b'export Y="a${X}" && '

STATEMENTS = [
    ("plain", b"RUN cmd\n", b"RUN %bcmd\n" % S),
    ("behind a flag", b"RUN %b cmd\n" % C, b"RUN %b %bcmd\n" % (C, S)),
    ("on the next line", b"RUN \\\n    cmd\n", b"RUN \\\n    %bcmd\n" % S),
    (
        "a chain that goes on",
        b"RUN cmd && \\\n  more\n",
        b'RUN export Y="a${X}" && \\\n  cmd && \\\n  more\n',
    ),
    (
        "a chain whose lines begin with its operator",
        b"RUN cmd \\\n && more\n",
        b'RUN export Y="a${X}" \\\n && cmd \\\n && more\n',
    ),
    ("below a comment", b"RUN \\\n  # c\n  cmd\n", b"RUN \\\n  # c\n  %bcmd\n" % S),
    ("end of flags", b"RUN -- --x\n", b"RUN -- %b--x\n" % S),
    ("script", b"RUN <<E\ncmd\nE\n", b'RUN <<E\nexport Y="a${X}"\ncmd\nE\n'),
    (
        "script with shebang",
        b"RUN %b <<E\n#!/bin/bash\ncmd\nE\n" % C,
        b'RUN %b <<E\n#!/bin/bash\nexport Y="a${X}"\ncmd\nE\n' % C,
    ),
    (
        # The CR at the end of a line would be part of the value.
        "script, crlf and tabs",
        b"RUN <<-E\r\n\tcmd\r\n\tE\r\n",
        b"RUN <<-E\r\n\t%bcmd\r\n\tE\r\n" % S,
    ),
    ("empty script", b"RUN <<E\nE\n", b'RUN <<E\nexport Y="a${X}"\nE\n'),
    ("a heredoc for a command", b"RUN cat <<E\nx\nE\n", b"RUN %bcat <<E\nx\nE\n" % S),
    ("a heredoc before a command", b"RUN <<E sh\nx\nE\n", b"RUN %b<<E sh\nx\nE\n" % S),
]


@pytest.mark.parametrize(
    ("before", "after"), [p[1:] for p in STATEMENTS], ids=[p[0] for p in STATEMENTS]
)
def test_a_statement_comes_before_the_command(before: bytes, after: bytes) -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        return [verbs.insert_statement(tree, tree.instructions[1], S)]  # type: ignore[arg-type]

    assert changed(F + before, ask) == F + after


def test_statements_and_mounts_come_in_order_of_declaration_whoever_asks_first() -> None:
    tree = dockerfix.parse(F + b"RUN cmd\n")
    run = tree.instructions[1]
    operations = [
        verbs.insert_statement(tree, run, b"b && ", order=(2,)),  # type: ignore[arg-type]
        verbs.add_mount(tree, run, N[8:], order=(2,)),  # type: ignore[arg-type]
        verbs.insert_statement(tree, run, b"a && ", order=(1,)),  # type: ignore[arg-type]
        verbs.add_mount(tree, run, M[8:], order=(1,)),  # type: ignore[arg-type]
    ]
    expected = F + b"RUN %b \\\n    %b \\\n    a && b && cmd\n" % (M, N)
    for order in permutations(operations):
        assert changed(tree.source.data, lambda _, order=order: list(order)) == expected


def test_statements_in_a_script_are_lines_in_order() -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        run = tree.instructions[1]
        texts = (b"export B=1; ", b"export A=1 && ")
        return [verbs.insert_statement(tree, run, t, order=(n,)) for n, t in enumerate(texts)]  # type: ignore[arg-type]

    before = F + b"RUN <<E\n  set -e\nE\n"
    assert changed(before, ask) == F + b"RUN <<E\n  export B=1\n  export A=1\n  set -e\nE\n"


def test_twelve_secrets_of_one_env_and_one_run_are_one_round() -> None:
    names = [f"SECRET_{number}" for number in range(12)]
    lines = [b"    %b=value%d" % (name.encode(), number) for number, name in enumerate(names)]
    before = b"FROM a\nENV NODE_ENV=production \\\n" + b" \\\n".join(lines) + b"\nRUN npm ci\n"
    flags = b" \\\n    ".join(make.mount_flag(id=name, env=name) for name in names)
    after = b"FROM a\nENV NODE_ENV=production\nRUN " + flags + b" \\\n    npm ci\n"
    assert changed(before, both(without(*names), with_mounts(*names))) == after


def test_the_trigger_of_onbuild_takes_mounts() -> None:
    def ask(tree: Dockerfile) -> list[Operation]:
        return [verbs.add_mount(tree, tree.instructions[1].trigger, M)]  # type: ignore[attr-defined]

    assert changed(F + b"ONBUILD  RUN cmd \\\n  more\n", ask) == (
        F + b"ONBUILD  RUN %b \\\n  cmd \\\n  more\n" % M
    )
