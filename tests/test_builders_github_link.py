"""What a build in a GitHub workflow builds, and what actions and called workflows of the repository hand on to it."""

from __future__ import annotations

import pytest
import yaml
from github_steps import WORKFLOW, found, steps
from yaml_callers import calls, dedent, diff, turned

from dockerfix.builders import github
from dockerfix.finding import Refusal


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
