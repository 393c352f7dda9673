"""Dockerfiles made from a seed: secrets in every shape that people write, with the script that
builds them. `case` makes one; what the shapes of RUN are is in `generated_runs`.

Every RUN calls `see ID`, a stub (tests/engine/tools) that says what its environment was. Nothing
here knows what dockerfix makes of a case, but for which of them may be refused.
"""

from __future__ import annotations

import os
import random
import re
import string
from dataclasses import dataclass, field

from generated_runs import ESCAPE, HEREDOC_EOL, POSIX, Runs

NAMES = (
    "NPM_TOKEN",
    "GITHUB_TOKEN",
    "DB_PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "npm_token",
    "API_KEY",
)
ALIASES = ("NODE_AUTH_TOKEN", "GH_TOKEN", "DB_PASS", "SECRET_KEY", "auth_token", "PRIVATE_KEY")
COMPOSED = (
    "PIP_EXTRA_INDEX_URL", "COMPOSER_AUTH", "VSS_NUGET_EXTERNAL_FEED_ENDPOINTS", "DATABASE_URL",
    "BUNDLE_GITHUB__COM", "GOPROXY",
)  # fmt: skip
# `X` is the secret, `\1` the escape character of the file.
VALUES = (
    "https://__token__:${X}@${HOST}/simple",
    '"https://u:${X}@${HOST:-h}/?a=%20&b=1 #c"',
    "'{\"http-basic\":{\"h\":{\"password\":\"'${X}'\"}}}'",
    '"{\1"endpointCredentials\1": [{\1"endpoint\1":\1"https://$HOST/v3\1", \1"password\1":\1"$X\1"}]}"',
    "postgres://app:$X@db:5432/app?x=\1$y",
    '"a\\\\n`id`\1$(id)!${X}~*"',
    "a\1 $X\1'",
    "'$HOST `b` \\n'$X",
    "${X:-none}:x-access-token",
    "u${X:+:$X}@h",
    '"${X:-${HOST}} "',
    "//registry.example.com/:_authToken=${X};{}",
)  # fmt: skip
DECORATIONS = (
    "@", "@", "@", "@ b", "@\"q\"'s'", "$HOME@`id`", "@\\n\\\\", "*@?", "é@", "@#c", "-@ ", "@%a{b}",
    "@$(id)&|;<>", "@!", "~/@",
)  # fmt: skip
PLAIN = (
    "WORKDIR /app", "LABEL a=1 \1\n    # what it is\n      b=\"2 3\"", "EXPOSE 80", "# a comment \1", "",
    "ENV PATH_EXTRA=/opt MODE=\"a b\"", "COPY data.txt /tmp/", "# escape=x", "STOPSIGNAL SIGTERM",
    "ENV LEGACY some  text", "   \t", "VOLUME /v", "ONBUILD RUN see 0 $OTHER \1\n    again",
)  # fmt: skip
USERS = ("root", "1000", "1000:1000", "node", "node:node", '"1000"', "0")
SHELLS = (
    '["/bin/bash", "-euo", "pipefail", "-c"]', '["/bin/sh", "-exc"]', '["/bin/sh", "-c"]',
    '["bash","-o","pipefail","-c"]', '["/bin/bash", "-c", "-e"]',
)  # fmt: skip
FOREIGN_SHELLS = ('["pwsh", "-NoLogo", "-Command"]', '["cmd", "/S", "/C"]')
KINDS = (
    "arg", "arg", "arg", "empty", "list", "list", "global", "same", "same", "renamed", "renamed",
    "legacy", "composed", "composed", "composed", "literal", "env literal", "placeholder", "beside",
)  # fmt: skip
PASSED = ('--build-arg @="$@"', "--build-arg @", '--build-arg "@=${@}"', '--build-arg=@="$@"')


@dataclass(frozen=True)
class Case:
    """A tree and how it is built. `values` is the environment of the caller, `canaries` what must
    be found in the image before and not after. `kept` are pieces that a rewrite leaves as they
    are, in their order. `may_refuse` says why not every secret need be moved; `differs` are the
    variants ("missing", "empty") in which the page of the pass says that the RUNs see another thing,
    `stops` those in which a build may fail."""

    seed: int
    files: dict[str, bytes]
    values: dict[str, str]
    canaries: dict[str, str]
    kept: tuple[bytes, ...]
    may_refuse: frozenset[str]
    differs: frozenset[str]
    stops: bool

    @property
    def dockerfile(self) -> bytes:
        return self.files["Dockerfile"]


