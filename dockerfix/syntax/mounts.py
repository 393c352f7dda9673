"""What the options of a RUN mount mean to BuildKit, or why it refuses them (rules 3.2, 3.3).

The order of the checks is BuildKit's, so that the first reason is the same. Variables in
values are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TYPES = frozenset({"bind", "cache", "tmpfs", "secret", "ssh"})
SHARING = frozenset({"shared", "private", "locked"})
OWNED = frozenset({"secret", "ssh", "cache"})
OPTIONS = frozenset(
    {
        "type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro",
        "readwrite", "rw", "required", "size", "id", "sharing", "mode", "uid", "gid", "env",
    }
)  # fmt: skip
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
UNITS = "bkmgtp"


class MountError(ValueError):
    """BuildKit refuses the mount; the text is its message."""


@dataclass(slots=True)
class Meaning:
    """One mount as BuildKit understands it."""

    type: str = "bind"
    from_: str = ""
    source: str = ""
    target: str = ""
    readonly: bool | None = None
    id: str = ""
    sharing: str = ""
    required: bool = False
    env: str | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


def meaning(options: Iterable[tuple[str, str | None]]) -> Meaning:
    """Read the options in order. Raises MountError."""
    mount = Meaning()
    for key, value in options:
        if value is None:
            _bare(mount, key)
        else:
            _set(mount, key, value)
    _check(mount)
    if mount.readonly is None:
        mount.readonly = mount.type not in ("cache", "tmpfs")
    return mount


def _bare(mount: Meaning, key: str) -> None:
    if key in ("readonly", "ro"):
        mount.readonly = True
    elif key in ("readwrite", "rw"):
        mount.readonly = False
    elif key == "required":
        _secret_only(mount, key)
        mount.required = True
    else:
        raise MountError(f"invalid field '{key}' must be a key=value pair")


def _set(mount: Meaning, key: str, value: str) -> None:
    match key:
        case "type":
            if value.lower() not in TYPES:
                raise MountError(f'unsupported mount type "{value}"')
            mount.type = value.lower()
        case "from":
            mount.from_ = value
        case "source" | "src":
            mount.source = value
        case "target" | "dst" | "destination":
            mount.target = value
        case "readonly" | "ro":
            mount.readonly = _bool(key, value)
        case "readwrite" | "rw":
            mount.readonly = not _bool(key, value)
        case "required":
            _secret_only(mount, key)
            mount.required = _bool(key, value)
        case "size":
            if mount.type != "tmpfs":
                raise MountError(f"unexpected key 'size' for mount type '{mount.type}'")
            _size(value)
        case "id":
            mount.id = value
        case "sharing":
            if value.lower() not in SHARING:
                raise MountError(f'unsupported sharing value "{value}"')
            mount.sharing = value.lower()
        case "mode":
            mount.mode = _number(key, value, 8)
        case "uid":
            mount.uid = _number(key, value, 10)
        case "gid":
            mount.gid = _number(key, value, 10)
        case "env":
            mount.env = value
        case _:
            raise MountError(f"unexpected key '{key}' in '{key}={value}'")


def _check(mount: Meaning) -> None:
    if mount.type not in OWNED:
        for key, number in (("mode", mount.mode), ("uid", mount.uid), ("gid", mount.gid)):
            if number is not None:
                raise MountError(f'{key} not allowed for "{mount.type}" type mounts')
    if mount.type == "secret":
        if mount.from_:
            raise MountError("secret mount should not have a from")
        if mount.sharing:
            raise MountError("secret mount should not define sharing")
        if not (mount.source or mount.target or mount.id):
            raise MountError("invalid secret mount. one of source, target required")
        if mount.source and mount.id:
            raise MountError("both source and id can't be set")
    if mount.sharing and mount.type != "cache":
        raise MountError(f"invalid cache sharing set for {mount.type} mount")


def _secret_only(mount: Meaning, key: str) -> None:
    if mount.type not in ("secret", "ssh"):
        raise MountError(f"unexpected key '{key}' for mount type '{mount.type}'")


def _bool(key: str, value: str) -> bool:
    if value in TRUE or value in FALSE:
        return value in TRUE
    raise MountError(f"invalid value for {key}: {value}")


def _number(key: str, value: str, base: int) -> int:
    digits = "01234567" if base == 8 else "0123456789"
    if not value or value.strip(digits) or len(value) > 40 or int(value, base) >= 2**32:
        raise MountError(f"invalid value {value} for {key}")
    return int(value, base)


def _size(value: str) -> None:
    number = value.lower().removesuffix("ib").removesuffix("b").rstrip(UNITS).strip()
    if not number.replace(".", "", 1).isdecimal():
        raise MountError(f"invalid value for size: {value}")
