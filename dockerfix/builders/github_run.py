"""The script of a `run:` step: shell in which `${{ }}` stands for text that GitHub puts in.

A build argument whose value is made of such text and literals alone goes into the step's `env:`;
everything else is the shell dialect's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from dockerfix.builders import github_unset
from dockerfix.builders.call import BuildArg, SecretFlag, Value
from dockerfix.builders.github_scope import EXPRESSION, Scope, inner
from dockerfix.builders.held_flags import PUT_IN, Held, holding, shell_use, unquoted
from dockerfix.builders.shell_dialect import ShellDialect
from dockerfix.builders.shell_values import Host, Plan, Substitution
from dockerfix.builders.yaml_shell import Session
from dockerfix.finding import Refusal
from dockerfix.formats.yaml import Scalar
from dockerfix.shell.nodes import FOREIGN
from dockerfix.shell.values import SCRIPT_DIR, WORK_TREE
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.builders.arguments import Leaf
    from dockerfix.builders.command_line import GivenArg
    from dockerfix.builders.github_env import StepEnv
    from dockerfix.edits import Operation
    from dockerfix.formats.yaml import Node
    from dockerfix.shell import Script

_GIVEN = re.compile(
    rb"build-arg(?:=|[ \t]+|[ \t]*\\\r?\n[ \t]*)[\"']?[A-Za-z_][\w.-]*=(?:[^\s\"']|\$\{\{.*?\}\})*[\"']?$"
)


def session_of(scope: Scope, scalar: Scalar, held: Sequence[Held] = ()) -> Session:
    """`held` are variables of the step that hold flags of a build."""
    put_in = {one.name: one for one in held if one.form == "text"}

    def known(expression: bytes, before: bytes) -> bytes | None:
        # The value of a build argument stays an expression: it may be a secret.
        if _GIVEN.search(before):
            return None
        name = inner(expression.decode("utf-8", "surrogateescape")).removeprefix("env.")
        if spread(name) in put_in and unquoted(before):
            return b'"${' + spread(name).encode() + b'[@]}"'
        return scope.known(expression)

    return Session.of([scalar], EXPRESSION, known, held)


def held_by(scope: Scope, places: Sequence[Node | None], script: Scalar) -> list[Held]:
    """The variables with flags of a build that `env:` of `places` gives, what decides first."""
    file = scope.file
    texts: dict[str, Scalar] = {}
    for place in reversed(places):
        for name, entry in file.entries(file.get(place, "env")).items():
            texts.pop(name, None)
            value = file.resolve(entry.value)
            if isinstance(value, Scalar):
                texts[name] = value
    own = file.entries(file.get(places[0], "env")) if places else {}
    found = []
    for name in holding({key: one.text for key, one in texts.items()}, env_use):
        # In `env:` of a step, `${{ env.X }}` is not what the same `env:` sets.
        inside = name in own and any(env_use(one).search(texts[name].text) for one in own)
        one = Held(name, texts[name], "literal")
        if not inside and one.usable:
            found.append(one)
            put = Held(spread(name), texts[name], "text")
            if put.usable and env_use(name).search(script.text) and spread(name) not in texts:
                found.append(put)
    return found


def spread(name: str) -> str:
    """The array that stands for the text of a variable where GitHub puts it into the script."""
    return name + PUT_IN


def env_use(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"\$\{\{[^}]*\benv\." + re.escape(name.encode()) + rb"(?![\w-])")


def any_use(name: str) -> re.Pattern[bytes]:
    """A use in a script, or in an expression."""
    return shell_use(name.removesuffix(PUT_IN))


def variables(scope: Scope) -> dict[str, frozenset[bytes] | None]:
    """What the runner exports to a step, with the values that are known."""
    found: dict[str, frozenset[bytes] | None] = {
        "GITHUB_WORKSPACE": frozenset({WORK_TREE.encode()}),
        "GITHUB_ACTION_PATH": frozenset({SCRIPT_DIR.encode()}),
    }
    for name, text in scope.env.items():
        values = scope.values(text)
        found[name] = None
        if values is not None:
            found[name] = frozenset(one.encode("utf-8", "surrogateescape") for one in values)
    return found


class Runner(Host):
    """GitHub round the script."""

    kind = "github"

    def __init__(self, session: Session, env: StepEnv, keeps_time: bool) -> None:
        self.session = session
        self.env = env
        self.keeps_time = keeps_time

    def substitution(self, script: Script, span: Span) -> Substitution | None:
        raw = self.session.raw(script, span)
        if not raw.startswith(b"${{"):
            return None
        context, _, name = inner(raw.decode("utf-8", "surrogateescape")).partition(".")
        own = context == "env" and not self.env.sets(name)
        return Substitution(raw, name if own else None)


@dataclass(frozen=True, eq=False)
class RunDialect(ShellDialect):
    """One build command of a step."""

    session: Session | None = None
    env: StepEnv | None = None

    @property
    def variables(self) -> frozenset[str] | None:
        return None if self.env is None else frozenset(self.env.visible)

    @classmethod
    def of(cls, dialect: ShellDialect, session: Session, env: StepEnv) -> RunDialect:
        known = {one.name: getattr(dialect, one.name) for one in fields(ShellDialect)}
        return cls(**known, session=session, env=env)

    def build_arg(self, given: GivenArg) -> BuildArg:
        found = super().build_arg(given)
        text = self.text(given)
        if text is None or self._foreign_variable(given):
            return found
        filled = bool(re.sub(rb"\$\{\{.*?\}\}", b"", text, flags=re.S))
        return BuildArg(
            given.name,
            found.span,
            Value.TEXT,
            None,
            False,
            found.always_set,
            not filled,
            found.doubt,
        )

    def _plan(self, given: GivenArg, source: str | None) -> Plan | Refusal:
        text = self.text(given)
        if source is not None or text is None or self._foreign_variable(given):
            return super()._plan(given, source)
        assert self.env is not None
        if any(self._behind_sudo(nested) for nested in self.line.nested):
            return self._refusal(
                "sudo drops the variable before the inner shell", self._value_span(given)
            )
        name = self.env.name_for(given.name, text.decode("utf-8", "surrogateescape"))
        return name if isinstance(name, Refusal) else Plan(name)

    def give_variable(self, flag: SecretFlag) -> Sequence[Operation] | Refusal | None:
        """What the step's `env:` needs for a secret whose variable nothing sets."""
        if self.env is None or flag.fault is None:
            return None
        if flag.fault.kind != github_unset.KIND and not flag.fault.given:
            return None
        return github_unset.mend(flag, self.env)

    def extra(self, arg: BuildArg) -> Sequence[Operation] | Refusal:
        """What the step's `env:` needs beside the change in the script."""
        given = self._given(arg)
        text = self.text(given) if given is not None else None
        if given is None or text is None or self._foreign_variable(given):
            return ()
        assert self.env is not None
        said = text.decode("utf-8", "surrogateescape")
        name = self.env.name_for(given.name, said)
        return name if isinstance(name, Refusal) else self.env.give(name, said, arg.span.start)

    def _foreign_variable(self, given: GivenArg) -> bool:
        found = self._foreign(given)
        return found is not None and found.variable is not None

    def text(self, given: GivenArg) -> bytes | None:
        """The value as text with expressions, None if the shell makes any of it."""
        found = b""
        for leaf in given.leaves or ():
            piece = self._piece(given, leaf)
            if piece is None:
                return None
            found += piece
        return found if b"${{" in found else None

    def _piece(self, given: GivenArg, leaf: Leaf) -> bytes | None:
        assert self.session is not None
        part, script = leaf.part, given.script
        if part.kind == "foreign":
            raw = self.session.raw(script, part.span)
            return raw if raw.startswith(b"${{") else None
        if part.kind == "text":
            bare = not leaf.quoted and any(byte in b"~*?[{" for byte in part.value)
            return None if bare else part.value
        if part.kind == "escape":
            return part.value
        if part.kind != "single":
            return None
        start = part.span.end - 1 - len(part.value)
        return re.sub(
            b"%c+" % FOREIGN,
            lambda hit: self._raw_at(script, start, hit),
            part.value,
        )

    def _raw_at(self, script: Script, start: int, hit: re.Match[bytes]) -> bytes:
        assert self.session is not None
        return self.session.raw(script, Span(start + hit.start(), start + hit.end()))
