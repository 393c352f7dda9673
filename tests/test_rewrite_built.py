"""The forms that a secret takes in a RUN, built for real: each RUN sees what it saw before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from corpus_samples import STUB, dockerfix

from dockerfix.verify.proof import Given, Project, prove

if TYPE_CHECKING:
    from pathlib import Path

    from dockerfix.verify.engine import Engine

pytestmark = pytest.mark.engine


@dataclass(frozen=True)
class Shape:
    dockerfile: str
    build: str = 'docker build --build-arg NPM_TOKEN="$NPM_TOKEN" -t dockerfix/shape .\n'
    config: str = ""
    environment: tuple[str, ...] = ("NPM_TOKEN",)
    holds: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


SHAPES = {
    "file form": Shape(
        "FROM base\nARG NPM_TOKEN\nUSER root\nRUN ! false || npm ci\n"
        "RUN --mount=type=cache,target=/c \\\n    # why\n\n    npm ci; npm run build\n"
        "RUN \\\n    (npm ci) & wait\n"
        "RUN <<EOF\n#!/bin/sh -e\nnpm ci\nEOF\nRUN <<-'EOF'\n\tnpm ci\nEOF\n"
        "RUN cat <<EOF | sha256sum && npm ci\n$NPM_TOKEN\nEOF\n"
        "USER 1000\nRUN npm prune\nUSER node\nRUN npm prune || exit 3\n",
        config='form = "file"\n',
        holds=("uid=1000", "mode=0444", "if [ -f /run/secrets/NPM_TOKEN ]"),
    ),
    "file form, two names": Shape(
        "FROM base\nARG TOKEN\nRUN npm ci\nENV NPM_TOKEN=$TOKEN\nRUN npm ci\n",
        'docker build --build-arg TOKEN="$NPM_TOKEN" -t dockerfix/shape .\n',
        'form = "file"\n',
        holds=("TOKEN=", "NPM_TOKEN="),
        lost=("NPM_TOKEN",),
    ),
    "composed by ENV": Shape(
        "FROM base\nARG HOST=a.example.com\nARG NPM_TOKEN\n"
        'ENV A=1 URL="https://u:${NPM_TOKEN}@${HOST}/\\$x`y`?a=\\"b\\"" \\\n'
        '    JSON=\'{"p":"\'${NPM_TOKEN:-none}\'","q":"$HOST\\n"}\'\n'
        "RUN npm ci\nRUN npm ci & wait\nRUN <<EOF\nnpm ci\nEOF\nUSER node\nRUN ! false || npm ci\n",
        holds=('export URL="https://u:${NPM_TOKEN}@${HOST}/', "export JSON="),
        lost=("URL", "JSON"),
    ),
    "composed by ENV, file form": Shape(
        "FROM base\nARG NPM_TOKEN\nENV URL=https://u:${NPM_TOKEN}@h\nUSER 1000\nRUN npm prune\n",
        config='form = "file"\n',
        holds=("export URL=", "uid=1000"),
        lost=("URL",),
    ),
    "ARG beside a mount": Shape(
        "FROM base\nARG NPM_TOKEN\n"
        "RUN --mount=type=secret,id=npm,env=NPM_TOKEN npm ci\nRUN npm run build\n",
        "docker build --secret id=npm,env=NPM_TOKEN --build-arg NPM_TOKEN -t dockerfix/shape .\n",
        holds=("RUN --mount=type=secret,id=npm,env=NPM_TOKEN npm run build",),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_run_sees_what_it_saw(name: str, tmp_path: Path, engine: Engine) -> None:
    shape = SHAPES[name]
    before, after = (laid_out(shape, tmp_path / which) for which in ("before", "after"))
    done = dockerfix(after, "--write", "--unsafe-fixes")
    text = (after / "Dockerfile").read_text()
    assert done.returncode == 0, done.stderr
    assert all(part in text for part in shape.holds), text
    proof = prove(engine, project(before, after, shape))
    assert proof.broken() == []


def test_placeholder_stays_where_the_secret_is_not_given(tmp_path: Path, engine: Engine) -> None:
    """The shell falls back to it, and takes the secret where there is one."""
    shape = Shape(
        "FROM base\nARG NPM_TOKEN=dummy\n"
        'RUN npm ci && test "${#NPM_TOKEN}" -gt 4 && printf %s ${#NPM_TOKEN} > /length\n',
        'if [ -n "$NPM_TOKEN" ]; then docker build --build-arg NPM_TOKEN -t dockerfix/shape .\n'
        "else docker build -t dockerfix/shape .; fi\n",
    )
    before, after = (laid_out(shape, tmp_path / which) for which in ("before", "after"))
    assert dockerfix(after, "--write", "--unsafe-fixes").returncode == 0
    assert 'export NPM_TOKEN="${NPM_TOKEN_SECRET:-dummy}" && ' in (after / "Dockerfile").read_text()
    found = project(before, after, shape)
    proof = prove(engine, found)
    # The stub tool also sees the mount's own name, and notes it in the image.
    assert {one.name for one in proof.broken()} <= {
        "every RUN saw the same",
        "the same files in dockerfix/shape",
    }


def laid_out(shape: Shape, folder: Path) -> Path:
    folder.mkdir()
    (folder / "Dockerfile").write_text(shape.dockerfile)
    (folder / "build.sh").write_text("#!/bin/sh\n" + shape.build)
    (folder / "build.sh").chmod(0o755)
    (folder / ".dockerfix.toml").write_text("root = true\n" + shape.config)
    return folder


def project(before: Path, after: Path, shape: Shape) -> Project:
    return Project(
        before=before,
        after=after,
        command=("sh", "build.sh"),
        command_after=("sh", "build.sh"),
        dockerfiles=("Dockerfile",),
        images=("dockerfix/shape",),
        given=Given(environment=shape.environment),
        bases={"base": STUB},
        lost_at_run_time=shape.lost,
    )
