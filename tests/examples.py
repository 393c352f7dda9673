"""Reads the examples of `docs/passes/*.md`: files before, the command, what it prints.

A heading of level three opens an example. In it, a line `**NAME**` names the fenced
block that follows: a file of the repository, or, for the names `diff` and `report`,
what `dockerfix` prints for it. A line that starts with `$ dockerfix` is the command.
A comment `<!-- in the table: KIND: ROW, ROW -->` names the cells of docs/callers.md that it shows.
The word `crlf` behind a fence's language gives that file CRLF line ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^(`{3,})\s*([\w+-]*)\s*(crlf)?\s*$")
NAME = re.compile(r"^\*\*(.+?)\*\*\s*$")
CELLS = re.compile(r"^<!-- in the table: ([\w-]+): (.+?) -->\s*$")
OUTPUTS = ("diff", "report")
UPDATES: dict[Path, dict[tuple[int, int], str]] = {}
"""What `pytest --update` writes into the pages at the end, by page and block."""


@dataclass
class Example:
    page: Path
    title: str
    line: int
    command: list[str] = field(default_factory=lambda: ["--diff"])
    files: dict[str, bytes] = field(default_factory=dict)
    cells: tuple[tuple[str, str], ...] = ()
    output: str = ""
    expected: str | None = None
    block: tuple[int, int] = (0, 0)

    @property
    def id(self) -> str:
        return f"{self.page.stem}: {self.title}"


def read(page: Path) -> list[Example]:
    """The examples of one page. Raises ValueError for an example without files or output."""
    examples: list[Example] = []
    lines = page.read_text("utf-8").split("\n")
    at, name = 0, None
    while at < len(lines):
        line = lines[at]
        if line.startswith("### "):
            examples.append(Example(page, line[4:].strip(), at + 1))
            name = None
        elif line.startswith("$ dockerfix") and examples:
            examples[-1].command = line.split()[2:]
        elif (found := CELLS.match(line)) and examples:
            examples[-1].cells += tuple((found[1], row) for row in found[2].split(", "))
        elif found := NAME.match(line):
            name = found[1]
        elif found := FENCE.match(line):
            end = at + 1
            while lines[end].rstrip() != found[1]:
                end += 1
            if name and examples:
                _take(examples[-1], name, lines[at + 1 : end], bool(found[3]), (at + 1, end))
            at, name = end, None
        at += 1
    for example in examples:
        if not example.files or example.expected is None:
            raise ValueError(f"{page}:{example.line}: an example needs files and a diff or report")
    return examples


def _take(example: Example, name: str, body: list[str], crlf: bool, block: tuple[int, int]) -> None:
    text = "".join(line + "\n" for line in body)
    if name in OUTPUTS:
        example.output, example.expected, example.block = name, text, block
    else:
        example.files[name] = (text.replace("\n", "\r\n") if crlf else text).encode()


def update(page: Path, printed: dict[tuple[int, int], str]) -> None:
    """Rewrite the output blocks of `page`; `printed` is keyed by `Example.block`."""
    lines = page.read_text("utf-8").split("\n")
    for (start, end), text in sorted(printed.items(), reverse=True):
        lines[start:end] = text.removesuffix("\n").split("\n") if text else []
    page.write_text("\n".join(lines), "utf-8")
