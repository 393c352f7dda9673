"""`BuildCall`: one place that starts a build, whatever kind of file it stands in.

A pass asks a call two things: to give a variable as a secret instead of a build
argument (`take_secret`), and to stop giving a build argument (`drop`). How that is
written is the business of the call's `Dialect`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dockerfix.builders.compose_line import Composed
    from dockerfix.builders.forwarding import Forward
    from dockerfix.builders.standard_input import Piped
    from dockerfix.edits import Operation
    from dockerfix.finding import Refusal
    from dockerfix.formats.embedded import Embedded
    from dockerfix.shell import Script
    from dockerfix.source import Span


class Value(enum.Enum):
    """What a build argument's value is made of."""

    ENVIRONMENT = "environment"  # bare `X`, or exactly one variable of the client's shell
    TEXT = "text"  # anything else that is computed
    LITERAL = "literal"  # written out in the file


@dataclass(frozen=True, slots=True)
class BuildArg:
    """`--build-arg NAME[=...]` at one call. `span` is what a rewrite replaces (host bytes).

    `variable` is the one variable that the value is, or None. `exported` says whether that
    variable is known to be in the client's environment with that value. `always_set` is
    False for the bare `--build-arg X`, which passes nothing where X is unset, and for
    conditional flags. `doubt` says what may differ once it is a secret (then a fix that takes
    it is unsafe). `path` is the file that has it, where that is not the call's.
    """

    name: str
    span: Span
    value: Value
    variable: str | None = None
    exported: bool = False
    always_set: bool = True
    may_be_empty: bool = True
    doubt: str = ""
    path: str = ""


class Fault(NamedTuple):
    """What is wrong with a secret that a call gives, so that the build does not get what is meant.

    `says` is a clause. With `variable` it is only wrong if the value of that variable is a secret,
    not a name or a path. `mended` is what should stand there, empty where that is not known;
    `given` the host's text that its variable needs beside that.
    """

    kind: str
    says: str
    variable: str = ""
    mended: str = ""
    given: str = ""

    @property
    def effect(self) -> str:
        """What the client makes of it, as a clause."""
        if self.kind in ("id", "src", "source"):
            return "the build stops, and its message shows the value"
        if self.kind in ("no-id", "undefined"):
            return "the build stops"
        return "the build goes on, and the RUN gets nothing, or something else"


class SecretFlag(NamedTuple):
    """`--secret id=ID,...` that a call already gives. `source` is `env:X`, `file:PATH`, `` or, for
    what cannot be told, `?`. With a `fault`, `id` is what seems to be meant."""

    id: str
    source: str
    span: Span
    fault: Fault | None = None


class Prior(NamedTuple):
    """Shell that ran before the build where the build runs. `raw` gives the text of the host file
    at a span of the script, `here` a path of the machine as one of the repository."""

    script: Script
    raw: Callable[[Span], bytes]
    here: Callable[[str | None], str | None]


class Put(NamedTuple):
    """A variable whose value is written into a text, at `span`. `said` is what stands there for
    it, if that is nothing but the variable, as a shell writes it too."""

    name: str
    span: Span
    said: bytes = b""


class Inline(NamedTuple):
    """A Dockerfile inside another file: who has it (`web`), the path under which it is known
    (`compose.yaml#web`), and its text. `put` is what `tool`, which reads the file, writes into it:
    `environment` says that this comes from the environment of the client, and from nowhere else."""

    label: str
    path: str
    text: Embedded
    tool: str
    put: tuple[Put, ...] = ()
    environment: bool = True

    def reference(self, variable: str) -> str:
        """`${X}` as the file has to say it so that the Dockerfile does."""
        return self.text.escape(f"${{{variable}}}".encode()).decode()


