"""`docker/build-push-action`: what its inputs give to a build, and steps that use an action.

`build-args:` lines move to `secrets:`. How the inputs are read is rule 5.21, how YAML is written
the business of `formats`. Holds what every action's step has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders import github_lists, github_secrets
from dockerfix.builders.call import BuildArg, BuildCall, SecretFlag, Value
from dockerfix.finding import Refusal
from dockerfix.formats.yaml import Map, Scalar
from dockerfix.formats.yaml_edit import MapSite
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockerfix.builders.github_env import StepEnv
    from dockerfix.builders.github_scope import Scope
    from dockerfix.edits import Operation
    from dockerfix.formats.yaml import File

KIND = "github"
ELSEWHERE = "the inputs of the step stand elsewhere in the file"
NO_HOME = "an action does not know `~`"
BUILD = re.compile(r"^(?P<action>[\w.-]+/build-push-action)@(?P<ref>.+)$")


class Item(NamedTuple):
    """One item of a list input. `span` are its text offsets, blanks round it left out; `value` is
    None for a name alone. `quoted`: the whole item stands in double quotes."""

    span: Span
    name: str
    value: bytes | None
    quoted: bool = False


def items(text: bytes) -> Iterator[Item]:
    """The items of a list input (CSV over lines, commas left alone): rule 5.21."""
    at = 0
    while at < len(text):
        newline = text.find(b"\n", at)
        end = len(text) if newline < 0 else newline
        start = at
        while start < end and text[start] in b" \t\r":
            start += 1
        quoted = text[start : start + 1] == b'"'
        if quoted:
            close = _closing(text, start)
            if close is None:
                quoted = False
            else:
                newline = text.find(b"\n", close)
                end = len(text) if newline < 0 else newline
                quoted = not text[close:end].strip()
        stop = end
        while stop > start and text[stop - 1] in b" \t\r":
            stop -= 1
        if stop > start:
            inside = text[start:stop]
            if quoted:
                inside = inside[1:-1].replace(b'""', b'"')
            name, equals, value = inside.partition(b"=")
            yield Item(
                Span(start, stop),
                name.strip().decode("utf-8", "surrogateescape"),
                value if equals else None,
                quoted,
            )
        at = end + 1


def _closing(text: bytes, start: int) -> int | None:
    """Behind the quote that closes the one at `start`."""
    at = start + 1
    while True:
        at = text.find(b'"', at)
        if at < 0:
            return None
        if text[at + 1 : at + 2] != b'"':
            return at + 1
        at += 2


@dataclass(frozen=True, eq=False)
class ActionStep:
    """A step that uses an action: `given` are its inputs as they stand in the step itself, under
    the key `place`."""

    scope: Scope
    step: Map
    uses: str
    env: StepEnv
    place: str = "with"

    @property
    def file(self) -> File:
        return self.scope.file

    @property
    def given(self) -> Map | None:
        found = self.file.get(self.step, self.place)
        return found if isinstance(found, Map) else None

    def input(self, name: str) -> Scalar | None:
        """Inputs are found whatever their case."""
        given = self.given
        for key, entry in self.file.entries(given).items() if given is not None else ():
            if key.lower() == name:
                found = self.file.resolve(entry.value)
                return found if isinstance(found, Scalar) else None
        return None

    def key(self, name: str) -> str:
        given = self.given
        entries = self.file.entries(given) if given is not None else {}
        return next((key for key in entries if key.lower() == name), name)

    def takes(self, name: str) -> bool:
        """Whether there is an input of that name."""
        return True

    def values(self, name: str) -> tuple[str | None, ...]:
        """What an input may be: (None,) where it is not given, `?` where it is not known."""
        scalar = self.input(name)
        if scalar is None or not scalar.text.strip():
            return (None,)
        found = self.scope.values(scalar.value.strip())
        return ("?",) if found is None else tuple(one or None for one in sorted(found))

    def items(self, name: str) -> tuple[tuple[Item, Span], ...]:
        """Items of a list input with their spans in the file."""
        scalar = self.input(name)
        if scalar is None:
            return ()
        return tuple((one, scalar.projection.host_span(one.span)) for one in items(scalar.text))

    @property
    def span(self) -> Span:
        entry = self.file.entries(self.step)["uses"]
        return entry.span

    def blocked(self, name: str) -> Refusal | None:
        """Why the inputs cannot be changed here."""
        given, scalar = self.given, self.input(name)
        entry = self.step.entry(self.place)
        reason = ""
        if given is None or entry is None or entry.value is not given:
            reason = ELSEWHERE
        elif given.entry(self.key(name)) is None:
            reason = f"`{name}` comes from a merged map"
        elif self.file.shared(given, self.step) or (
            scalar is not None and self.file.shared(scalar, self.step)
        ):
            reason = "an anchor shares these inputs with other steps"
        elif scalar is not given.entry(self.key(name)).value:  # type: ignore[union-attr]
            reason = f"`{name}` is an alias"
        if not reason:
            return None
        return Refusal(
            reason,
            self.scope.path,
            self.span,
            "Write the inputs into the step, or change it by hand.",
        )


# -- build-push-action -----------------------------------------------------------


def build_calls(step: ActionStep) -> Iterable[BuildCall]:
    """The builds of a `build-push-action` step, one for each context, file and target."""
    found = BUILD.match(step.uses)
    path, action = step.scope.path, found["action"] if found else step.uses
    row = _actions().get(action.lower()) if found else {"evidence": ""}
    refusal = None
    names: Sequence[tuple[Item, Span]] = step.items("build-args")
    old = (
        row is not None
        and found is not None
        and re.match(row.get("without_secrets", "(?!)"), found["ref"])
    )
    if row is None:
        reason = f"`{step.uses}` is another action of that name, whose inputs are not known"
        refusal = Refusal(reason, path, step.span, "Use docker/build-push-action v2 or later.")
    elif old or step.input("build_args") is not None:
        reason = f"version 1 of {action} cannot give secrets"
        refusal = Refusal(reason, path, step.span, "Use version 2 or later first.")
        names = (*names, *_comma_items(step))
    names = [one for one in names if not one[0].name.startswith("#")]
    args = tuple(_build_arg(item, span) for item, span in names if _named(item))
    lists = github_lists.lists(step, "build-args")
    args += tuple(one.argument(line) for one in lists.values() for line in one.lines)
    unresolved = tuple(
        step.scope.file.source.text(span).decode("utf-8", "replace")
        for item, span in names
        if not _named(item) and span not in lists
    )
    dialect = BuildDialect(step)
    for context, file, target in product(
        step.values("context"), step.values("file"), step.values("target")
    ):
        folder = _folder(context)
        yield BuildCall(
            KIND,
            path,
            step.span,
            action,
            dialect,
            "",
            folder,
            _dockerfile(file, context, folder),
            target=target,
            args=args,
            secrets=tuple(github_secrets.given(step)),
            ssh=tuple(_ssh(step)),
            buildkit="yes",
            evidence=row["evidence"] if row is not None else "",
            unresolved=unresolved,
            refusal=refusal,
        )


@cache
def _actions() -> Mapping[str, Mapping[str, str]]:
    """The rows of actions.toml by the action's name."""
    import tomllib
    from importlib.resources import files

    text = files("dockerfix.builders").joinpath("actions.toml").read_text("utf-8")
    return {row["action"]: row for row in tomllib.loads(text)["build"]}


