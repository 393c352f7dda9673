"""`docker/bake-action`: `set: *.args.X=` becomes `*.secrets+=` with a variable of the step (T33).

Which Dockerfiles it builds stands in a bake file, which is not read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockerfix.builders import github_lists
from dockerfix.builders.call import BuildArg, BuildCall, SecretFlag, Value
from dockerfix.builders.github_actions import KIND, NO_HOME, ActionStep, Item, lost
from dockerfix.finding import Refusal
from dockerfix.formats.yaml_edit import MapSite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockerfix.edits import Operation

ACTION = re.compile(r"^docker/bake-action(?:/subaction/[\w-]+)?@(?P<ref>.+)$")
_ENV = re.compile(rb"\$\{\{\s*env\.([A-Za-z_]\w*)\s*\}\}")
_SET = re.compile(rb"^([\w*.-]+)\.args\.([A-Za-z_][\w.-]*)(?:=(.*))?$", re.S)


def bake_calls(step: ActionStep) -> Iterable[BuildCall]:
    """The build of a `bake-action` step. Which Dockerfiles it builds stands in a bake file."""
    args = []
    for item, span in step.items("set"):
        found = _override(step, item)
        if found is None:
            continue
        _, name, value = found
        if value is None:
            args.append(BuildArg(name, span, Value.ENVIRONMENT, name, True, False, True))
        elif own := _of_environment(value):
            args.append(BuildArg(name, span, Value.ENVIRONMENT, own, True, True, True))
        else:
            kind = Value.LITERAL if value.strip() and b"${{" not in value else Value.TEXT
            args.append(BuildArg(name, span, kind, None, False, True, True))
    for origin in github_lists.lists(step, "set").values():
        for line in origin.lines:
            found = _parsed(f"{line.name}={line.value}")
            if found is not None:
                args.append(replace(origin.argument(line), name=found[1]))
    yield BuildCall(
        KIND,
        step.scope.path,
        step.span,
        "docker/bake-action",
        BakeDialect(step),
        "",
        "?",
        args=tuple(args),
        secrets=tuple(_given_secrets(step)),
        buildkit="yes",
        evidence="docker/bake-action builds with buildx",
    )


def _override(step: ActionStep, item: Item) -> tuple[str, str, bytes | None] | None:
    """(`*`, X, value) of `*.args.X=value`."""
    scalar = step.input("set")
    assert scalar is not None
    return _parsed(scalar.text[item.span.start : item.span.end].decode("utf-8", "surrogateescape"))


def _parsed(text: str) -> tuple[str, str, bytes | None] | None:
    found = _SET.match(text.encode("utf-8", "surrogateescape"))
    if found is None:
        return None
    return found[1].decode(), found[2].decode(), found[3]


def _of_environment(value: bytes) -> str:
    """X of `${{ env.X }}`, which the action has as a variable of that name; empty for others."""
    found = _ENV.fullmatch(value.strip())
    return found[1].decode() if found is not None else ""


def _given_secrets(step: ActionStep) -> Iterator[SecretFlag]:
    for item, span in step.items("set"):
        if not re.search(r"\.secrets?\+?$", item.name):
            continue
        keys = dict(
            one.partition("=")[::2]
            for one in (item.value or b"").decode("utf-8", "replace").split(",")
        )
        source = f"env:{keys['env']}" if "env" in keys else ""
        yield SecretFlag(keys.get("id", ""), source, span)


@dataclass(frozen=True, eq=False)
class BakeDialect:
    """The `set:` lines of one `bake-action` step (T33)."""

    step: ActionStep

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(self.step.env.visible)

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        item = self._item(arg)
        blocked = self.step.blocked("set")
        if blocked is not None:
            return blocked
        listed = github_lists.listed(self.step, "set", arg) if item is None else None
        if listed is not None:
            item, said = listed.item, listed.line
            found = _parsed(f"{said.name}={said.value}")
        else:
            found = _override(self.step, item) if item is not None else None
        if item is None or found is None:
            return lost(call, arg)
        if any(secret.id == id for secret in call.secrets):
            return _already(call, arg, id)
        target, name, value = found
        kind, _, rest = (source or "").partition(":")
        more: Sequence[Operation] = ()
        if kind == "command" or (kind == "file" and rest.startswith("~")):
            return Refusal(
                "an action cannot run a command for a secret" if kind == "command" else NO_HOME,
                call.path,
                arg.span,
                "Change it by hand.",
            )
        if kind == "file":
            flag = f"id={id},src={rest}"
        elif kind == "env" or value is None:
            flag = f"id={id},env={rest or name}"
        elif own := _of_environment(value):
            flag = f"id={id},env={own}"
        else:
            text = value.decode("utf-8", "surrogateescape").strip()
            variable = self.step.env.name_for(name, text)
            if isinstance(variable, Refusal):
                return variable
            flag = f"id={id},env={variable}"
            given = self.step.env.give(variable, text, arg.span.start)
            if isinstance(given, Refusal):
                return given
            more = given
        text = f"{target}.secrets+={flag}"
        if listed is not None:
            taken = listed.take(self._site(), self.step.key("set"), text)
            return taken if isinstance(taken, Refusal) else (*taken, *more)
        line = text.encode("utf-8", "surrogateescape")
        return (self._move(item, self.step.key("set"), line, arg), *more)

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        return Refusal(
            "the targets that need the secret are not known",
            call.path,
            call.span,
            f"Add `TARGET.secrets+=id={id},env={id}` to `set:` by hand.",
        )

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        item, blocked = self._item(arg), self.step.blocked("set")
        if blocked is not None:
            return blocked
        listed = github_lists.listed(self.step, "set", arg) if item is None else None
        if listed is not None:
            return listed.take(self._site(), "", "")
        return lost(call, arg) if item is None else [self._move(item, "", b"", arg)]

    def _site(self) -> MapSite:
        given = self.step.given
        assert given is not None
        return MapSite(self.step.scope.path, self.step.file, given)

    def _move(self, item: Item, to: str, text: bytes, arg: BuildArg) -> Operation:
        return self._site().move_line(
            self.step.key("set"), item.span, to, text, order=arg.span.start
        )

    def _item(self, arg: BuildArg) -> Item | None:
        found = self.step.items("set")
        return next((one for one, span in found if span == arg.span), None)


def _already(call: BuildCall, arg: BuildArg, id: str) -> Refusal:
    return Refusal(
        f"the secret {id} is given here already",
        call.path,
        arg.span,
        "Remove the argument by hand.",
    )
