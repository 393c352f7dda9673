"""GitHub workflows and actions as callers: what is found, and how each way of passing a value changes."""

from __future__ import annotations

import itertools
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from yaml_callers import calls, dedent, diff, turned

from dockerfix.builders import github
from dockerfix.builders.call import BuildCall
from dockerfix.engine import Options, run
from dockerfix.finding import Refusal
from dockerfix.workspace import Workspace

WORKFLOW = ".github/workflows/ci.yml"
HEAD = "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n"


def steps(text: str) -> str:
    body = dedent(text)
    return HEAD + "".join(f"      {line}".rstrip(" ") for line in body.splitlines(keepends=True))


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


def refused(text: str, *, whole: bool = False, path: str = WORKFLOW) -> list[str]:
    before = dedent(text) if whole else steps(text)
    after, refusals = turned(github, path, before.encode())
    assert after[path] == before.encode()
    return [one.reason for one in refusals]


def found(text: str, **others: str) -> list[BuildCall]:
    return calls(github, WORKFLOW, steps(text), others)


ACTION = [
    # All lines move: the key gets the other name.
    (
        """
        - uses: docker/build-push-action@v5
          with:
            context: .
            build-args: |
              X=${{ secrets.X }}
            push: true
        """,
        "-    build-args: |\n+    secrets: |",
    ),
    (
        """
        - uses: docker/build-push-action@v6
          with:
            build-args: X=${{ secrets.OTHER }}
        """,
        "-    build-args: X=${{ secrets.OTHER }}\n+    secrets: X=${{ secrets.OTHER }}",
    ),
    # Others stay; blanks behind the value are no part of it (T36 i).
    (
        """
        - uses: docker/build-push-action@v5
          with:
            build-args: |
              VERSION=1
              X=${{ secrets.X }}
              Y=prefix-${{ secrets.Y }}
        """,
        '+    secrets: |',
    ),
    # To secrets that are there; in the order of the file.
    (
        """
        - uses: docker/build-push-action@v5
          with:
            build-args: |
              X=${{ github.token }}
              VERSION=1
            secrets: |
              OLD=${{ secrets.OLD }}
            tags: a
        """,
        "-      X=${{ github.token }}\n+      X=${{ github.token }}",
    ),
    (
        """
        - uses: docker/build-push-action@v5
          with:
            build-args: |
              X=${{ inputs.token }}
              VERSION=1
            secrets: OLD=${{ secrets.OLD }}
        """,
        '+      VERSION=1\n+    secrets: |\n+      OLD=${{ secrets.OLD }}\n-      VERSION=1\n-    secrets: OLD=${{ secrets.OLD }}',
    ),
    # Given already: only the argument goes.
    (
        """
        - uses: docker/build-push-action@v5
          with:
            build-args: |
              X=${{ secrets.X }}
            secrets: |
              X=${{ secrets.X }}
        """,
        "-    build-args: |\n-      X=${{ secrets.X }}",
    ),
    # A quoted item may hold several lines (rule 5.21), and moves with its quotes.
    (
        """
        - uses: docker/build-push-action@v5
          with:
            build-args: |
              "X=${{ secrets.PEM }}"
              "Y=${{ secrets.A }}
              ${{ secrets.B }}"
              Z=1
        """,
        '+      Z=1\n+    secrets: |\n-      Z=1',
    ),
    # By name: from the environment that the workflow sets.
    (
        """
        - uses: docker/build-push-action@v5
          env:
            X: ${{ secrets.X }}
          with:
            build-args: |
              X
        """,
        "-    build-args: |\n-      X\n+    secrets: |\n+      X=${{ env.X }}",
    ),
    # Flow style and double quotes.
    (
        """
        - uses: docker/build-push-action@v5
          with: {context: ., build-args: "A=1\\nX=${{ secrets.X }}"}
        """,
        '-  with: {context: ., build-args: "A=1\\nX=${{ secrets.X }}"}\n+  with: {context: ., build-args: "A=1", secrets: "X=${{ secrets.X }}"}',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), ACTION)
