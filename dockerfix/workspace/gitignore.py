"""`.gitignore` as git reads it: nested files, negation, anchors, `**`, character classes.

Rules come from the `.gitignore` of each folder, of the folders above up to the git work
tree, and from its `info/exclude`. What git tracks in spite of a rule is not known here.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple


class Rule(NamedTuple):
    pattern: re.Pattern[str]
    negated: bool
    folders_only: bool
    by_name: bool


class Ignore:
    """Answers for paths below `root` (absolute, resolved)."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._rules: dict[str, tuple[Rule, ...]] = {}
        self._holding: dict[str, tuple[tuple[int, tuple[Rule, ...]], ...]] = {}
        self._above: list[tuple[str, str]] = []
        self._exclude: tuple[Rule, ...] = ()
        self._work_tree_prefix = ""
        self._find_work_tree()

    def ignored(self, path: str) -> bool:
        """Whether `path`, or a folder that holds it, is ignored."""
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if self.matches("/".join(parts[:depth]), folder=True):
                return True
        return self.matches(path, folder=False)

    def matches(self, path: str, *, folder: bool) -> bool:
        """Whether the last rule that speaks of `path` itself ignores it."""
        for start, rules in self._beside(path.rpartition("/")[0]):
            said = _last(rules, path[start:], folder)
            if said is not None:
                return said
        for above, prefix in self._above:
            said = _last(self._of(above), prefix + path, folder)
            if said is not None:
                return said
        return bool(_last(self._exclude, self._work_tree_prefix + path, folder))

    def _beside(self, folder: str) -> tuple[tuple[int, tuple[Rule, ...]], ...]:
        """The rules that hold in `folder`, its own first, with the length of what they leave out of
        a path. A folder without a `.gitignore` adds none."""
        found = self._holding.get(folder)
        if found is None:
            own = self._of(folder)
            found = self._beside(folder.rpartition("/")[0]) if folder else ()
            if own:
                found = ((len(folder) + 1 if folder else 0, own), *found)
            self._holding[folder] = found
        return found

    def _of(self, folder: str) -> tuple[Rule, ...]:
        found = self._rules.get(folder)
        if found is None:
            found = _load(os.path.join(self.root, folder, ".gitignore"))
            self._rules[folder] = found
        return found

    def _find_work_tree(self) -> None:
        above, prefix = self.root, ""
        passed = []
        while not os.path.lexists(os.path.join(above, ".git")):
            parent, name = os.path.split(above)
            if parent == above:
                return
            above, prefix = parent, f"{name}/{prefix}"
            passed.append((above, prefix))
        self._above = passed
        self._work_tree_prefix = prefix
        self._exclude = _load(os.path.join(above, ".git", "info", "exclude"))


def _last(rules: tuple[Rule, ...], path: str, folder: bool) -> bool | None:
    name = path.rpartition("/")[2]
    for rule in reversed(rules):
        if rule.folders_only and not folder:
            continue
        if rule.pattern.fullmatch(name if rule.by_name else path):
            return not rule.negated
    return None


def _load(name: str) -> tuple[Rule, ...]:
    try:
        with open(name, "rb") as file:
            text = os.fsdecode(file.read())
    except OSError:
        return ()
    return rules(text)


def rules(text: str) -> tuple[Rule, ...]:
    """The rules of one `.gitignore`, in order. A line that is no pattern gives none."""
    found = []
    for line in text.removeprefix("\ufeff").split("\n"):
        rule = _rule(line.removesuffix("\r"))
        if rule is not None:
            found.append(rule)
    return tuple(found)


def _rule(line: str) -> Rule | None:
    if line.startswith("#"):
        return None
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    negated = line.startswith("!")
    line = line[1:] if negated else line
    folders_only = line.endswith("/")
    line = line.rstrip("/") if folders_only else line
    if not line:
        return None
    by_name = "/" not in line
    translated = _translate(line.removeprefix("/"))
    if translated is None:
        return None
    return Rule(re.compile(translated, re.DOTALL), negated, folders_only, by_name)


def _translate(pattern: str) -> str | None:
    """`pattern` as a regular expression; None where git would match nothing with it."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            end = at
            while end < len(pattern) and pattern[end] == "*":
                end += 1
            starts = at == 0 or pattern[at - 1] == "/"
            if end - at == 2 and starts and pattern[end : end + 1] == "/":
                out.append("(?:[^/]+/)*")
                at = end + 1
                continue
            out.append(".+" if end - at == 2 and starts and end == len(pattern) else "[^/]*")
            at = end
        elif char == "?":
            out.append("[^/]")
            at += 1
        elif char == "[":
            found = _bracket(pattern, at)
            if found is None:
                return None
            text, at = found
            out.append(text)
        elif char == "\\":
            if at + 1 == len(pattern):
                return None
            out.append(re.escape(pattern[at + 1]))
            at += 2
        else:
            out.append(re.escape(char))
            at += 1
    return "".join(out)


def _bracket(pattern: str, at: int) -> tuple[str, int] | None:
    end = at + 1
    negated = pattern[end : end + 1] in ("!", "^")
    end += negated
    items: list[str] = []
    first = True
    while end < len(pattern) and (first or pattern[end] != "]"):
        first = False
        if pattern.startswith("[:", end) and ":]" in pattern[end:]:
            close = pattern.index(":]", end)
            items.append(_CLASSES.get(pattern[end + 2 : close], ""))
            end = close + 2
            continue
        if pattern[end] == "\\" and end + 1 < len(pattern):
            end += 1
        char = pattern[end]
        if pattern[end + 1 : end + 2] == "-" and pattern[end + 2 : end + 3] not in ("]", ""):
            items.append(f"{re.escape(char)}-{re.escape(pattern[end + 2])}")
            end += 3
        else:
            items.append(re.escape(char))
            end += 1
    if end >= len(pattern):
        return None
    return f"(?!/)[{'^' if negated else ''}{''.join(items)}]", end + 1


_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


def ignored_by(text: str, path: str) -> bool:
    """Whether the patterns of `text` name `path` or a folder that holds it."""
    found = rules(text)
    parts = path.split("/")
    for depth in range(1, len(parts)):
        if _last(found, "/".join(parts[:depth]), True):
            return True
    return bool(_last(found, path, False))
