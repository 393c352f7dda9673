"""Shell scripts as callers: what is found in them, and how each way of passing a value is rewritten."""

from __future__ import annotations

import pytest
from yaml_callers import Files

from dockerfix.builders.call import BuildCall, Value
from dockerfix.builders.clients import tables
from dockerfix.builders.command_line import mentions_build
from dockerfix.builders.script import claims, find_calls
from dockerfix.edits import Fix, Operation, Safety, apply
from dockerfix.finding import Refusal
from dockerfix.source import Source


def calls(
    data: bytes, *, sourced: dict[str, bytes] | None = None, path: str = "build.sh"
) -> list[BuildCall]:
    files = Files({path: data, **(sourced or {})})
    return list(find_calls(path, data, files))  # type: ignore[arg-type]


def migrate(
    data: bytes, *, sourced: dict[str, bytes] | None = None, drop: bool = False
) -> tuple[bytes, list[Refusal]]:
    """Every build arg of every call turned into a secret (or dropped), and what was refused."""
    operations: list[Operation] = []
    refusals: list[Refusal] = []
    for call in calls(data, sourced=sourced):
        for arg in call.args:
            last = call.passes(arg.name)[-1] is arg
            result = call.take_secret(arg, arg.name) if last and not drop else call.drop(arg)
            if isinstance(result, Refusal):
                refusals.append(result)
            else:
                operations += result
    return written(data, operations), refusals


def written(data: bytes, operations: list[Operation]) -> bytes:
    fix = Fix("test", Safety.SAFE, "none", tuple(operations))
    return apply({"build.sh": Source("build.sh", data)}, [fix]).get("build.sh", data)


def turned(script: str, *, drop: bool = False) -> str:
    found, refusals = migrate(script.encode(), drop=drop)
    assert not refusals
    return found.decode()


IN_PLACE = [
    ("docker build --build-arg X .", "docker build --secret id=X,env=X ."),
    ("docker build --build-arg X=$X .", "docker build --secret id=X,env=X ."),
    ('docker build --build-arg X="$X" .', "docker build --secret id=X,env=X ."),
    ('docker build --build-arg "X=${X}" .', 'docker build --secret "id=X,env=X" .'),
    ('docker build --build-arg="X=$X" .', 'docker build --secret="id=X,env=X" .'),
    ("docker build --build-arg=X=$X .", "docker build --secret=id=X,env=X ."),
    ('docker build "--build-arg=X=$X" .', 'docker build "--secret=id=X,env=X" .'),
    ("docker build . --build-arg X=$X", "docker build . --secret id=X,env=X"),
    ("docker build --build-arg X=$OTHER .", "docker build --secret id=X,env=OTHER ."),
    ("docker build --build-arg X=${X:-} .", "docker build --secret id=X,env=X ."),
    ("docker  build --build-arg   X=$X .", "docker  build --secret   id=X,env=X ."),
    (
        "docker build\\\n   --build-arg X=$X\\\n   .",
        "docker build\\\n   --secret id=X,env=X\\\n   .",
    ),
    ("docker build --build-arg \\\n X=$X .", "docker build --secret \\\n id=X,env=X ."),
    ("podman build --build-arg X=$X .", "podman build --secret id=X,env=X ."),
    ("buildah bud --build-arg X=$X .", "buildah bud --secret id=X,env=X ."),
    ("nerdctl build --build-arg X=$X .", "nerdctl build --secret id=X,env=X ."),
    ("docker --context c build --build-arg X .", "docker --context c build --secret id=X,env=X ."),
    ("docker buildx b --build-arg X .", "docker buildx b --secret id=X,env=X ."),
    ("docker image build --build-arg X .", "docker image build --secret id=X,env=X ."),
    (
        'D="${D:-docker}"\n$D build --build-arg X .',
        'D="${D:-docker}"\n$D build --secret id=X,env=X .',
    ),
    ("docker builder build --build-arg X .", "docker builder build --secret id=X,env=X ."),
    ("I=$(docker build -q --build-arg X=$X .)", "I=$(docker build -q --secret id=X,env=X .)"),
    ("${DOCKER:-docker} build --build-arg X .", "${DOCKER:-docker} build --secret id=X,env=X ."),
    ("/usr/bin/docker build --build-arg X .", "/usr/bin/docker build --secret id=X,env=X ."),
    (
        "export X=$1; docker build --build-arg X=$X .",
        "export X=$1; docker build --secret id=X,env=X .",
    ),
    ("# docker build --build-arg X=$X\ntrue", "# docker build --build-arg X=$X\ntrue"),
    ("echo docker build --build-arg X=$X .", "echo docker build --build-arg X=$X ."),
    ("cat <<E\ndocker build --build-arg X=$X .\nE", "cat <<E\ndocker build --build-arg X=$X .\nE"),
    (
        "docker build --build-arg A=$A \\\n --build-arg B=$B .",
        "docker build --secret id=A,env=A \\\n --secret id=B,env=B .",
    ),
]


