"""Compose files: what PyYAML reads after the change is what was meant, and the rest is refused."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from turning import calls_in, turned

from dockerfix.builders import compose
from dockerfix.builders.compose_text import one_variable, parts, read_environment, resolved
from dockerfix.finding import Refusal

if TYPE_CHECKING:
    from pathlib import Path

FILE = "compose.yaml"

ARGS = {
    "map": "args:\n        A: one\n        X: ${X}\n        Y: $OTHER\n",
    "list": "args:\n        - A=one\n        - X\n        - Y=${OTHER:-}\n",
    "level": "args:\n      - A=one\n      - X=${X}\n      - Y=$OTHER\n",
    "flow map": "args: {A: one, X: , Y: '${OTHER}'}\n",
    "flow list": 'args: [A=one, X, "Y=${OTHER}"]\n',
    "no others": "args:\n        X: ${X}\n        Y: ${OTHER}\n",
    "quoted": "args:\n        \"X\": \"${X}\"  # x\n        # y\n        'Y': '$OTHER'\n",
}
BEHIND = {"nothing": "", "target": "      target: t\n", "secrets": "      secrets: [db]\n"}
TOP = {"nothing": "", "secrets": "secrets:\n  db:\n    file: ./db\n"}


def given(args: object) -> dict[str, object]:
    """`args` as a map."""
    if isinstance(args, list):
        return {one.partition("=")[0]: one.partition("=")[2] for one in args}
    return dict(args) if isinstance(args, dict) else {}


@pytest.mark.parametrize(
    ("args", "behind", "top", "eol"),
    list(itertools.product(ARGS, BEHIND, TOP, ("\n", "\r\n"))),
)
def test_arguments_become_secrets_and_nothing_else_changes(
    tmp_path: Path, args: str, behind: str, top: str, eol: str
) -> None:
    text = (
        "services:\n  web:\n    image: w\n    build:\n      context: .\n      "
        + ARGS[args]
        + BEHIND[behind]
        + TOP[top]
    ).replace("\n", eol)
    after = turned(compose, tmp_path, {FILE: text}, FILE, ["X", "Y"])
    assert not isinstance(after, Refusal)
    assert after[FILE].count(b"\r\n") == (after[FILE].count(b"\n") if eol == "\r\n" else 0)
    old, new = yaml.safe_load(text), yaml.safe_load(after[FILE])
    build, was = new["services"]["web"]["build"], old["services"]["web"]["build"]
    assert build.pop("secrets") == [*was.pop("secrets", []), "X", "Y"]
    left = {k: v for k, v in given(was.pop("args")).items() if k not in ("X", "Y")}
    assert given(build.pop("args", {})) == left
    assert new.pop("secrets") == {
        **old.pop("secrets", {}),
        "X": {"environment": "X"},
        "Y": {"environment": "OTHER"},
    }
    assert new == old


SHARED = {
    "alias": ("x-a: &a\n  X: $X\n", "*a", "*a"),
    "alias with others": ("x-a: &a\n  X: $X\n  A: 1\n", "*a", "*a"),
    "merge": ("x-a: &a\n  X: $X\n", "{<<: *a, B: 2}", "{<<: *a}"),
    "merge of two": ("x-a: &a {X: $X}\nx-b: &b {B: 1}\n", "{<<: [*a, *b]}", "{<<: [*b, *a]}"),
    "list": ("x-a: &a\n  - X\n  - A=1\n", "*a", "*a"),
}


@pytest.mark.parametrize("shared", SHARED)
def test_what_services_share_changes_for_all(tmp_path: Path, shared: str) -> None:
    head, one, two = SHARED[shared]
    text = (
        f"{head}services:\n  one:\n    build:\n      context: a\n      args: {one}\n"
        f"  two:\n    build:\n      context: b\n      args: {two}\n"
    )
    after = turned(compose, tmp_path, {FILE: text}, FILE, ["X"])
    assert not isinstance(after, Refusal)
    new = yaml.safe_load(after[FILE])
    for service, was in zip(("one", "two"), yaml.safe_load(text)["services"].values(), strict=True):
        build = new["services"][service]["build"]
        left = {k: v for k, v in given(was["build"]["args"]).items() if k != "X"}
        assert given(build.get("args", {})) == left
        assert build["secrets"] == ["X"]
    assert new["secrets"] == {"X": {"environment": "X"}}
    assert b"*a" not in after[FILE] or b"&a" in after[FILE]


TOGETHER = {
    "alias": ("x-a: &a\n  X: $X\n  Y: $Y\n", "*a", "*a"),
    "alias with others": ("x-a: &a\n  X: $X\n  A: 1\n  Y: $Y\n", "*a", "{<<: *a}"),
    "merge": ("x-a: &a\n  X: $X\n  Y: $Y\n", "{<<: *a, B: 2}", "{<<: *a}"),
    "merge of two": ("x-a: &a {X: $X}\nx-b: &b {Y: $Y}\n", "{<<: [*a, *b]}", "{<<: [*b, *a]}"),
    "merge of one with two": ("x-a: &a {X: $X, Y: $Y}\n", "{<<: [*a], C: 1}", "*a"),
    "list": ("x-a: &a\n  - X\n  - A=1\n  - Y\n", "*a", "*a"),
    "list that goes": ("x-a: &a [X, Y]\n", "*a", "*a"),
}


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("shared", TOGETHER)
def test_several_secrets_that_services_share_go_in_one_round(
    tmp_path: Path, shared: str, alone: bool
) -> None:
    head, one, two = TOGETHER[shared]
    context = "" if alone else "      context: .\n"
    text = f"{head}services:\n  one:\n    build:\n{context}      args: {one}\n"
    text += f"  two:\n    build:\n      target: t\n      args: {two}\n"
    after = turned(compose, tmp_path, {FILE: text}, FILE, ["X", "Y"], rounds=1)
    assert not isinstance(after, Refusal)
    new = yaml.safe_load(after[FILE])
    for name, was in yaml.safe_load(text)["services"].items():
        build = new["services"][name]["build"]
        left = {k: v for k, v in given(was["build"].pop("args")).items() if k not in ("X", "Y")}
        assert given(build.pop("args", {})) == left
        assert sorted(build.pop("secrets")) == ["X", "Y"]
        assert build == was["build"]
    assert new["secrets"] == {"X": {"environment": "X"}, "Y": {"environment": "Y"}}
    assert b"*a" not in after[FILE] or b"&a" in after[FILE]


def test_a_build_that_holds_nothing_but_args_keeps_its_secrets(tmp_path: Path) -> None:
    text = "services:\n  web:\n    build:\n      args:\n        X: $X\n        Y: $Y\n"
    after = turned(compose, tmp_path, {FILE: text}, FILE, ["X", "Y"])
    assert not isinstance(after, Refusal)
    build = yaml.safe_load(after[FILE])["services"]["web"]["build"]
    assert sorted(build.pop("secrets")) == ["X", "Y"]
    assert build == {}


def test_an_argument_that_nothing_reads_goes_alone(tmp_path: Path) -> None:
    text = "services:\n  web:\n    build:\n      context: .\n      args: [X=1]\n"
    after = turned(compose, tmp_path, {FILE: text}, FILE, ["X"], drop=True)
    assert after == {FILE: b"services:\n  web:\n    build:\n      context: .\n"}


def service(value: str, more: str = "") -> str:
    return f"services:\n  web:\n    build:\n      context: .\n      args:\n        {value}\n{more}"


def test_an_error_of_its_own_goes_on_failing(tmp_path: Path) -> None:
    text = service("X: '${X:?no: X}'", "  b:\n    build: {context: ., args: ['X=${X?other}']}\n")
    after = turned(compose, tmp_path, {FILE: text}, FILE, ["X"])
    assert not isinstance(after, Refusal)
    new = yaml.safe_load(after[FILE])
    assert new.pop("x-required-X") == "${X:?no: X}"
    assert new.pop("secrets") == {"X": {"environment": "X"}}
    assert [one["build"] for one in new["services"].values()] == [
        {"context": ".", "secrets": ["X"]}
    ] * 2
    assert after[FILE].count(b"x-required-X") == 1


REFUSED = [
    (service("X: abc"), "written out"),
    (service("X: a${X}"), "put together"),
    (service("X: ${X:-abc}"), "default"),
    (service("X: ${X}", "secrets:\n  X:\n    file: ./x\n"), "already"),
    (
        service("X: ${X}", "  b:\n    build:\n      context: .\n      args: ['X=${Z}']\n"),
        "different variables",
    ),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_refused(tmp_path: Path, text: str, reason: str) -> None:
    result = turned(compose, tmp_path, {FILE: text}, FILE, ["X"])
    assert isinstance(result, Refusal)
    assert reason in result.reason
    assert result.help


SEEN = [
    ("deploy.sh", "docker stack deploy --compose-file compose.yaml a", "docker stack"),
    ("convert.sh", "kompose convert -f compose.yaml", "kompose"),
    (".travis.yml", "- pip install docker-compose==1.29.2", "v1"),
    ("build.sh", "DOCKER_BUILDKIT=0 docker compose build", "DOCKER_BUILDKIT=0"),
]


@pytest.mark.parametrize(("path", "text", "reason"), SEEN)
def test_what_else_reads_the_file_is_seen(
    tmp_path: Path, path: str, text: str, reason: str
) -> None:
    files = {FILE: service("X: ${X}"), path: text + "\n"}
    (call,) = calls_in(compose, tmp_path, files, FILE)
    assert call.refusal is not None
    assert reason in call.refusal.reason
    assert call.refusal.path == path


def test_docker_compose_by_its_old_name_may_be_version_one(tmp_path: Path) -> None:
    files = {FILE: service("X: ${X}"), "build.sh": "docker-compose -f compose.yaml build\n"}
    (call,) = calls_in(compose, tmp_path, files, FILE)
    assert (call.refusal, call.buildkit) == (None, "unknown")
    assert "build.sh" in call.evidence


LINKS: list[tuple[str, tuple[str | None, str | None, str | None]]] = [
    ("build: ./web", ("d/web", None, None)),
    ("build: {context: web, dockerfile: D, target: t}", ("d/web", "d/web/D", "t")),
    ("build: {context: .., dockerfile: web/D}", (".", "web/D", None)),
    ("build: {context: '${DIR:-web}'}", ("d/web", None, None)),
    ("build: {context: '${IN_ENV}/x'}", ("d/e/x", None, None)),
    ("build: {context: '${DIR}'}", ("?", None, None)),
    ("build: https://github.com/a/b.git", ("https://github.com/a/b.git", None, None)),
    ("build: {context: ., dockerfile_inline: FROM a}", ("d", None, None)),
    ("build: {dockerfile_inline: FROM a}", ("d", None, None)),
]


@pytest.mark.parametrize(("build", "link"), LINKS)
def test_context_dockerfile_and_target(
    tmp_path: Path, build: str, link: tuple[str | None, str | None, str | None]
) -> None:
    files = {"d/compose.yml": f"services:\n  a:\n    {build}\n", "d/.env": "IN_ENV=e\n"}
    (call,) = calls_in(compose, tmp_path, files, "d/compose.yml")
    assert (call.context, call.dockerfile_argument, call.target) == link
    assert call.linked_by == ("context" if "inline" in build else "unresolved")


def test_an_override_passes_for_its_base(tmp_path: Path) -> None:
    files = {
        "docker-compose.yml": "services:\n  a:\n    build: ./a\n",
        "docker-compose.override.yml": "services:\n  a:\n    build: {args: [X]}\n",
        "docker-compose.dev.yml": "services:\n  a:\n    build: {context: ./b, target: dev}\n",
    }
    for path, context, names in (
        ("docker-compose.yml", "a", ["X"]),
        ("docker-compose.override.yml", "a", ["X"]),
        ("docker-compose.dev.yml", "b", []),
    ):
        (call,) = calls_in(compose, tmp_path, files, path)
        assert (call.context, [arg.name for arg in call.args]) == (context, names)


def test_a_file_whose_services_only_extend_others_says_what_the_secret_is(tmp_path: Path) -> None:
    files = {
        FILE: "services:\n  a:\n    extends: {file: base.yml, service: b}\n",
        "base.yml": "services:\n  b:\n    build:\n      context: .\n      args: [X]\n",
    }
    after = turned(compose, tmp_path, files, FILE, ["X"])
    assert not isinstance(after, Refusal)
    said = {name: yaml.safe_load(data) for name, data in after.items()}
    assert said[FILE]["secrets"] == {"X": {"environment": "X"}}
    assert said["base.yml"]["services"]["b"]["build"] == {"context": ".", "secrets": ["X"]}


def test_paths_may_count_from_a_folder_above(tmp_path: Path) -> None:
    """`include` and the first `-f` say from where: what is there decides."""
    text = "services:\n  a:\n    build: {context: ./web, dockerfile: ../docker/D}\n"
    files = {"docker/dev/compose.yml": text, "web/x": "", "docker/D": ""}
    (call,) = calls_in(compose, tmp_path, files, "docker/dev/compose.yml")
    assert (call.context, call.dockerfile_argument) == ("web", "docker/D")


@pytest.mark.parametrize("data", ["services: [", "a: *b\nservices: {a: {build: *c}}", "build", ""])
def test_broken_files_hold_no_calls(tmp_path: Path, data: str) -> None:
    assert calls_in(compose, tmp_path, {FILE: data}, FILE) == []


@pytest.mark.parametrize(
    ("path", "text", "calls"),
    [
        ("compose.yaml", "services: {a: {build: web}}", 1),
        ("a/docker-compose.prod.yml", "services: {a: {build: web}}", 1),
        ("stack/all.yml", "services:\n  a: {build: ../web}\n", 1),
        ("stack/all.yml", "services:\n  a: {build: {context: https://h/x.git}}\n", 1),
        ("stack/all.yml", "services:\n  a: {build: unknown}\n", 0),
        (".gitlab-ci.yml", "services:\n  - docker:dind\nbuild: {script: [x]}\n", 0),
        ("config/services.yaml", "services:\n  App\\A: {arguments: [build]}\n", 0),
    ],
)
def test_files_that_are_compose_files(tmp_path: Path, path: str, text: str, calls: int) -> None:
    assert compose.claims(path, b"")
    assert len(calls_in(compose, tmp_path, {path: text, "web/x": ""}, path)) == calls


def test_interpolation() -> None:
    assert [one_variable(text) for text in ("$X", "${X}", "${X:-}", "${X-}", "${X:-a}", "$$X")] == [
        "X", "X", "X", "X", None, None,
    ]  # fmt: skip
    assert [one_variable(text) for text in ("$X ", "${X", "${X:+a}", "${X}${Y}", "")] == [None] * 5
    assert resolved("${A:-${B}/c}$$", {"B": "b"}) == "b/c$"
    assert "".join(one.text for one in parts("a$$b$1${-}")) == "a$b$1${-}"
    assert read_environment(b"A=1 # c\nexport B='2'\n#C=3\nD=$A\n") == {"A": "1", "B": "2"}


@pytest.mark.skipif(
    not os.environ.get("DOCKERFIX_ENGINE") or shutil.which("docker") is None,
    reason="DOCKERFIX_ENGINE is not set: no compose to ask",
)
def test_compose_itself_takes_the_result(tmp_path: Path) -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("this docker has no compose")
    files = {
        FILE: "x-a: &a\n  X: $X\nservices:\n  web:\n    build:\n      context: .\n      args: *a\n"
        "  job:\n    extends: {file: compose.base.yml, service: base}\n    build: {args: [X=$X]}\n",
        "compose.base.yml": "services:\n  base:\n    build: {context: ., args: [Y]}\n",
    }
    after = turned(compose, tmp_path, files, FILE, ["X", "Y"])
    assert not isinstance(after, Refusal)
    for name, data in after.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        ["docker", "compose", "-f", FILE, "config"], cwd=tmp_path, capture_output=True, check=True
    )
    services: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    given = {name: one["build"]["secrets"] for name, one in services.items()}
    assert {name: sorted(s["source"] for s in one) for name, one in given.items()} == {
        "web": ["X"],
        "job": ["X", "Y"],
    }
    assert not any(one["build"].get("args") for one in services.values())
