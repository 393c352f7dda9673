"""Bake files, HCL and JSON: every target that is built is a call.

A target's arguments may stand in a target that it inherits; they change where they stand, and
the secret goes there too, because `secret` lists are merged. Only a value that is exactly one
variable without a default is in the client's environment (T34). Knows bake's rules; `formats`
knows how the files are written.
"""

from __future__ import annotations

import itertools
import posixpath
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from dockerfix.builders import bake_args, bake_inline, secret_flags
from dockerfix.builders.bake_files import (
    BakeFile,
    Target,
    beside,
    members,
    named,
    others,
    read,
    strings,
)
from dockerfix.builders.call import BuildArg, BuildCall, Inline, SecretFlag, Value
from dockerfix.finding import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockerfix.builders.bake_args import Held
    from dockerfix.edits import Operation
    from dockerfix.formats.brackets import Member, Node, Text
    from dockerfix.source import Span
    from dockerfix.workspace import Workspace

KIND = "bake"
UNKNOWN = "?"
UNTAKEN = ("command:", "file:~")
"""Configured sources that no bake file can give."""
MOST_ROUNDS = 64


def claims(path: str, head: bytes) -> bool:
    """Whether the file at `path` may be a bake file."""
    return named(path)


def find_calls(path: str, data: bytes, workspace: Workspace) -> Iterable[BuildCall]:
    """A call for each target of the file at `path` that is no mere base of others."""
    if b"target" not in data:
        return
    own = read(path, data)
    if own is None or not own.targets:
        return
    project = Project(own, tuple(beside(path, workspace)), tuple(others(own, workspace)))
    yield from project.calls(workspace)


