"""What mounts ask for against what builds give: forgotten builds, dead flags, and what is no fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from rewriting import Rewritten, rewrite

OURS = {"build-arg-left-over", "secret-never-mounted", "secret-not-given"}
MOUNTS = b"RUN --mount=type=secret,id=TOKEN,env=TOKEN npm ci\n"
FILE = b"RUN --mount=type=secret,id=TOKEN "
GIVES = b"docker build --secret id=TOKEN,env=TOKEN"


def found(done: Rewritten) -> set[str]:
    return {one.finding.name for one in done.result.findings} & OURS


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (MOUNTS, GIVES + b" .\n"),
        # What cannot be seen may give it.
        (MOUNTS, b"docker build $FLAGS .\n"),
        (MOUNTS, b'docker build "$@" .\n'),
        (MOUNTS, b"docker build --secret id=$ID,env=TOKEN .\n"),
        (MOUNTS, b"docker build -f other/Dockerfile other\n"),
        (MOUNTS, b"echo docker build .\n"),
        # Another pass speaks of these.
        (MOUNTS, b"docker build --secret id=token,env=TOKEN .\n"),
        (MOUNTS, b"docker build --secret id=TOKEN,env=$TOKEN .\n"),
        # The RUN can do without it.
        (FILE + b"if [ -f /run/secrets/TOKEN ]; then cat /run/secrets/TOKEN; fi\n", b"docker build .\n"),
        (FILE + b"cat /run/secrets/TOKEN || true\n", b"docker build .\n"),
        (b"RUN --mount=type=secret,id=TOKEN,env=TOKEN curl -u ${TOKEN:-none} h\n", b"docker build .\n"),
        # Some build gives it, and nothing says that each has to.
        (MOUNTS, GIVES + b" .\ndocker build -t test .\n"),
        # A stage that the build does not need.
        (
            b"FROM a AS x\n" + MOUNTS.replace(b"env=TOKEN", b"env=TOKEN,required") + b"FROM b\n",
            b"docker build .\n",
        ),
        # BuildKit takes these itself.
        (MOUNTS, GIVES + b" --secret id=GIT_AUTH_TOKEN,env=T --secret id=HTTP_AUTH_TOKEN_h,env=T .\n"),
        # Ids that only the build knows, and frontends that take secrets in a way of their own.
        (b"ARG ID\nRUN --mount=type=secret,id=$ID,target=/x npm ci\n", GIVES + b" .\n"),
        (b"# syntax=example.com/x:1\nFROM a\n" + MOUNTS, GIVES + b" --secret id=y,env=Y .\n"),
        (
            b"FROM a\nONBUILD RUN --mount=type=secret,id=y cat /run/secrets/y\n" + MOUNTS,
            GIVES + b" --secret id=y,env=Y .\n",
        ),
        # Arguments that are none of ours.
        (MOUNTS, GIVES + b" --build-arg VERSION=1 --build-arg HTTP_PROXY=x .\n"),
        (b"ARG NPM\nENV TOKEN=$NPM\n" + MOUNTS, GIVES + b" --build-arg NPM=x .\n"),
    ],
)  # fmt: skip
def test_what_may_be_right_is_left_alone(tmp_path: Path, text: bytes, script: bytes) -> None:
    assert found(rewrite(tmp_path, text, script, unsafe=False)) == set()


@pytest.mark.parametrize(
    ("text", "script", "name"),
    [
        (MOUNTS, b"docker build .\n", "secret-not-given"),
        (
            MOUNTS.replace(b"env=TOKEN", b"env=TOKEN,required"),
            GIVES + b" .\ndocker build -t test .\n",
            "secret-not-given",
        ),
        (MOUNTS, GIVES + b" --secret id=OTHER,env=OTHER .\n", "secret-never-mounted"),
        (MOUNTS, b"docker build --build-arg TOKEN .\n", "build-arg-left-over"),
        (MOUNTS, GIVES + b" --build-arg TOKEN .\n", "build-arg-left-over"),
        (
            MOUNTS.replace(b"id=TOKEN", b"id=npm-token").replace(b"env=TOKEN", b"target=/t"),
            b"docker build --build-arg NPM_TOKEN=$1 .\n",
            "build-arg-left-over",
        ),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, text: bytes, script: bytes, name: str) -> None:
    assert name in found(rewrite(tmp_path, text, script, unsafe=False))


def test_a_value_that_only_the_script_has_is_handed_over(tmp_path: Path) -> None:
    done = rewrite(tmp_path, MOUNTS, b"docker build --build-arg TOKEN=$1 .\n")
    assert done.script.endswith(b'TOKEN="$1" docker build --secret id=TOKEN,env=TOKEN .\n')


def test_of_two_arguments_the_last_counts(tmp_path: Path) -> None:
    call = b"docker build --build-arg TOKEN=a1 --build-arg TOKEN=$TOKEN .\n"
    done = rewrite(tmp_path, MOUNTS, call)
    assert done.script.endswith(b"docker build --secret id=TOKEN,env=TOKEN .\n")


def test_two_runs_that_read_it_get_the_mount(tmp_path: Path) -> None:
    text = MOUNTS + b"RUN curl -u $OTHER h\nRUN mkdir x\nRUN curl -u $OTHER i\n"
    done = rewrite(tmp_path, text, GIVES + b" --secret id=other,env=OTHER .\n")
    mount = b"RUN --mount=type=secret,id=other,env=OTHER curl"
    assert [line.startswith(mount) for line in done.lines(b"RUN")] == [False, True, False, True]


def test_where_nothing_else_may_take_it_removing_is_safe(tmp_path: Path) -> None:
    text = b"FROM scratch\nCOPY x /\n" + MOUNTS
    done = rewrite(tmp_path, text, GIVES + b" --build-arg TOKEN=$TOKEN .\n", unsafe=False)
    assert done.script.endswith(GIVES + b" .\n")
