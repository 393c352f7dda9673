"""The secrets that a `build-push-action` step gives already, and how wrong lines are mended.

`secrets:` takes `NAME=VALUE`, `secret-files:` `NAME=PATH` and `secret-envs:` `NAME=VARIABLE` (rules
5.21 and 5.22). People write the flag of the command line there, a shell variable, or the value
where the name of a variable belongs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.builders.call import Fault, SecretFlag
from dockerfix.builders.secret_flags import KEYS, read
from dockerfix.finding import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockerfix.builders.call import BuildCall
    from dockerfix.builders.github_actions import ActionStep, BuildDialect, Item
    from dockerfix.edits import Operation
    from dockerfix.source import Span

SHELL = re.compile(r"\$\{?(\w+)\}?|%(\w+)%|\$env:(\w+)")
EXPRESSION = re.compile(r"\$\{\{\s*(?:secrets\.|github\.token)")
INPUTS = ("secrets", "secret-envs", "secret-files")


def given(step: ActionStep) -> Iterator[SecretFlag]:
    """The secrets of the step, in the order in which buildx gets them."""
    for item, span in step.items("secrets"):
        # A line that is one expression is a list of secrets from elsewhere; the `=` may be its own.
        if "${{" not in item.name:
            yield _secret(step, item, span)
        elif item.value is not None:
            yield SecretFlag("", "?", span)
    for item, span in step.items("secret-envs"):
        value = _text(item).strip()
        if EXPRESSION.search(value):
            says = "`secret-envs` wants the name of a variable, and has the value itself"
            fault = Fault("value", says, "", f"{item.name}={value}")
            yield SecretFlag(item.name, "?", span, fault)
            continue
        # A comma separates here, and here alone.
        for one in f"{item.name}={value}".split(","):
            name, _, variable = one.partition("=")
            yield SecretFlag(name.strip(), f"env:{variable.strip()}", span)
    for item, span in step.items("secret-files"):
        value = _text(item).strip()
        wrong: Fault | None = None
        if EXPRESSION.search(value):
            says = "`secret-files` wants the path of a file, and has the value itself"
            wrong = Fault("value", says, "", f"{item.name}={value}")
        yield SecretFlag(item.name, "?" if wrong else f"file:{value}", span, wrong)


def _secret(step: ActionStep, item: Item, span: Span) -> SecretFlag:
    value = _text(item).strip()
    whole = f"{item.name}={value}" if item.value is not None else item.name
    line = re.sub(r"^--secret[= ]\s*", "", whole)
    meant = read(line, span)
    named = line.partition("=")[0].strip().lower() in KEYS
    if meant.id and named and (meant.source or line != whole) and "," in line:
        kind, _, rest = meant.source.partition(":")
        says = f"`id={meant.id},...` is for the command line: here it makes a secret called `{item.name}`"
        mended = _from_variable(step, meant.id, rest)
        if kind == "file":
            mended = f"{meant.id}={rest}"
        return meant._replace(source="?", fault=Fault(f"cli-{kind}", says, "", mended))
    if item.value is None and re.fullmatch(r"[\w.-]+", item.name):
        says = f"the line has no value, and the action gives no secret {item.name}"
        mended = _from_variable(step, item.name, item.name) or _from_store(step, item.name)
        return SecretFlag(item.name, "?", span, Fault("no-value", says, "", mended))
    shell = SHELL.fullmatch(value)
    if shell is not None:
        name = next(one for one in shell.groups() if one)
        says = f"no shell reads this line: the secret {item.name} is the text `{value}`"
        return SecretFlag(
            item.name, "?", span, Fault("shell", says, "", _from_variable(step, item.name, name))
        )
    return SecretFlag(item.name, f"text:{value}", span)


def _from_variable(step: ActionStep, id: str, name: str) -> str:
    return f"{id}=${{{{ env.{name} }}}}" if name in step.env.visible else ""


def _from_store(step: ActionStep, name: str) -> str:
    """The repository's secret of that name; an action of its own has none."""
    if step.file.get(step.file.root, "runs") is not None or not name.isupper():
        return ""
    return f"{name}=${{{{ secrets.{name} }}}}"


def mend(dialect: BuildDialect, call: BuildCall, flag: SecretFlag) -> Sequence[Operation] | Refusal:
    """The line as it was meant, in the input where it belongs."""
    step, fault = dialect.step, flag.fault
    assert fault is not None
    for input in INPUTS:
        for item, span in step.items(input):
            if span != flag.span:
                continue
            blocked = step.blocked(input)
            if blocked is not None:
                return blocked
            if not fault.mended:
                named = re.search(r"env=(\w+)|^\$\{?(\w+)", _text(item))
                stored = next((one for one in named.groups() if one), "") if named else flag.id
                return Refusal(
                    "nothing in this workflow says where the value comes from",
                    call.path,
                    flag.span,
                    f"write `{flag.id}=${{{{ secrets.{stored} }}}}`, or whatever gives it",
                )
            to = "secret-files" if fault.kind == "cli-file" else "secrets"
            twin = step.input(to)
            if twin is not None and step.file.shared(twin, step.step):
                return dialect._refusal(None, f"an anchor shares `{to}` with other steps")
            site = dialect._site()
            assert site is not None
            text = fault.mended.encode("utf-8", "surrogateescape")
            return [
                site.move_line(
                    step.key(input), item.span, step.key(to), text, order=flag.span.start
                )
            ]
    return Refusal("this line cannot be found again", call.path, flag.span, "mend it by hand")


def _text(item: Item) -> str:
    return (item.value or b"").decode("utf-8", "surrogateescape")
