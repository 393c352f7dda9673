"""Laws 1 and 2 on arbitrary bytes and on generated Dockerfiles. HYPOTHESIS_PROFILE=long fuzzes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from strategies import PROFILE, SCRAPS, dockerfiles

import dockerfix
from dockerfix.syntax.dump import dump_json, dump_tree
from dockerfix.syntax.nodes import Copy, Dockerfile, Node, Paired, Run, Word

ANY = st.one_of(st.binary(max_size=200), SCRAPS, dockerfiles())


def check_bytes(tree: Dockerfile) -> None:
    """Each node is its children in a row, without gap or overlap."""
    waiting: list[Node] = [tree]
    while waiting:
        node = waiting.pop()
        children = node.children
        assert node.code == tree.source.data[slice(*node.span)]
        if children:
            assert b"".join(child.code for child in children) == node.code
            ends = [node.span.start, *(child.span.end for child in children)]
            assert [child.span.start for child in children] == ends[:-1]
            assert ends[-1] == node.span.end
            waiting += children


def words_of(tree: Dockerfile) -> list[Word]:
    found: list[Word] = []
    for one in tree.instructions:
        if isinstance(one, Paired):
            found += [pair.value for pair in one.pairs if pair.value is not None]
        elif isinstance(one, Copy):
            found += one.words
    return found


@PROFILE
@given(ANY)
def test_nothing_is_lost_and_nothing_raises(data: bytes) -> None:
    tree = dockerfix.parse(data)
    assert tree.code == data
    check_bytes(tree)
    assert dump_tree(tree).startswith("Dockerfile 0-")
    assert ("error" in dump_json(tree)) == bool(tree.errors or tree.notes)


@PROFILE
@given(ANY)
def test_every_line_belongs_to_one_instruction_at_most(data: bytes) -> None:
    last = 0
    for one in dockerfix.parse(data).instructions:
        assert last < one.start_line <= one.end_line
        last = one.end_line
    assert last <= data.count(b"\n") + 1


@PROFILE
@given(ANY)
def test_projections_point_at_their_bytes(data: bytes) -> None:
    tree = dockerfix.parse(data)
    for word in words_of(tree):
        assert word.text.text == word.raw
        for segment in word.text.segments:
            if segment.length == segment.width:
                there = data[segment.host : segment.host + segment.width]
                assert word.raw[segment.text : segment.text + segment.length] == there
    for one in tree.instructions:
        if isinstance(one, Run):
            body = one.body
            start = body.host(0)
            same = [a in (b, 32) for a, b in zip(body.text, data[start:], strict=False)]
            assert all(same)
            assert len(same) == len(body.text)
            assert body.text.replace(b" ", b"") == one.command.replace(b" ", b"")


@PROFILE
@given(dockerfiles(), dockerfiles(header=False))
def test_what_follows_does_not_change_what_came_before(first: bytes, second: bytes) -> None:
    alone = dockerfix.parse(first)
    both = dockerfix.parse(first + second)
    count = len(alone.instructions)
    before = [(type(one), one.span, one.code, one.parts) for one in alone.instructions]
    after = [(type(one), one.span, one.code, one.parts) for one in both.instructions[:count]]
    assert [one[:3] for one in before] == [one[:3] for one in after]
    assert (
        dump_tree(alone).splitlines()[1:]
        == dump_tree(both).splitlines()[1 : len(dump_tree(alone).splitlines())]
    )
