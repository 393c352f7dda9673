"""Factories: the text of new mounts, directives and instructions, with sane defaults.

They give bytes that BuildKit reads back as what was asked for, or raise ValueError. Where
the text goes is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SPECIAL = frozenset("'\"\\`")


def mount(
    type: str = "secret",
    *,
    id: str | None = None,
    env: str | None = None,
    target: str | None = None,
    source: str | None = None,
    required: bool | None = None,
    mode: int | str | None = None,
    uid: int | None = None,
    gid: int | None = None,
    bare: bool = True,
) -> bytes:
    """The value of a `--mount` flag, such as `type=secret,id=X,env=X`.

    `mode` as a number is written in octal; `bare` False writes `required=true`, for frontends
    before 1.3.1. Raises ValueError for a secret without `id`
    (rule 3.3), for an `env` that names no variable, and for text that a flag cannot hold.
    """
    if type == "secret" and not id:
        raise ValueError("a secret mount needs an id")
    if env is not None and (not env or not set(env).isdisjoint("=$,")):
        raise ValueError(f"{env!r} names no variable")
    octal = f"{mode:04o}" if isinstance(mode, int) else mode
    options = (
        ("type", type),
        ("id", id),
        ("source", source),
        ("env", env),
        ("target", target),
        # `required` must stand behind `type` (rule 3.2).
        ("required", None if required is None else str(required).lower()),
        ("mode", octal),
        ("uid", uid),
        ("gid", gid),
    )
    fields = [
        key if bare and (key, value) == ("required", "true") else f"{key}={value}"
        for key, value in options
        if value is not None
    ]
    quoted = [f'"{field}"' if "," in field else field for field in fields]
    for field in fields:
        if not field.isascii() or not field.isprintable() or " " in field:
            raise ValueError("a mount is printable ASCII without blanks")
        if not SPECIAL.isdisjoint(field):
            raise ValueError("a mount value cannot hold quotes or escapes")
    text = ",".join(quoted)
    # The flag's own quotes are removed first, those of CSV after (rule 1.24).
    return (f"'{text}'" if quoted != fields else text).encode("ascii")


def mount_flag(
    type: str = "secret",
    *,
    id: str | None = None,
    env: str | None = None,
    target: str | None = None,
    source: str | None = None,
    required: bool | None = None,
    mode: int | str | None = None,
    uid: int | None = None,
    gid: int | None = None,
) -> bytes:
    """The whole flag, `--mount=` and the value that `mount` gives."""
    value = mount(
        type,
        id=id,
        env=env,
        target=target,
        source=source,
        required=required,
        mode=mode,
        uid=uid,
        gid=gid,
    )
    return b"--mount=" + value


def directive(name: str, value: str) -> bytes:
    """A parser directive's line without its line end. Raises ValueError for a line break."""
    if not value.strip() or "\n" in value or "\r" in value:
        raise ValueError("a directive has a value of one line")
    return f"# {name}={value}".encode()


def syntax(image: str = "docker/dockerfile:1") -> bytes:
    return directive("syntax", image)


def word(value: bytes, *, escape: bytes = b"\\", expand: bool = False) -> bytes:
    """`value` as one word of ENV, ARG or LABEL, quoted only where it must be (rules 1.36, 2.4).

    With `expand`, `$` keeps its meaning. Raises ValueError for a line break.
    """
    if b"\n" in value or b"\r" in value:
        raise ValueError("a word holds no line break")
    special = b" \t\v\f'\"#" + escape + (b"" if expand else b"$")
    if value and not any(byte in special for byte in value):
        return value
    quoted = value.replace(escape, escape * 2).replace(b'"', escape + b'"')
    return b'"' + (quoted if expand else quoted.replace(b"$", escape + b"$")) + b'"'


def arg(name: str, default: bytes | None = None, *, escape: bytes = b"\\") -> bytes:
    """`ARG NAME` or `ARG NAME=default`, the default quoted where it must be."""
    text = b"ARG " + name.encode("utf-8", "surrogateescape")
    return text if default is None else text + b"=" + word(default, escape=escape)


def env(pairs: Iterable[tuple[str, bytes]], *, escape: bytes = b"\\") -> bytes:
    """`ENV A=x B=y`, the values quoted where they must be."""
    written = [
        name.encode("utf-8", "surrogateescape") + b"=" + word(value, escape=escape)
        for name, value in pairs
    ]
    if not written:
        raise ValueError("ENV needs a pair")
    return b"ENV " + b" ".join(written)


def run(command: bytes, mounts: Iterable[bytes] = ()) -> bytes:
    """`RUN` with mounts (values, as `mount` gives them) before the command."""
    return b" ".join((b"RUN", *(b"--mount=" + value for value in mounts), command))
