"""Every key of the configuration, defined once; loading; the nearest file wins.

Configuration stands in `.dockerfix.toml`, or under `[tool.dockerfix]` in `pyproject.toml`.
Of the files from a Dockerfile's folder up to the root, the nearest counts, whole. Knows
nothing of passes or Dockerfiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dockerfix.workspace import Workspace

FILE = ".dockerfix.toml"
PROJECT = "pyproject.toml"
SOURCES = ("env:", "file:", "command:")


class ConfigError(Exception):
    """A configuration that cannot be used: the file, the line if known, what, what to do."""

    def __init__(self, path: str, message: str, help: str, line: int | None = None) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message
        self.help = help
        self.line = line


Reader = Callable[[Any], Any]


class _WrongValueError(Exception):
    """What a value should have been."""


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _WrongValueError("true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _WrongValueError("a string that is not empty")
    return value


def _choice(*allowed: str) -> Reader:
    def read(value: Any) -> str:
        if value not in allowed:
            raise _WrongValueError(" or ".join(f'"{one}"' for one in allowed))
        return str(value)

    return read


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _WrongValueError("a list of strings")
    return tuple(value)


def _image(value: Any) -> str:
    if (
        not isinstance(value, str)
        or not value
        or not value.isascii()
        or any(map(str.isspace, value))
    ):
        raise _WrongValueError('"insert", "keep" or the image of a frontend')
    return value


def _identifier(value: Any) -> str:
    text = _text(value)
    # Rules 3.2 and 5.2: a blank, comma, quote or non-ASCII byte breaks the flag on one side.
    if not text.isascii() or any(char.isspace() or char in ",\"'=$\\" for char in text):
        raise _WrongValueError("ASCII without blanks, commas, quotes, `=`, `$` and backslashes")
    return text


def _source(value: Any) -> str:
    text = _text(value)
    if not text.startswith(SOURCES) or text in SOURCES:
        raise _WrongValueError('"env:NAME", "file:PATH" or "command:..."')
    return text


def _key(reader: Reader, about: str, default: Any = None) -> Any:
    return field(default=default, metadata={"read": reader, "about": about})


@dataclass(frozen=True, slots=True)
class SecretConfig:
    """`[secrets.NAME]`: how one secret is named, where it comes from, or that it is none."""

    id: str | None = _key(_identifier, "id of the secret; without it, the variable's name")
    source: str | None = _key(_source, '"env:NAME", "file:PATH" or "command:...", for callers')
    form: str | None = _key(_choice("auto", "env", "file"), "as the key of the same name")
    required: bool | None = _key(_boolean, "whether its mounts say `required`")
    secret: bool = _key(_boolean, "false: this variable is no secret", True)


@dataclass(frozen=True, slots=True)
class Config:
    """The keys, with their defaults. `origin` is the file that they were read from."""

    root: bool = _key(_boolean, "true: linking and configuration stop at this folder", False)
    syntax: str = _key(_image, '"insert", "keep", or the image that `# syntax=` names', "insert")
    form: str = _key(_choice("auto", "env", "file"), "how a RUN gets its secrets", "auto")
    required: bool | None = _key(
        _boolean, "whether mounts say `required`; unset: if no caller is known"
    )
    exclude: tuple[str, ...] = _key(
        _names, "patterns of files to leave alone, as in .gitignore", ()
    )
    callers: str = _key(
        _choice("tree", "outside"), "whether builds are also started elsewhere", "tree"
    )
    unsafe_fixes: bool = _key(_boolean, "true: as if --unsafe-fixes were given", False)
    select: tuple[str, ...] = _key(_names, "passes to run; empty: all", ())
    ignore: tuple[str, ...] = _key(_names, "passes not to run", ())
    secrets: Mapping[str, SecretConfig] = field(default_factory=dict)
    origin: str = ""

    def is_secret(self, variable: str) -> bool:
        """False where the configuration says that `variable` is no secret."""
        entry = self.secrets.get(variable)
        return entry is None or entry.secret

    def excludes(self, path: str) -> bool:
        """Whether a root-relative path is excluded; patterns count from the configuration's folder."""
        if not self.exclude:
            return False
        from dockerfix.workspace.gitignore import ignored_by

        folder = self.origin.rpartition("/")[0]
        below = path[len(folder) + 1 :] if folder else path
        return ignored_by("\n".join(self.exclude), below)


def load(workspace: Workspace, path: str) -> Config:
    """The configuration for a file of the workspace. Raises ConfigError."""
    found = find(workspace, path)
    return read(workspace, found) if found else Config()


def find(workspace: Workspace, path: str) -> str | None:
    """The configuration file that counts for `path`, root-relative."""
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        prefix = f"{folder}/" if folder else ""
        if workspace.exists(prefix + FILE):
            return prefix + FILE
        if _holds_table(workspace, prefix + PROJECT):
            return prefix + PROJECT
    return None


