"""`.dockerignore` as BuildKit's client reads it: which files of a context are left out.

Patterns are anchored at the context's folder; the last one that fits a path, or a folder that
holds it, decides. This module reads no file.
"""

from __future__ import annotations

import posixpath
import re


class Dockerignore:
    """The rules of one file. `excludes` asks for paths relative to the context's folder."""

    def __init__(self, text: str) -> None:
        self._rules = tuple(_rules(text))

    def excludes(self, path: str) -> bool:
        parts = path.split("/")
        prefixes = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        out = False
        for negated, pattern in self._rules:
            if negated is out and any(pattern.fullmatch(prefix) for prefix in prefixes):
                out = not negated
        return out


def _rules(text: str) -> list[tuple[bool, re.Pattern[str]]]:
    found = []
    for line in text.removeprefix("\ufeff").split("\n"):
        if line.startswith("#"):
            continue
        pattern = line.strip()
        negated = pattern.startswith("!")
        pattern = pattern[1:].strip() if negated else pattern
        if not pattern:
            continue
        pattern = posixpath.normpath(pattern).lstrip("/")
        try:
            found.append((negated, re.compile(_translated(pattern), re.DOTALL)))
        except re.error:
            continue
    return found


def _translated(pattern: str) -> str:
    out = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            at += 2
            if pattern.startswith("/", at):
                out.append("(?:.*/)?")
                at += 1
            else:
                out.append(".*")
            continue
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "\\" and at + 1 < len(pattern):
            at += 1
            out.append(re.escape(pattern[at]))
        elif char == "[" and (end := pattern.find("]", at + 1)) > 0:
            out.append(pattern[at : end + 1])
            at = end
        else:
            out.append(re.escape(char))
        at += 1
    return "".join(out)
