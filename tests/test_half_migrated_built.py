"""Files that somebody migrated halfway, built for real: the secret does not arrive, and then it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from corpus_samples import STUB
from whole_rewrites import rewritten

if TYPE_CHECKING:
    from pathlib import Path

    from dockerfix.verify.engine import Engine

TOKEN = "Qv7dX2mZ9sKf4Lw8Rb1Tn6Yc3Hj5Pg0A"
READ = 'if [ "$T_TOKEN" = "$(cat /expected)" ]; then touch /arrived-%s; fi'
FILES = {
    "expected": TOKEN,
    "Dockerfile": "FROM node:20\nUSER root\nCOPY expected /\n"
    # An assignment for one command, a RUN for itself, a file of the secret's name, a file of root's.
    '''RUN --mount=type=secret,id=t T_TOKEN="$(cat /run/secrets/t)" mkdir -p /x && '''
    + READ % "prefix"
    + "\nRUN --mount=type=secret,id=t export T_TOKEN=$(cat /run/secrets/t)\n"
    + "RUN "
    + READ % "export"
    + "\nRUN --mount=type=secret,id=T_TOKEN "
    + READ % "variable"
    + "\nRUN chmod 777 /x\nUSER 1000\nRUN --mount=type=secret,id=t "
    "cat /run/secrets/t | cmp - /expected && touch /x/arrived || true\n",
    # One forgotten, one that asks for a variable called like the token, one that is not exported.
    "build.sh": '#!/bin/sh\nOWN="$GIVEN"\n'
    'docker build --secret "id=t,env=$T_TOKEN" --build-arg T_TOKEN="$T_TOKEN" -t app .\n',
    "own.sh": '#!/bin/sh\nOWN="$GIVEN"\n'
    "docker build --secret id=t,env=OWN --secret id=T_TOKEN,env=OWN -t own .\n",
}  # fmt: skip
ARRIVED = {"arrived-prefix", "arrived-export", "arrived-variable", "x/arrived"}


@pytest.mark.engine
def test_what_was_lost_arrives(engine: Engine, tmp_path: Path) -> None:
    after = rewritten(tmp_path / "work", FILES)
    for which, tree in (("before", FILES), ("after", after)):
        folder = tmp_path / which
        folder.mkdir()
        for path, text in tree.items():
            (folder / path).write_text(text)
        for script, image in (("build.sh", "app"), ("own.sh", "own")):
            scratch = tmp_path / f"{which}-{image}"
            scratch.mkdir()
            done = engine.run(
                ("sh", script),
                folder,
                scratch=scratch,
                environment={"T_TOKEN": TOKEN, "GIVEN": TOKEN},
                bases={"node:20": STUB},
                images=(image,),
            )
            assert done.code == 0, done.log
            found = {path for path in done.images[image].files() if "arrived" in path}
            assert {path.lstrip("/") for path in found} == (ARRIVED if which == "after" else set())
