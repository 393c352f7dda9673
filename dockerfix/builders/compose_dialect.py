"""How a compose file gives a build its secrets: `build.secrets` and the top-level `secrets:`.

The id, the source and the target of a secret are one name everywhere (T35): bake reads the
same file and knows only the source. Entries that several services share through an anchor
change once, for all of them. Knows what compose means; `formats.yaml_edit` knows how it is
written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders import compose_text
from dockerfix.edits import Edit
from dockerfix.finding import Refusal
from dockerfix.formats.yaml import Entry, Item, List, Map, Node, Scalar
from dockerfix.formats.yaml_edit import Items, ListSite, MapSite, Pairs
from dockerfix.formats.yaml_shared import merged
from dockerfix.shell.words import is_name
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dockerfix.builders.call import BuildArg, BuildCall, SecretFlag
    from dockerfix.edits import Operation
    from dockerfix.formats.yaml import File

BY_HAND = "Give it under build.secrets and the top-level secrets: of the file by hand."


class Held(NamedTuple):
    """Where an argument is written: an entry of a map or an item of a list, in `file`.

    `args_map` is the map that has the key `args:`, `build` the build that it belongs to.
    `extended`: in a file that the service's `extends` names, whose top-level keys do not count."""

    file: File
    holder: Map | List
    member: Entry | Item
    args_map: Map
    build: Node
    extended: bool = False

    @property
    def span(self) -> Span:
        return self.member.span


@dataclass(frozen=True, slots=True)
class TopLevel(MapSite):
    """The file's own map, for a key at its end: behind whatever else is inserted there."""

    @property
    def span(self) -> Span:
        end = len(self.file.source.data)
        return Span(end, end)

    def lower(self, source: Source, operations: Sequence[Operation]) -> Iterable[Edit]:
        """A blank line before the new key where one stands before the last one."""
        data, eol = source.data, source.eol
        last = self.map.entries[-1].span.start if len(self.map.entries) > 1 else 0
        spaced = data[:last].endswith(eol + eol)
        for edit in MapSite.lower(self, source, operations):
            lead = eol if spaced and edit.span.start == len(data) and edit.span.empty else b""
            yield Edit(edit.span, lead + edit.text)


