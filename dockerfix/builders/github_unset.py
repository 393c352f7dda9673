"""`docker build --secret id=X,env=X` in a `run:` step to which nothing gives X: the secret is empty.

A script of GitHub's gets the variables that `env:` sets for it, and those that an earlier step
exported. `--build-arg X=${{ secrets.X }}` needed neither. Here is, too, the flag that has such an
expression where the name of a variable belongs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dockerfix.builders import secret_flags
from dockerfix.builders.call import Fault, SecretFlag
from dockerfix.builders.github_env import OWN
from dockerfix.builders.github_scope import inner
from dockerfix.finding import Refusal
from dockerfix.shell.words import is_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.builders.github_env import StepEnv
    from dockerfix.builders.shell_dialect import ShellDialect
    from dockerfix.edits import Operation
    from dockerfix.formats.yaml import File, Node

KIND = "unset"
_STORED = re.compile(r"(?:secrets|env|inputs|github|steps\.[\w-]+\.outputs)\.([A-Za-z_][\w-]*)")
_EXPORTS = (b"GITHUB_ENV", b"exportVariable", b"export-env", b"self-hosted")


@dataclass(frozen=True, eq=False)
class Job:
    """The job that a step is in: `steps` before and behind it, `runner` as `runs-on` has it."""

    file: File
    job: Node | None

    def may_export(self) -> bool:
        """Whether a step, or the machine, may give variables that the file does not name."""
        if any(one in self.file.source.data for one in _EXPORTS):
            return True
        if self.file.get(self.job, "container") is not None:
            return True
        runner = self.file.text(self.file.get(self.job, "runs-on")) or ""
        if not runner.startswith(("ubuntu", "windows", "macos")):
            return True
        steps = self.file.items(self.file.get(self.job, "steps"))
        used = (self.file.text(self.file.get(step, "uses")) or "" for step in steps)
        return not all(one.partition("/")[0] in quiet() for one in used if one)


@cache
def quiet() -> frozenset[str]:
    """Owners whose actions export nothing that is a secret."""
    import tomllib
    from importlib.resources import files

    text = files("dockerfix.builders").joinpath("actions.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)["quiet"]["owners"])


def expressed(flag: SecretFlag, dialect: ShellDialect, env: StepEnv) -> SecretFlag:
    """The flag, with its fault if an expression's value stands where a name or a path belongs."""
    for given in dialect.line.flags("secret"):
        argument = given.value
        if argument is None or argument.script.projection.host_span(argument.span) != flag.span:
            continue
        text, expressions = "", {}
        for leaf in argument.leaves:
            literal = leaf.part.literal
            if literal is not None:
                text += literal.decode("utf-8", "surrogateescape")
                continue
            found = dialect.host.substitution(argument.script, leaf.part.span)
            said = inner(found.raw.decode("utf-8", "surrogateescape")) if found is not None else ""
            named = _STORED.fullmatch(said)
            if named is None:
                return flag
            name = named[1].replace("-", "_")
            expressions[name] = f"${{{{ {said} }}}}"
            text += secret_flags.variable(name)
        read = secret_flags.read(text[given.value_start :], flag.span)
        fault = read.fault
        if fault is None or fault.variable not in expressions:
            return flag
        expression = expressions[fault.variable]
        variable = env.name_for(fault.variable, expression)
        if isinstance(variable, Refusal):
            return read._replace(fault=fault._replace(mended=""))
        mended = f"id={read.id or fault.variable},env={variable}"
        return read._replace(fault=fault._replace(mended=mended, given=expression))
    return flag


def judged(flag: SecretFlag, dialect: ShellDialect, env: StepEnv, job: Job) -> SecretFlag:
    """The flag, with its fault if nothing sets its variable."""
    flag = expressed(flag, dialect, env) if flag.fault is None else flag
    name = flag.source.removeprefix("env:")
    line = dialect.line
    if flag.fault is not None or name == flag.source or name in env.visible or line.nested:
        return flag
    if not is_name(name):
        return flag
    if name in {one.name for one in line.command.prefix} | set(line.environment):
        return flag
    if (name.startswith(OWN) and name != "GITHUB_TOKEN") or name in ("CI", "HOME", "PATH"):
        return flag
    states = line.command.states
    if any(state.opaque or state.variable(name).assigned != "no" for state in states):
        return flag
    if job.may_export():
        return flag
    return flag._replace(
        fault=Fault(KIND, f"nothing in the workflow gives {name} to this step: it is empty")
    )


def mend(flag: SecretFlag, env: StepEnv) -> Sequence[Operation] | Refusal:
    """Give the variable to the step, from the secret of that name that the workflow uses."""
    fault = flag.fault
    if fault is not None and fault.given:
        return env.give(fault.mended.partition("env=")[2], fault.given, flag.span.start)
    name = flag.source.removeprefix("env:")
    stored = re.search(rb"secrets\." + name.encode() + rb"\b", env.file.source.data)
    if stored is None and name != "GITHUB_TOKEN":
        return Refusal(
            "nothing in this workflow says where the value comes from",
            env.path,
            flag.span,
            f"give it to the step: `env: {name}: ${{{{ secrets.{name} }}}}`, or whatever holds it",
        )
    return env.give(name, f"${{{{ secrets.{name} }}}}", flag.span.start)
