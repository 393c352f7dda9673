"""Text inside scalars of other files: what edits of it write is read again as the edits say."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from dockerfix.builders import bake_files, bake_inline, compose_inline
from dockerfix.edits import Edit, Removal, splice
from dockerfix.formats import yaml
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from dockerfix.formats.embedded import Embedded

LINES = (
    *("FROM a", "ARG X", "RUN set -e; \\", '  npm ci "$Y"', "", "# c", "RUN <<E", "E", "x: y #z"),
    *("- a", "\tfoo", "RUN echo 'q' \\\\ $$ ${Z} \"d\"", "   spaced", "ok é"),
)
STYLES = ("|", "|-", "|+", "|4", '"', "crlf", "<<", "<<-", "hcl", "json")
NEW_LINES = (b"# syntax=1\n", b"A\nB\n", b"  in\n\n")
INSIDE = (b"--m ", b"--m \\\n    --n \\\n    ", b'$ok\\"{', b"a\n  b")


def hosted(style: str, text: str) -> bytes:
    """A file that holds `text`."""
    lines = text.removesuffix("\n").split("\n")
    if style in ("hcl", "json"):
        inner = text.replace("${", "$${")
        if style == "json":
            return json.dumps({"target": {"w": {"dockerfile-inline": inner}}}).encode()
        said = json.dumps(inner, ensure_ascii=False)
        return f'target "w" {{\n  dockerfile-inline = {said}\n}}\n'.encode()
    if style.startswith("<<"):
        pad = "    " if style == "<<-" else ""
        body = "".join((pad + one if one else "") + "\n" for one in lines).replace("${", "$${")
        return (
            f'target "w" {{\n  dockerfile-inline = {style}EOT\n{body}  EOT\n  x = 1\n}}\n'.encode()
        )
    pre = "services:\n  w:\n    build:\n      dockerfile_inline: "
    doubled = [one.replace("$", "$$") for one in lines]
    body = "".join((" " * 10 + one if one else "") + "\n" for one in doubled)
    if style == '"':
        return (pre + json.dumps(text.replace("$", "$$"), ensure_ascii=False) + "\n").encode()
    said = pre + ("|" if style == "crlf" else style) + "\n" + body + "    image: x\n"
    return said.replace("\n", "\r\n" if style == "crlf" else "\n").encode()


def read(style: str, data: bytes) -> Embedded:
    if style in ("hcl", "json", "<<", "<<-"):
        found = bake_files.read("bake.json" if style == "json" else "bake.hcl", data)
        assert found is not None
        inline = bake_inline.inline(found.targets[0], data, lambda name: "")
    else:
        file = yaml.parse(Source("c.yaml", data))
        assert not file.errors
        inline = compose_inline.inline(file, file.get(file.root, "services", "w", "build"))
    assert inline is not None
    return inline.text


def edited(chance: random.Random, text: bytes) -> list[Edit]:
    """Lines that go, lines that come, and text in the middle of lines. The first line stays."""
    found: list[Edit] = []
    at = 0
    for line in text.splitlines(keepends=True):
        what, end = chance.random(), at + len(line)
        if what < 0.25 and line.strip() and line != b"FROM node\n":
            found.append(Removal(Span(at, end), b""))
        elif what < 0.4 and line.strip():
            found.append(Edit(Span(at, at), chance.choice(NEW_LINES)))
        elif what < 0.6 and len(line) > 4:
            found.append(Edit(Span(at + 2, at + 2), chance.choice(INSIDE)))
        elif what < 0.7 and len(line) > 1:
            found.append(Edit(Span(end - 1, end - 1), b" \\\n  more"))
        at = end
    return found


@pytest.mark.parametrize("style", STYLES)
def test_what_edits_write_is_read_as_they_say(style: str) -> None:
    for seed in range(80):
        chance = random.Random(seed)
        more = (chance.choice(LINES) for _ in range(chance.randint(1, 6)))
        text = "\n".join(["FROM node", *more]).rstrip("\n") + "\n"
        data = hosted(style, text)
        embedded = read(style, data)
        assert embedded.bare.decode().rstrip("\n") == text.rstrip("\n")
        edits = edited(chance, embedded.text)
        after = read(style, splice(data, embedded.host_edits(edits)))
        assert after.bare == embedded.after(edits), (seed, data, edits)


def test_lines_and_places_are_those_of_the_file() -> None:
    data = hosted("|", "FROM a\nRUN b $X\n")
    embedded = read("|", data)
    at = embedded.text.index(b"$X")
    assert embedded.text.count(b"\n", 0, at) == data.count(b"\n", 0, data.index(b"$$X")) == 5
    start, end = embedded.host_span(Span(at, at + 2))
    assert data[start:end] == b"$$X"


def test_a_value_that_is_not_known_stays_as_it_is() -> None:
    data = hosted("|", "FROM a\nRUN b\n").replace(b"RUN b", b"RUN b ${X:-${Y}} c")
    embedded = read("|", data)
    put = embedded.bare.index(b" c") - 1
    touching = [Edit(Span(len(embedded.text) - len(embedded.bare) + put, len(embedded.text)), b"")]
    assert embedded.in_the_way(touching) is not None
    beside = [Edit(Span(len(embedded.text) - 1, len(embedded.text) - 1), b" d")]
    assert embedded.in_the_way(beside) is None
    assert splice(data, embedded.host_edits(beside)) == data.replace(b"}} c", b"}} c d")
