"""Lists of arguments that stand elsewhere in a workflow: which lines are followed, and what goes."""

from __future__ import annotations

import pytest
import yaml
from yaml_callers import calls, dedent, turned

from dockerfix.builders import github

WORKFLOW = ".github/workflows/ci.yml"
X = "X=${{ secrets.X }}"

WRITTEN = [
    'echo "l<<EOF" >> $GITHUB_OUTPUT\necho "X=${{ secrets.X }}" >> $GITHUB_OUTPUT\n'
    'echo "A=b" >> $GITHUB_OUTPUT\necho "EOF" >> $GITHUB_OUTPUT\n',
    '{\n  echo "l<<EOF"\n  echo \'X=${{ secrets.X }}\'\n  echo A=b\n  echo EOF\n} >> "${GITHUB_OUTPUT}"\n',
    'cat >> "$GITHUB_OUTPUT" <<"END"\nl<<EOF\nX=${{ secrets.X }}\nA=b\nEOF\nEND\n',
    "cat >> $GITHUB_OUTPUT << END\nl<<EOF\nX=$TOKEN\nA=b\nEOF\nEND\n",
    'echo "l<<EOF" >> $GITHUB_OUTPUT\necho "X=${TOKEN}" >> $GITHUB_OUTPUT\n'
    'echo "A=$(date)" >> $GITHUB_OUTPUT\necho "EOF" >> $GITHUB_OUTPUT\n',
]
NOT_PLAIN = [
    'if true; then\n  echo "l=X=${{ secrets.X }}" >> $GITHUB_OUTPUT\nfi\n',
    'echo "l=X=${{ secrets.X }}" >> $GITHUB_OUTPUT\necho "l=Y=1" >> $GITHUB_OUTPUT\n',
    'for one in X; do\n  echo "l=$one=1" >> $GITHUB_OUTPUT\ndone\n',
    'echo "l<<EOF" >> $GITHUB_OUTPUT\ncat args.env >> $GITHUB_OUTPUT\necho "EOF" >> $GITHUB_OUTPUT\n',
    'echo "l=$(cat args)" >> $GITHUB_OUTPUT\n',
    'write() {\n  echo "l=X=${{ secrets.X }}" >> $GITHUB_OUTPUT\n}\n',
]
COMPUTED = [
    'echo "l=X=$(cat token)" >> $GITHUB_OUTPUT\n',
    'TOKEN=$(cat token)\necho "l=X=$TOKEN" >> $GITHUB_OUTPUT\n',
    'echo "l=X=$ELSE" >> $GITHUB_OUTPUT\n',
]


def workflow(script: str, more: str = "", uses: str = "") -> str:
    lines = "".join(f"            {line}\n" for line in script.splitlines())
    return (
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - id: w\n        env:\n          TOKEN: ${{ secrets.X }}\n        run: |\n"
        + lines + more +
        "      - uses: docker/build-push-action@v6\n        with:\n          context: .\n"
        "          build-args: ${{ steps.w.outputs.l }}\n" + uses
    )  # fmt: skip


@pytest.mark.parametrize("script", WRITTEN)
def test_a_line_goes_from_what_a_step_writes(script: str) -> None:
    before = workflow(script)
    after, refusals = turned(github, WORKFLOW, before.encode(), names=("X",))
    assert not refusals
    old = yaml.safe_load(before)["jobs"]["a"]["steps"]
    new = yaml.safe_load(after[WORKFLOW])["jobs"]["a"]["steps"]
    assert new[1]["with"].pop("secrets").strip() == X
    assert new[1] == old[1]
    gone = set(old[0].pop("run").splitlines()) - set(new[0].pop("run").splitlines())
    assert len(gone) == 1
    assert "X=" in gone.pop()
    assert new[0] == old[0]


@pytest.mark.parametrize("script", NOT_PLAIN)
def test_what_is_not_plain_is_no_argument(script: str) -> None:
    (call,) = calls(github, WORKFLOW, workflow(script).encode())
    assert not call.args
    assert call.unresolved == ("${{ steps.w.outputs.l }}",)


@pytest.mark.parametrize("script", COMPUTED)
def test_a_value_that_the_script_makes_stays(script: str) -> None:
    before = workflow(script).encode()
    after, refusals = turned(github, WORKFLOW, before)
    assert [one.reason for one in refusals] == ["the script makes the value of X"]
    assert after[WORKFLOW] == before


@pytest.mark.parametrize(
    ("more", "uses"),
    [
        ("", "      - run: echo '${{ steps.w.outputs.l }}' > args\n"),
        ("", "    outputs:\n      args: ${{ steps.w.outputs.l }}\n"),
    ],
)
def test_a_list_that_something_else_reads_stays(more: str, uses: str) -> None:
    before = workflow(WRITTEN[0], more, uses).encode()
    after, refusals = turned(github, WORKFLOW, before, names=("X",))
    assert [one.reason for one in refusals] == [
        "`steps.w.outputs.l` of .github/workflows/ci.yml holds the flag and is also used where no "
        "build is seen"
    ]
    assert after[WORKFLOW] == before


def test_two_writers_are_not_followed() -> None:
    more = '      - id: w\n        run: echo "l=X=1" >> $GITHUB_OUTPUT\n'
    (call,) = calls(github, WORKFLOW, workflow(WRITTEN[0], more).encode())
    assert not call.args


MATRIX = """
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        include:
          - args: |
              X=${{ inputs.x }}
              N=1
          - args: |
              %s
              N=2
    steps:
      - uses: docker/build-push-action@v6
        with:
          context: .
          build-args: ${{ matrix.args }}
"""


def test_values_of_a_matrix_that_are_alike_change_together() -> None:
    after, refusals = turned(
        github, WORKFLOW, dedent(MATRIX % "X=${{inputs.x}}").encode(), names=("X",)
    )
    assert not refusals
    job = yaml.safe_load(after[WORKFLOW])["jobs"]["a"]
    assert [one["args"] for one in job["strategy"]["matrix"]["include"]] == ["N=1\n", "N=2\n"]
    assert job["steps"][0]["with"]["secrets"].strip() == "X=${{ inputs.x }}"


@pytest.mark.parametrize("other", ["X=${{ inputs.y }}", "Y=1"])
def test_values_of_a_matrix_that_differ_stay(other: str) -> None:
    before = dedent(MATRIX % other).encode()
    after, refusals = turned(github, WORKFLOW, before, names=("X",))
    assert {one.reason for one in refusals} == {
        "other values of the matrix give another X, or none"
    }
    assert after[WORKFLOW] == before