@pytest.mark.parametrize(("before", "after"), IN_PLACE)
def test_from_the_environment_in_place(before: str, after: str) -> None:
    assert turned(before) == after


BY_PREFIX = [
    ("Y=1; docker build --build-arg X=$Y .", 'Y=1; X="$Y" docker build --secret id=X,env=X .'),
    ("docker build --build-arg X=$1 .", 'X="$1" docker build --secret id=X,env=X .'),
    ("docker build --build-arg X=abc .", "X=abc docker build --secret id=X,env=X ."),
    ("docker build --build-arg X= .", "X= docker build --secret id=X,env=X ."),
    ("docker build --build-arg X=${X:?} .", 'X="${X:?}" docker build --secret id=X,env=X .'),
    ("docker build --build-arg X=$(cat f) .", 'X="$(cat f)" docker build --secret id=X,env=X .'),
    (
        "set -u\ndocker build --build-arg X=$X .",
        'set -u\nX="$X" docker build --secret id=X,env=X .',
    ),
    (
        "docker build --build-arg A=$1 --build-arg B=$2 .",
        'A="$1" B="$2" docker build --secret id=A,env=A --secret id=B,env=B .',
    ),
    (
        "sudo docker build --build-arg A=$A --build-arg B=$B .",
        "sudo --preserve-env=A,B docker build --secret id=A,env=A --secret id=B,env=B .",
    ),
    (
        "sudo --preserve-env=A docker build --build-arg B=$1 .",
        'B="$1" sudo --preserve-env=A,B docker build --secret id=B,env=B .',
    ),
    (
        'S=; [ -n "$C" ] && S=sudo\n$S docker build --build-arg X=$X .',
        'S=; [ -n "$C" ] && S="sudo --preserve-env=X"\n$S docker build --secret id=X,env=X .',
    ),
    (
        "docker build --build-arg AWS_SECRET_ACCESS_KEY=$1 .",
        'DOCKERFIX_AWS_SECRET_ACCESS_KEY="$1" docker build '
        "--secret id=AWS_SECRET_ACCESS_KEY,env=DOCKERFIX_AWS_SECRET_ACCESS_KEY .",
    ),
    (
        "docker build --build-arg AWS_KEY=$AWS_KEY .",
        "docker build --secret id=AWS_KEY,env=AWS_KEY .",
    ),
    (
        ". ./unseen\ndocker build --build-arg X=$X .",
        '. ./unseen\nX="$X" docker build --secret id=X,env=X .',
    ),
    (
        "a=(--build-arg X=$1)\ndocker build ${a[@]} .",
        'a=(--secret id=X,env=X)\nX="$1" docker build ${a[@]} .',
    ),
]


@pytest.mark.parametrize(("before", "after"), BY_PREFIX)
def test_set_for_the_client(before: str, after: str) -> None:
    assert turned(before) == after


