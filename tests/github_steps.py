"""What the tests of GitHub workflows share: a workflow around steps, and the steps as a fix leaves them."""

from __future__ import annotations

import yaml
from yaml_callers import calls, dedent, diff, turned

from dockerfix.builders import github
from dockerfix.builders.call import BuildCall

WORKFLOW = ".github/workflows/ci.yml"
HEAD = "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n"


def steps(text: str) -> str:
    body = dedent(text)
    return HEAD + "".join(f"      {line}".rstrip(" ") for line in body.splitlines(keepends=True))


def found(text: str, **others: str) -> list[BuildCall]:
    return calls(github, WORKFLOW, steps(text), others)


def changed(text: str, *names: str, path: str = WORKFLOW) -> str:
    """The diff of a workflow whose steps are `text`."""
    before = steps(text)
    after, refusals = turned(github, path, before.encode(), names=names)
    assert not refusals, refusals
    yaml.safe_load(after[path])
    return (
        diff(before, after[path].decode())
        .replace("\n      ", "\n")
        .replace("-      ", "-")
        .replace("+      ", "+")
    )
