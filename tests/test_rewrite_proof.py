"""What keeps values out of layers, built for real: the leak is there before and gone after."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from corpus_samples import STUB
from whole_rewrites import rewritten

from dockerfix.verify.proof import Given, Project, prove_given
from dockerfix.verify.scan import invent

if TYPE_CHECKING:
    from pathlib import Path

    from dockerfix.verify.engine import Built, Engine

BUILD = '#!/bin/sh\ndocker build --build-arg T_TOKEN="$T_TOKEN" -t app .\n'
HEAD = "FROM node:20\nWORKDIR /app\nARG T_TOKEN\n"
CHECKED = ("it builds", "every secret leaks", "no secret")
SHAPES = {
    "npmrc": 'RUN echo "//r.io/:_authToken=${T_TOKEN}" > .npmrc\nCOPY f .\nRUN npm ci\nRUN rm .npmrc\n',
    "npmrc heredoc": "RUN cat <<EOF > .npmrc\n//r.io/:_authToken=$T_TOKEN\nEOF\nRUN npm ci\n",
    "npmrc copied": "COPY <<EOF .npmrc\n//r.io/:_authToken=${T_TOKEN}\nEOF\nRUN npm ci\n",
    "pip heredoc": (
        "RUN cat > ~/pip.conf <<EOF\n[global]\nindex-url=https://u:$T_TOKEN@p.io\nEOF\n"
        "RUN pip install a\nRUN rm ~/pip.conf\n"
    ),
    "script": (
        "RUN <<EOF\ncat > ~/.netrc <<IN\nmachine r.io password $T_TOKEN\nIN\ngo mod download\nEOF\n"
    ),
    "netrc": (
        'RUN mkdir -p /etc/a && \\\n  echo "machine r.io password $T_TOKEN" > ~/.netrc\nCOPY f .\n'
        "RUN go mod download \\\n  && go version\nRUN rm ~/.netrc\n"
    ),
    "ssh key": (
        'RUN mkdir -p ~/.ssh && echo "$T_TOKEN" > ~/.ssh/id_rsa\nRUN chmod 600 ~/.ssh/id_rsa\n'
        "COPY f .\nRUN test -s ~/.ssh/id_rsa && npm ci\n"
    ),
    "pip": 'RUN echo "[global]\\nindex-url=https://u:$T_TOKEN@p.io" > ~/pip.conf\nRUN pip install a\nRUN rm ~/pip.conf\n',
}


@pytest.mark.engine
@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES.keys())
def test_nothing_is_left_in_the_image(engine: Engine, tmp_path: Path, body: str) -> None:
    files = {"Dockerfile": HEAD + body, "build.sh": BUILD, "f": "x\n"}
    after = rewritten(tmp_path / "work", files)
    for name, tree in (("before", files), ("after", after)):
        (tmp_path / name).mkdir()
        for path, text in tree.items():
            (tmp_path / name / path).write_text(text)
    project = Project(
        before=tmp_path / "before",
        after=tmp_path / "after",
        command=("sh", "build.sh"),
        command_after=("sh", "build.sh"),
        dockerfiles=("Dockerfile",),
        images=("app",),
        given=Given(environment=("T_TOKEN",)),
        bases={"node:20": STUB},
    )
    claims = [one for one in prove_given(engine, project).claims if one.name.startswith(CHECKED)]
    assert len(claims) >= 4
    assert [one for one in claims if not one.holds] == []


def built(
    engine: Engine,
    folder: Path,
    files: dict[str, str],
    home: Path,
    environment: dict[str, str] | None = None,
    images: tuple[str, ...] = ("app",),
) -> Built:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return engine.run(
        ["sh", "build.sh"],
        folder,
        scratch=home,
        environment=environment or {},
        bases={"node:20": STUB},
        images=images,
    )


LOGINS = """\
FROM node:20 AS files
ARG T_TOKEN
RUN if [ -n "$T_TOKEN" ]; then \\
      echo "machine gitlab.com login x password $T_TOKEN" > ~/.netrc; \\
    fi
RUN chmod 600 ~/.netrc
RUN go mod download
RUN go build -o /files; test -s /files
RUN test "$(wc -l < /var/log/used)" = 2

FROM node:20
WORKDIR /app
ARG T_TOKEN
RUN composer config -g github-oauth.github.com $T_TOKEN
RUN poetry config http-basic.acme me $T_TOKEN && mkdir /x
RUN dotnet nuget add source https://r.io -n acme -u me \\
      -p $T_TOKEN --store-password-in-clear-text
