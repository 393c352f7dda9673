"""Which Dockerfiles a call builds: by -f, by context, by its arguments' names, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from whole_rewrites import looked_at, rewritten

from dockerfix import parse
from dockerfix.builders import package_json, script
from dockerfix.builders.call import BuildArg, BuildCall, Value
from dockerfix.builders.link import calls_for, link, unlinked_with
from dockerfix.source import Span
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

TAKES = "FROM a\nARG X\nRUN b\n"
PLAIN = "FROM a\nRUN b\n"


def call(
    path: str = "build.sh",
    *,
    kind: str = "shell",
    at: int = 0,
    tool: str = "docker build",
    cwd: str | None = "",
    context: str | None = ".",
    file: str | None = None,
    args: tuple[str, ...] = ("X",),
) -> BuildCall:
    given = tuple(BuildArg(name, Span(at, at + 1), Value.ENVIRONMENT) for name in args)
    return BuildCall(
        kind, path, Span(at, at + 9), tool, None, cwd, context, file, args=given,  # type: ignore[arg-type]
    )  # fmt: skip


def linked(
    root: Path, files: dict[str, str], *calls: BuildCall
) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.linked_by, one.dockerfiles) for one in full(root, files, *calls)]


def full(root: Path, files: dict[str, str], *calls: BuildCall) -> tuple[BuildCall, ...]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    workspace = Workspace(str(root))
    trees = {path: parse(workspace.read(path), path) for path in workspace.dockerfiles()}
    return link(calls, trees, workspace)


@pytest.mark.parametrize(
    ("files", "one", "expected"),
    [
        ({"Dockerfile": TAKES}, call(), ("context", ("Dockerfile",))),
        ({"dockerfile": TAKES}, call(), ("context", ("dockerfile",))),
        (
            {"a/Dockerfile": TAKES, "Dockerfile": TAKES},
            call(context="a"),
            ("context", ("a/Dockerfile",)),
        ),
        (
            {"a/Dockerfile": TAKES, "Dockerfile": TAKES},
            call(file="a/Dockerfile"),
            ("flag", ("a/Dockerfile",)),
        ),
        (
            {"a/x.Dockerfile": TAKES},
            call(cwd="a", file="x.Dockerfile"),
            ("flag", ("a/x.Dockerfile",)),
        ),
        (
            {"a/Dockerfile": TAKES},
            call(cwd="b", file="../a/Dockerfile"),
            ("flag", ("a/Dockerfile",)),
        ),
        (
            {"a/odd.build": TAKES, "Dockerfile": PLAIN},
            call(file="a/odd.build"),
            ("flag", ("a/odd.build",)),
        ),
        # A script may be started in the root, in its own folder, or between.
        ({"s/Dockerfile": TAKES}, call("s/build.sh"), ("context", ("s/Dockerfile",))),
        ({"Dockerfile": TAKES}, call("s/build.sh"), ("context", ("Dockerfile",))),
        ({"p/Dockerfile": TAKES}, call("p/s/build.sh"), ("context", ("p/Dockerfile",))),
        ({"Dockerfile": TAKES}, call("s/build.sh", context=".."), ("context", ("Dockerfile",))),
        (
            {"s/Dockerfile": TAKES, "Dockerfile": PLAIN},
            call("s/build.sh"),
            ("name", ("s/Dockerfile",)),
        ),
        (
            {"s/Dockerfile": TAKES, "Dockerfile": TAKES},
            call("s/build.sh"),
            ("name", ("Dockerfile", "s/Dockerfile")),
        ),
        # A Makefile's folder is known.
        (
            {"s/Dockerfile": TAKES, "Dockerfile": TAKES},
            call("s/Makefile", kind="make", cwd="s"),
            ("context", ("s/Dockerfile",)),
        ),
        # Marks: the script's own folder, the top of the work tree.
        (
            {"s/Dockerfile": TAKES, "Dockerfile": TAKES},
            call("s/b.sh", cwd="\x02"),
            ("context", ("s/Dockerfile",)),
        ),
        (
            {"s/Dockerfile": TAKES, "Dockerfile": TAKES},
            call("s/b.sh", cwd="\x02/.."),
            ("context", ("Dockerfile",)),
        ),
        (
            {"s/Dockerfile": TAKES, "Dockerfile": TAKES},
            call("s/b.sh", cwd="\x04"),
            ("context", ("Dockerfile",)),
        ),
        (
            {"s/Dockerfile": TAKES, "Dockerfile": TAKES},
            call("s/b.sh", cwd=None, context="?", file="\x02/Dockerfile"),
            ("flag", ("s/Dockerfile",)),
        ),
        # By name.
        (
            {"a/Dockerfile": TAKES, "b/Dockerfile": PLAIN},
            call(cwd=None),
            ("name", ("a/Dockerfile",)),
        ),
        ({"a/Dockerfile": TAKES, "b/Dockerfile": TAKES}, call(cwd=None), ("unresolved", ())),
        ({"a/Dockerfile": TAKES}, call(context="?"), ("name", ("a/Dockerfile",))),
        ({"a/Dockerfile": TAKES}, call(context="?", args=("Y",)), ("unresolved", ())),
        # Podman's own default name.
        (
            {"Containerfile": TAKES, "Dockerfile": TAKES},
            call(tool="podman build"),
            ("context", ("Containerfile",)),
        ),
        ({"Containerfile": TAKES, "Dockerfile": TAKES}, call(), ("context", ("Dockerfile",))),
    ],
)
def test_a_call_is_linked(
    files: dict[str, str], one: BuildCall, expected: tuple[str, tuple[str, ...]], tmp_path: Path
) -> None:
    assert linked(tmp_path, files, one) == [expected]


@pytest.mark.parametrize(
    "context", ["https://github.com/a/b.git", "git@github.com:a/b", "github.com/a/b"]
)
def test_a_remote_context_is_not_this_tree(context: str, tmp_path: Path) -> None:
    files = {"Dockerfile": TAKES, "a/Dockerfile": TAKES}
    (one,) = full(tmp_path, files, call(context=context, file="Dockerfile"))
    assert (one.linked_by, one.dockerfiles) == ("unresolved", ())
    assert unlinked_with("X", [one]) == (one,)
    assert unlinked_with("Y", [one]) == ()


def test_rounds_of_a_loop_agree(tmp_path: Path) -> None:
    files = {"a/Dockerfile": TAKES, "b/Dockerfile": TAKES, "c/Dockerfile": TAKES}
    found = full(
        tmp_path,
        files,
        call(file="a/Dockerfile"),
        call(file="b/Dockerfile"),
        call(at=50, file="c/Dockerfile"),
    )
    assert [one.dockerfiles for one in found] == [
        ("a/Dockerfile", "b/Dockerfile"),
        ("a/Dockerfile", "b/Dockerfile"),
        ("c/Dockerfile",),
    ]
    assert calls_for("b/Dockerfile", found) == found[:2]


STDIN = {
    "docker build - < ci/Dockerfile": ("flag", ("ci/Dockerfile",)),
    "docker build -f - . < ci/Dockerfile": ("flag", ("ci/Dockerfile",)),
    "cat ci/Dockerfile | docker build -t a -f- .": ("flag", ("ci/Dockerfile",)),
    "FILE=ci/Dockerfile\ncat $FILE | docker build -": ("flag", ("ci/Dockerfile",)),
    "cd ci\ndocker build - <Dockerfile": ("flag", ("ci/Dockerfile",)),
    # What arrives is not the file as it stands, or not known to be.
    "sed s/a/b/ ci/Dockerfile | docker build -f - .": ("name", ("ci/Dockerfile",)),
    "envsubst < ci/Dockerfile | docker build -": ("name", ("ci/Dockerfile",)),
    "cd ci && pack -- ci/Dockerfile | docker build -": ("name", ("ci/Dockerfile",)),
    "tar -c . | docker build -f ci/Dockerfile -": ("name", ("ci/Dockerfile",)),
    "cat ci/Dockerfile b/Dockerfile | docker build -": ("unresolved", ()),
    "generate | docker build -": ("unresolved", ()),
    "docker build - <<EOF\nFROM a\nEOF": ("context", ("build.sh#heredoc-1",)),
}


@pytest.mark.parametrize("text", STDIN)
def test_a_dockerfile_on_standard_input(text: str, tmp_path: Path) -> None:
    files = {"ci/Dockerfile": TAKES, "b/Dockerfile": TAKES, "build.sh": f"#!/bin/sh\n{text}\n"}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(data.replace(" build ", " build --build-arg X=$X "))
    workspace = Workspace(str(tmp_path))
    trees = {path: parse(workspace.read(path), path) for path in workspace.dockerfiles()}
    calls = script.find_calls("build.sh", workspace.read("build.sh"), workspace)
    (one,) = link(calls, trees, workspace)
    assert (one.linked_by, one.dockerfiles) == STDIN[text]


HANDED_ON = {
    # The script hands all that it is given to docker.
    "./scripts/build.sh --build-arg X=$X -t a": ("name", ("Dockerfile",)),
    "bash scripts/build.sh --build-arg X=$X": ("name", ("Dockerfile",)),
    "bin/image --build-arg X=$X": ("name", ("Dockerfile",)),
    "sudo -E ./scripts/build.sh --build-arg X=$X": ("name", ("Dockerfile",)),
    "cd app && npm run image -- --build-arg X=$X": ("name", ("app/Dockerfile",)),
    "cd app && yarn image --build-arg X=$X": ("name", ("app/Dockerfile",)),
    "cd app && pnpm run image --build-arg X=$X": ("name", ("app/Dockerfile",)),
    # It takes none, or it is not known what it does with them.
    "./scripts/fixed.sh --build-arg X=$X": ("unresolved", ()),
    "./scripts/none.sh --build-arg X=$X": ("unresolved", ()),
    "cd app && npm run other -- --build-arg X=$X": ("unresolved", ()),
}


@pytest.mark.parametrize("text", HANDED_ON)
def test_flags_that_a_script_hands_on(text: str, tmp_path: Path) -> None:
    files = {
        "Dockerfile": TAKES,
        "app/Dockerfile": TAKES,
        "app/package.json": '{"scripts": {"image": "docker build -t a .", "other": "true"}}\n',
        "scripts/build.sh": '#!/bin/sh\ndocker build "$@" .\n',
        "scripts/fixed.sh": "#!/bin/sh\ndocker build .\n",
        "bin/image": '#!/bin/sh\nexec docker build "$@" .\n',
        "release.sh": f"#!/bin/sh\n{text}\n",
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(data)
    workspace = Workspace(str(tmp_path))
    trees = {path: parse(workspace.read(path), path) for path in workspace.dockerfiles()}
    calls = [
        call
        for path, builder in (
            ("scripts/build.sh", script),
            ("scripts/fixed.sh", script),
            ("bin/image", script),
            ("app/package.json", package_json),
            ("release.sh", script),
        )
        for call in builder.find_calls(path, workspace.read(path), workspace)
    ]
    (one,) = (call for call in link(calls, trees, workspace) if call.path == "release.sh")
    assert (one.linked_by, one.dockerfiles) == HANDED_ON[text]
    assert [arg.name for arg in one.args] == ["X"]


@pytest.mark.parametrize(
    "text",
    ["echo ./build.sh --build-arg X=$X", "npm install --build-arg X=$X", "run --build-arg X"],
)
def test_other_commands_hand_nothing_on(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text(f"#!/bin/sh\n{text} # docker build\n")
    workspace = Workspace(str(tmp_path))
    assert not list(script.find_calls("a.sh", workspace.read("a.sh"), workspace))


FUNCTIONS = {
    # Where it builds, and how each of its calls is tied; the last of a line is the build itself.
    'b() { docker build "$@" .; }; b --build-arg X=$X': [("context", "Dockerfile")] * 2,
    'b() { docker build "$@"; }; b --build-arg X=$X app; b --build-arg X .': [
        ("context", "app/Dockerfile"),
        ("context", "Dockerfile"),
        ("context", "Dockerfile app/Dockerfile"),
    ],
    'b() { n=$1; shift; docker build -t $n "$@"; }; b one --build-arg X -f app/Dockerfile .': [
        ("flag", "app/Dockerfile")
    ]
    * 2,
    # One word may be the function's own, or the folder.
    'b() { n=$1; shift; docker build -t $n "$@"; }; b app --build-arg X': [("unresolved", "")] * 2,
}


@pytest.mark.parametrize("text", FUNCTIONS)
def test_a_function_that_hands_its_words_on(text: str, tmp_path: Path) -> None:
    files = {"Dockerfile": TAKES, "app/Dockerfile": TAKES, "b.sh": f"#!/bin/sh\n{text}\n"}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(data)
    workspace = Workspace(str(tmp_path))
    trees = {path: parse(workspace.read(path), path) for path in workspace.dockerfiles()}
    found = link(script.find_calls("b.sh", workspace.read("b.sh"), workspace), trees, workspace)
    ordered = sorted(found, key=lambda one: one.forward is None)
    assert [(one.linked_by, " ".join(one.dockerfiles)) for one in ordered] == FUNCTIONS[text]
    assert [(one.part, one.unresolved) for one in ordered if not one.forward] == [(True, ())]


def test_sudo_in_the_script_that_gets_the_flags_is_refused(tmp_path: Path) -> None:
    texts = {"sudo": True, "sudo -E": False, "time": False}
    for wrapper, refused in texts.items():
        text = f'b() {{ {wrapper} docker build "$@" .; }}; b --build-arg X=$X'
        workspace = Workspace(str(tmp_path))
        calls = script.find_calls("b.sh", f"#!/bin/sh\n{text}\n".encode(), workspace)
        (one,) = (call for call in link(calls, {}, workspace) if call.forward)
        assert (one.refusal is not None) == refused


def test_a_place_where_no_dockerfile_is_follows_the_others_of_its_build(tmp_path: Path) -> None:
    calls = (
        call("w.yml", kind="github", context="."),
        call("w.yml", kind="github", context="api"),
        call("w.yml", kind="github", context="?"),
        call("w.yml", kind="github", context=".", at=20),
    )
    files = {"api/Dockerfile": TAKES, "web/Dockerfile": PLAIN}
    assert linked(tmp_path, files, *calls) == [
        ("context", ("api/Dockerfile",)),
        ("context", ("api/Dockerfile",)),
        ("name", ("api/Dockerfile",)),
        ("name", ("api/Dockerfile",)),
    ]


def test_a_call_that_a_name_can_tie_once_the_secret_is_gone(tmp_path: Path) -> None:
    """Two Dockerfiles take the secret, and a third alone the other argument."""
    run = "FROM node:20\nARG {}\nRUN npm ci --ignore-scripts\n"
    files = {
        "a/Dockerfile": run.format("T_TOKEN"),
        "b/Dockerfile": run.format("T_TOKEN"),
        "c/Dockerfile": run.format("MODE"),
        "build.sh": "#!/bin/sh\n"
        'docker build -f "$1/Dockerfile" --build-arg MODE=x --build-arg "T_TOKEN=$T_TOKEN" .\n',
    }
    found = rewritten(tmp_path / "work", files)
    assert '--secret "id=T_TOKEN,env=T_TOKEN"' in found["build.sh"]
    assert all("ARG T_TOKEN" not in found[path] for path in ("a/Dockerfile", "b/Dockerfile"))


def test_an_argument_of_one_dockerfile_does_not_keep_the_others_from_a_call(tmp_path: Path) -> None:
    """`-f` is a variable: MODE is for the first, and the secret for both."""
    run = "FROM node:20\nARG T_TOKEN\n{}RUN npm ci --ignore-scripts\n"
    files = {
        "a/Dockerfile": run.format("ARG MODE\n"),
        "b/Dockerfile": run.format(""),
        "build.sh": "#!/bin/sh\n"
        'docker build -f "$1/Dockerfile" --build-arg MODE=x --build-arg "T_TOKEN=$T_TOKEN" .\n',
    }
    result = looked_at(tmp_path / "work", files, unsafe_fixes=True)
    assert not result.errors
    assert set(result.changes) == set(files)
    assert not result.outside_callers
    files["b/Dockerfile"] += "LABEL token=$T_TOKEN\n"
    assert not looked_at(tmp_path / "refused", files, unsafe_fixes=True).changes
