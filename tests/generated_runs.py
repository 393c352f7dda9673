"""Shapes of RUN, from a source of random numbers: flags, gaps, and commands that call `see`.

`ESCAPE` stands for the escape character of the file, `HEREDOC_EOL` for a line end inside a
here-document, which is not the file's where line ends are mixed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

ESCAPE = "\1"
HEREDOC_EOL = "\2"
POSIX = "posix"
ARGUMENTS = (
    '"$X"', '"$X"', '"${X}"', "$X", "${X:-none}", '"${X:-a b}"', "'$X'", "\\$X", '"pre-${X}-post"',
    '"${X:+set}"', '"${X%a}"', '"${#X}"',
)  # fmt: skip
FLAGS = (
    "--mount=type=cache,target=/c@", "--network=none", "--mount=type=tmpfs,target=/t@",
    "--mount=type=bind,source=.,target=/ctx@", "--mount=type=cache,id=n@,target=/d@,sharing=locked",
)  # fmt: skip
# S is a call of `see`, each another one; X a variable; \1 the escape character.
COMMANDS = (
    "S", "S", "S", "S && S", "S || S", "false || S", "S; S", "S & wait", "S & S & wait", "S | S",
    "! false && S", "! (S; false) || S", "(S; S)", "{ S; S; }", "(S) & wait",
    'if [ -n "$X" ]; then S; else S; fi', 'for i in a "$X"; do S "$i"; done', 'case "$X" in ?*) S;; *) S;; esac',
    "set -e; S; S", "set -eux && S", "A=1 B=\"$X\" S", "export FOO=\"$X\" && S", "f() { S; } && f",
    "cd /tmp && S", "sh -c 'S'", "sh -ec \"S\" && S", "eval \"S\"", "exec S", "[ -f /x ] && S || S",
    "X=other S && S", "X=over; S", "unset X; S", "test -n \"$X\" && S || S", "echo `S` $(S)",
    ": \"${X:-}\"; S", "while false; do :; done; S", "set -- a b && S \"$@\"", "# nothing; S", "S # why",
    "time -p S || S", "S >/dev/null && S", "S <<<x || S",
    "S && \1\n    S", "S \1\n    && S \1\n    && S", "S; \1\n# why\n\n    S", "S \1\n\n    | S", "S \1\n  \"$X\" \1\n  b",
    "if true; then \1\n        S; \1\n    # a comment \1\n    else \1\n        S; \1\n    fi", "S && \1  \n\tS",
    "set -e \1\n    ; S \1\n    ; S", "(S && \1\n     S) && \1\n    S",
)  # fmt: skip
COMMANDS = tuple(one for one in COMMANDS if one not in ("# nothing; S", "S <<<x || S"))
EXEC = (
    '["see", "N", "$X"]',
    '["sh", "-c", "see N \\"$X\\""]',
    '[ "see" , "N" ]',
    '["/bin/sh","-c",\1\n    "see N"]',
)
# \2 is a line end in a body.
HEREDOCS = (
    "<<E\2S\2S\2E", "<<'E'\2S\2E", "<<-E\2\tS\2\t# c\2\tS\2\tE", "<<-'E'\2\tS\2E",
    "sh <<E\2S\2E", "sh -e <<'E'\2S\2E", "cat <<E | sh\2see N\2E", "cat <<E >/dev/null && S\2$X\2E",
    "cat <<A <<B >/dev/null && S\2a\2A\2$X\2B", "S <<E && \1\n    S\2text\2E", "<<E sh\2see N\2E",
    "<<EOF /bin/sh -s a\2S\2EOF", "<<A cat <<B >/dev/null\2a\2A\2b\2B",
)  # fmt: skip
# Not where a carriage return would stand at the end of a line.
SCRIPTS = (
    "<<E\2#!/bin/sh -e\2S\2S\2E", "<<E\2#!/bin/bash\2S\2E", "<<'EOF'\2set -eu\2if true; then\2  S\2fi\2EOF",
    "<<E\2#!/usr/local/bin/see N\2E", "<<-E\2\t#!/bin/sh\2\tS\2E", "<<E\2#!/bin/sh -ex\2S\2E",
    "<<E\2S \\\2  && S\2E", '<<"E"\2\2# why\2  S\2E',
)  # fmt: skip
FOREIGN = {"pwsh": ("see N $env:X", "see N; see N $env:X"), "cmd": ("see N %X%", "see N")}
GAPS = (" ",) * 8 + ("  ", "\t", "          ")
BREAKS = (" \1\n    ", " \1\n# why\n\n    ", " \1 \n\t", " \1\n")


@dataclass
class Run:
    """`head` is what stands between the keyword and the command. `no_statement` says why no
    statement can stand before the command, if so; `may_refuse` what of that counts here."""

    head: str
    command: str
    kept: list[str]
    may_refuse: set[str] = field(default_factory=set)
    no_statement: set[str] = field(default_factory=set)
    tells_unset: bool = False


@dataclass
class Runs:
    """Makes the RUNs of one file. `declared` are the names that are there, `beside` those that
    have a mount already; `composed` says that a value is put together."""

    rng: random.Random
    seed: int
    crlf: bool
    count: int = 0
    stops: bool = False

    def __post_init__(self) -> None:
        self.start()
        self.mounted_once: set[str] = set()

    def start(self) -> None:
        """Another stage begins."""
        self.declared: list[str] = []
        self.beside: list[str] = []
        self.composed = False
        self.shell = POSIX
        self.traced = False
        self.nounset = False

    def id_of(self, name: str) -> str:
        """The id of a mount that the file has already."""
        return name if self.seed % 2 else f"my-{name.lower()}"

    def make(self) -> Run:
        rng = self.rng
        flags = [
            one.replace("@", str(self.count))
            for one in rng.sample(FLAGS, rng.choice([0] * 6 + [1, 1, 2]))
        ]
        for name in self.beside:
            if name not in self.mounted_once or rng.random() < 0.4:
                self.mounted_once.add(name)
                flags.append(f"--mount=type=secret,id={self.id_of(name)},env={name}")
        kind = rng.random()
        if self.shell != POSIX:
            template, no_statement = rng.choice(FOREIGN[self.shell]), {f"SHELL {self.shell}"}
        elif kind < 0.12:
            template, no_statement = rng.choice(EXEC), {"exec form"}
        elif kind < 0.32:
            template = rng.choice(HEREDOCS if self.crlf else HEREDOCS + SCRIPTS)
            no_statement = {"a script"} if "see N\2E" in template and "#!" in template else set()
            if template.startswith("<<A"):
                no_statement = {"several here-documents"}
            if " -ex\2" in template:
                no_statement = {"traced"}
        else:
            template, no_statement = rng.choice(COMMANDS), set()
        if self.traced and template[0] != "[":
            no_statement.add("traced")
        nounset = self.nounset or "set -eu" in template
        self.stops |= nounset
        if "set -eu" in template and not self.declared:
            template = template.replace("set -eu", "set -e")
        command = self.filled(template)
        gap = rng.choice(GAPS + BREAKS)
        if command.startswith("<<") or "<<" in command.split("\2")[0]:
            gap = rng.choice(GAPS)
        between = rng.choice([" ", " ", " \1\n    ", "  "])
        head = gap + between.join([*flags, ""]) if flags else gap
        kept = command.split("\2") if "\2" in command else [command]
        may_refuse = set(no_statement) if self.composed else set()
        return Run(head, command, kept, may_refuse, no_statement, nounset)

    def filled(self, template: str) -> str:
        out = []
        name = self.rng.choice(self.declared) if self.declared else "UNKNOWN"
        for at, char in enumerate(template):
            before, after = template[at - 1 : at], template[at + 1 : at + 2]
            if char == "S" and not (before.isalpha() or after.isalpha() or after == "I"):
                out.append(self.call(template, at, name))
            elif char == "N" and before in (" ", '"') and not after.isalpha():
                out.append(self.id())
            elif char == "X":
                out.append(name)
            else:
                out.append(char)
        return "".join(out)

    def id(self) -> str:
        self.count += 1
        return f"{self.seed}.{self.count}"

    def call(self, template: str, at: int, name: str) -> str:
        quotes = {"sh -c '": ['"$X"', ""], 'eval "': ["\\$X", ""], '-ec "': ["$X", "\\$X", ""]}
        choices: list[str] = [""] * 6 + list(ARGUMENTS)
        if "<<" in template:
            # BuildKit cannot read this word, and then sees no here-document in the line (1.29).
            choices = [one for one in choices if "#" not in one]
        for lead, allowed in quotes.items():
            if template[:at].endswith(lead):
                choices = ["", *[one for one in allowed if one]]
        argument = self.rng.choice(choices).replace("X", name)
        return f"see {self.id()} {argument}".rstrip()
