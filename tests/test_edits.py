"""Operations, choose and apply: merge, commutation, conflicts, guards, any order the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerfix.edits import (
    Edit,
    Fix,
    Guard,
    Operation,
    Removal,
    Safety,
    apply,
    choose,
    splice,
)
from dockerfix.source import BOM, Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Words:
    """A site of blank-separated words: `drop` one, `set` one, `append`, or `remove` the line."""

    span: Span

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        if any(operation.verb == "remove" for operation in operations):
            yield Removal(self.span, b"")
            return
        words = source.text(self.span).split()
        gone = {op.member: op.value for op in operations if op.verb in ("drop", "set")}
        kept = [gone.get(i, word) for i, word in enumerate(words)]
        added = [op.value for op in operations if op.verb == "append"]
        yield Edit(self.span, b" ".join(w for w in (*kept, *added) if isinstance(w, bytes)) + b"\n")


SOURCE = Source("words", b"a b c\nd e f\n")
ONE, TWO = Words(Span(0, 6)), Words(Span(6, 12))


def op(
    site: Words,
    verb: str,
    member: object = None,
    value: bytes | None = None,
    order: int = 0,
    touches: tuple[Span, ...] = (),
) -> Operation:
    member = ("append", value) if verb == "append" else member
    return Operation(
        "words",
        verb,
        member,  # type: ignore[arg-type]
        value,
        site.span,
        touches or (site.span,) if member is None else touches,
        (order,),
        site=site,
    )


def fix(name: str, *operations: Operation, guards: tuple[Guard, ...] = ()) -> Fix:
    return Fix(name, Safety.SAFE, "none", operations, guards)


def run(*fixes: Fix) -> bytes:
    chosen, waiting = choose(fixes)
    assert not waiting
    return apply({"words": SOURCE}, chosen)["words"]


def test_operations_on_different_members_of_one_site_are_one_round() -> None:
    assert run(fix("x", op(ONE, "drop", 0)), fix("y", op(ONE, "drop", 2))) == b"b\nd e f\n"


def test_equal_operations_merge() -> None:
    append = op(ONE, "append", value=b"new")
    assert run(fix("x", append), fix("y", append)) == b"a b c new\nd e f\n"


def test_equal_operations_merge_into_the_earliest_place_whichever_comes_first() -> None:
    late, early = op(ONE, "append", value=b"n", order=9), op(ONE, "append", value=b"n", order=1)
    middle = op(ONE, "append", value=b"m", order=5)
    for fixes in permutations([fix("x", late), fix("y", early), fix("z", middle)]):
        assert run(*fixes) == b"a b c n m\nd e f\n"
        # `apply` alone does not rely on the order in which `choose` gives fixes.
        assert apply({"words": SOURCE}, fixes)["words"] == b"a b c n m\nd e f\n"


def test_insertions_at_one_point_come_in_order_of_declaration() -> None:
    appends = [op(ONE, "append", value=v, order=n) for n, v in enumerate((b"z", b"y", b"x"))]
    for fixes in permutations([fix(str(n), a) for n, a in enumerate(appends)]):
        assert run(*fixes) == b"a b c z y x\nd e f\n"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (op(ONE, "drop", 0), op(ONE, "set", 0, b"x")),
        (op(ONE, "set", 0, b"y"), op(ONE, "set", 0, b"x")),
        (op(ONE, "remove"), op(ONE, "drop", 1)),
        (op(ONE, "drop", 1), op(Words(Span(0, 12)), "drop", 1)),
        (
            op(ONE, "set", "ab", b"x", touches=(Span(0, 3),)),
            op(ONE, "set", "bc", b"y", touches=(Span(2, 5),)),
        ),
    ],
    ids=["drop and set", "two values", "whole and member", "nested sites", "touching spans"],
)
def test_what_does_not_commute_waits_and_the_winner_does_not_depend_on_order(
    one: Operation, two: Operation
) -> None:
    assert not one.commutes(two)
    assert not two.commutes(one)
    first, second = fix("x", one), fix("y", two)
    chosen, waiting = choose([first, second])
    assert choose([second, first]) == (chosen, waiting)
    assert len(chosen) == len(waiting) == 1
    assert {waiting[0].fix.name, waiting[0].against.name} == {"x", "y"}


def test_operations_in_other_files_and_on_other_sites_commute() -> None:
    elsewhere = Operation("other", "remove", None, None, ONE.span, (), (), site=ONE)
    assert op(ONE, "remove").commutes(elsewhere)
    assert run(fix("x", op(ONE, "remove")), fix("y", op(TWO, "drop", 0))) == b"e f\n"


def test_a_fix_that_conflicts_in_one_operation_waits_as_a_whole() -> None:
    both = fix("b", op(ONE, "set", 0, b"x", order=5), op(TWO, "drop", 0, order=5))
    chosen, waiting = choose([both, fix("a", op(ONE, "drop", 0))])
    assert [f.name for f in chosen] == ["a"]
    assert [c.fix.name for c in waiting] == ["b"]
    assert apply({"words": SOURCE}, chosen) == {"words": b"b c\nd e f\n"}


def test_a_change_of_guarded_bytes_waits() -> None:
    guarded = fix("g", op(TWO, "drop", 0), guards=(Guard("words", Span(0, 1)),))
    changing = fix("c", op(ONE, "drop", 0, touches=(Span(0, 1),)))
    beside = fix("n", op(ONE, "drop", 1, touches=(Span(2, 3),)))
    assert len(choose([guarded, changing])[1]) == 1
    assert choose([guarded, changing]) == choose([changing, guarded])
    assert choose([guarded, beside])[1] == []


def test_an_insertion_at_the_border_of_a_guard_is_no_change_of_it() -> None:
    guarded = fix("g", op(TWO, "drop", 0), guards=(Guard("words", Span(0, 3)),))
    inside = fix("i", op(ONE, "append", value=b"x", touches=(Span(2, 2),)))
    border = fix("b", op(ONE, "append", value=b"x", touches=(Span(3, 3),)))
    assert len(choose([guarded, inside])[1]) == 1
    assert choose([guarded, border])[1] == []


def test_a_shared_operation_does_not_break_the_guard_of_a_fix_that_has_it_too() -> None:
    first = op(ONE, "drop", 0, order=1, touches=(Span(0, 1),))
    again = op(ONE, "drop", 0, order=7, touches=(Span(0, 1),))
    guarded = fix("g", first, guards=(Guard("words", Span(0, 6)),))
    assert choose([guarded, fix("o", again)])[1] == []


def test_overlapping_edits_are_our_bug_and_raise() -> None:
    with pytest.raises(ValueError, match="overlap"):
        splice(b"abcdef", [Edit(Span(0, 3), b""), Edit(Span(2, 4), b"")])


def test_a_file_without_edits_is_left_out_or_equal() -> None:
    assert apply({"words": SOURCE}, []) == {}


@pytest.mark.parametrize(
    ("before", "gone", "after"),
    [
        (b"a\n\nX\n\nb\n", b"X\n", b"a\n\nb\n"),
        (b"a\n\nX\nb\n", b"X\n", b"a\n\nb\n"),
        (b"a\nX\n\nb\n", b"X\n", b"a\n\nb\n"),
        (b"a\nX\nb\n", b"X\n", b"a\nb\n"),
        (b"a\r\n\r\nX\r\n \t\r\nb\r\n", b"X\r\n", b"a\r\n\r\nb\r\n"),
        (b"X\n\nb\n", b"X\n", b"b\n"),
        (BOM + b"X\n\nb\n", b"X\n", BOM + b"b\n"),
        (b"a\n\nX\n", b"X\n", b"a\n"),
        (b"a\n\nX", b"X", b"a\n"),
        (b"a\nX", b"X", b"a\n"),
        (b"a\n\n\nX\n\n\nb\n", b"X\n", b"a\n\n\n\nb\n"),
        (b"X\n", b"X\n", b""),
        (b"\n\nX\n", b"X\n", b"\n"),
    ],
)
def test_removed_lines_take_one_of_two_blank_lines(
    before: bytes, gone: bytes, after: bytes
) -> None:
    at = before.index(gone)
    assert splice(before, [Removal(Span(at, at + len(gone)), b"")]) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a\n\nX\nY\n\nb\n", b"a\n\nb\n"),
        (b"a\n\nX\n\nY\n\nb\n", b"a\n\nb\n"),
        (b"a\n\nX\n\nY\n", b"a\n"),
        (b"X\n\nY\n\nb\n", b"b\n"),
        (b"a\n\nX\nc\nY\n\nb\n", b"a\n\nc\n\nb\n"),
    ],
)
def test_neighbours_that_go_count_as_one_removal(before: bytes, after: bytes) -> None:
    edits = [Removal(Span(at, at + 2), b"") for at in (before.index(b"X"), before.index(b"Y"))]
    assert splice(before, edits) == splice(before, edits[::-1]) == after


def test_a_blank_line_stays_where_something_new_stands_beside_it() -> None:
    removal = Removal(Span(3, 5), b"")
    assert splice(b"a\n\nX\n\nb\n", [removal, Edit(Span(3, 3), b"N\n")]) == b"a\n\nN\n\nb\n"
    assert splice(b"a\n\nX\n\nb\n", [removal, Edit(Span(5, 5), b"N\n")]) == b"a\n\nN\n\nb\n"


OPERATIONS = [
    *(op(site, "drop", n) for site in (ONE, TWO) for n in range(3)),
    *(op(ONE, "append", value=value, order=n) for n, value in enumerate((b"x", b"y", b"z", b"w"))),
]


@given(
    chosen=st.sets(st.sampled_from(range(len(OPERATIONS))), min_size=1).flatmap(
        lambda found: st.permutations(sorted(found))
    ),
    cuts=st.lists(st.booleans(), min_size=len(OPERATIONS), max_size=len(OPERATIONS)),
)
def test_any_order_and_any_partition_into_fixes_gives_the_same_bytes(
    chosen: list[int], cuts: list[bool]
) -> None:
    groups: list[list[Operation]] = [[]]
    for index, cut in zip(chosen, cuts, strict=False):
        groups[-1].append(OPERATIONS[index])
        if cut:
            groups.append([])
    fixes = [fix(str(n), *group) for n, group in enumerate(groups) if group]
    assert run(*fixes) == run(fix("all", *(OPERATIONS[index] for index in sorted(chosen))))


@given(
    data=st.lists(st.sampled_from([b"a\n", b"\n", b" \n", b"X\n", b"Y\r\n"]), max_size=10),
    order=st.randoms(use_true_random=False),
)
def test_removals_keep_every_line_that_is_not_blank(data: list[bytes], order: object) -> None:
    edits, at = [], 0
    for line in data:
        if line.strip() in (b"X", b"Y"):
            edits.append(Removal(Span(at, at + len(line)), b""))
        at += len(line)
    order.shuffle(edits)  # type: ignore[attr-defined]
    left = splice(b"".join(data), edits)
    assert left.split() == [b"a"] * data.count(b"a\n")
    if not edits:
        assert left == b"".join(data)