@dataclass(eq=False)
class Project:
    """One bake file, those that are read with it, and those that may be (`-f`)."""

    file: BakeFile
    beside: tuple[BakeFile, ...]
    others: tuple[BakeFile, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, list[Target]]:
        """The targets of each name, those of this file first."""
        found: dict[str, list[Target]] = {}
        for file in (self.file, *self.beside):
            for target in file.targets:
                found.setdefault(target.name, []).append(target)
        return found

    @cached_property
    def inherited(self) -> frozenset[str]:
        return frozenset(
            name
            for targets in self.by_name.values()
            for one in targets
            for name in strings(one.body.get("inherits"))
        )

    def default(self, name: str) -> str | None:
        """The default of a variable ("" for none); None if it has one that is not known, or is
        set in a file, or is no variable at all."""
        found = [
            file.variables[name] for file in (self.file, *self.beside) if name in file.variables
        ] or [file.variables[name] for file in self.others if name in file.variables]
        return found[-1] if found and None not in found else None

    def layers(self, name: str, depth: int = 0) -> list[Target]:
        """The target and all that it inherits, what decides first."""
        if depth > 8:
            return []
        own = self.by_name.get(name, [])
        bases = [base for one in own for base in strings(one.body.get("inherits"))]
        found = list(own)
        for base in reversed(bases):
            found += self.layers(base, depth + 1)
        return found

    # -- calls ----------------------------------------------------------------

    def calls(self, workspace: Workspace) -> Iterator[BuildCall]:
        grouped = frozenset().union(*(one.groups for one in (self.file, *self.beside)))
        for target in self.file.targets:
            says = target.body.get("context"), target.body.get("dockerfile")
            base = target.name in self.inherited and target.name not in grouped
            if base and says == (None, None) and target.name != "default":
                continue
            calls = list(self._of(target))
            if base and not any(self._there(call, workspace) for call in calls):
                # What it inherits to others names the Dockerfile; nobody builds it as it is.
                continue
            yield from calls

    def _there(self, call: BuildCall, workspace: Workspace) -> bool:
        """Whether a Dockerfile may be where the call says."""
        context = call.context or "."
        if call.linked_by != "unresolved" or context.startswith(("/", "~")) or "://" in context:
            return True
        file = call.dockerfile_argument or posixpath.join(context, "Dockerfile")
        starts = ("", posixpath.dirname(self.file.source.path))
        return UNKNOWN in file or any(
            workspace.exists(posixpath.normpath(posixpath.join(start, file))) for start in starts
        )

    def _of(self, target: Target) -> Iterator[BuildCall]:
        layers = self.layers(target.name)
        files = (self.file, *self.beside)
        held = bake_args.held(layers, files)
        inside = next((one for one in layers if one.body.get(bake_inline.KEY) is not None), None)
        inline = self._inline(inside) if inside is not None else None
        args = tuple(self._argument(one) for one in held.values())
        secrets = tuple(_secrets(layers))
        ssh = tuple(one for layer in layers for one in _ssh(layer.body.get("ssh")))
        odd = any(bake_args.computed(one.body.get("args"), files) for one in layers)
        dialect = BakeDialect(
            self.file.source.path,
            target,
            held,
            tuple(one.member.span for one in held.values() if one.path == target.path),
        )
        seen = set()
        for context, dockerfile, stage in self._situations(target, layers):
            if (context, dockerfile, stage) in seen:
                continue
            seen.add((context, dockerfile, stage))
            yield BuildCall(
                KIND,
                target.path,
                target.head,
                "bake",
                dialect,
                "",
                context,
                dockerfile if inside is None else None,
                () if inline is None else (inline.path,),
                "context" if inside is not None else "unresolved",
                stage,
                args,
                secrets,
                ssh,
                "yes",
                "bake is BuildKit",
                ("args",) if odd else (),
                inline=inline,
            )

    def _inline(self, target: Target) -> Inline | None:
        files = (self.file, *self.beside)
        data = (one.source.data for one in files if one.source.path == target.path)
        return bake_inline.inline(target, next(data), self.default)

    def _argument(self, held: Held) -> BuildArg:
        member = held.member
        node = self._template(member.value)
        name, span = member.key, member.span
        if node is None:
            return BuildArg(name, span, Value.TEXT)
        if node.null:
            return BuildArg(name, span, Value.TEXT, None, False, False)
        if node.literal is not None:
            return BuildArg(name, span, Value.LITERAL, None, False, True, not node.literal)
        if node.variable is not None:
            files = (self.file, *self.beside, *self.others)
            always = not (
                node.optional
                or held.tests is not None
                or any(node.variable in one.optional for one in files)
            )
            if self.default(node.variable) == "":
                return BuildArg(name, span, Value.ENVIRONMENT, node.variable, True, always)
            return BuildArg(name, span, Value.TEXT, node.variable, False, True)
        return BuildArg(name, span, Value.TEXT)

    def _template(self, node: Node | None) -> Text | None:
        """A scalar; a JSON string is read as the template that it is."""
        from dockerfix.formats.brackets import Text
        from dockerfix.formats.hcl import template

        if not isinstance(node, Text):
            return None
        if node.projection is None or node.literal is None:
            return node
        literal, variable, parts = template(node.literal)
        return replace(node, literal=literal, variable=variable, template=parts)

    # -- what it builds -------------------------------------------------------

    def _first(self, layers: Sequence[Target], key: str) -> Node | None:
        return next((found for one in layers if (found := one.body.get(key)) is not None), None)

    def _situations(
        self, target: Target, layers: Sequence[Target]
    ) -> Iterator[tuple[str, str | None, str | None]]:
        """(context, Dockerfile, stage) of each round of the target's matrix."""
        matrix = [list(_rounds(one)) for one in members(target.body.get("matrix"))]
        for values in itertools.islice(itertools.product(*matrix), MOST_ROUNDS):
            given = {name: text for one in values for name, text in one.items()}
            context = self._value(self._first(layers, "context"), given, ".")
            file = self._value(self._first(layers, "dockerfile"), given, None)
            stage = self._value(self._first(layers, "target"), given, None)
            context = context or "."
            remote = "://" in context or context.startswith(("/", "git@", "target:"))
            if file is not None and not remote and UNKNOWN not in (context, file):
                file = posixpath.normpath(posixpath.join(context, file))
            yield context, file, stage

    def _value(
        self, node: Node | None, given: Mapping[str, str], missing: str | None
    ) -> str | None:
        if node is None:
            return missing
        text = self._template(node)
        if text is None:
            return UNKNOWN
        if text.literal is not None:
            return text.literal
        if text.null:
            return missing
        found = ""
        for index, part in enumerate(text.template):
            if index % 2:
                value = given.get(part or "", self.default(part or ""))
                if value is None:
                    return UNKNOWN
                found += value
            else:
                found += part or ""
        return found if text.template else UNKNOWN


