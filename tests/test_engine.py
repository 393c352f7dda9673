"""The rounds and the recheck, with passes of our own that do one thing each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import dockerfix
from dockerfix import passes
from dockerfix.edits import Edit, Fix, Operation, Safety
from dockerfix.engine import Options, Result, run
from dockerfix.finding import Finding, Severity
from dockerfix.source import Source, Span
from dockerfix.syntax import verbs
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from dockerfix.context import Context

LEAKING = b"FROM node:20\nARG NPM_TOKEN\nRUN npm ci\n"
ARG = Span(13, 26)
CANARY = b"canary-gQ7vX2mZ9pLr4tYw8sKd"


@dataclass(frozen=True)
class Raw:
    """A site that writes `text` over its span."""

    span: Span
    text: bytes

    def lower(self, source: Source, operations: Iterable[Operation]) -> list[Edit]:
        return [Edit(self.span, self.text)]


def replacing(path: str, span: Span, text: bytes) -> Operation:
    site = Raw(span, text)
    return Operation(path, "replace", None, text, span, (span,), site=site)


def finding(
    context: Context,
    operations: Iterable[Operation],
    *,
    variable: str = "NPM_TOKEN",
    safety: Safety = Safety.SAFE,
    name: str = "fake",
    span: Span = ARG,
) -> Finding:
    fix = Fix(name, safety, "none", tuple(operations))
    return Finding(
        path=context.path,
        span=span,
        name=name,
        variable=variable,
        severity=Severity.WARNING,
        safety=safety,
        message="it leaks",
        reason="because",
        help="mend it",
        fix=fix,
    )


class Fake:
    def __init__(self, look: Callable[[Context], Iterable[Finding]], name: str = "fake") -> None:
        self.name = name
        self.look = look

    def run(self, context: Context) -> Iterable[Finding]:
        return self.look(context)


Runner = Callable[..., Result]


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs fake passes over files; the Dockerfiles of the root are the targets."""

    def go(files: dict[str, bytes], *fakes: Fake, **options: object) -> Result:
        monkeypatch.setattr(passes, "ALL", fakes)
        for name, data in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
        return run(Workspace(str(tmp_path)), ("",), Options(**options))  # type: ignore[arg-type]

    return go


def migrating(context: Context) -> Iterator[Finding]:
    """ARG out, mount in: what a real pass does, for one RUN."""
    tree = context.dockerfile
    for arg in tree.instructions:
        if arg.name == "arg":
            yield finding(
                context,
                [
                    verbs.remove(tree, arg),
                    verbs.add_mount(
                        tree, context.runs[0], b"type=secret,id=NPM_TOKEN,env=NPM_TOKEN"
                    ),
                ],
                span=arg.span,
            )


def test_a_fix_changes_the_file_and_a_second_look_finds_nothing(looked: Runner) -> None:
    found = looked({"Dockerfile": LEAKING}, Fake(migrating))
    assert found.errors == ()
    assert found.changes["Dockerfile"] == (
        LEAKING,
        b"FROM node:20\nRUN --mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN npm ci\n",
    )
    assert [one.outcome for one in found.findings] == ["fixed"]
    assert found.left == ()


def test_nothing_is_written(looked: Runner, tmp_path: Path) -> None:
    looked({"Dockerfile": LEAKING}, Fake(migrating))
    assert (tmp_path / "Dockerfile").read_bytes() == LEAKING


def test_a_report_changes_nothing(looked: Runner) -> None:
    found = looked({"Dockerfile": LEAKING}, Fake(migrating), fix=False)
    assert found.changes == {}
    assert len(found.left) == 1


def unsafe(context: Context) -> Iterator[Finding]:
    for one in migrating(context):
        assert one.fix is not None
        yield finding(context, one.fix.operations, safety=Safety.UNSAFE)


def test_an_unsafe_fix_waits_for_its_flag(looked: Runner) -> None:
    found = looked({"Dockerfile": LEAKING}, Fake(unsafe))
    assert found.changes == {}
    assert [one.outcome for one in found.findings] == ["unsafe"]
    assert looked({"Dockerfile": LEAKING}, Fake(unsafe), unsafe_fixes=True).changes


def test_the_configuration_of_a_dockerfile_can_allow_unsafe_fixes(looked: Runner) -> None:
    files = {
        "a/Dockerfile": LEAKING,
        "a/.dockerfix.toml": b"unsafe-fixes = true\n",
        "b/Dockerfile": LEAKING,
    }
    assert list(looked(files, Fake(unsafe)).changes) == ["a/Dockerfile"]