def _named(item: Item) -> bool:
    return bool(item.name) and "${{" not in item.name and not re.search(r"\s", item.name)


def _build_arg(item: Item, span: Span) -> BuildArg:
    value = (item.value or b"").strip()
    kind = Value.LITERAL if value and b"${{" not in value else Value.TEXT
    filled = bool(value) and not value.startswith(b"${{")
    if item.value is None:
        return BuildArg(item.name, span, Value.ENVIRONMENT, item.name, True, False, True)
    return BuildArg(item.name, span, kind, None, False, True, not filled)


def _comma_items(step: ActionStep) -> Iterator[tuple[Item, Span]]:
    scalar = step.input("build_args")
    if scalar is None:
        return
    for hit in re.finditer(rb"[^,\n]+", scalar.text):
        name, _, value = hit[0].strip().partition(b"=")
        span = Span(*hit.span())
        yield Item(span, name.decode("utf-8", "replace"), value), scalar.projection.host_span(span)


def _folder(context: str | None) -> str:
    """The context as a path of the repository; the default one is its root."""
    if context is None:
        return "."
    found = re.match(r"^\{\{\s*defaultContext\s*\}\}(?::(.*))?$", context)
    if found:
        return found[1] or "."
    return context


def _dockerfile(file: str | None, context: str | None, folder: str) -> str | None:
    """With a Git context the Dockerfile is sought inside of it (rule 5.6)."""
    if file is None or file == "?" or context is None or not context.startswith("{{"):
        return file
    return f"{folder}/{file}"


