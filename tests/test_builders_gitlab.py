"""GitLab CI as a caller: jobs and what they inherit, and how their scripts change."""

from __future__ import annotations

import itertools
import os
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from yaml_callers import calls, dedent, diff, turned

from dockerfix.builders import gitlab
from dockerfix.builders.call import Value
from dockerfix.formats.yaml import parse
from dockerfix.source import Source

PIPELINE = ".gitlab-ci.yml"

SCRIPTS = [
    (
        "    - docker build --build-arg X=$X .\n",
        "    - docker build --secret id=X,env=X .\n",
    ),
    (
        '    - docker build --build-arg "X=${OTHER}" --build-arg CI_JOB_TOKEN .\n',
        '    - docker build --secret "id=X,env=OTHER" --secret id=CI_JOB_TOKEN,env=CI_JOB_TOKEN .\n',
    ),
    # Items of one job are one session.
    (
        "    - export T=$(cat token)\n    - U=$T\n    - docker build --build-arg X=$T --build-arg Y=$U .\n",
        '    - export T=$(cat token)\n    - U=$T\n    - Y="$U" docker build --secret id=X,env=T --secret id=Y,env=Y .\n',
    ),
    (
        '    - ARGS="--build-arg X=$X"\n    - docker build $ARGS .\n',
        '    - ARGS="--secret id=X,env=X"\n    - docker build $ARGS .\n',
    ),
    (
        "    - |\n      docker build \\\n        --build-arg X=$1 \\\n        .\n    - true\n",
        '    - |\n      X="$1" docker build \\\n        --secret id=X,env=X \\\n        .\n    - true\n',
    ),
    (
        "    - >-\n      docker build\n      --build-arg X=$X\n      --pull\n      .\n",
        "    - >-\n      docker build\n      --secret id=X,env=X\n      --pull\n      .\n",
    ),
    (
        '    - "docker build --build-arg \\"X=$X\\" ."\n',
        '    - "docker build --secret \\"id=X,env=X\\" ."\n',
    ),
    # The value would end a plain scalar.
    (
        "    - 'docker build --build-arg X=\"it''s: $V\" .'\n",
        "    - 'X=\"it''s: $V\" docker build --secret id=X,env=X .'\n",
    ),
    # What GitLab puts in itself stays its text.
    (
        "    - docker build --build-arg X=$[[ inputs.x ]] .\n",
        '    - X="$[[ inputs.x ]]" docker build --secret id=X,env=X .\n',
    ),
]