def test_build_push_action(before: str, after: str) -> None:
    got = changed(before, "X", "Y")
    assert sorted(got.splitlines()) == sorted(after.splitlines())


def test_items_keep_their_order_when_they_move() -> None:
    text = steps("""
        - uses: docker/build-push-action@v5
          with:
            build-args: |
              X=${{ secrets.X }}
              A=1
              Y=${{ secrets.Y }}
    """)
    after, _ = turned(github, WORKFLOW, text.encode(), names=("X", "Y"))
    given = yaml.safe_load(after[WORKFLOW])["jobs"]["build"]["steps"][0]["with"]
    assert given == {
        "build-args": "A=1\n",
        "secrets": "X=${{ secrets.X }}\nY=${{ secrets.Y }}\n",
    }


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
@pytest.mark.parametrize("pad", ["      ", "        "])
def test_indentation_and_line_endings_are_the_files(eol: str, pad: str) -> None:
    text = (
        HEAD
        + f"{pad}- uses: docker/build-push-action@v5\n{pad}  with:\n{pad}     build-args: |\n{pad}          X=1\n{pad}          Y=2\n"
    )
    data = text.replace("\n", eol).encode()
    after, _ = turned(github, WORKFLOW, data, names=("X",))
    wanted = (
        text.replace(f"{pad}          X=1\n", "") + f"{pad}     secrets: |\n{pad}          X=1\n"
    )
    assert after[WORKFLOW] == wanted.replace("\n", eol).encode()


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


def test_bake_action_gets_a_variable_of_the_step() -> None:
    got = changed(
        """
        - uses: docker/bake-action@v5
          with:
            files: docker-bake.hcl
            set: |
              *.args.X=${{ secrets.X }}
              app.args.V=1
              *.platform=linux/amd64
    """,
        "X",
    )
    assert got == (
        "+  env:\n+    X: ${{ secrets.X }}\n"
        "-      *.args.X=${{ secrets.X }}\n+      *.secrets+=id=X,env=X"
    )


@pytest.mark.parametrize(
    "action", ["depot/build-push-action@v1", "useblacksmith/build-push-action@v2"]
)
def test_actions_with_the_inputs_of_dockers(action: str) -> None:
    text = f"- uses: {action}\n  with:\n    build-args: X=${{{{ secrets.X }}}}\n    push: true\n"
    assert changed(text, "X") == (
        "-    build-args: X=${{ secrets.X }}\n+    secrets: X=${{ secrets.X }}"
    )
    (call,) = found(text)
    assert (call.tool, call.buildkit) == (action.partition("@")[0], "yes")