def _holds_table(workspace: Workspace, path: str) -> bool:
    """Whether a pyproject.toml has our table; one that does not name us is not parsed."""
    if not workspace.exists(path) or b"dockerfix" not in _bytes(workspace, path):
        return False
    return "dockerfix" in _parse(workspace, path).get("tool", {})


def read(workspace: Workspace, path: str) -> Config:
    """The configuration that stands in one file. Raises ConfigError."""
    table = _parse(workspace, path)
    if path.rpartition("/")[2] == PROJECT:
        table = table["tool"]["dockerfix"]
        if not isinstance(table, dict):
            raise ConfigError(path, "tool.dockerfix is not a table", "write [tool.dockerfix]")
    line_of = _Lines(_bytes(workspace, path))
    secrets = table.pop("secrets", {})
    if not isinstance(secrets, dict):
        raise ConfigError(
            path, "`secrets` is not a table", "write [secrets.NAME]", line_of("secrets")
        )
    known: dict[str, SecretConfig] = {}
    for name, entry in secrets.items():
        if not isinstance(entry, dict):
            raise ConfigError(
                path, f"`secrets.{name}` is not a table", f"write [secrets.{name}]", line_of(name)
            )
        known[name] = SecretConfig(
            **_values(path, entry, SecretConfig, f"secrets.{name}.", line_of)
        )
    return Config(**_values(path, table, Config, "", line_of), secrets=known, origin=path)


def keys(definition: type[Config] | type[SecretConfig]) -> dict[str, Field[Any]]:
    """The keys that a file may hold, as they are written there."""
    return {one.name.replace("_", "-"): one for one in fields(definition) if "read" in one.metadata}


def show(config: Config) -> Iterator[str]:
    """The effective configuration as TOML, one line a key, each with what it means."""
    yield f"# from {config.origin}" if config.origin else "# no configuration file: the defaults"
    yield from _lines(config, keys(Config))
    for name, entry in sorted(config.secrets.items()):
        yield ""
        yield f"[secrets.{_toml_key(name)}]"
        yield from _lines(entry, keys(SecretConfig))


def _lines(of: Config | SecretConfig, known: Mapping[str, Field[Any]]) -> Iterator[str]:
    for name, definition in known.items():
        value = getattr(of, definition.name)
        shown = f"# {name} is not set" if value is None else f"{name} = {_toml(value)}"
        yield f"{shown}  # {definition.metadata['about']}"


def _values(
    path: str,
    table: Mapping[str, Any],
    definition: type[Config] | type[SecretConfig],
    prefix: str,
    line_of: _Lines,
) -> dict[str, Any]:
    known = keys(definition)
    found = {}
    for name, value in table.items():
        if name not in known:
            every = [*known, *(["secrets"] if definition is Config else [])]
            raise ConfigError(
                path, f"unknown key `{prefix}{name}`", _nearest(name, every), line_of(name)
            )
        try:
            found[known[name].name] = known[name].metadata["read"](value)
        except _WrongValueError as wrong:
            raise ConfigError(
                path,
                f"`{prefix}{name}` has a value of the wrong kind",
                f"give {wrong}",
                line_of(name),
            ) from None
    return found


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.replace("_", "-"), known, n=1, cutoff=0.5)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"the keys are {', '.join(known)}"


class _Lines:
    """The line on which a key stands, as far as a plain look can tell."""

    def __init__(self, data: bytes) -> None:
        self._lines = data.decode("utf-8", "replace").split("\n")

    def __call__(self, name: str) -> int | None:
        for number, line in enumerate(self._lines, 1):
            start = line.strip().lstrip("[").replace('"', "").replace("'", "")
            if start.startswith(name) or f".{name}" in start.split("=")[0]:
                return number
        return None


def _bytes(workspace: Workspace, path: str) -> bytes:
    from dockerfix.workspace import Unreadable

    try:
        return workspace.read(path)
    except Unreadable as error:
        raise ConfigError(path, error.message, error.help) from None


def _parse(workspace: Workspace, path: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(_bytes(workspace, path).decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(path, "it is not UTF-8", "save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        line = said.partition("(at line ")[2].partition(",")[0]
        raise ConfigError(
            path,
            f"it is not TOML: {said.partition(' (at ')[0].lower()}",
            "mend it: until then no Dockerfile that it counts for is touched",
            int(line) if line.isdigit() else None,
        ) from None


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    import json

    return json.dumps(value)


def _toml_key(name: str) -> str:
    plain = name.replace("_", "").replace("-", "")
    return name if plain.isalnum() and plain.isascii() else _toml(name)