def test_fixes_in_conflict_take_a_round_each(looked: Runner) -> None:
    """Two passes want the same bytes: both get their way, one after the other."""

    def first(context: Context) -> Iterator[Finding]:
        data = context.dockerfile.source.data
        at = data.find(b"npm ci")
        if at >= 0:
            yield finding(context, [replacing(context.path, Span(at, at + 6), b"npm i")], name="a")

    def second(context: Context) -> Iterator[Finding]:
        data = context.dockerfile.source.data
        at = data.find(b"npm")
        if at >= 0:
            yield finding(context, [replacing(context.path, Span(at, at + 3), b"pnpm2")], name="b")

    files = {"Dockerfile": b"FROM node:20\nENV NPM_TOKEN=\nRUN npm ci\n"}
    found = looked(files, Fake(first, "a"), Fake(second, "b"))
    # `second` finds npm in its own result for ever: the engine must see that as our bug.
    assert [one.kind for one in found.errors] == ["internal"]
    assert "not done after 10 rounds" in found.errors[0].message
    assert found.changes == {}


def test_a_fix_that_changes_nothing_is_our_bug(looked: Runner) -> None:
    def idle(context: Context) -> Iterator[Finding]:
        yield finding(context, [replacing(context.path, Span(0, 4), b"FROM")])

    found = looked({"Dockerfile": LEAKING}, Fake(idle))
    assert "a fix changes nothing" in found.errors[0].message
    assert found.errors[0].kind == "internal"


def test_a_pass_that_fails_is_named_and_the_others_go_on(looked: Runner) -> None:
    def failing(context: Context) -> Iterator[Finding]:
        raise KeyError(CANARY.decode())
        yield

    found = looked({"Dockerfile": LEAKING}, Fake(failing, "bad"), Fake(migrating))
    assert "bad failed (KeyError in" in found.errors[0].message
    assert "bug of dockerfix" in found.errors[0].help
    assert CANARY.decode() not in str(found.errors)
    assert list(found.changes) == ["Dockerfile"]


def breaking(old: bytes, new: bytes) -> Fake:
    """A pass whose fix turns the first `old` of the Dockerfile into `new`."""

    def look(context: Context) -> Iterator[Finding]:
        at = context.dockerfile.source.data.find(old)
        if at >= 0:
            yield finding(context, [replacing(context.path, Span(at, at + len(old)), new)])

    return Fake(look)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"ARG NPM_TOKEN\n", b"", "may read NPM_TOKEN and no longer gets it"),
        (b"FROM node:20", b"FROM node:20 x y z", "broken"),
        (b"RUN npm ci\n", b"", "RUNs"),
        (b"RUN npm", b"RUN --mount=type=secret,id=X,env=X npm", "gets X"),
        (b"ENV A=1\n", b"", "a declaration of A is gone"),
        (b"ENV A=1", b"ENV A=2", "ENV A"),
        (b"ENV A=1\n", b"ENV B=2 A=1\n", "B is declared more often"),
    ],
)
def test_the_recheck_stops_a_wrong_fix(looked: Runner, old: bytes, new: bytes, said: str) -> None:
    files = {"Dockerfile": b"FROM node:20\nARG NPM_TOKEN\nENV A=1\nRUN npm ci\nCMD x $A\n"}
    found = looked(files, breaking(old, new))
    assert found.changes == {}
    assert {one.kind for one in found.errors} == {"internal"}
    assert said in " ".join(one.message for one in found.errors)
    assert [one.outcome for one in found.findings] == ["left"]


def test_the_recheck_wants_the_caller_to_give_what_is_mounted(looked: Runner) -> None:
    """The Dockerfile half without the caller's half must never land."""
    files = {
        "Dockerfile": LEAKING,
        "build.sh": b'#!/bin/sh\ndocker build --build-arg NPM_TOKEN="$NPM_TOKEN" .\n',
    }
    found = looked(files, Fake(migrating))
    assert found.changes == {}
    assert "still passes NPM_TOKEN" in found.errors[0].message
    assert found.errors[0].path == "build.sh"


def test_only_some_paths_may_change(looked: Runner) -> None:
    found = looked({"Dockerfile": LEAKING}, Fake(migrating), only=frozenset({"other"}))
    assert found.changes == {}
    assert [one.outcome for one in found.findings] == ["elsewhere"]