REFUSED = [
    (
        "- uses: docker/build-push-action@v1\n  with:\n    build_args: X=${{ secrets.X }},Y=1\n",
        "version 1",
    ),
    (
        "- uses: someone/build-push-action@v5\n  with:\n    build-args: X=${{ secrets.X }}\n",
        "another action",
    ),
    (
        "- uses: docker/build-push-action@v5\n  with:\n    build-args: X\n",
        "nothing in this workflow sets X",
    ),
    (
        "- uses: docker/build-push-action@v5\n  with:\n    build-args: X=${{ secrets.X }}\n    secrets: X=${{ secrets.Y }}\n",
        "given here already",
    ),
    ("- shell: pwsh\n  run: docker build --build-arg X=$env:X .\n", "runs in pwsh"),
    ("- shell: python\n  run: os.system('docker build --build-arg X=1 .')\n", "runs in python"),
    (
        "- run: DOCKER_BUILDKIT=0 docker build --build-arg X=${{ secrets.X }} .\n",
        "DOCKER_BUILDKIT=0",
    ),
    ("- run: /kaniko/executor --context . --build-arg X=${{ secrets.X }}\n", "kaniko"),
    (
        "- run: docker build --build-arg X=${{ secrets.X }} .\n  env: ${{ fromJSON(inputs.env) }}\n",
        "stand elsewhere",
    ),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_refused(text: str, reason: str) -> None:
    reasons = refused(text)
    assert reasons
    assert all(reason in one for one in reasons)


def test_windows_runners_and_old_containers_are_refused() -> None:
    text = HEAD + "      - run: docker build --build-arg X=${{ secrets.X }} .\n"
    windows = text.replace("ubuntu-latest", "${{ matrix.os }}").replace(
        "    runs-on", "    strategy: {matrix: {os: [ubuntu-22.04, windows-2022]}}\n    runs-on"
    )
    assert any("Windows" in one.reason for one in _refusals(windows))
    old = text.replace("    steps", "    container: docker:19.03\n    steps")
    assert any("classic builder" in one.reason for one in _refusals(old))
    assert not _refusals(old.replace("19.03", "24"))
    assert not _refusals(old.replace("container", "env: {DOCKER_BUILDKIT: 1}\n    container"))


def _refusals(text: str) -> list[Refusal]:
    return turned(github, WORKFLOW, text.encode())[1]


def test_inputs_of_an_anchor_are_refused() -> None:
    text = steps("""
        - uses: docker/build-push-action@v5
          with: &with
            build-args: X=${{ secrets.X }}
        - uses: docker/build-push-action@v5
          with: *with
    """)
    assert all("anchor" in one.reason or "elsewhere" in one.reason for one in _refusals(text))
    assert len(_refusals(text)) == 2


def test_a_step_that_two_jobs_share_changes_for_both() -> None:
    text = dedent("""
        on: push
        jobs:
          one:
            steps: &steps
              - uses: docker/build-push-action@v5
                with:
                  build-args: X=${{ secrets.X }}
          two:
            steps: *steps
    """)
    after, refusals = turned(github, WORKFLOW, text.encode())
    assert not refusals
    assert after[WORKFLOW].decode() == text.replace("build-args: X", "secrets: X")


def test_a_build_is_still_seen_when_nothing_is_left_to_give() -> None:
    text = steps("""
        - uses: docker/bake-action@v5
          with:
            set: |
              *.args.X=${{ secrets.X }}
    """)
    after, _ = turned(github, WORKFLOW, text.encode())
    (call,) = calls(github, WORKFLOW, after[WORKFLOW])
    assert [(one.id, one.source) for one in call.secrets] == [("X", "env:X")]


# -- linking ----------------------------------------------------------------------


def linked(text: str, **others: str) -> set[tuple[str | None, ...]]:
    return {
        (one.cwd, one.context, one.dockerfile_argument, one.target) for one in found(text, **others)
    }


def test_contexts_files_and_targets_of_actions() -> None:
    text = """
        - uses: docker/build-push-action@v5
          with: {context: ./app, file: "docker/Dockerfile.${{ matrix.kind }}", target: dev, build-args: X=1}
        - uses: docker/build-push-action@v5
          with: {context: "{{defaultContext}}:sub", file: D, build-args: X=1}
        - uses: docker/build-push-action@v5
          with: {file: "${{ matrix.unknown || 'E' }}", build-args: X=1}
        - uses: docker/build-push-action@v5
          with: {context: "${{ steps.x.outputs.y }}", build-args: X=1}
    """
    assert linked(text) == {
        ("", "./app", "docker/Dockerfile.", "dev"),
        ("", "sub", "sub/D", None),
        ("", ".", "E", None),
        ("", "?", None, None),
    }


def test_matrix_values_that_resolve() -> None:
    text = steps("""
        - uses: docker/build-push-action@v5
          with: {context: "./${{ matrix.app.dir }}", file: "${{ matrix.file }}", build-args: X=1}
        - run: docker build -f ${{ matrix.file }} --build-arg X=1 ${{ matrix.app.dir }}
          working-directory: w
    """).replace(
        "    steps:",
        dedent("""
            strategy:
              matrix:
                app: [{dir: a}, {dir: b}]
                file: [D]
                include:
                  - app: {dir: c}
                    file: E
        """)
        .replace("\n", "\n    ")
        .strip()
        .join(("    ", "\n    steps:")),
    )
    places = {
        (one.cwd, one.context, one.dockerfile_argument) for one in calls(github, WORKFLOW, text)
    }
    assert places == {
        ("", "./a", "D"), ("", "./b", "D"), ("", "./c", "E"),
        ("w", "a", "D"), ("w", "b", "D"), ("w", "c", "E"),
    }  # fmt: skip


def test_working_directories_and_the_folder_of_a_checkout() -> None:
    text = """
        - uses: actions/checkout@v4
          with: {path: src}
        - run: docker build --build-arg X=1 .
          working-directory: src/app
        - run: cd src && docker build --build-arg X=1 app
        - run: docker build --build-arg X=1 -f src/D src/app
        - uses: docker/build-push-action@v5
          with: {context: src, file: src/app/D, build-args: X=1}
    """
    assert linked(text) == {
        ("app", ".", None, None),
        (".", "app", None, None),
        ("", "app", "D", None),
        ("", ".", "app/D", None),
    }


def test_inputs_of_a_local_reusable_workflow_and_of_a_local_action() -> None:
    reusable = dedent("""
        on:
          workflow_call:
            inputs:
              dir: {type: string, default: fallback}
            secrets:
              TOKEN: {required: true}
        jobs:
          build:
            runs-on: ubuntu-latest
            steps:
              - uses: docker/build-push-action@v5
                with:
                  context: ${{ inputs.dir }}
                  build-args: X=${{ secrets.TOKEN }}
    """)
    caller = dedent("""
        on: push
        jobs:
          one: {uses: ./.github/workflows/ci.yml, with: {dir: one}, secrets: inherit}
          two: {uses: ./.github/workflows/ci.yml, secrets: inherit}
    """)
    assert [one.context for one in calls(github, WORKFLOW, reusable)] == ["fallback"]
    others = {".github/workflows/main.yml": caller}
    assert {one.context for one in calls(github, WORKFLOW, reusable, others)} == {"one", "fallback"}
    after, refusals = turned(github, WORKFLOW, reusable.encode())
    assert not refusals
    assert b"secrets: X=${{ secrets.TOKEN }}" in after[WORKFLOW]


def test_a_composite_action_uses_its_input() -> None:
    action = dedent("""
        inputs:
          token: {required: true}
        runs:
          using: composite
          steps:
            - shell: bash
              run: docker build --build-arg X=${{ inputs.token }} "${{ github.action_path }}/img"
            - uses: docker/build-push-action@v5
              with:
                build-args: X=${{ inputs.token }}
    """)
    path = ".github/actions/build/action.yml"
    after, refusals = turned(github, path, action.encode())
    assert not refusals
    assert diff(action, after[path].decode()).splitlines() == [
        '-      run: docker build --build-arg X=${{ inputs.token }} "${{ github.action_path }}/img"',
        "+      env:",
        "+        X: ${{ inputs.token }}",
        '+      run: docker build --secret id=X,env=X "${{ github.action_path }}/img"',
        "-        build-args: X=${{ inputs.token }}",
        "+        secrets: X=${{ inputs.token }}",
    ]
    assert calls(github, path, action)[0].context == "\x02/img"


def test_a_container_action_is_a_build_that_takes_nothing() -> None:
    (call,) = calls(github, "tool/action.yml", "runs:\n  using: docker\n  image: Dockerfile\n")
    assert (call.cwd, call.dockerfile_argument, call.args) == ("tool", "Dockerfile", ())
    assert isinstance(call.add_secret("X", None), Refusal)


def test_a_secret_that_was_no_argument() -> None:
    text = steps("""
        - uses: docker/build-push-action@v5
          with:
            push: true
    """)
    (call,) = calls(github, WORKFLOW, text)
    (operation,) = call.add_secret("X", None)  # type: ignore[misc]
    assert operation.value.text == b"X=${{ secrets.X }}"  # type: ignore[attr-defined]


def test_arguments_go_and_what_is_left_empty_goes_with_them() -> None:
    text = steps("""
        - uses: docker/build-push-action@v5
          with:
            build-args: |
              X=1
        - run: docker build --build-arg X=1 .
    """)
    after, refusals = turned(github, WORKFLOW, text.encode(), drop=True)
    assert not refusals
    assert after[WORKFLOW].decode() == steps("""
        - uses: docker/build-push-action@v5
        - run: docker build .
    """)


def test_a_list_that_is_computed_may_hold_more() -> None:
    (call,) = found("""
        - uses: docker/build-push-action@v5
          with:
            build-args: |
              A=1
              ${{ steps.args.outputs.list }}
    """)
    assert [arg.name for arg in call.args] == ["A"]
    assert call.unresolved == ("${{ steps.args.outputs.list }}",)


# -- running ----------------------------------------------------------------------

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


def test_a_second_look_finds_the_same_builds_and_no_argument() -> None:
    text = steps("""
        - run: docker build --build-arg X=${{ secrets.X }} .
        - uses: docker/build-push-action@v5
          with: {build-args: "X=${{ secrets.X }}"}
    """)
    after, _ = turned(github, WORKFLOW, text.encode())
    again = calls(github, WORKFLOW, after[WORKFLOW])
    assert [one.tool for one in again] == ["docker build", "docker/build-push-action"]
    assert not any(one.args for one in again)
    assert [secret.id for one in again for secret in one.secrets] == ["X", "X"]


ACTION_FILE = ".github/actions/image/action.yml"
HANDING = """
    inputs:
      context: {default: .}
      args: {required: false}
      hidden: {required: false}
    runs:
      using: composite
      steps:
        - uses: docker/build-push-action@v6
          with:
            context: ${{ inputs.context }}
            build-args: ${{ inputs.args }}
            secrets: ${{ inputs.hidden }}
    """
USING = """
    - uses: ./.github/actions/image
      with:
        context: api
        args: |
          A=1
          # B=2
          X=${{ secrets.X }}
    """
WORKFLOW_CALL = """
    on:
      workflow_call:
        inputs:
          file: {type: string}
        secrets:
          args: {required: false}
          hidden: {required: false}
    jobs:
      image:
        runs-on: ubuntu-latest
        steps:
          - uses: docker/build-push-action@v6
            with:
              file: ${{ inputs.file }}
              build-args: ${{ secrets.args }}
              secrets: |
                other=1
                ${{ secrets.hidden }}
    """
CALLED = ".github/workflows/image.yml"
CALLING = """
    on: push
    jobs:
      image:
        strategy:
          matrix:
            app: [api, worker]
        uses: ./.github/workflows/image.yml
        with:
          file: ${{ matrix.app }}/Dockerfile
        secrets:
          args: |
            X=${{ secrets.X }}
    """


def test_a_user_of_an_action_gives_the_secret_to_its_input() -> None:
    before = steps(USING)
    others = {ACTION_FILE: dedent(HANDING).encode()}
    (call,) = calls(github, WORKFLOW, before, {ACTION_FILE: HANDING})
    assert (call.context, call.buildkit, call.unresolved) == ("api", "yes", ())
    assert [arg.name for arg in call.args] == ["A", "X"]
    after, refusals = turned(github, WORKFLOW, before.encode(), others, names=("X",))
    assert not refusals
    given = yaml.safe_load(after[WORKFLOW])["jobs"]["build"]["steps"][0]["with"]
    assert given == {
        "context": "api",
        "args": "A=1\n# B=2\n",
        "hidden": "X=${{ secrets.X }}\n",
    }


def test_the_action_itself_is_no_second_build() -> None:
    others = {WORKFLOW: steps(USING)}
    assert calls(github, ACTION_FILE, HANDING, others) == []
    (alone,) = calls(github, ACTION_FILE, HANDING)
    assert alone.unresolved == ("${{ inputs.args }}",)


def test_a_called_workflow_gets_the_secret_in_its_secrets() -> None:
    found = calls(github, WORKFLOW, CALLING, {CALLED: WORKFLOW_CALL})
    assert [call.dockerfile_argument for call in found] == ["api/Dockerfile", "worker/Dockerfile"]
    assert {secret.id for call in found for secret in call.secrets} == {"other"}
    before = dedent(CALLING).encode()
    after, refusals = turned(github, WORKFLOW, before, {CALLED: dedent(WORKFLOW_CALL).encode()})
    assert not refusals
    job = yaml.safe_load(after[WORKFLOW])["jobs"]["image"]
    assert job["secrets"] == {"hidden": "X=${{ secrets.X }}\n"}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("            ${{ secrets.hidden }}\n", "", "has no input that it hands on to `secrets`"),
        ("      hidden: {required: false}\n", "", "has no input that it hands on to `secrets`"),
        ("args: {required: false}", "args: {required: true}", "must be given `args`"),
    ],
)
def test_what_a_called_workflow_cannot_take(old: str, new: str, reason: str) -> None:
    called = dedent(WORKFLOW_CALL)
    assert old in called
    before = dedent(CALLING).encode()
    after, refusals = turned(github, WORKFLOW, before, {CALLED: called.replace(old, new).encode()})
    assert after[WORKFLOW] == before
    assert all(reason in one.reason for one in refusals)


