"""Runs dockerfix as a user does, on a small repository: for the tests of the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CANARY = "canary-gQ7vX2mZ9pLr4tYw8sKd"
DOCKERFILE = "FROM node:20\nARG NPM_TOKEN\nRUN npm ci\n"
FIXED = (
    "# syntax=docker/dockerfile:1\nFROM node:20\n"
    "RUN --mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN npm ci\n"
)
CALLER = '#!/bin/sh\ndocker build --build-arg NPM_TOKEN="$NPM_TOKEN" -t app .\n'
FIXED_CALLER = "#!/bin/sh\ndocker build --secret id=NPM_TOKEN,env=NPM_TOKEN -t app .\n"
CLEAN = "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
RUN_TIME = f"FROM node:20\nENV DB_PASSWORD={CANARY}\nCMD node\n"
SCHEMA = json.loads((ROOT / "docs/report.schema.json").read_bytes())
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "null": type(None),
}  # fmt: skip


def dockerfix(
    where: Path, *arguments: str, stdin: bytes | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "dockerfix", *arguments],
        cwd=where,
        input=stdin,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return subprocess.CompletedProcess(
        done.args,
        done.returncode,
        done.stdout.decode("utf-8", "surrogateescape"),
        done.stderr.decode("utf-8", "surrogateescape"),
    )


def lay_out(root: Path, files: dict[str, str | bytes]) -> Path:
    (root / ".git").mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def text(path: Path) -> str:
    return path.read_bytes().decode()


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    conforms(found, SCHEMA)
    return found


def conforms(value: Any, schema: dict[str, Any], where: str = "$") -> None:
    """Holds `value` to the part of JSON Schema that the report's schema uses."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(isinstance(value, TYPES[name]) for name in names), where
    if "const" in schema:
        assert value == schema["const"], where
    if "enum" in schema:
        assert value in schema["enum"], (where, value)
    if "minimum" in schema:
        assert value >= schema["minimum"], where
    if isinstance(value, dict):
        known = schema.get("properties", {})
        assert set(schema.get("required", ())) <= set(value), where
        more = schema.get("additionalProperties", True)
        for name, one in value.items():
            if name in known:
                conforms(one, known[name], f"{where}.{name}")
            else:
                assert more is not False, f"{where}.{name}"
    if isinstance(value, list) and "items" in schema:
        for index, one in enumerate(value):
            conforms(one, schema["items"], f"{where}[{index}]")
