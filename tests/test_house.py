"""The laws of the house that can be read from the imports: their order, and who may import what."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "dockerfix"
ROOMS = [
    ("source", "globs"),
    ("edits",),
    ("finding",),
    ("workspace", "projection"),
    ("syntax",),
    ("shell", "formats"),
    ("config",),
    ("model", "builders"),
    ("context",),
    ("rewrite",),
    ("passes",),
    ("suppress", "diff"),
    ("engine",),
    ("report", "verify"),
    ("cli",),
    ("__main__",),
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "tables.py")


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Dotted names of the modules that `path` imports, wherever in the file it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            found.add(module)
            if module == "dockerfix":
                found.update(f"dockerfix.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down_the_list_only(path: Path) -> None:
    room = room_of(name_of(path))
    if not room:
        return
    assert room in LEVEL, f"{room} has no place in the order of rooms"
    for name in imports(path):
        other = room_of(name)
        if name.startswith("dockerfix.") and other != room and other in LEVEL:
            assert LEVEL[other] < LEVEL[room], f"{name_of(path)} imports {name}"


def test_only_the_parser_imports_lark() -> None:
    found = {
        name_of(path) for path in MODULES if any(n.split(".")[0] == "lark" for n in imports(path))
    }
    assert found <= {"dockerfix.syntax.parser"}


def test_only_shell_and_formats_import_tree_sitter() -> None:
    for path in MODULES:
        if any(name.startswith("tree_sitter") for name in imports(path)):
            assert room_of(name_of(path)) in ("shell", "formats"), name_of(path)


def test_a_pass_imports_no_other_pass_and_opens_no_file() -> None:
    for path in (PACKAGE / "passes").glob("*.py"):
        if path.name == "__init__.py":
            continue
        assert not any(name.startswith("dockerfix.passes") for name in imports(path))
        calls = [n for n in ast.walk(ast.parse(path.read_bytes())) if isinstance(n, ast.Call)]
        assert not any(isinstance(n.func, ast.Name) and n.func.id == "open" for n in calls)


def test_only_the_command_line_prints() -> None:
    allowed = {"cli", "__main__", "verify"}
    for path in MODULES:
        calls = [n for n in ast.walk(ast.parse(path.read_bytes())) if isinstance(n, ast.Call)]
        prints = any(isinstance(n.func, ast.Name) and n.func.id == "print" for n in calls)
        assert not prints or room_of(name_of(path)) in allowed, name_of(path)


def test_no_file_is_longer_than_500_lines() -> None:
    for path in MODULES:
        assert len(path.read_bytes().splitlines()) <= 500, name_of(path)
