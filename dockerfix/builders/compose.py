"""Compose files: every service that is built is a call.

What a service's build says is gathered from anchors, merge keys, `extends` and the files that
compose merges with this one; an argument is changed where it is written. Knows compose's rules,
not YAML's layout.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from dockerfix.builders import compose_inline, compose_text
from dockerfix.builders.call import BuildArg, BuildCall, Fault, Inline, SecretFlag
from dockerfix.builders.compose_args import argument, places, texts
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockerfix.builders.compose_dialect import Held
    from dockerfix.finding import Refusal
    from dockerfix.formats.yaml import File, Node
    from dockerfix.workspace import Workspace

KIND = "compose"
UNKNOWN = "?"
DEEPEST = 8
_NAME = re.compile(r"(?:.*[._-])?compose(?:[._-].*)?\.ya?ml")
_SERVICES = re.compile(rb"^services[ \t]*:", re.M)
_TELLING = frozenset({"context", "dockerfile", "dockerfile_inline", "args", "target"})
BASES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")


def claims(path: str, head: bytes) -> bool:
    """Whether the file at `path` may be a compose file: `-f` and `include` take any name."""
    return path.endswith((".yml", ".yaml"))


def find_calls(path: str, data: bytes, workspace: Workspace) -> Iterable[BuildCall]:
    """A call for each service of the file at `path` that has a build of its own."""
    if b"services" not in data or not (b"build" in data or b"extends" in data):
        return
    named = _NAME.fullmatch(path.rpartition("/")[2]) is not None
    if not named and _SERVICES.search(data) is None:
        return
    project = Project(path, data, workspace)
    if not project.file.errors and (named or project.telling):
        yield from (call for _, call in project.calls())


class Layer(NamedTuple):
    """What one file says of a service's build. `folder` is what its paths are relative to;
    `extended` marks a file that `extends` names."""

    file: File
    folder: str
    service: Node
    build: Node
    extended: bool = False


class Service(NamedTuple):
    """`layers` in order of precedence; those of the file itself come first."""

    name: str
    key: Span
    layers: tuple[Layer, ...]


@dataclass(eq=False)
class Project:
    """One compose file and those that compose merges with it."""

    path: str
    data: bytes
    workspace: Workspace

    @cached_property
    def file(self) -> File:
        return _parse(self.path, self.data)

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.path)

    @cached_property
    def environment(self) -> dict[str, str]:
        """What `.env` beside the file sets."""
        data = self._read(posixpath.join(self.folder, ".env"))
        return {} if data is None else compose_text.read_environment(data)

    @cached_property
    def merged(self) -> tuple[File, ...]:
        """The files whose services this one adds to, or that add to it unasked."""
        name = self.path.rpartition("/")[2]
        others = list(BASES)
        if name in BASES:
            stem = name.rpartition(".")[0]
            others = [f"{stem}.override.yml", f"{stem}.override.yaml"]
        found = []
        for other in others:
            path = posixpath.join(self.folder, other)
            data = self._read(path)
            if data is not None:
                found.append(_parse(path, data))
        return tuple(found[:1])

    def _read(self, path: str) -> bytes | None:
        if not self.workspace.exists(path):
            return None
        try:
            return self.workspace.read(path)
        except Exception:  # an unreadable file is told of by whoever reads it as a file
            return None

    # -- services -------------------------------------------------------------

    @property
    def telling(self) -> bool:
        """Whether some service has a build as compose has them: of a folder, or with its keys."""
        services = self.file.get(self.file.root, "services")
        for name in self.names():
            build = self.file.get(services, name, "build")
            text = self.file.text(build)
            if _TELLING & self.file.entries(build).keys():
                return True
            if text and self.workspace.is_folder(posixpath.normpath(self._path(self.folder, text))):
                return True
        return False

    def names(self) -> tuple[str, ...]:
        return tuple(self.file.entries(self.file.get(self.file.root, "services")))

    def service(self, name: str) -> Service | None:
        """The service, if this file (or an anchor of it) gives it a `build`."""
        entry = self.file.entries(self.file.get(self.file.root, "services")).get(name)
        if entry is None:
            return None
        if not any(self.file.get(entry.value, key) is not None for key in ("build", "extends")):
            return None
        layers = list(self._layers(self.file, self.path, name, self.path))
        if not self._complete(layers):
            for other in self.merged:
                layers += self._layers(other, other.source.path, name, other.source.path)
        return Service(name, entry.key.span, tuple(layers)) if layers else None

    def _complete(self, layers: list[Layer]) -> bool:
        """Whether a file that is no base (`compose.dev.yml`) says all that a build needs."""
        name = self.path.rpartition("/")[2]
        if name in BASES or ".override." in name:
            return False
        return any(
            one.file.text(one.build) is not None or one.file.get(one.build, "context") is not None
            for one in layers
        )

    def _layers(
        self, file: File, path: str, name: str, start: str, depth: int = 0
    ) -> Iterator[Layer]:
        service = file.get(file.root, "services", name)
        if service is None or depth > DEEPEST:
            return
        build = file.get(service, "build")
        if build is not None:
            yield Layer(file, posixpath.dirname(path), service, build, path != start)
        extends = file.get(service, "extends")
        if extends is None:
            return
        base = file.text(extends) or file.text(file.get(extends, "service"))
        other = file.text(file.get(extends, "file"))
        if base is None or (base == name and other is None):
            return
        if other is None:
            yield from self._layers(file, path, base, start, depth + 1)
            return
        where = posixpath.normpath(posixpath.join(posixpath.dirname(path), other))
        data = self._read(where) if not where.startswith("..") else None
        if data is not None:
            yield from self._layers(_parse(where, data), where, base, start, depth + 1)

    # -- calls ----------------------------------------------------------------

    def calls(self) -> Iterator[tuple[str, BuildCall]]:
        """Each service that is built, by name."""
        from dockerfix.builders.compose_seen import seen

        evidence = seen(self.workspace).of(self.path)
        for name in self.names():
            service = self.service(name)
            if service is not None:
                yield name, self.call(service, evidence)

    def call(
        self,
        service: Service,
        evidence: tuple[Literal["yes", "no", "unknown"], str, Refusal | None],
    ) -> BuildCall:
        from dockerfix.builders.compose_dialect import ComposeDialect
        from dockerfix.formats.yaml import Map

        places = dict(self._places(service))
        service_map = self.file.get(self.file.root, "services", service.name)
        assert isinstance(service_map, Map)
        args = tuple(argument(held.file, held.member) for held in places.values())
        dialect = ComposeDialect(
            self.path,
            self.file,
            service_map,
            self.file.get(service_map, "build"),
            places,
            self.variables,
            tuple(held.span for held in places.values() if held.file is self.file),
            frozenset(self._taken(args)),
        )
        buildkit, why, refusal = evidence
        context, dockerfile, inside = self._linking(service)
        inline = self._inline(service) if inside else None
        return BuildCall(
            KIND,
            self.path,
            service.key,
            "compose",
            dialect,
            "",
            context,
            dockerfile,
            () if inline is None else (inline.path,),
            "context" if inside else "unresolved",
            self._target(service),
            args,
            tuple(self._secrets(service)),
            tuple(self._ssh(service)),
            buildkit,
            why,
            ("args",) if self._odd_args(service) else (),
            refusal,
            inline=inline,
        )

    def _ssh(self, service: Service) -> Iterator[str]:
        for layer in service.layers:
            given = layer.file.get(layer.build, "ssh")
            yield from layer.file.entries(given)
            yield from (one for item in layer.file.items(given) if (one := layer.file.text(item)))

    def _inline(self, service: Service) -> Inline | None:
        for layer in service.layers:
            if compose_inline.stands_in(layer.file, layer.build):
                return compose_inline.inline(layer.file, layer.build)
        return None

    def _taken(self, args: Iterable[BuildArg]) -> Iterator[str]:
        """Names of arguments that are ids of secrets from elsewhere."""
        top = self.file.get(self.file.root, "secrets")
        for arg in args:
            known = self.file.get(top, arg.name)
            if known is None or arg.variable is None:
                continue
            if self.file.text(self.file.get(known, "environment")) != arg.variable:
                yield arg.name

    def _linking(self, service: Service) -> tuple[str | None, str | None, bool]:
        """Context and Dockerfile (both from the root), and whether the Dockerfile is inline."""
        context = dockerfile = None
        inside = False
        for layer in service.layers:
            build = layer.build
            text = layer.file.text(build)
            inside = inside or compose_inline.stands_in(layer.file, build)
            if dockerfile is None:
                dockerfile = layer.file.text(layer.file.get(build, "dockerfile"))
            if context is None:
                said = (
                    text if text is not None else layer.file.text(layer.file.get(build, "context"))
                )
                if said is not None:
                    context = self._path(layer.folder, said)
        if context is None and (dockerfile is not None or inside):
            context = self._path(service.layers[-1].folder, ".")
        if inside:
            return context, None, True
        if dockerfile is None:
            return context, None, False
        said = compose_text.resolved(dockerfile, self.environment)
        if said is None or context is None or context == UNKNOWN:
            return context, UNKNOWN, False
        if "://" in context or said.startswith("/"):
            return context, said, False
        return context, posixpath.normpath(posixpath.join(context, said)), False

    def _path(self, folder: str, text: str) -> str:
        value = compose_text.resolved(text, self.environment)
        if value is None:
            return UNKNOWN
        if "://" in value or value.startswith(("/", "~", "git@")):
            return value
        return next(self._paths(folder, value or "."))

    def _paths(self, folder: str, path: str) -> Iterator[str]:
        """`path` seen from `folder`, or where no such folder is, from one above it: paths count
        from the first file of a command and from what `include` says, which need not be here."""
        own = posixpath.normpath(posixpath.join(folder, path))
        above = folder
        while above and not self.workspace.is_folder(own):
            above = posixpath.dirname(above)
            other = posixpath.normpath(posixpath.join(above, path))
            if not other.startswith("..") and self.workspace.is_folder(other):
                yield other
        yield own

    def _target(self, service: Service) -> str | None:
        for layer in service.layers:
            text = layer.file.text(layer.file.get(layer.build, "target"))
            if text:
                return compose_text.resolved(text, self.environment) or UNKNOWN
        return None

    def _places(self, service: Service) -> Iterator[tuple[str, Held]]:
        """Each argument with the place of the layer that decides it."""
        seen: set[str] = set()
        for layer in service.layers:
            for name, held in places(layer.file, layer.build):
                if name not in seen:
                    seen.add(name)
                    yield name, held._replace(extended=layer.extended)

    def _odd_args(self, service: Service) -> bool:
        """Whether `args:` is something that cannot be read."""
        from dockerfix.formats.yaml import List, Map

        for layer in service.layers:
            entry = layer.file.entries(layer.build).get("args")
            held = layer.file.resolve(entry.value) if entry is not None else None
            if held is not None and not isinstance(held, Map | List) and layer.file.text(held):
                return True
        return False

    @cached_property
    def variables(self) -> dict[str, frozenset[str]]:
        """The variables that each argument of the file is taken from, by any service."""
        found: dict[str, set[str]] = {}
        for name in self.names():
            build = self.file.get(self.file.root, "services", name, "build")
            for arg_name, held in places(self.file, build):
                variable = argument(held.file, held.member).variable
                if variable is not None:
                    found.setdefault(arg_name, set()).add(variable)
        return {name: frozenset(variables) for name, variables in found.items()}

    @property
    def foreign_secrets(self) -> frozenset[str]:
        """Top-level secrets that do not come from the environment."""
        top = self.file.entries(self.file.get(self.file.root, "secrets"))
        return frozenset(one for one in top if self.secret_variable(one) is None)

    def secret_variable(self, id: str) -> str | None:
        """The variable that the top-level secret `id` is taken from."""
        return self.file.text(self.file.get(self.file.root, "secrets", id, "environment"))

    def interpolates(self, variable: str, but: str) -> bool:
        """Whether a build of the file uses `variable` for more than the build argument `but`."""
        for name in self.names():
            service = self.file.get(self.file.root, "services", name)
            build = self.file.get(service, "build")
            known = {id(held.member) for arg, held in places(self.file, build) if arg == but}
            for held_name, held in places(self.file, build):
                bare = argument(held.file, held.member)
                if held_name != but and bare.variable == variable:
                    return True
            for text in texts(self.file, build, known):
                if any(part.name == variable for part in compose_text.parts(text)):
                    return True
            image = self.file.text(self.file.get(service, "image")) or ""
            if any(part.name == variable for part in compose_text.parts(image)):
                return True
        return False

    def _secrets(self, service: Service) -> Iterator[SecretFlag]:
        for layer in service.layers:
            file = layer.file
            for item in file.items(file.get(layer.build, "secrets")):
                source = file.text(item) or file.text(file.get(item, "source")) or ""
                target = file.text(file.get(item, "target")) or source
                top = file.get(file.root, "secrets", source)
                variable = file.text(file.get(top, "environment"))
                held = file.text(file.get(top, "file"))
                said = f"env:{variable}" if variable else f"file:{held}" if held else ""
                fault = None
                if top is None and source and "$" not in source and not self._defined(source):
                    says = f"build.secrets names {source}, which no top-level `secrets:` defines"
                    fault = Fault("undefined", says, "", source)
                yield SecretFlag(target.rpartition("/")[2], said, item.span, fault)

    def _defined(self, secret: str) -> bool:
        """Whether a compose file of the folder, which may be merged with this one, defines it."""
        if self.file.get(self.file.root, "include") is not None:
            return True
        folder = posixpath.dirname(self.path)
        for path in self.workspace.files():
            if posixpath.dirname(path) != folder or not claims(path, b""):
                continue
            data = self._read(path)
            if data is not None and secret.encode() in data:
                file = _parse(path, data)
                if file.get(file.root, "secrets", secret) is not None or file.errors:
                    return True
        return False


def _parse(path: str, data: bytes) -> File:
    from dockerfix.formats import yaml

    return yaml.parse(Source(path, data))
