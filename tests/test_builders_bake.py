"""Bake files: what is read, what it becomes, and that bake itself reads it so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from turning import calls_in, turned

from dockerfix.builders import bake, script
from dockerfix.finding import Refusal

if TYPE_CHECKING:
    from pathlib import Path

HCL, JSON = "docker-bake.hcl", "docker-bake.json"
VARIABLES = 'variable "X" {}\nvariable "Y" { default = "" }\nvariable "Z" { default = "z" }\n'


def after(root: Path, text: str, path: str = HCL, names: tuple[str, ...] = ("X",)) -> str | Refusal:
    result = turned(bake, root, {path: text}, path, names)
    return result if isinstance(result, Refusal) else result[path].decode()


CHANGED = [
    ('target "a" {\n  args = {\n    A = "1"\n    X = X\n  }\n}\n',
     'target "a" {\n  args = {\n    A = "1"\n  }\n  secret = ["id=X,env=X"]\n}\n'),
    ('target "a" {\n  args = { A = "1", X = "${Y}" }\n}\n',
     'target "a" {\n  args = { A = "1" }\n  secret = ["id=X,env=Y"]\n}\n'),
    ('target "a" {\n  args = { X = X, A = "1", }\n  secret = [\n    "id=b",\n  ]\n}\n',
     'target "a" {\n  args = { A = "1", }\n  secret = [\n    "id=b",\n    "id=X,env=X",\n  ]\n}\n'),
    ('target "a" {\n  args = { "X" = X }\n  target = "t" # t\n}\n',
     'target "a" {\n  secret = ["id=X,env=X"]\n  target = "t" # t\n}\n'),
    ('target "b" {\n  args = { X = X }\n}\ntarget "a" {\n  inherits = ["b"]\n}\n',
     'target "b" {\n  secret = ["id=X,env=X"]\n}\ntarget "a" {\n  inherits = ["b"]\n}\n'),
    ('target "a" {\n  args = { X = X }\n  secret = [{ id = "X", env = "X" }]\n}\n',
     'target "a" {\n  secret = [{ id = "X", env = "X" }]\n}\n'),
    # Maps that are put together: what is left of one that is emptied, and of the function.
    ('common = { A = "1" }\ntarget "a" {\n  args = merge(common, { X = X })\n}\n',
     'common = { A = "1" }\ntarget "a" {\n  args = common\n  secret = ["id=X,env=X"]\n}\n'),
    ('target "a" {\n  args = merge({ A = "1" }, { X = X, B = "2" }, { C = "3" })\n}\n',
     'target "a" {\n  args = merge({ A = "1" }, { B = "2" }, { C = "3" })\n  secret = ["id=X,env=X"]\n}\n'),
    ('target "a" {\n  args = merge({ X = X }, { A = "1" },\n    X != "" ? { X = X } : {})\n}\n',
     'target "a" {\n  args = { A = "1" }\n  secret = ["id=X,env=X"]\n}\n'),
    ('target "a" {\n  args = merge({ X = X }, {})\n}\n',
     'target "a" {\n  args = {}\n  secret = ["id=X,env=X"]\n}\n'),
    # A test of the variable itself.
    ('target "a" {\n  args = X == "" ? {} : { X = X }\n}\n',
     'target "a" {\n  secret = ["id=X,env=X"]\n}\n'),
    ('target "a" {\n  args = { X = Y != "" ? Y : null, A = "1" }\n}\n',
     'target "a" {\n  args = { A = "1" }\n  secret = ["id=X,env=Y"]\n}\n'),
    # An attribute that targets refer to stays, empty as it may be.
    ('common = { X = X }\ntarget "a" {\n  args = common\n}\n',
     'common = {}\ntarget "a" {\n  args = common\n  secret = ["id=X,env=X"]\n}\n'),
]  # fmt: skip


@pytest.mark.parametrize(("before", "wanted"), CHANGED)
def test_arguments_become_secrets(tmp_path: Path, before: str, wanted: str) -> None:
    assert after(tmp_path, VARIABLES + before) == VARIABLES + wanted


def test_json_says_the_same_in_its_own_way(tmp_path: Path) -> None:
    text = json.dumps(
        {
            "variable": {"X": {}, "Y": {"default": ""}},
            "target": {
                "a": {"args": {"A": "1", "X": "${X}", "Y": "${Y}"}, "tags": ["t"]},
                "b": {"args": {"X": "${X}"}},
            },
        },
        indent=4,
    )
    result = after(tmp_path, text, JSON, ("X", "Y"))
    assert isinstance(result, str)
    assert json.loads(result)["target"] == {
        "a": {"args": {"A": "1"}, "secret": ["id=X,env=X", "id=Y,env=Y"], "tags": ["t"]},
        "b": {"secret": ["id=X,env=X"]},
    }


REFUSED = [
    ("X = Z", "default"),
    ('X = "${Z}"', "default"),
    ('X = "https://${X}@h"', "more than one"),
    ("X = UNDECLARED", "default or is set"),
    ('X = "abc"', "written out"),
    ("X = null", "passes none"),
    ("X = upper(X)", "more than one"),
    ('X = "${X == "" ? "a" : X}"', "more than one"),
    ('X = Y != "" ? X : null', "more than one"),
    ('X = X != "" ? X : "none"', "more than one"),
]


@pytest.mark.parametrize(("value", "reason"), REFUSED)
def test_refused(tmp_path: Path, value: str, reason: str) -> None:
    result = after(tmp_path, f'{VARIABLES}target "a" {{\n  args = {{\n    {value}\n  }}\n}}\n')
    assert isinstance(result, Refusal)
    assert reason in result.reason
    assert result.help


def test_a_computed_secret_list_is_refused(tmp_path: Path) -> None:
    text = 'target "a" {\n  args = { X = X }\n  secret = concat(["id=a"], [])\n}\n'
    result = after(tmp_path, VARIABLES + text)
    assert isinstance(result, Refusal)
    assert "computed" in result.reason


def test_computed_args_are_told(tmp_path: Path) -> None:
    text = VARIABLES + 'target "a" {\n  args = made({ X = X }, {})\n}\n'
    (call,) = calls_in(bake, tmp_path, {HCL: text}, HCL)
    assert (call.args, call.unresolved) == ((), ("args",))


@pytest.mark.parametrize("args", ["merge(made(), { X = X })", "merge(Z, { X = X })"])
def test_part_of_args_may_be_computed(tmp_path: Path, args: str) -> None:
    text = f'{VARIABLES}target "a" {{\n  args = {args}\n}}\n'
    (call,) = calls_in(bake, tmp_path, {HCL: text}, HCL)
    assert [arg.name for arg in call.args] == ["X"]
    assert call.unresolved == ("args",)


def test_a_condition_on_something_else_is_refused(tmp_path: Path) -> None:
    result = after(tmp_path, VARIABLES + 'target "a" {\n  args = Y != "" ? { X = X } : {}\n}\n')
    assert isinstance(result, Refusal)
    assert "only under a condition" in result.reason


def test_a_default_in_a_file_beside_counts(tmp_path: Path) -> None:
    files = {
        HCL: 'variable "X" {}\ntarget "a" {\n  args = { X = X }\n}\n',
        "docker-bake.override.hcl": 'variable "X" { default = "o" }\n',
    }
    assert isinstance(turned(bake, tmp_path, files, HCL, ["X"]), Refusal)


LINKS = [
    ('context = "a"', [("a", None, None)]),
    ('dockerfile = "D"', [(".", "D", None)]),
    ('context = "a"\n  dockerfile = "b/D"\n  target = "t"', [("a", "a/b/D", "t")]),
    ('context = "./${Z}"', [("./z", None, None)]),
    ('context = "${UNKNOWN}"', [("?", None, None)]),
    ('context = "https://h/r.git"', [("https://h/r.git", None, None)]),
    (
        'matrix = { m = ["p", "q"] }\n  name = "n-${m}"\n  context = m',
        [("p", None, None), ("q", None, None)],
    ),
    ('dockerfile-inline = "FROM a"', [(".", None, None)]),
]


@pytest.mark.parametrize(("says", "links"), LINKS)
def test_context_dockerfile_and_target(
    tmp_path: Path, says: str, links: list[tuple[str | None, ...]]
) -> None:
    text = f'{VARIABLES}target "a" {{\n  {says}\n}}\n'
    calls = calls_in(bake, tmp_path, {HCL: text}, HCL)
    assert [(one.context, one.dockerfile_argument, one.target) for one in calls] == links


def test_a_mere_base_is_no_call_and_its_args_are_those_of_its_heirs(tmp_path: Path) -> None:
    text = (
        VARIABLES
        + 'target "_b" {\n  args = { X = X }\n}\n'
        + 'target "c" {\n  inherits = ["_b"]\n  context = "c"\n}\n'
        + 'target "d" {\n  inherits = ["_b"]\n  context = "d"\n  args = { X = Y }\n}\n'
    )
    calls = calls_in(bake, tmp_path, {HCL: text}, HCL)
    assert [(one.context, one.args[0].variable) for one in calls] == [("c", "X"), ("d", "Y")]


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ("--set *.args.X=$X", "docker buildx bake --set *.secrets+=id=X,env=X"),
        ("--set '*.args.X'", "docker buildx bake --set '*.secrets+=id=X,env=X'"),
        ('--set="a.args.X=${X}" a', 'docker buildx bake --set="a.secrets+=id=X,env=X" a'),
        ("--set *.args.X=$(cat t)", 'X="$(cat t)" docker buildx bake --set *.secrets+=id=X,env=X'),
        ("--set a.args.X=1 --set a.tags=t", "X=1 docker buildx bake --set a.secrets+=id=X,env=X --set a.tags=t"),
    ],
)  # fmt: skip
def test_overrides_in_scripts(tmp_path: Path, flags: str, wanted: str) -> None:
    files = {"b.sh": f"#!/bin/sh\ndocker buildx bake {flags}\n"}
    result = turned(script, tmp_path, files, "b.sh", ["X"])
    assert not isinstance(result, Refusal)
    assert result["b.sh"].decode() == f"#!/bin/sh\n{wanted}\n"
    (call,) = calls_in(script, tmp_path, {"b.sh": result["b.sh"].decode()}, "b.sh")
    assert [(one.id, one.source) for one in call.secrets] == [("X", "env:X")]


def test_a_bake_that_overrides_nothing_is_the_files_own_business(tmp_path: Path) -> None:
    files = {"b.sh": "#!/bin/sh\ndocker buildx bake -f a.hcl --push web\n"}
    assert calls_in(script, tmp_path, files, "b.sh") == []


@pytest.mark.parametrize(
    ("path", "text"),
    [(HCL, 'target "a" {'), (JSON, '{"target": '), ("main.tf.hcl", 'resource "a" "b" {}'), (HCL, "")],
)  # fmt: skip
def test_files_without_targets_hold_no_calls(tmp_path: Path, path: str, text: str) -> None:
    assert calls_in(bake, tmp_path, {path: text}, path) == []


@pytest.mark.skipif(
    not os.environ.get("DOCKERFIX_ENGINE") or shutil.which("docker") is None,
    reason="DOCKERFIX_ENGINE is not set: no bake to ask",
)
@pytest.mark.parametrize("text", [before for before, _ in CHANGED])
def test_bake_itself_takes_the_result(tmp_path: Path, text: str) -> None:
    result = after(tmp_path, VARIABLES + text)
    assert isinstance(result, str)
    (tmp_path / HCL).write_text(result)
    done = subprocess.run(
        ["docker", "buildx", "bake", "-f", HCL, "--print", "a"],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, "X": "1", "Y": "2", "b": "3"},
        check=True,
    )
    target = json.loads(done.stdout)["target"]["a"]
    assert "X" not in target.get("args", {})
    assert {"id": "X", "env": "Y" if "env=Y" in result else "X"} in target["secret"]


def test_a_matrix_of_objects_names_its_dockerfiles(tmp_path: Path) -> None:
    text = VARIABLES + (
        'target "a" {\n  name = "a-${i.name}"\n  context = i.dir\n  args = { X = X }\n'
        '  matrix = { i = [{ name = "b", dir = "d" }, { name = "c", dir = "e" }] }\n}\n'
    )
    calls = calls_in(bake, tmp_path, {HCL: text}, HCL)
    assert [call.context for call in calls] == ["d", "e"]


def test_a_base_without_a_dockerfile_is_not_built(tmp_path: Path) -> None:
    text = VARIABLES + (
        'target "b" {\n  context = "."\n  args = { X = X }\n}\n'
        'target "a" {\n  inherits = ["b"]\n  dockerfile = "a/Dockerfile"\n}\n'
    )
    files = {HCL: text, "a/Dockerfile": "FROM a\n"}
    (call,) = calls_in(bake, tmp_path, files, HCL)
    assert call.dockerfile_argument == "a/Dockerfile"
    both = calls_in(bake, tmp_path, files | {"Dockerfile": "FROM a\n"}, HCL)
    assert len(both) == 2


def test_a_variable_may_stand_in_another_file_of_the_folder(tmp_path: Path) -> None:
    files = {"b/vars.hcl": VARIABLES, "b/app.hcl": 'target "a" {\n  args = { X = X }\n}\n'}
    result = turned(bake, tmp_path, files, "b/app.hcl", ("X",))
    assert not isinstance(result, Refusal)
    assert result["b/app.hcl"] == b'target "a" {\n  secret = ["id=X,env=X"]\n}\n'
    files["b/vars.hcl"] = 'variable "X" { default = "x" }\n'
    assert isinstance(turned(bake, tmp_path, files, "b/app.hcl", ("X",)), Refusal)


LONG = [f"A_VERY_LONG_NAME_{letter}" for letter in "BC"]


def test_long_lists_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    args = "".join(f"    {name} = {name}\n" for name in LONG)
    head = "".join(f'variable "{name}" {{}}\n' for name in LONG)
    text = f'{head}target "a" {{\n  args = {{\n{args}  }}\n  tags = ["t"]\n}}\n'
    items = "".join(f'    "id={name},env={name}",\n' for name in LONG)
    wanted = f'{head}target "a" {{\n  secret = [\n{items}  ]\n  tags = ["t"]\n}}\n'
    assert after(tmp_path, text, names=tuple(LONG)) == wanted


def test_long_lists_in_json_too(tmp_path: Path) -> None:
    args = "".join(f',\n\t\t\t"{name}": "${{{name}}}"' for name in LONG)
    variables = ", ".join(f'"{name}": {{}}' for name in LONG)
    head = (
        f'{{\n\t"variable": {{{variables}}},\n\t"target": {{"a": {{\n\t\t"args": {{\n\t\t\t"B": "1"'
    )
    items = ",\n".join(f'\t\t\t"id={name},env={name}"' for name in LONG)
    result = after(tmp_path, f"{head}{args}\n\t\t}}\n\t}}}}\n}}\n", JSON, tuple(LONG))
    assert result == f'{head}\n\t\t}},\n\t\t"secret": [\n{items}\n\t\t]\n\t}}}}\n}}\n'
