"""Dockerfiles inside other files: found, reported and rewritten at their place in the host."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from examples import read
from repositories import after, findings, lay_out, printed

from dockerfix.engine import run
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from examples import Example

COMPOSE = """\
services:
  web:
    build:
      args: [NPM_TOKEN]
      dockerfile_inline: |
        FROM node:20
        # Mind the token.
        ARG NPM_TOKEN
        RUN test "$$NPM_TOKEN" && npm ci
        RUN curl -H "X-Key: ${API_KEY}" https://example.com/$${PATH}/${API_KEY}
"""
PUT_IN = "secret-put-into-dockerfile"
SYNTAX = "# syntax=docker/dockerfile:1"
MOUNT = "--mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN"
TOP = "secrets:\n  NPM_TOKEN:\n    environment: NPM_TOKEN\n"


def told(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["path"], one["line"], one["variable"], one["status"]) for one in found]


def test_compose(tmp_path: Path) -> None:
    found = findings(lay_out(tmp_path, {"c/compose.yaml": COMPOSE}))
    assert told(found) == [
        ("c/compose.yaml", 8, "NPM_TOKEN", "fixable"),
        ("c/compose.yaml", 10, "API_KEY", "fixable"),
    ]
    assert [one["column"] for one in found] == [13, 29]
    assert found[0]["fix"]["paths"] == ["c/compose.yaml"]
    assert found[0]["related"][0]["line"] == 9
    assert "line 9" in found[0]["reason"]
    assert "`$${API_KEY}`" in found[1]["help"]


def service(text: str, more: str = "", args: str = "      args: [NPM_TOKEN]\n") -> str:
    return f"services:\n  web:\n    build:\n{args}      dockerfile_inline: {text}{more}"


def rewritten(text: str, more: str = "") -> str:
    return service(text, more, "      secrets:\n        - NPM_TOKEN\n") + TOP


def lines(*said: str, by: int = 8) -> str:
    return "".join(" " * by + one + "\n" if one else "\n" for one in said)


OLD = ("FROM node:20", "ARG NPM_TOKEN", 'RUN test "$$NPM_TOKEN" && npm ci')
NEW = (SYNTAX, "FROM node:20", f'RUN {MOUNT} test "$$NPM_TOKEN" && npm ci')
ONE_LINE = 'FROM node:20\\nARG NPM_TOKEN\\nRUN echo \\"$$X\\" && npm ci\\n'
STYLES = {
    "literal": (service("|\n" + lines(*OLD)), rewritten("|\n" + lines(*NEW))),
    "stripped": (service("|-\n" + lines(*OLD)), rewritten("|-\n" + lines(*NEW))),
    "kept": (
        service("|+\n" + lines(*OLD, "", ""), "    image: x\n"),
        rewritten("|+\n" + lines(*NEW, "", ""), "    image: x\n"),
    ),
    "with an indicator": (
        service("|4 # as it is\n" + lines(*OLD, by=10)),
        rewritten("|4 # as it is\n" + lines(*NEW, by=10)),
    ),
    "blank lines first": (
        service("|2\n" + lines("", "# hi", *OLD)),
        rewritten("|2\n" + lines(SYNTAX, "", "# hi", *NEW[1:])),
    ),
    "no end of the last line": (
        service("|\n" + lines(*OLD).removesuffix("\n")),
        rewritten("|\n" + lines(*NEW)).removesuffix("\n"),
    ),
    "a command of several lines": (
        service("|\n" + lines(*OLD[:2], "RUN set -e; \\", "  npm ci")),
        rewritten("|\n" + lines(*NEW[:2], f"RUN {MOUNT} \\", "  set -e; \\", "  npm ci")),
    ),
    "an old frontend": (
        service("|\n" + lines(SYNTAX + ".4", *OLD)),
        rewritten("|\n" + lines(*NEW)),
    ),
    "another escape character": (
        service("|\n" + lines("# escape=`", *OLD)),
        rewritten("|\n" + lines(SYNTAX, "# escape=`", *NEW[1:])),
    ),
    "double quotes": (
        service(f'"{ONE_LINE}"\n'),
        rewritten(f'"{SYNTAX}\\nFROM node:20\\nRUN {MOUNT} echo \\"$$X\\" && npm ci\\n"\n'),
    ),
    "folded": (
        service(">\n" + lines("FROM node:20", "", "ARG NPM_TOKEN", "", "RUN npm ci")),
        rewritten("|\n" + lines(*NEW[:2], f"RUN {MOUNT} npm ci")),
    ),
    "arguments behind it": (
        service("|\n" + lines(*OLD), "      args:\n        NPM_TOKEN: ${NPM_TOKEN}\n", ""),
        service("|\n" + lines(*NEW), "      secrets:\n        - NPM_TOKEN\n", "") + TOP,
    ),
    "compose's own values stay": (
        service("|\n" + lines("FROM node:${NODE:-20}", *OLD[1:2], "RUN npm ci ${FLAGS}")),
        rewritten("|\n" + lines(SYNTAX, "FROM node:${NODE:-20}", f"RUN {MOUNT} npm ci ${{FLAGS}}")),
    ),
    "one text of two services": (
        "x-d: &d |\n" + lines(*OLD, by=2) + "services:\n"
        "  a: {build: {args: [NPM_TOKEN], dockerfile_inline: *d}}\n"
        "  b: {build: {args: [NPM_TOKEN, X], dockerfile_inline: *d}}\n",
        "x-d: &d |\n" + lines(*NEW, by=2) + "services:\n"
        "  a: {build: {dockerfile_inline: *d, secrets: [NPM_TOKEN]}}\n"
        "  b: {build: {args: [X], dockerfile_inline: *d, secrets: [NPM_TOKEN]}}\n" + TOP,
    ),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_each_way_to_write_it(tmp_path: Path, style: str, eol: str) -> None:
    before, wanted = (one.replace("\n", eol).encode() for one in STYLES[style])
    lay_out(tmp_path, {})
    (tmp_path / "compose.yaml").write_bytes(before)
    printed(tmp_path, "--write")
    assert (tmp_path / "compose.yaml").read_bytes() == wanted
    assert printed(tmp_path, "--diff", "--unsafe-fixes") == ""


def test_what_a_script_passes_and_another_file_extends(tmp_path: Path) -> None:
    files = {
        "base.yaml": service("|\n" + lines(*OLD), args=""),
        "compose.yaml": "services:\n  a:\n    extends: {file: base.yaml, service: web}\n"
        "    build:\n      args: [NPM_TOKEN]\n",
        "build.sh": "docker compose -f base.yaml build --build-arg NPM_TOKEN web\n",
    }
    found = after(lay_out(tmp_path, files), "--unsafe-fixes")
    assert found["base.yaml"] == (
        service("|\n" + lines(*NEW), "      secrets:\n        - NPM_TOKEN\n", "") + TOP
    )
    assert "args" not in found["compose.yaml"]
    assert found["build.sh"] == "docker compose -f base.yaml build web\n"


def test_one_secret_of_several_dockerfiles(tmp_path: Path) -> None:
    text = service("|\n" + lines(*OLD)) + "  x:\n    build: {context: ., args: [NPM_TOKEN]}\n"
    files = {"compose.yaml": text, "Dockerfile": "FROM a\nARG NPM_TOKEN\nRUN npm ci\n"}
    found = after(lay_out(tmp_path, files))
    assert found["Dockerfile"] == f"{SYNTAX}\nFROM a\nRUN {MOUNT} npm ci\n"
    assert found["compose.yaml"] == rewritten(
        "|\n" + lines(*NEW),
        "  x:\n    build: {context: ., secrets: [NPM_TOKEN]}\n",
    )


def test_arguments_shared_with_one_that_takes_none(tmp_path: Path) -> None:
    files = {
        "Dockerfile": "FROM a\nARG NPM_TOKEN\nRUN npm ci\n",
        "compose.yaml": "x-a: &a {NPM_TOKEN: $NPM_TOKEN}\nservices:\n"
        "  a: {build: {context: ., args: *a}}\n"
        "  b: {build: {args: *a, dockerfile_inline: FROM b}}\n",
    }
    found = after(lay_out(tmp_path, files))
    assert found["compose.yaml"].endswith(
        "  a: {build: {context: ., secrets: [NPM_TOKEN]}}\n"
        "  b: {build: {dockerfile_inline: FROM b, secrets: [NPM_TOKEN]}}\n" + TOP
    )


def test_what_goes_is_written_by_compose(tmp_path: Path) -> None:
    text = service("|\n" + lines("FROM a", "ARG NPM_TOKEN=${OTHER}", "RUN npm ci"))
    (found,) = findings(lay_out(tmp_path, {"compose.yaml": text}))
    (refusal,) = found["refusals"]
    assert refusal["reason"] == "compose writes a value of its own into the text that would change"
    assert (refusal["path"], refusal["line"], refusal["column"]) == ("compose.yaml", 7, 23)
    assert printed(tmp_path, "--diff", "--unsafe-fixes") == ""


PUT = {
    "in one and two quotes": (
        ("RUN a \"${X_TOKEN}\" && b '$X_TOKEN'",),
        "the shell of the RUN on line 6 would not expand it there",
    ),
    "in exec form": (
        ('RUN ["a", "$X_TOKEN"]',),
        "the shell of the RUN on line 6 would not expand it there",
    ),
    "in a heredoc that nothing expands": (
        ("RUN cat <<'E' > f", "$X_TOKEN", "E"),
        "the shell of the RUN on line 6 would not expand it there",
    ),
    "where it is assigned": (
        ("RUN X_TOKEN=b; a $X_TOKEN",),
        "the shell of the RUN on line 6 would not expand it there",
    ),
    "with a default": (("RUN a ${X_TOKEN:-b}",), "it is more there than the value of the variable"),
    "in a label": (("LABEL a=$X_TOKEN",), "only a RUN can read a secret"),
    "above the argument": (
        ("RUN a $X_TOKEN", "ARG X_TOKEN"),
        "the RUN on line 6 has no argument X_TOKEN",
    ),
    "beside an argument that nobody passes": (
        ("ARG X_TOKEN", "RUN a $X_TOKEN"),
        "the argument X_TOKEN may be another value",
    ),
}


@pytest.mark.parametrize("case", PUT)
def test_where_a_value_of_compose_stays(tmp_path: Path, case: str) -> None:
    said, reason = PUT[case]
    text = service("|\n" + lines("FROM a", *said), args="")
    found = findings(lay_out(tmp_path, {"compose.yaml": text}), "--select", PUT_IN)
    assert [[one["reason"] for one in each["refusals"]] for each in found] == [[reason]]
    assert printed(tmp_path, "--diff", "--unsafe-fixes", "--select", PUT_IN) == ""


def test_two_values_of_compose_in_one_command(tmp_path: Path) -> None:
    text = service("|\n" + lines("FROM a", "RUN a $A_TOKEN", "RUN b $A_TOKEN$B_TOKEN"), args="")
    found = after(lay_out(tmp_path, {"compose.yaml": text}), "--unsafe-fixes")["compose.yaml"]
    mounts = [f"--mount=type=secret,id={one}_TOKEN,env={one}_TOKEN" for one in "AB"]
    assert f"        RUN {mounts[0]} a $$A_TOKEN\n" in found
    assert f"        RUN {mounts[0]} \\\n            {mounts[1]} \\\n" in found
    assert "            b $$A_TOKEN$$B_TOKEN\n      secrets:\n        - A_TOKEN\n" in found
    assert found.count("A_TOKEN:\n    environment: A_TOKEN\n") == 1


@pytest.mark.parametrize(
    ("path", "count"), [("c", 2), ("c/compose.yaml", 2), ("d", 0), ("Dockerfile", 0)]
)
def test_only_what_was_asked_for(tmp_path: Path, path: str, count: int) -> None:
    files = {"c/compose.yaml": COMPOSE, "d/x": "", "Dockerfile": "FROM a\nRUN b\n"}
    assert len(findings(lay_out(tmp_path, files), path)) == count


def test_comments_flags_and_the_configuration_silence_it(tmp_path: Path) -> None:
    silent = COMPOSE.replace("# Mind the token.", "# dockerfix: ignore[secret-in-arg] -- known")
    found = findings(lay_out(tmp_path, {"compose.yaml": silent}))
    assert [one["variable"] for one in found] == ["API_KEY"]
    assert findings(tmp_path, "--ignore", f"secret-in-arg,{PUT_IN}") == []
    silent = COMPOSE.replace("# Mind", "# x").replace(
        "        RUN curl", f"        # dockerfix: ignore[{PUT_IN}] -- z\n        RUN curl"
    )
    assert [one["variable"] for one in findings(lay_out(tmp_path, {"compose.yaml": silent}))] == [
        "NPM_TOKEN"
    ]
    settings = 'root = true\nexclude = ["compose.yaml"]\n'
    assert findings(lay_out(tmp_path, {".dockerfix.toml": settings})) == []


def test_its_path_in_dumps(tmp_path: Path) -> None:
    lay_out(tmp_path, {"c/compose.yaml": COMPOSE})
    found = printed(tmp_path, "dump", "--calls", "c/compose.yaml")
    assert "builds c/compose.yaml#web (by context)" in found
    assert "build argument NPM_TOKEN from environment NPM_TOKEN" in found


def test_a_fix_of_the_filter_is_one_of_the_file_on_standard_input(tmp_path: Path) -> None:
    """The compose file alone changes: nothing else has to be written."""
    lay_out(tmp_path, {"compose.yaml": "services: {}\n"})
    text = service("|\n" + lines(*OLD)).encode()
    workspace = Workspace(str(tmp_path)).overlay({"compose.yaml": text})
    from dockerfix.engine import Options

    result = run(workspace, ("compose.yaml",), Options(only=frozenset({"compose.yaml"})))
    assert result.changes["compose.yaml"][1] == rewritten("|\n" + lines(*NEW)).encode()


def test_what_only_another_file_is_changed_for(tmp_path: Path) -> None:
    files = {
        "compose.yaml": service("|\n" + lines("FROM a", "WORKDIR /a", "COPY . ."), args=""),
        "ci/.pypirc": "[pypi]\nusername = __token__\npassword = invented-canary-0006-0006\n",
    }
    found = after(lay_out(tmp_path, files), "--unsafe-fixes")
    assert found[".dockerignore"] == "ci/.pypirc\n"


def test_text_of_one_line_and_of_no_dockerfile(tmp_path: Path) -> None:
    build = json.dumps("# syntax=docker/dockerfile:1\nFROM a\nARG GH_TOKEN\nRUN npm ci\n")
    files = {
        "compose.yaml": f"services:\n  a: {{build: {{dockerfile_inline: {build}}}}}\n"
        "  b: {build: {dockerfile_inline: 'no Dockerfile'}}\n"
        "  c: {build: {dockerfile_inline: '', context: d}}\n",
        "d/Dockerfile": "FROM a\n",
    }
    assert told(findings(lay_out(tmp_path, files))) == [("compose.yaml", 2, "GH_TOKEN", "fixable")]


BAKE = 'variable "NPM_TOKEN" {}\n\ntarget "a" {\n'
ARGS = "  args = { NPM_TOKEN = NPM_TOKEN }\n"
SECRET = '  secret = ["id=NPM_TOKEN,env=NPM_TOKEN"]\n'


def target(text: str, first: str = ARGS) -> str:
    return f"{BAKE}{first}  dockerfile-inline = {text}\n}}\n"


FLUSH = ("FROM node", "", "ARG NPM_TOKEN", "RUN set -e; \\", "  npm ci $${X} %%{y}")
FLUSHED = (SYNTAX, "FROM node", "", f"RUN {MOUNT} \\", "  set -e; \\", "  npm ci $${X} %%{y}")
HCL = {
    "a heredoc": (
        target("<<EOT\n" + lines(*FLUSH, by=0) + "EOT"),
        target("<<EOT\n" + lines(*FLUSHED, by=0) + "EOT", SECRET),
    ),
    "an indented heredoc": (
        target("<<-EOT\n" + lines(*FLUSH, by=4) + "  EOT"),
        target("<<-EOT\n" + lines(*FLUSHED, by=4) + "  EOT", SECRET),
    ),
    "the last line goes": (
        target("<<-E\n" + lines("FROM a", "RUN npm ci ${Y}", "ARG NPM_TOKEN") + "E"),
        target("<<-E\n" + lines("FROM a", "RUN npm ci ${Y}") + "E", ""),
    ),
    "a string": (
        target(
            '"FROM node\\nARG NPM_TOKEN\\nRUN echo \\"${join("\\n", ["x"])}\\\\\\" | npm ci\\n"'
        ),
        target(
            f'"{SYNTAX}\\nFROM node\\nRUN {MOUNT} echo \\"${{join("\\n", ["x"])}}\\\\\\" | npm ci\\n"',
            SECRET,
        ),
    ),
}


@pytest.mark.parametrize("style", HCL)
def test_each_way_to_write_it_in_hcl(tmp_path: Path, style: str) -> None:
    before, wanted = HCL[style]
    found = after(lay_out(tmp_path, {"docker-bake.hcl": before}), "--unsafe-fixes")
    assert found == {"docker-bake.hcl": wanted}
    assert printed(tmp_path, "--diff", "--unsafe-fixes") == ""


def test_json_and_a_target_that_inherits(tmp_path: Path) -> None:
    text = """{"variable": {"T": {}}, "target": {
  "b": {"dockerfile-inline": "FROM a\\nARG NPM_TOKEN\\nRUN echo \\"\\u00e9 $${X}\\" && npm ci\\n"},
  "x": {"inherits": ["b"], "args": {"NPM_TOKEN": "${T}"}}
}}
"""
    lay_out(tmp_path, {"docker-bake.json": text})
    assert told(findings(tmp_path)) == [("docker-bake.json", 2, "NPM_TOKEN", "fixable")]
    assert after(tmp_path, "--unsafe-fixes")["docker-bake.json"] == text.replace(
        "FROM a\\nARG NPM_TOKEN\\nRUN", f"{SYNTAX}\\nFROM a\\nRUN {MOUNT}"
    ).replace('"args": {"NPM_TOKEN": "${T}"}', '"secret": ["id=NPM_TOKEN,env=T"]')


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('"FROM a\\nARG NPM_TOKEN\\nRUN npm ci \\"${upper(NPM_TOKEN)}\\"\\n"', "refused"),
        ('"FROM a\\nARG NPM_TOKEN=${X}\\nRUN npm ci\\n"', "refused"),
    ],
)
def test_what_bake_writes_itself_is_not_rewritten(tmp_path: Path, text: str, status: str) -> None:
    found = findings(lay_out(tmp_path, {"docker-bake.hcl": target(text)}))
    assert (found[0]["variable"], found[0]["status"]) == ("NPM_TOKEN", status)
    assert printed(tmp_path, "--diff", "--unsafe-fixes") == ""


@pytest.mark.parametrize(
    "text",
    [
        "<<E\nFROM a\nARG NPM_TOKEN\n%{ if a }\nRUN b\n%{ endif }\nE",
        '"FROM a\\n${~ x ~}ARG NPM_TOKEN\\n"',
        'file("x")',
        '"${x}"',
    ],
)
def test_a_text_that_is_computed_is_left_alone(tmp_path: Path, text: str) -> None:
    assert findings(lay_out(tmp_path, {"docker-bake.hcl": target(text)})) == []


PAGES = ("secret-in-arg", "secret-in-env", "secret-persisted-in-layer", "ssh-key-in-build")


def _alone() -> list[Example]:
    """Examples of one Dockerfile that nothing in the tree builds."""
    from pathlib import Path

    pages = Path(__file__).parent.parent / "docs" / "passes"
    found = (one for page in PAGES for one in read(pages / f"{page}.md"))
    return [one for one in found if list(one.files) == ["Dockerfile"]][::3]


@pytest.mark.parametrize("example", _alone(), ids=lambda one: one.id)
def test_a_fix_is_the_same_in_a_file_of_its_own(tmp_path: Path, example: Example) -> None:
    text = example.files["Dockerfile"].decode().replace("\r\n", "\n")
    build = "services:\n  web:\n    build:\n      context: .\n      args: [NPM_TOKEN, GH_TOKEN]\n"
    inside = "      dockerfile_inline: |\n" + lines(*text.replace("$", "$$").splitlines())
    alone = _done(tmp_path / "alone", {"Dockerfile": text, "compose.yaml": build})
    found = _done(tmp_path / "inside", {"compose.yaml": build + inside})
    assert alone.pop("Dockerfile").rstrip("\n") == found["compose.yaml"]["services"]["web"][
        "build"
    ].pop("dockerfile_inline").replace("$$", "$").rstrip("\n")
    assert alone == found


def _done(where: Path, files: Mapping[str, str]) -> dict[str, Any]:
    where.mkdir()
    found: dict[str, Any] = after(lay_out(where, files), "--unsafe-fixes")
    return found | {"compose.yaml": yaml.safe_load(found["compose.yaml"])}


HEREDOC = """\
#!/bin/sh
docker build --build-arg NPM_TOKEN -t web -f - . <<{}
# The image of \\$HOME
FROM node:$VERSION
ARG NPM_TOKEN
RUN echo \\`id\\` "\\\\\\$X" && npm ci && \\\\
    test "\\$NPM_TOKEN" \\
    -a 1