@dataclass(frozen=True, slots=True)
class BuildCall:
    """One start of a build. Paths are relative to the workspace root.

    `dockerfiles` are the files it builds, as far as `linked_by` could tell; `target` is the
    stage name, None for the last stage, "?" where it could not be resolved. `unresolved`
    names words that may expand to further flags. `refusal` says that the call cannot take
    secrets at all (classic builder, kaniko, another machine...). `documentation`: a command that
    is only shown, which changes with a fix and never holds one back. `piped` is the Dockerfile
    on its standard input. `forward` says which script builds with the flags of this command, `label`
    under which name another command starts this one. `agent` says whether an ssh agent is at hand,
    None where the text of the file says it. `prior` reads the scripts that ran before, other than
    the one in which the call stands. `composed` is what it says of the compose files
    that it reads; `through` the one that says what this call builds, and what it passes beside its
    flags. `companions` are other Dockerfiles that the same command gives its arguments to. `inline` is a Dockerfile
    that stands in the file itself. `part`: other calls say what else the same build is given. `files_only` says why
    its BuildKit has no `env=` (before 0.10, docker 23), as a clause.
    """

    kind: str
    path: str
    span: Span
    tool: str
    dialect: Dialect = field(compare=False, repr=False)
    cwd: str | None = ""
    context: str | None = None
    dockerfile_argument: str | None = None
    dockerfiles: tuple[str, ...] = ()
    linked_by: Literal["flag", "context", "name", "unresolved"] = "unresolved"
    target: str | None = None
    args: tuple[BuildArg, ...] = ()
    secrets: tuple[SecretFlag, ...] = ()
    ssh: tuple[str, ...] = ()
    buildkit: Literal["yes", "no", "unknown"] = "unknown"
    evidence: str = ""
    unresolved: tuple[str, ...] = ()
    refusal: Refusal | None = None
    documentation: bool = False
    piped: Piped | None = None
    forward: Forward | None = None
    label: str = ""
    agent: bool | None = None
    prior: Callable[[], Iterable[Prior]] = field(default=tuple, compare=False, repr=False)
    composed: Composed | None = None
    through: str = ""
    companions: tuple[str, ...] = ()
    inline: Inline | None = None
    part: bool = False
    files_only: str = ""

    def passes(self, name: str) -> tuple[BuildArg, ...]:
        return tuple(arg for arg in self.args if arg.name == name)

    def take_secret(
        self, arg: BuildArg, id: str, source: str | None = None
    ) -> Sequence[Operation] | Refusal:
        """Give `arg`'s value as secret `id` instead. `source` (`env:X`, `file:PATH`,
        `command:...`) comes from the configuration and replaces the value."""
        return self.dialect.take_secret(self, arg, id, source)

    def add_secret(self, id: str, source: str | None = None) -> Sequence[Operation] | Refusal:
        """Give a secret that was no build argument before; without `source` the loud bare form."""
        return self.dialect.add_secret(self, id, source)

    def seen_to_lack(self, variable: str) -> bool:
        """Whether the file says which variables this build has, and not that one."""
        known: frozenset[str] | None = getattr(self.dialect, "variables", None)
        return known is not None and variable not in known

    def mend_secret(self, flag: SecretFlag) -> Sequence[Operation] | Refusal:
        """Give the secret of a flag that has a fault as it was meant."""
        from dockerfix.finding import Refusal

        mend = getattr(self.dialect, "mend_secret", None)
        if mend is not None:
            return mend(self, flag)  # type: ignore[no-any-return]
        return Refusal(
            "dockerfix does not write this flag anew in this kind of file",
            self.path,
            flag.span,
            "mend it by hand",
        )

    def take_ssh(self, arg: BuildArg, form: str = "plain") -> Sequence[Operation] | Refusal:
        """Give the key file that `arg`'s value is read from by `--ssh` instead. `form` is what the
        build takes the value for: `plain`, `base64`, or `other`."""
        take = getattr(self.dialect, "take_ssh", None)
        return self._no_ssh() if take is None else take(self, arg, form)

    def add_ssh(self, value: str) -> Sequence[Operation] | Refusal:
        """Give the build `--ssh VALUE`: `default`, or `default=FILE`."""
        add = getattr(self.dialect, "add_ssh", None)
        return self._no_ssh() if add is None else add(self, value)

    def has_agent(self, data: bytes) -> bool:
        """Whether an ssh agent is at hand where the build starts; `data` is the file's text."""
        from dockerfix.builders.agents import evident

        if self.agent is not None:
            return self.agent
        session = getattr(self.dialect, "session", None)
        return evident(data if session is None else session.projection.text)

    def _no_ssh(self) -> Refusal:
        from dockerfix.finding import Refusal

        return Refusal(
            "dockerfix does not write ssh forwarding into this kind of file",
            self.path,
            self.span,
            "give the build `ssh: default` (or `default=FILE`) there by hand",
        )

    def drop(self, arg: BuildArg) -> Sequence[Operation] | Refusal:
        """Stop giving `arg`, which nothing reads."""
        return self.dialect.drop(self, arg)


class Dialect(Protocol):
    """How one kind of file writes what a call gives to a build."""

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal: ...

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal: ...

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal: ...
