"""`run:` steps of GitHub workflows: how each way of passing a value changes, and that a shell gives the build the same values."""

from __future__ import annotations

import itertools
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from github_steps import HEAD, WORKFLOW, changed
from yaml_callers import turned

from dockerfix.builders import github

RUN = [
    (
        """
        - name: one
          run: docker build --build-arg X=${{ secrets.X }} .
        """,
        "-  run: docker build --build-arg X=${{ secrets.X }} .\n"
        "+  env:\n+    X: ${{ secrets.X }}\n+  run: docker build --secret id=X,env=X .",
    ),
    (
        """
        - run: docker build --build-arg "X=${{secrets.X}}" .
        """,
        '-- run: docker build --build-arg "X=${{secrets.X}}" .\n'
        '+- run: docker build --secret "id=X,env=X" .\n+  env:\n+    X: ${{secrets.X}}',
    ),
    # Single quotes are text for GitHub, too; folded scalars stay folded.
    (
        """
        - name: one
          run: >-
            docker build
            --build-arg X='${{ secrets.X }}'
            --build-arg Y='a b'
            .
        """,
        "+  env:\n+    X: ${{ secrets.X }}\n-    docker build\n-    --build-arg X='${{ secrets.X }}'\n-    --build-arg Y='a b'\n+    Y='a b' docker build\n+    --secret id=X,env=X\n+    --secret id=Y,env=Y",
    ),
    # A variable of the step, the job or the workflow that holds it already.
    (
        """
        - env:
            X: ${{ secrets.X }}
          run: docker build --build-arg X=${{  secrets.X  }} .
        """,
        "-  run: docker build --build-arg X=${{  secrets.X  }} .\n+  run: docker build --secret id=X,env=X .",
    ),
    (
        """
        - env:
            T: ${{ secrets.X }}
          run: docker build --build-arg X=${{ secrets.X }} --build-arg Y=$T --build-arg Z=${{ env.T }} .
        """,
        "-  run: docker build --build-arg X=${{ secrets.X }} --build-arg Y=$T --build-arg Z=${{ env.T }} .\n"
        "+  run: docker build --secret id=X,env=T --secret id=Y,env=T --secret id=Z,env=T .",
    ),
    # X stands for something else there (T36 d): another name.
    (
        """
        - env:
            X: other
          run: docker build --build-arg X=${{ secrets.X }} .
        """,
        "-  run: docker build --build-arg X=${{ secrets.X }} .\n"
        "+    DOCKERFIX_X: ${{ secrets.X }}\n+  run: docker build --secret id=X,env=DOCKERFIX_X .",
    ),
    (
        """
        - name: one
          run: |
            X=1; echo $X
            docker build --build-arg X=${{ secrets.X }} .
        """,
        "-    docker build --build-arg X=${{ secrets.X }} .\n"
        "+  env:\n+    DOCKERFIX_X: ${{ secrets.X }}\n+    docker build --secret id=X,env=DOCKERFIX_X .",
    ),
    # It would steer the client, or another command of the step (T27).
    (
        """
        - name: one
          run: docker build --build-arg AWS_TOKEN=${{ secrets.X }} .
        """,
        "-  run: docker build --build-arg AWS_TOKEN=${{ secrets.X }} .\n"
        "+  env:\n+    DOCKERFIX_AWS_TOKEN: ${{ secrets.X }}\n"
        "+  run: docker build --secret id=AWS_TOKEN,env=DOCKERFIX_AWS_TOKEN .",
    ),
    (
        """
        - name: one
          run: npm ci && docker build --build-arg NPM_TOKEN=${{ secrets.X }} .
        """,
        "-  run: npm ci && docker build --build-arg NPM_TOKEN=${{ secrets.X }} .\n"
        "+  env:\n+    DOCKERFIX_NPM_TOKEN: ${{ secrets.X }}\n"
        "+  run: npm ci && docker build --secret id=NPM_TOKEN,env=DOCKERFIX_NPM_TOKEN .",
    ),
    # Two builds of one step, with two values.
    (
        """
        - name: one
          run: |
            docker build --build-arg X=${{ secrets.A }} a
            docker build --build-arg X=${{ secrets.B }} b
            docker build --build-arg X=${{ secrets.A }} c
        """,
        "-    docker build --build-arg X=${{ secrets.A }} a\n-    docker build --build-arg X=${{ secrets.B }} b\n"
        "-    docker build --build-arg X=${{ secrets.A }} c\n"
        "+  env:\n+    X: ${{ secrets.A }}\n+    DOCKERFIX_X: ${{ secrets.B }}\n"
        "+    docker build --secret id=X,env=X a\n+    docker build --secret id=X,env=DOCKERFIX_X b\n"
        "+    docker build --secret id=X,env=X c",
    ),
    # The shell makes a part of it: before the command, as everywhere.
    (
        """
        - name: one
          run: docker build --build-arg X="$USER:${{ secrets.X }}" .
        """,
        '-  run: docker build --build-arg X="$USER:${{ secrets.X }}" .\n'
        '+  run: X="$USER:${{ secrets.X }}" docker build --secret id=X,env=X .',
    ),
    # A plain scalar that cannot hold the prefix gets quotes.
    (
        """
        - name: one
          run: docker build --build-arg X='a\\ b#' --build-arg Y=$V .
        """,
        "-  run: docker build --build-arg X='a\\ b#' --build-arg Y=$V .\n"
        "+  run: X='a\\ b#' docker build --secret id=X,env=X --secret id=Y,env=V .",
    ),
    (
        """
        - {name: one, run: 'docker build --build-arg X=${{ secrets.X }} .'}
        """,
        "-- {name: one, run: 'docker build --build-arg X=${{ secrets.X }} .'}\n"
        "+- {name: one, run: 'docker build --secret id=X,env=X .', env: {X: '${{ secrets.X }}'}}",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), RUN)
