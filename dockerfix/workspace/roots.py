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
_NOTES_AND_CODE = """
adoc c cc cfg cjs conf cpp cs css csv cts cue diff erl ex exs go h hpp hs htm html
ini ipynb java js json json5 jsonc jsx kt lark less lock lua map md mdx mjs mts nix
patch php pl po prisma proto ps1 py pyi r rb rs rst scala scss sh snap sql svelte
svg swift tex tf toml ts tsx txt vim vue xml yaml yml zig
"""
NOTES_AND_CODE = frozenset(_NOTES_AND_CODE.split())
STARTS = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?i:"
    rb"FROM(?:[ \t]+--\S+)*[ \t]+[^\s-]\S*(?:[ \t]+AS[ \t]+\S+)?[ \t]*(?:\r?\n|\Z|[\\`])"
    rb"|ARG[ \t]+[A-Z_])"
)
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


def may_be_other(name: str) -> bool:
    """Whether a name that looks like a Dockerfile's may be that of a page or of code about them:
    `dockerfile.md`, `Dockerfile.test.ts`. `Dockerfile.go` may be both: `starts_a_build` decides."""
    return name.partition(".")[0] in NAMES and name.rpartition(".")[2].lower() in NOTES_AND_CODE


def starts_a_build(data: bytes) -> bool:
    """Whether the first line that is no comment is a FROM or an ARG, as in each Dockerfile."""
    return STARTS.match(data) is not None