def test_passes_are_selected_and_ignored(looked: Runner) -> None:
    files = {"Dockerfile": LEAKING}
    assert looked(files, Fake(migrating), ignore=("fake",)).findings == ()
    assert looked(files, Fake(migrating), select=("other",)).findings == ()
    assert len(looked(files, Fake(migrating), select=("fake",)).findings) == 1


@pytest.mark.parametrize(
    ("comment", "hushed"),
    [
        (b"# dockerfix: ignore[fake] NPM_TOKEN -- read-only and public", True),
        (b"# dockerfix: ignore[fake, other] -- all of it", True),
        (b"# dockerfix: ignore -- all of it", True),
        (b"# dockerfix: ignore[other] NPM_TOKEN -- another pass", False),
        (b"# dockerfix: ignore[fake] OTHER -- another variable", False),
        (b"# dockerfix: ignore[fake]\n\n# and more", True),
        (b"# dockerfix: ignore[fake]\n#", False),
        (b"# check=skip=SecretsUsedInArgOrEnv", False),
        (b"# hadolint ignore=DL3064", False),
    ],
)
def test_a_comment_above_the_instruction_silences(
    looked: Runner, comment: bytes, hushed: bool
) -> None:
    found = looked({"Dockerfile": LEAKING.replace(b"ARG", comment + b"\nARG")}, Fake(migrating))
    assert (found.findings == ()) is hushed
    assert found.suppressed == int(hushed)


@pytest.mark.parametrize(
    ("dockerfile", "hushed"),
    [
        (b"# check=skip=SecretsUsedInArgOrEnv;error=true\n" + LEAKING, True),
        (b"# check=skip=all\n" + LEAKING, True),
        (b"# check=skip=StageNameCasing\n" + LEAKING, False),
        (b"# check=error=true\n" + LEAKING, False),
        (LEAKING.replace(b"ARG", b"# check=skip=SecretsUsedInArgOrEnv\nARG"), True),
        (LEAKING.replace(b"ARG", b"# hadolint ignore=DL3006,DL3064\nARG"), True),
        (b"# hadolint global ignore=DL3064\n" + LEAKING, True),
        (LEAKING.replace(b"ARG", b"# hadolint ignore=DL3006\nARG"), False),
    ],
)
def test_other_tools_comments_count_for_what_they_mean(
    looked: Runner, dockerfile: bytes, hushed: bool
) -> None:
    named = Fake(
        lambda context: (
            finding(context, one.fix.operations, name="secret-in-arg", span=one.span)
            for one in migrating(context)
            if one.fix
        ),
        "secret-in-arg",
    )
    assert (looked({"Dockerfile": dockerfile}, named).findings == ()) is hushed


def test_what_is_no_secret_by_configuration_is_left_alone(looked: Runner) -> None:
    files = {"Dockerfile": LEAKING, ".dockerfix.toml": b"[secrets.NPM_TOKEN]\nsecret = false\n"}
    assert looked(files, Fake(migrating)).findings == ()


def test_a_fix_shared_with_a_suppressed_finding_is_held_back(looked: Runner) -> None:
    dockerfile = LEAKING.replace(b"ARG", b"# dockerfix: ignore[fake] NPM_TOKEN -- no\nARG")

    def two(context: Context) -> Iterator[Finding]:
        for one in migrating(context):
            assert one.fix is not None
            yield one
            yield finding(context, one.fix.operations, variable="OTHER", span=one.span)

    found = looked({"Dockerfile": dockerfile}, Fake(two))
    assert found.changes == {}
    assert "NPM_TOKEN, which is to be left alone" in found.findings[0].finding.refusals[0].reason


BAD = {
    "utf16": (LEAKING.decode().encode("utf-16"), "UTF-16"),
    "empty": (b"", "empty"),
    "blank": (b"\n \n", "empty"),
    "nul": (b"FROM a\nARG NPM_TOKEN\nRUN echo \0\n", "NUL"),
    "long line": (b"FROM a\nARG NPM_TOKEN\nRUN echo " + b"x" * 1_000_000 + b"\n", "65535"),
}