def seeds(count: int) -> range:
    """The seeds to try: `count` from 0 on, unless DOCKERFIX_GENERATED says `FIRST:COUNT`."""
    first, _, many = os.environ.get("DOCKERFIX_GENERATED", f"0:{count}").partition(":")
    return range(int(first), int(first) + int(many or 1))


def case(seed: int) -> Case:
    return _Maker(seed).case()


@dataclass
class _Secret:
    name: str
    kind: str
    canary: str
    value: str
    alias: str = ""


@dataclass
class _Maker:
    seed: int
    rng: random.Random = field(init=False)
    parts: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    may_refuse: set[str] = field(default_factory=set)
    differs: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def case(self) -> Case:
        rng = self.rng
        self.config = ['form = "file"'] if rng.random() < 0.2 else []
        self.file_form = bool(self.config)
        self.lower = rng.random() < 0.15
        self.eol = rng.choice(["\n"] * 6 + ["\r\n", "mixed"])
        self.escape = rng.choice(["\\"] * 5 + ["`"])
        self.runs = Runs(rng, self.seed, crlf=self.eol == "\r\n")
        self.secrets = [
            self.secret(name) for name in rng.sample(NAMES, rng.choice([1, 1, 1, 2, 2, 3]))
        ]
        if any(one.kind in ("literal", "env literal") for one in self.secrets):
            self.differs |= {"missing", "empty"}
        if any(one.kind == "placeholder" for one in self.secrets):
            self.differs.add("empty")
        self.write()
        return self.finish()

    def secret(self, name: str) -> _Secret:
        rng = self.rng
        canary = "".join(rng.choices(string.ascii_letters + string.digits, k=32))
        kind = rng.choice(KINDS)
        value = canary
        if kind not in ("literal", "env literal"):
            value = rng.choice(DECORATIONS).replace("@", canary)
            if not self.file_form and rng.random() < 0.1:
                value += "\n"
        return _Secret(name, kind, canary, value)

    # -- the Dockerfile -----------------------------------------------------------------

    def write(self) -> None:
        rng = self.rng
        if self.escape == "`":
            self.put("# escape=`", kept=True)
        if rng.random() < 0.2:
            self.put("# what this is", kept=True)
        for one in self.secrets:
            if one.kind == "global":
                self.put(f"{self.word('ARG')} {one.name}")
        layout = rng.choice(["single", "build", "build", "child", "siblings"])
        # A trigger of this file runs in the stages that are built on it.
        self.plain_ones = PLAIN[:-1] if layout == "child" else PLAIN
        self.put(f"{self.word('FROM')} base{'' if layout == 'single' else ' AS build'}", kept=True)
        self.stage(self.secrets)
        if layout in ("child", "siblings"):
            parent = "build" if layout == "child" else "base"
            again = [one for one in self.secrets if one.kind in ("global", "arg", "same")]
            self.put(f"{self.word('FROM')} {parent} as other", kept=True)
            if layout == "child":
                self.run_some(1, 2)
            else:
                self.reset()
                self.stage(again)
        if layout != "single":
            self.reset()
            self.put(f"{self.word('FROM')} base", kept=True)
            self.put(f"{self.word('COPY')} --from=build /var/log/saw /from-build", kept=True)
            if layout in ("child", "siblings"):
                self.put(f"{self.word('COPY')} --from=other /var/log/saw /from-other", kept=True)
            self.run_some(0, 1)
        self.put(f'{self.word("CMD")} ["true"]', kept=True)

    def reset(self) -> None:
        self.runs.start()

    def word(self, keyword: str) -> str:
        return keyword.lower() if self.lower else keyword

    def put(self, text: str, *, kept: bool = False) -> None:
        """An instruction; one that is not kept by its text alone has said what is."""
        indent = self.rng.choice([""] * 8 + ["  ", "\t"])
        self.parts.append(indent + text + "\n")
        if kept and text.strip():
            self.kept.append(text)

    def plain(self) -> None:
        for _ in range(self.rng.choice([0, 0, 1, 1, 2])):
            self.put(self.rng.choice(self.plain_ones), kept=True)

    def stage(self, secrets: list[_Secret]) -> None:
        rng = self.rng
        self.plain()
        self.settings()
        arguments, renames = self.declarations(secrets)
        self.declare("ARG", arguments)
        if renames:
            if rng.random() < 0.3:
                self.run_some(1, 1)
            self.runs.composed |= any(one.kind == "composed" for one in secrets)
            legacy = [one for one in renames if " " in one.partition("=")[0]]
            self.declare("ENV", [one for one in renames if one not in legacy])
            for one in legacy:
                self.put(f"{self.word('ENV')} {one}")
                self.runs.composed |= "://" in one
            self.runs.declared += [
                one.alias or one.name for one in secrets if one.alias or one.kind == "env literal"
            ]
        self.plain()
        self.run_some(1, 3)
        if rng.random() < 0.15 and secrets:
            one = rng.choice(secrets)
            if one.kind in ("arg", "list", "global"):
                value = rng.choice(["", "none", "dummy", "other"])
                self.put(f"{self.word('ENV')} {one.name}={value}", kept=True)
                # One id cannot hold two values, if this one is more than a placeholder.
                self.may_refuse |= {"another value"} if value == "other" else set()
        self.settings()
        self.run_some(0, 2)

    def settings(self) -> None:
        rng = self.rng
        if rng.random() < 0.3:
            self.put(f"{self.word('USER')} {rng.choice(USERS)}", kept=True)
        if rng.random() < 0.2:
            foreign = rng.random() < 0.25
            shell = rng.choice(FOREIGN_SHELLS if foreign else SHELLS)
            self.put(f"{self.word('SHELL')} {shell}", kept=True)
            self.runs.shell = "pwsh" if "pwsh" in shell else "cmd" if "cmd" in shell else POSIX
            self.runs.traced = "-ex" in shell
            self.runs.nounset = "-eu" in shell

    def declarations(self, secrets: list[_Secret]) -> tuple[list[str], list[str]]:
        """The pairs of ARG and of ENV for the secrets of a stage, the plain ones among them."""
        rng = self.rng
        arguments, renames = [], []
        for one in secrets:
            name, x = one.name, f"${{{one.name}}}"
            if one.kind != "env literal":
                self.runs.declared.append(name)
            if one.kind == "empty":
                arguments.append(f"{name}=" + rng.choice(["", '""', "''"]))
            elif one.kind == "literal":
                arguments.append(f"{name}={self.quoted(one.canary)}")
            elif one.kind == "env literal":
                renames.append(f"{name}={self.quoted(one.canary)}")
            elif one.kind == "placeholder":
                arguments.append(f"{name}=" + rng.choice(["dummy", '"changeme"', "placeholder"]))
                self.runs.composed = True
            else:
                arguments.append(name)
            if one.kind == "same":
                renames.append(f"{name}=" + rng.choice([x, f"${name}", f'"{x}"']))
            elif one.kind in ("renamed", "legacy"):
                one.alias = one.alias or ALIASES[NAMES.index(name)]
                if one.kind == "legacy":
                    renames.append(f"{one.alias} " + rng.choice([x, f"https://u:{x}@h/a b"]))
                else:
                    renames.append(f"{one.alias}=" + rng.choice([x, f"${name}", f'"{x}"']))
            elif one.kind == "composed":
                one.alias = one.alias or COMPOSED[NAMES.index(name)]
                value = rng.choice(VALUES).replace("${X", "${" + name).replace("$X", "$" + name)
                renames.append(f"{one.alias}={value}")
            if one.kind == "beside":
                self.runs.beside.append(name)
        if any("HOST" in one for one in renames):
            arguments.insert(rng.randrange(len(arguments) + 1), "HOST=h.example.com")
        return arguments, renames

    def quoted(self, text: str) -> str:
        return self.rng.choice([text, f'"{text}"', f"'{text}'"])

    def declare(self, keyword: str, pairs: list[str]) -> None:
        """The pairs in one instruction or in several, with plain ones among them."""
        rng = self.rng
        plain = rng.sample(["A1=1", 'B2="b b"', "C3=c"], rng.choice([0, 0, 1, 2, 3]))
        if keyword == "ARG" and "HOST=h.example.com" in pairs:
            plain = []
        for one in plain:
            pairs.insert(rng.randrange(len(pairs) + 1), one)
        while pairs:
            count = rng.choice([1, 1, len(pairs), rng.randint(1, len(pairs))])
            now, pairs = pairs[:count], pairs[count:]
            gap = rng.choice(
                [" ", " ", "  ", "\t", f" {ESCAPE}\n    ", f" {ESCAPE}\n  # why\n\n    "]
            )
            text = self.word(keyword) + rng.choice([" ", " ", "  ", "   ", f" {ESCAPE}\n    "])
            self.kept += [one for one in now if one in plain]
            self.put(text + gap.join(now))

    def run_some(self, least: int, most: int) -> None:
        for _ in range(self.rng.randint(least, most)):
            run = self.runs.make()
            self.put(self.word("RUN") + run.head + run.command)
            self.kept += run.kept
            self.may_refuse |= run.may_refuse
            if self.file_form:
                self.may_refuse |= run.no_statement
            if run.tells_unset:
                self.differs.add("missing")
            if self.rng.random() < 0.2:
                self.put(self.rng.choice(["", "# next", "  # next \1"]), kept=True)

    # -- the tree -----------------------------------------------------------------------

    def finish(self) -> Case:
        rng = self.rng
        text = "".join(self.parts)
        if rng.random() < 0.15:
            text = text.rstrip("\n")
        script, values = self.script()
        data = self.lines(text)
        if rng.random() < 0.05:
            data = b"\xef\xbb\xbf" + data
        files = {
            "Dockerfile": data,
            "build.sh": script.encode(),
            "data.txt": b"data\n",
            ".dockerfix.toml": ("root = true\n" + "\n".join(self.config) + "\n").encode(),
        }
        return Case(
            self.seed,
            files,
            values,
            {one.name: one.canary for one in self.secrets},
            tuple(self.kept_bytes()),
            frozenset(self.may_refuse),
            frozenset(self.differs),
            self.runs.stops,
        )

    def lines(self, text: str) -> bytes:
        """The text with the line ends and the escape character of the file."""
        text = text.replace(ESCAPE, self.escape)
        inner = "\r\n" if self.eol == "\r\n" else "\n"
        if self.eol == "mixed":
            text = re.sub("\n", lambda _: self.rng.choice(["\n", "\r\n"]), text)
        else:
            text = text.replace("\n", self.eol)
        return text.replace(HEREDOC_EOL, inner).encode()

    def kept_bytes(self) -> list[bytes]:
        """Lines of what is kept: of mixed line ends nobody knows beforehand which is where."""
        found = []
        for piece in self.kept:
            text = piece.replace(ESCAPE, self.escape).replace(HEREDOC_EOL, "\n")
            found += [line.strip().encode() for line in text.split("\n") if line.strip()]
        return found

    def script(self) -> tuple[str, dict[str, str]]:
        rng = self.rng
        flags, values = [], {}
        lead = []
        for one in self.secrets:
            if one.kind in ("literal", "env literal"):
                values[one.name] = one.canary
                if rng.random() < 0.3:
                    self.config += [f"[secrets.{one.name}]", f'source = "env:{one.name}"']
                continue
            source = rng.choice([one.name] * 3 + ["CI_SECRET_" + one.name])
            values[source] = one.value
            if one.kind == "beside":
                flags.append(f"--secret id={self.runs.id_of(one.name)},env={source}")
            if one.kind == "placeholder" and source != one.name:
                # What is passed empty is the placeholder from now on.
                self.differs.add("missing")
            if one.kind == "placeholder" and source == one.name:
                flags.append(f"--build-arg {one.name}")
            elif source != one.name:
                flags.append(f'--build-arg {one.name}="${source}"')
            elif rng.random() < 0.1 and one.kind != "beside":
                lead.append(f'value_{one.name}="$(printenv {one.name})"')
                flags.append(f'--build-arg "{one.name}=$value_{one.name}"')
            else:
                flags.append(rng.choice(PASSED).replace("@", one.name))
        flags.insert(rng.randrange(len(flags) + 1), "-t app")
        between = rng.choice([" ", " \\\n    "])
        command = between.join(["docker build", *flags, "."])
        return "\n".join(["#!/bin/sh", *lead, command, ""]), values