RUN composer install && poetry install && dotnet restore
RUN git config --global url."https://x:${T_TOKEN}@github.com/".insteadOf https://github.com/
RUN git clone https://github.com/a/b /b
RUN git clone https://me:$T_TOKEN@gitlab.com/a/c /c
RUN cd /c && git pull && git remote set-url origin https://me:$T_TOKEN@r.io/c && git pull
USER 1000
RUN git clone https://me:$T_TOKEN@gitlab.com/a/c /tmp/c
RUN test "$(wc -l < /var/log/used)" = 8
COPY --from=files /files /var/log/used /files/
"""


@pytest.mark.engine
def test_tools_log_in_with_the_same_and_nothing_is_left(engine: Engine, tmp_path: Path) -> None:
    canary = invent()
    files = {"Dockerfile": LOGINS, "build.sh": BUILD}
    after = rewritten(tmp_path / "work", files)
    assert "$T_TOKEN@" not in after["Dockerfile"]
    for name in ("home", "other"):
        (tmp_path / name).mkdir()
    given = {"T_TOKEN": canary}
    was = built(engine, tmp_path / "before", files, tmp_path / "home", given)
    now = built(engine, tmp_path / "after", after, tmp_path / "other", given)
    assert (was.code, now.code) == (0, 0), now.log
    assert list(was.images["app"].find({"key": canary}))
    assert not list(now.images["app"].find({"key": canary}))
    for path in ("files/used", "var/log/used"):
        assert was.images["app"].files()[path] == now.images["app"].files()[path]


@pytest.mark.engine
def test_a_copied_file_is_in_no_layer(engine: Engine, tmp_path: Path) -> None:
    canary = invent()
    files = {
        "Dockerfile": "FROM node:20\nWORKDIR /app\nCOPY f .npmrc ./\nRUN npm ci && cat .npmrc | "
        "sha256sum > /sum && rm -f .npmrc\nCOPY . .\nRUN chmod 600 f\n",
        ".npmrc": f"//r.io/:_authToken={canary}\n",
        ".dockerignore": "build.sh\n",
        "f": "x\n",
        "build.sh": "#!/bin/sh\ndocker build -t app .\n",
    }
    after = rewritten(tmp_path / "work", files)
    assert "target=/app/.npmrc" in after["Dockerfile"]
    assert ".npmrc" in after[".dockerignore"]
    for name in ("home", "other"):
        (tmp_path / name).mkdir()
    was = built(engine, tmp_path / "before", files, tmp_path / "home")
    now = built(engine, tmp_path / "after", after, tmp_path / "other")
    assert (was.code, now.code) == (0, 0), now.log
    assert list(was.images["app"].find({"key": canary}))
    assert not list(now.images["app"].find({"key": canary}))
    assert was.images["app"].files()["sum"] == now.images["app"].files()["sum"]


SUM = "sha256sum < %s > /tmp/sum"
COPIED = {
    "json": 'WORKDIR /app\nCOPY ["f", ".npmrc", "./"]\nRUN npm ci && '
    + SUM % ".npmrc"
    + "\nCOPY . .\n",
    "wildcard": (
        "WORKDIR /app\nRUN chown -R 1000 .\nUSER 1000\nCOPY --chown=1000 f* .npmrc* ./\nRUN npm ci && "
        + SUM % ".npmrc"
        + " && rm -f .npmrc f2\n"
    ),
    "mixed": "WORKDIR /app\nCOPY .n* f ./\nRUN npm ci && " + SUM % ".npmrc" + "\n",
    "nowhere": "COPY .npmrc ./\nRUN npm ci && " + SUM % ".npmrc" + "\nRUN rm .npmrc\n",
    "variables": (
        "ENV D=/srv\nWORKDIR $D/app\nARG F=.npmrc\nADD --chmod=0440 $F $D/.rc\n"
        "RUN npm ci --userconfig ../.rc && " + SUM % "/srv/.rc" + "\n"
    ),
    "stages": (
        "AS one\nWORKDIR /a\nCOPY . .\nRUN npm ci && " + SUM % ".npmrc" + "\nFROM node:20\n"
        "WORKDIR /b\nRUN chown 1000 .\nUSER 1000\nCOPY . .\nRUN npm ci && " + SUM % ".npmrc" + "\n"
        "COPY --from=one /tmp/sum /c\n"
    ),
}
"""`.n*` takes `.nx` too, so that the source stays and `.dockerignore` does the work."""


@pytest.mark.engine
def test_copied_files_in_every_shape(engine: Engine, tmp_path: Path) -> None:
    """All in one script, each in a context of its own; the last file is written by the script."""
    canaries = {name: invent() for name in COPIED}
    files = {}
    script = "#!/bin/sh\nset -e\n"
    for name, body in COPIED.items():
        files[f"{name}/Dockerfile"] = f"FROM node:20{' ' if name == 'stages' else chr(10)}{body}"
        files[f"{name}/f"] = files[f"{name}/f2"] = files[f"{name}/.nx"] = "x\n"
        if name != "stages":
            files[f"{name}/.npmrc"] = f"//r.io/:_authToken={canaries[name]}\n"
        else:
            script += 'echo "//r.io/:_authToken=$T_TOKEN" > stages/.npmrc\n'
        script += f"docker build -t {name} {name}\n"
    files["build.sh"] = script
    after = rewritten(tmp_path / "work", files)
    given = [f"--secret id=npmrc,src={name}/.npmrc" in after["build.sh"] for name in COPIED]
    assert all(given)
    token = {"T_TOKEN": canaries["stages"]}
    found = []
    for when, tree in (("before", files), ("after", after)):
        (tmp_path / f"home-{when}").mkdir()
        found.append(
            built(engine, tmp_path / when, tree, tmp_path / f"home-{when}", token, tuple(COPIED))
        )
    was, now = found
    assert (was.code, now.code) == (0, 0), now.log + was.log
    for name, canary in canaries.items():
        assert list(was.images[name].find({"key": canary})), name
        assert not list(now.images[name].find({"key": canary})), name
        old, new = was.images[name].files(), now.images[name].files()
        kept = {
            path
            for path in old
            if not path.endswith((".npmrc", "srv/.rc", "Dockerfile", ".dockerignore"))
        }
        assert {path: old[path] for path in kept} == {path: new.get(path) for path in kept}, name


CONNECT = (
    'RUN git clone git@x.io:a && test -S "${SSH_AUTH_SOCK:-/}" && test -w "$SSH_AUTH_SOCK" && '
    ": > /tmp/agent\n"
)
KEYS = {
    "argument": (
        'ARG T_SSH_KEY\nRUN mkdir -p ~/.ssh && echo "$T_SSH_KEY" > ~/.ssh/id_rsa && '
        "chmod 600 ~/.ssh/id_rsa\nUSER 1000\n" + CONNECT,
        '--build-arg T_SSH_KEY="$(cat {})"',
    ),
    "encoded": (
        'ARG T_SSH_KEY\nENV KEY=$T_SSH_KEY\nRUN mkdir -p ~/.ssh && echo "$KEY" | base64 -d > '
        "~/.ssh/id_rsa\n" + CONNECT,
        '--build-arg T_SSH_KEY="$(base64 -w0 {})"',
    ),
    "copied": (
        "COPY id_rsa /root/.ssh/id_rsa\nRUN chmod 600 /root/.ssh/id_rsa && "
        "echo x >> ~/.ssh/known_hosts\n" + CONNECT + "RUN rm /root/.ssh/id_rsa\n",
        "",
    ),
}


@pytest.mark.engine
@pytest.mark.parametrize(("body", "flag"), KEYS.values(), ids=KEYS.keys())
def test_a_key_stays_with_the_client(engine: Engine, tmp_path: Path, body: str, flag: str) -> None:
    key = tmp_path / "id_test"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True
    )
    files = {
        "Dockerfile": "FROM node:20\n" + body,
        "build.sh": f"#!/bin/sh\ndocker build {flag.format(key)} -t app .\n",
        "id_rsa": key.read_text(),
    }
    after = rewritten(tmp_path / "work", files)
    assert "type=ssh" in after["Dockerfile"]
    (tmp_path / "other").mkdir()
    now = built(engine, tmp_path / "after", after, tmp_path / "other")
    assert now.code == 0, now.log
    assert any(path.endswith("tmp/agent") for path in now.images["app"].files())
    line = key.read_text().split("\n")[2]
    assert not list(now.images["app"].find({"key": line}))


def test_git_gets_the_login_from_the_helper(tmp_path: Path) -> None:
    body = (
        'RUN git config --global url."https://x-access-token:${T_TOKEN}@github.com/".insteadOf '
        '"https://github.com/"\nRUN go mod download\n'
    )
    found = rewritten(tmp_path / "work", {"Dockerfile": HEAD + body})["Dockerfile"]
    line = next(one for one in found.split("\n") if "credential" in one)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GIT_TERMINAL_PROMPT": "0",
    }
    subprocess.run(["sh", "-c", line.removeprefix("RUN ")], env=environment, check=True)
    assert "invented" not in (tmp_path / ".gitconfig").read_text()
    done = subprocess.run(
        ["git", "credential", "fill"],
        env={**environment, "T_TOKEN": "invented-canary-0001"},
        input="protocol=https\nhost=github.com\n\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "username=x-access-token\npassword=invented-canary-0001\n" in done.stdout
