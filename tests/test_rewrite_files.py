"""Secret files that COPY takes, and the mounts that take their place."""

from __future__ import annotations

import re
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

    def test_the_ignore_file_is_made(self, tmp_path: Path) -> None:
        found = after(tmp_path, "WORKDIR /app\nCOPY .npmrc .\nRUN npm ci\nCOPY . .\n")
        assert found[".dockerignore"] == ".npmrc\n"

    def test_two_files_make_one_ignore_file(self, tmp_path: Path) -> None:
        body = "WORKDIR /app\nCOPY . .\nRUN npm ci && pip install x\n"
        body = body.replace("/app", "/root")
        found = after(tmp_path, body, **{".netrc": "machine x password q7Rv2kXw9LmZ\n"})
        assert found[".dockerignore"] == ".netrc\n.npmrc\n"

    @pytest.mark.parametrize(
        ("body", "becomes", "more"),
        [
            (
                'WORKDIR /app\nCOPY ["a", ".npmrc", "./"]\nRUN npm ci\n',
                'WORKDIR /app\nCOPY ["a", "./"]\nRUN --mount=M,target=/app/.npmrc npm ci\n',
                {},
            ),
            (
                "ENV D=/srv\nWORKDIR $D/app\nARG F=.npmrc\nADD $F $D/app/\nRUN npm ci\n",
                "ENV D=/srv\nWORKDIR $D/app\nARG F=.npmrc\n"
                "RUN --mount=M,target=/srv/app/.npmrc npm ci\n",
                {},
            ),
            (
                "WORKDIR /app\nCOPY p*.json .npmrc* ./\nRUN npm ci\n",
                "WORKDIR /app\nCOPY p*.json ./\nRUN --mount=M,target=/app/.npmrc npm ci\n",
                {"package.json": "{}"},
            ),
            (
                "WORKDIR /app\nCOPY ci/.npmrc /root/.npmrc\nRUN npm ci\n",
                "WORKDIR /app\nRUN --mount=M,target=/root/.npmrc npm ci\n",
                {"ci/.npmrc": TOKEN, ".npmrc": ""},
            ),
            (
                "COPY ci/prod.conf /etc/pip.conf\nRUN pip install a\n",
                "RUN --mount=M,target=/etc/pip.conf pip install a\n",
                {"ci/prod.conf": "index-url=https://u:q7Rv2kXw9LmZ4tBn6@r.io\n", ".npmrc": ""},
            ),
            (
                "COPY .ssh /root/.ssh/\nRUN chmod 600 ~/.ssh/id_rsa && git fetch && rm -rf ~/.ssh\n",
                "COPY .ssh /root/.ssh/\nRUN --mount=M,target=/root/.ssh/id_rsa git fetch\n",
                {".ssh/id_rsa": "-----BEGIN PRIVATE KEY-----\n", ".ssh/config": "", ".npmrc": ""},
            ),
            (
                "WORKDIR /a\nCOPY .npmrc .\nRUN npm ci && rm -f .npmrc x.json\nRUN npm test\n",
                "WORKDIR /a\nRUN --mount=M,target=/a/.npmrc npm ci && rm -f x.json\nRUN npm test\n",
                {},
            ),
            (
                "USER app\nRUN mkdir -p ~/.m2\nCOPY settings.xml /home/app/.m2/\nRUN mvn package\n",
                "USER app\nRUN mkdir -p ~/.m2\n"
                "RUN --mount=M,target=/home/app/.m2/settings.xml,mode=0444 mvn package\n",
                {"settings.xml": "<password>q7Rv2kXw9LmZ4</password>", ".npmrc": ""},
            ),
        ],
        ids=["JSON", "variables", "wildcard", "folder", "renamed", "folder of keys", "rm", "m2"],
    )
    def test_shapes_of_copy(
        self, tmp_path: Path, body: str, becomes: str, more: dict[str, str]
    ) -> None:
        found = after(tmp_path, body, **more)["Dockerfile"]
        assert re.sub(r"type=secret,id=[^,]+", "M", found).replace(" \\\n   ", "") == becomes

    def test_without_a_workdir_the_target_is_relative(self, tmp_path: Path) -> None:
        files = {"Dockerfile": "FROM node\nCOPY .npmrc ./\nRUN npm ci\n", ".npmrc": TOKEN}
        found = rewritten(tmp_path / "work", files)["Dockerfile"]
        assert "target=.npmrc,required npm ci" in found

    def test_every_stage_and_dockerfile_that_takes_it(self, tmp_path: Path) -> None:
        stage = "WORKDIR /a\nCOPY . .\nRUN npm ci\n"
        files = {
            "Dockerfile": f"FROM node AS one\n{stage}FROM node\n{stage}",
            "dev.Dockerfile": f"FROM node\n{stage}",
            ".npmrc": TOKEN,
            "build.sh": "#!/bin/sh\ndocker build -t app .\ndocker build -f dev.Dockerfile .\n",
        }
        found = rewritten(tmp_path / "work", files)
        assert found["Dockerfile"].count("--mount=") == 2
        assert found["dev.Dockerfile"].count("--mount=") == 1
        assert found["build.sh"].count("--secret id=npmrc,src=.npmrc") == 2
        assert found[".dockerignore"] == ".npmrc\n"

    def test_a_file_that_nothing_reads_is_only_ignored(self, tmp_path: Path) -> None:
        found = after(tmp_path, "COPY . /app\nRUN mkdir x\n")
        assert found["Dockerfile"] == "COPY . /app\nRUN mkdir x\n"
        assert found["build.sh"] == CALLER
        assert found[".dockerignore"] == ".npmrc\n"

    def test_two_files_of_one_name_have_two_ids(self, tmp_path: Path) -> None:
        body = "WORKDIR /app\nCOPY a/.npmrc /root/\nCOPY b/.npmrc ./\nRUN npm ci\n"
        found = after(tmp_path, body, **{"a/.npmrc": TOKEN, "b/.npmrc": TOKEN})
        assert (
            "--secret id=a-.npmrc,src=a/.npmrc --secret id=b-.npmrc,src=b/.npmrc"
            in (found["build.sh"])
        )

    def test_the_id_of_a_caller_that_gives_it_is_kept(self, tmp_path: Path) -> None:
        caller = "#!/bin/sh\ndocker build --secret id=rc,src=./.npmrc .\n"
        found = after(tmp_path, "COPY .npmrc /.npmrc\nRUN npm ci\n", **{"build.sh": caller})
        assert "id=rc,target=/.npmrc" in found["Dockerfile"]
        assert found["build.sh"] == caller


