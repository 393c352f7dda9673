"""Measures the detection of secrets against BuildKit's rule and hadolint: docs/detection.md.

`python tests/bench/detection.py [--hadolint PROGRAM] [--write]` prints the tables, or writes them into
docs/detection.md between its markers. The rows are those of tests/data/labelled_names.tsv; masked
values there are made up again in the form that the mask names.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockerfix.model.secrets import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
PAGE = ROOT / "docs" / "detection.md"
MARKERS = ("<!-- measured: begin -->", "<!-- measured: end -->")

# SEMANTICS 4.1: deny matches and allow does not.
_DENY = re.compile(
    r"(?i)(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)"
)
_ALLOW = re.compile(r"(?i)(?:_|^)(?:public|file|version)(?:_|$)")


@dataclass(frozen=True)
class Row:
    """One labelled declaration. `value` is None where nothing is given."""

    name: str
    value: bytes | None
    label: str
    reason: str
    kind: str


def _unmask(value: str) -> str:
    """A value of the form that the mask names. Nothing here was ever a real credential."""
    found = re.fullmatch(r"<(token|hex|url|url-with-userinfo|uuid) of (\d+) characters>", value)
    if not found:
        return value
    length = int(found[2])
    letters = "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5Ka"
    made = {
        "token": (letters * 3)[:length],
        "hex": ("7c1e94ab06d8f35202ca" * 4)[:length],
        "url": "http://" + "h" * (length - 7),
        "url-with-userinfo": "postgres://user:pass@" + "h" * (length - 21),
        "uuid": "5b1c2f3e-8a4d-4c6b-9e7f-0a1b2c3d4e5f",
    }
    return made[found[1]]


def rows(path: Path = DATA / "labelled_names.tsv") -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            Row(
                row["name"],
                _unmask(row["default_value"]).encode() if row["default_value"] else None,
                row["label"],
                row["reason"],
                row.get("kind") or "",
            )
            for row in csv.DictReader(lines, delimiter="\t")
        ]


def buildkit(row: Row) -> bool:
    return bool(_DENY.search(row.name)) and not _ALLOW.search(row.name)


def ours(row: Row) -> bool:
    return classify(row.name, row.value).secret


def hadolint(program: str) -> Callable[[Row], bool]:
    """hadolint's rule DL3064 on a Dockerfile with this one declaration."""

    def judge(row: Row) -> bool:
        value = (row.value or b"").decode().replace('"', "'")
        name = re.sub(r"[^A-Za-z0-9_]", "_", row.name)
        keyword = "ARG" if row.kind.startswith("ARG") else "ENV"
        line = (
            f"ARG {name}"
            if row.value is None and keyword == "ARG"
            else f'{keyword} {name}="{value}"'
        )
        done = subprocess.run(
            [program, "--no-color", "-f", "json", "-"],
            input=f"FROM scratch\n{line}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        found = json.loads(done.stdout or "[]")
        return any(one["code"] == "DL3064" for one in found)

    return judge


@dataclass(frozen=True)
class Score:
    """Counts over rows labelled secret or not-secret."""

    caught: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        return self.caught / (self.caught + self.wrong) if self.caught + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.caught / (self.caught + self.missed) if self.caught + self.missed else 1.0


def score(judge: Callable[[Row], bool], labelled: Iterable[Row]) -> tuple[Score, list[Row]]:
    """The counts, and the rows on which the judge differs from the label."""
    caught = wrong = missed = 0
    differ: list[Row] = []
    for row in labelled:
        if row.label not in {"secret", "not-secret"}:
            continue
        said = judge(row)
        caught += said and row.label == "secret"
        wrong += said and row.label != "secret"
        missed += not said and row.label == "secret"
        if said != (row.label == "secret"):
            differ.append(row)
    return Score(caught, wrong, missed), differ


def report(program: str | None) -> str:
    """The measured part of docs/detection.md."""
    judges: list[tuple[str, Callable[[Row], bool]]] = [
        ("dockerfix", ours),
        ("BuildKit's rule", buildkit),
    ]
    if program:
        judges.append(("hadolint", hadolint(program)))
    lines: list[str] = []
    for title, file in (
        ("Labelled names", "labelled_names.tsv"),
        ("Other names", "unseen_names.tsv"),
    ):
        labelled = rows(DATA / file)
        counts = {
            label: sum(row.label == label for row in labelled)
            for label in ("secret", "not-secret", "ambiguous")
        }
        lines += [
            f"### {title}",
            "",
            ", ".join(f"{count} {label}" for label, count in counts.items()),
            "",
        ]
        lines += ["| | precision | recall | caught | wrong | missed |", "|---|---|---|---|---|---|"]
        differ: list[Row] = []
        for name, judge in judges:
            result, missed = score(judge, labelled)
            if judge is ours:
                differ = missed
            precision = f"{result.precision:.3f}" if result.caught + result.wrong else "-"
            lines.append(
                f"| {name} | {precision} | {result.recall:.3f} | {result.caught} | {result.wrong} | {result.missed} |"
            )
        lines += ["", "Where dockerfix differs from the label:", ""]
        lines += [f"- `{row.name}` is labelled {row.label}: {row.reason}" for row in differ] or [
            "- nowhere"
        ]
        lines += ["", "Ambiguous rows, not counted, and what dockerfix says:", ""]
        for row in labelled:
            if row.label == "ambiguous":
                verdict = classify(row.name, row.value)
                said = "a secret" if verdict.secret else "public" if verdict.public else "no secret"
                lines.append(
                    f"- `{row.name}`: {said} ({'; '.join(verdict.evidence) or 'nothing in the name'})"
                )
        lines.append("")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    program = arguments[arguments.index("--hadolint") + 1] if "--hadolint" in arguments else None
    text = report(program)
    if "--write" not in arguments:
        print(text)
        return
    page = PAGE.read_text("utf-8")
    before, rest = page.split(MARKERS[0], 1)
    after = rest.split(MARKERS[1], 1)[1]
    PAGE.write_text(f"{before}{MARKERS[0]}\n\n{text}\n{MARKERS[1]}{after}", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