def test_run_steps(before: str, after: str) -> None:
    got = changed(before)
    assert sorted(got.splitlines()) == sorted(after.splitlines())


DOCKER = """#!/bin/sh
n=0
while [ -e "$RECORD/$n.argv" ]; do n=$((n + 1)); done
printf '%s\\0' "$@" > "$RECORD/$n.argv"
env -0 > "$RECORD/$n.env"
"""
VALUES = {
    "secrets.A": "plain-Token_1",
    "secrets.B": "x.y/z+w=",
    "env.E": "from env",
    "secrets.NONE": "",
}
SCRIPTS = [
    "docker build --build-arg X=${{ secrets.A }} .",
    'docker build --build-arg "X=${{ secrets.A }}" --build-arg Y=${{ secrets.B }} .',
    "docker build --build-arg X='${{ secrets.A }}' .",
    "docker build --build-arg=X=a-${{ secrets.A }}-b .",
    "docker build --build-arg X=${{ secrets.NONE }} .",
    'docker build --build-arg "X=$E:${{ secrets.A }}" .',
    'docker build --build-arg "X=${{ env.E }}" .',
    "docker build --build-arg X=${{ secrets.A }} a && docker build --build-arg X=${{ secrets.B }} b",
    "X=own; docker build --build-arg X=${{ secrets.A }} --build-arg Y=$X .",
    'args=(--build-arg X=${{ secrets.A }}); docker build "${args[@]}" .',
    'bash -c "docker build --build-arg X=${{ secrets.A }} ."',
    'T=${{ secrets.A }}\ndocker build \\\n  --build-arg X=$T \\\n  --build-arg Y="$E" \\\n  .',
    "if true; then docker build --build-arg X=${{ github.token || secrets.A }} .; fi",
]


def record(
    where: Path, step: dict[str, object], name: str
) -> list[tuple[list[str], dict[str, str]]]:
    """What docker gets when the step runs as GitHub would run it."""
    folder = where / name
    (folder / "bin").mkdir(parents=True)
    docker = folder / "bin" / "docker"
    docker.write_text(DOCKER)
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)

    def put(text: str) -> str:
        return re.sub(r"\$\{\{(.*?)\}\}", lambda hit: VALUES.get(hit[1].strip(), "gh-token"), text)

    variables = {"E": VALUES["env.E"]}
    for key, value in (step.get("env") or {}).items():  # type: ignore[attr-defined]
        variables[key] = put(str(value))
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "RECORD": str(folder), **variables,
    }  # fmt: skip
    script = put(str(step["run"]))
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], env=environment, cwd=folder, check=False
    )
    assert done.returncode == 0
    found = []
    for number in range(len(list(folder.glob("*.argv")))):
        argv = (folder / f"{number}.argv").read_text().split("\0")[:-1]
        env = dict(
            one.split("=", 1)
            for one in (folder / f"{number}.env").read_text().split("\0")
            if "=" in one
        )
        found.append((argv, env))
    return found


def given(argv: list[str], env: dict[str, str]) -> dict[str, str]:
    """What the build gets under each name, as an argument or as a secret."""
    found = {}
    flat = [
        one
        for word in argv
        for one in (word.split("=", 1) if word.startswith("--") and "=" in word else [word])
    ]
    for flag, value in itertools.pairwise(flat):
        if flag == "--build-arg":
            name, _, text = value.partition("=")
            found[name] = text
        elif flag == "--secret":
            keys = dict(one.split("=", 1) for one in value.split(","))
            found[keys["id"]] = env.get(keys["env"], "(unset)")
    return found


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("style", ["|", ">-", "quoted"])
def test_the_build_gets_the_value_that_it_got(script: str, style: str, tmp_path: Path) -> None:
    if style == "quoted":
        written = "'" + script.replace("'", "''").replace("\n", "\n\n              ") + "'"
    else:
        gap = "\n" if style == "|" else "\n\n"
        written = f"{style}\n            " + script.replace("\n", gap + "            ")
    text = (
        HEAD.replace("    steps", "    env:\n      E: from env\n    steps")
        + f"      - name: build\n        run: {written}\n"
    )
    if "\n" in script and style != "|":
        pytest.skip("folding would join its lines")
    before = yaml.safe_load(text)["jobs"]["build"]["steps"][0]
    assert before["run"].strip() == script
    after, refusals = turned(github, WORKFLOW, text.encode())
    assert not refusals, refusals
    new = yaml.safe_load(after[WORKFLOW])["jobs"]["build"]["steps"][0]
    assert "--build-arg" not in new["run"]
    old_calls = [given(*one) for one in record(tmp_path, before, "before")]
    new_calls = [given(*one) for one in record(tmp_path, new, "after")]
    assert old_calls
    assert new_calls == old_calls
