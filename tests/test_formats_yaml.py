"""YAML as editable text: scalars read as PyYAML reads them, and edits that change what they should.

PyYAML is the independent parser: after every edit the file holds exactly the value that the edit
was meant to give, and the lines that it does not touch are the same bytes.
"""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerfix.edits import Fix, Operation, Safety, apply, choose
from dockerfix.formats import yaml
from dockerfix.formats.yaml_edit import ListSite, MapSite
from dockerfix.formats.yaml_scalar import flow_scalar
from dockerfix.formats.yaml_text import ScalarSite
from dockerfix.formats.yaml_write import Items, Lines, Pairs
from dockerfix.source import Source, Span


class Strings(pyyaml.BaseLoader):
    """Every scalar is the string that it is."""


Strings.add_multi_constructor(
    "!", lambda loader, _, node: loader.construct_sequence(node) if isinstance(node, pyyaml.SequenceNode)
    else loader.construct_scalar(node),
)  # fmt: skip


def load(data: bytes) -> list[Any]:
    return list(pyyaml.load_all(data.decode(), Loader=Strings))


def held(file: yaml.File, node: yaml.Node | None) -> Any:
    node = file.resolve(node)
    if isinstance(node, yaml.List):
        return [held(file, item.value) for item in node.items]
    if isinstance(node, yaml.Map):
        return {entry.name: held(file, entry.value) for entry in node.entries}
    return node.value if isinstance(node, yaml.Scalar) else ""


def parse(text: bytes) -> yaml.File:
    return yaml.parse(Source("f.yml", text))


def dedent(text: str) -> bytes:
    return textwrap.dedent(text).lstrip("\n").encode()


def done(data: bytes, *operations: Operation) -> bytes:
    """`data` with every operation, each a fix of its own."""
    fixes = [Fix(str(n), Safety.SAFE, "none", (one,)) for n, one in enumerate(operations)]
    chosen, waiting = choose(fixes)
    assert not waiting
    after = apply({"f.yml": Source("f.yml", data)}, chosen).get("f.yml", data)
    assert not parse(after).errors
    return after


# -- reading --------------------------------------------------------------------

SCALARS = [
    "a: plain text",
    "a: plain\n  over lines\n\n  and a gap",
    "a: 'single ''quoted'' text'",
    "a: 'single\n  over\n\n  lines'",
    'a: "double \\"quoted\\" \\t\\x41\\u00e9\\\\ text"',
    'a: "double\n   over\n\n   lines \\\n   joined"',
    "a: |\n  one\n  two\n",
    "a: |\n  one\n\n   two\n\n\nb: c",
    "a: |-\n  one\n  two\n\n",
    "a: |+\n  one\n\n\nb: c\n",
    "a: |2\n    deep\n  less\n",
    "a: |\n  no end",
    "a: >\n  one\n  two\n\n  three\n",
    "a: >-\n  one\n    more\n    indented\n  two\n",
    "a: >+\n  one\n  two\n\n\nb: c\n",
    "a: >\n\n  one\n\n\n  two\n",
    "a: | # comment\n  one # not a comment\n",
    "- |\n one\n- >\n one\n two\n",
    "a:\n- |\n two\n",
    "a: &x one\nb: *x\nc: !tag two\n",
    "a: ''\nb: \"\"\nc:\nd: ~\n",
    "{a: 'x', b: [1, \"2\", three four], c: {d: e}}",
    "a: http://x:1/#y\n",
    "a: é€ü\nb: 'é''€'\n",
]


