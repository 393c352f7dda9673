"""Reading the tree: walk, visitors and matches; and the factories' text."""

# ruff: noqa: N802

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import dockerfix
from dockerfix.syntax import make
from dockerfix.syntax.nodes import Arg, Env, Run
from dockerfix.syntax.visit import Visitor, matches, walk

if TYPE_CHECKING:
    from dockerfix.syntax.nodes import Dockerfile, Instruction, Node

TREE = b"""# syntax=docker/dockerfile:1
ARG G
FROM a AS one
ARG X
ENV A=1 B=2
RUN --mount=type=cache,target=/c cmd
ONBUILD RUN later
"""


def test_walk_gives_parents_first_and_in_source_order() -> None:
    tree = dockerfix.parse(TREE)
    found = list(walk(tree))
    assert found[0] is tree
    seen: set[int] = set()
    for node in found:
        seen.add(id(node))
        assert not any(id(child) in seen for child in node.children)
    starts = [node.span.start for node in found if not node.children]
    assert starts == sorted(starts)
    assert b"".join(node.code for node in found if not node.children) == TREE


class Trace(Visitor):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def visit_Dockerfile(self, node: Dockerfile) -> None:
        self.calls.append("visit file")

    def leave_Dockerfile(self, node: Dockerfile) -> None:
        self.calls.append("leave file")

    def visit_Instruction(self, node: Instruction) -> None:
        self.calls.append(f"visit {node.name}")

    def leave_Run(self, node: Run) -> None:
        self.calls.append(f"leave run {node.body.text.decode()}")

    def visit_Env(self, node: Env) -> bool:
        self.calls.append("skip env")
        return False

    def leave_Env(self, node: Env) -> None:
        self.calls.append("never")

    def visit_Pair(self, node: Node) -> None:
        self.calls.append(f"pair {node.code.decode().strip()}")


def test_a_visitor_sees_what_it_has_methods_for() -> None:
    trace = Trace()
    trace.visit(dockerfix.parse(TREE))
    assert trace.calls == [
        "visit file",
        "visit arg",
        "pair G",
        "visit from",
        "visit arg",
        "pair X",
        "skip env",
        "visit run",
        "leave run cmd",
        "visit onbuild",
        "visit run",
        "leave run later",
        "leave file",
    ]


def test_a_deep_or_long_tree_needs_no_recursion() -> None:
    tree = dockerfix.parse(b"FROM a\n" + b"RUN x\n" * 5000)

    class Count(Visitor):
        runs = 0

        def visit_Run(self, node: Run) -> None:
            self.runs += 1

    count = Count()
    count.visit(tree)
    assert count.runs == 5000


def test_matches_looks_at_class_and_fields() -> None:
    tree = dockerfix.parse(TREE)
    env, run = tree.instructions[3], tree.instructions[4]
    assert matches(env, Env, name="env", pairs=lambda pairs: len(pairs) == 2)
    assert not matches(env, Env, pairs=lambda pairs: len(pairs) == 1)
    assert not matches(env, (Arg, Run))
    assert matches(run, (Arg, Run), name="run", exec_form=False)
    assert not matches(run, Run, exec_form=True)


MOUNTS = [
    ({"id": "X", "env": "X"}, b"type=secret,id=X,env=X"),
    ({"id": "X", "env": "Y", "required": True}, b"type=secret,id=X,env=Y,required"),
    ({"id": "X", "required": False}, b"type=secret,id=X,required=false"),
    (
        {"id": "npmrc", "target": "/root/.npmrc", "mode": 0o444, "uid": 1000},
        b"type=secret,id=npmrc,target=/root/.npmrc,mode=0444,uid=1000",
    ),
    ({"id": "X", "mode": "0400", "gid": 0}, b"type=secret,id=X,mode=0400,gid=0"),
    ({"type": "ssh"}, b"type=ssh"),
    ({"type": "ssh", "id": "key", "required": True}, b"type=ssh,id=key,required"),
    ({"type": "bind", "source": "a", "target": "/a"}, b"type=bind,source=a,target=/a"),
    ({"id": "a,b"}, b"""'type=secret,"id=a,b"'"""),
    ({"id": "$ID", "target": "$HOME/x"}, b"type=secret,id=$ID,target=$HOME/x"),
]


@pytest.mark.parametrize(("options", "text"), MOUNTS)
def test_a_mount_is_written_and_read_back(options: dict[str, object], text: bytes) -> None:
    assert make.mount(**options) == text  # type: ignore[arg-type]
    assert make.mount_flag(**options) == b"--mount=" + text  # type: ignore[arg-type]
    tree = dockerfix.parse(b"FROM a\n" + make.run(b"cmd", [text]) + b"\n")
    (mount,) = tree.instructions[1].mounts  # type: ignore[attr-defined]
    assert mount.type == options.get("type", "secret")
    assert mount.id == options.get("id")
    assert mount.env == options.get("env")
    assert mount.target == options.get("target")
    assert bool(mount.required) == bool(options.get("required", False))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"env": "X"},
        {"id": ""},
        {"id": "X", "env": ""},
        {"id": "X", "env": "A=B"},
        {"id": "X", "env": "A,B"},
        {"id": "X Y"},
        {"id": "clé"},
        {"id": "X\n"},
        {"id": "X\t"},
        {"id": "it's"},
        {"id": 'a"b'},
        {"id": "X", "target": "C:\\x"},
        {"id": "X", "target": "/a`b"},
        {"id": "X", "target": "/a\x7f"},
    ],
)
def test_a_mount_that_would_be_read_otherwise_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        make.mount(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (b"plain", b"plain"),
        (b"", b'""'),
        (b"a b", b'"a b"'),
        (b"a$b", b'"a\\$b"'),
        (b'a"b', b'"a\\"b"'),
        (b"it's", b'"it\'s"'),
        (b"C:\\x", b'"C:\\\\x"'),
        (b"#x", b'"#x"'),
    ],
)
def test_a_word_is_quoted_where_it_must_be(value: bytes, written: bytes) -> None:
    assert make.word(value) == written
    assert make.arg("A", value) == b"ARG A=" + written
    assert make.env([("A", value), ("B", b"x")]) == b"ENV A=" + written + b" B=x"
    tree = dockerfix.parse(b"FROM a\n" + make.env([("A", value), ("B", b"x")]))
    assert not tree.errors
    first, second = tree.instructions[1].pairs  # type: ignore[attr-defined]
    assert (first.value.raw, second.value.raw) == (written, b"x")


def test_words_with_another_escape_or_with_variables() -> None:
    assert make.word(b"C:\\x y", escape=b"`") == b'"C:\\x y"'
    assert make.word(b"a`$b", escape=b"`") == b'"a```$b"'
    assert make.word(b"${X} y", expand=True) == b'"${X} y"'


def test_lines() -> None:
    assert make.syntax() == b"# syntax=docker/dockerfile:1"
    assert make.directive("check", "skip=all") == b"# check=skip=all"
    assert make.arg("X") == b"ARG X"
    assert make.run(b"cmd") == b"RUN cmd"
    for text in ("", "a\nb"):
        with pytest.raises(ValueError, match="one line"):
            make.directive("syntax", text)
    with pytest.raises(ValueError, match="line break"):
        make.word(b"a\nb")
    with pytest.raises(ValueError, match="pair"):
        make.env([])
