"""Whether the text of a configuration file holds a secret, and which programs read such a file.

It looks at bytes only, and never gives a value back: `holds` says what kind of line it saw.
"""

from __future__ import annotations

import base64
import re
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any

from dockerfix.model.secrets import classify

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_URL = re.compile(rb"[a-z][a-z+]*://[^/\s:@\"'<>]*:([^/\s@\"'<>]+)@")
_PAIR = re.compile(
    rb"(?im)(?:^|[\s\"'{,;:/<.])(_auth|_?authtoken|[\w.-]*_authtoken|_password|password|passwd|"
    rb"cleartextpassword|secret|token|auth|api[_-]?key|[\w-]*secret_access_key|client-key-data|"
    rb"identitytoken|npmauthtoken|github\.com|gitlab\.com|privatekey|passphrase)"
    rb"[\"']?(?:\s*[:=]\s*|\s*>\s*|\s+value\s*=\s*|[ \t]+)[\"']?([^\s\"'<>,}]{3,})"
)
_VARIABLE = re.compile(rb"(?m)^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*[\"']?([^\"'\r\n#]+)")
_REFERENCE = re.compile(rb"\$\{?[\w.:-]+\}?.*|%\w+%|\{[A-Za-z0-9+/=]+\}|<[^>]*>|\{\{.*")
_PLAIN = frozenset({b"true", b"false", b"null", b"none", b"basic"})


@cache
def rows() -> Mapping[str, Any]:
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files("dockerfix.model").joinpath("secret_files.toml").read_text("utf-8"))


def readers(name: str) -> frozenset[str] | None:
    """The programs that read a file of this name by themselves; None if that is not known."""
    base = name.rpartition("/")[2].lower()
    for row in rows()["reads"]:
        if any(fnmatchcase(base, glob) for glob in row["globs"]):
            return frozenset(row["programs"])
    return None


def holds(data: bytes) -> str:
    """What secret the file holds, in words; empty if it holds none."""
    if _KEY.search(data):
        return "a private key"
    if any(_real(hit[1], "PASSWORD") for hit in _URL.finditer(data)):
        return "a URL with a password"
    for hit in _PAIR.finditer(data):
        if _real(hit[2], "PASSWORD"):
            return "a password or token"
    for hit in _VARIABLE.finditer(data):
        name, value = hit[1].decode(), hit[2].strip()
        if _real(value, name) and classify(name, value).secret:
            return f"a value for {name}"
    return ""


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
