"""JSON as a tree of places; after a change the standard library reads just what was meant."""

from __future__ import annotations

import json as standard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerfix.edits import Fix, Safety, apply, splice
from dockerfix.formats import json
from dockerfix.formats.brackets import Group, GroupSite, Text
from dockerfix.source import Source, Span

LAYOUTS = {
    "wide": standard.dumps,
    "tight": lambda value: standard.dumps(value, separators=(",", ":")),
    "lines": lambda value: standard.dumps(value, indent=2) + "\n",
    "tabs": lambda value: standard.dumps(value, indent="\t"),
}


def migrate(data: bytes, names: set[str]) -> bytes:
    """The file without those args, each an item of `secret` instead."""
    root = json.parse(Source("f.json", data)).root
    assert isinstance(root, Group)
    args = root.get("args")
    assert isinstance(args, Group)
    site = GroupSite("f.json", root)
    operations = []
    for member in args.members:
        if member.key in names:
            operations.append(site.remove(args, member, order=member.span.start))
            text = json.quoted(f"id={member.key}")
            operations.append(site.add_item("secret", text, after="args", order=member.span.start))
    fixes = [Fix("f", Safety.SAFE, "none", (one,)) for one in operations]
    return apply({"f.json": Source("f.json", data)}, fixes)["f.json"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("names", [{"A"}, {"B"}, {"C"}, {"A", "B"}, {"B", "C"}, {"A", "B", "C"}])
@pytest.mark.parametrize("secret", [None, [], ["id=Z"]])
@pytest.mark.parametrize("first", [True, False])
def test_exactly_the_wanted_members_move(
    layout: str, names: set[str], secret: list[str] | None, first: bool
) -> None:
    args = {"A": "1", "B": "${B}", "C": "x"}
    value: dict[str, object] = {} if first else {"context": "."}
    value["args"] = args
    if secret is not None:
        value["secret"] = secret
    value["tags"] = ["t"]
    after = standard.loads(migrate(LAYOUTS[layout](value).encode(), names))
    wanted = {**value, "args": {k: v for k, v in args.items() if k not in names}}
    wanted["secret"] = [*(secret or []), *(f"id={name}" for name in sorted(names))]
    if not wanted["args"]:
        del wanted["args"]
    assert after == wanted


def test_what_is_not_asked_for_stays_byte_for_byte() -> None:
    data = b'{\r\n  "args": {\r\n    "A": 1, "B": 2\r\n  }\r\n}\r\n'
    assert migrate(data, {"B"}) == (
        b'{\r\n  "args": {\r\n    "A": 1\r\n  },\r\n  "secret": ["id=B"]\r\n}\r\n'
    )


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
def test_the_text_of_a_string_is_what_json_says(text: str, ascii_only: bool) -> None:
    data = standard.dumps(text, ensure_ascii=ascii_only).encode()
    node = json.parse(Source("f.json", data)).root
    assert isinstance(node, Text)
    assert node.literal == text


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.data(),
)
def test_an_edit_of_the_text_is_an_edit_of_the_string(
    text: str, new: str, data: st.DataObject
) -> None:
    raw = text.encode()
    starts = [len(text[:at].encode()) for at in range(len(text) + 1)]
    start = data.draw(st.sampled_from(starts))
    end = data.draw(st.sampled_from([one for one in starts if one >= start]))
    host = standard.dumps(text, ensure_ascii=False).encode()
    projection = json.string_text(host, Span(0, len(host)))
    after = splice(host, [projection.edit(Span(start, end), new.encode())])
    if start == end and start == len(raw):
        at = projection.host(start, end=True)
        after = splice(host, [json_edit(Span(at, at), new)])
    assert standard.loads(after).encode() == raw[:start] + new.encode() + raw[end:]


def json_edit(span: Span, text: str) -> tuple[Span, bytes]:
    from dockerfix.edits import Edit

    return Edit(span, json.encode(text.encode()))


@pytest.mark.parametrize("data", [b"", b"{", b'{"a": }', b"[1,,2]", b"\xff", b"{}{}"])
def test_broken_files_say_so_and_do_not_raise(data: bytes) -> None:
    assert json.parse(Source("f.json", data)).errors


def test_comments_are_no_errors() -> None:
    file = json.parse(Source("f.json", b'{\n // why\n "a": 1 /* b */\n}\n'))
    assert isinstance(file.root, Group)
    assert not file.errors
    assert [one.key for one in file.root.members] == ["a"]
