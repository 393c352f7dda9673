"""What commands store of mounted files, built for real: in a layer before, in none after, and each
tool logs in with the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from corpus_samples import STUB
from whole_rewrites import rewritten

from dockerfix.verify.scan import invent

if TYPE_CHECKING:
    from pathlib import Path

    from dockerfix.verify.engine import Engine

TOOLS = {
    "npm": "case $1 in\n"
    "config) echo $3 $4 | tr ' ' = >> ~/.npmrc ;;\n"
    'ci) used npm "$(eval "echo \\"$(cat .npmrc ~/.npmrc 2> /dev/null)\\"")" ;;\nesac\n',
    "pip": "case $1 in\nconfig) echo $4 > ~/.pipconf ;;\n"
    'install) used pip "${PIP_INDEX_URL:-$(cat ~/.pipconf)}" ;;\nesac\n',
    "gh": 'case $1 in\nauth) cat > ~/.gh ;;\n*) used gh "${GH_TOKEN:-$(cat ~/.gh)}" ;;\nesac\n',
    "mvn": 'file=~/.m2/settings.xml\n[ "$1" != -s ] || file=$2\nused mvn "$(cat $file)"\n',
}
READ = "$(cat /run/secrets/%s)"
DOCKERFILE = f"""\
FROM node:20
USER root
COPY bin/ /usr/local/bin/
WORKDIR /app
RUN --mount=type=secret,id=npm npm config set //r.io/:_authToken={READ % "npm"} && npm ci
RUN npm ci
RUN --mount=type=secret,id=of_file npm config set //f.io/:_authToken "{READ % "of_file"}"
RUN npm ci
RUN --mount=type=secret,id=rc,target=/tmp/token X_TOKEN=$(cat /tmp/token) && \\
    printf '//p.io/:_authToken=%s\\n' "$X_TOKEN" > .npmrc && npm ci
RUN --mount=type=secret,id=gh git config --global url."https://x:{READ % "gh"}@github.com/".insteadOf https://github.com/
RUN git clone https://github.com/a/b /b
RUN --mount=type=secret,id=gl if [ -f /run/secrets/gl ]; then export GL_TOKEN="{READ % "gl"}"; fi; \\
    git clone https://me:${{GL_TOKEN}}@gitlab.com/a/c /c
RUN --mount=type=secret,id=pw pip config set global.index-url \\
    https://u:$(tr -d '\\n' < /run/secrets/pw)@p.io/simple
RUN pip install a
RUN --mount=type=secret,id=cli gh auth login --with-token < /run/secrets/cli && gh release list
RUN --mount=type=secret,id=netrc_word \\
    echo "machine r.io login x password {READ % "netrc_word"}" > ~/.netrc
RUN go mod download
RUN --mount=type=secret,id=settings mkdir -p ~/.m2 && cp /run/secrets/settings ~/.m2/settings.xml && \\
    chmod 600 ~/.m2/settings.xml && mvn -B package
RUN mvn deploy
USER 1000
WORKDIR /tmp
RUN --mount=type=secret,id=mine,uid=1000 cat /run/secrets/mine > settings.xml && \\
    mvn -s settings.xml test
RUN --mount=type=secret,id=own,mode=0444 mkdir -p ~/.m2 && cp /run/secrets/own ~/.m2/settings.xml
RUN mvn verify
"""
GIVEN = ("npm", "rc", "gh", "gl", "pw", "cli", "netrc_word", "mine", "own")
BUILD = (
    '#!/bin/sh\necho "$T_TOKEN" > token\necho "<p>$T_TOKEN</p>" > settings\n'
    "docker build -t app --secret id=of_file,src=token --secret id=settings,src=settings "
    + " ".join(f"--secret id={one},env=T_TOKEN" for one in GIVEN)
    + " .\n"
)
FILES = {
    "Dockerfile": DOCKERFILE,
    "build.sh": BUILD,
    ".dockerignore": "token\nsettings\n",
    **{f"bin/{name}": f"#!/bin/sh\n. /usr/local/lib/record\n{text}" for name, text in TOOLS.items()},
}  # fmt: skip


def test_no_command_stores_what_it_reads(tmp_path: Path) -> None:
    after = rewritten(tmp_path / "work", FILES)
    assert after["build.sh"] == BUILD
    text = after["Dockerfile"]
    assert "@github.com" not in text
    assert "X_TOKEN=$(cat /tmp/token) && export X_TOKEN &&" in text
    assert text.count("/run/secrets/") == 6
    for secret in (*GIVEN, "of_file", "settings"):
        assert f"id={secret}," in text or f"id={secret} " in text


@pytest.mark.engine
def test_tools_log_in_with_the_same_and_no_layer_has_it(engine: Engine, tmp_path: Path) -> None:
    canary = invent()
    after = rewritten(tmp_path / "work", FILES)
    found = []
    for when, tree in (("before", FILES), ("after", after)):
        folder, home = tmp_path / when, tmp_path / f"home-{when}"
        home.mkdir()
        for path, text in tree.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
            (folder / path).chmod(0o755)
        done = engine.run(
            ["sh", "build.sh"],
            folder,
            scratch=home,
            environment={"T_TOKEN": canary},
            bases={"node:20": STUB},
            images=("app",),
        )
        assert done.code == 0, done.log
        found.append(done.images["app"])
    was, now = found
    left = {place.hit.member for place in was.find({"key": canary})}
    assert len(left) >= 10, left
    assert not list(now.find({"key": canary}))
    assert was.files()["var/log/used"] == now.files()["var/log/used"]
