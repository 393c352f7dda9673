"""GitHub workflows as callers: the actions that build, and what is refused of workflows of any kind."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from github_steps import HEAD, WORKFLOW, changed, found, steps
from yaml_callers import calls, dedent, turned

from dockerfix.builders import github
from dockerfix.engine import Options, run
from dockerfix.finding import Refusal
from dockerfix.workspace import Workspace


def refused(text: str, *, whole: bool = False, path: str = WORKFLOW) -> list[str]:
    before = dedent(text) if whole else steps(text)
    after, refusals = turned(github, path, before.encode())
    assert after[path] == before.encode()
    return [one.reason for one in refusals]


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
    "written", ['echo "X=$(t)" >> $GITHUB_ENV', '{ echo "X<<E"; t; echo E; } >> "$GITHUB_ENV"']
)
def test_a_bare_name_that_an_earlier_step_exports(written: str) -> None:
    text = f"- run: |\n    {written}\n- uses: docker/build-push-action@v6\n  with:\n    build-args: X\n"
    assert changed(text, "X") == "-    build-args: X\n+    secrets: X=${{ env.X }}"
    other = text.replace("X=", "MY_X=").replace("X<<", "MY_X<<")
    assert refused(other) == ["nothing in this workflow sets X, which the step passes by name"]


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
    (
        "- run: docker build --build-arg X=${{ secrets.X }} .\n  env: &env {A: b}\n- run: npm ci\n  env: *env\n",
        "to others too",
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


def test_arguments_that_another_step_writes_hold_the_fix_back(tmp_path: Path) -> None:
    text = (
        "- id: t\n  run: test -f a && echo 'args=X_TOKEN=${{ secrets.X }}' >> $GITHUB_OUTPUT\n"
        "- uses: docker/build-push-action@v6\n  with:\n    build-args: ${{ steps.t.outputs.args }}\n"
    )
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / WORKFLOW).write_text(steps(text))
    (tmp_path / "Dockerfile").write_text("FROM a\nARG X_TOKEN\nRUN npm ci\n")
    (tmp_path / ".dockerfix.toml").write_text("root = true\n")
    done = run(Workspace(str(tmp_path)), ["Dockerfile"], Options(unsafe_fixes=True))
    assert not done.changes
    (found,) = (one.finding for one in done.findings)
    assert "another step gives" in found.refusals[0].reason