@dataclass(frozen=True, eq=False)
class ComposeDialect:
    """One service's build in one file. `build` is what stands behind its own `build:` key.

    `taken` are ids that the file gives to other secrets. `places` says where each argument is written. `variables` holds, for each argument name of
    the whole project, the variables that services take it from. `shared` are host spans that
    other services use as well.
    """

    path: str
    file: File
    service: Map
    build: Node | None
    places: Mapping[str, Held]
    variables: Mapping[str, frozenset[str]]
    shared: tuple[Span, ...] = field(default=())
    taken: frozenset[str] = field(default=frozenset())

    @property
    def for_containers(self) -> Mapping[str, str]:
        """The sources of the secrets that the service's container gets, by id."""
        found = {}
        for name in secret_names(self.file, self.file.get(self.service, "secrets")):
            known = self.file.get(self.file.root, "secrets", name)
            for key, kind in (("environment", "env"), ("file", "file")):
                text = self.file.text(self.file.get(known, key))
                if text:
                    found[name] = f"{kind}:{text}"
        return found

    # -- what a pass asks -----------------------------------------------------

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        if call.refusal is not None:
            return call.refusal
        held = self.places[arg.name]
        environment = self._environment(arg, held, source)
        if isinstance(environment, Refusal):
            return environment
        removed = self._remove(held)
        given = self._give(held.file, held.args_map, held.build, id, environment, arg.span)
        if isinstance(given, Refusal):
            return given
        own = self._top_level(self.file, id, environment, arg.span) if held.extended else ()
        if isinstance(own, Refusal):
            return own
        kept = [] if source is not None else self._required(held, arg)
        placed = [replace(one, order=(arg.span.start,)) for one in (*given, *own, *kept)]
        return [*removed, *placed]

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        if call.refusal is not None:
            return call.refusal
        if any(secret.id == id for secret in call.secrets):
            return ()
        if source is not None and source.startswith("command:"):
            return self._refusal("compose takes no secret from a command", call.span)
        definition = self._definition(source or f"env:{id}")
        if self.build is None:
            return self._top_level(self.file, id, definition, call.span)
        build = self.file.resolve(self.build)
        if isinstance(build, Map):
            return self._give(self.file, build, build, id, definition, call.span)
        top = self._top_level(self.file, id, definition, call.span)
        written = self._written_out("secrets", id, call.span)
        if isinstance(top, Refusal) or isinstance(written, Refusal):
            return top if isinstance(top, Refusal) else written
        return [*written, *top]

    def take_ssh(self, call: BuildCall, arg: BuildArg, form: str) -> Sequence[Operation] | Refusal:
        return self._refusal(
            f"{arg.name} does not come from a key file here, and no ssh agent is in sight",
            arg.span,
            "Give the build `ssh: [default]` under build by hand if an agent runs there.",
        )

    def add_ssh(self, call: BuildCall, value: str) -> Sequence[Operation] | Refusal:
        """An item of `build.ssh`; the path of a key counts from the project's folder."""
        if call.refusal is not None:
            return call.refusal
        if value.partition("=")[0] in {one.partition("=")[0] for one in call.ssh}:
            return ()
        build, text = self.file.resolve(self.build), value.encode("utf-8", "surrogateescape")
        if self.build is None:
            return self._refusal("the build is written in another file or service", call.span)
        if not isinstance(build, Map):
            return self._written_out("ssh", value, call.span)
        held = self.file.entries(build).get("ssh")
        listed = self.file.resolve(held.value) if held is not None else None
        if held is not None and not isinstance(listed, List):
            return self._refusal("build.ssh is not a list that can be added to", held.span)
        return [MapSite(self.path, self.file, build).append("ssh", text, after="args")]

    def _written_out(self, key: str, item: str, span: Span) -> Sequence[Operation] | Refusal:
        """`build: FOLDER` becomes a map that has `key` as well."""
        entry = self.file.entries(self.service).get("build")
        owner = owner_of(self.file, entry.key) if entry is not None else None
        text = self.file.text(self.file.resolve(self.build))
        if owner is None or not isinstance(owner[0], Map) or text is None:
            return self._refusal("this build: cannot be written out", span)
        items = Items((item.encode("utf-8", "surrogateescape"),))
        value = Pairs((("context", text.encode()), (key, items)))
        return [MapSite(self.path, self.file, owner[0]).replace("build", value)]

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        return self._remove(self.places[arg.name])

    def mend_secret(self, call: BuildCall, flag: SecretFlag) -> Sequence[Operation] | Refusal:
        """Define a secret that `build.secrets` names alone."""
        id = flag.fault.mended if flag.fault is not None else ""
        if call.refusal is not None:
            return call.refusal
        if not (is_name(id) and id.isupper()):
            return self._refusal(
                f"nothing says where {id} comes from",
                flag.span,
                f"define it at the top level: `secrets: {id}: environment: NAME`, or `file: PATH`",
            )
        return self._top_level(self.file, id, ("environment", id), flag.span)

    # -- where the value comes from -------------------------------------------

    def _environment(
        self, arg: BuildArg, held: Held, source: str | None
    ) -> tuple[str, str] | Refusal:
        """The top-level definition (`environment` or `file`, and its value)."""
        if source is not None:
            if source.startswith("command:"):
                return self._refusal("compose takes no secret from a command", arg.span)
            return self._definition(source)
        if arg.variable is None:
            reason = (
                f"the value of {arg.name} is put together, and a compose secret is one variable"
            )
            operators = held.file.source.text(arg.span).count(b"${") == 1
            if arg.value.value == "literal":
                reason = f"the value of {arg.name} is written out in the compose file"
            elif operators and re.search(
                rb"=\$\{|[:=][ \t]*[\"']?\$\{", held.file.source.text(arg.span)
            ):
                reason = f"{arg.name} has a default of its own, which a compose secret cannot have"
            return self._refusal(
                reason,
                arg.span,
                f"Put the value into the environment (or .env) and pass `{arg.name}: "
                f"${{{arg.name}}}`, then run dockerfix again.",
            )
        others = self.variables.get(arg.name, frozenset()) - {arg.variable}
        if others:
            return self._refusal(
                f"services take {arg.name} from different variables ({arg.variable}, "
                f"{', '.join(sorted(others))}), and a secret of that name has one source",
                arg.span,
                "Give each service's secret its own id by hand.",
            )
        return "environment", arg.variable

    def _definition(self, source: str) -> tuple[str, str]:
        """`file` or `environment`, and its value: a path counts from the file's folder."""
        kind, _, rest = source.partition(":")
        return ("file" if kind == "file" else "environment"), rest

    def _required(self, held: Held, arg: BuildArg) -> list[Operation]:
        """`${X:?no X}` goes on failing where X is not set, as a value that nothing reads (T28)."""
        root, key = held.file.root, f"x-required-{arg.variable}"
        if not isinstance(root, Map) or root.entry(key) is not None:
            return []
        said = [one for one in _scalars(held.file) if compose_text.required(one) == arg.variable]
        text = next((one for one in said if ":?" in one), next(iter(said), None))
        if text is None:
            return []
        encoded = text.encode("utf-8", "surrogateescape")
        return [TopLevel(held.file.source.path, held.file, root).add(key, encoded)]

    # -- giving ---------------------------------------------------------------

    def _give(
        self,
        file: File,
        holder: Map,
        build: Node,
        id: str,
        definition: tuple[str, str],
        span: Span,
    ) -> Sequence[Operation] | Refusal:
        """The id in `build.secrets`, which is made in `holder` where there is none."""
        top = self._top_level(file, id, definition, span)
        if isinstance(top, Refusal):
            return top
        path = file.source.path
        held = file.entries(build).get("secrets")
        if held is None:
            return [MapSite(path, file, holder).append("secrets", id.encode(), after="args"), *top]
        listed = file.resolve(held.value)
        if isinstance(listed, List) and (listed.items or listed.flow):
            if id in secret_names(file, listed):
                return top
            return [ListSite(path, file, listed).append(id.encode()), *top]
        if listed is None or getattr(listed, "null", False):
            owner = owner_of(file, held.key)
            if owner is not None and isinstance(owner[0], Map):
                return [MapSite(path, file, owner[0]).append("secrets", id.encode()), *top]
        return self._refusal("build.secrets is not a list that can be added to", held.span)

    def _top_level(
        self, file: File, id: str, definition: tuple[str, str], span: Span
    ) -> Sequence[Operation] | Refusal:
        """The secret's definition at the end of the file, unless it is there already."""
        key, value = definition
        known = file.get(file.root, "secrets", id)
        if known is not None:
            if file.text(file.get(known, key)) == value and len(file.entries(known)) == 1:
                return []
            return self._refusal(
                f"the file has a secret {id} already, from elsewhere",
                span,
                f"Give the build's secret an id of its own (`[secrets.{id}]` in the configuration).",
            )
        if not isinstance(file.root, Map):
            return self._refusal("the file is not a map", span)
        entry = Pairs(((key, value.encode("utf-8", "surrogateescape")),))
        return [TopLevel(file.source.path, file, file.root).put("secrets", id, entry)]

    # -- taking away ----------------------------------------------------------

    def _remove(self, held: Held) -> list[Operation]:
        """The argument goes; so does `args:` with the last one, and what refers to it."""
        file, path = held.file, held.file.source.path
        if file.shared(held.holder) or len(held.args_map.entries) == 1:
            return list(_thinned(file, held.holder, held.member))
        if isinstance(held.holder, Map) and isinstance(held.member, Entry):
            return [MapSite(path, file, held.holder).remove(held.member.name)]
        assert isinstance(held.holder, List)
        assert isinstance(held.member, Item)
        return [ListSite(path, file, held.holder).remove(held.member)]

    def _refusal(self, reason: str, span: Span, help: str = BY_HAND) -> Refusal:
        return Refusal(reason, self.path, span, help)