@pytest.mark.parametrize(
    ("given", "names", "file"),
    [
        ("buildargs: A,X", ["A", "X"], None),
        ("build_args: A=1,X=2\n    dockerfile: api/Dockerfile", ["A", "X"], "api/Dockerfile"),
        ("build_extra_args: --build-arg A=1 --build-arg=X", ["A", "X"], None),
        ("build-args: |\n      A=1\n      X=${{ secrets.X }}", ["A", "X"], None),
        ('buildArgs: \'{"A": "1", "X": "2"}\'', ["A", "X"], None),
    ],
)
def test_another_action_that_builds_holds_back(
    given: str, names: list[str], file: str | None
) -> None:
    (call,) = found(f"- uses: example/image@v3\n  with:\n    {given}\n")
    assert [arg.name for arg in call.args] == names
    assert (call.tool, call.dockerfile_argument) == ("example/image@v3", file)
    assert call.refusal is not None
    assert "`example/image@v3` gets build arguments" in call.refusal.reason


def test_the_inputs_of_an_action_come_from_each_of_its_users() -> None:
    action = """
        inputs:
          app: {required: true}
        runs:
          using: composite
          steps:
            - uses: docker/build-push-action@v6
              with:
                context: ${{ inputs.app }}
                build-args: X=1
        """
    using = """
        on: push
        jobs:
          image:
            strategy: {matrix: {app: [api, worker]}}
            runs-on: ubuntu-latest
            steps:
              - uses: ./.github/actions/image
                with: {app: "services/${{ matrix.app }}"}
        """
    built = calls(github, ACTION_FILE, action, {WORKFLOW: using})
    assert [call.context for call in built] == ["services/api", "services/worker"]


def test_arguments_that_another_step_writes_hold_the_fix_back(tmp_path: Path) -> None:
    text = (
        "- id: t\n  run: echo 'args=X_TOKEN=${{ secrets.X }}' >> $GITHUB_OUTPUT\n"
        "- uses: docker/build-push-action@v6\n  with:\n    build-args: ${{ steps.t.outputs.args }}\n"
    )
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / WORKFLOW).write_text(steps(text))
    (tmp_path / "Dockerfile").write_text("FROM a\nARG X_TOKEN\nRUN npm ci\n")
    (tmp_path / ".dockerfix.toml").write_text("root = true\n")
    done = run(Workspace(str(tmp_path)), ["Dockerfile"], Options(unsafe_fixes=True))
    assert not done.changes
    (found,) = (one.finding for one in done.findings)
    assert "another step writes" in found.refusals[0].reason