def _rounds(axis: Member) -> Iterator[dict[str, str]]:
    """What each value of a matrix' axis gives: `x`, or `x.name` for each member of an object."""
    from dockerfix.formats.brackets import Group, Text

    for member in members(axis.value):
        value = member.value
        if isinstance(value, Text) and value.literal is not None:
            yield {axis.key: value.literal}
        elif isinstance(value, Group):
            inner = ((one.key, one.value) for one in value.members)
            yield {
                f"{axis.key}.{key}": text.literal
                for key, text in inner
                if isinstance(text, Text) and text.literal is not None
            }
        else:
            yield {}


def _odd(node: Node | None) -> bool:
    """Whether `args` is computed, so that it may hold anything."""
    from dockerfix.formats.brackets import Group

    return node is not None and not isinstance(node, Group)


def _secrets(layers: Sequence[Target]) -> Iterator[SecretFlag]:
    from dockerfix.formats.brackets import Group, Text

    for layer in layers:
        for member in members(layer.body.get("secret")):
            node = member.value
            keys: dict[str, str] = {}
            if isinstance(node, Group):
                texts = ((one.key, one.value) for one in node.members)
                keys = {k: v.literal for k, v in texts if isinstance(v, Text) and v.literal}
            elif isinstance(node, Text):
                found = secret_flags.read(_written(node), member.span)
                if found.id or found.fault is not None:
                    yield found
                continue
            path = keys.get("src") or keys.get("source")
            source = f"env:{keys['env']}" if keys.get("env") else f"file:{path}" if path else ""
            if keys.get("id"):
                yield SecretFlag(keys["id"], source, member.span)


def _untaken(source: str) -> str:
    if source.startswith("command:"):
        return "bake takes no secret from a command"
    return "bake does not know `~` in a path"


def _written(node: Text) -> str:
    """A string's text, its variables as `secret_flags` wants them."""
    if node.literal is not None:
        return node.literal
    return "".join(
        secret_flags.variable(part or "") if index % 2 else part or ""
        for index, part in enumerate(node.template)
    )


def _ssh(node: Node | None) -> Iterator[str]:
    from dockerfix.formats.brackets import Group, Text

    yield from strings(node)
    for member in members(node):
        said = member.value.get("id") if isinstance(member.value, Group) else None
        if isinstance(said, Text) and said.literal:
            yield said.literal


