"""Dockerfiles inside other files: what leaks there is told at its place, and nothing edits it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from repositories import findings, lay_out

if TYPE_CHECKING:
    from pathlib import Path

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


def told(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["path"], one["line"], one["variable"], one["status"]) for one in found]


def test_compose(tmp_path: Path) -> None:
    found = findings(lay_out(tmp_path, {"c/compose.yaml": COMPOSE}))
    assert told(found) == [
        ("c/compose.yaml", 8, "NPM_TOKEN", "refused"),
        ("c/compose.yaml", 10, "API_KEY", "report"),
    ]
    assert all("web.Dockerfile" in one["help"] or "secrets" in one["help"] for one in found)
    assert "S2" not in found[0]["reason"]
    assert "line 9" in found[0]["reason"]


@pytest.mark.parametrize(
    ("path", "count"), [("c", 2), ("c/compose.yaml", 2), ("d", 0), ("Dockerfile", 0)]
)
def test_only_what_was_asked_for(tmp_path: Path, path: str, count: int) -> None:
    files = {"c/compose.yaml": COMPOSE, "d/x": "", "Dockerfile": "FROM a\nRUN b\n"}
    assert len(findings(lay_out(tmp_path, files), path)) == count


def test_comments_and_flags_silence_it(tmp_path: Path) -> None:
    silent = COMPOSE.replace("# Mind the token.", "# dockerfix: ignore[secret-in-arg] -- known")
    found = findings(lay_out(tmp_path, {"compose.yaml": silent}))
    assert [one["variable"] for one in found] == ["API_KEY"]
    assert findings(tmp_path, "--ignore", "secret-in-arg") == []


def test_text_of_one_line_and_of_no_dockerfile(tmp_path: Path) -> None:
    build = json.dumps("# syntax=docker/dockerfile:1\nFROM a\nARG GH_TOKEN\nRUN npm ci\n")
    files = {
        "compose.yaml": f"services:\n  a: {{build: {{dockerfile_inline: {build}}}}}\n"
        "  b: {build: {dockerfile_inline: 'no Dockerfile'}}\n",
        "docker-bake.json": '{"target": {"x": {"dockerfile-inline": '
        '"FROM a\\nARG GH_TOKEN\\nRUN npm ci\\n"}}}\n',
    }
    assert told(findings(lay_out(tmp_path, files))) == [
        ("compose.yaml", 2, "GH_TOKEN", "refused"),
        ("docker-bake.json", 1, "GH_TOKEN", "refused"),
    ]


def test_what_it_shares_with_other_services_stays(tmp_path: Path) -> None:
    files = {
        "Dockerfile": "FROM a\nARG NPM_TOKEN\nRUN npm ci\n",
        "compose.yaml": "x-a: &a {NPM_TOKEN: $NPM_TOKEN}\nservices:\n  a: {build: {context: ., args: *a}}\n"
        "  b: {build: {args: *a, dockerfile_inline: FROM b}}\n",
    }
    (found,) = findings(lay_out(tmp_path, files))
    assert (found["path"], found["status"]) == ("Dockerfile", "refused")
    assert "stands in this file" in found["reason"]
