"""Shift and reduce over tables that Lark made from `grammar/*.lark` ahead of time.

`derive` is all that runs in use, and imports no Lark. `python -m dockerfix.syntax.parser`
makes the tables anew. This is the only module that imports lark; it knows neither the
lexer nor any node.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from dockerfix.syntax.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    import lark

STARTS = {
    "dockerfile": ("dockerfile",),
    "from": ("from",),
    "arg": ("arg",),
    "pairs": ("env", "label"),
    "command": ("run", "cmd", "entrypoint", "shell", "healthcheck"),
    "words": ("copy", "add", "volume", "expose", "user", "workdir", "stopsignal", "maintainer"),
    "onbuild": ("onbuild",),
    "mount": ("mount",),
    "exec": ("exec_form",),
    "other": ("unknown_instruction", "error_instruction"),
}
"""Which rules each grammar file can begin with."""

State = dict[str, Any]
"""What to do at each terminal: the state to go to, or the rule to reduce by."""

END = ("$END",)


def derive(
    grammar: str,
    start: str,
    tokens: Iterable[Any],
    makers: Mapping[str, Callable[[Any, tuple[Any, ...]], Any]],
    context: Any,
) -> Any:
    """The node made for rule `start` from `tokens`, or None if they do not fit.

    A token is a tuple that begins with its terminal. `makers[rule](context, parts)` is
    called for each rule as it is complete, with tokens and made nodes in order; rules that
    begin with `_` (and those that Lark makes for `*` and `+`) give their parts to the rule
    around them.
    """
    starts = LINKED.get(grammar) or _link(grammar)
    state, accepting = starts[start]
    states = [state]
    values: list[Any] = []
    for token in (*tokens, END):
        kind = token[0]
        while True:
            action = state.get(kind)
            if type(action) is dict:
                values.append(token)
                state = action
                states.append(state)
                break
            if action is None:
                return None
            rule, size, hidden, nested = action
            if size == 1:
                states.pop()
                part = values[-1]
                if not hidden:
                    values[-1] = makers[rule](context, tuple(part) if nested else (part,))
                elif not nested:
                    values[-1] = [part]
            elif hidden and size == 2 and type(values[-2]) is list and type(values[-1]) is not list:
                # A list that grows by one, which is nearly all that lists do.
                del states[-2:]
                part = values.pop()
                values[-1].append(part)
            else:
                at = len(values) - size
                parts = values[at:]
                del values[at:], states[at + 1 :]
                if nested:
                    parts = _flat(parts)
                values.append(parts if hidden else makers[rule](context, tuple(parts)))
            state = states[-1][rule]
            states.append(state)
            if state is accepting and kind == "$END":
                return values[0]
    return None


LINKED: dict[str, dict[str, tuple[State, State]]] = {}


def _link(grammar: str) -> dict[str, tuple[State, State]]:
    """The table with states that refer to one another, made once a run."""
    starts, actions, rules = TABLES[grammar]
    states: list[State] = [{} for _ in actions]
    for state, row in zip(states, actions, strict=True):
        for kind, action in row.items():
            state[kind] = states[action] if action >= 0 else rules[~action]
    LINKED[grammar] = {name: (states[a], states[b]) for name, (a, b) in starts.items()}
    return LINKED[grammar]


def _flat(parts: list[Any]) -> list[Any]:
    """The parts with those of hidden rules in their place; a growing list is never copied."""
    first: list[Any] = parts[0]
    if type(first) is not list:
        first = [first]
    for part in parts[1:]:
        if type(part) is list:
            first += part
        else:
            first.append(part)
    return first


@cache
def grammar_folder() -> Path:
    """Where the .lark files are: in the wheel inside the package, in a checkout beside it."""
    from pathlib import Path

    package = Path(__file__).resolve().parent.parent
    shipped = package / "grammar"
    return shipped if shipped.is_dir() else package.parent / "grammar"


def build(grammar: str) -> lark.Lark:
    """Lark's own parser for one grammar file; it is given tokens, not text."""
    import lark

    class Given(lark.lexer.Lexer):
        """The tokens are ready: `parse` is given our own, as tuples."""

        def __init__(self, conf: object) -> None:
            pass

        def lex(self, data: Any, parser_state: Any = None) -> Iterator[lark.Token]:
            for token in data:
                yield lark.Token(token[0], token)

    path = grammar_folder() / f"{grammar}.lark"
    starts = list(STARTS[grammar])
    return lark.Lark.open(
        str(path), parser="lalr", lexer=Given, start=starts, maybe_placeholders=False
    )