@pytest.mark.parametrize("eol", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(("before", "after"), SCRIPTS)
def test_scripts(before: str, after: str, eol: str) -> None:
    head = "build:\n  image: docker:24\n  script:\n"
    data = (head + before).replace("\n", eol).encode()
    found, refusals = turned(gitlab, PIPELINE, data)
    assert not refusals
    assert found[PIPELINE].decode() == (head + after).replace("\n", eol)


def test_a_script_that_is_one_scalar() -> None:
    data = b"build:\n  script: docker build --build-arg X=$X .\n"
    found, _ = turned(gitlab, PIPELINE, data)
    assert found[PIPELINE] == b"build:\n  script: docker build --secret id=X,env=X .\n"


INHERITED = dedent("""
    variables:
      FILE: docker/Dockerfile
      WHERE: $CI_PROJECT_DIR/app
    default:
      before_script:
        - cd app
    .base:
      variables: {TARGET: dev}
    .build: &build
      extends: .base
      script:
        - docker build -f $FILE --target "$TARGET" --build-arg X=$X .
        - !reference [.more, script]
    .more:
      script:
        - - docker build --build-arg Y=$Y $WHERE/sub
    one:
      extends: [.other, .build]
    two:
      <<: *build
      before_script: []
      variables: {TARGET: prod}
    .unused:
      script: [docker build --build-arg Z=$Z z]
    .other: {stage: build}
""")


def test_what_jobs_inherit() -> None:
    found = {
        (one.args[0].name, one.cwd, one.context, one.dockerfile_argument, one.target)
        for one in calls(gitlab, PIPELINE, INHERITED)
    }
    assert found == {
        ("X", "app", ".", "docker/Dockerfile", "dev"),
        ("X", "", ".", "docker/Dockerfile", "prod"),
        ("Y", "app", "\x04/app/sub", None, None),
        ("Y", "", "\x04/app/sub", None, None),
        ("Z", "app", "z", None, None),
    }
    after, refusals = turned(gitlab, PIPELINE, INHERITED.encode())
    assert not refusals
    lines = diff(INHERITED, after[PIPELINE].decode()).splitlines()
    assert [line.strip("+ ") for line in lines if line.startswith("+")] == [
        '- docker build -f $FILE --target "$TARGET" --secret id=X,env=X .',
        "- - docker build --secret id=Y,env=Y $WHERE/sub",
        "script: [docker build --secret id=Z,env=Z z]".replace(
            "[docker build --secret id=Z,env=Z z]", "['docker build --secret id=Z,env=Z z']"
        ),
    ]


def test_the_values_of_a_parallel_matrix() -> None:
    text = """
        build:
          parallel:
            matrix:
              - APP: [a, b]
                FILE: D
          script: docker build -f $FILE --build-arg X=$X $APP
    """
    found = calls(gitlab, PIPELINE, text)
    assert {(one.context, one.dockerfile_argument) for one in found} == {("a", "D"), ("b", "D")}


def test_included_files() -> None:
    main = dedent("""
        include:
          - local: /ci/build.yml
          - ci/more/*.yml
          - project: other/templates
            file: x.yml
        job:
          extends: .build
          variables: {WHERE: app}
    """)
    template = ".build:\n  script:\n    - docker build --build-arg X=$X $WHERE\n"
    others = {
        "ci/build.yml": template.encode(),
        "ci/more/one.yml": b"more:\n  script: [docker build m]\n",
    }
    after, refusals = turned(gitlab, PIPELINE, main.encode(), others)
    assert not refusals
    assert after["ci/build.yml"].decode() == template.replace(
        "--build-arg X=$X", "--secret id=X,env=X"
    )
    found = calls(gitlab, PIPELINE, main, {name: one.decode() for name, one in others.items()})
    assert {(one.path, one.context) for one in found} == {
        ("ci/build.yml", "app"),
        ("ci/more/one.yml", "m"),
    }


def test_a_file_that_is_known_by_its_name_gives_its_calls_itself() -> None:
    main = "include: .gitlab/build.yml\n"
    template = "job:\n  script: docker build --build-arg X=$X .\n"
    assert calls(gitlab, PIPELINE, main, {".gitlab/build.yml": template}) == []
    (call,) = calls(gitlab, ".gitlab/build.yml", template, {PIPELINE: main})
    assert call.path == ".gitlab/build.yml"


def test_what_another_file_did_before_is_not_edited_from_here() -> None:
    main = dedent("""
        include: ci/default.yml
        job:
          script:
            - docker build $ARGS --build-arg Y=$Y .
    """)
    default = 'default:\n  before_script:\n    - cd app\n    - ARGS="--build-arg X=$X"\n    - Y=$(cat y)\n'
    (call,) = calls(gitlab, PIPELINE, main, {"ci/default.yml": default})
    assert call.cwd == "app"
    assert [arg.name for arg in call.args] == ["Y"]
    assert call.unresolved == ("$ARGS",)
    after, _ = turned(gitlab, PIPELINE, main.encode(), {"ci/default.yml": default.encode()})
    assert b'- Y="$Y" docker build $ARGS --secret id=Y,env=Y .' in after[PIPELINE]
    assert after["ci/default.yml"] == default.encode()


BUILDKIT = [
    ("image: docker:24", "yes", ""),
    ("image: docker:latest", "yes", ""),
    ("image: {name: docker:23.0.1-cli}", "yes", ""),
    ("image: docker:19.03.12", "no", "classic builder"),
    ("image: $REG/docker:20.10-git", "no", "classic builder"),
    ("image: docker:24\n  services: [docker:18-dind]", "no", "classic builder"),
    ("image: docker:${V}", "no", "classic builder"),
    ("image: docker:20.10\n  variables: {DOCKER_BUILDKIT: 1}", "yes", ""),
    ("image: docker:stable", "no", "classic builder"),
    ("image: docker:latest\n  services: ['docker:stable-dind']", "no", "classic builder"),
    ("variables: {DOCKER_BUILDKIT: '0'}", "no", "DOCKER_BUILDKIT=0"),
    ("image: alpine\n  before_script: [apk add --no-cache docker]", "unknown", ""),
    ("image: alpine\n  before_script: [apk add docker docker-cli-buildx]", "yes", ""),
    ("tags: [saas-windows-medium]", "unknown", "Windows"),
]


@pytest.mark.parametrize(("settings", "buildkit", "reason"), BUILDKIT)
def test_what_docker_builds_it(settings: str, buildkit: str, reason: str) -> None:
    text = (
        f"variables: {{V: '19'}}\njob:\n  {settings}\n  script: [docker build --build-arg X=$X .]\n"
    )
    (call,) = calls(gitlab, PIPELINE, text.encode())
    assert call.buildkit == buildkit
    assert (reason in call.refusal.reason) if reason else call.refusal is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "script", "files"),
    [
        ("image: docker:20.10", "docker build", True),
        ("image: docker:24\n  services: [docker:20.10.24-dind]", "docker build", True),
        ("image: docker:20.10", "docker buildx build", True),
        ("image: docker:20.10", "docker buildx create --use; docker buildx build", False),
        ("image: docker:24", "docker build", False),
    ],
)
def test_what_knows_secrets_as_files_alone(settings: str, script: str, files: bool) -> None:
    text = (
        f"job:\n  {settings}\n  variables: {{DOCKER_BUILDKIT: 1}}\n"
        f"  script: [{script} --build-arg X=$X .]\n"
    )
    (call,) = calls(gitlab, PIPELINE, text.encode())
    assert (call.buildkit, call.refusal) == ("yes", None)
    assert bool(call.files_only) is files


