"""Small repositories of files, and what `dockerfix` prints for them: run in this process."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockerfix.cli import start

if TYPE_CHECKING:
    from collections.abc import Mapping


def lay_out(where: Path, files: Mapping[str, str]) -> Path:
    """`where` with `files`, a root of its own."""
    for name, text in {".dockerfix.toml": "root = true\n", **files}.items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return where


def printed(where: Path, *arguments: str) -> str:
    """What one command line prints on stdout in the folder `where`."""
    data = io.BytesIO()
    out, before = io.TextIOWrapper(data, write_through=True), Path.cwd()
    os.chdir(where)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = start(arguments)
    finally:
        os.chdir(before)
    text = data.getvalue().decode()
    assert code in (0, 1), text
    return text


def findings(where: Path, *flags: str) -> list[dict[str, Any]]:
    """The findings of the JSON report."""
    found = json.loads(printed(where, "--output-format", "json", *flags))["findings"]
    assert isinstance(found, list)
    return found


def finding(where: Path, variable: str, name: str = "", path: str = "") -> dict[str, Any]:
    """The one finding about `variable` (of the pass `name`, in the Dockerfile `path`)."""
    (found,) = (
        one
        for one in findings(where)
        if one["variable"] == variable and name in ("", one["pass"]) and path in ("", one["path"])
    )
    assert isinstance(found, dict)
    return found


def readers(where: Path, variable: str) -> dict[int, str]:
    """Why each RUN that gets a mount has one, by its line in ./Dockerfile."""
    says = f"this RUN may read {variable}: "
    return {
        one["line"]: one["message"].removeprefix(says)
        for one in finding(where, variable, "secret-in-arg")["related"]
        if one["message"].startswith(says)
    }


def after(where: Path, *flags: str) -> dict[str, str]:
    """Every file of `where` once --write has run."""
    printed(where, "--write", *flags)
    return {
        path.relative_to(where).as_posix(): path.read_text()
        for path in sorted(where.rglob("*"))
        if path.is_file() and path.name != ".dockerfix.toml"
    }