EOF
"""


@pytest.mark.parametrize("delimiter", ["EOF", "'EOF'", '"EOF"', "\\\\EOF"])
def test_a_heredoc_is_what_the_shell_makes_of_it(delimiter: str, tmp_path: Path) -> None:
    def given(script: str) -> str:
        fake = "VERSION=20\ndocker() { cat; }\n"
        done = subprocess.run(["sh", "-c", fake + script], capture_output=True, check=True)
        return done.stdout.decode()

    script = HEREDOC.format(delimiter.replace("\\\\", "\\"))
    call = script.splitlines()[1].replace("-f - . <<" + delimiter.replace("\\\\", "\\"), ".")
    plain = lay_out(
        tmp_path / "plain", {"Dockerfile": given(script), "b.sh": f"#!/bin/sh\n{call}\n"}
    )
    wanted = after(plain)["Dockerfile"]
    assert "ARG" not in wanted
    turned = after(lay_out(tmp_path / "own", {"b.sh": script}))["b.sh"]
    assert "--secret id=NPM_TOKEN,env=NPM_TOKEN -t web -f - ." in turned
    assert given(turned) == wanted


def test_a_heredoc_is_told_at_its_lines(tmp_path: Path) -> None:
    found = findings(lay_out(tmp_path, {"b.sh": HEREDOC.format("'EOF'")}))
    assert told(found) == [("b.sh", 5, "NPM_TOKEN", "fixable")]
    assert found[0]["related"][0]["line"] == 6


def test_a_value_of_the_shell_beside_its_argument(tmp_path: Path) -> None:
    text = "#!/bin/sh\ndocker build --build-arg NPM_TOKEN - <<EOF\nFROM a\nARG NPM_TOKEN\n"
    text += 'RUN npm ci --t "$NPM_TOKEN"\nEOF\n'
    found = after(lay_out(tmp_path, {"b.sh": text}), "--unsafe-fixes")["b.sh"]
    assert f'FROM a\nRUN {MOUNT} npm ci --t "\\$NPM_TOKEN"\nEOF\n' in found


def test_a_value_that_the_shell_puts_into_a_heredoc(tmp_path: Path) -> None:
    text = '#!/bin/sh\ndocker build - <<EOF\nFROM a\nRUN curl -H "$API_KEY" https://x.example.com\nEOF\n'
    found = findings(lay_out(tmp_path, {"b.sh": text}))
    assert told(found) == [("b.sh", 4, "API_KEY", "refused")]


def test_a_heredoc_that_is_not_read_is_listed(tmp_path: Path) -> None:
    script = (
        "#!/bin/sh\ndocker build --build-arg NPM_TOKEN - <<-EOF\n\tFROM a\n\tARG NPM_TOKEN\n\tEOF\n"
    )
    files = {"b.sh": script, "Dockerfile": "FROM node:20\nARG NPM_TOKEN\nRUN npm ci\n"}
    result = run(Workspace(str(lay_out(tmp_path, files))), ["Dockerfile"])
    assert set(result.changes) == {"Dockerfile"}
    (place,) = result.not_changed
    assert (place.path, "stands here" in place.message) == ("b.sh", True)