@dataclass(frozen=True, eq=False)
class BakeDialect:
    """One target. `held` says where each argument stands; `shared` are places in the file that
    other targets inherit as well."""

    path: str
    target: Target
    held: Mapping[str, Held]
    shared: tuple[Span, ...] = ()

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        held = self.held[arg.name]
        value = self._given(arg, id, source)
        if isinstance(value, Refusal):
            return value
        known = next((one for one in call.secrets if one.id == id), None)
        if known is not None:
            wanted = source or f"env:{arg.variable}"
            if known.source in (wanted, ""):
                return self.drop(call, arg)
            return self._refusal(f"the secret {id} is given here already, from elsewhere", arg.span)
        odd = held.target.body.get("secret")
        if _odd(odd):
            return self._refusal("`secret` of this target is computed", held.target.head)
        return [*self.drop(call, arg), self._add(held.target, value, arg.span.start)]

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        if any(one.id == id for one in call.secrets):
            return ()
        if _odd(self.target.body.get("secret")):
            return self._refusal("`secret` of this target is computed", self.target.head)
        if source is not None and source.startswith(UNTAKEN):
            return self._refusal(_untaken(source), self.target.head)
        kind, _, rest = (source or "").partition(":")
        value = f"id={id}" + (f",{'src' if kind == 'file' else 'env'}={rest}" if source else "")
        return [self._add(self.target, value, self.target.head.start)]

    def mend_secret(self, call: BuildCall, flag: SecretFlag) -> Sequence[Operation] | Refusal:
        from dockerfix.formats.brackets import GroupSite
        from dockerfix.formats.json import quoted

        for member in members(self.target.body.get("secret")):
            if member.span == flag.span and flag.fault is not None and flag.fault.mended:
                site = GroupSite(self.target.path, self.target.body)
                return [site.replace(member, quoted(flag.fault.mended), order=flag.span.start)]
        return self._refusal("what is meant is not certain, or stands in another target", flag.span)

    def take_ssh(self, call: BuildCall, arg: BuildArg, form: str) -> Sequence[Operation] | Refusal:
        return self._refusal(
            f"{arg.name} does not come from a key file here, and no ssh agent is in sight",
            arg.span,
            'Give the target `ssh = ["default"]` by hand if an agent runs there.',
        )

    def add_ssh(self, call: BuildCall, value: str) -> Sequence[Operation] | Refusal:
        if value.partition("=")[0] in {one.partition("=")[0] for one in call.ssh}:
            return ()
        if _odd(self.target.body.get("ssh")):
            return self._refusal("`ssh` of this target is computed", self.target.head)
        return [self._add(self.target, value, self.target.head.start, key="ssh")]

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation]:
        from dockerfix.formats.brackets import GroupSite

        held = self.held[arg.name]
        site = GroupSite(held.path, held.body, held.common)
        return [site.remove(held.holder, held.member, order=held.member.span.start)]

    def _given(self, arg: BuildArg, id: str, source: str | None) -> str | Refusal:
        from dockerfix.formats.brackets import Text

        if source is not None:
            kind, _, rest = source.partition(":")
            if source.startswith(UNTAKEN):
                return self._refusal(_untaken(source), arg.span)
            return f"id={id},{'src' if kind == 'file' else 'env'}={rest}"
        tests = self.held[arg.name].tests
        if tests is not None and tests != {arg.variable}:
            return self._refusal(
                f"{arg.name} is given only under a condition, and a secret would always be",
                arg.span,
                f"Leave the condition to the variable {arg.name}, or change both by hand.",
            )
        if arg.value is Value.ENVIRONMENT and arg.variable is not None:
            return f"id={id},env={arg.variable}"
        if arg.value is Value.LITERAL:
            return self._refusal(
                f"the value of {arg.name} is written out in the bake file",
                arg.span,
                f'Declare `variable "{arg.name}" {{}}`, pass `{arg.name} = {arg.name}`, and run '
                "dockerfix again.",
            )
        if arg.variable is not None:
            return self._refusal(
                f"the variable {arg.variable} has a default or is set in the file, and a default "
                "is not in the environment",
                arg.span,
                f"Remove the default, or give `secret` by hand where {arg.variable} is always set.",
            )
        value = self.held[arg.name].member.value
        if isinstance(value, Text) and value.null:
            return self._refusal(
                f"{arg.name} is null here, so that bake passes none",
                arg.span,
                f"Remove {arg.name} from `args`, and run dockerfix again.",
            )
        return self._refusal(
            f"the value of {arg.name} is more than one plain variable",
            arg.span,
            f"Build the value before bake starts and pass it as the variable {arg.name}.",
        )

    def _add(self, target: Target, value: str, order: int, key: str = "secret") -> Operation:
        from dockerfix.formats.brackets import GroupSite
        from dockerfix.formats.json import quoted

        site = GroupSite(target.path, target.body)
        return site.add_item(key, quoted(value), after="args", order=order)

    def _refusal(self, reason: str, span: Span, help: str = "") -> Refusal:
        return Refusal(
            reason, self.path, span, help or "Give it in this target's `secret` list by hand."
        )
