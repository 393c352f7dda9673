"""The sample repositories in corpus/, as tests see them: `Sample`, read from sample.toml."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from dockerfix.verify.proof import Given, Project

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "corpus"
HOSTILE = CORPUS / "hostile"
STUB = "dockerfix/stub:1"


class Sample:
    """One folder of corpus/: `before` and `after`, and what sample.toml says of it.

    Keys: `summary`; `unsafe` (the fix needs --unsafe-fixes); `findings` (Dockerfile to
    variables); `run` and `run_after` (how its images are built; `steps` is ci_steps.py); `bases`, `images`; where the
    secrets come from: `environment` (variables), `arguments` (`@NAME@` in `run`), `home`
    (file to text), `values` (text round the canary); `runtime_lost` (ENV that the image loses),
    `residual` (parts of the image where the value is known to stay), `required` (the
    mounts are, so that a build without the secret fails), `quick` (built with the secrets only:
    what happens without them is shown by others), `engine = false` (cannot be built here).
    """

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.before = folder / "before"
        self.after = folder / "after"
        self._facts: dict[str, Any] = tomllib.loads((folder / "sample.toml").read_text())
        self.unsafe: bool = self._facts.get("unsafe", False)
        self.built: bool = self._facts.get("engine", True)
        self.quick: bool = self._facts.get("quick", False)
        self.findings: dict[str, list[str]] = self._facts["findings"]

    @property
    def composed(self) -> bool:
        """Whether its images are built by compose."""
        return self.name.startswith("compose-")

    @property
    def flags(self) -> list[str]:
        return ["--unsafe-fixes"] if self.unsafe else []

    def trees(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """All files before and after, by path."""
        return tree(self.before), tree(self.after)

    def project(self, after: Path, base: str) -> Project:
        """How the sample is built; `after` is the tree to hold against `before`."""
        facts = self._facts
        return Project(
            before=self.before,
            after=after,
            command=_command(facts["run"]),
            command_after=_command(facts.get("run_after", facts["run"])),
            dockerfiles=tuple(self.findings),
            images=tuple(facts["images"]),
            given=Given(
                environment=tuple(facts.get("environment", ())),
                arguments=tuple(facts.get("arguments", ())),
                home=facts.get("home", {}),
                values=facts.get("values", {}),
            ),
            bases=dict.fromkeys(facts["bases"], base),
            lost_at_run_time=tuple(facts.get("runtime_lost", ())),
            residual=tuple(facts.get("residual", ())),
            required=facts.get("required", False),
        )


def _command(words: list[str]) -> tuple[str, ...]:
    if words[0] == "steps":
        return (sys.executable, os.fspath(Path(__file__).with_name("ci_steps.py")), *words[1:])
    return tuple(words)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def dockerfix(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """`dockerfix ARGUMENTS` in `folder`, as a user runs it."""
    path = os.pathsep.join(filter(None, [os.fspath(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "dockerfix", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )


SAMPLES = [Sample(path.parent) for path in sorted(CORPUS.glob("*/sample.toml"))]