def _scalars(file: File) -> Iterable[str]:
    """Every value of the file, those of `NAME=value` items too."""
    for node in file.every():
        if isinstance(node, Scalar):
            yield node.value
            yield node.value.partition("=")[2]


def _thinned(file: File, holder: Node, member: Entry | Item) -> Iterable[Operation]:
    """`member` goes from `holder`, as all see it that hold it or refer to it, by an alias or a
    merge alone too: with the last member goes what refers to it."""
    path = file.source.path
    for one in (holder, *file.aliases):
        if file.resolve(one) is not holder:
            continue
        owner = owner_of(file, one)
        while owner is not None:
            above = owner_of(file, owner[0]) if isinstance(owner[0], List) else owner
            if above is None or merged(file, above[0]) is None:
                break
            owner = owner_of(file, above[0])
        if owner is None:
            continue
        container, place = owner
        if isinstance(container, Map) and isinstance(place, Entry):
            yield MapSite(path, file, container).thin(place.name, member.span)
        elif isinstance(container, List) and isinstance(place, Item):
            yield ListSite(path, file, container).thin(place, member.span)


def owner_of(file: File, node: Node) -> tuple[Node, Entry | Item] | None:
    """What holds `node`: its map or list, and the entry or item there."""
    return file.owners.get(id(node))


def secret_names(file: File, listed: Node | None) -> list[str]:
    """The ids that a `build.secrets` list gives, in compose's meaning."""
    found = []
    for item in file.items(listed):
        name = file.text(item) or file.text(file.get(item, "target"))
        name = name or file.text(file.get(item, "source"))
        if name:
            found.append(name)
    return found
