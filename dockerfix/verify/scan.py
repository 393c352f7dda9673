"""Canaries: how they are invented, and how they are found in bytes, in whatever form.

A canary is a random value that stands for a secret in a build. This module does not know
images: `dockerfix.verify.image` says what the members of a saved image are.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import secrets
import string
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits
_DEPTH = 8


class Hit(NamedTuple):
    """The canary of `variable` stands in `member`, written as `form`. Holds no value."""

    variable: str
    form: str
    member: str


def invent() -> str:
    """A new canary: long enough never to stand anywhere by chance (T44)."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))


def forms(canary: str) -> dict[str, bytes]:
    """The ways in which a canary may be written, by name.

    Base64 has three alignments, and the characters at either end depend on the neighbours:
    only those that do not are looked for.
    """
    raw = canary.encode()
    found = {
        "raw": raw,
        "utf-16": canary.encode("utf-16-le"),
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "hex upper": raw.hex().upper().encode(),
        "percent": b"".join(b"%%%02x" % byte for byte in raw),
        "percent upper": b"".join(b"%%%02X" % byte for byte in raw),
    }
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        first = -(-shift * 8 // 6)
        last = (shift + len(raw)) * 8 // 6
        middle = text[first:last]
        found[f"base64+{shift}"] = middle
        url_safe = middle.replace(b"+", b"-").replace(b"/", b"_")
        if url_safe != middle:
            found[f"base64url+{shift}"] = url_safe
    return found


def scan(data: bytes, canaries: Mapping[str, str], member: str = "") -> list[Hit]:
    """Every form of every canary (by variable) in `data` and in the archives inside it.

    Raises ValueError where an archive cannot be looked into: silence would read as absence.
    """
    wanted = {variable: forms(canary) for variable, canary in canaries.items()}
    return [
        Hit(variable, form, name)
        for name, piece in pieces(data, member)
        for variable, ways in wanted.items()
        for form, needle in ways.items()
        if needle in piece
    ]


def pieces(data: bytes, member: str = "", depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """`data` itself, and whatever is packed in it: (name, bytes), archives within archives."""
    yield member, data
    if depth == _DEPTH:
        return
    unpacked = _decompressed(data, member)
    if unpacked is not None:
        yield from pieces(unpacked, f"{member}!", depth + 1)
    elif data[257:262] == b"ustar":
        yield from _tar_pieces(data, member, depth)
    elif data[:4] == b"PK\x03\x04":
        yield from _zip_pieces(data, member, depth)


def _tar_pieces(data: bytes, member: str, depth: int) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            name = f"{member}/{entry.name}"
            header = f"{entry.name}\0{entry.linkname}\0{entry.pax_headers}"
            yield f"{name} (header)", header.encode("utf-8", "surrogateescape")
            file = archive.extractfile(entry) if entry.isfile() else None
            if file is not None:
                yield from pieces(file.read(), name, depth + 1)


def _zip_pieces(data: bytes, member: str, depth: int) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                yield from pieces(archive.read(entry), f"{member}/{entry.filename}", depth + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError):
        # Bytes that only begin like a zip file were already looked at as they are.
        return


def _decompressed(data: bytes, member: str) -> bytes | None:
    if data[:4] == b"\x28\xb5\x2f\xfd":
        raise ValueError(f"{member}: compressed with zstd, which cannot be looked into here")
    try:
        if data[:3] == b"\x1f\x8b\x08":
            return gzip.decompress(data)
        if data[:3] == b"BZh":
            return bz2.decompress(data)
        if data[:6] == b"\xfd7zXZ\0":
            return lzma.decompress(data)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return None
    return None
