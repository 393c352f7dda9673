"""HCL as a tree of places, and the changes that leave the rest of the file as it was."""

from __future__ import annotations

import pytest

from dockerfix.edits import Fix, Safety, apply
from dockerfix.formats import hcl
from dockerfix.formats.brackets import Group, GroupSite, Text
from dockerfix.source import Source

FILE = b"""\
variable "X" { default = "" }
target "a" {
  args = {
    # kept
    A = "1"
    X = X // gone with it
    "B.c" : "${X}/y"
  }
}
"""


def body(data: bytes) -> Group:
    return next(one for one in hcl.parse(Source("f.hcl", data)).blocks if one.type == "target").body


def changed(data: bytes, gone: tuple[str, ...], items: tuple[bytes, ...] = ()) -> bytes:
    """`data` without those of the target's args, and with items in its `secret`."""
    target = body(data)
    args = target.get("args")
    assert isinstance(args, Group)
    site = GroupSite("f.hcl", target)
    operations = [site.remove(args, one) for one in args.members if one.key in gone]
    operations += [site.add_item("secret", b'"' + one + b'"', after="args") for one in items]
    fixes = [Fix("f", Safety.SAFE, "none", (one,)) for one in operations]
    return apply({"f.hcl": Source("f.hcl", data)}, fixes)["f.hcl"]


def test_blocks_attributes_and_values() -> None:
    file = hcl.parse(Source("f.hcl", FILE))
    assert [(one.type, one.labels) for one in file.blocks] == [
        ("variable", ("X",)),
        ("target", ("a",)),
    ]
    args = file.blocks[1].body.get("args")
    assert isinstance(args, Group)
    assert [one.key for one in args.members] == ["A", "X", "B.c"]
    values = [one.value for one in args.members]
    assert all(isinstance(one, Text) for one in values)
    assert [(one.literal, one.variable) for one in values if isinstance(one, Text)] == [
        ("1", None),
        (None, "X"),
        (None, None),
    ]
    for one in args.members:
        assert FILE[one.span.start : one.span.end].endswith(
            FILE[one.value.span.start : one.value.span.end]
        )


@pytest.mark.parametrize(
    ("text", "literal", "variable", "parts"),
    [
        ("a", "a", None, ("a",)),
        ("${X}", None, "X", ("", "X", "")),
        ("a${ X }b", None, None, ("a", "X", "b")),
        ("$${X}", "${X}", None, ("${X}",)),
        ("${X ? 1 : 2}", None, None, ()),
        ("%{ if X }a%{ endif }", None, None, ()),
    ],
)
def test_templates(
    text: str, literal: str | None, variable: str | None, parts: tuple[str, ...]
) -> None:
    assert hcl.template(text) == (literal, variable, parts)


def test_a_member_goes_with_its_line_and_its_comment() -> None:
    assert changed(FILE, ("X",)) == FILE.replace(b"    X = X // gone with it\n", b"")


def test_the_last_members_place_is_taken_by_the_new_key() -> None:
    data = b'target "a" {\n  dockerfile = "D"\n  args       = { X = X, Y = Y }\n}\n'
    after = b'target "a" {\n  dockerfile = "D"\n  secret     = ["id=X", "id=Y"]\n}\n'
    assert changed(data, ("X", "Y"), (b"id=X", b"id=Y")) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"[]", b'["N"]'),
        (b'["a"]', b'["a", "N"]'),
        (b'["a",]', b'["a", "N"]'),
        (b'[\n    "a",\n  ]', b'[\n    "a",\n    "N",\n  ]'),
        (b'[\n    "a" # why\n  ]', b'[\n    "a",\n    "N" # why\n  ]'),
    ],
)
def test_an_item_joins_a_list_in_its_style(before: bytes, after: bytes) -> None:
    data = b'target "a" {\n  args = { X = X }\n  secret = %s\n}\n'
    assert changed(data % before, ("X",), (b"N",)) == (
        b'target "a" {\n  secret = ' + after + b"\n}\n"
    )


def test_crlf_stays() -> None:
    data = FILE.replace(b"\n", b"\r\n")
    after = changed(data, ("X",), (b"N",))
    assert after.count(b"\n") == after.count(b"\r\n") == data.count(b"\n")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe{", b'target "a" {', b"a = [1, {", b"}" * 50])
def test_broken_files_do_not_raise(data: bytes) -> None:
    assert isinstance(hcl.parse(Source("f.hcl", data)).errors, bool)
