"""Services that build a Dockerfile by a file of the root, and name no variable in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockerfix.builders.platforms import built_by_platforms
from dockerfix.workspace import Workspace


@pytest.mark.parametrize(
    ("path", "text", "built"),
    [
        ("railway.json", '{"build": {"dockerfilePath": "api/Dockerfile"}}', ["api/Dockerfile"]),
        ("railway.json", '{"build": {"dockerfilePath": "/api/Dockerfile"}}', ["api/Dockerfile"]),
        ("api/railway.toml", '[build]\ndockerfilePath = "./Dockerfile"\n', ["Dockerfile", "api/Dockerfile"]),
        ("web/railway.api.toml", "[build]\ndockerfilePath = '../api/Dockerfile'\n", ["api/Dockerfile"]),
        ("api/railway.toml", "[deploy]\nrestartPolicyType = 'NEVER'\n", ["api/Dockerfile"]),
        ("railway.json", '{"build": {"builder": "RAILPACK"}}', []),
        ("railway.json", '{"build": {"builder": "DOCKERFILE"}}', ["Dockerfile"]),
        ("captain-definition", '{"schemaVersion": 2, "dockerfilePath": "./api/Dockerfile"}', ["api/Dockerfile"]),
        ("captain-definition", '{"schemaVersion": 2, "imageName": "app:1"}', []),
        ("trains/railway.csv", "dockerfilePath: 'api/Dockerfile'", []),
    ],
)  # fmt: skip
def test_which_dockerfile_a_service_builds(
    tmp_path: Path, path: str, text: str, built: list[str]
) -> None:
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    workspace = Workspace(str(tmp_path))
    found = {
        one: [*built_by_platforms(one, workspace)]
        for one in ("Dockerfile", "api/Dockerfile", "web/Dockerfile")
    }
    assert [one for one, hits in found.items() if hits] == built
    for hit in (hit for hits in found.values() for hit in hits):
        assert hit.path == path
        assert text[hit.span.start : hit.span.end].endswith("ockerfile") or not hit.span.end