@pytest.mark.parametrize(("data", "said"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_left_alone_and_the_others_are_handled(
    looked: Runner, data: bytes, said: str
) -> None:
    found = looked({"Dockerfile": data, "b/Dockerfile": LEAKING}, Fake(migrating))
    assert [one.path for one in found.errors] == ["Dockerfile"]
    assert said in found.errors[0].message
    assert found.errors[0].help
    assert list(found.changes) == ["b/Dockerfile"]


def test_a_broken_file_is_reported_with_its_findings_but_not_edited(looked: Runner) -> None:
    found = looked({"Dockerfile": LEAKING + b"COPY x\n"}, Fake(migrating))
    assert found.changes == {}
    assert [(one.path, one.line, one.kind) for one in found.errors] == [("Dockerfile", 4, "broken")]
    assert "broken" in found.findings[0].finding.refusals[0].reason


def test_a_bad_configuration_spares_only_its_dockerfiles(looked: Runner) -> None:
    files = {"a/Dockerfile": LEAKING, "a/.dockerfix.toml": b"nope = 1\n", "b/Dockerfile": LEAKING}
    found = looked(files, Fake(migrating))
    assert [(one.path, one.kind) for one in found.errors] == [("a/.dockerfix.toml", "config")]
    assert list(found.changes) == ["b/Dockerfile"]


def test_excluded_files_are_not_looked_at(looked: Runner) -> None:
    files = {
        "vendor/Dockerfile": LEAKING,
        "Dockerfile": LEAKING,
        ".dockerfix.toml": b'exclude = ["vendor/"]\n',
    }
    assert looked(files, Fake(migrating)).dockerfiles == ("Dockerfile",)


def test_a_dockerfile_of_another_name_is_found_through_its_caller(looked: Runner) -> None:
    files = {"image.docker": LEAKING, "build.sh": b"#!/bin/sh\ndocker build -f image.docker .\n"}
    assert looked(files, Fake(migrating)).dockerfiles == ("image.docker",)


def test_a_caller_that_could_not_be_understood_holds_every_fix_back(
    looked: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the truth about the callers must not become a fix (S2)."""
    from dockerfix import builders

    class Failing:
        @staticmethod
        def claims(path: str, head: bytes) -> bool:
            return path == "build.odd"

        @staticmethod
        def find_calls(path: str, data: bytes, workspace: Workspace) -> list[object]:
            raise RuntimeError(CANARY.decode())

    monkeypatch.setattr(builders, "ALL", (Failing,))
    found = looked({"Dockerfile": LEAKING, "build.odd": b"x"}, Fake(migrating))
    assert found.changes == {}
    assert [(one.path, one.kind) for one in found.errors] == [("build.odd", "internal")]
    assert "build.odd" in found.findings[0].finding.refusals[0].reason
    assert CANARY.decode() not in str(found.errors)


def test_the_quick_path_gives_the_parser_s_answer() -> None:
    """`plain` may say no to anything, but never yes to what the parser objects to."""
    from dockerfix.engine.plain import plain

    lines = [
        b"FROM a", b"FROM a AS b", b"FROM a b", b"FROM a AS", b"FROM", b"ARG X", b"ARG X=1", b"ARG",
        b"ARG X Y=2", b"ARG 'X", b"ENV a b", b"ENV a", b"ENV a=1 b=2", b'ENV a="b c"', b'ENV a="b',
        b"ENV a=1 b", b"ENV =1", b"LABEL a=1", b"LABEL a", b"WORKDIR /a", b"WORKDIR", b"USER a b",
        b"COPY a b", b"COPY a", b"COPY --from=x a b", b"COPY <<E b", b"ADD a b", b"RUN x", b"RUN",
        b"RUN x \\", b"RUN x <<E", b"RUN [ a ]", b'RUN ["a"]', b'CMD ["a",]', b'CMD ["a" "b"]', b"\\",
        b"CMD", b"EXPOSE", b"EXPOSE 80", b"VOLUME /a", b'VOLUME ["/a"]', b'SHELL ["a"]', b"SHELL a",
        b"# x", b"", b"  RUN y", b"RUN \\", b"NOPE x", b"ONBUILD RUN x", b"STOPSIGNAL 9", b"}",
        b"RUN printf 'a\\n'", b"RUN a < b", b"  # y", b"MAINTAINER x", b"HEALTHCHECK", b"user root",
    ]  # fmt: skip
    yes = 0
    for head in (b"FROM a\n", b"", b"ARG V=1\nFROM $V\n", b"# c\n"):
        for one in lines:
            for two in lines:
                data = head + one + b"\n" + two
                if plain(data):
                    yes += 1
                    tree = dockerfix.parse(data)
                    assert not tree.errors, data
                    assert not tree.notes, data
    assert yes > 1000