class TestCallers:
    """Each kind gives the file relative to where its client runs."""

    @pytest.mark.parametrize(
        ("path", "text", "wanted"),
        [
            ("Makefile", "x:\n\tcd app && docker build .\n", "--secret id=npmrc,src=.npmrc ."),
            ("Makefile", "x:\n\tdocker build app\n", "--secret id=npmrc,src=app/.npmrc app"),
            (
                ".github/workflows/a.yml",
                "on: push\njobs:\n  b:\n    runs-on: ubuntu-latest\n    steps:\n"
                "      - uses: docker/build-push-action@v6\n        with:\n          context: app\n",
                "          secret-files: |\n            npmrc=app/.npmrc\n",
            ),
            (
                ".github/workflows/a.yml",
                "on: push\njobs:\n  b:\n    runs-on: ubuntu-latest\n    steps:\n"
                "      - run: docker build .\n        working-directory: app\n",
                "run: docker build --secret id=npmrc,src=.npmrc .\n",
            ),
            (
                ".gitlab-ci.yml",
                "b:\n  image: docker:27\n  script:\n    - docker build app\n",
                "- docker build --secret id=npmrc,src=app/.npmrc app\n",
            ),
            (
                "deploy/docker-compose.yml",
                "services:\n  a:\n    build: ../app\n",
                "secrets:\n  npmrc:\n    file: ../app/.npmrc\n",
            ),
            (
                "docker-bake.hcl",
                'target "a" {\n  context = "app"\n}\n',
                '  secret  = ["id=npmrc,src=app/.npmrc"]\n',
            ),
            (
                "app/package.json",
                '{"scripts": {"image": "docker build -t x ."}}\n',
                '"docker build --secret id=npmrc,src=.npmrc -t x ."',
            ),
            ("README.md", "```sh\ndocker build app\n```\n", "--secret id=npmrc,src=app/.npmrc app"),
            ("justfile", "x:\n  docker build app\n", "--secret id=npmrc,src=app/.npmrc app"),
            (
                "Taskfile.yml",
                "version: '3'\ntasks:\n  x:\n    dir: app\n    cmds:\n      - docker build .\n",
                "--secret id=npmrc,src=.npmrc .",
            ),
        ],
    )
    def test_kind(self, tmp_path: Path, path: str, text: str, wanted: str) -> None:
        files = {
            "app/Dockerfile": "FROM node:20\nCOPY .npmrc /.npmrc\nRUN npm ci\n",
            "app/.npmrc": TOKEN,
            path: text,
        }
        assert wanted in rewritten(tmp_path / "work", files)[path]