def _ssh(step: ActionStep) -> Iterator[str]:
    scalar = step.input("ssh")
    for one in re.split(r"[,\n]", scalar.value if scalar is not None else ""):
        if one.strip():
            yield one.strip()


@dataclass(frozen=True, eq=False)
class BuildDialect:
    """The inputs of one `build-push-action` step."""

    step: ActionStep

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(self.step.env.visible)

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        item = self._item(arg)
        listed = github_lists.listed(self.step, "build-args", arg) if item is None else None
        refusal = call.refusal or self.step.blocked("build-args")
        if refusal is not None:
            return refusal
        if listed is not None:
            item, to = listed.item, "secrets"
            text: str | None = f"{id}={listed.origin.said(listed.line).strip()}"
        elif item is None:
            return lost(call, arg)
        else:
            to, text = "secrets", self._line(item, id)
        if source is not None:
            kind, _, rest = source.partition(":")
            if kind == "command":
                return self._refusal(arg, "an action cannot run a command for a secret")
            if kind == "file" and rest.startswith("~"):
                return self._refusal(arg, NO_HOME)
            to, text = (
                ("secret-files", f"{id}={rest}")
                if kind == "file"
                else ("secrets", _from_env(id, rest))
            )
        if not self.step.takes(to):
            return self._no_input(arg, to)
        if text is None:
            return self._refusal(
                arg, f"nothing in this workflow sets {arg.name}, which the step passes by name"
            )
        held = next((secret for secret in call.secrets if secret.id == id), None)
        if held is not None:
            same = item.value is not None and held.source == "text:" + item.value.strip().decode(
                "utf-8", "surrogateescape"
            )
            if same or held.source == f"env:{arg.name}":
                return self.drop(call, arg)
            return self._refusal(arg, f"the secret {id} is given here already, from elsewhere")
        twin = self.step.input(to)
        if twin is not None and self.step.file.shared(twin, self.step.step):
            return self._refusal(arg, f"an anchor shares `{to}` with other steps")
        if listed is not None:
            return listed.take(self._site(), self.step.key(to), text)
        return [self._move(item, self.step.key(to), text, arg)]

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        if call.refusal is not None:
            return call.refusal
        if any(secret.id == id for secret in call.secrets):
            return ()
        site = self._site()
        if site is None:
            return self._refusal(None, ELSEWHERE)
        kind, _, rest = (source or "").partition(":")
        if kind == "command":
            return self._refusal(None, "an action cannot run a command for a secret")
        if kind == "file" and rest.startswith("~"):
            return self._refusal(None, NO_HOME)
        to = "secret-files" if kind == "file" else "secrets"
        if not self.step.takes(to):
            return self._no_input(None, to)
        to = self.step.key(to)
        if kind == "file":
            text = f"{id}={rest}"
        elif kind == "env":
            text = _from_env(id, rest)
        elif self.step.file.get(self.step.file.root, "runs") is not None:
            return self._refusal(None, "an action has no secrets of its own: it needs an input")
        else:
            text = f"{id}=${{{{ secrets.{id} }}}}"
        return [site.add_line(to, text.encode("utf-8", "surrogateescape"), order=call.span.start)]

    def mend_secret(self, call: BuildCall, flag: SecretFlag) -> Sequence[Operation] | Refusal:
        return call.refusal or github_secrets.mend(self, call, flag)

    def take_ssh(self, call: BuildCall, arg: BuildArg, form: str) -> Sequence[Operation] | Refusal:
        return self._refusal(
            arg, f"{arg.name} does not come from a key file, and no step before starts an ssh agent"
        )

    def add_ssh(self, call: BuildCall, value: str) -> Sequence[Operation] | Refusal:
        """`ssh: default`: the action splits its value at commas and lines (rule 5.22)."""
        if call.refusal is not None:
            return call.refusal
        if value.partition("=")[0] in {one.partition("=")[0] for one in call.ssh}:
            return ()
        site = self._site()
        if site is None:
            return self._refusal(None, ELSEWHERE)
        key, text = self.step.key("ssh"), value.encode("utf-8", "surrogateescape")
        if not self.step.takes("ssh"):
            return self._no_input(None, "ssh")
        if call.ssh:
            return [site.add_line(key, text, order=call.span.start)]
        return [site.add(key, text, order=call.span.start)]

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        item = self._item(arg)
        blocked = self.step.blocked("build-args")
        if blocked is not None:
            return blocked
        listed = github_lists.listed(self.step, "build-args", arg) if item is None else None
        if listed is not None:
            return listed.take(self._site(), "", "")
        return lost(call, arg) if item is None else [self._move(item, "", "", arg)]

    def _line(self, item: Item, id: str) -> str | None:
        if item.value is None:
            known = item.name in self.step.env.visible or self._exported(item.name)
            return _from_env(id, item.name) if known else None
        scalar = self.step.input("build-args")
        assert scalar is not None
        if item.name == id:
            # Build arguments are trimmed, secrets are not (T36 i).
            text = scalar.text[item.span.start : item.span.end]
            return re.sub(rb"^([\w.-]+)\s+=", rb"\1=", text).decode("utf-8", "surrogateescape")
        value = item.value.strip().decode("utf-8", "surrogateescape")
        line = f"{id}={value}"
        return '"' + line.replace('"', '""') + '"' if item.quoted else line

    def _exported(self, name: str) -> bool:
        """Whether the file has an earlier step export the variable (`X=... >> $GITHUB_ENV`)."""
        data = self.step.file.source.data
        written = rb"(?<![\w.-])" + re.escape(name.encode()) + rb"(?:=|<<)"
        return b"GITHUB_ENV" in data and re.search(written, data) is not None

    def _move(self, item: Item, to: str, text: str, arg: BuildArg) -> Operation:
        site = self._site()
        assert site is not None
        line = text.encode("utf-8", "surrogateescape")
        return site.move_line(
            self.step.key("build-args"), item.span, to, line, order=arg.span.start
        )

    def _site(self) -> MapSite | None:
        given = self.step.given
        entry = self.step.step.entry(self.step.place)
        if (
            given is None
            or entry is None
            or entry.value is not given
            or self.step.file.shared(given, self.step.step)
        ):
            return None
        return MapSite(self.step.scope.path, self.step.file, given)

    def _item(self, arg: BuildArg) -> Item | None:
        found = self.step.items("build-args")
        return next((one for one, span in found if span == arg.span), None)

    def _no_input(self, arg: BuildArg | None, name: str) -> Refusal:
        return Refusal(
            f"`{self.step.uses}` has no input that it hands on to `{name}` of its build step",
            self.step.scope.path,
            arg.span if arg is not None else self.step.span,
            f"Declare such an input there, give it to `{name}:` of the build step, and run again.",
        )

    def _refusal(self, arg: BuildArg | None, reason: str) -> Refusal:
        span = arg.span if arg is not None else self.step.span
        help = "Give it under `secrets:` of the step by hand."
        return Refusal(reason, self.step.scope.path, span, help)


def _from_env(id: str, name: str) -> str:
    return f"{id}=${{{{ env.{name} }}}}"


def lost(call: BuildCall, arg: BuildArg) -> Refusal:
    return Refusal("this argument cannot be found again", call.path, arg.span, "Change it by hand.")
