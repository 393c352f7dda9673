"""docs/callers.md: every cell is an example that is run, or says why it cannot occur."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from caller_table import Table, problems, render
from examples import read

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "callers.md"
TABLE = Table.read(Path(__file__).with_name("caller_table.toml"))
PAGES = sorted((ROOT / "docs").glob("callers/*.md")) + sorted((ROOT / "docs").glob("passes/*.md"))
EXAMPLES = [example for page in PAGES for example in read(page)]


def test_every_cell_is_shown_or_cannot_occur() -> None:
    assert list(problems(TABLE, EXAMPLES)) == []


def test_the_page_is_what_the_examples_say(request: pytest.FixtureRequest) -> None:
    page = render(TABLE, EXAMPLES)
    if request.config.getoption("--update"):
        PAGE.write_text(page, "utf-8")
    assert PAGE.read_text("utf-8") == page


def test_a_missing_cell_and_a_false_claim_are_seen() -> None:
    claimed = next(one for one in EXAMPLES if ("shell", "sudo") in one.cells)
    without = [one for one in EXAMPLES if one is not claimed]
    assert any("('sudo', 'shell')" in one for one in problems(TABLE, without))
    plain = {"build.sh": b"#!/bin/sh\ndocker build --build-arg NPM_TOKEN .\n"}
    false = [*without, replace(claimed, files=plain)]
    assert any("no file of shell with sudo" in one for one in problems(TABLE, false))
    unknown = [*EXAMPLES, replace(claimed, cells=(("shell", "nothing"),))]
    assert list(problems(TABLE, unknown)) == ["there is no cell ('nothing', 'shell')"]
    both = replace(TABLE, never=TABLE.never | {("sudo", "shell"): "no"})
    assert any("cannot occur" in one for one in problems(both, EXAMPLES))


def test_headings_of_one_page_are_different() -> None:
    titles = [(one.page, one.title.lower()) for one in EXAMPLES]
    assert len(set(titles)) == len(titles)
