"""Secrets planted in BuildKit's own test inputs: whatever stands round them, a fix keeps the promise.

What the recheck finds is told as our bug, so a run without one has held every law (DESIGN: law 6).
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from dockerfix.engine import Options, Result, run
from dockerfix.workspace import Workspace

DATA = Path(__file__).parent / "data"
NAMES = ("NPM_TOKEN", "DB_PASSWORD", "COMPOSER_AUTH")
PLANTS = (
    "ARG {0}",
    "ARG {0}\nENV X_{0}=${0}",
    "ENV {0}=Zk81xPq0wLm2aa",
    "ARG {0}\nENV URL=https://u:${{{0}}}@h/",
    "ARG {0}=dummy",
)
FROM = re.compile(r"(?i)\s*from\s")
CALLS = (
    "#!/bin/sh\ndocker build " + " ".join(f'--build-arg {one}="${one}"' for one in NAMES) + " .\n"
)


def planted(text: str, chance: random.Random) -> str:
    """`text` with a secret behind every FROM."""
    lines = []
    for line in text.split("\n"):
        lines.append(line)
        if FROM.match(line) and not line.rstrip().endswith("\\"):
            lines.append(chance.choice(PLANTS).format(chance.choice(NAMES)))
    return "\n".join(lines)


def fixed(folder: Path, text: str) -> Result:
    (folder / ".dockerfix.toml").write_text("root = true\n")
    (folder / "build.sh").write_text(CALLS)
    (folder / "Dockerfile").write_bytes(text.encode("utf-8", "surrogateescape"))
    return run(Workspace(folder), ["Dockerfile"], Options(unsafe_fixes=True))


def hold(folder: Path, texts: list[str]) -> int:
    changed = 0
    for number, text in enumerate(texts):
        with_secrets = planted(text, random.Random(number))
        result = fixed(folder, with_secrets)
        ours = [one.message for one in result.errors if one.kind == "internal"]
        assert not ours, f"{ours}\n{with_secrets}"
        changed += bool(result.changes)
    return changed


@pytest.mark.parametrize("name", ["own_lexical.json", "own_semantics.json"])
def test_in_inputs_of_our_own(name: str, tmp_path: Path) -> None:
    cases = json.loads((DATA / name).read_text("utf-8"))
    texts = [one["input" if "input" in one else "dockerfile"] for one in cases]
    assert hold(tmp_path, texts) > len(texts) // 4


@pytest.mark.parametrize("name", ["buildkit_gotests.json", "buildkit_testfiles.json"])
def test_in_inputs_of_buildkit(name: str, tmp_path: Path, vectors: Path) -> None:
    cases = json.loads((vectors / name).read_text("utf-8"))
    texts = [one["input"] for one in cases]
    assert hold(tmp_path, texts) > len(texts) // 4


LITERAL = "ENV NPM_TOKEN=Zk81xPq0wLm2aa\n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        # What callers pass for an ARG that stays is not taken for the ENV of that name.
        (
            f"FROM a AS b\n{LITERAL}RUN npm ci\nFROM c\nARG NPM_TOKEN\nENV X=$NPM_TOKEN\n",
            f"{LITERAL}RUN npm ci\nFROM c\nARG NPM_TOKEN\nENV X=$NPM_TOKEN\n",
        ),
        # Without the later ENV the image would have the earlier one again.
        (
            "FROM a AS b\nENV NPM_TOKEN=\nARG T_TOKEN\nENV NPM_TOKEN=$T_TOKEN\nRUN npm ci\nFROM c\n",
            "ARG T_TOKEN\nENV NPM_TOKEN=$T_TOKEN\nRUN npm ci\n",
        ),
        # A comment behind the last operator leaves a command without words.
        ("FROM a\nARG NPM_TOKEN\nRUN a && \\\n# tail", "# tail"),
    ],
)
def test_what_was_found_so(text: str, left: str, tmp_path: Path) -> None:
    result = fixed(tmp_path, text)
    assert not result.errors
    _, new = result.changes.get("Dockerfile", (b"", text.encode()))
    assert left in new.decode()