class TestWritten:
    """A caller writes the file before it builds."""

    DOCKERFILE = "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci && rm .npmrc\n"
    STEPS = (
        "on: push\njobs:\n  b:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - run: %s\n      - uses: docker/build-push-action@v6\n        with:\n"
        "          context: .\n"
    )

    @pytest.mark.parametrize(
        "command",
        [
            'echo "//r.io/:_authToken=${{ secrets.T }}" > .npmrc',
            "echo //r.io/:_authToken=$NPM_TOKEN | tee -a .npmrc",
            "cp ~/.npmrc .",
            'echo "//r.io/:_authToken=$(gcloud auth print-access-token)" > .npmrc',
        ],
    )
    def test_in_a_step_of_the_job(self, tmp_path: Path, command: str) -> None:
        files = {"Dockerfile": self.DOCKERFILE, ".github/workflows/a.yml": self.STEPS % command}
        found = rewritten(tmp_path / "work", files)
        assert "target=/app/.npmrc npm ci\n" in found["Dockerfile"]
        assert "            npmrc=.npmrc\n" in found[".github/workflows/a.yml"]
        assert found[".dockerignore"] == ".npmrc\n"

    def test_callers_that_do_not_write_it_stay(self, tmp_path: Path) -> None:
        files = {
            "Dockerfile": self.DOCKERFILE,
            "ci.sh": '#!/bin/sh\necho "t=$NPM_TOKEN" > .npmrc\ndocker build .\n',
            "build.sh": CALLER,
        }
        found = rewritten(tmp_path / "work", files)
        assert found["build.sh"] == CALLER
        assert "--secret id=npmrc,src=.npmrc" in found["ci.sh"]

    @pytest.mark.parametrize(
        "script",
        [
            'echo "t=$NPM_TOKEN" > .npmrc\nrm .npmrc\ndocker build .\n',
            "echo registry=x > .npmrc\ndocker build .\n",
            'docker build .\necho "t=$NPM_TOKEN" > .npmrc\n',
        ],
    )
    def test_no_secret_is_in_the_context(self, tmp_path: Path, script: str) -> None:
        files = {"Dockerfile": self.DOCKERFILE, "ci.sh": "#!/bin/sh\n" + script}
        assert not looked_at(tmp_path / "work", files).findings


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ("COPY .npmrc /.npmrc\nRUN echo x >> /.npmrc && npm ci\n", "changes"),
            ("WORKDIR /app\nCOPY .npmrc .\nRUN sed -i s/a/b/ .npmrc && npm ci\n", "changes"),
            ("WORKDIR /app\nCOPY .npmrc .\nRUN npm ci && cp -r /app /copy\n", "copies or packs"),
            ("WORKDIR /app\nCOPY .npmrc .\nRUN npm ci && tar czf /x.tgz .\n", "copies or packs"),
            ("WORKDIR /app\nCOPY .npmrc .\nRUN npm ci && chown -R 1 /app\n", "chown -R"),
            ("WORKDIR /app\nCOPY .npmrc .\nRUN npm ci && rm -rf /app\n", "removes a folder"),
            ("COPY .npmrc /root/\nRUN npm config set a b && npm ci\n", "writes to"),
            ("COPY .npmrc /.npmrc\nRUN if x; then rm /.npmrc; fi\n", "condition"),
            ("COPY .npmrc $HOME/\nRUN npm ci\n", "is not known"),
            ("COPY .npmrc /.npmrc\nCMD npm start\n", "no RUN"),
            ("WORKDIR /a\nCOPY . .\nRUN ./x.sh\n", "whether a RUN reads"),
            ("USER app\nCOPY .npmrc /home/app/x/.npmrc\nRUN npm ci\n", "belong to root"),
        ],
    )
    def test_with_a_reason(self, tmp_path: Path, body: str, says: str) -> None:
        found = finding(tmp_path, tree(body))
        assert found is not None
        assert found.fix is None
        assert says in found.refusals[0].reason
        assert found.refusals[0].help

    def test_what_a_container_may_read_stays(self, tmp_path: Path) -> None:
        env = "API_TOKEN=q7Rv2kXw9LmZ4tBn6HcJ8p\n"
        for body in ("COPY .env /.env\nRUN npm run build\n", "COPY . /app\nRUN npm run build\n"):
            found = finding(tmp_path, tree(body, **{".env": env, ".npmrc": ""}))
            assert found is not None
            assert found.fix is None
            assert "--env-file" in found.help

    def test_a_path_that_callers_choose(self, tmp_path: Path) -> None:
        caller = "#!/bin/sh\ndocker build --build-arg F=x .\n"
        body = "ARG F=.npmrc\nCOPY $F /.npmrc\nRUN npm ci\n"
        found = finding(tmp_path, tree(body, **{"build.sh": caller}))
        assert found is not None
        assert "callers pass F" in found.refusals[0].reason


