"""Secret files that COPY takes, and the mounts that take their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from whole_rewrites import looked_at, rewritten

from dockerfix.model.file_secrets import holds

if TYPE_CHECKING:
    from pathlib import Path

    from dockerfix.finding import Finding

TOKEN = "//r.io/:_authToken=invented-canary-0001-0001\n"
CALLER = "#!/bin/sh\ndocker build -t app .\n"
HEAD = "FROM scratch AS base\nFROM base\n"


def tree(body: str, **more: str) -> dict[str, str]:
    return {"Dockerfile": HEAD + body, ".npmrc": TOKEN, "build.sh": CALLER, **more}


def after(folder: Path, body: str, **more: str) -> dict[str, str]:
    found = rewritten(folder / "work", tree(body, **more))
    return {**found, "Dockerfile": found["Dockerfile"].removeprefix(HEAD)}


def finding(folder: Path, files: dict[str, str]) -> Finding | None:
    found = looked_at(folder / "work", files, unsafe_fixes=True).findings
    ours = [one.finding for one in found if one.finding.name == "secret-file-copied"]
    return ours[0] if ours else None


class TestMoved:
    @pytest.mark.parametrize(
        ("body", "becomes"),
        [
            (
                "WORKDIR /app\nCOPY a .npmrc ./\nRUN npm ci\nRUN rm .npmrc\n",
                "WORKDIR /app\nCOPY a ./\nRUN --mount=type=secret,id=npmrc,target=/app/.npmrc npm ci\n",
            ),
            (
                "COPY .npmrc /root/.npmrc\nRUN mkdir /x && npm ci && rm -f ~/.npmrc\n",
                "RUN --mount=type=secret,id=npmrc,target=/root/.npmrc mkdir /x && npm ci\n",
            ),
            (
                "WORKDIR /app\nUSER 1000\nCOPY --chown=1000 .npmrc .\nRUN npm ci\n",
                "WORKDIR /app\nUSER 1000\nRUN --mount=type=secret,id=npmrc,target=/app/.npmrc,uid=1000 npm ci\n",
            ),
            (
                "WORKDIR /app\nCOPY --chmod=0444 .npmrc .\nRUN mkdir x\nRUN ./install.sh\n",
                "WORKDIR /app\nRUN mkdir x\n"
                "RUN --mount=type=secret,id=npmrc,target=/app/.npmrc,mode=0444 ./install.sh\n",
            ),
        ],
        ids=["beside another", "in a chain", "owner", "mode, and an unknown program"],
    )
    def test_the_source_goes_and_the_mount_comes(
        self, tmp_path: Path, body: str, becomes: str
    ) -> None:
        found = after(tmp_path, body)
        assert found["Dockerfile"] == becomes
        assert found["build.sh"] == (
            "#!/bin/sh\ndocker build --secret id=npmrc,src=.npmrc -t app .\n"
        )

    def test_the_source_counts_from_where_the_client_runs(self, tmp_path: Path) -> None:
        files = {
            "app/Dockerfile": HEAD + "COPY .npmrc /.npmrc\nRUN npm ci\n",
            "app/.npmrc": TOKEN,
            "build.sh": "#!/bin/sh\ndocker build -t app app\n",
        }
        found = rewritten(tmp_path / "work", files)
        assert found["build.sh"] == (
            "#!/bin/sh\ndocker build --secret id=npmrc,src=app/.npmrc -t app app\n"
        )

    def test_without_callers_the_mount_is_required(self, tmp_path: Path) -> None:
        files = {"Dockerfile": HEAD + "COPY .npmrc /.npmrc\nRUN npm ci\n", ".npmrc": TOKEN}
        found = rewritten(tmp_path / "work", files)
        assert "target=/.npmrc,required npm ci" in found["Dockerfile"]

    def test_another_copy_must_not_bring_it_back(self, tmp_path: Path) -> None:
        body = "WORKDIR /app\nCOPY .npmrc .\nRUN npm ci\nCOPY . .\n"
        found = after(tmp_path, body, **{".dockerignore": "dist"})
        assert found[".dockerignore"] == "dist\n.npmrc\n"


class TestRefused:
    @pytest.mark.parametrize(
        "body",
        [
            "WORKDIR /app\nCOPY .npmrc .\nRUN npm ci\nCOPY . .\n",
            "COPY .npmrc /.npmrc\nRUN echo x >> /.npmrc && npm ci\n",
            "WORKDIR /app\nCOPY .npmrc .\nRUN sed -i s/a/b/ .npmrc && npm ci\n",
            "WORKDIR /app\nCOPY .npmrc .\nRUN npm ci && cp -r /app /copy\n",
            "COPY .npmrc $HOME/\nRUN npm ci\n",
            'COPY [".npmrc", "/"]\nRUN npm ci\n',
            "COPY .npmrc /.npmrc\nCMD npm start\n",
        ],
        ids=["no ignore file", "append", "edit", "folder", "variable", "JSON", "no reader"],
    )
    def test_with_a_reason(self, tmp_path: Path, body: str) -> None:
        found = finding(tmp_path, tree(body))
        assert found is not None
        assert found.fix is None
        assert found.refusals[0].help


class TestContent:
    def test_a_reference_is_no_secret(self, tmp_path: Path) -> None:
        files = tree("COPY .npmrc /.npmrc\nRUN npm ci\n")
        files[".npmrc"] = "//r.io/:_authToken=${NPM_TOKEN}\nregistry=https://r.io\n"
        assert finding(tmp_path, files) is None

    @pytest.mark.parametrize(
        ("name", "reported"), [("id_rsa", True), (".netrc", True), ("pip.conf", False)]
    )
    def test_a_file_that_is_not_there(self, tmp_path: Path, name: str, reported: bool) -> None:
        found = finding(
            tmp_path, {"Dockerfile": HEAD + f"COPY {name} /root/{name}\nRUN pip list\n"}
        )
        assert (found is not None) is reported

    def test_the_value_is_never_shown(self, tmp_path: Path) -> None:
        found = finding(tmp_path, tree("COPY .npmrc /.npmrc\nRUN npm ci\n"))
        assert found is not None
        assert "canary" not in f"{found.message} {found.reason} {found.help}"

    @pytest.mark.parametrize(
        "text",
        [
            TOKEN,
            "machine r.io login x password invented-canary-1\n",
            "https://x:invented-canary-1@r.io\n",
            "[global]\nindex-url = https://u:invented-canary-1@r.io/simple\n",
            "<server><password>invented-canary-1</password></server>",
            '<add key="ClearTextPassword" value="invented-canary-1" />',
            '{"github-oauth": {"github.com": "invented-canary-1"}}',
            '{"auths": {"r.io": {"auth": "aW52ZW50ZWQ6Y2FuYXJ5"}}}',
            "aws_secret_access_key = invented/canary/0001/0001/0001\n",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n",
            "users:\n- user:\n    token: invented-canary-1\n",
            "API_TOKEN=invented-canary-0001\n",
            "npmAuthToken: invented-canary-1\n",
        ],
    )
    def test_what_holds_a_secret(self, text: str) -> None:
        assert holds(text.encode())

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "registry=https://r.io\nalways-auth=true\n",
            "_authToken=${X}\n",
            "<password>${env.X}</password>",
            '<add key="ClearTextPassword" value="%X%" />',
            "PORT=8080\nDEBUG=true\n",
            "[global]\nindex-url = https://r.io/simple\n",
            "-----BEGIN PUBLIC KEY-----\n",
            "API_TOKEN=\n",
        ],
    )
    def test_what_holds_none(self, text: str) -> None:
        assert not holds(text.encode())