DROPPED = [
    ("docker build --build-arg X=$X .", "docker build ."),
    ("docker build --build-arg=X=$X -t a .", "docker build -t a ."),
    ("docker build . --build-arg X=$X", "docker build ."),
    ("(docker build . --build-arg X=$X )", "(docker build . )"),
    ("docker build \\\n  --build-arg X=$X \\\n  .\n", "docker build \\\n  .\n"),
    ("docker build . \\\n  -t a \\\n  --build-arg X=$X\n", "docker build . \\\n  -t a\n"),
    ("docker build . \\\n  --build-arg X=$X \\\n  --build-arg Y\n", "docker build .\n"),
    ("docker build --build-arg X=$X \\\n  -t a .\n", "docker build \\\n  -t a .\n"),
    ("docker build \\\r\n  --build-arg X=$X \\\r\n  .\r\n", "docker build \\\r\n  .\r\n"),
    ("docker build --build-arg \\\n    X=$X \\\n  .\n", "docker build \\\n  .\n"),
    ("docker build ${X:+--build-arg X=$X} .", "docker build ."),
    ("docker build ${X:+--pull --build-arg X=$X} .", "docker build ${X:+--pull} ."),
    (
        "a=(\n  --build-arg X=$X\n  -t b\n)\ndocker build ${a[@]} .",
        "a=(\n  -t b\n)\ndocker build ${a[@]} .",
    ),
    ("a=(--build-arg X=$X)\ndocker build ${a[@]} .", "a=()\ndocker build ${a[@]} ."),
    ('a="--build-arg X=$X -t b"\ndocker build $a .', 'a="-t b"\ndocker build $a .'),
    ('a="-t b --build-arg X=$X"\ndocker build $a .', 'a="-t b"\ndocker build $a .'),
    (
        'a="--pull"; a="$a --build-arg X=$X"; docker build $a .',
        'a="--pull"; a="$a"; docker build $a .',
    ),
]


@pytest.mark.parametrize(("before", "after"), DROPPED)
def test_a_dropped_flag_goes_with_its_blank_or_its_line(before: str, after: str) -> None:
    assert turned(before, drop=True) == after


REFUSED = [
    ("DOCKER_BUILDKIT=0 docker build --build-arg X .", "classic builder"),
    ("export DOCKER_BUILDKIT=0\ndocker build --build-arg X .", "classic builder"),
    ("docker build --squash --build-arg X .", "squash"),
    ("env -i docker build --build-arg X .", "env -i"),
    ("ssh h docker build --build-arg X=$X .", "ssh"),
    ('ssh h "docker build --build-arg X=$X ."', "ssh"),
    ("docker exec c docker build --build-arg X .", "another container"),
    ("docker run d sh -c 'docker build --build-arg X .'", "another container"),
    ("kubectl exec p -- docker build --build-arg X .", "pod"),
    ("su -c 'docker build --build-arg X=$X .' me", "su "),
    ("docker compose build --build-arg X", "compose"),
    ("docker-compose build --build-arg X=$X", "compose"),
    ("az acr build --build-arg X=$X .", "az acr"),
    ("/kaniko/executor --build-arg X=$X --context .", "kaniko"),
    ("mystery docker build --build-arg X .", "mystery"),
    ("docker build --build-arg X=~/key .", "tilde"),
    ("docker build --build-arg X={a,b} .", "brace"),
    ('Y=1; a=(--build-arg "X=$Y"); Y=2; docker build "${a[@]}" .', "assigned again"),
    ('a=(--build-arg "X=$X"); docker build "${a[@]}" .; push "${a[@]}"', "no build is seen"),
    ('sudo bash -c "docker build --build-arg X=$X ."', "outer shell"),
]


@pytest.mark.parametrize(("script", "reason"), REFUSED)
def test_what_cannot_take_a_secret_is_refused_with_a_reason(script: str, reason: str) -> None:
    after, refusals = migrate(script.encode())
    assert after == script.encode()
    assert [refusal for refusal in refusals if reason in refusal.reason and refusal.help]


