"""What callers of every kind give in place of a private key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ssh_keys import COPIED, HEAD, WRITE, after
from whole_rewrites import looked_at, rewritten

if TYPE_CHECKING:
    from pathlib import Path

AGENT = "  - eval $(ssh-agent -s)\n  - echo \"$K_SSH_KEY\" | tr -d '\\r' | ssh-add -\n"
ACTION = (
    "on: push\njobs:\n  b:\n    runs-on: ubuntu-latest\n    steps:\n{}"
    "      - uses: docker/build-push-action@v6\n        with:\n          push: true\n{}"
)
WEBFACTORY = "      - uses: webfactory/ssh-agent@v0.9.0\n"
STEP = "      - run: |\n          {}\n"
ARGS = "          build-args: |\n            K_SSH_KEY=${{ secrets.K }}\n"


@pytest.mark.parametrize(
    ("caller", "becomes"),
    [
        ('docker build --build-arg="K_SSH_KEY=$(< key)" .', "docker build --ssh=default=key ."),
        ("docker build --build-arg K_SSH_KEY=`cat ./key` .", "docker build --ssh default=./key ."),
        (
            'KEY=$(< "$HOME"/.ssh/id_rsa)\ndocker build --build-arg K_SSH_KEY="$KEY" .',
            'KEY=$(< "$HOME"/.ssh/id_rsa)\ndocker build --ssh "default=$HOME/.ssh/id_rsa" .',
        ),
        (
            "docker build --build-arg K_SSH_KEY=\"$(cat ~/.ssh/k | tr -d '\\r')\" .",
            'docker build --ssh "default=$HOME/.ssh/k" .',
        ),
        (
            'eval "$(ssh-agent)"\ndocker build --build-arg K_SSH_KEY .',
            'eval "$(ssh-agent)"\ndocker build --ssh default .',
        ),
    ],
    ids=["joined", "backticks", "variable", "line ends", "agent"],
)
def test_what_the_caller_says(tmp_path: Path, caller: str, becomes: str) -> None:
    body = f"RUN {WRITE}\nRUN git clone git@x.io:a\n"
    assert after(tmp_path, body, f"#!/bin/bash\n{caller}\n")[1] == f"#!/bin/bash\n{becomes}\n"


@pytest.mark.parametrize(
    ("path", "before", "becomes"),
    [
        (
            "Makefile",
            'b:\n\tdocker build --build-arg K_SSH_KEY="$$(cat ~/.ssh/k)" .\n',
            'b:\n\tdocker build --ssh "default=$$HOME/.ssh/k" .\n',
        ),
        (
            "Makefile",
            'KEY := $(shell cat ~/.ssh/k)\nb:\n\tdocker build --build-arg K_SSH_KEY="$(KEY)" .\n',
            'KEY := $(shell cat ~/.ssh/k)\nb:\n\tdocker build --ssh "default=$$HOME/.ssh/k" .\n',
        ),
        (
            "Makefile",
            'KEY = `cat ~/.ssh/k`\nb:\n\tdocker build -t a . \\\n\t\t--build-arg K_SSH_KEY="$(KEY)" \\\n\t&& docker push a\n',
            'KEY = `cat ~/.ssh/k`\nb:\n\tdocker build -t a . \\\n\t\t--ssh "default=$$HOME/.ssh/k" \\\n\t&& docker push a\n',
        ),
        (
            "Makefile",
            'key = `cat /k`\nb:\n\tdocker build --build-arg K_SSH_KEY="${key}" .\n',
            'key = `cat /k`\nb:\n\tdocker build --ssh default=/k .\n',
        ),
        (
            "justfile",
            'b:\n    docker build --build-arg K_SSH_KEY="$(cat ~/.ssh/k)" .\n',
            'b:\n    docker build --ssh "default=$HOME/.ssh/k" .\n',
        ),
        (
            "Taskfile.yml",
            'tasks:\n  b:\n    cmds:\n      - docker build --build-arg K_SSH_KEY="$(cat ./k)" .\n',
            "tasks:\n  b:\n    cmds:\n      - docker build --ssh default=./k .\n",
        ),
        (
            "package.json",
            '{"scripts": {"b": "docker build --build-arg K_SSH_KEY=\\"$(cat ./k)\\" ."}}\n',
            '{"scripts": {"b": "docker build --ssh default=./k ."}}\n',
        ),
        (
            "build.sh",
            '#!/bin/bash\nkey=$(cat /k)\nflags=(--build-arg K_SSH_KEY="$key" -q)\ndocker build "${flags[@]}" .\n',
            '#!/bin/bash\nkey=$(cat /k)\nflags=(--ssh default=/k -q)\ndocker build "${flags[@]}" .\n',
        ),
        (
            "build.sh",
            '#!/bin/sh\nF=$HOME/k\nexport K_SSH_KEY="$(cat $F)"\nsudo docker build --build-arg K_SSH_KEY="$K_SSH_KEY" .\n',
            '#!/bin/sh\nF=$HOME/k\nexport K_SSH_KEY="$(cat $F)"\nsudo docker build --ssh "default=$F" .\n',
        ),
        (
            ".gitlab-ci.yml",
            f"before_script:\n{AGENT}b:\n  script:\n    - docker build --build-arg K_SSH_KEY .\n",
            f"before_script:\n{AGENT}b:\n  script:\n    - docker build --ssh default .\n",
        ),
        (
            ".github/workflows/b.yml",
            ACTION.format(WEBFACTORY, ARGS + "            A=1\n"),
            ACTION.format(WEBFACTORY, "          build-args: |\n            A=1\n          ssh: default\n"),
        ),
        (
            ".github/workflows/b.yml",
            ACTION.format(WEBFACTORY, "          ssh: other=/s\n" + ARGS),
            ACTION.format(WEBFACTORY, "          ssh: |\n            other=/s\n            default\n"),
        ),
    ],
    ids=[
        "make", "make shell", "make, a line of its own", "make backticks", "just", "task", "package.json", "array", "path in a variable",
        "gitlab", "build-push-action", "with another key",
    ],
)  # fmt: skip
def test_every_kind_of_caller(tmp_path: Path, path: str, before: str, becomes: str) -> None:
    files = {"Dockerfile": f"{HEAD}RUN {WRITE}\nRUN git clone x:a\n", path: before}
    found = rewritten(tmp_path / "work", files)
    assert found[path] == becomes
    assert "--mount=type=ssh " in found["Dockerfile"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".github/workflows/b.yml", ACTION.format("", ARGS)),
        (
            ".github/workflows/b.yml",
            ACTION.format("", ARGS).replace("jobs:\n", f"jobs:\n  a:\n    steps:\n{WEBFACTORY}"),
        ),
        (
            ".github/workflows/b.yml",
            ACTION.format(STEP.format("eval $(ssh-agent -s) && ssh-add k"), ARGS),
        ),
        (
            ".gitlab-ci.yml",
            f"a:\n  script:\n{AGENT}b:\n  script:\n    - docker build --build-arg K_SSH_KEY .\n",
        ),
        (
            "compose.yaml",
            "services:\n  a:\n    build:\n      context: .\n      args: [K_SSH_KEY]\n",
        ),
    ],
    ids=["no agent", "of another job", "of another step", "gitlab's other job", "compose"],
)
def test_no_agent_here(tmp_path: Path, path: str, text: str) -> None:
    files = {"Dockerfile": f"{HEAD}RUN {WRITE}\nRUN git clone x:a\n", path: text}
    found = rewritten(tmp_path / "work", files)
    assert "type=secret" in found["Dockerfile"]
    assert "&& rm -f ~/.ssh/id_rsa\n" in found["Dockerfile"]


def test_an_agent_that_a_step_leaves_behind(tmp_path: Path) -> None:
    step = STEP.format('eval $(ssh-agent) && echo "SSH_AUTH_SOCK=$SSH_AUTH_SOCK" >> $GITHUB_ENV')
    path = ".github/workflows/b.yml"
    files = {
        "Dockerfile": f"{HEAD}RUN {WRITE}\nRUN git clone x:a\n",
        path: ACTION.format(step, ARGS),
    }
    assert rewritten(tmp_path / "work", files)[path] == ACTION.format(
        step, "          ssh: default\n"
    )


@pytest.mark.parametrize(
    ("path", "before", "becomes"),
    [
        (
            "compose.yaml",
            "services:\n  a:\n    build: .\n",
            "services:\n  a:\n    build:\n      context: .\n      ssh:\n        - default=id_rsa\n",
        ),
        (
            "compose.yaml",
            "services:\n  a:\n    build:\n      context: .\n      ssh: [other=/s]\n",
            "services:\n  a:\n    build:\n      context: .\n      ssh: [other=/s, default=id_rsa]\n",
        ),
        (
            "docker-bake.hcl",
            'target "default" {\n  args = {\n    A = "1"\n  }\n}\n',
            'target "default" {\n  args = {\n    A = "1"\n  }\n  ssh = ["default=id_rsa"]\n}\n',
        ),
        (
            ".github/workflows/b.yml",
            ACTION.format("", "          context: .\n"),
            ACTION.format("", "          context: .\n          ssh: default=id_rsa\n"),
        ),
    ],
    ids=["compose", "compose with another", "bake", "build-push-action"],
)
def test_every_kind_of_caller_gives_a_copied_key(
    tmp_path: Path, path: str, before: str, becomes: str
) -> None:
    files = {"Dockerfile": f"{COPIED}COPY id_rsa /root/.ssh/id_rsa\nRUN npm ci\n", path: before}
    found = rewritten(tmp_path / "work", files)
    assert found["Dockerfile"] == f"{COPIED}RUN --mount=type=ssh npm ci\n"
    assert found[path] == becomes


def test_compose_in_a_script_has_a_flag_for_ssh(tmp_path: Path) -> None:
    files = {
        "Dockerfile": f"{HEAD}RUN {WRITE}\nRUN git clone x:a\n",
        "compose.yaml": "services:\n  a:\n    build: .\n",
        "build.sh": '#!/bin/sh\ndocker compose build --build-arg K_SSH_KEY="$(cat ~/.ssh/k)"\n',
    }
    found = rewritten(tmp_path / "work", files)
    assert found["build.sh"] == '#!/bin/sh\ndocker compose build --ssh "default=$HOME/.ssh/k"\n'
    assert found["compose.yaml"] == files["compose.yaml"]


def test_a_command_that_builds_another_image_too(tmp_path: Path) -> None:
    files = {
        "Dockerfile": f"{HEAD}RUN {WRITE}\nRUN git clone x:a\n",
        "db/Dockerfile": "FROM scratch\n",
        "compose.yaml": "services:\n  a:\n    build: .\n  db:\n    build: db\n",
        "build.sh": '#!/bin/sh\ndocker compose build --build-arg K_SSH_KEY="$(cat /k)"\n',
    }
    found = rewritten(tmp_path / "work", files)
    assert found["build.sh"] == "#!/bin/sh\ndocker compose build --ssh default=/k\n"


def test_a_compose_file_elsewhere_gives_a_copied_key(tmp_path: Path) -> None:
    files = {
        "app/Dockerfile": f"{COPIED}COPY keys/id_rsa /root/.ssh/id_rsa\nRUN npm ci\n",
        "deploy/compose.yaml": "services:\n  a:\n    build: ../app\n",
    }
    found = rewritten(tmp_path / "work", files)["deploy/compose.yaml"]
    assert found.endswith("context: ../app\n      ssh:\n        - default=../app/keys/id_rsa\n")


def test_bake_is_allowed_to_read_a_key_elsewhere(tmp_path: Path) -> None:
    files = {
        "app/Dockerfile": f"{COPIED}COPY id_rsa /root/.ssh/id_rsa\nRUN npm ci\n",
        "bake/docker-bake.hcl": 'target "default" {\n  context = "../app"\n}\n',
    }
    found = [one.finding for one in looked_at(tmp_path / "work", files).findings]
    assert [one.name for one in found] == ["ssh-key-in-build"]
    assert "`--allow=fs.read=../app`" in found[0].help
