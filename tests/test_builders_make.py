"""Makefiles: what a rewrite looks like, and that real GNU make hands docker the same value.

The second half runs every Makefile before and after with a `docker` that records what it was
given, for values from the command line, the environment and the file's own defaults.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from dockerfix.builders import make
from dockerfix.edits import Fix, Safety, apply
from dockerfix.finding import Refusal
from dockerfix.source import Source
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from dockerfix.builders.call import BuildCall

RECORD = r"""#!/bin/sh
printf '%s\0' "$#" "$@" "${X-}" "${Y-}" >> "$RECORD"
"""


def calls_in(root: Path, files: dict[str, str], path: str = "Makefile") -> tuple[BuildCall, ...]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, newline="")
    workspace = Workspace(str(root))
    return tuple(make.find_calls(path, workspace.read(path), workspace))


def turned(
    root: Path,
    files: dict[str, str],
    name: str = "X",
    *,
    drop: bool = False,
    path: str = "Makefile",
) -> str | Refusal:
    operations = []
    for call in calls_in(root, files, path):
        if call.refusal is not None:
            return call.refusal
        for arg in call.passes(name):
            result = call.drop(arg) if drop else call.take_secret(arg, name)
            if isinstance(result, Refusal):
                return result
            operations += result
    assert operations, "no call passes it"
    source = Source(path, files[path].encode())
    fix = Fix("test", Safety.SAFE, "none", tuple(operations))
    return apply({path: source}, [fix])[path].decode()


def changed(before: str, after: str) -> list[str]:
    old = before.split("\n")
    return [line for line in after.split("\n") if line not in old]


# -- what it looks like ---------------------------------------------------------

ROWS = {
    "an argument of $(if), in a variable": (
        "F := --pull $(if $(X),--build-arg X=$(X),)\nb:\n\tdocker build $(F) .\n",
        ["F := --pull $(if $(X),--secret id=X,)"],
    ),
    "an argument of $(if), in the recipe": (
        'T = $(X)\nb:\n\tdocker build $(if $(T),--build-arg X="$(T)") --pull .\n',
        ['\tX="$(T)" docker build $(if $(T),--secret id=X) --pull .'],
    ),
    "make reference, not assigned": (
        "b:\n\tdocker build --build-arg X=$(X) .\n",
        ["\tdocker build --secret id=X,env=X ."],
    ),
    "braces": (
        "b:\n\t@docker build --build-arg X=${X} -t a .\n",
        ["\t@docker build --secret id=X,env=X -t a ."],
    ),
    "shell variable": (
        "b:\n\tdocker build --build-arg X=$$X .\n",
        ["\tdocker build --secret id=X,env=X ."],
    ),
    "shell variable, quoted": (
        'b:\n\tdocker build --build-arg "X=$$X" .\n',
        ['\tdocker build --secret "id=X,env=X" .'],
    ),
    "shell braces": (
        "b:\n\tdocker build --build-arg X=$${X} .\n",
        ["\tdocker build --secret id=X,env=X ."],
    ),
    "single quotes, not assigned": (
        "b:\n\tdocker build --build-arg 'X=$(X)' .\n",
        ["\tX='$(X)' docker build --secret 'id=X,env=X' ."],
    ),
    "double quotes, not assigned": (
        'b:\n\tdocker build --build-arg "X=$(X)" .\n',
        ['\tdocker build --secret "id=X,env=X" .'],
    ),
    "quotes round the value": (
        'b:\n\tdocker build --build-arg X="$(X)" .\n',
        ["\tdocker build --secret id=X,env=X ."],
    ),
    "joined flag": (
        "X ?= 1\nb:\n\tdocker build --build-arg=X=$(X) .\n",
        ["\tX=$(X) docker build --secret=id=X,env=X ."],
    ),
    "part of the value": (
        "b:\n\tdocker build --build-arg X=$(X)-$(Y) .\n",
        ["\tX=$(X)-$(Y) docker build --secret id=X,env=X ."],
    ),
    "bare": (
        "b:\n\tdocker build --build-arg X .\n",
        ["\tdocker build --secret id=X,env=X ."],
    ),
    "another variable": (
        "b:\n\tdocker build --build-arg X=$(Y) .\n",
        ["\tdocker build --secret id=X,env=Y ."],
    ),
    "default": (
        "X ?= fallback\nb:\n\t@docker build --build-arg X=$(X) .\n",
        ["\t@X=$(X) docker build --secret id=X,env=X ."],
    ),
    "empty default": (
        "X ?=\nb:\n\t@docker build --build-arg X=$(X) .\n",
        ["\t@docker build --secret id=X,env=X ."],
    ),
    "default, quoted": (
        "X ?= fallback\nb:\n\t@docker build --build-arg 'X=$(X)' .\n",
        ["\t@X='$(X)' docker build --secret 'id=X,env=X' ."],
    ),
    "default, double-quoted": (
        'X ?= fallback\nb:\n\tdocker build --build-arg X="$(X)" .\n',
        ['\tX="$(X)" docker build --secret id=X,env=X .'],
    ),
    "exported": (
        "X := abc\nexport X\nb:\n\tdocker build --build-arg X=$(X) .\n",
        ["\tdocker build --secret id=X,env=X ."],
    ),
    "exported with quotes": (
        "export X = 'abc'\nb:\n\tdocker build --build-arg X=$(X) .\n",
        ["\tX=$(X) docker build --secret id=X,env=X ."],
    ),
    "bare export": (
        "export\nX ?= abc\nb:\n\tdocker build --build-arg X=$(X) .\n",
        ["\tdocker build --secret id=X,env=X ."],
    ),
    "all exported": (
        ".EXPORT_ALL_VARIABLES:\nX ?= abc\nb:\n\tdocker build --build-arg X=$(X) .\n",
        ["\tdocker build --secret id=X,env=X ."],
    ),
    "unexported": (
        "unexport X\nb:\n\tdocker build --build-arg X=$(X) .\n",
        ["\tX=$(X) docker build --secret id=X,env=X ."],
    ),
    "target-specific": (
        "b: X = abc\nb:\n\tdocker build --build-arg X=$(X) .\n",
        ["\tX=$(X) docker build --secret id=X,env=X ."],
    ),
    "shell function": (
        "b:\n\tdocker build --build-arg X=$(shell cat token) .\n",
        ["\tX=$(shell cat token) docker build --secret id=X,env=X ."],
    ),
    "shell substitution": (
        "b:\n\tdocker build --build-arg X=$$(cat token) .\n",
        ['\tX="$$(cat token)" docker build --secret id=X,env=X .'],
    ),
    "or": (
        "b:\n\tdocker build --build-arg X=$(or $(X),none) .\n",
        ["\tX=$(or $(X),none) docker build --secret id=X,env=X ."],
    ),
    "literal": (
        "b:\n\tdocker build --build-arg X=abc .\n",
        ["\tX=abc docker build --secret id=X,env=X ."],
    ),
    "unreadable include": (
        "-include .env\nb:\n\tdocker build --build-arg X=$(X) .\n",
        ["\tX=$(X) docker build --secret id=X,env=X ."],
    ),
    "tool in a variable": (
        "DOCKER ?= docker\nb:\n\t@$(DOCKER) build --build-arg X=a$(X) .\n",
        ["\t@X=a$(X) $(DOCKER) build --secret id=X,env=X ."],
    ),
    "quiet prefix": (
        "Q ?= @\nX ?= 1\nb:\n\t$(Q)docker build --build-arg X=$(X) .\n",
        ["\t$(Q)X=$(X) docker build --secret id=X,env=X ."],
    ),
    "sudo": (
        "X ?= 1\nb:\n\tsudo docker build --build-arg X=$(X) .\n",
        ["\tX=$(X) sudo --preserve-env=X docker build --secret id=X,env=X ."],
    ),
    "sudo in a variable": (
        "DOCKER := sudo docker\nb:\n\t$(DOCKER) build --build-arg X=$(X) .\n",
        ["DOCKER := sudo --preserve-env=X docker", "\t$(DOCKER) build --secret id=X,env=X ."],
    ),
    "behind cd": (
        "X ?= 1\nb:\n\tcd sub && docker build --build-arg X=$(X) .\n",
        ["\tcd sub && X=$(X) docker build --secret id=X,env=X ."],
    ),
    "continued": (
        "X ?= 1\nb:\n\t-@docker build \\\n\t\t--build-arg A=1 \\\n\t\t--build-arg X=$(X) \\\n\t\t.\n",
        ["\t-@X=$(X) docker build \\", "\t\t--secret id=X,env=X \\"],
    ),
    "on the rule's line": (
        "X ?= 1\nb: ; @docker build --build-arg X=$(X) .\n",
        ["b: ; @X=$(X) docker build --secret id=X,env=X ."],
    ),
    "flags in a variable": (
        "ARGS := --build-arg A=1 --build-arg X=$(X)\nb:\n\tdocker build $(ARGS) .\n",
        ["ARGS := --build-arg A=1 --secret id=X,env=X"],
    ),
    "flags in a variable, value not exported": (
        "X ?= 1\nARGS = --build-arg X=$(X) \\\n  --build-arg A=1\nb:\n\t@docker build $(ARGS) .\n",
        ["ARGS = --secret id=X,env=X \\", "\t@X=$(X) docker build $(ARGS) ."],
    ),
    "flags in a variable of two recipes": (
        "X ?= 1\nARGS = --build-arg X=$(X)\nb:\n\tdocker build $(ARGS) .\nc:\n\tdocker build $(ARGS) c\n",
        [
            "ARGS = --secret id=X,env=X",
            "\tX=$(X) docker build $(ARGS) .",
            "\tX=$(X) docker build $(ARGS) c",
        ],
    ),
    "appended flags": (
        "ARGS = --no-cache\nifdef X\nARGS += --build-arg X=$(X)\nendif\nb:\n\tdocker build $(ARGS) .\n",
        ["ARGS += --secret id=X,env=X"],
    ),
    "both branches": (
        "ifdef CI\nT = --build-arg X=$(X)\nelse\nT = --build-arg X=$(X) -t a\nendif\nb:\n\tdocker build $(T) .\n",
        ["T = --secret id=X,env=X", "T = --secret id=X,env=X -t a"],
    ),
    "the command in a variable": (
        "X ?= 1\nBUILD = docker build --build-arg X=$(X)\nb:\n\t@$(BUILD) -t a .\n",
        ["BUILD = docker build --secret id=X,env=X", "\t@X=$(X) $(BUILD) -t a ."],
    ),
    "one of two commands of different length": (
        "ifdef CI\nDOCKER ?= docker build --pull --no-cache\nelse\nDOCKER ?= docker build\nendif\n"
        "b:\n\t@$(DOCKER) \\\n\t--build-arg X=$(X) \\\n\t.\n",
        ["\t--secret id=X,env=X \\"],
    ),
    "one of two commands, value not exported": (
        "X ?= 1\nifdef CI\nDOCKER = docker buildx build\nelse\nDOCKER = docker build\nendif\n"
        "b:\n\t$(DOCKER) --build-arg X=$(X) .\n",
        ["\tX=$(X) $(DOCKER) --secret id=X,env=X ."],
    ),
    "canned recipe": (
        "X ?= 1\ndefine build\n@echo $(1)\n@docker build --build-arg X=$(X) $(1)\nendef\nb:\n\t$(call build,.)\n",
        ["@X=$(X) docker build --secret id=X,env=X $(1)"],
    ),
    "one shell": (
        ".ONESHELL:\nX ?= 1\nb:\n\t@cd sub\n\tdocker build --build-arg X=$(X) .\n",
        ["\tX=$(X) docker build --secret id=X,env=X ."],
    ),
    "recipe prefix": (
        ".RECIPEPREFIX = >\nX ?= 1\nb:\n> docker build \\\n> --build-arg X=$(X) .\n",
        ["> X=$(X) docker build \\", "> --secret id=X,env=X ."],
    ),
    "steers the client": (
        "DOCKER_PASSWORD ?= 1\nb:\n\tdocker build --build-arg DOCKER_PASSWORD=$(DOCKER_PASSWORD) .\n",
        [
            "\tDOCKERFIX_DOCKER_PASSWORD=$(DOCKER_PASSWORD) docker build --secret id=DOCKER_PASSWORD,env=DOCKERFIX_DOCKER_PASSWORD ."
        ],
    ),
    "shell variable of the recipe": (
        "b:\n\tX=`cat token`; docker build --build-arg X=$$X .\n",
        ['\tX=`cat token`; X="$$X" docker build --secret id=X,env=X .'],
    ),
    "shell variable beside make's": (
        "b:\n\tX=1; docker build --build-arg X=$(X) .\n",
        ["\tX=1; X=$(X) docker build --secret id=X,env=X ."],
    ),
    "CRLF": (
        "X ?= 1\r\nb:\r\n\tdocker build \\\r\n\t --build-arg X=$(X) .\r\n",
        ["\tX=$(X) docker build \\\r", "\t --secret id=X,env=X .\r"],
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_build_arg_becomes_a_secret(row: str, tmp_path: Path) -> None:
    before, expected = ROWS[row]
    name = "DOCKER_PASSWORD" if "DOCKER_PASSWORD" in before else "X"
    after = turned(tmp_path, {"Makefile": before}, name)
    assert isinstance(after, str), after
    assert changed(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("b:\n\tdocker build --build-arg X=$(X) -t a .\n", "b:\n\tdocker build -t a .\n"),
        (
            "b:\n\tdocker build \\\n\t  --build-arg X=$(X) \\\n\t  -t a .\n",
            "b:\n\tdocker build \\\n\t  -t a .\n",
        ),
        (
            "A = --pull --build-arg X=$(X)\nb:\n\tdocker build $(A) .\n",
            "A = --pull\nb:\n\tdocker build $(A) .\n",
        ),
        (
            "A = --pull\nA += --build-arg X=$(X)\nb:\n\tdocker build $(A) .\n",
            "A = --pull\nb:\n\tdocker build $(A) .\n",
        ),
        ("A = --build-arg X=$(X)\nb:\n\tdocker build $(A) .\n", "A =\nb:\n\tdocker build $(A) .\n"),
        (
            "ifdef CI\nD = docker build --pull\nelse\nD = docker build\nendif\nb:\n\t$(D) --build-arg X=$(X) .\n",
            "ifdef CI\nD = docker build --pull\nelse\nD = docker build\nendif\nb:\n\t$(D) .\n",
        ),
    ],
)
def test_a_dead_flag_goes(before: str, after: str, tmp_path: Path) -> None:
    assert turned(tmp_path, {"Makefile": before}, drop=True) == after


@pytest.mark.parametrize(
    "text",
    [
        "A = --build-arg X=$(X)\nb:\n\tdocker build $(A) .\nc:\n\t./image.py $(A)\n",
        "A := --build-arg X=$(X)\nX = late\nb:\n\tdocker build $(A) .\n",
        "b:\n\tdocker build $(if $(T),--build-arg X=$(X)) .\n",
        "b:\n\tDOCKER_BUILDKIT=0 docker build --build-arg X=$(X) .\n",
    ],
)
def test_what_cannot_agree_is_refused(text: str, tmp_path: Path) -> None:
    assert isinstance(turned(tmp_path, {"Makefile": text}), Refusal)


@pytest.mark.parametrize(
    ("word", "unresolved"),
    [
        ("$(if $(Q),--quiet,--progress plain)", ()),
        ("$(addprefix -t ,$(TAGS))", ()),
        ("$(foreach t,$(TAGS),-t $(t))", ()),
        ("$(if $(Q),$(FLAGS))", ("$(if $(Q),$(FLAGS))",)),
        ("$(foreach a,$(NAMES),--build-arg $(a))", ("$(foreach a,$(NAMES),--build-arg $(a))",)),
        ("$(EXTRA)", ("$(EXTRA)",)),
        ("-t $(TAG) --label a=$(B)", ()),
    ],
)
def test_words_that_may_hold_more_flags(
    word: str, unresolved: tuple[str, ...], tmp_path: Path
) -> None:
    text = f"b:\n\tdocker build --build-arg X=$(X) {word} .\n"
    (call,) = calls_in(tmp_path, {"Makefile": text})
    assert call.unresolved == unresolved
    assert len(call.args) == 1


def test_printing_or_testing_a_flag_variable_is_no_other_use(tmp_path: Path) -> None:
    text = "A = --build-arg X=$(X)\nifneq ($(A),)\nendif\nb:\n\t@echo building with $(A)\n\tdocker build $(A) .\n"
    after = turned(tmp_path, {"Makefile": text})
    assert isinstance(after, str)
    assert changed(text, after) == ["A = --secret id=X,env=X"]


INCLUDED = {
    "Makefile": "include common.mk\nT = $(X)\nb:\n\tdocker build $(ARGS) .\n",
    "common.mk": "ARGS = --pull --build-arg X=$(T)\n",
}


def everything(root: Path, files: dict[str, str]) -> dict[str, str] | Refusal:
    """All files after X became a secret."""
    operations = []
    for call in calls_in(root, files):
        for arg in call.passes("X"):
            result = call.take_secret(arg, "X")
            if isinstance(result, Refusal):
                return result
            operations += result
    sources = {path: Source(path, text.encode()) for path, text in files.items()}
    after = apply(sources, [Fix("test", Safety.SAFE, "none", tuple(operations))])
    return {**files, **{path: data.decode() for path, data in after.items()}}


def test_flags_of_an_included_file_change_there(tmp_path: Path) -> None:
    (call,) = calls_in(tmp_path, INCLUDED)
    (arg,) = call.args
    assert arg.path == "common.mk"
    assert INCLUDED["common.mk"][arg.span.start : arg.span.end] == "--build-arg X=$(T)"
    assert everything(tmp_path, INCLUDED) == {
        "Makefile": INCLUDED["Makefile"].replace("docker", "X=$(T) docker"),
        "common.mk": "ARGS = --pull --secret id=X,env=X\n",
    }


@pytest.mark.skipif(shutil.which("make") is None, reason="no GNU make on PATH")
def test_docker_gets_the_same_value_from_an_included_file(tmp_path: Path) -> None:
    after = everything(tmp_path, INCLUDED)
    assert isinstance(after, dict)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(RECORD)
    (tmp_path / "bin" / "docker").chmod(0o755)
    found = []
    for files in (INCLUDED, after):
        (tmp_path / "common.mk").write_text(files["common.mk"])
        found.append(recorded(tmp_path, files["Makefile"], ["X=plain"], {}))
    assert found[0] == found[1] == [(5, "plain")]


@pytest.mark.parametrize(
    "more",
    [
        {"sub/Makefile": "include ../common.mk\nb:\n\tdocker build $(ARGS) .\n"},
        {"common.mk": INCLUDED["common.mk"] + "b:\n\tpodman-like $(ARGS) .\n"},
    ],
)
def test_flags_of_an_included_file_that_others_use_stay(
    tmp_path: Path, more: dict[str, str]
) -> None:
    result = everything(tmp_path, {**INCLUDED, **more})
    assert isinstance(result, Refusal)
    assert "used where no build is seen" in result.reason


def test_a_refusal_is_placed_in_the_included_file(tmp_path: Path) -> None:
    files = {**INCLUDED, "common.mk": "ARGS := --build-arg X=$(T)\nT = late\n"}
    result = everything(tmp_path, files)
    assert isinstance(result, Refusal)
    assert result.path == "common.mk"
    assert files["common.mk"][result.span.start : result.span.end] == "--build-arg X=$(T)"


def test_an_assignment_in_an_included_file_counts(tmp_path: Path) -> None:
    files = {
        "Makefile": "include mk/common.mk\nb:\n\tdocker build --build-arg X=$(X) .\n",
        "mk/common.mk": "X ?= abc\n",
    }
    after = turned(tmp_path, files)
    assert isinstance(after, str)
    assert changed(files["Makefile"], after) == ["\tX=$(X) docker build --secret id=X,env=X ."]


def test_where_a_recipe_runs(tmp_path: Path) -> None:
    text = (
        "DIR = docker\n"
        "a:\n\tcd $(CURDIR)/sub && docker build --build-arg X -f $(DIR)/Dockerfile .\n"
        "b-%:\n\tdocker build --build-arg X --target $* .\n"
        "c:\n\tdocker build --build-arg X -f $@.Dockerfile --target prod ..\n"
    )
    a, b, c = calls_in(tmp_path, {"svc/Makefile": text}, "svc/Makefile")
    assert (a.cwd, a.dockerfile_argument, a.context) == ("svc/sub", "docker/Dockerfile", ".")
    assert (b.cwd, b.target) == ("svc", "?")
    assert (c.dockerfile_argument, c.target, c.context) == ("c.Dockerfile", "prod", "..")


def test_an_included_makefile_runs_where_its_parent_stands(tmp_path: Path) -> None:
    files = {
        "Makefile": "X ?= 1\ninclude mk/docker.mk\n",
        "mk/docker.mk": "b:\n\tdocker build --build-arg X=$(X) .\n",
    }
    (call,) = calls_in(tmp_path, files, "mk/docker.mk")
    assert call.cwd == ""
    assert not call.args[0].exported


def test_no_recipe_no_call(tmp_path: Path) -> None:
    text = "# docker build --build-arg X=1 .\nb:\n\t@echo docker build --build-arg X=1 .\n\t# docker build --build-arg X=1 .\n"
    assert calls_in(tmp_path, {"Makefile": text}) == ()


# -- the same value, with real make ---------------------------------------------

PLAIN = ("plain", "", "a=b,c/d+e==")
VALUES = (*PLAIN, "a b", "it's", '"q"', "a\\b", "p$HOMEq", "p$$q", "x*")


def recorded(
    root: Path, text: str, arguments: list[str], environment: dict[str, str]
) -> list[tuple[int, str | None]] | None:
    """For each docker that ran: how many arguments, and the value of X; None if make failed."""
    log = root / "record"
    log.write_text("")
    (root / "Makefile").write_text(text, newline="")
    given = {"PATH": f"{root / 'bin'}:{os.environ['PATH']}", "RECORD": str(log), **environment}
    done = subprocess.run(
        ["make", "-s", "b", *arguments], cwd=root, env=given, capture_output=True, text=True
    )
    words = log.read_text().split("\0")[:-1]
    found = []
    while words:
        size = int(words[0])
        argv, x, y = words[1 : size + 1], words[size + 1], words[size + 2]
        words = words[size + 3 :]
        found.append((size, value_given(argv, {"X": x, "Y": y})))
    return found if found and not done.returncode else None


def value_given(argv: list[str], environment: dict[str, str]) -> str | None:
    """The value of X, however docker got it; unset and empty are one for a secret."""
    for flag, value in itertools.pairwise(argv):
        if flag == "--build-arg" and value.startswith("X="):
            return value[2:]
        if flag == "--build-arg" and value == "X":
            return environment["X"]
        if flag == "--secret" and value == "id=X":
            return environment["X"]
        if flag == "--secret" and value.startswith("id=X,env="):
            return environment[value.removeprefix("id=X,env=")]
    return None


RUN = [row for row in ROWS if "sudo" not in row and row != "steers the client"]


@pytest.mark.skipif(shutil.which("make") is None, reason="no GNU make on PATH")
@pytest.mark.parametrize("row", RUN)
def test_docker_gets_the_same_value(row: str, tmp_path: Path) -> None:
    text = ROWS[row][0]
    after = turned(tmp_path, {"Makefile": text, "token": "t0ken", "sub/.keep": ""})
    assert isinstance(after, str)
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(RECORD)
    docker.chmod(0o755)
    # Where the value comes by the environment now, make and the shell no longer read it as
    # text: what they would have mangled arrives as it is.
    prefixed = "X=$(" in after.replace("--build-arg X=$(", "")
    values = VALUES if prefixed else PLAIN
    usual = recorded(tmp_path, text, ["X=plain"], {})
    assert usual is not None
    compared = 0
    for value in values:
        runs: list[tuple[list[str], dict[str, str]]] = [
            ([f"X={value}"], {}),
            ([], {"X": value, "Y": value}),
        ]
        if value == "plain":
            runs += [([], {"X": value, "CI": "1"}), ([], {})]
        for arguments, environment in runs:
            before = recorded(tmp_path, text, arguments, environment)
            if before is None or (value and [n for n, _ in before] != [n for n, _ in usual]):
                continue  # the value broke the command line
            now = recorded(tmp_path, after, arguments, environment)
            assert now == before, (arguments, environment)
            compared += 1
    assert compared >= 4