@pytest.mark.parametrize("eol", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("text", SCALARS)
def test_scalars_read_as_another_parser_reads_them(text: str, eol: str) -> None:
    data = text.replace("\n", eol).encode()
    file = parse(data)
    assert not file.errors
    assert [held(file, one.root) for one in file.documents] == load(data)


def test_every_text_byte_maps_to_its_own_place() -> None:
    data = dedent("""
        a: 'it''s'
        b: "x\\ty"
        c: >-
          one
          two
        d: |
          three
    """)
    file = parse(data)
    for name, wanted in (("a", b"it's"), ("b", b"x\ty"), ("c", b"one two"), ("d", b"three\n")):
        node = file.get(file.root, name)
        assert isinstance(node, yaml.Scalar)
        projection = node.projection
        for at, byte in enumerate(wanted):
            host = projection.host_span(Span(at, at + 1))
            written = data[host.start : host.end]
            assert written in {bytes([byte]), b"''", b"\\t", b"\n"}
            assert node.content.text_span(host) == Span(at, at + 1)


def test_anchors_merge_keys_and_aliases() -> None:
    file = parse(
        dedent("""
        base: &base {a: 1, b: 2}
        more: &more
          c: 3
        one:
          <<: *base
          b: 4
        two:
          <<: [*more, *base]
        three: *more
    """)
    )
    root = file.root
    assert file.text(file.get(root, "one", "a")) == "1"
    assert file.text(file.get(root, "one", "b")) == "4"
    assert file.text(file.get(root, "two", "c")) == "3"
    assert file.text(file.get(root, "three", "c")) == "3"
    base = file.get(root, "base")
    assert base is not None
    assert file.shared(base)
    one = file.get(root, "one")
    assert one is not None
    assert not file.shared(one)


def test_an_alias_of_itself_ends() -> None:
    file = parse(b"a: &a\n  <<: *a\n  b: *b\n")
    assert file.text(file.get(file.root, "a", "b")) is None


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read(data: bytes) -> None:
    file = parse(data)
    for node in file.every():
        assert 0 <= node.span.start <= node.span.end <= len(data)
        if isinstance(node, yaml.Scalar):
            assert isinstance(node.text, bytes)


# -- editing text ---------------------------------------------------------------

TEXTS = st.text(st.sampled_from("abX -:#'\"\\\n$={}[],&*|>!%@`?é\t/"), max_size=40)
TEMPLATES = [
    "a:\n  k: {0}\n  z: end\n",
    "- k: {0}\n  z: end\n# tail\n",
    "a:\n- {0}\n- end\n",
    "a: {{k: {0}, z: end}}\n",
]
STYLES = [
    "plain text here",
    "plain\n      over lines",
    "'it''s quoted'",
    '"dou\\"ble\\n"',
    '"over\n      lines"',
    "|\n      one\n      two\n       three",
    "|-\n      one\n\n      two",
    "|+\n      one\n",
    ">\n      one\n      two\n\n      three",
    ">-\n      one two",
]


def places() -> list[bytes]:
    found = []
    for template in TEMPLATES:
        for style in STYLES:
            if "{{" in template and style[0] in "|>":
                continue
            found.append(template.format(style).encode())
    return found


PLACES = [data for data in places() if not parse(data).errors]


@given(st.sampled_from(PLACES), TEXTS, st.data(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_an_edit_of_a_scalar_changes_its_value_and_nothing_else(
    data: bytes, text: str, draw: st.DataObject, crlf: bool
) -> None:
    data = data.replace(b"\n", b"\r\n") if crlf else data
    file = parse(data)
    scalar = next(
        node for node in file.every()
        if isinstance(node, yaml.Scalar) and node.text not in (b"a", b"k", b"z", b"end")
    )  # fmt: skip
    before = scalar.text
    start = draw.draw(st.integers(0, len(before)))
    end = draw.draw(st.integers(start, len(before)))
    try:
        (before[:start] + text.encode() + before[end:]).decode()
    except UnicodeDecodeError:
        return
    after = done(data, ScalarSite("f.yml", scalar).change(Span(start, end), text.encode()))
    wanted = before[:start] + text.encode() + before[end:]
    new = load(after)
    old = load(data)

    def swapped(value: Any) -> Any:
        if isinstance(value, list):
            return [swapped(one) for one in value]
        if isinstance(value, dict):
            return {key: swapped(one) for key, one in value.items()}
        return wanted.decode() if value == before.decode() else value

    assert new == swapped(old)
    assert b"# tail" not in data or b"# tail" in after


@given(TEXTS, st.booleans(), st.sampled_from([b"'", b'"']))
@settings(max_examples=300, deadline=None)
def test_a_value_on_one_line_is_that_string(text: str, in_flow: bool, quote: bytes) -> None:
    written = flow_scalar(text.encode(), in_flow, quote)
    data = b"a: {k: " + written + b"}\n" if in_flow else b"k: " + written + b"\n"
    (found,) = load(data)
    assert (found["a"] if in_flow else found)["k"] == text
    if text:
        typed = pyyaml.safe_load(data)
        assert isinstance((typed["a"] if in_flow else typed)["k"], str)


EDITED = [
    # Small edits keep the style, and the rest of the bytes.
    ("k: docker build --arg X .", b"--arg X", b"--secret y", "k: docker build --secret y ."),
    ("k: 'it''s X'", b"X", b"a'b", "k: 'it''s a''b'"),
    ('k: "X\\n"', b"X", b'a"b\\', 'k: "a\\"b\\\\\\n"'),
    ("k: |\n  one\n  X\n  two", b"X\n", b"", "k: |\n  one\n  two"),
    ("k: |\n  one\n  X", b"X", b"a\nb", "k: |\n  one\n  a\n  b"),
    ("k: >-\n  one\n  X\n  two", b"X ", b"", "k: >-\n  one\n  two"),
    ("k: one\n  X\n  two", b"X ", b"", "k: one\n  two"),
    # A plain scalar that could not hold the text gets quotes.
    ("k: run X", b"X", b"a: b", "k: 'run a: b'"),
    ("k: run X", b"X", b"a #b", "k: 'run a #b'"),
    ("k: X", b"X", b"12", "k: '12'"),
    ("k: 11", b"11", b"12", "k: 12"),
    ("k: run X", b"X", b"it's: b", 'k: "run it\'s: b"'),
    # A folded scalar that needs a line break becomes a literal one.
    ("k: >-\n  one\n  X", b"X", b"a\nb", "k: |-\n  one a\n  b"),
]


@pytest.mark.parametrize(("before", "old", "new", "after"), EDITED)
def test_how_an_edit_is_written(before: str, old: bytes, new: bytes, after: str) -> None:
    data = before.encode() + b"\n"
    file = parse(data)
    scalar = file.get(file.root, "k")
    assert isinstance(scalar, yaml.Scalar)
    at = scalar.text.index(old)
    found = done(data, ScalarSite("f.yml", scalar).change(Span(at, at + len(old)), new))
    assert found.decode() == after + "\n"


# -- maps and lists ---------------------------------------------------------------


def site(data: bytes, *names: str) -> MapSite:
    file = parse(data)
    node = file.get(file.root, *names)
    assert isinstance(node, yaml.Map)
    return MapSite("f.yml", file, node)


STEP = dedent("""
    steps:
        - name: one  # why
          with:
              lines: |
                  A=1
                  B=2
              # after
              other: x

        - name: two
""")


def step(data: bytes) -> tuple[yaml.File, yaml.Map]:
    file = parse(data)
    node = file.items(file.get(file.root, "steps"))[0]
    assert isinstance(node, yaml.Map)
    return file, node


def test_entries_are_added_where_they_are_asked_for() -> None:
    file, node = step(STEP)
    here = MapSite("f.yml", file, node)
    after = done(
        STEP,
        here.put("env", "X", b"${{ x }}", before="with"),
        here.put("env", "Y", b"on", before="with"),
        here.add("last", Items((b"a", Pairs((("b", b"c"), ("d", b"e")))))),
    )
    assert after.decode() == STEP.decode().replace(
        "      with:\n",
        "      env:\n          X: ${{ x }}\n          Y: 'on'\n      with:\n",
    ).replace(
        "          other: x\n",
        "          other: x\n      last:\n          - a\n          - b: c\n            d: e\n",
    )


def test_a_line_moves_to_a_new_entry_beside() -> None:
    here = _with(STEP)
    lines = here.map.entry("lines")
    assert lines is not None
    after = done(STEP, here.move_line("lines", Span(4, 7), "secret", b"B=two"))
    assert after.decode() == STEP.decode().replace(
        "              B=2\n", "          secret: |\n              B=two\n"
    )


def _with(data: bytes) -> MapSite:
    file, node = step(data)
    inner = file.get(node, "with")
    assert isinstance(inner, yaml.Map)
    return MapSite("f.yml", file, inner)


def test_a_key_whose_lines_all_move_is_renamed() -> None:
    here = _with(STEP)
    after = done(
        STEP,
        here.move_line("lines", Span(0, 3), "secret", b"A=1"),
        here.move_line("lines", Span(4, 7), "secret", b"B=2"),
    )
    assert after == STEP.replace(b"lines: |", b"secret: |")


def test_a_key_whose_lines_all_go_goes() -> None:
    here = _with(STEP)
    after = done(
        STEP,
        here.move_line("lines", Span(0, 3), "", b""),
        here.move_line("lines", Span(4, 7), "", b""),
    )
    assert after == STEP.replace(b"          lines: |\n              A=1\n              B=2\n", b"")


def test_a_map_that_is_emptied_goes_with_its_key() -> None:
    here = _with(STEP)
    after = done(STEP, here.remove("lines"), here.remove("other"))
    assert load(after) == [{"steps": [{"name": "one"}, {"name": "two"}]}]


def test_lines_are_added_to_what_is_there() -> None:
    data = STEP.replace(b"other: x", b"other: |\n              C=3")
    here = _with(data)
    after = done(data, here.move_line("lines", Span(0, 3), "other", b"A=1"))
    assert load(after)[0]["steps"][0]["with"] == {"lines": "B=2\n", "other": "C=3\nA=1\n"}
    here = _with(STEP)
    after = done(STEP, here.move_line("lines", Span(0, 3), "other", b"A=1"))
    assert load(after)[0]["steps"][0]["with"] == {"lines": "B=2\n", "other": "x\nA=1\n"}


def test_flow_style_is_kept() -> None:
    data = b"k: {a: 1, b: [x, y], c: ''} # c\n"
    here = site(data, "k")
    assert (
        done(data, here.add("d", b"e: f"), here.remove("a"))
        == b"k: {b: [x, y], c: '', d: 'e: f'} # c\n"
    )
    assert done(data, here.remove("c")) == b"k: {a: 1, b: [x, y]} # c\n"
    assert done(data, here.remove("b"), here.remove("c")) == b"k: {a: 1} # c\n"
    assert done(data, here.put("e", "f", b"g")) == b"k: {a: 1, b: [x, y], c: '', e: {f: g}} # c\n"
    assert done(data, here.append("b", b"z")) == b"k: {a: 1, b: [x, y, z], c: ''} # c\n"
    assert done(b"k: {}\n", site(b"k: {}\n", "k").add("a", b"b")) == b"k: {a: b}\n"


def test_an_entry_is_replaced() -> None:
    data = b"k:\n    a: 1 # one\n    b: |\n        two\n    c:\n"
    here = site(data, "k")
    after = done(
        data,
        here.replace("a", b"x y"),
        here.replace("b", Lines((b"p", b"q"))),
        here.replace("c", Pairs((("d", b"e"),))),
    )
    assert after == b"k:\n    a: x y # one\n    b: |\n        p\n        q\n    c:\n        d: e\n"


def test_the_first_key_of_an_item_can_go() -> None:
    data = b"- a: 1\n  b: 2\n- c: 3\n"
    file = parse(data)
    node = file.items(file.root)[0]
    assert isinstance(node, yaml.Map)
    assert done(data, MapSite("f.yml", file, node).remove("a")) == b"- b: 2\n- c: 3\n"


@pytest.mark.parametrize(
    ("data", "after"),
    [
        (b"k:\n  - a\n  - b\n", b"k:\n  - a\n  - c: d\n"),
        (b"k:\n- a # x\n- b\nz: 1\n", b"k:\n- a # x\n- c: d\nz: 1\n"),
        (b"k: [a, b]", b"k: [a, {c: d}]"),
        (b"k:\r\n  -   a\r\n  -   b", b"k:\r\n  -   a\r\n  - c: d\r\n"),
    ],
)
def test_items_come_and_go(data: bytes, after: bytes) -> None:
    file = parse(data)
    node = file.get(file.root, "k")
    assert isinstance(node, yaml.List)
    here = ListSite("f.yml", file, node)
    found = done(data, here.remove(node.items[1]), here.append(Pairs((("c", b"d"),))))
    assert load(found) == load(after)
    assert found.rstrip() == after.rstrip()


def test_a_file_without_a_last_line_ending_and_one_with_a_mark() -> None:
    assert done(b"k:\n  a: 1", site(b"k:\n  a: 1", "k").add("b", b"x2")) == b"k:\n  a: 1\n  b: x2"
    data = b"\xef\xbb\xbfk:\n  a: 1\n"
    assert done(data, site(data, "k").add("b", b"x")) == b"\xef\xbb\xbfk:\n  a: 1\n  b: x\n"


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])


@given(
    st.dictionaries(
        NAMES, st.sampled_from(["1", "x", "|\n{p}  t\n{p}  u", "'q'", "[x, y]", ""]), min_size=1
    ),
    st.sets(NAMES),
    st.dictionaries(st.sampled_from(["m", "n"]), st.sampled_from([b"v", b"v: w", b"", b"yes"])),
    st.integers(1, 4),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_a_map_ends_up_with_what_was_asked(
    entries: dict[str, str], gone: set[str], new: dict[str, bytes], unit: int, nested: bool
) -> None:
    pad = " " * unit if nested else ""
    text = ("k:\n" if nested else "") + "".join(
        f"{pad}{key}: {value.format(p=pad)}\n" for key, value in entries.items()
    )
    text += "tail: end\n" if nested else ""
    data = text.encode()
    file = parse(data)
    node = file.get(file.root, "k") if nested else file.root
    assert isinstance(node, yaml.Map)
    here = MapSite("f.yml", file, node)
    operations = [here.remove(key) for key in sorted(gone & entries.keys())]
    operations += [here.add(key, value) for key, value in new.items()]
    if not nested and gone >= entries.keys():
        return
    after = done(data, *operations)
    (old,), (found,) = load(data), load(after)
    wanted = {key: value for key, value in (old["k"] if nested else old).items() if key not in gone}
    wanted.update({key: value.decode() for key, value in new.items()})
    if nested:
        assert found == ({"k": wanted, "tail": "end"} if wanted else {"tail": "end"})
    else:
        assert found == wanted
