"""The stage graph: parents, copies, targets, what is final."""

from __future__ import annotations

from dockerfix import parse
from dockerfix.model import StageGraph, build


def graph(text: str, *targets: str | None) -> StageGraph:
    return build(parse(text.encode()), targets or (None,)).graph


def labels(stages: object) -> list[str]:
    return [stage.label for stage in stages]  # type: ignore[attr-defined]


def test_parent_by_name_and_external_image() -> None:
    base, child = graph("FROM node:20 AS Base\nFROM base\n")
    assert base.name == "base"
    assert base.parent is None
    assert base.image == "node:20"
    assert child.parent is base
    assert child.image is None
    assert child.label == "stage-1"
    assert labels(base.children) == ["stage-1"]
    assert labels(child.chain) == ["stage-1", "base"]


def test_from_sees_only_earlier_stages_and_no_numbers() -> None:
    first, second, third = graph("FROM later AS a\nFROM 0 AS b\nFROM x AS later\n")
    assert first.parent is None
    assert first.image == "later"
    assert second.parent is None
    assert third.parent is None


def test_a_repeated_name_means_the_last_one_before() -> None:
    stages = graph("FROM x AS a\nFROM a AS a\nFROM a\nFROM y AS a\n").stages
    assert stages[1].parent is stages[0]
    assert stages[2].parent is stages[1]


def test_from_with_the_default_of_a_global_arg() -> None:
    found = graph("ARG BASE=prod\nFROM x AS dev\nFROM y AS prod\nFROM ${BASE} AS last\n")
    assert found.stages[2].parent is found.stages[1]
    assert labels(found.stages[2].alternatives) == ["dev"]
    assert labels(found.stages[0].possible_children) == ["last"]
    assert found.stages[0].in_final_chain


def test_from_with_a_platform_argument() -> None:
    found = graph("FROM x AS b-amd64\nFROM x AS b-arm64\nFROM x AS c\nFROM b-$TARGETARCH\n")
    assert labels(found.stages[3].chain) == ["stage-3", "b-amd64"]
    assert labels(found.stages[3].alternatives) == ["b-arm64"]


def test_copy_from_is_no_inheritance() -> None:
    build_, other, last = graph(
        "FROM x AS b\nFROM y AS o\nFROM z\nCOPY --from=B /f /f\nRUN --mount=type=bind,from=1 a\n"
    )
    assert labels(last.sources) == ["b", "o"]
    assert labels(build_.copied_into) == ["stage-2"]
    assert labels(other.copied_into) == ["stage-2"]
    assert last.parent is None
    assert build_.children == ()
    assert not build_.in_final_chain


def test_final_stages() -> None:
    text = "FROM x AS base\nFROM base AS dev\nFROM base AS test\nFROM y\n"
    assert labels(stage for stage in graph(text) if stage.final) == ["stage-3"]
    found = graph(text, None, "DEV")
    assert labels(stage for stage in found if stage.final) == ["dev", "stage-3"]
    assert labels(stage for stage in found if stage.in_final_chain) == ["base", "dev", "stage-3"]
    assert labels(stage for stage in graph(text, "?") if stage.final) == labels(graph(text))
    assert labels(stage for stage in graph(text, "1") if stage.final) == ["dev", "stage-3"]
    assert graph(text, "nosuch").unknown_targets == {"nosuch"}


def test_onbuild_runs_in_direct_children_only() -> None:
    base, child, grandchild = graph(
        "FROM x AS a\nONBUILD ARG T\nONBUILD RUN t\nFROM a AS b\nFROM b\n"
    )
    assert [found.trigger.name for found in base.onbuild if found.trigger] == ["arg", "run"]
    assert child.triggers == base.onbuild
    assert grandchild.triggers == ()
    assert base.foreign_onbuild
    assert not child.foreign_onbuild
    assert not graph("FROM scratch\n").stages[0].foreign_onbuild


def test_entry_of_a_chain() -> None:
    model = build(
        parse(b"FROM x AS a\nCMD a\nHEALTHCHECK CMD h\nFROM a AS b\nENTRYPOINT e\nFROM b\nCMD c\n")
    )
    first, second, third = (model.entry(stage) for stage in model.stages)
    assert [found.name for found in first.readers] == ["cmd", "healthcheck"]
    # ENTRYPOINT drops the CMD that came with the base.
    assert [found.name for found in second.readers] == ["entrypoint", "healthcheck"]
    assert [found.start_line for found in third.readers] == [5, 7, 3]


def test_setting_at_an_instruction() -> None:
    dockerfile = parse(
        b'FROM x AS a\nUSER app\nWORKDIR /w\nSHELL ["bash","-c"]\nRUN one\n'
        b"FROM a\nWORKDIR sub\nRUN two\nWORKDIR $X\nRUN three\n"
    )
    model = build(dockerfile)
    one, two, three = (
        model.setting(found) for found in dockerfile.instructions if found.name == "run"
    )
    assert one.user is not None
    assert one.user.start_line == 2
    assert two.user is one.user
    assert two.shell is one.shell is not None
    assert (one.workdir, two.workdir, three.workdir) == ("/w", "/w/sub", None)
