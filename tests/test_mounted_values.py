"""Values of mounted files that a command would store: where the variable comes from, and where no
fix is dared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from whole_rewrites import looked_at, rewritten

if TYPE_CHECKING:
    from pathlib import Path

SET = "npm config set //r.io/:_authToken=$(cat /run/secrets/%s) && npm ci\n"
REFERENCE = "npm config set //r.io/:_authToken=\\${%s} && npm ci\n"


def after(folder: Path, body: str, build: str = "") -> str:
    """What becomes of `body` behind FROM; lines that are only broken because they are long are one."""
    folder.mkdir(exist_ok=True)
    files = {"Dockerfile": "FROM node:20\n" + body}
    if build:
        files["build.sh"] = f"#!/bin/sh\n{build} .\n"
    found = rewritten(folder / "work", files)
    assert found.get("build.sh", "") == files.get("build.sh", "")
    return found["Dockerfile"].removeprefix("FROM node:20\n").replace(" \\\n    ", " ")


class TestName:
    @pytest.mark.parametrize(
        ("id", "build", "name"),
        [
            ("npm_token", "", "NPM_TOKEN"),
            ("npm-token", "", "NPM_TOKEN"),
            ("npm", "", "NPM_SECRET"),
            ("T_TOKEN", "", "T_TOKEN"),
            ("t", "docker build --secret id=t,env=GITLAB_TOKEN", "GITLAB_TOKEN"),
            ("PATH", "", "PATH_SECRET"),
            ("netrc", "", "NETRC_SECRET"),
        ],
    )
    def test_it_is_a_caller_s_or_the_id_s(
        self, tmp_path: Path, id: str, build: str, name: str
    ) -> None:
        body = f"RUN --mount=type=secret,id={id} {SET % id}"
        becomes = f"RUN --mount=type=secret,id={id},env={name} {REFERENCE % name}"
        assert after(tmp_path, body, build) == becomes

    def test_a_name_that_is_taken_is_not_used(self, tmp_path: Path) -> None:
        body = f"ENV T_TOKEN=x\nRUN --mount=type=secret,id=t_token {SET % 't_token'}"
        assert "id=t_token,env=T_TOKEN_SECRET npm" in after(tmp_path, body)

    def test_the_variable_of_the_run_itself_comes_first(self, tmp_path: Path) -> None:
        body = (
            "RUN --mount=type=secret,id=t export A=$(cat /run/secrets/t) && "
            "npm config set //r.io/:_authToken=$A && npm ci\nRUN npm run build\n"
        )
        found = after(tmp_path, body, "docker build --secret id=t,env=GITLAB_TOKEN")
        assert "_authToken=\\${A} && npm ci" in found
        assert "RUN --mount=type=secret,id=t,env=A npm run build" in found


class TestForm:
    @pytest.mark.parametrize("build", ["podman build --secret id=t,env=T", "docker build --secret id=t,src=t"])  # fmt: skip
    def test_a_statement_reads_the_file(self, tmp_path: Path, build: str) -> None:
        body = f"RUN --mount=type=secret,id=t,mode=0444 {SET % 't'}RUN npm run build\n"
        found = after(tmp_path, body, build)
        name = "T_SECRET" if "src" in build else "T"
        load = f'export {name}="$(cat /run/secrets/t)" && '
        mount = "RUN --mount=type=secret,id=t,mode=0444 "
        assert found == f"{mount}{load}{REFERENCE % name}{mount}{load}npm run build\n"

    def test_a_use_of_the_file_keeps_it_beside_the_variable(self, tmp_path: Path) -> None:
        body = f"RUN --mount=type=secret,id=t tool --key-file /run/secrets/t; {SET % 't'}"
        assert "id=t,env=T_SECRET,target=/run/secrets/t tool" in after(tmp_path, body)

    def test_another_file_there_keeps_nothing(self, tmp_path: Path) -> None:
        mounts = "--mount=type=secret,id=t --mount=type=secret,id=t2"
        body = f"RUN {mounts} tool --key-file /run/secrets/t2; {SET % 't'}"
        assert "id=t,env=T_SECRET --mount" in after(tmp_path, body)

    def test_a_folder_that_is_named_keeps_the_file(self, tmp_path: Path) -> None:
        body = f"RUN --mount=type=secret,id=t ls /run/secrets; {SET % 't'}"
        assert "env=T_SECRET,target=/run/secrets/t" in after(tmp_path, body)


class TestContent:
    @pytest.mark.parametrize(
        "read",
        [
            "$(cat /run/secrets/t)",
            "`cat /run/secrets/t`",
            "$(< /run/secrets/t)",
            "$(tr -d '\\n' < /run/secrets/t)",
            "$(cat /run/secrets/t | tr -d '\\r\\n')",
            "$(cat '/run/secrets/t' | xargs)",
            "$(head -n1 /run/secrets/t)",
        ],
    )
    def test_what_gives_the_file_without_its_end(self, tmp_path: Path, read: str) -> None:
        body = f'RUN --mount=type=secret,id=t npm config set //r.io/:_authToken "{read}"\n'
        assert '_authToken "\\${T_SECRET}"' in after(tmp_path, body)

    def test_a_copy_moves_with_its_file(self, tmp_path: Path) -> None:
        body = (
            "USER ci\nRUN --mount=type=secret,id=netrc,mode=0444 cp /run/secrets/netrc ~/.netrc\n"
            "RUN go mod download\n"
        )
        assert after(tmp_path, body) == (
            "USER ci\nRUN --mount=type=secret,id=netrc,mode=0444 cat /run/secrets/netrc > ~/.netrc && "
            "go mod download && rm -f ~/.netrc\n"
        )

    def test_what_no_image_takes_goes_at_the_end(self, tmp_path: Path) -> None:
        body = (
            "WORKDIR /app\nRUN --mount=type=secret,id=e if [ -f /run/secrets/e ]; then "
            "cp /run/secrets/e .env; fi; npm run build\nFROM nginx\n"
        )
        small = body + "COPY --from=0 /app/dist /x\n"
        assert "npm run build && rm -f .env\n" in after(tmp_path / "small", small)
        whole = {"Dockerfile": "FROM node:20\n" + body + "COPY --from=0 /app /x\n"}
        assert not looked_at(tmp_path / "whole", whole, unsafe_fixes=True).changes


class TestNothing:
    @pytest.mark.parametrize(
        "body",
        [
            "env && " + SET % "t",
            f"sh -c '{(SET % 't').strip()}'",
            "for i in 1 2; do A=$(cat /run/secrets/t) && npm config set //r.io/:_authToken=$A; done",
            'npm config set //r.io/:_authToken="$(base64 /run/secrets/t)"',
            'cat /run/secrets/t > .npmrc && sed -i "s/a/b/" .npmrc && npm ci',
            "cp /run/secrets/t /app/settings.json && npm run build",
            "cp /run/secrets/t /home/$UID/.netrc; chown $UID /home/$UID/.netrc",
        ],
        ids=["dump", "child", "loop", "changed", "edited", "container", "handed on"],
    )
    def test_where_it_is_not_certain(self, tmp_path: Path, body: str) -> None:
        files = {
            "Dockerfile": f"FROM node:20\nRUN --mount=type=secret,id=t {body}\nRUN npm start\n"
        }
        found = looked_at(tmp_path, files, unsafe_fixes=True)
        assert not found.changes
        assert any(one.finding.name == "secret-persisted-in-layer" for one in found.findings)


class TestRounds:
    """Fixes that meet: `after` holds that no recheck fails, and that a second run changes nothing."""

    def test_one_of_two_places_is_left(self, tmp_path: Path) -> None:
        body = (
            "RUN --mount=type=secret,id=gh install -m 600 /run/secrets/gh .env; "
            'git config --global url."https://x:$(cat /run/secrets/gh)@github.com/".insteadOf '
            "https://github.com/ && git pull\n"
        )
        found = after(tmp_path, body)
        assert "install -m 600 /run/secrets/gh .env" in found
        assert "credential.https://github.com.helper" in found
        assert "id=gh,env=GH_SECRET,target=/run/secrets/gh" in found

    def test_a_run_that_two_rounds_take_apart(self, tmp_path: Path) -> None:
        body = (
            "RUN --mount=type=secret,id=t pip config set global.index-url "
            "https://u:$(cat /run/secrets/t)@p.io/simple; gh auth login --with-token < /run/secrets/t\n"
            "RUN pip install a\nRUN gh release list\n"
        )
        found = after(tmp_path, body)
        assert found.startswith("RUN --mount=type=secret,id=t,env=T_SECRET")
        assert 'export PIP_INDEX_URL="https://u:${T_SECRET}@p.io/simple"' in found
        assert "auth login" not in found

    def test_rights_and_the_mount_that_goes(self, tmp_path: Path) -> None:
        body = (
            "USER node\nRUN --mount=type=secret,id=t composer config -g github-oauth.github.com "
            "$(cat /run/secrets/t) && chmod 600 x\nRUN composer install\n"
        )
        found = after(tmp_path, body)
        assert "RUN chmod 600 x\n" in found
        assert "export COMPOSER_AUTH=" in found

    def test_a_copy_beside_a_value(self, tmp_path: Path) -> None:
        body = (
            "RUN --mount=type=secret,id=t A_TOKEN=$(cat /run/secrets/t) && "
            "echo //r/:_authToken=$A_TOKEN > .npmrc && cp /run/secrets/t /root/.netrc\nRUN go build\n"
        )
        found = after(tmp_path, body)
        assert "id=t,target=/root/.netrc go build" in found
        assert "> /root/.netrc" not in found

    def test_a_program_that_may_start_a_reader_gets_it(self, tmp_path: Path) -> None:
        body = f"RUN --mount=type=secret,id=t {SET % 't'}RUN make\nRUN pip install a\n"
        found = after(tmp_path, body)
        assert "RUN --mount=type=secret,id=t,env=T_SECRET make\nRUN pip install a\n" in found