LINKS = [
    ("cd api && docker build --target t .", ("api", ".", None, "t")),
    ('cd "$(dirname "$0")/.." && docker build -f d/D c', ("\x02/..", "c", "d/D", None)),
    ("D=d/D; docker build -f $D - <x", ("", "-", "d/D", None)),
    ("docker build -fD .", ("", ".", "D", None)),
    ("pushd a; pushd b; popd; docker build .", ("a", ".", None, None)),
    ("(cd a); docker build .", ("", ".", None, None)),
    ("cd $1; docker build .", (None, ".", None, None)),
    ('docker build -f "$F" --target=$T .', ("", ".", "?", "?")),
    ('R=$(git rev-parse --show-toplevel); docker build "$R/a"', ("", "\x04/a", None, None)),
    (
        'H="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"; docker build "$H"',
        ("", "\x02", None, None),
    ),
]


@pytest.mark.parametrize(("script", "expected"), LINKS)
def test_where_and_what_a_call_builds(script: str, expected: tuple[object, ...]) -> None:
    (call,) = calls(script.encode())
    assert (call.cwd, call.context, call.dockerfile_argument, call.target) == expected


def test_a_loop_over_literals_is_a_call_a_round() -> None:
    found = calls(b"for s in a b; do docker build -f $s/D $s; done")
    assert [(call.context, call.dockerfile_argument) for call in found] == [
        ("a", "a/D"),
        ("b", "b/D"),
    ]
    assert len({call.span for call in found}) == 1


def test_a_function_is_a_call_a_call_site() -> None:
    found = calls(b"b() { docker build -f $1 .; }\nb one/D\nb two/D\n")
    assert [call.dockerfile_argument for call in found] == ["one/D", "two/D"]


@pytest.mark.parametrize("folder", ["$2", '"$2"', "$folder", '"${folder}"'])
def test_each_call_of_a_function_builds_its_own_folder(folder: str) -> None:
    text = (
        f"f() {{ local folder=$2; docker build -t $1 --build-arg X {folder}; }}\nf a .\nf b ./svc\n"
    )
    assert [one.context for one in calls(text.encode())] == [".", "./svc"]


def test_the_dash_before_a_heredoc_is_a_word() -> None:
    (call,) = calls(b"docker build --build-arg X=$X -t a - <<EOF\nFROM a\nEOF\n")
    assert (call.context, call.linked_by) == ("-", "context")
    (call,) = calls(b'docker build --build-arg X=$X - <<< "$text"\n')
    assert (call.context, call.linked_by) == ("-", "unresolved")
    (call,) = calls(b"docker build --build-arg X=$X -f- . <<EOF\nFROM a\nEOF\n")
    assert (call.context, call.dockerfile_argument, call.linked_by) == (".", "-", "context")


def test_words_that_may_hold_flags_are_told() -> None:
    (call,) = calls(b'docker build $OPTS $(flags) "${more[@]}" --build-arg "$kv" .')
    assert call.unresolved == ("$OPTS", "$(flags)", '"${more[@]}"', '--build-arg "$kv"')


def test_a_string_of_flags_that_starts_outside_may_hold_more() -> None:
    (call,) = calls(b'A="$A --build-arg X=$X"; docker build $A .')
    assert call.unresolved == ("$A",)
    assert [arg.name for arg in call.args] == ["X"]


@pytest.mark.parametrize(
    ("script", "value", "exported", "always", "empty"),
    [
        ("docker build --build-arg X .", Value.ENVIRONMENT, True, False, True),
        ("docker build --build-arg X=$X .", Value.ENVIRONMENT, True, True, True),
        ("docker build --build-arg X=$1 .", Value.TEXT, False, True, True),
        ("docker build --build-arg X=abc .", Value.LITERAL, False, True, False),
        ("docker build --build-arg X= .", Value.LITERAL, False, True, True),
        ("X=abc; docker build --build-arg X=$X .", Value.LITERAL, False, True, False),
        ("docker build ${X:+--build-arg X=$X} .", Value.ENVIRONMENT, True, False, True),
        ("docker build --build-arg X=${X:?} .", Value.TEXT, False, True, False),
    ],
)
def test_what_a_value_is_made_of(
    script: str, value: Value, exported: bool, always: bool, empty: bool
) -> None:
    (call,) = calls(script.encode())
    (arg,) = call.args
    assert (arg.value, arg.exported, arg.always_set, arg.may_be_empty) == (
        value,
        exported,
        always,
        empty,
    )


