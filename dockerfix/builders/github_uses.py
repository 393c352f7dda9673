"""Steps and jobs that hand build arguments to an action, or a workflow, which builds the image.

One of the same root is followed: where its `build-push-action` step takes the arguments from an
input, they move to the input that it takes secrets from. What stands elsewhere holds a fix back.
Which inputs hold build arguments, a file or a context is said in `actions.toml`.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from dockerfix.builders.call import BuildArg, BuildCall, SecretFlag, Value
from dockerfix.builders.github_actions import BUILD, KIND, ActionStep, build_calls
from dockerfix.builders.github_env import StepEnv
from dockerfix.builders.github_scope import Scope, Use, combinations, inner, tree, uses_of
from dockerfix.builders.yaml_shell import Unable
from dockerfix.finding import Refusal
from dockerfix.formats.yaml import Map, Scalar
from dockerfix.globs import fits
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockerfix.formats.yaml import Node

PLACES = {"inputs": "with", "secrets": "secrets"}
"""Where a user gives what the other file has under that name."""
_NAMES = re.compile(
    rb"(?:^|[\n,\[{]|--build-arg[= ])[ \t'\"]*([A-Za-z_][\w.-]*)(?=['\"]?[ \t]*(?:[=:,\]]|\r?\n|$))"
)


@dataclass(frozen=True, eq=False)
class HandedStep(ActionStep):
    """A step or job as if it were the build step that it leads to. `names` are its inputs by those
    of `build-push-action`; others it has not."""

    names: Mapping[str, str] | None = None

    def key(self, name: str) -> str:
        return super().key((self.names or {}).get(name, name))

    def input(self, name: str) -> Scalar | None:
        own = (self.names or {}).get(name)
        return None if own is None else super().input(own.lower())

    def takes(self, name: str) -> bool:
        return name in (self.names or {})


def handed(scope: Scope, user: Map, uses: str) -> Iterator[BuildCall]:
    """The builds that `user`, which uses `uses`, gives arguments to. `scope` is the user's."""
    if uses.startswith("./"):
        yield from _followed(scope, user, uses)
    elif "@" in uses and "://" not in uses:
        yield from _elsewhere(scope, user, uses)


def followed(step: ActionStep) -> bool:
    """Whether users of the file of a build step, all in this root, give it build arguments."""
    root = step.scope.workspace
    own = any(given(item.name) for item, _ in step.items("build-args") if item.value is None)
    return own and root is not None and bool(uses_of(step.scope.path, root))


def given(text: str) -> tuple[str, str] | None:
    """(`inputs`, NAME) of a text that is `${{ inputs.NAME }}` and no more."""
    context, _, name = inner(text).partition(".")
    return (context, name) if context in PLACES and re.fullmatch(r"[\w-]+", name) else None


# -- in this root -------------------------------------------------------------


def _followed(scope: Scope, user: Map, uses: str) -> Iterator[BuildCall]:
    for inside, step, said in _build_steps(scope, user, uses):
        env = StepEnv(inside.path, inside.file, step, "with", inside.env)
        there = ActionStep(inside, step, said, env)
        for item, _ in there.items("build-args"):
            found = given(item.name) if item.value is None else None
            if found is None:
                continue
            context, name = found
            place = PLACES[context]
            names = {"build-args": name}
            for one, _ in there.items("secrets"):
                other = given(one.name)
                if one.value is not None or other is None or other[0] != context:
                    continue
                if _declared(inside, *other) is not None:
                    names["secrets"] = other[1]
            own = StepEnv(scope.path, scope.file, user, "with", scope.env)
            here = HandedStep(scope, user, uses, own, place, names)
            builds = list(build_calls(there))
            for call in build_calls(here):
                for built in builds:
                    yield replace(
                        call,
                        tool=f"{uses} ({built.tool})",
                        context=built.context,
                        dockerfile_argument=built.dockerfile_argument,
                        target=built.target,
                        secrets=(*call.secrets, *(_at(one, call) for one in built.secrets)),
                        evidence=built.evidence,
                        refusal=built.refusal or _required(here, there, context, name),
                    )


def _declared(scope: Scope, context: str, name: str) -> Node | None:
    file = scope.file
    if file.get(file.root, "runs") is not None:
        return file.get(file.root, context, name)
    return file.get(file.root, "on", "workflow_call", context, name)


