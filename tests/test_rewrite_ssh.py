"""Private keys that a build gets as arguments, and the agent that takes their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from whole_rewrites import looked_at, rewritten

if TYPE_CHECKING:
    from pathlib import Path

CAT = '#!/bin/sh\ndocker build --build-arg K_SSH_KEY="$(cat ~/.ssh/id_rsa)" .\n'
HEAD = "FROM scratch AS base\nFROM base\nUSER root\nARG K_SSH_KEY\n"
WRITE = 'echo "$K_SSH_KEY" > ~/.ssh/id_rsa'


def after(folder: Path, body: str, caller: str = CAT) -> tuple[str, str]:
    found = rewritten(folder / "work", {"Dockerfile": HEAD + body, "build.sh": caller})
    return found["Dockerfile"].partition("USER root\n")[2], found["build.sh"]


@pytest.mark.parametrize(
    ("body", "becomes"),
    [
        (
            f"RUN mkdir ~/.ssh && {WRITE} && chmod 600 ~/.ssh/id_rsa\nRUN git clone git@x.io:a\n",
            "RUN --mount=type=ssh git clone git@x.io:a\n",
        ),
        (
            f"RUN {WRITE} && git clone git@x.io:a && rm ~/.ssh/id_rsa\n",
            "RUN --mount=type=ssh git clone git@x.io:a\n",
        ),
        (
            f"RUN mkdir ~/.ssh; {WRITE}; ssh-keyscan x.io > ~/.ssh/known_hosts; npm ci; rm -rf ~/.ssh\n",
            "RUN --mount=type=ssh \\\n    mkdir ~/.ssh; ssh-keyscan x.io > ~/.ssh/known_hosts; npm ci; rm -rf ~/.ssh\n",
        ),
        (
            f"RUN {WRITE}\nUSER 1000\nRUN cargo build\n",
            "USER 1000\nRUN --mount=type=ssh,uid=1000 cargo build\n",
        ),
        (
            f"RUN {WRITE} && composer install && rm ~/.ssh/id_rsa\nRUN composer dump-autoload\n",
            "RUN --mount=type=ssh composer install\nRUN composer dump-autoload\n",
        ),
    ],
    ids=["two runs", "one run", "known hosts stay", "another user", "only while it is there"],
)  # fmt: skip
def test_the_handling_goes_and_the_agent_comes(tmp_path: Path, body: str, becomes: str) -> None:
    dockerfile, caller = after(tmp_path, body)
    assert dockerfile == becomes
    assert caller == '#!/bin/sh\ndocker build --ssh "default=$HOME/.ssh/id_rsa" .\n'


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
            'eval "$(ssh-agent)"\ndocker build --build-arg K_SSH_KEY .',
            'eval "$(ssh-agent)"\ndocker build --ssh default .',
        ),
    ],
    ids=["joined", "backticks", "variable", "agent"],
)
def test_what_the_caller_says(tmp_path: Path, caller: str, becomes: str) -> None:
    body = f"RUN {WRITE}\nRUN git clone git@x.io:a\n"
    assert after(tmp_path, body, f"#!/bin/bash\n{caller}\n")[1] == f"#!/bin/bash\n{becomes}\n"


@pytest.mark.parametrize(
    ("body", "caller"),
    [
        (f"RUN {WRITE}\nRUN ssh -i ~/.ssh/id_rsa x.io\n", CAT),
        (f"RUN {WRITE}\nRUN ./fetch.sh $K_SSH_KEY\n", CAT),
        (f'RUN if [ -n "$K_SSH_KEY" ]; then {WRITE}; fi; git clone git@x.io:a\n', CAT),
        (f"RUN {WRITE}\nRUN git clone git@x.io:a\n", CAT.replace('"$(cat ~/.ssh/id_rsa)"', '"$K"')),
    ],
    ids=["named file", "other use", "guard", "no file and no agent"],
)
def test_what_is_not_understood_stays_a_secret(tmp_path: Path, body: str, caller: str) -> None:
    files = {"Dockerfile": HEAD + body, "build.sh": caller}
    found = looked_at(tmp_path / "work", files).findings
    names = {one.finding.name for one in found if one.finding.variable == "K_SSH_KEY"}
    assert "ssh-key-in-build" not in names
    assert "secret-in-arg" in names


def test_each_key_has_one_fix(tmp_path: Path) -> None:
    files = {"Dockerfile": f"{HEAD}RUN {WRITE}\nRUN git clone git@x.io:a\n", "build.sh": CAT}
    found = looked_at(tmp_path / "work", files).findings
    assert [one.finding.name for one in found if one.finding.fix] == ["ssh-key-in-build"]