def test_a_file_that_others_source_may_find_anything_assigned() -> None:
    library = b"b() { docker build --build-arg X=$X .; }\n"
    main = b"#!/bin/sh\nX=$(cat f)\n. ./build.sh\nb\n"
    after, refusals = migrate(library, sourced={"main.sh": main})
    assert not refusals
    assert after == b'b() { X="$X" docker build --secret id=X,env=X .; }\n'


def test_an_existing_secret_is_not_given_twice() -> None:
    assert (
        turned("docker build --secret id=X,env=X --build-arg X=$X .")
        == "docker build --secret id=X,env=X ."
    )
    _, refusals = migrate(b"docker build --secret id=X,env=Y --build-arg X=$X .")
    assert len(refusals) == 1


@pytest.mark.parametrize(
    ("script", "source", "expected"),
    [
        ("docker build .", None, "docker build --secret id=X ."),
        ("docker build \\\n  -t a .", None, "docker build \\\n  --secret id=X \\\n  -t a ."),
        ("sudo docker build .", None, "sudo --preserve-env=X docker build --secret id=X ."),
        ("docker build .", "env:Y", "docker build --secret id=X,env=Y ."),
        ("docker build .", "file:a/b", "docker build --secret id=X,src=a/b ."),
        (
            "docker build .",
            "command:vault read x",
            'X="$(vault read x)" docker build --secret id=X,env=X .',
        ),
    ],
)
def test_a_secret_that_was_no_build_arg(script: str, source: str | None, expected: str) -> None:
    (call,) = calls(script.encode())
    result = call.add_secret("X", source)
    assert not isinstance(result, Refusal)
    assert written(script.encode(), list(result)).decode() == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("env:Y", "docker build --secret id=X,env=Y ."),
        ("file:k", "docker build --secret id=X,src=k ."),
        ("command:get x", 'X="$(get x)" docker build --secret id=X,env=X .'),
    ],
)
def test_a_configured_source_replaces_the_value(source: str, expected: str) -> None:
    script = b"docker build --build-arg X=abc ."
    (call,) = calls(script)
    result = call.take_secret(call.args[0], "X", source)
    assert not isinstance(result, Refusal)
    assert written(script, list(result)).decode() == expected


@pytest.mark.parametrize(
    ("path", "head", "expected"),
    [
        ("a.sh", b"", True),
        ("a.bash", b"set -e\n", True),
        ("ci/build", b"#!/usr/bin/env bash\n", True),
        ("ci/build", b"#!/usr/bin/env -S bash -e\n", True),
        ("x", b"#! /bin/sh -e\n", True),
        ("a.sh", b"#!/usr/bin/env python\n", False),
        ("a.py", b"import os\n", False),
        ("Makefile", b"all:\n", False),
    ],
)
def test_which_files_are_scripts(path: str, head: bytes, expected: bool) -> None:
    assert claims(path, head) is expected


def test_a_variable_of_the_script_around_a_trap_is_not_read_in_the_text_of_the_trap() -> None:
    data = (
        b"#!/bin/sh\n# %s\ncid=$(docker create x)\ntrap 'docker rm -f \"$cid\"' EXIT\n"
        b"docker build --build-arg X .\n"
    )
    (call,) = find_calls("b.sh", data % (b"-" * 80), None)
    assert [arg.name for arg in call.args] == ["X"]


def test_no_client_of_the_table_is_overlooked() -> None:
    for client in tables().clients:
        for program in client.programs:
            for said in (*client.commands, *client.bake, *client.compose):
                assert mentions_build(" ".join((program, *said, ".")).encode()), (program, said)
    assert mentions_build(b"$DOCKER build .")
    assert mentions_build(b"./image.sh --build-arg X=1")
    assert not mentions_build(b"npm run build\nmake build\n")
