"""The table in docs/callers.md, made from what the examples say that they show.

An example of a page names its cells in a comment below its heading:
`<!-- in the table: KIND: ROW, ROW -->`. Rows, kinds, and the cells that cannot occur stand in
caller_table.toml. `problems` says where the two and the examples do not agree.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from examples import Example

HEAD = """# Callers: what is done to each kind of file

Made by the tests from the examples that it links (`pytest --update` writes it); each of them is run.
**changes**: rewritten by a plain run. *unsafe*: with `--unsafe-fixes`. **refused**: left as it is with
a reason and what to do, and the Dockerfile waits with it. **listed**: left as it is, and the fix is
made all the same. A dash is a cell that cannot occur; its note says why.

"""


@dataclass(frozen=True)
class Table:
    rows: Sequence[dict[str, Any]]
    kinds: Sequence[dict[str, Any]]
    never: dict[tuple[str, str], str]

    @classmethod
    def read(cls, path: Path) -> Table:
        data = tomllib.loads(path.read_text("utf-8"))
        never = {
            (row, kind): entry["why"]
            for entry in data["never"]
            for row in entry["rows"]
            for kind in entry["kinds"]
        }
        return cls(data["row"], data["kind"], never)


def shown(examples: Iterable[Example]) -> dict[tuple[str, str], Example]:
    """The first example of each (row, kind)."""
    found: dict[tuple[str, str], Example] = {}
    for example in examples:
        for kind, row in example.cells:
            found.setdefault((row, kind), example)
    return found


def problems(table: Table, examples: Sequence[Example]) -> Iterator[str]:
    """What is wrong: unknown or missing cells, two answers to one, an example that does not show it."""
    rows = {row["id"]: row for row in table.rows}
    kinds = {kind["id"]: kind for kind in table.kinds}
    cells = shown(examples)
    for cell in (*cells, *table.never):
        if cell[0] not in rows or cell[1] not in kinds:
            yield f"there is no cell {cell}"
    for row in rows:
        for kind in kinds:
            cell = (row, kind)
            if cell not in cells and cell not in table.never:
                yield f"no example shows {cell}, and nothing says why it cannot occur"
            if cell in cells and cell in table.never:
                yield f"{cell} cannot occur, says the table, but {cells[cell].id} shows it"
    for example in examples:
        for kind, row in example.cells:
            if kind in kinds and row in rows:
                texts = (text.decode() for _, text in of_kind(kinds[kind], example))
                if not any(re.search(rows[row]["shows"], text) for text in texts):
                    yield f"{example.id} has no file of {kind} with {rows[row]['shows']}"


def of_kind(kind: dict[str, Any], example: Example) -> Iterator[tuple[str, bytes]]:
    for path, data in example.files.items():
        if re.search(kind["path"], path) and re.search(kind.get("holds", ""), data.decode()):
            yield path, data


def render(table: Table, examples: Iterable[Example]) -> str:
    """The page. Raises KeyError for a missing cell."""
    cells = shown(examples)
    notes = list(dict.fromkeys(table.never.values()))
    lines = [HEAD + "| | becomes | " + " | ".join(kind["title"] for kind in table.kinds) + " |"]
    lines.append("|---|---|" + "---|" * len(table.kinds))
    for row in table.rows:
        line = [row["says"], row["becomes"]]
        for kind in table.kinds:
            cell = (row["id"], kind["id"])
            example = cells.get(cell)
            if example is not None:
                line.append(f"[{outcome(kind, example)}]({address(example)})")
            else:
                line.append(f"–[^{notes.index(table.never[cell]) + 1}]")
        # A bar inside a cell would end it.
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |")
    lines += ["", *(f"[^{at}]: {why}." for at, why in enumerate(notes, 1))]
    return "\n".join(lines) + "\n"


def outcome(kind: dict[str, Any], example: Example) -> str:
    printed = example.expected or ""
    if example.output == "diff":
        changed = any(f"+++ b/{path}\n" in printed for path, _ in of_kind(kind, example))
        if not printed:
            return "**refused**"
        if not changed:
            return "**listed**"
        return "*unsafe*" if "--unsafe-fixes" in example.command else "**changes**"
    return "**refused**" if "refused: " in printed else "*unsafe*"


def address(example: Example) -> str:
    """Where the heading of an example is, seen from docs/."""
    anchor = re.sub(r"[^\w\- ]", "", example.title.lower()).replace(" ", "-")
    return f"{example.page.parent.name}/{example.page.name}#{anchor}"
