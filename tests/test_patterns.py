"""The sixteen shapes of public Dockerfiles that break simple tools, one by one.

For each what becomes of it and why. What the fix writes is held against the RUN (or ENV) line
that matters; the pages in docs/passes hold whole diffs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from repositories import after, finding, findings, lay_out, readers

from dockerfix import parse
from dockerfix.model.history import evaluate

MOUNT = "--mount=type=secret,id={0},env={0}"
KEY = "k3J8sQ1mZ7xV4nB2wE9t"


def repository(where: Path, dockerfile: str, name: str = "", **files: str) -> Path:
    named = {one.replace("_", "."): text for one, text in files.items()}
    call = f'#!/bin/sh\ndocker build --build-arg {name}="${name}" -t app .\n'
    caller = {"build.sh": call} if name else {}
    return lay_out(where, {"Dockerfile": dockerfile, **caller, **named})


def lines(files: Mapping[str, str]) -> list[str]:
    return files["Dockerfile"].split("\n")


def secret_given(files: Mapping[str, str], name: str) -> bool:
    return f"--secret id={name},env={name}" in files["build.sh"] and (
        "--build-arg" not in files["build.sh"]
    )


def kept(where: Path, variable: str) -> dict[str, Any]:
    return finding(where, variable, "secret-persisted-in-layer")


def test_1_an_escaped_dollar_is_read_by_a_child(tmp_path: Path) -> None:
    """Fixed, safe: the file holds the reference, npm expands it, so nothing stays in the layer."""
    run = 'RUN echo "//registry.npmjs.org/:_authToken=\\${NPM_TOKEN}" > .npmrc && npm ci'
    repository(tmp_path, f"FROM node:20\nARG NPM_TOKEN\n{run}\n", "NPM_TOKEN")
    assert readers(tmp_path, "NPM_TOKEN") == {3: "`echo` names $NPM_TOKEN for a child to read"}
    found = finding(tmp_path, "NPM_TOKEN")
    assert (found["safety"], found["residual"]) == ("safe", "unknown")
    files = after(tmp_path)
    assert lines(files)[2:4] == [f"RUN {MOUNT.format('NPM_TOKEN')} \\", run.replace("RUN", "   ")]
    assert secret_given(files, "NPM_TOKEN")


def test_2_the_run_that_writes_the_file_and_the_one_that_reads_it(tmp_path: Path) -> None:
    """Fixed: both get the mount, the second because the file that the first writes names it."""
    first = "RUN if [ -n \"${T_TOKEN}\" ]; then echo '//r/:_authToken=${T_TOKEN}' > .npmrc; fi"
    repository(tmp_path, f"FROM node:20\nARG T_TOKEN\n{first}\nRUN yarn\n", "T_TOKEN")
    assert readers(tmp_path, "T_TOKEN") == {
        3: "`[` names $T_TOKEN",
        4: "`yarn` reads .npmrc, which names ${T_TOKEN}",
    }
    mount = MOUNT.format("T_TOKEN")
    files = after(tmp_path)
    assert lines(files)[2:5] == [
        f"RUN {mount} \\",
        first.replace("RUN", "   "),
        f"RUN {mount} yarn",
    ]
    assert secret_given(files, "T_TOKEN")


def test_3_nothing_in_the_run_names_it_the_copied_npmrc_does(tmp_path: Path) -> None:
    """Fixed, safe: the config file of the context is the evidence."""
    dockerfile = "FROM node:20\nARG GH_TOKEN\nCOPY .npmrc package.json ./\nRUN npm ci\n"
    npmrc = "//npm.pkg.github.com/:_authToken=${GH_TOKEN}\n"
    repository(tmp_path, dockerfile, "GH_TOKEN", _npmrc=npmrc, package_json="{}")
    assert readers(tmp_path, "GH_TOKEN") == {4: "`npm ci` reads .npmrc, which names ${GH_TOKEN}"}
    assert finding(tmp_path, "GH_TOKEN")["safety"] == "safe"
    files = after(tmp_path)
    assert lines(files)[3] == f"RUN {MOUNT.format('GH_TOKEN')} npm ci"
    assert files[".npmrc"] == npmrc


def test_4_write_install_and_remove_in_three_layers(tmp_path: Path) -> None:
    """Never safe: the first layer keeps the key, whatever the third removes; both are said."""
    dockerfile = (
        "FROM node:20\nARG SSH_PRIVATE_KEY\n"
        'RUN mkdir -p ~/.ssh && echo "$SSH_PRIVATE_KEY" > ~/.ssh/id_rsa\n'
        "RUN npm ci\nRUN rm ~/.ssh/id_rsa\n"
    )
    repository(tmp_path, dockerfile, "SSH_PRIVATE_KEY")
    found = finding(tmp_path, "SSH_PRIVATE_KEY", "secret-in-arg")
    assert found["safety"] != "safe"
    said = kept(tmp_path, "SSH_PRIVATE_KEY")
    assert said["line"] == 3
    assert "line 5 removes it, but the layer of this RUN keeps it" in said["reason"]
    assert after(tmp_path)["Dockerfile"] == dockerfile


def test_5_a_bracket_that_is_no_exec_form(tmp_path: Path) -> None:
    """Shell form, so it is read as shell: explicit, and the URL that git keeps is not missed."""
    url = 'url."https://${GH_TOKEN}@github.com/".insteadOf https://github.com/'
    dockerfile = (
        f"FROM node:20\nARG GH_TOKEN\nRUN [ -z ${{GH_TOKEN}} ] || git config --global {url}\n"
    )
    repository(tmp_path, dockerfile, "GH_TOKEN")
    assert readers(tmp_path, "GH_TOKEN") == {3: "`[` names $GH_TOKEN"}
    assert finding(tmp_path, "GH_TOKEN", "secret-in-arg")["safety"] == "unsafe"
    assert "stays in git's configuration" in kept(tmp_path, "GH_TOKEN")["message"]


def test_6_the_mount_goes_before_a_backslash_that_stands_alone(tmp_path: Path) -> None:
    """Fixed: BuildKit joins the lines without a blank, so the mount stands before the backslash."""
    body = " if [ -f yarn.lock ]; then yarn --frozen-lockfile; \\\n else npm ci; fi\n"
    repository(tmp_path, f"FROM node:20\nARG NPM_TOKEN\nRUN \\\n{body}", "NPM_TOKEN")
    files = after(tmp_path)
    mount = MOUNT.format("NPM_TOKEN")
    assert files["Dockerfile"].endswith(f"RUN {mount} \\\n{body}")


def test_7_columns_stay_aligned(tmp_path: Path) -> None:
    """Fixed: the mount stands where the command stood."""
    command = "pip wheel --extra-index-url https://u:$PIP_TOKEN@pypi.example.com/simple -w /w acme"
    dockerfile = (
        f"FROM            python:3\nARG             PIP_TOKEN\nRUN             {command}\n"
        "COPY            . .\n"
    )
    repository(tmp_path, dockerfile, "PIP_TOKEN")
    assert lines(after(tmp_path))[1:] == [
        "FROM            python:3",
        f"RUN             {MOUNT.format('PIP_TOKEN')} \\",
        f"                {command}",
        "COPY            . .",
        "",
    ]


def test_8_the_legacy_form_with_blanks_round_the_equals_sign(tmp_path: Path) -> None:
    """The value is `= ...`: an ENV composed from the secret, in the final image, so never safe."""
    dockerfile = "FROM node:20\nARG NPM_TOKEN\nENV TOKEN = $NPM_TOKEN\nRUN npm ci\n"
    found = finding(repository(tmp_path, dockerfile, "NPM_TOKEN"), "NPM_TOKEN", "secret-in-arg")
    assert found["safety"] in ("unsafe", "manual")
    written = after(tmp_path, "--unsafe-fixes")["Dockerfile"]
    tree = parse(written.encode())
    (execution,) = evaluate(tree, {}).executions
    assert written == dockerfile or 'TOKEN="= ${NPM_TOKEN}"' in written
    assert written == dockerfile or "TOKEN" not in execution.env


def test_9_a_key_that_is_no_shell_identifier(tmp_path: Path) -> None:
    """Reported, never touched: no RUN can name it and no mount can carry it."""
    dockerfile = f'FROM tomcat:9\nENV A.B.secret: {KEY}\nCMD ["catalina.sh", "run"]\n'
    (found,) = findings(repository(tmp_path, dockerfile))
    assert (found["variable"], found["safety"], found["line"]) == ("A.B.secret:", "manual", 2)
    assert KEY not in str(found)
    assert after(tmp_path, "--unsafe-fixes")["Dockerfile"] == dockerfile


def test_10_a_hash_whose_dollars_buildkit_expands(tmp_path: Path) -> None:
    """Reported, never touched: it becomes image content (a mount would put the same there)."""
    line = "ENV HTPASSWD user:$apr1$xT9dQ2lm$kV3nB8wE1tQ5rY7uI0oP2."
    dockerfile = f'FROM httpd:2\n{line}\nRUN echo "$HTPASSWD" > /etc/htpasswd\n'
    repository(tmp_path, dockerfile)
    assert {one["safety"] for one in findings(tmp_path)} == {"manual"}
    assert {one["variable"] for one in findings(tmp_path)} == {"HTPASSWD"}
    assert after(tmp_path, "--unsafe-fixes")["Dockerfile"] == dockerfile
    (execution,) = evaluate(parse(dockerfile.encode())).executions
    assert execution.env["HTPASSWD"] == "user:."


def test_11_the_variable_is_a_path_and_the_file_is_the_secret(tmp_path: Path) -> None:
    """The variable is no secret and stays; a mount of the path would protect nothing."""
    dockerfile = "FROM alpine:3\nARG ID_RSA_FILE\nADD $ID_RSA_FILE /tmp/id_rsa\nRUN apk add git\n"
    repository(tmp_path, dockerfile, "ID_RSA_FILE")
    assert not [one for one in findings(tmp_path) if one["pass"] == "secret-in-arg"]
    assert after(tmp_path)["Dockerfile"] == dockerfile


def test_12_the_value_is_a_whole_option_without_quotes(tmp_path: Path) -> None:
    """Fixed: the name says options, what the caller passes says secret; it still splits."""
    call = (
        '#!/bin/sh\ndocker build --build-arg AUTH_OPTIONS="--user=ci --password=$T" '
        "--build-arg URL=https://x.example.com/f -t app .\n"
    )
    dockerfile = 'FROM alpine:3\nARG AUTH_OPTIONS\nARG URL\nRUN wget $AUTH_OPTIONS "$URL"\n'
    lay_out(tmp_path, {"Dockerfile": dockerfile, "build.sh": call})
    files = after(tmp_path)
    assert lines(files)[3] == f'RUN {MOUNT.format("AUTH_OPTIONS")} wget $AUTH_OPTIONS "$URL"'
    assert 'AUTH_OPTIONS="--user=ci --password=$T" docker build --secret' in files["build.sh"]


def test_13_backticks_round_an_echo_that_writes_a_file(tmp_path: Path) -> None:
    """The command in backticks is read as one: the file stays in the layer, and that is said."""
    dockerfile = 'FROM node:20\nARG API_SECRET\nRUN `echo "API_SECRET=$API_SECRET" > .env` && npm run build\n'
    repository(tmp_path, dockerfile, "API_SECRET")
    found = finding(tmp_path, "API_SECRET", "secret-in-arg")
    assert (found["safety"], found["residual"]) == ("unsafe", "known")
    assert "is written to .env" in kept(tmp_path, "API_SECRET")["message"]


def test_14_another_case_in_env_read_through_settings_xml(tmp_path: Path) -> None:
    """Fixed, safe: one mount a name, and settings.xml is the evidence for the second."""
    dockerfile = (
        "FROM maven:3 AS build\nARG repo_password\nENV REPO_PASSWORD=$repo_password\n"
        "COPY settings.xml pom.xml ./\nRUN mvn -s settings.xml package\n"
        "FROM eclipse-temurin:21\nCOPY --from=build /t /t\n"
    )
    settings = "<settings><password>${env.REPO_PASSWORD}</password></settings>\n"
    repository(tmp_path, dockerfile, "repo_password", settings_xml=settings, pom_xml="<project/>\n")
    found = finding(tmp_path, "repo_password")
    assert found["safety"] == "safe"
    said = "`mvn` reads settings.xml, which names ${REPO_PASSWORD}"
    assert any(one["message"].endswith(said) for one in found["related"])
    assert lines(after(tmp_path))[3:6] == [
        "RUN --mount=type=secret,id=repo_password,env=repo_password \\",
        "    --mount=type=secret,id=repo_password,env=REPO_PASSWORD \\",
        "    mvn -s settings.xml package",
    ]


MANY = (
    "FROM node:20 AS build\nARG {keys}ENV NODE_ENV=production \\\n    APP_NAME=shop \\\n"
    "    API_TOKEN=$API_TOKEN \\\n    PORT=3000 \\\n    LOG_LEVEL=info \\\n    REGION=eu-west-1 \\\n"
    "    CACHE_TTL=60 \\\n    WORKERS=4 \\\n    TIMEOUT=30 \\\n    TZ=UTC \\\n    LANG=C.UTF-8 \\\n"
    "    COLOR=0 \\\n    STRIPE_SECRET_KEY=$STRIPE_SECRET_KEY\nRUN make\n"
    "FROM scratch\nCOPY --from=build /o /o\n"
)


def test_15_thirteen_pairs_in_one_env_the_last_is_a_secret(tmp_path: Path) -> None:
    """Fixed: the last pair takes the backslash before it along, the public ones stay."""
    names = ("API_TOKEN", "STRIPE_SECRET_KEY")
    flags = " ".join(f'--build-arg {name}="${name}"' for name in names)
    files = {
        "Dockerfile": MANY.format(keys="API_TOKEN STRIPE_SECRET_KEY\n"),
        "build.sh": f"#!/bin/sh\ndocker build {flags} .\n",
    }
    written = after(lay_out(tmp_path, files))
    tree = parse(written["Dockerfile"].encode())
    assert not tree.errors
    assert "    LANG=C.UTF-8 \\\n    COLOR=0\nRUN " in written["Dockerfile"]
    (execution,) = evaluate(tree, {}, "build").executions
    assert set(execution.env) - {"PATH"} == {
        "NODE_ENV", "APP_NAME", "PORT", "LOG_LEVEL", "REGION", "CACHE_TTL", "WORKERS", "TIMEOUT",
        "TZ", "LANG", "COLOR",
    }  # fmt: skip
    assert {mount.env for mount in execution.mounts} == set(names)


def test_16_the_mount_goes_before_a_heredoc(tmp_path: Path) -> None:
    """Fixed: as a flag of the RUN; the body is the script that is read."""
    body = "<<EOT\nset -e\nnpm ci\nEOT\n"
    repository(tmp_path, f"FROM node:20\nARG NPM_TOKEN\nRUN {body}", "NPM_TOKEN")
    assert after(tmp_path)["Dockerfile"].endswith(f"RUN {MOUNT.format('NPM_TOKEN')} {body}")


@pytest.mark.parametrize("number", range(1, 17))
def test_each_shape_has_its_test(number: int) -> None:
    assert [name for name in globals() if name.startswith(f"test_{number}_")]