def test_one_script_on_an_old_and_a_new_docker_is_refused() -> None:
    text = dedent("""
        .b: {script: [docker build --build-arg X=$X .]}
        new: {extends: .b, image: "docker:24"}
        old: {extends: .b, image: "docker:19"}
    """)
    assert {one.buildkit for one in calls(gitlab, PIPELINE, text)} == {"yes", "no"}


def test_kaniko_is_refused_and_linked() -> None:
    text = dedent("""
        build:
          image: {name: "gcr.io/kaniko-project/executor:debug", entrypoint: [""]}
          script:
            - /kaniko/executor --context $CI_PROJECT_DIR/app --dockerfile $CI_PROJECT_DIR/app/Dockerfile
              --build-arg X=$X
    """)
    (call,) = calls(gitlab, PIPELINE, text)
    assert [arg.name for arg in call.args] == ["X"]
    assert call.dockerfile_argument == "\x04/app/Dockerfile"
    assert call.refusal is not None
    assert "kaniko" in call.refusal.reason
    after, refusals = turned(gitlab, PIPELINE, text.encode())
    assert refusals == [call.refusal]
    assert after[PIPELINE] == text.encode()


def test_a_value_that_is_written_out_is_told() -> None:
    text = (
        "variables: {X: canary-not-a-secret}\njob:\n  script: [docker build --build-arg X=$X .]\n"
    )
    (call,) = calls(gitlab, PIPELINE, text.encode())
    assert (call.args[0].value, call.args[0].exported) == (Value.LITERAL, True)


def test_a_broken_file_gives_no_calls() -> None:
    assert calls(gitlab, PIPELINE, b"a: [b\nscript: docker build --build-arg X .\n") == []


DOCKER = """#!/bin/sh
n=0
while [ -e "$RECORD/$n.argv" ]; do n=$((n + 1)); done
printf '%s\\0' "$@" > "$RECORD/$n.argv"
env -0 > "$RECORD/$n.env"
"""


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(("before", "after"), SCRIPTS[:-1])
def test_the_build_gets_the_value_that_it_got(
    before: str, after: str, shell: str, tmp_path: Path
) -> None:
    head = "job:\n  script:\n"
    turned_text, _ = turned(gitlab, PIPELINE, (head + before).encode())
    found = []
    for name, text in (("old", head + before), ("new", turned_text[PIPELINE].decode())):
        where = tmp_path / name
        (where / "bin").mkdir(parents=True)
        docker = where / "bin" / "docker"
        docker.write_text(DOCKER)
        docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
        (where / "token").write_text("tok\n")
        script = "\n".join(yaml.load(text, Loader=yaml.BaseLoader)["job"]["script"])
        environment = {
            "PATH": f"{where / 'bin'}:{os.environ['PATH']}", "RECORD": str(where),
            "X": "x-value", "OTHER": "o v", "CI_JOB_TOKEN": "job", "V": "v\\$`",
        }  # fmt: skip
        arguments = [shell, "-ec", f"set -- first\n{script}"]
        subprocess.run(arguments, env=environment, cwd=where, check=True)
        argv = (where / "0.argv").read_text().split("\0")[:-1]
        env = dict(
            one.split("=", 1) for one in (where / "0.env").read_text().split("\0") if "=" in one
        )
        got = {}
        for flag, value in itertools.pairwise(argv):
            if flag == "--build-arg":
                key, equals, text = value.partition("=")
                got[key] = text if equals else env.get(key, "(unset)")
            elif flag == "--secret":
                keys = dict(one.split("=", 1) for one in value.split(","))
                got[keys["id"]] = env.get(keys["env"], "(unset)")
        found.append(got)
    assert found[0]
    assert found[0] == found[1]


def test_our_expectations_are_yaml() -> None:
    for _, after in SCRIPTS:
        assert not parse(Source("x", b"job:\n  script:\n" + after.encode())).errors
