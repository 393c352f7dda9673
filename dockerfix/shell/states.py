"""Making one `State` from another: where paths meet, what `set` and `shift` change.

Which command does what is the business of `flow`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from dockerfix.shell import values
from dockerfix.shell.nodes import NOWHERE, Assignment, Contribution, State, Variable, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.source import Span


MOST_CONTRIBUTIONS = 64
"""A variable that more assignments add to is not followed: its contributions are unknown."""


def merge(one: State, two: State) -> State:
    """What holds where two paths meet."""
    if one is two or two.dead:
        return one
    if one.dead:
        return two
    variables: dict[str, Variable] = {}
    for name in {*one.variables, *two.variables}:
        variables[name] = _merge_variable(one.variable(name), two.variable(name))
    cwds = None if one.cwds is None or two.cwds is None else one.cwds | two.cwds
    return State(
        variables,
        None if cwds is not None and len(cwds) > values.MOST_VALUES else cwds,
        one.stack if one.stack == two.stack else (),
        one.nounset or two.nounset,
        one.xtrace or two.xtrace,
        one.errexit and two.errexit,
        one.allexport and two.allexport,
        one.opaque or two.opaque,
    )


def _merge_variable(one: Variable, two: Variable) -> Variable:
    if one is two:
        return one
    known: values.Values = None
    if one.values is not None and two.values is not None:
        known = one.values | two.values
        known = None if len(known) > values.MOST_VALUES else known
    assigned: Literal["yes", "maybe", "no"] = (
        one.assigned if one.assigned == two.assigned else "maybe"
    )
    attribute: Literal["yes", "maybe", "no"] = (
        one.attribute if one.attribute == two.attribute else "maybe"
    )
    return Variable(
        known,
        attribute,
        one.in_sync and two.in_sync,
        assigned,
        one.readonly or two.readonly,
        _merge_contributions(one.contributions, two.contributions),
        one.array or two.array,
    )


def _merge_contributions(
    one: tuple[Contribution, ...], two: tuple[Contribution, ...]
) -> tuple[Contribution, ...]:
    if one is two or len(one) > MOST_CONTRIBUTIONS or len(two) > MOST_CONTRIBUTIONS:
        return one if one is two else ()
    second = {_place(c): c for c in two}
    found: list[Contribution] = []
    for contribution in one:
        other = second.pop(_place(contribution), None)
        both = other is not None and not other.conditional and not contribution.conditional
        found.append(contribution if both else contribution._replace(conditional=True))
    found += [c._replace(conditional=True) for c in second.values()]
    found.sort(key=lambda c: c.assignment.span)
    return tuple(found)


def _place(contribution: Contribution) -> tuple[str, Span, str]:
    assignment = contribution.assignment
    return assignment.origin, assignment.span, assignment.name


def with_variable(state: State, name: str, variable: Variable) -> State:
    return replace(state, variables={**state.variables, name: variable})


def forget_positional(state: State, by: Span = NOWHERE) -> State:
    """The positional parameters are others from here on (`shift`, a function's own)."""
    kept = {k: v for k, v in state.variables.items() if not k.isdigit() and k != "@"}
    new: dict[str, Variable] = {}
    for name in map(str, range(1, 10)):
        contribution = Contribution(Assignment(name, by, "positional"), False, state)
        new[name] = Variable(None, "no", False, "yes", False, (contribution,))
    return replace(state, variables={**kept, **new})


def sets_positional(arguments: Sequence[Word]) -> bool:
    literals = [word.literal for word in arguments]
    return "--" in literals or any(one is None or one[:1] not in ("-", "+") for one in literals[:1])


def options(arguments: Sequence[Word], state: State) -> State:
    literals = [word.literal or "" for word in arguments]
    names = {"nounset": "u", "xtrace": "x", "errexit": "e", "allexport": "a"}
    changes: dict[str, bool] = {}
    skip = False
    for index, literal in enumerate(literals):
        if skip:
            skip = False
            continue
        if literal in ("--", "-") or literal[:1] not in ("-", "+"):
            break
        on = literal[0] == "-"
        letters = literal[1:]
        if "o" in letters:
            long = literals[index + 1] if index + 1 < len(literals) else ""
            letters += names.get(long, "")
            skip = True
        for name, letter in names.items():
            if letter in letters:
                changes[name] = on
    return State(
        state.variables,
        state.cwds,
        state.stack,
        changes.get("nounset", state.nounset),
        changes.get("xtrace", state.xtrace),
        changes.get("errexit", state.errexit),
        changes.get("allexport", state.allexport),
        state.opaque,
        state.dead,
    )


def nested_initial(state: State, kind: str) -> State:
    """What a child shell starts with: the same for `eval`, the exported part otherwise."""
    if kind in ("eval", "trap"):
        return replace(state, dead=False)
    kept = {
        name: Variable(v.values, "yes" if v.attribute == "yes" else "maybe", True, "no")
        for name, v in state.variables.items()
        if v.in_sync and v.values is not None
    }
    return State(kept, state.cwds)
