"""Who reads it, as the build context shows: config files that name a variable, and scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import finding, lay_out, readers

from dockerfix import parse
from dockerfix.model import build
from dockerfix.model.build_context import BuildContext
from dockerfix.model.dockerignore import Dockerignore
from dockerfix.syntax.nodes import Run
from dockerfix.workspace import Workspace

NPMRC = "//npm.example.com/:_authToken=${ACME_TOKEN}\n"
CALLER = '#!/bin/sh\ndocker build --build-arg ACME_TOKEN="$ACME_TOKEN" .\n'
HARMLESS = "#!/bin/sh\nset -eu\nmkdir -p /cache\napt-get update\n"
USES = '#!/bin/sh\ncurl -H "Authorization: Bearer $ACME_TOKEN" https://x.example.com -o /tmp/x\n'


def why(where: Path, body: str, files: dict[str, str]) -> dict[int, str]:
    """The reasons for a Dockerfile of `body` behind two lines (FROM, ARG)."""
    dockerfile = f"FROM node:20\nARG ACME_TOKEN\n{body}"
    return readers(
        lay_out(where, {"Dockerfile": dockerfile, "call.sh": CALLER, **files}), "ACME_TOKEN"
    )


class TestConfigFiles:
    @pytest.mark.parametrize(
        ("body", "path", "command"),
        [
            ("COPY . .\nRUN npm ci\n", ".npmrc", "npm ci"),
            ("COPY package*.json .npmrc ./\nRUN npm ci\n", ".npmrc", "npm ci"),
            ("COPY .npm* ./\nRUN npm ci\n", ".npmrc", "npm ci"),
            ('COPY ["package.json", ".npmrc", "/app/"]\nRUN npm ci\n', ".npmrc", "npm ci"),
            ("ADD . /app\nRUN npm ci\n", ".npmrc", "npm ci"),
            ("ARG FILES\nCOPY $FILES ./\nRUN npm ci\n", ".npmrc", "npm ci"),
            (
                "RUN --mount=type=bind,source=.npmrc,target=.npmrc npm ci\n",
                ".npmrc",
                "npm ci",
            ),
            ("COPY web/ /web/\nRUN npm ci\n", "web/.npmrc", "npm ci"),
        ],
    )
    def test_one_that_was_copied_is_the_reason(
        self, tmp_path: Path, body: str, path: str, command: str
    ) -> None:
        found = why(tmp_path, body, {path: NPMRC})
        assert list(found.values()) == [f"`{command}` reads {path}, which names ${{ACME_TOKEN}}"]

    @pytest.mark.parametrize(
        ("body", "extra"),
        [
            ("RUN npm ci\nCOPY . .\n", {}),
            ("COPY package.json ./\nRUN npm ci\n", {}),
            ("COPY . .\nRUN npm ci\n", {".dockerignore": "*\n!package.json\n"}),
            ("COPY . .\nRUN npm ci\n", {"Dockerfile.dockerignore": ".npmrc\n"}),
            ("COPY --from=other:1 / /\nRUN npm ci\n", {}),
            ("COPY . .\nRUN npm ci\n", {".npmrc": "registry=https://x.example.com\n"}),
        ],
    )
    def test_one_that_cannot_be_there_is_not_but_the_mount_stays(
        self, tmp_path: Path, body: str, extra: dict[str, str]
    ) -> None:
        """npm runs scripts of packages, which may read anything."""
        found = why(tmp_path, body, {".npmrc": NPMRC, "package.json": "{}", **extra})
        assert len(found) == 1
        assert "may read anything" in next(iter(found.values()))

    def test_a_tool_that_runs_no_code_keeps_its_mount_for_a_config_of_the_image(
        self, tmp_path: Path
    ) -> None:
        body = "COPY package.json ./\nRUN npm ci --ignore-scripts\n"
        found = why(tmp_path, body, {"package.json": "{}"})
        said = "`npm ci` expands variables in .npmrc, and the image may hold one"
        assert found == {4: said}

    def test_one_that_an_earlier_run_writes_counts(self, tmp_path: Path) -> None:
        body = "RUN echo '//r/:_authToken=${ACME_TOKEN}' > .npmrc\nRUN npm ci --ignore-scripts\n"
        found = why(tmp_path, body, {})
        assert found[4] == "`npm ci` reads .npmrc, which names ${ACME_TOKEN}"

    def test_what_a_stage_copied_comes_along_with_from_and_with_copy(self, tmp_path: Path) -> None:
        dockerfile = (
            "FROM node:20 AS files\nCOPY . /src\n"
            "FROM files AS one\nARG ACME_TOKEN\nRUN npm ci\n"
            "FROM node:20\nARG ACME_TOKEN\nCOPY --from=files /src /app\nRUN npm ci\n"
        )
        where = lay_out(tmp_path, {"Dockerfile": dockerfile, "call.sh": CALLER, ".npmrc": NPMRC})
        assert set(readers(where, "ACME_TOKEN").values()) == {
            "`npm ci` reads .npmrc, which names ${ACME_TOKEN}"
        }

    def test_the_context_is_the_one_that_the_caller_names(self, tmp_path: Path) -> None:
        files = {
            "docker/Dockerfile": "FROM node:20\nARG ACME_TOKEN\nCOPY . .\nRUN npm ci\n",
            "call.sh": CALLER.replace(" .\n", " -f docker/Dockerfile web\n"),
            "web/.npmrc": NPMRC,
            ".npmrc": "registry=https://x.example.com\n",
        }
        found = readers(lay_out(tmp_path, files), "ACME_TOKEN")
        assert found == {4: "`npm ci` reads web/.npmrc, which names ${ACME_TOKEN}"}


class TestScripts:
    @pytest.mark.parametrize(
        "body",
        [
            "COPY go.sh .\nRUN ./go.sh\n",
            "COPY go.sh /usr/local/bin/\nRUN go.sh\n",
            "COPY . /app\nWORKDIR /app\nRUN chmod +x go.sh && ./go.sh\n",
            "ENV HOME_DIR=/srv\nWORKDIR $HOME_DIR\nCOPY go.sh .\nRUN /srv/go.sh\n",
            "ARG WHERE\nWORKDIR $WHERE\nCOPY go.sh .\nRUN ./go.sh\n",
            "COPY go.sh /opt/other-name\nRUN bash -e /opt/other-name\n",
            "COPY . /app\nRUN cd /app && sh go.sh\n",
            "COPY . .\nRUN bash -c ./go.sh\n",
            'COPY . .\nRUN ["./go.sh"]\n',
            "COPY . .\nRUN . ./go.sh\n",
            "COPY *.sh /bin/\nRUN /bin/go.sh\n",
            "COPY . .\nRUN sed -i 's/\\r$//' go.sh && sudo ./go.sh\n",
            "RUN --mount=type=bind,target=/src /bin/sh -c 'true'\nCOPY . .\nRUN ./go.sh\n",
        ],
    )
    def test_is_read_where_it_was_copied(self, tmp_path: Path, body: str) -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        one.mkdir()
        other.mkdir()
        found = why(one, body, {"go.sh": USES})
        assert list(found.values()) == ["it runs go.sh, where `curl` names $ACME_TOKEN"]
        assert finding(one, "ACME_TOKEN")["residual"] == "none"
        assert why(other, body, {"go.sh": HARMLESS}) == {}

    @pytest.mark.parametrize(
        "body",
        [
            "RUN ./go.sh\n",  # it is not copied
            "COPY . /app\nRUN ./go.sh\n",  # it lies elsewhere
            "COPY . .\nRUN sed -i s/a/b/ go.sh && ./go.sh\n",  # changed on the way
            "COPY . .\nRUN curl -o go.sh https://x.example.com\nRUN ./go.sh\n",
            "COPY . .\nRUN echo make > go.sh\nRUN ./go.sh\n",
            "COPY . .\nCOPY --from=other:1 /x /\nRUN ./go.sh\n",  # perhaps covered
            "COPY . .\nRUN --mount=type=bind,from=other:1,target=/ ./go.sh\n",
            "COPY . .\nRUN ./go.sh && make\n",  # something else is opaque
            "COPY . .\nRUN ./$WHICH.sh\n",
            "COPY . .\nRUN curl https://x.example.com | sh -s go.sh\n",
        ],
    )
    def test_is_opaque_where_it_may_be_another(self, tmp_path: Path, body: str) -> None:
        found = why(tmp_path, body, {"go.sh": HARMLESS})
        assert found, "it keeps its mount"
        assert finding(tmp_path, "ACME_TOKEN")["residual"] == "unknown"

    @pytest.mark.parametrize(
        ("script", "said", "residual"),
        [
            ("#!/bin/sh\nmake all\n", "where `make` runs code", "unknown"),
            ("#!/bin/sh\n./deeper.sh\n", "where `./deeper.sh` is not known", "unknown"),
            ('#!/bin/sh\nexec "$@"\n', "where it starts a program that a variable", "unknown"),
            ("#!/bin/bash\nname=ACME_TOKEN\necho ${!name} > /dev/null\n", "it runs go.sh", "unknown"),
            ("#!/bin/sh\ncat <<'E' > /x\n${ACME_TOKEN}\nE\n", "it runs go.sh", "none"),
            ("#!/bin/sh\necho $ACME_TOKEN > /etc/token\n", "where `echo` names", "known"),
            ("#!/bin/sh\nnpm ci\n", "where `npm ci` reads .npmrc, which names", "unknown"),
            ("#!/usr/bin/env python3\nimport os\nos.environ['ACME_TOKEN']\n", "go.sh, which names ACME_TOKEN", "unknown"),
            ("#!/usr/bin/env python3\nimport site\n", "`./go.sh` is not known", "unknown"),
        ],
    )  # fmt: skip
    def test_is_judged_by_its_own_commands(
        self, tmp_path: Path, script: str, said: str, residual: str
    ) -> None:
        body = "COPY . .\nRUN ./go.sh\n"
        found = why(tmp_path, body, {"go.sh": script, "deeper.sh": HARMLESS, ".npmrc": NPMRC})
        assert len(found) == 1
        assert said in found[4]
        assert finding(tmp_path, "ACME_TOKEN", "secret-in-arg")["residual"] == residual

    @pytest.mark.parametrize(
        ("program", "name", "text"),
        [
            ("python", "gen.py", "import os\nprint(os.getenv('ACME_TOKEN'))\n"),
            ("node --trace-warnings", "gen.js", "console.log(process.env.ACME_TOKEN)\n"),
            ("ruby", "gen.rb", "puts ENV.fetch('ACME_TOKEN')\n"),
        ],
    )
    def test_other_languages_are_searched_for_the_name(
        self, tmp_path: Path, program: str, name: str, text: str
    ) -> None:
        found = why(tmp_path, f"COPY . .\nRUN {program} {name}\n", {name: text})
        assert found == {4: f"it runs {name}, which names ACME_TOKEN"}

    def test_one_that_tells_unset_from_empty_makes_the_fix_unsafe(self, tmp_path: Path) -> None:
        files = {
            "Dockerfile": "FROM node:20\nARG ACME_TOKEN\nCOPY . .\nRUN ./go.sh\n",
            "call.sh": "#!/bin/sh\ndocker build --build-arg ACME_TOKEN .\n",
            "go.sh": "#!/bin/sh\necho ${ACME_TOKEN-anonymous} > /dev/null\n",
        }
        found = finding(lay_out(tmp_path, files), "ACME_TOKEN")
        assert found["safety"] == "unsafe"
        assert "S1: line 4 tells an unset ACME_TOKEN from an empty one" in found["reason"]


@pytest.mark.parametrize(
    ("rules", "out", "kept"),
    [
        (".npmrc\n", [".npmrc"], ["web/.npmrc"]),
        ("**/.npmrc\n", [".npmrc", "a/b/.npmrc"], [".npmrc.bak"]),
        ("*\n!web\n", [".npmrc"], ["web/.npmrc"]),
        ("web\n!web/.npmrc\n", ["web/x"], ["web/.npmrc"]),
        ("# .npmrc\n/web/\n", ["web/x"], [".npmrc"]),
        ("*.sh\nb?d\n[xy].txt\n", ["a.sh", "bad/f", "x.txt"], ["a/b.sh", "z.txt"]),
        ("a/**/z\n", ["a/z", "a/b/c/z"], ["z"]),
        ("[\n  \n", ["["], ["x"]),
    ],
)
def test_dockerignore(rules: str, out: list[str], kept: list[str]) -> None:
    """moby/patternmatcher: anchored, the last match wins, a folder takes its files along."""
    ignore = Dockerignore(rules)
    assert [path for path in out + kept if ignore.excludes(path)] == out


def test_the_folder_is_guessed_from_what_copy_takes(tmp_path: Path) -> None:
    lay_out(tmp_path, {"docker/app/Dockerfile": "", "web/go.sh": HARMLESS})
    tree = parse(b"FROM a\nCOPY web/go.sh /x/\nRUN /x/go.sh\n")
    context = BuildContext("docker/app/Dockerfile", build(tree), Workspace(str(tmp_path)))
    assert context.folders == ("",)
    run = tree.instructions[-1]
    assert isinstance(run, Run)
    found = context.find(run, "/x/go.sh")
    assert found is not None
    assert [one.path for one in found.files] == ["web/go.sh"]
