"""Where a root is, and which names are Dockerfiles'. Reads no configuration beyond `root = true`.

Kept apart from the configuration because every start needs it, and TOML is slow to load.
"""

from __future__ import annotations

import os
import re

CONFIG = ".dockerfix.toml"
ROOT_KEY = re.compile(rb"(?m)^[ \t]*root[ \t]*=[ \t]*true\b")
FIRST_TABLE = re.compile(rb"(?m)^[ \t]*\[")
NAMES = frozenset({"Dockerfile", "dockerfile", "Containerfile", "containerfile"})
SUFFIXED = tuple(f"{stem}{joint}" for stem in NAMES for joint in "-_")
OTHER_FILES = (".dockerignore", ".containerignore", ".orig", ".rej", "~", ".swp")


def find_root(path: str) -> str:
    """The root of a file or folder: the nearest folder upward that says `root = true`, else
    its git work tree, else the folder itself (of a file, the folder that holds it)."""
    start = os.path.abspath(path)
    a_file = os.path.lexists(start) and not os.path.isdir(start)
    start = os.path.realpath(os.path.dirname(start) if a_file else start)
    work_tree = None
    folder = start
    while True:
        if says_root(folder):
            return folder
        if work_tree is None and os.path.lexists(os.path.join(folder, ".git")):
            work_tree = folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return work_tree or start
        folder = parent


def is_root(folder: str) -> bool:
    """Whether a folder is a root for what lies below it, whatever is above."""
    return os.path.lexists(os.path.join(folder, ".git")) or says_root(folder)


def says_root(folder: str) -> bool:
    try:
        with open(os.path.join(folder, CONFIG), "rb") as file:
            data = file.read()
    except OSError:
        return False
    table = FIRST_TABLE.search(data)
    return ROOT_KEY.search(data, 0, table.start() if table else len(data)) is not None


def looks_like_dockerfile(name: str) -> bool:
    """Whether a file name (without folders) is one that people give Dockerfiles."""
    if name in NAMES:
        return True
    if name.endswith(OTHER_FILES):
        return False
    stem, dot, rest = name.partition(".")
    if dot and stem in NAMES and rest:
        return True
    if not dot and name.startswith(SUFFIXED):
        return True
    return name.endswith((".Dockerfile", ".dockerfile", ".Containerfile", ".containerfile"))
