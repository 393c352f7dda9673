"""Fixtures that more than one room needs: the vectors, and a real Docker Engine.

DOCKERFIX_VECTORS names the folder with BuildKit's answers. DOCKERFIX_ENGINE names the engine
that tests build on: an endpoint as in DOCKER_HOST (unix:///...), or `default` for the one that
the `docker` on PATH talks to; it must have a busybox image under the name local/base:1. It is
meant to be an engine for this alone: tests build images with names such as `app`. Without
these variables the tests that need them are skipped; with them, nothing is.

DOCKERFIX_GENERATED=FIRST:COUNT has the tests of generated Dockerfiles try other seeds than theirs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockerfix.verify.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

# Tests share modules (corpus_samples.py, examples.py), and --import-mode=importlib, unlike the
# older modes, puts no folder of theirs on the path.
sys.path.insert(0, os.fspath(Path(__file__).parent))


@pytest.fixture(scope="session")
def vectors() -> Path:
    folder = os.environ.get("DOCKERFIX_VECTORS")
    if not folder:
        pytest.skip("DOCKERFIX_VECTORS is not set: no vectors to compare with")
    return Path(folder)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A running engine that holds the stub tools under the name corpus_samples.STUB."""
    from corpus_samples import STUB

    endpoint = os.environ.get("DOCKERFIX_ENGINE")
    if not endpoint:
        pytest.skip("DOCKERFIX_ENGINE is not set: no Docker Engine to build on")
    environment = dict(os.environ)
    if endpoint != "default":
        environment["DOCKER_HOST"] = endpoint
    running = Engine(environment)
    running.build_image(Path(__file__).parent / "engine", STUB)
    yield running
    running.clean()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A Dockerfile that leaks, and the script that gives it the secret."""
    from command_line import CALLER, DOCKERFILE, lay_out

    return lay_out(tmp_path / "r", {"Dockerfile": DOCKERFILE, "build.sh": CALLER})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the examples of docs/passes")


def pytest_sessionfinish(session: pytest.Session) -> None:
    import examples

    for page, printed in examples.UPDATES.items():
        examples.update(page, printed)
