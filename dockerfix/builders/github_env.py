"""Which environment variable of a GitHub step holds a value that an expression gave.

`${{ secrets.X }}` in a script becomes `env: X: ${{ secrets.X }}` on the step. A variable that is
there already with that value is used; a name that stands for something else, steers a client or
is read by another command of the step is not (T27, T36).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from dockerfix.builders.clients import steers, tables
from dockerfix.builders.github_scope import normal
from dockerfix.builders.shell_values import NEUTRAL, neutral
from dockerfix.finding import Refusal
from dockerfix.formats.yaml import Map
from dockerfix.formats.yaml_edit import MapSite
from dockerfix.globs import fits
from dockerfix.shell.words import is_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockerfix.edits import Operation
    from dockerfix.formats.yaml import File
    from dockerfix.shell import Script

OWN = ("GITHUB_", "RUNNER_", "ACTIONS_", "INPUT_")
"""Variables that GitHub sets itself."""
SHELL_WORDS = frozenset(
    [
        "cd",
        "pushd",
        "popd",
        "echo",
        "printf",
        "set",
        "export",
        "unset",
        "if",
        "then",
        "else",
        "fi",
        "for",
        "do",
        "done",
        "while",
        "case",
        "esac",
        "test",
        "[",
        "[[",
        ":",
        "true",
        "false",
        "exit",
        "return",
        "shift",
        "trap",
        "source",
        ".",
        "eval",
        "exec",
        "command",
        "local",
        "declare",
        "readonly",
        "read",
        "wait",
        "sleep",
        "mkdir",
        "rm",
        "cp",
        "mv",
        "ls",
        "cat",
        "tee",
        "date",
        "basename",
        "dirname",
        "tr",
        "cut",
        "head",
        "tail",
        "sort",
        "uniq",
        "wc",
        "tar",
        "gzip",
        "chmod",
        "chown",
        "touch",
        "ln",
        "pwd",
        "uname",
        "id",
        "hostname",
        "seq",
        "sed",
        "awk",
        "grep",
        "find",
        "xargs",
        "jq",
        "yq",
    ]
)


@dataclass(eq=False)
class StepEnv:
    """The variables of one step. `visible` holds those that step, job and workflow set, with their
    texts; `scripts` is what the step runs, empty for an action."""

    path: str
    file: File
    step: Map
    before: str
    visible: Mapping[str, str]
    scripts: list[Script] = field(default_factory=list)
    chosen: dict[str, str] = field(default_factory=dict)

    def name_for(self, name: str, text: str) -> str | Refusal:
        """The variable that holds `text`, which a build argument `name` was given."""
        wanted = normal(text)
        for known in (name, *self.visible):
            if (
                known in self.visible
                and normal(self.visible[known]) == wanted
                and not self.sets(known)
            ):
                return known
        for candidate in (name, neutral(name), f"{neutral(name)}_2"):
            held = self.chosen.get(candidate)
            if held == wanted or (held is None and self._free(candidate)):
                self.chosen[candidate] = wanted
                return candidate
        return self._refusal(f"no name is free for the value of {name} in this step")

    def give(self, name: str, text: str, order: int) -> Sequence[Operation] | Refusal:
        """Operations that set `name` for the step, none if it is set already."""
        if name in self.visible:
            return ()
        entry = self.step.entry("env")
        held = entry.value if entry is not None else None
        resolved = self.file.resolve(held)
        if self.file.shared(self.step):
            return self._refusal("the step is an anchor that other jobs use")
        if held is not None and (
            resolved is not held or not (isinstance(held, Map) or self.file.text(held) == "")
        ):
            return self._refusal("the variables of the step stand elsewhere")
        if held is not None and self.file.shared(held, self.step):
            return self._refusal("an anchor gives the variables of the step to others too")
        value = text.encode("utf-8", "surrogateescape")
        site = MapSite(self.path, self.file, self.step)
        return [site.put("env", name, value, before=self.before, order=order)]

    def _free(self, name: str) -> bool:
        return (
            is_name(name)
            and name not in self.visible
            and not name.startswith(OWN)
            and name != "CI"
            and not steers(name)
            and not any(use.name == name for script in self.scripts for use in script.uses)
            and not self.sets(name)
            and (name.startswith(NEUTRAL) or not self._read(name))
        )

    def sets(self, name: str) -> bool:
        """Whether the step's script assigns a variable of that name."""
        return any(script.assigned(name) for script in self.scripts)

    def _read(self, name: str) -> bool:
        """Whether another command of the step may read a variable of that name."""
        for script in self.scripts:
            for _, command in script.every():
                program = command.name or ""
                if program in SHELL_WORDS or tables().client(program) is not None:
                    continue
                patterns = _reads().get(program)
                if patterns is not None and any(fits(name, one) for one in patterns):
                    return True
        return False

    def _refusal(self, reason: str) -> Refusal:
        return Refusal(
            reason,
            self.path,
            self.step.span,
            "Set the variable in `env:` of the step by hand, and pass `--secret id=NAME,env=NAME`.",
        )


@cache
def _reads() -> dict[str, tuple[str, ...]]:
    """Programs and the variables that they read for themselves; `*` for one that runs any code."""
    import tomllib
    from importlib.resources import files

    raw = tomllib.loads(files("dockerfix").joinpath("model/tools.toml").read_text("utf-8"))
    groups: dict[str, list[str]] = raw.get("groups", {})
    found: dict[str, tuple[str, ...]] = {}
    for tool in raw.get("tool", ()):
        patterns = list(_patterns(tool, groups))
        for sub in tool.get("sub", ()):
            patterns += _patterns(sub, groups)
        for name in tool["names"]:
            found[name] = tuple(patterns)
    return found


def _patterns(row: dict[str, Any], groups: dict[str, list[str]]) -> list[str]:
    if row.get("reads") == "all":
        return ["*"]
    found: list[str] = []
    for name in row.get("variables", ()):
        found += groups.get(name[1:], []) if name.startswith("@") else [name]
    return found