def table(grammar: str) -> tuple[Any, Any, Any]:
    """(start and accepting state by rule, actions by state, rules) of one grammar file.

    An action is the state to go to, or the complement of the rule to reduce by.
    """
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

    data, memo = build(grammar).memo_serialize([TerminalDef, Rule])
    parse_table = data["parser"]["parser"]
    names = {key: str(name) for key, name in parse_table["tokens"].items()}
    states = parse_table["states"]
    found = {key: _rule(entry) for key, entry in memo.items() if entry["__type__"] == "Rule"}
    order = sorted(found, key=lambda key: found[key])
    rules = [found[key][0] for key in order]
    numbers = {key: ~place for place, key in enumerate(order)}
    # Lark numbers states and rules as its sets come: they are numbered anew, by name.
    renamed: dict[int, int] = {}
    waiting = [parse_table["start_states"][start] for start in STARTS[grammar]]
    while waiting:
        state = waiting.pop(0)
        if state not in renamed:
            renamed[state] = len(renamed)
            row = sorted(states[state].items(), key=lambda item: names[item[0]])
            waiting += [argument for _, (reduce, argument) in row if not reduce]
    actions = []
    for state in renamed:
        row = sorted(states[state].items(), key=lambda item: names[item[0]])
        actions.append(
            {
                names[name]: numbers[argument["@"]] if reduce else renamed[argument]
                for name, (reduce, argument) in row
            }
        )
    starts = {
        start: tuple(renamed[parse_table[kind][start]] for kind in ("start_states", "end_states"))
        for start in STARTS[grammar]
    }
    return starts, tuple(actions), tuple(rules)


def _rule(entry: dict[str, Any]) -> tuple[tuple[str, int, bool, bool], list[str]]:
    origin = str(entry["origin"]["name"])
    symbols = entry["expansion"]
    nested = any(
        symbol["__type__"] == "NonTerminal" and symbol["name"].startswith("_") for symbol in symbols
    )
    hidden = origin.startswith("_")
    return (origin, len(symbols), hidden, nested), [str(symbol["name"]) for symbol in symbols]


def tables() -> dict[str, Any]:
    """The tables in use."""
    return dict(TABLES)


def tables_from_grammar() -> dict[str, Any]:
    """The tables that the grammar files of today make."""
    return {grammar: table(grammar) for grammar in STARTS}


def module_text() -> str:
    """The text of `tables.py`, as it must be for the grammar files of today."""
    lines = [
        '"""Parse tables of `grammar/*.lark`, made by `python -m dockerfix.syntax.parser`.',
        "",
        "Do not edit. For each grammar: (start and accepting state by rule, actions by state,",
        "rules as name, size, whether hidden, whether a part is hidden).",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "# ruff: noqa",
        "# fmt: off",
        "Actions = tuple[dict[str, int], ...]",
        "Rules = tuple[tuple[str, int, bool, bool], ...]",
        "TABLES: dict[str, tuple[dict[str, tuple[int, int]], Actions, Rules]] = {",
    ]
    for grammar, (starts, actions, rules) in tables_from_grammar().items():
        lines += (f"    {grammar!r}: (", f"        {starts!r},", "        (")
        lines += (f"            {row!r}," for row in actions)
        lines += ("        ),", "        (")
        lines += (f"            {rule!r}," for rule in rules)
        lines += ("        ),", "    ),")
    return "\n".join((*lines, "}", ""))


def main() -> None:
    from pathlib import Path

    Path(__file__).with_name("tables.py").write_text(module_text(), "utf-8")


if __name__ == "__main__":
    main()
