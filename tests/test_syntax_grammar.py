"""The grammar files, the tables made of them, and the classes: none without the others."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import lark
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROFILE

import dockerfix
from dockerfix.syntax import nodes, parser, shapes
from dockerfix.syntax.lexer import scan

DATA = Path(__file__).parent / "data"
RULE = re.compile(r"^([a-z][a-z0-9_]*):", re.MULTILINE)
TERMINAL = re.compile(r"\b[A-Z][A-Z_]+\b")


def grammar_text(name: str) -> str:
    text = (parser.grammar_folder() / f"{name}.lark").read_text("utf-8")
    return re.sub(r"//.*", "", text)


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def test_each_rule_has_its_class_and_each_class_its_rule() -> None:
    rules = {
        rule
        for path in parser.grammar_folder().glob("*.lark")
        for rule in RULE.findall(grammar_text(path.stem))
    }
    classes = nodes.node_classes()
    assert rules == set(classes)
    assert len(set(classes.values())) == len(classes)
    assert {rule: snake(made.__name__) for rule, made in classes.items()} == {
        rule: rule for rule in rules
    }


def test_each_grammar_file_is_used() -> None:
    files = {path.stem for path in parser.grammar_folder().glob("*.lark")}
    assert files == set(parser.STARTS) | {"flags"}


def test_the_tables_are_those_of_the_grammar_files() -> None:
    assert parser.tables() == parser.tables_from_grammar()
    made = Path(parser.__file__).with_name("tables.py").read_text("utf-8")
    assert made == parser.module_text()


def test_no_lark_at_run_time() -> None:
    program = (
        "import sys, dockerfix\n"
        "tree = dockerfix.parse(b'FROM x\\nRUN --mount=type=ssh a\\n')\n"
        "assert tree.instructions[1].mounts[0].type == 'ssh'\n"
        "assert tree.children\n"
        "print('lark' in sys.modules)\n"
    )
    folder = str(Path(dockerfix.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=folder, check=True
    )
    assert done.stdout == "False\n"


class Plain(dict[str, Any]):
    """Makes (rule, parts) of every rule."""

    def __missing__(self, rule: str) -> Any:
        return lambda _, parts: (rule, *parts)


def ours(grammar: str, start: str, tokens: list[Any]) -> Any:
    return parser.derive(grammar, start, tokens, Plain(), None)


LARKS = {grammar: parser.build(grammar) for grammar in parser.STARTS}


def theirs(grammar: str, start: str, tokens: list[Any]) -> Any:
    try:
        tree = LARKS[grammar].parse(tokens, start=start)
    except lark.UnexpectedInput:
        return None
    return plain(tree)


def plain(node: Any) -> Any:
    if isinstance(node, lark.Tree):
        return (str(node.data), *(plain(child) for child in node.children))
    return node.value


def inputs() -> list[bytes]:
    cases = json.loads((DATA / "own_lexical.json").read_text("utf-8"))
    return [case["input"].encode(case.get("input_encoding", "utf-8")) for case in cases]


@pytest.mark.parametrize("data", inputs())
def test_the_driver_derives_what_lark_derives(data: bytes) -> None:
    lexed = scan(data)
    tokens: list[Any] = [token[:1] + token[2:] for token in lexed.tokens]
    outer = ours("dockerfile", "dockerfile", tokens)
    assert outer is not None
    assert outer == theirs("dockerfile", "dockerfile", tokens)
    for instruction in dockerfix.parse(data).instructions:
        head, start, end = shapes.head(instruction.line)
        name = instruction.name
        for grammar, starts in parser.STARTS.items():
            if name in starts:
                for rest in (
                    shapes.words(instruction.line.text, start, end),
                    shapes.pairs(instruction.line, start, end, legacy=True),
                    shapes.json_tokens(instruction.line.text, start, end) or [],
                    [("SHELL_TEXT", start, end)],
                ):
                    made = ours(grammar, name, head + rest)
                    assert made == theirs(grammar, name, head + rest)


@st.composite
def sentences(draw: st.DrawFn) -> tuple[str, str, list[Any]]:
    """A grammar, a rule it can begin with, and tokens of it in any order, sound ones likely."""
    grammar = draw(st.sampled_from(sorted(parser.STARTS)))
    start = draw(st.sampled_from(parser.STARTS[grammar]))
    starts, actions, rules = parser.tables()[grammar]
    kinds = sorted({kind for row in actions for kind in row if kind.isupper() and kind != "$END"})
    found = draw(st.lists(st.sampled_from(kinds), max_size=12))
    if draw(st.booleans()):
        found = follow(starts[start][0], actions, rules, found)
    return grammar, start, [(kind, place, place + 1) for place, kind in enumerate(found)]


def follow(state: int, actions: Any, rules: Any, wishes: list[str]) -> list[str]:
    """The wishes that the table lets through one after the other."""
    states = [state]
    taken = []
    for kind in wishes:
        trial = list(states)
        while (action := actions[trial[-1]].get(kind)) is not None and action < 0:
            rule, size, *_ = rules[~action]
            del trial[len(trial) - size :]
            trial.append(actions[trial[-1]][rule])
        if action is not None:
            states = [*trial, action]
            taken.append(kind)
    return taken


@PROFILE
@given(sentences())
def test_the_driver_agrees_with_lark_on_any_tokens(sentence: tuple[str, str, list[Any]]) -> None:
    assert ours(*sentence) == theirs(*sentence)
