"""How a compose file gives a build its secrets: `build.secrets` and the top-level `secrets:`.

The id, the source and the target of a secret are one name everywhere (T35): bake reads the
same file and knows only the source. Entries that several services share through an anchor
change once, for all of them. Knows what compose means; `formats.yaml_edit` knows how it is
written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.finding import Refusal
from dockerfix.formats.yaml import Entry, Item, List, Map, Node
from dockerfix.formats.yaml_edit import Items, ListSite, MapSite, Pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dockerfix.builders.call import BuildArg, BuildCall
    from dockerfix.edits import Operation
    from dockerfix.formats.yaml import File
    from dockerfix.source import Span

BY_HAND = "Give it under build.secrets and the top-level secrets: of the file by hand."


class Held(NamedTuple):
    """Where an argument is written: an entry of a map or an item of a list, in `file`."""

    file: File
    holder: Map | List
    member: Entry | Item

    @property
    def span(self) -> Span:
        return self.member.span


@dataclass(frozen=True, eq=False)
class ComposeDialect:
    """One service's build in one file. `build` is what stands behind its `build:` key.

    `places` says where each argument is written. `variables` holds, for each argument name of
    the whole project, the variables that services take it from. `shared` are host spans that
    other services use as well.
    """

    path: str
    file: File
    service: Map
    build: Node
    places: Mapping[Span, Held]
    variables: Mapping[str, frozenset[str]]
    shared: tuple[Span, ...] = field(default=())

    # -- what a pass asks -----------------------------------------------------

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        if call.refusal is not None:
            return call.refusal
        held = self.places[arg.span]
        environment = self._environment(arg, source)
        if isinstance(environment, Refusal):
            return environment
        build = self._map_of_args(held)
        if build is None:
            return self._refusal("the build's args: cannot be told apart", arg.span)
        removed = self._remove(held, build)
        given = self._give(held.file, build, id, environment, arg.span)
        return given if isinstance(given, Refusal) else [*removed, *given]

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        if call.refusal is not None:
            return call.refusal
        if any(secret.id == id for secret in call.secrets):
            return ()
        if source is not None and source.startswith("command:"):
            return self._refusal("compose takes no secret from a command", self.build.span)
        definition = _definition(source or f"env:{id}")
        build = self.file.resolve(self.build)
        if isinstance(build, Map):
            return self._give(self.file, build, id, definition, build.span)
        entry = self.file.entries(self.service).get("build")
        owner = self.file.owners.get(id_of(entry.key)) if entry is not None else None
        text = self.file.text(build)
        if owner is None or not isinstance(owner[0], Map) or text is None:
            return self._refusal("this build: cannot be written out", self.build.span)
        top = self._top_level(self.file, id, definition, self.build.span)
        if isinstance(top, Refusal):
            return top
        value = Pairs((("context", text.encode()), ("secrets", Items((id.encode(),)))))
        site = MapSite(self.path, self.file, owner[0])
        return [site.replace("build", value), *top]

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        held = self.places[arg.span]
        build = self._map_of_args(held)
        return self._remove(held, build)

    # -- where the value comes from -------------------------------------------

    def _environment(self, arg: BuildArg, source: str | None) -> tuple[str, str] | Refusal:
        """The top-level definition (`environment` or `file`, and its value)."""
        if source is not None:
            if source.startswith("command:"):
                return self._refusal("compose takes no secret from a command", arg.span)
            return _definition(source)
        if arg.variable is None:
            written = arg.value.value == "literal"
            return self._refusal(
                f"the value of {arg.name} is written out in the compose file"
                if written
                else f"{arg.name} is more than one plain variable, and a compose secret is one "
                "variable or one file",
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

    # -- giving ---------------------------------------------------------------

    def _give(
        self, file: File, build: Map, id: str, definition: tuple[str, str], span: Span
    ) -> Sequence[Operation] | Refusal:
        top = self._top_level(file, id, definition, span)
        if isinstance(top, Refusal):
            return top
        path = file.source.path
        held = self.file.entries(self.build).get("secrets") if file is self.file else None
        held = held or build.entry("secrets")
        if held is None:
            return [MapSite(path, file, build).append("secrets", id.encode(), after="args"), *top]
        listed = file.resolve(held.value)
        if isinstance(listed, List) and (listed.items or listed.flow):
            if id in secret_names(file, listed):
                return top
            return [ListSite(path, file, listed).append(id.encode()), *top]
        if listed is None or getattr(listed, "null", False):
            owner = file.owners[id_of(held.key)][0]
            if isinstance(owner, Map):
                return [MapSite(path, file, owner).append("secrets", id.encode()), *top]
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
                f"Give the build's secret another id (`[secrets.{id}]` in the configuration).",
            )
        if not isinstance(file.root, Map):
            return self._refusal("the file is not a map", span)
        entry = Pairs(((key, value.encode("utf-8", "surrogateescape")),))
        return [MapSite(file.source.path, file, file.root).put("secrets", id, entry)]

    # -- taking away ----------------------------------------------------------

    def _map_of_args(self, held: Held) -> Map | None:
        """The build map whose `args` holds the argument: its own, or the one it merges."""
        if held.file is self.file:
            entry = self.file.entries(self.build).get("args")
            owner = self.file.owners.get(id_of(entry.key)) if entry is not None else None
            if owner is not None and isinstance(owner[0], Map):
                return owner[0]
        owner = held.file.owners.get(id(held.holder))
        if owner is not None and isinstance(owner[0], Map):
            return owner[0]
        return None

    def _remove(self, held: Held, build: Map | None) -> list[Operation]:
        """The argument goes; so does `args:` with the last one, and what refers to it."""
        file, path = held.file, held.file.source.path
        members = held.holder.entries if isinstance(held.holder, Map) else held.holder.items
        anchored = bool(held.holder.anchor) and file.shared(held.holder)
        alone = build is not None and len(build.entries) == 1
        if len(members) == 1 and anchored:
            return [*self._whole(file, path, held.holder)]
        if len(members) == 1 and alone and build is not None:
            return [MapSite(path, file, build).remove("args")]
        if isinstance(held.holder, Map) and isinstance(held.member, Entry):
            one = MapSite(path, file, held.holder).remove(held.member.name)
        else:
            assert isinstance(held.holder, List)
            assert isinstance(held.member, Item)
            one = ListSite(path, file, held.holder).remove(held.member)
        if anchored or alone:
            # What the last one takes along is only seen when it is the last: one a round.
            one = replace(one, touches=(held.holder.span,))
        return [one]

    def _whole(self, file: File, path: str, node: Node) -> Iterable[Operation]:
        """An anchored node goes, and every alias of it."""
        users = [one for one in file.aliases if file.resolve(one) is node]
        for one in (node, *users):
            owner = file.owners.get(id(one))
            if owner is None:
                continue
            container, member = owner
            if isinstance(container, Map) and isinstance(member, Entry):
                yield MapSite(path, file, container).remove(member.name)
            elif isinstance(container, List) and isinstance(member, Item):
                yield ListSite(path, file, container).remove(member)

    def _refusal(self, reason: str, span: Span, help: str = BY_HAND) -> Refusal:
        return Refusal(reason, self.path, span, help)


def id_of(node: Node) -> int:
    return id(node)


def _definition(source: str) -> tuple[str, str]:
    kind, _, rest = source.partition(":")
    return ("file" if kind == "file" else "environment"), rest


def secret_names(file: File, listed: Node | None) -> list[str]:
    """The ids that a `build.secrets` list gives, in compose's meaning."""
    found = []
    for item in file.items(listed):
        name = file.text(item) or file.text(file.get(item, "target"))
        name = name or file.text(file.get(item, "source"))
        if name:
            found.append(name)
    return found