class TestNotTaken:
    @pytest.mark.parametrize(
        ("body", "more"),
        [
            ("COPY . /app\nRUN npm ci\n", {".dockerignore": ".npmrc\n"}),
            ("COPY . /app\nRUN npm ci\n", {".npmrc": "//r/:_authToken=${T}\n"}),
            ("COPY . /app\nRUN npm ci\n", {".npmrc": "", "test/.npmrc": TOKEN}),
            ("COPY src /app\nRUN npm ci\n", {}),
            ("COPY p*.json /app\nRUN npm ci\n", {}),
        ],
        ids=["ignored", "reference", "fixture", "another folder", "wildcard"],
    )
    def test_nothing_to_say(self, tmp_path: Path, body: str, more: dict[str, str]) -> None:
        assert finding(tmp_path, {**tree(body), **more}) is None


WORDS = '{"signIn": {"password": "Kata sandi", "token": "Kode akses"}}\n'
COMPOSER = '{"github-oauth": {"github.com": "invented-canary-0007"}}\n'


class TestBrought:
    """Files of a name that other programs use too, in a folder that COPY takes."""

    @pytest.mark.parametrize(
        ("path", "text", "taken"),
        [
            ("src/auth.json", WORDS, False),
            ("src/locales/id/auth.json", COMPOSER, False),
            ("src/auth.json", COMPOSER, True),
            ("src/auth.json", '{"auths": {"r.io": {"auth": "aW52ZW50ZWQ6Y2FuYXJ5LTAwMDc="}}}\n', True),
        ],
    )  # fmt: skip
    def test_by_what_they_contain(self, tmp_path: Path, path: str, text: str, taken: bool) -> None:
        files = {"Dockerfile": HEAD + "COPY . /app\nRUN composer install\n", path: text}
        assert (finding(tmp_path, files) is not None) is taken

    def test_one_that_is_named_counts_by_its_name(self, tmp_path: Path) -> None:
        files = {"Dockerfile": HEAD + "COPY auth.json /app/\nRUN ls\n", "auth.json": WORDS}
        assert finding(tmp_path, files) is not None


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
            'BUNDLE_GEMS__EXAMPLE__COM: "invented:canary-0001"\n',
            ":rubygems_api_key: invented-canary-0001\n",
            "channels:\n  - https://conda.example.com/t/invented-canary-0001/acme\n",
            '[registry]\ntoken = "invented-canary-0001"\n',
            "mavenPassword=invented-canary-0001\n",
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
            "# a token for the notifications, password reset\nX=1\n; token abcdef\n",
            "AWS_SECRET_ACCESS_KEY=\nREGION=eu-west-1\n",
            "DATABASE_URL=postgres://app:app@db.example.com/app\n",
            "BROKER=amqp://app:q7Rv2kXw9LmZ@rabbitmq:5672\n",
            "NEXT_PUBLIC_SENTRY_DSN=https://9f1c7a5e3b2d4c6f@sentry.example.com/7\n",
            "VITE_APP_POSTHOG_API_KEY=phc_invented0canary1\n",
        ],
    )
    def test_what_holds_none(self, text: str) -> None:
        assert not holds(text.encode())
