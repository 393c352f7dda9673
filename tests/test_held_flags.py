"""Flags in variables of a pipeline, a workflow, a Taskfile or a justfile: what docker gets before and after.

A stub of docker writes down its arguments and environment. GitLab and GitHub are played by what
they document; `task` and `just` run themselves where they are installed.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from yaml_callers import calls, dedent, turned

from dockerfix.builders import github, gitlab, justfile, taskfile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

DOCKER = """#!/bin/sh
n=0
while [ -e "$RECORD/$n.argv" ]; do n=$((n + 1)); done
printf '%s\\0' "$@" > "$RECORD/$n.argv"
env -0 > "$RECORD/$n.env"
"""
GIVEN = {"NPM_TOKEN": "npm-value", "CI_TOKEN": "ci-value", "EMPTY": ""}

GITLAB = [
    """
    variables:
      FLAGS: "--pull --build-arg NPM_TOKEN=$NPM_TOKEN"
    build:
      script:
        - docker build $FLAGS .
    """,
    """
    variables:
      COMMON: --build-arg NPM_TOKEN=${CI_TOKEN} --build-arg VERSION=1
      FLAGS: $COMMON --no-cache
    build:
      script:
        - export FLAGS="$FLAGS --label a=b"
        - docker build ${FLAGS} .
        - docker build $COMMON .
    """,
    """
    build:
      variables:
        FLAGS: |
          --build-arg NPM_TOKEN=npm_$NPM_TOKEN
          --pull
      script:
        - if [ -n "$CI_TOKEN" ]; then FLAGS="$FLAGS --quiet"; fi
        - docker build $FLAGS .
    """,
    """
    build:
      variables: {FLAGS: --build-arg NPM_TOKEN=2f8c41d9a7e35b06c1d4}
      script:
        - docker build $FLAGS .
    """,
    """
    build:
      variables:
        FLAGS:
          value: --build-arg NPM_TOKEN=$EMPTY
          description: what the build gets
      script:
        - docker build $FLAGS .
    """,
]
GITHUB = [
    """
    on: push
    env:
      FLAGS: --build-arg NPM_TOKEN=${{ secrets.NPM_TOKEN }} --pull
    jobs:
      image:
        runs-on: ubuntu-latest
        steps:
          - run: docker build $FLAGS .
          - run: docker build ${{ env.FLAGS }} .
    """,
    """
    on: push
    jobs:
      image:
        runs-on: ubuntu-latest
        env:
          COMMON: --pull
        steps:
          - env:
              FLAGS: >-
                --build-arg NPM_TOKEN=npm_${{ secrets.CI_TOKEN }}
                --build-arg VERSION=1
            run: |
              FLAGS="$COMMON $FLAGS"
              docker build $FLAGS .
    """,
]
TASKFILE = [
    """
    version: "3"
    silent: true
    vars:
      COMMON: --pull --build-arg NPM_TOKEN={{.NPM_TOKEN}}
      FLAGS: "{{.COMMON}} --no-cache"
    env:
      DEV: --build-arg NPM_TOKEN={{.CI_TOKEN}}
    tasks:
      default:
        - docker build {{.FLAGS}} .
        - docker build $DEV .
    """,
    """
    version: "3"
    silent: true
    vars:
      TOKEN:
        sh: echo 'of a command'
    tasks:
      default:
        vars:
          FLAGS: >-
            --pull --build-arg "NPM_TOKEN={{.TOKEN}}"
            --build-arg CI_TOKEN=$CI_TOKEN
        cmds:
          - cmd: |
              docker build \\
                {{.FLAGS}} \\
                .
    """,
]
JUSTFILE = [
    """
    token := env('CI_TOKEN')
    common := "--pull --build-arg NPM_TOKEN=" + token
    flags := common + ' --no-cache'

    default:
        @docker build {{flags}} .
        @docker build {{common}} .
    """,
    """
    export flags := '--build-arg NPM_TOKEN=' + env_var_or_default("NPM_TOKEN", "") + " --no-cache"
    first := env('CI_TOKEN') + ' --pull'
    quoted := '--build-arg "NPM_TOKEN=' + uppercase(env('CI_TOKEN')) + ' and more" --quiet'

    default:
        @docker build $flags .
        @docker build {{quoted}} .
    """,
    """
    base := "--pull"
    token := " --build-arg NPM_TOKEN=" + env('NPM_TOKEN')
    other := " --build-arg VERSION=1"

    default:
        @docker build {{base}}{{token}}{{other}} .
    """,
]


@pytest.mark.parametrize("text", GITLAB)
def test_gitlab(text: str, tmp_path: Path) -> None:
    def run(file: str, do: Callable[[str, dict[str, str]], None]) -> None:
        pipeline = yaml.load(file, Loader=yaml.BaseLoader)
        given = {**pipeline.get("variables", {}), **pipeline["build"].get("variables", {})}
        texts = {
            name: one["value"] if isinstance(one, dict) else one for name, one in given.items()
        }

        def expanded(text: str) -> str:
            known = {**GIVEN, **texts}
            return re.sub(
                r"\$(?:\{(\w+)\}|(\w+))", lambda hit: expanded(known[hit[1] or hit[2]]), text
            )

        do(
            "\n".join(pipeline["build"]["script"]),
            {name: expanded(one) for name, one in texts.items()},
        )

    same(gitlab, ".gitlab-ci.yml", text, run, tmp_path)


@pytest.mark.parametrize("text", GITHUB)
def test_github(text: str, tmp_path: Path) -> None:
    def run(file: str, do: Callable[[str, dict[str, str]], None]) -> None:
        workflow = yaml.load(file, Loader=yaml.BaseLoader)
        job = workflow["jobs"]["image"]
        for step in job["steps"]:
            env: dict[str, str] = {}
            for place in (workflow, job, step):
                env |= {key: put_in(one, env) for key, one in place.get("env", {}).items()}
            do(put_in(step["run"], env), env)

    def put_in(text: str, env: dict[str, str]) -> str:
        known = {f"secrets.{name}": one for name, one in GIVEN.items()}
        known |= {f"env.{name}": one for name, one in env.items()}
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda hit: known[hit[1]], text)

    # Secrets are in no environment of their own.
    same(github, ".github/workflows/ci.yml", text, run, tmp_path, environment={})


@pytest.mark.parametrize("text", TASKFILE)
@pytest.mark.skipif(shutil.which("task") is None, reason="task is not installed")
def test_taskfile(text: str, tmp_path: Path) -> None:
    same(taskfile, "Taskfile.yml", text, lambda file, do: do("task", {}), tmp_path)


@pytest.mark.parametrize("text", JUSTFILE)
@pytest.mark.skipif(shutil.which("just") is None, reason="just is not installed")
def test_justfile(text: str, tmp_path: Path) -> None:
    same(justfile, "justfile", text, lambda file, do: do("just", {}), tmp_path)


def same(
    kind: ModuleType,
    path: str,
    text: str,
    run: Callable[[str, Callable[[str, dict[str, str]], None]], None],
    tmp_path: Path,
    environment: dict[str, str] | None = None,
) -> None:
    """Docker gets the same values, and the file passes none of them as a build argument."""
    before = dedent(text)
    names = ("NPM_TOKEN", "CI_TOKEN")
    after, refusals = turned(kind, path, before.encode(), names=names)
    assert not refusals
    new = after[path].decode()
    assert not any(f"--build-arg {name}" in new for name in names)
    got = []
    for name, file in (("old", before), ("new", new)):
        where = tmp_path / name
        (where / "bin").mkdir(parents=True)
        docker = where / "bin" / "docker"
        docker.write_text(DOCKER)
        docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_text(file)

        def do(script: str, env: dict[str, str], where: Path = where) -> None:
            known = GIVEN if environment is None else environment
            full = {
                "PATH": f"{where / 'bin'}:{os.environ['PATH']}",
                "HOME": str(where),
                "RECORD": str(where),
                **known,
                **env,
            }
            subprocess.run(["sh", "-euc", script], env=full, cwd=where, check=True)

        run(file, do)
        got.append(recorded(where))
    assert got[0]
    assert got[0] == got[1]


def recorded(where: Path) -> list[tuple[dict[str, str], list[str]]]:
    """Of each build the values by name, and its other arguments."""
    found: list[tuple[dict[str, str], list[str]]] = []
    for number in itertools.count():
        if not (where / f"{number}.argv").exists():
            return found
        argv = (where / f"{number}.argv").read_text().split("\0")[:-1]
        raw = (where / f"{number}.env").read_text().split("\0")
        env = dict(one.split("=", 1) for one in raw if "=" in one)
        values: dict[str, str] = {}
        others, rest = [], iter(argv)
        for flag in rest:
            if flag == "--build-arg":
                key, _, value = next(rest).partition("=")
                values[key] = value
            elif flag == "--secret":
                keys = dict(one.split("=", 1) for one in next(rest).split(","))
                values[keys["id"]] = env[keys["env"]]
            else:
                others.append(flag)
        found.append((values, others))
    raise AssertionError


UNTOUCHED: list[tuple[ModuleType, str, str, str]] = [
    # What no build uses, and what is set in a second place.
    (gitlab, ".gitlab-ci.yml", """
     variables: {FLAGS: --build-arg X=$X}
     build: {script: [docker build $FLAGS .]}
     other: {script: [some-builder $FLAGS]}
     """, "used where no build is seen"),
    (gitlab, ".gitlab-ci.yml", """
     variables: {FLAGS: '--build-arg "X=$X"'}
     build: {script: [docker build $FLAGS .]}
     """, "quotes inside a string"),
    (gitlab, ".gitlab-ci.yml", """
     variables: {FLAGS: --build-arg X=$X}
     build:
       script:
         - export X=$(cat token)
         - docker build $FLAGS .
     """, "assigned again"),
    (github, ".github/workflows/ci.yml", """
     on: push
     env:
       FLAGS: --build-arg X=${{ secrets.X }}
     jobs:
       a:
         runs-on: ubuntu-latest
         steps:
           - run: docker build $FLAGS .
           - uses: someone/builder@v1
             with: {flags: "${{ env.FLAGS }}"}
     """, "used where no build is seen"),
    (github, ".github/workflows/ci.yml", """
     on: push
     env:
       FLAGS: --build-arg X=${{ secrets.X }}
     jobs:
       a:
         runs-on: ubuntu-latest
         steps:
           - run: docker build $FLAGS .
           - run: docker build $env:FLAGS .
             shell: pwsh
     """, "used where no build is seen"),
    (taskfile, "Taskfile.yml", """
     version: "3"
     vars: {FLAGS: --build-arg X=$X}
     tasks:
       a: docker build {{.FLAGS}} .
       b: some-builder {{.FLAGS}}
     """, "used where no build is seen"),
    (justfile, "justfile", """
     flags := '--build-arg X=' + env('X')
     a:
         docker build {{flags}} .
     b:
         some-builder {{flags}}
     """, "used where no build is seen"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path", "text", "reason"), UNTOUCHED)
def test_refused(kind: ModuleType, path: str, text: str, reason: str) -> None:
    data = dedent(text).encode()
    after, refusals = turned(kind, path, data)
    assert any(reason in one.reason for one in refusals)
    assert after[path] == data


UNSEEN: list[tuple[ModuleType, str, str]] = [
    (gitlab, ".gitlab-ci.yml", """
     variables: {FLAGS: --build-arg X=$X}
     build:
       rules: [{if: $TAG, variables: {FLAGS: ""}}]
       script: [docker build $FLAGS .]
     """),
    (gitlab, ".gitlab-ci.yml", """
     variables: {FLAGS: --build-arg X=$$X}
     build: {script: [docker build $FLAGS .]}
     """),
    (taskfile, "Taskfile.yml", """
     version: "3"
     vars: {FLAGS: "--build-arg X={{.X}}"}
     tasks:
       a: docker build {{.FLAGS}} .
       b: {cmds: [{task: a, vars: {FLAGS: ""}}]}
     """),
    (taskfile, "Taskfile.yml", """
     version: "3"
     vars: {FLAGS: "--build-arg X={{.X}}", X: "after it"}
     tasks: {a: "docker build {{.FLAGS}} ."}
     """),
    (taskfile, "Taskfile.yml", """
     version: "3"
     env: {FLAGS: --build-arg X=$X}
     tasks: {a: docker build $FLAGS .}
     """),
    (justfile, "justfile", """
     flags := '--build-arg X=' + x
     a x:
         docker build {{flags}} .
     """),
    (justfile, "justfile", """
     flags := if os() == 'linux' { '--build-arg X=1' } else { '' }
     a:
         docker build {{flags}} .
     """),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path", "text"), UNSEEN)
def test_what_may_mean_something_else_is_no_argument_that_changes(
    kind: ModuleType, path: str, text: str
) -> None:
    found: list[Any] = [arg for call in calls(kind, path, text) for arg in call.args]
    assert not found


def test_what_another_repository_may_use_makes_a_fix_unsafe() -> None:
    text = """
    include: [{project: ci/templates, file: /build.yml}]
    variables: {FLAGS: --build-arg X=$X}
    build: {script: [docker build $FLAGS .]}
    """
    (call,) = calls(gitlab, ".gitlab-ci.yml", text)
    assert [arg.doubt for arg in call.args] == [
        "what is included from elsewhere may use FLAGS as well"
    ]


OUTSIDE = [
    ("build.sh", "#!/bin/sh\nsome-builder $FLAGS\n", "./build.sh"),
    ("Makefile", "image:\n\tsome-builder $(FLAGS)\n", "make image"),
    ("ci/tool.py", "import os\nrun(os.environ['FLAGS'])\n", "python ci/tool.py"),
]


@pytest.mark.parametrize(("path", "text", "command"), OUTSIDE)
def test_a_program_that_reads_the_variable_keeps_it(path: str, text: str, command: str) -> None:
    pipeline = (
        "variables: {FLAGS: --build-arg X=$X}\n"
        f"build: {{script: [docker build $FLAGS .]}}\nother: {{script: [{command}]}}\n"
    ).encode()
    files = {path: text.encode()}
    _, refusals = turned(gitlab, ".gitlab-ci.yml", pipeline, files)
    assert [one.path for one in refusals] == [path]
    # One that nothing starts, or that has a variable of its own of that name, is another matter.
    for other, data in (
        (pipeline.replace(command.encode(), b"true"), text),
        (pipeline, f"FLAGS = 1\nFLAGS=1\n{text}"),
    ):
        _, refusals = turned(gitlab, ".gitlab-ci.yml", other, {path: data.encode()})
        assert not refusals


def test_an_action_of_the_repository_that_reads_the_variable_keeps_it() -> None:
    workflow = dedent("""
        on: push
        env:
          FLAGS: --build-arg X=${{ secrets.X }}
        jobs:
          a:
            runs-on: ubuntu-latest
            steps:
              - run: docker build $FLAGS .
              - uses: ./.github/actions/other
    """).encode()
    action = ".github/actions/other/action.yml"
    text = (
        b"runs:\n  using: composite\n  steps:\n    - run: some-builder $FLAGS\n      shell: bash\n"
    )
    _, refusals = turned(github, ".github/workflows/ci.yml", workflow, {action: text})
    assert [one.path for one in refusals] == [action]
