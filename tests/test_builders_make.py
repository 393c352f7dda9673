"""Makefiles: what a rewrite looks like, and that real GNU make hands docker the same value.

The second half runs every Makefile before and after with a `docker` that records what it was
given, for values from the command line, the environment and the file's own defaults.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from makefiles import RECORD, calls_in, changed, recorded, turned

from dockerfix.finding import Refusal

if TYPE_CHECKING:
    from pathlib import Path


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


def test_a_flag_that_is_cut_apart_stays_and_hinders_no_other(tmp_path: Path) -> None:
    text = "W = arg X=$(X)\nb:\n\tdocker build --build-$(W) --build-arg Y=$(Y) .\n"
    (call,) = calls_in(tmp_path, {"Makefile": text})
    x, y = call.passes("X")[0], call.passes("Y")[0]
    refusal = call.take_secret(x, "X")
    assert isinstance(refusal, Refusal)
    assert "is put together" in refusal.reason
    assert not isinstance(call.take_secret(y, "Y"), Refusal)


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


def test_no_recipe_no_call(tmp_path: Path) -> None:
    text = "# docker build --build-arg X=1 .\nb:\n\t@echo docker build --build-arg X=1 .\n\t# docker build --build-arg X=1 .\n"
    assert calls_in(tmp_path, {"Makefile": text}) == ()


# -- the same value, with real make ---------------------------------------------

PLAIN = ("plain", "", "a=b,c/d+e==")
VALUES = (*PLAIN, "a b", "it's", '"q"', "a\\b", "p$HOMEq", "p$$q", "x*")


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
