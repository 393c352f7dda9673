"""Bindings, live bindings, reach, expansions and aliases (rules 2.6 to 2.11, traps 7, 9, 24)."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerfix import parse
from dockerfix.model import Binding, Model, build


def model_of(text: str, passed: set[str] | None = None) -> Model:
    return build(parse(text.encode()), passed=None if passed is None else frozenset(passed))


def lines(model: Model, binding: Binding) -> list[int]:
    """The lines of the RUNs that `binding` reaches."""
    return [run.start_line for run in model.reach(binding)]


def live(model: Model, line: int) -> dict[str, int]:
    """Each name at the instruction of `line`, with the line that binds it."""
    instruction = next(i for i in model.dockerfile.instructions if i.start_line == line)
    return {
        name: binding.instruction.start_line
        for name, binding in model.environment(instruction).items()
    }


def test_arg_is_live_from_its_line_on() -> None:
    model = model_of("FROM x\nRUN a\nARG T\nRUN b\nRUN c\n")
    (binding,) = model.bindings
    assert (binding.name, binding.kind, binding.value) == ("T", "arg", None)
    assert lines(model, binding) == [4, 5]
    assert live(model, 2) == {}
    assert live(model, 4) == {"T": 3}
    assert [i.start_line for i in model.scope(binding)] == [4, 5]


def test_a_later_env_takes_over() -> None:
    model = model_of("FROM x\nARG T\nRUN a\nENV T=dummy\nRUN b\n")
    arg, env = model.bindings_of("T")
    assert lines(model, arg) == [3]
    assert lines(model, env) == [5]


def test_arg_after_env_takes_over_only_with_a_value() -> None:
    text = "FROM x\nENV T=e\nARG T\nRUN a\n"
    assert live(model_of(text, set()), 4) == {"T": 2}
    assert live(model_of(text, {"T"}), 4) == {"T": 3}
    assert live(model_of(text), 4) == {"T": 3}
    assert live(model_of("FROM x\nENV T=e\nARG T=d\nRUN a\n", set()), 4) == {"T": 3}
    assert live(model_of("ARG T=g\nFROM x\nENV T=e\nARG T\nRUN a\n", set()), 5) == {"T": 4}
    env, arg = model_of(text, set()).bindings
    assert (env.binds, arg.binds) == (True, False)


def test_global_arg_reaches_no_run_without_redeclaration() -> None:
    model = model_of("ARG T=g\nFROM x\nRUN a\nFROM y\nARG T\nRUN b\n")
    above, inside = model.bindings
    assert (above.kind, above.stage) == ("global", None)
    assert lines(model, above) == []
    assert inside.default_from is above
    assert lines(model, inside) == [6]
    assert [alias.binding for alias in model.aliases(above)] == [inside]
    assert model.aliases(above)[0].exact


def test_a_bare_second_global_keeps_the_default() -> None:
    model = model_of("ARG T=g\nARG T\nFROM x\nARG T\nRUN a\n", set())
    assert model.bindings[2].default_from is model.bindings[0]
    assert live(model, 5) == {"T": 4}


def test_a_default_of_the_stage_does_not_look_at_the_global() -> None:
    model = model_of("ARG T=g\nFROM x\nARG T=l\nRUN a\n")
    assert model.bindings[1].default_from is None


def test_inheritance_through_from_and_not_through_copy() -> None:
    model = model_of(
        "FROM x AS a\nARG T\nRUN a1\nFROM a AS b\nRUN b1\nENV T=child\nRUN b2\n"
        "FROM x AS c\nCOPY --from=a /f /f\nRUN c1\nFROM b\nRUN d1\n"
    )
    arg, env = model.bindings
    assert lines(model, arg) == [3, 5]
    assert lines(model, env) == [7, 12]


def test_a_child_puts_the_image_env_over_an_arg_of_the_parent() -> None:
    model = model_of("FROM x AS a\nENV T=e\nARG T=d\nRUN a\nFROM a\nRUN b\n")
    assert live(model, 4) == {"T": 3}
    assert live(model, 6) == {"T": 2}


def test_a_platform_argument_has_a_value() -> None:
    model = model_of("FROM x\nENV TARGETARCH=e\nARG TARGETARCH\nRUN a\n", set())
    assert live(model, 4) == {"TARGETARCH": 3}


def test_onbuild_arg_binds_in_the_child() -> None:
    model = model_of("FROM x AS a\nONBUILD ARG T\nONBUILD RUN t $T\nRUN a\nFROM a\nRUN b\n")
    (binding,) = model.bindings
    assert binding.onbuild is not None
    assert binding.onbuild.start_line == 2
    assert lines(model, binding) == [6]
    assert [found.start_line for found in model.triggered(binding)] == [3]
    assert live(model, 4) == {}


def test_the_heredoc_of_a_trigger() -> None:
    model = model_of("FROM x AS a\nONBUILD COPY <<E /d\n$T\nE\nFROM a\nARG T\n", set())
    (site,) = model.onbuild_uses("T")
    assert site.role == "heredoc"
    assert model.dockerfile.source.position(site.span.start).line == 3
    (ran,) = [site for site in model.sites if site.onbuild is not None]
    assert ran.stage is model.stages[1]
    assert ran.binding is None


def test_onbuild_text_is_listed_apart() -> None:
    model = model_of("FROM x\nARG T\nONBUILD COPY $T /d\nONBUILD LABEL l=$U\n")
    assert [site.instruction.name for site in model.onbuild_uses("T")] == ["copy"]
    assert model.expansions(model.bindings[0]) == ()


@pytest.mark.parametrize(
    ("line", "name", "role", "text"),
    [
        ("COPY a$T /d", "copy", "source", b"$T"),
        ("COPY a /d/${T}", "copy", "destination", b"${T}"),
        ("COPY --chown=$T a /d", "copy", "flag", b"$T"),
        ("ADD https://h/?t=${T:-x} /d", "add", "source", b"${T:-x}"),
        ("LABEL a=1 l=x$T", "label", "value", b"$T"),
        ("LABEL k$T=1", "label", "key", b"$T"),
        ("USER $T", "user", "argument", b"$T"),
        ("WORKDIR /w/$T", "workdir", "argument", b"$T"),
        ("EXPOSE 80 $T", "expose", "word", b"$T"),
        ("VOLUME /v /$T", "volume", "word", b"$T"),
        ("STOPSIGNAL $T", "stopsignal", "argument", b"$T"),
        ("ENV A=1 B=$T", "env", "value", b"$T"),
        ("ENV B a $T c", "env", "value", b"$T"),
        ('ARG A B="${T}"', "arg", "default", b"${T}"),
        ("RUN --mount=type=cache,target=/c/$T a", "run", "mount", b"$T"),
        ("COPY <<E /d\na\n'$T'\nE", "copy", "heredoc", b"$T"),
        ('COPY ["a", "b/${T}", "/d"]', "copy", "source", b"${T}"),
        ('VOLUME ["/v/$T"]', "volume", "word", b"$T"),
        ("RUN --mount=type=cache,target='/c/$T' a", "run", "mount", b"$T"),
        ("COPY a \\\n  # note\n  b${T} /d", "copy", "source", b"${T}"),
    ],
)
def test_expansions(line: str, name: str, role: str, text: bytes) -> None:
    model = model_of(f"FROM x\nARG T\n{line}\n")
    (site,) = model.expansions(model.bindings[0])
    assert (site.instruction.name, site.role, site.name) == (name, role, "T")
    assert model.dockerfile.source.text(site.span) == text
    assert site.binding is model.bindings[0]


@pytest.mark.parametrize(
    "line",
    [
        "RUN echo $T",
        "CMD echo $T",
        'ENTRYPOINT ["e", "$T"]',
        "HEALTHCHECK CMD echo $T",
        'SHELL ["sh", "$T"]',
        "MAINTAINER $T",
        "COPY <<'E' /d\n$T\nE",
        "LABEL l='$T' m=\\$T",
        "ENV T2=$TT",
    ],
)
def test_what_is_not_expanded(line: str) -> None:
    model = model_of(f"FROM x\nARG T\n{line}\n")
    assert model.expansions(model.bindings[0]) == ()


def test_from_reads_global_args() -> None:
    model = model_of("ARG V=1\nARG I=img:$V\nFROM --platform=$P $I\nARG I\nLABEL l=$I\n")
    version, image, inside = model.bindings
    assert [site.role for site in model.expansions(version)] == ["default"]
    assert [site.role for site in model.expansions(image)] == ["image"]
    assert [site.role for site in model.expansions(inside)] == ["value"]


def test_expansions_in_children() -> None:
    model = model_of("FROM x AS a\nARG T\nFROM a\nLABEL l=$T\nARG T\nLABEL m=$T\n")
    first, second = model.bindings
    assert [site.instruction.start_line for site in model.expansions(first)] == [4]
    assert [site.instruction.start_line for site in model.expansions(second)] == [6]


def test_one_instruction_is_one_snapshot_but_for_arg() -> None:
    model = model_of("FROM x\nENV A=1\nENV A=2 B=$A\nARG C=3 D=$C\n")
    old, new, _, c, _ = model.bindings
    assert [site.instruction.start_line for site in model.expansions(old)] == [3]
    assert model.expansions(new) == ()
    assert [site.instruction.start_line for site in model.expansions(c)] == [4]


@pytest.mark.parametrize(
    ("value", "exact", "operator"),
    [
        ("$T", True, ""),
        ("${T}", True, ""),
        ('"$T"', True, ""),
        ("${T:-}", True, ":-"),
        ("${T:-d}", False, ":-"),
        ("text${T}text", False, ""),
        ('"https://u:${T}@h"', False, ""),
    ],
)
def test_aliases(value: str, exact: bool, operator: str) -> None:
    model = model_of(f"FROM x\nARG T\nENV Y={value}\n")
    (alias,) = model.aliases(model.bindings[0])
    assert (alias.binding.name, alias.exact, alias.operator) == ("Y", exact, operator)
    assert alias.site is not None


def test_aliases_are_transitive() -> None:
    model = model_of("ARG T\nFROM x\nARG T\nENV A=$T\nENV B=x$A C=$A\nENV A=$A\nLABEL l=$C\n")
    found = {
        (alias.binding.name, alias.binding.instruction.start_line): (alias.exact, alias.depth)
        for alias in model.aliases(model.bindings[0])
    }
    assert found == {
        ("T", 3): (True, 1),
        ("A", 4): (True, 2),
        ("B", 5): (False, 3),
        ("C", 5): (True, 3),
        ("A", 6): (True, 3),
    }


def test_what_from_stands_in_and_sees() -> None:
    model = model_of("ARG A=1\nARG B=$A\nFROM x\nARG C\nFROM y\nRUN r\n")
    assert live(model, 2) == {"A": 1}
    assert live(model, 5) == {"A": 1, "B": 2}
    first, *_, opening, run = model.dockerfile.instructions
    assert model.stage_of(first) is None
    assert model.stage_of(opening) is model.stages[1]
    assert model.stage_of(run) is model.stages[1]
    assert model.binding_at(opening, "B") is model.bindings[1]


def test_image_env() -> None:
    model = model_of("FROM x AS a\nENV A=1 B=2\nARG C=3\nFROM a\nENV B=4\nARG A=5\n")
    first, second = (model.image_env(stage) for stage in model.stages)
    assert {name: b.instruction.start_line for name, b in first.items()} == {"A": 2, "B": 2}
    assert {name: b.instruction.start_line for name, b in second.items()} == {"A": 2, "B": 5}


def test_a_key_with_a_variable_gets_its_name() -> None:
    model = model_of('FROM x\nARG P=NPM\nENV ${P}_TOKEN=v "Q"=1\nENV $U=v\nRUN a\n')
    assert [binding.name for binding in model.bindings] == ["P", "NPM_TOKEN", "Q", "$U"]


def test_beyond_names_stages_that_other_arguments_build() -> None:
    model = model_of("ARG E=b\nFROM x AS a\nARG T\nFROM x AS b\nFROM $E\nRUN r\n")
    binding = model.bindings_of("T")[0]
    assert lines(model, binding) == []
    assert [stage.label for stage in model.beyond(binding)] == ["stage-2"]


def test_describe_names_places_and_no_values() -> None:
    model = model_of(
        "FROM node:20 AS build\nARG TOK=s3cr3t-canary\nENV Y=pre-$TOK\nRUN npm ci\n"
        "FROM build\nLABEL l=$Y m=$NOPE\nCMD run\n"
    )
    text = model.describe()
    assert "stage 0 build: from image node:20 (in a final chain)" in text
    assert "stage 1 stage-1: from build (final)" in text
    assert "arg TOK line 2, stage build" in text
    assert "live at RUN: line 4" in text
    assert "flows into: env Y line 3 (part of the value)" in text
    assert "expanded: Y in LABEL value line 6" in text
    assert "NOPE in LABEL value line 6" in text
    assert "s3cr3t-canary" not in text
    assert "pre-" not in text


PIECES = ["FROM", "a", "AS a", "$T", "ARG", "ENV", "T", "=", "ONBUILD", "COPY", "<<E", "E", "RUN",
    "--from=a", "--mount=type=secret,id=$T", "['", '["x"]', "\\", "${T:-", "}", "\n", "\n", " ", " ",
    "#", "USER", "VOLUME", "CMD", "\xff"]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_no_text_breaks_the_model(pieces: list[str]) -> None:
    data = "".join(pieces).encode("latin-1")
    model = build(parse(data), {None, "a", "?"})
    for site in model.sites:
        assert b"$" in data[site.span.start : site.span.end]
    for instruction in model.dockerfile.instructions:
        for name, binding in model.environment(instruction).items():
            assert binding.name == name
    assert model.describe().endswith("\n")


def test_vectors_do_not_break_the_model() -> None:
    folder = os.environ.get("DOCKERFIX_VECTORS")
    if not folder:
        pytest.skip("DOCKERFIX_VECTORS does not name the folder of vectors")
    count = 0
    for name in ("own_lexical", "buildkit_gotests", "buildkit_testfiles"):
        for vector in json.loads((Path(folder) / f"{name}.json").read_text()):
            text = vector.get("input", vector.get("dockerfile", ""))
            data = text.encode("latin-1" if vector.get("input_encoding") else "utf-8")
            model = build(parse(data))
            assert model.describe()
            count += len(model.bindings) + len(model.sites)
    assert count > 500


def test_a_long_file_stays_linear() -> None:
    def seconds(count: int) -> float:
        body = "".join(
            f"ARG A{i}=$A{i - 1}\nENV E{i}=x$A{i} F=$A{i}\nRUN r $A{i}\nLABEL l{i}=$E{i}\n"
            for i in range(count)
        )
        dockerfile = parse(f"FROM x AS a\n{body}FROM a\nRUN last\n".encode())
        for instruction in dockerfile.instructions:
            assert instruction.span
        start = time.perf_counter()
        model = build(dockerfile)
        assert len(model.sites) == 4 * count
        for binding in model.bindings:
            model.expansions(binding)
        for run in dockerfile.instructions[-2:]:
            model.environment(run)
        return time.perf_counter() - start

    seconds(50)
    small, large = min(seconds(200) for _ in range(2)), seconds(1250)
    assert large < 30 * small
