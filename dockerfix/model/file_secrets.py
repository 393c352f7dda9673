"""Whether the text of a configuration file holds a secret, and which programs read such a file.

It looks at bytes only, and never gives a value back: `holds` says what kind of line it saw.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from dockerfix.globs import fits
from dockerfix.model.names import bundle_of
from dockerfix.model.secrets import classify

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_URL = re.compile(rb"([a-z][a-z+]*)://([^/\s:@\"'<>]*):([^/\s@\"'<>]+)@([\w.-]*)")
_NAMED = (
    rb"(?im)(?:^|[\s\"'{,;:/<.])(_auth|_?authtoken|[\w.-]*_authtoken|_password|password|passwd|"
    rb"cleartextpassword|secret|token|auth|api[_-]?key|[\w-]*secret_access_key|client-key-data|"
    rb"identitytoken|npmauthtoken|github\.com|gitlab\.com|privatekey|passphrase|"
    rb"bundle_\w+__\w+|\w+_api_key)"
    rb"[\"']?(?:\s*[:=][ \t]*|\s*>\s*|\s+value\s*=\s*|[ \t]+)[\"']?"
)
_PAIR = re.compile(_NAMED + rb"([^\s\"'<>,}]{3,})")
_FILLED = re.compile(_NAMED + rb"(?:\$\(|`)")
_COMMENT = re.compile(rb"(?m)^[ \t]*[#;].*$")
_CHANNEL = re.compile(rb"://[^\s/]+/t/([\w-]{8,})/")
_VARIABLE = re.compile(rb"(?m)^\s*(?:export\s+)?([A-Za-z_][\w.]*)[ \t]*=[ \t]*[\"']?([^\"'\r\n#]+)")
_REFERENCE = re.compile(rb"\$\{?[\w.:-]+\}?.*|%\w+%|\{[A-Za-z0-9+/=]+\}|<[^>]*>|\{\{.*")
_PLAIN = frozenset({b"true", b"false", b"null", b"none", b"basic"})


@cache
def rows() -> Mapping[str, Any]:
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files("dockerfix.model").joinpath("secret_files.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of secret files of one name (the columns of secret_files.toml). `programs`
    is None where any program may read it."""

    programs: frozenset[str] | None = None
    target: str = ""
    places: tuple[str, ...] = ()
    container: bool = False
    writes: tuple[str, ...] = ()


def kind_of(path: str) -> Kind:
    """The kind of the file at `path`; one that anybody may read if the name is not known."""
    row = _row(path)
    if row is None:
        return Kind(container=True)
    return Kind(
        frozenset(row["programs"]) if "programs" in row else None,
        row.get("target", ""),
        tuple(row.get("places", ())),
        row.get("container", False),
        tuple(row.get("writes", ())),
    )


def known(path: str) -> bool:
    """Whether a row of secret_files.toml is about files of that name."""
    return _row(path) is not None


def called_like(name: str) -> bool:
    """Whether `name` is that of such a file, but for its dot: netrc, npmrc."""
    return any(
        glob.strip("*").lstrip(".") == name.lower()
        for row in rows()["kind"]
        for glob in row["globs"]
    )


def _row(path: str) -> Mapping[str, Any] | None:
    tail = "/".join(path.lower().rsplit("/", 2)[-2:])
    base = tail.rpartition("/")[2]
    for row in rows()["kind"]:
        if any(fits(tail if "/" in glob else base, glob) for glob in row["globs"]):
            found: Mapping[str, Any] = row
            return found
    return None


def swept(path: str) -> bool:
    """Whether the file at `path` is looked at where COPY takes a folder that holds it."""
    *folders, base = path.lower().split("/")
    names = _swept_names()
    if base not in names and "/".join((*folders[-1:], base)) not in names:
        return False
    return not any(one in rows()["sweep"]["never_in"] for one in folders)


def swept_in(text: bytes) -> bool:
    """Whether a text names a file that `swept` knows."""
    lower = text.lower()
    return any(name.encode() in lower for name in _swept_names())


@cache
def _swept_names() -> frozenset[str]:
    return frozenset(rows()["sweep"]["names"])


def holds(data: bytes) -> str:
    """What secret the file holds, in words; empty if it holds none."""
    if _KEY.search(data):
        return "a private key"
    data = _COMMENT.sub(b"", data)
    if any(_real(hit[3], "PASSWORD") and not _of_this_machine(hit) for hit in _URL.finditer(data)):
        return "a URL with a password"
    if any(_real(hit[1], "TOKEN") for hit in _CHANNEL.finditer(data)):
        return "a URL with a token"
    for hit in _PAIR.finditer(data):
        if _real(hit[2], "PASSWORD") and not bundle_of(hit[1].decode()):
            return "a password or token"
    for hit in _VARIABLE.finditer(data):
        name, value = hit[1].decode(), hit[2].strip()
        url = _URL.match(value)
        if url is not None and _of_this_machine(url):
            continue
        if _real(value, name) and classify(name, value).secret:
            return f"a value for {name}"
    return ""


def brought(path: str, data: bytes) -> str:
    """What secret a file holds that nobody named: of a name that other files have too, only one
    with what such a file contains is looked at."""
    row = _row(path)
    lower = data.lower()
    if (
        row is not None
        and "contains" in row
        and not any(one.encode() in lower for one in row["contains"])
    ):
        return ""
    return holds(data)


def fills(text: bytes) -> bool:
    """Whether a command writes what another one prints where a file has its password or token:
    `_authToken=$(...)`."""
    return _FILLED.search(text) is not None


def _of_this_machine(url: re.Match[bytes]) -> bool:
    """A database beside the program, as files for development have it."""
    return not url[1].startswith(b"http") and (
        url[2] == url[3] or b"." not in url[4] or url[4] == b"127.0.0.1"
    )


def locked(data: bytes) -> bool:
    """Whether the private key in the file needs a passphrase."""
    if b"ENCRYPTED" in data:
        return True
    body = data.partition(b"-----BEGIN OPENSSH PRIVATE KEY-----")[2].split()
    try:
        return b"bcrypt" in base64.b64decode(b"".join(body[:2]) + b"==")
    except ValueError:
        return False


def _real(value: bytes, name: str) -> bool:
    """Whether the value is one, and no reference to a variable and no placeholder."""
    if _REFERENCE.fullmatch(value) or value.lower() in _PLAIN:
        return False
    return not classify(name, value).placeholder
