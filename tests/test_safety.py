"""S1 to S8: for each condition a case where it holds, one where it fails, one where it is not known.

Through the JSON report: the safety that a fix claims, and the reason, which names the condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from repositories import finding, lay_out
from whole_rewrites import looked_at

BASIC = "FROM node:20\nARG API_TOKEN\nRUN npm ci\n"
USES = 'FROM alpine:3\nARG API_TOKEN\nRUN curl -H "Authorization: Bearer $API_TOKEN" https://x.example.com\n'
PASSES = '#!/bin/sh\ndocker build --build-arg API_TOKEN="$API_TOKEN" .\n'


class Case(NamedTuple):
    condition: str
    title: str
    safety: str
    said: str
    files: Mapping[str, str]
    variable: str = "API_TOKEN"


def case(condition: str, title: str, said: str = "", *, safety: str = "", variable: str = "API_TOKEN", dockerfile: str = BASIC, call: str = PASSES, **files: str) -> Case:  # fmt: skip
    """`said` is what the reason (or a refusal) must say; without it the fix is safe."""
    named = {name.replace("__", "/").replace("_", "."): text for name, text in files.items()}
    all_files = {"Dockerfile": dockerfile, **({"build.sh": call} if call else {}), **named}
    return Case(
        condition, title, safety or ("unsafe" if said else "safe"), said, all_files, variable
    )


CASES = [
    # S1: every linked call passes it with a value, or nothing tells unset from empty.
    case("S1", "holds: each call passes a value"),
    case("S1", "holds: a bare argument, and no RUN that tells unset from empty", call="#!/bin/sh\ndocker build --build-arg API_TOKEN .\n"),
    case("S1", "holds: set -u alone does not count", dockerfile=USES.replace("RUN ", "RUN set -u; ")),
    case("S1", "fails: a call passes nothing", "S1: build.sh:3 builds without API_TOKEN", call=PASSES + "docker build .\n"),
    case("S1", "fails: a bare argument, and a RUN that tells", "S1: line 3 tells an unset API_TOKEN from an empty one", dockerfile="FROM alpine:3\nARG API_TOKEN\nRUN curl -u ${API_TOKEN-anonymous} https://x.example.com\n", call="#!/bin/sh\ndocker build --build-arg API_TOKEN .\n"),
    case("S1", "holds: it tells, but a value is always passed", dockerfile="FROM alpine:3\nARG API_TOKEN\nRUN curl -u ${API_TOKEN-anonymous} https://x.example.com\n"),
    case("S1", "unknown: no caller, and it looks optional", "S1: no caller is known, and API_TOKEN looks optional", dockerfile='FROM alpine:3\nARG API_TOKEN\nRUN if [ -n "$API_TOKEN" ]; then curl -u $API_TOKEN https://x.example.com; fi\n', call=""),
    case("S1", "holds without a caller: the mount is required", call=""),
    # S2: nothing else that can be run passes it.
    case("S2", "holds: prose that names it is only listed", README_md="Pass --build-arg API_TOKEN=... to build.\n"),
    case("S2", "fails: another file that starts builds passes it", "", safety="manual", main_tf='resource "docker_image" "x" {\n  build {\n    context = "."\n    build_args = { API_TOKEN = var.token }\n  }\n}\n'),
    case("S2", "unknown: a build that passes it may be of any Dockerfile that takes it", "S2: other.sh:2: tied to Dockerfile as to every Dockerfile that takes the argument", other_sh='#!/bin/sh\ndocker build --build-arg API_TOKEN="$API_TOKEN" -f "$1" "$2"\n', other__Dockerfile=BASIC),
    case("S2", "fails: one of them cannot change", "", safety="manual", other_sh='#!/bin/sh\ndocker build --build-arg API_TOKEN="$API_TOKEN" -f "$1" "$2"\n', other__Dockerfile=BASIC + "LABEL token=$API_TOKEN\n"),
    case("S2", "unknown: a build that passes it is of another repository", "", safety="manual", other_sh='#!/bin/sh\ndocker build --build-arg API_TOKEN="$API_TOKEN" https://git.example.com/a.git\n', other__Dockerfile=BASIC),
    case("S2", "unknown: words that may hold further flags", "S2: build.sh:2: ", call='#!/bin/sh\ndocker build --build-arg API_TOKEN="$API_TOKEN" $(flags) .\n'),
    # S3: each mount goes where the removed binding was the live one.
    case("S3", "holds: a later ENV of another value keeps its RUN", dockerfile="FROM alpine:3 AS one\nARG API_TOKEN\nRUN curl -u $API_TOKEN https://x.example.com\nENV API_TOKEN=\nRUN curl -u $API_TOKEN https://x.example.com\nFROM alpine:3\nCOPY --from=one /etc /etc\n"),
    case("S3", "fails: an ONBUILD trigger of the file reads it", "", safety="manual", dockerfile='FROM alpine:3 AS one\nARG API_TOKEN\nONBUILD RUN curl -u "$API_TOKEN" https://x.example.com\nRUN curl -u "$API_TOKEN" https://x.example.com\nFROM one\nRUN curl -u "$API_TOKEN" https://x.example.com\n'),
    case("S3", "holds: an ONBUILD trigger of the file cannot read it", dockerfile='FROM alpine:3 AS one\nARG API_TOKEN\nONBUILD RUN mkdir /x\nRUN curl -u "$API_TOKEN" https://x.example.com\nFROM one\nRUN curl -u "$API_TOKEN" https://x.example.com\n'),
    case("S3", "unknown: other build arguments may build a stage on top of it", "S3: other build arguments may build ", dockerfile='ARG BASE=slim\nFROM alpine:3 AS slim\nFROM alpine:3 AS full\nARG API_TOKEN\nRUN curl -u "$API_TOKEN" https://x.example.com\nFROM $BASE\nRUN true\n'),
    case("S3", "unknown: no RUN reads it, but the base may have an ONBUILD that does", "S3: no RUN reads API_TOKEN, but the base image node:20 may have an ONBUILD", dockerfile="FROM node:20\nARG API_TOKEN\nRUN mkdir /x\n"),
    case("S3", "holds: no RUN reads it, and scratch has no ONBUILD", dockerfile="FROM scratch\nARG API_TOKEN\nCOPY app /\n", app="x\n"),
    # S4: no ENV of it is in the chain of a final image.
    case("S4", "holds: an ENV in a stage that is copied from", dockerfile="FROM node:20 AS one\nARG API_TOKEN\nENV API_TOKEN=$API_TOKEN\nRUN npm ci\nFROM node:20\nCOPY --from=one /app /app\n"),
    case("S4", "fails: an ENV in the last stage", "S4: ENV API_TOKEN on line 3 is in an image that can be run", dockerfile="FROM node:20\nARG API_TOKEN\nENV API_TOKEN=$API_TOKEN\nRUN npm ci\n"),
    case("S4", "fails: an ENV in a stage that a caller targets", "S4: ENV API_TOKEN on line 3", dockerfile="FROM node:20 AS one\nARG API_TOKEN\nENV API_TOKEN=$API_TOKEN\nRUN npm ci\nFROM node:20\nCOPY --from=one /app /app\n", call=PASSES + PASSES.split("\n")[1].replace(" .", " --target one .") + "\n"),
    case("S4", "unknown: a target that cannot be resolved may be any named stage", "S4: ENV API_TOKEN on line 3", dockerfile="FROM node:20 AS one\nARG API_TOKEN\nENV API_TOKEN=$API_TOKEN\nRUN npm ci\nFROM node:20\nCOPY --from=one /app /app\n", call=PASSES.replace(" .\n", ' --target "$1" .\n')),
    # S5: it does not select content.
    case("S5", "holds: a token says who asks, not for what"),
    case("S5", "fails: an index with credentials says where from", "S5: PIP_INDEX_URL selects content", dockerfile="FROM python:3\nARG PIP_INDEX_URL\nRUN pip install acme\n", call='#!/bin/sh\ndocker build --build-arg PIP_INDEX_URL="https://ci:$PASSWORD@pypi.example.com/simple" .\n', variable="PIP_INDEX_URL"),
    case("S5", "unknown: a URL whose value is not known", "S5: DATABASE_URL selects content", dockerfile="FROM python:3\nARG DATABASE_URL\nRUN python manage.py migrate\n", call='#!/bin/sh\ndocker build --build-arg DATABASE_URL="$DATABASE_URL" .\n', variable="DATABASE_URL"),
    # S6: each linked builder is BuildKit.
    case("S6", "holds: docker build, nothing against it"),
    case("S6", "holds: buildx", call=PASSES.replace("docker build", "docker buildx build")),
    case("S6", "fails: DOCKER_BUILDKIT=0", "", safety="manual", call=PASSES.replace("docker", "DOCKER_BUILDKIT=0 docker")),
    case("S6", "unknown: a variable decides", "S6: build.sh:2: it is not known that", call=PASSES.replace("docker", "DOCKER_BUILDKIT=$1 docker")),
    # S7: the `# syntax` line changes nothing else.
    case("S7", "holds: it is inserted"),
    case("S7", "holds: it is there", dockerfile="# syntax=docker/dockerfile:1\n" + BASIC),
    case("S7", "fails: a word becomes a heredoc", "S7: ", dockerfile="# syntax=docker/dockerfile:1.3\n" + BASIC + "RUN cat << EOF\nRUN true\nEOF\n"),
    case("S7", "unknown: checks of a newer frontend may fail the build", "S7: ", dockerfile="# syntax=docker/dockerfile:1.5\n# check=error=true\n" + BASIC),
    # S8: exactly the old value is in the client's environment.
    case("S8", "holds: a variable of the environment"),
    case("S8", "holds: any other value stands before the command", call='#!/bin/sh\ndocker build --build-arg API_TOKEN="$(cat token)" .\n'),
    case("S8", "fails: the client runs on another machine", safety="manual", call='#!/bin/sh\nssh host docker build --build-arg API_TOKEN="$API_TOKEN" .\n'),
    case("S8", "unknown: the shell may expand the value", "S8: build.sh:2: the value holds a pattern", call="#!/bin/sh\ndocker build --build-arg API_TOKEN=$1* .\n"),
]  # fmt: skip


@pytest.mark.parametrize("one", CASES, ids=lambda one: f"{one.condition} {one.title}")
def test_condition(one: Case, tmp_path: Path) -> None:
    found = finding(lay_out(tmp_path, one.files), one.variable, "secret-in-arg", "Dockerfile")
    assert found["safety"] == one.safety, found["reason"]
    assert one.said in found["reason"]
    if one.safety == "safe":
        assert f"{one.condition}: " not in found["reason"]
    if one.safety == "manual":
        assert found["refusals"]


def test_every_condition_has_a_case_for_each_answer() -> None:
    answers = {(one.condition, one.title.split(":")[0].split()[0]) for one in CASES}
    assert answers == {
        (f"S{number}", answer) for number in range(1, 9) for answer in ("holds", "fails", "unknown")
    }


def test_many_builds_that_pass_nothing_are_one_reason(tmp_path: Path) -> None:
    files = {"Dockerfile": "FROM node:20\nARG T_TOKEN\nRUN npm ci --ignore-scripts\n"}
    files["build.sh"] = "#!/bin/sh\ndocker build --build-arg T_TOKEN .\n" + "docker build .\n" * 4
    finding = looked_at(tmp_path, files).findings[0].finding
    told = "S1: build.sh:3, build.sh:4 and 2 more build without T_TOKEN: it was unset"
    assert told in finding.reason


def test_what_fails_in_another_dockerfile_is_told_once_with_its_path(tmp_path: Path) -> None:
    files = {
        "a/Dockerfile": "FROM node:20\nARG T_TOKEN\nRUN npm ci --ignore-scripts\n",
        "b/Dockerfile": "FROM node:20\nARG T_TOKEN\nENV T_TOKEN=$T_TOKEN\nRUN npm ci\n",
        "build.sh": '#!/bin/sh\ndocker build -f "$1/Dockerfile" --build-arg T_TOKEN $FLAGS .\n',
    }
    first = looked_at(tmp_path, files).findings[0].finding
    assert first.path == "a/Dockerfile"
    assert first.reason.count("$FLAGS") == 1
    assert "S4: b/Dockerfile: ENV T_TOKEN on line 3" in first.reason
