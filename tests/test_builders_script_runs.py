"""Scripts run for real, before and after: what docker was told is what it now finds.

A fake `docker` records its arguments and environment; every script runs in bash and, where
it is written for it, in dash.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from test_builders_script import migrate

DOCKER = """#!/bin/sh
n=0
while [ -e "$RECORD/$n.argv" ]; do n=$((n + 1)); done
printf '%s\\0' "$@" > "$RECORD/$n.argv"
env -0 > "$RECORD/$n.env"
"""
SUDO = """#!/bin/sh
case "$1" in
  --preserve-env=*)
    names=$(printf %s "${1#*=}" | tr , '|'); shift
    for name in $(env | sed -n 's/^\\([A-Za-z_][A-Za-z0-9_]*\\)=.*/\\1/p'); do
      case "|$names|PATH|RECORD|" in *"|$name|"*) ;; *) unset "$name";; esac
    done ;;
  -E) shift ;;
  *)
    for name in $(env | sed -n 's/^\\([A-Za-z_][A-Za-z0-9_]*\\)=.*/\\1/p'); do
      case "|PATH|RECORD|" in *"|$name|"*) ;; *) unset "$name";; esac
    done ;;
esac
exec "$@"
"""

VALUES = [
    "plain",
    "",
    "*",
    '  it\'s "hi" $HOME ${PATH} $(id) `id` back\\slash\\ {a,b} ~ €ü\n!x #y;z&|<>() a=b,c \n\nend ',
]

BOTH = [
    # From the environment, in place.
    'docker build --build-arg X="$X" .',
    'docker build --build-arg "X=${X}" -t a .',
    'docker build --build-arg="X=$X" .',
    '"docker" build "--build-arg=X=$X" .',
    "docker build --build-arg X .",
    'docker build --build-arg "X=${X:-}" .',
    'docker build --build-arg X="$OTHER" .',
    'docker buildx build . --build-arg X="$X"',
    'command docker build --build-arg X="$X" .',
    'exec docker build --build-arg X="$X" .',
    'sudo docker build --build-arg X="$X" .',
    'sudo -E docker build --build-arg X="$X" .',
    'env A=1 docker build --build-arg X="$X" .',
    'timeout 60 docker build --build-arg X="$X" .',
    '! docker build --build-arg X="$X" . || true',
    '(cd . && docker build --build-arg X="$X" .)',
    'if true; then docker build \\\n  --build-arg X="$X" \\\n  . ; fi',
    'docker build . --build-arg "X=$X" >out 2>&1 && true',
    'docker build --build-arg "X=$X" - <<E\nFROM a $X\nE',
    "sh -c 'docker build --build-arg X=\"$X\" .'",
    'sh -c "docker build --build-arg X=\\"\\$X\\" ."',
    # Not from the environment.
    'Y="$OTHER"; docker build --build-arg X="$Y" .',
    'Z=$OTHER\ndocker build --build-arg "X=$Z" .',
    'docker build --build-arg X="$1" .',
    'docker build --build-arg "X=$1" .',
    'docker build --build-arg "X=${X:?need}" . || true',
    'docker build --build-arg "X=${X:-default}" .',
    'docker build --build-arg X="${NONE:-$X}" .',
    'docker build --build-arg X="${X#?}" .',
    'docker build --build-arg "X=$(cat value)" .',
    'docker build --build-arg X="`cat value`" .',
    "docker build --build-arg X='a $b `c` \"d\" \\e' .",
    "docker build --build-arg X=lit\\ eral .",
    'docker build --build-arg "X=pre-$X-post" .',
    "docker build --build-arg X=\"pre $X\"' $post' .",
    'docker build --build-arg "X=a\\"b\\$c\\`d\\\\e" .',
    'docker build --build-arg "X=a\\\nb" .',
    'set -u\ndocker build --build-arg X="$X" .',
    'X=$OTHER; readonly X; docker build --build-arg "X=$X" .',
    'Y=$OTHER; docker build --build-arg "AWS_KEY=$Y" .',
    'Y=$OTHER; docker build --build-arg "npm-token=$Y" .',
    'Y=$OTHER; command docker build --build-arg "X=$Y" .',
    'Y=$OTHER; exec docker build --build-arg "X=$Y" .',
    'Y=$OTHER; sudo docker build --build-arg "X=$Y" .',
    'Y=$OTHER; env A=1 docker build --build-arg "X=$Y" .',
    'Y=$OTHER; timeout 60 docker build --build-arg "X=$Y" .',
    'Y=$OTHER; A=1 docker build --build-arg "X=$Y" .',
    'read -r Y <value; docker build --build-arg "X=$Y" .',
    'for Y in a "b c"; do docker build --build-arg "X=$Y" .; done',
    'f() { docker build --build-arg "X=$1" .; }\nf "$OTHER"; f two',
    'f() { Y=$1; docker build --build-arg "X=$Y" .; }\nf "$OTHER"',
    'run() { "$@"; }\nY=$OTHER\nrun docker build --build-arg "X=$Y" .',
    'X=$OTHER; docker build --build-arg "X=$X" .',
    'X=changed; export X; docker build --build-arg "X=$X" .',
    'export X="$OTHER"; docker build --build-arg "X=$X" .',
    'unset X; X=$OTHER; docker build --build-arg "X=$X" .',
    'set -a; Y=$OTHER; set +a; docker build --build-arg "X=$Y" .',
    '. ./vars; docker build --build-arg "X=$S" .',
    'X=$OTHER A=1 docker build --build-arg "X=$X" .',
    'A=$OTHER; B=$X; docker build --build-arg "A=$B" --build-arg "B=$A" .',
    'A=1; B=2; docker build --build-arg "A=$A" --build-arg "B=$B$A" .',
    'D=docker; $D build --build-arg X="$X" .',
    'D="sudo docker"; Y=$OTHER; $D build --build-arg "X=$Y" .',
    'S=; $S docker build --build-arg "X=$X" .',
    'S=sudo; $S docker build --build-arg "X=$X" .',
    'docker build ${X:+--build-arg "X=$X"} .',
    'docker build ${X:+"--build-arg=X=$X"} .',
    'docker build ${X:+--build-arg} ${X:+"X=$X"} .',
    'set -u\ndocker build ${X:+--build-arg "X=$X"} .',
    'A="--build-arg X=$W --no-cache"; docker build $A .',
    'A="--no-cache"; A="$A --build-arg X=$W"; docker build $A .',
    'W2=$W; A="--build-arg X=$W2"; docker build $A .',
    'docker build --build-arg X="a" --build-arg X="$X" .',
    'cd sub && docker build --build-arg "X=$(cat ../value)" .',
    'echo docker build --build-arg X="$X" . ; docker build --build-arg X="$X" .',
]

BOTH += [
    # The script's own parameters collect flags.
    'set -- --build-arg "X=$X"\ndocker build "$@" .',
    'set -- --pull\nset -- "$@" --build-arg X="$OTHER"\ndocker build "$@" .',
    'Y=$OTHER\nset -- \\\n  --build-arg "X=$Y" \\\n  --pull\ndocker build "$@" .',
    'b() { set -- --build-arg "X=$X" "$@"; docker build "$@" .; }\nb -t a\nb -t b',
    'if [ -n "$X" ]; then set -- --build-arg X="$X"; else set --; fi\ndocker build "$@" .',
]

BASH = [
    'args=(--build-arg "X=$X" -t a)\ndocker build "${args[@]}" .',
    'args=()\nargs+=(--build-arg "X=$X")\ndocker build "${args[@]}" .',
    'Y=$OTHER; args=(\n  --build-arg "X=$Y"\n  -t a\n)\ndocker build "${args[@]}" .',
    'args=("--build-arg=X=$X"); docker build "${args[@]}" .',
    'args=(-t a); [[ -n $X ]] && args+=(--build-arg X="$X"); docker build "${args[@]}" .',
    'set -eu; args=(); if [ -n "${X:-}" ]; then args+=(--build-arg X="$X"); fi\n'
    'docker build ${args[@]+"${args[@]}"} .',
    'A="-t a"; A+=" --build-arg X=$W"; docker build $A .',
    'time docker build --build-arg "X=$1" .',
    'time -p docker build --build-arg "X=$1" .',
    'declare -r X; docker build --build-arg "X=$X" .',
    'f() { local Y=$1; docker build --build-arg "X=$Y" .; }; f "$OTHER"',
    'f() { local X=$1; docker build --build-arg "X=$X" .; }; f "$OTHER"',
    'declare -x Y=$OTHER; docker build --build-arg "X=$Y" .',
    "docker build --build-arg X=$'a\\n\\'b' .",
    'docker build --build-arg X="$(< value)" .',
    "bash -c 'docker build --build-arg X=\"$X\" .'",
    'mapfile -t L <value; docker build --build-arg "X=${L[0]}" .',
    'docker build --build-arg X="${OTHER//a/b}" .',
    'printf -v Y %s "$OTHER"; docker build --build-arg "X=$Y" .',
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    for name, text in (("docker", DOCKER), ("sudo", SUDO)):
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "sub").mkdir()
    (folder / "vars").write_text("S=$OTHER\n")
    return folder


def run(
    place: Path, shell: str, script: bytes, value: str
) -> list[tuple[list[bytes], Mapping[bytes, bytes]]]:
    """Arguments and environment of each docker that `script` started."""
    record = place / "record"
    shutil.rmtree(record, ignore_errors=True)
    record.mkdir()
    (place / "build.sh").write_bytes(script)
    (place / "value").write_text(value)
    subprocess.run(
        [shell, "build.sh", value, "second"],
        cwd=place,
        env={
            "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "RECORD": str(record),
            "X": value,
            "OTHER": value + "o",
            "W": "".join(value.split()).strip("*~"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=20,
        check=False,
    )
    found = []
    for number in range(len(list(record.glob("*.argv")))):
        argv = (record / f"{number}.argv").read_bytes().split(b"\0")[:-1]
        pairs = (record / f"{number}.env").read_bytes().split(b"\0")[:-1]
        found.append((argv, dict(pair.split(b"=", 1) for pair in pairs)))
    return found


def told(argv: list[bytes], environment: Mapping[bytes, bytes]) -> dict[bytes, bytes | None]:
    """What the build gets, by name, whether as build args or as secrets."""
    found: dict[bytes, bytes | None] = {}
    for index, argument in enumerate(argv):
        for flag in (b"--build-arg", b"--secret"):
            if argument == flag:
                given = argv[index + 1]
            elif argument.startswith(flag + b"="):
                given = argument[len(flag) + 1 :]
            else:
                continue
            if flag == b"--build-arg":
                name, equals, value = given.partition(b"=")
                found[name] = value if equals else environment.get(name)
            else:
                keys = dict(pair.split(b"=", 1) for pair in given.split(b","))
                found[keys[b"id"]] = environment.get(keys[b"env"])
    return found


@pytest.mark.parametrize("script", [*BOTH, *BASH])
def test_the_secret_is_what_the_build_arg_was(place: Path, script: str) -> None:
    shells = [("bash", "bash")]
    if script in BOTH and shutil.which("dash"):
        shells.append(("sh", "dash"))
    for name, shell in shells:
        before = f"#!/bin/{name}\n{script}\n".encode()
        after, refusals = migrate(before, sourced={"vars": b"S=$OTHER\n"})
        assert not refusals
        assert after != before
        compared = 0
        for value in VALUES:
            old = run(place, shell, before, value)
            new = run(place, shell, after, value)
            assert len(old) == len(new)
            for (argv, environment), (argv_after, environment_after) in zip(old, new, strict=True):
                assert not any(b"build-arg" in argument for argument in argv_after)
                expected = told(argv, environment)
                assert told(argv_after, environment_after) == expected, (value, after)
                compared += 1
        assert compared