def _required(here: HandedStep, there: ActionStep, context: str, name: str) -> Refusal | None:
    """A workflow that must be given its arguments cannot be used without them."""
    file = there.file
    declared = _declared(there.scope, context, name)
    if file.get(file.root, "runs") is not None or declared is None:
        return None
    if file.text(file.get(declared, "required")) != "true":
        return None
    return Refusal(
        f"`{here.uses}` must be given `{name}`, which may be empty afterwards",
        here.scope.path,
        here.span,
        f"Take `required` from `{name}` there, and run again.",
    )


def _at(secret: SecretFlag, call: BuildCall) -> SecretFlag:
    """What the other file gives by itself, told where it is used."""
    return SecretFlag(secret.id, secret.source, call.span)


def _build_steps(scope: Scope, user: Map, uses: str) -> Iterator[tuple[Scope, Map, str]]:
    """The build steps of the file that `uses` names, with their scopes as the user sees them."""
    root, path = scope.workspace, posixpath.normpath(uses)
    if root is None:
        return
    paths = (
        [path]
        if path.endswith((".yml", ".yaml"))
        else [f"{path}/action.yml", f"{path}/action.yaml"]
    )
    found = next((one for one in paths if root.exists(one)), None)
    if found is None:
        return
    try:
        file = tree(found, root.read(found))
    except Exception:  # an unreadable file is told of by whoever reads it as a file
        return
    whole = Scope(file, root, use=Use(scope, user)).with_env(file.get(file.root, "env"))
    places: list[tuple[Scope, Node | None]] = [(whole, file.get(file.root, "runs"))]
    for entry in file.entries(file.get(file.root, "jobs")).values():
        job = file.resolve(entry.value)
        own = whole.with_env(file.get(job, "env"))
        places += [
            (replace(own, matrix=one), job) for one in combinations(file, file.get(job, "strategy"))
        ]
    for inside, place in places:
        for step in file.items(file.get(place, "steps")):
            said = file.text(file.get(step, "uses")) or ""
            if isinstance(step, Map) and BUILD.match(said):
                yield inside.with_env(file.get(step, "env")), step, said


# -- elsewhere ----------------------------------------------------------------


def _elsewhere(scope: Scope, user: Map, uses: str) -> Iterator[BuildCall]:
    file, keys = scope.file, []
    args: list[BuildArg] = []
    inputs: dict[str, str | None] = {}
    for place in PLACES.values():
        for key, entry in file.entries(file.get(user, place)).items():
            scalar = file.resolve(entry.value)
            if not isinstance(scalar, Scalar):
                continue
            inputs.setdefault(key.lower(), file.text(scalar))
            if any(fits(key.lower(), one) for one in _inputs()["build_args"]):
                args += _named(scalar)
                keys.append(key)
    if not args:
        return
    span = file.entries(user)["uses"].span
    what = "workflow" if "/workflows/" in uses else "action"
    refusal = Refusal(
        f"`{uses}` gets build arguments in `{keys[0]}`, and dockerfix does not know how it gives secrets",
        scope.path,
        span,
        f"Give the secret in the input that the {what} has for it. If it has none, change the "
        f"{what} first, or build with docker/build-push-action.",
    )
    yield BuildCall(
        KIND,
        scope.path,
        span,
        uses,
        Unable(refusal.reason),
        "",
        _one(scope, inputs, "context") or "?",
        _one(scope, inputs, "file"),
        args=tuple(args),
        refusal=refusal,
    )


def _one(scope: Scope, inputs: Mapping[str, str | None], what: str) -> str | None:
    """The path in one of the inputs that hold a file, or a context; `?` if it is not known."""
    text = next((inputs[key] for key in _inputs()[what] if inputs.get(key)), None)
    if text is None:
        return None
    values = scope.values(text.strip())
    return next(iter(values)) if values is not None and len(values) == 1 else "?"


def _named(scalar: Scalar) -> Iterator[BuildArg]:
    """What looks like a name in an input: one a line, behind commas, or as flags."""
    for hit in _NAMES.finditer(scalar.text):
        span = scalar.projection.host_span(Span(*hit.span(1)))
        yield BuildArg(hit[1].decode(), span, Value.TEXT)


def is_build_input(key: str) -> bool:
    """Whether an input of that name says what is built."""
    return key.lower() in _inputs()["file"] or key.lower() in _inputs()["context"]


@cache
def _inputs() -> dict[str, list[str]]:
    import tomllib
    from importlib.resources import files

    text = files("dockerfix.builders").joinpath("actions.toml").read_text("utf-8")
    found: dict[str, Any] = tomllib.loads(text)
    inputs: dict[str, list[str]] = found["inputs"]
    return inputs
