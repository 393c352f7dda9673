"""The wheel holds what it needs: it is built, installed into a clean environment, and run."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(where), str(ROOT)]
    subprocess.run(command, check=True, timeout=300)
    return next(where.glob("*.whl"))


def test_the_grammars_ship_in_the_wheel(wheel: Path) -> None:
    inside = {
        name.split("/")[-1] for name in zipfile.ZipFile(wheel).namelist() if "/grammar/" in name
    }
    assert {path.name for path in (ROOT / "grammar").glob("*.lark")} <= inside


def test_an_installed_wheel_parses_with_its_own_grammars(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True, timeout=120)
    python = tmp_path / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", str(wheel)]
    subprocess.run(install, check=True, timeout=300)
    (tmp_path / "Dockerfile").write_bytes(b"FROM alpine\nRUN --mount=type=secret,id=A cat /a\n")
    program = (
        "import dockerfix\n"
        "tree = dockerfix.parse(open('Dockerfile', 'rb').read())\n"
        "assert [one.name for one in tree.instructions] == ['from', 'run']\n"
        "assert tree.instructions[1].mounts[0].id == 'A'\n"
        "from dockerfix.syntax import parser\n"
        "assert parser.tables_from_grammar() == parser.tables()\n"
    )
    subprocess.run([str(python), "-c", program], check=True, cwd=tmp_path, timeout=120)
    script = [str(tmp_path / "venv" / "bin" / "dockerfix"), "dump", "Dockerfile"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "Mount" in done.stdout
