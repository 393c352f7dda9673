"""A canary is found in whatever form and archive it hides, and random bytes are no canary."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from dockerfix.verify.scan import LENGTH, forms, invent, scan

CANARY = "Vq3wYb8ZkT1nLx5RcJ0hGd7PmSf2UaEo"


def found(data: bytes) -> set[str]:
    return {hit.form for hit in scan(data, {"TOKEN": CANARY})}


def test_canaries_are_long_and_new() -> None:
    assert len({invent() for _ in range(100)}) == 100
    assert all(len(invent()) == LENGTH >= 20 for _ in range(10))


@pytest.mark.parametrize("before", [b"", b"u", b"us", b"use", b"user:"])
@pytest.mark.parametrize("after", [b"", b"@", b"\n\n"])
def test_base64_is_found_at_every_alignment_whatever_stands_round_it(
    before: bytes, after: bytes
) -> None:
    encoded = base64.b64encode(before + CANARY.encode() + after)
    assert found(b"auth=" + encoded) == {f"base64+{len(before) % 3}"}


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("raw", f"ARG TOKEN={CANARY}".encode()),
        ("hex", CANARY.encode().hex().encode()),
        ("hex upper", CANARY.encode().hex().upper().encode()),
        ("percent", "".join(f"%{ord(c):02x}" for c in CANARY).encode()),
        ("percent upper", "".join(f"%{ord(c):02X}" for c in CANARY).encode()),
        ("reversed", CANARY[::-1].encode()),
        ("utf-16", CANARY.encode("utf-16")),
    ],
)
def test_each_form_is_found(form: str, data: bytes) -> None:
    assert found(b"\0" + data + b"\0") == {form}


def test_url_safe_base64_is_found() -> None:
    canary = "~~~???>>>ABCDEFGHIJKLMNOPQRSTUV~"
    encoded = base64.urlsafe_b64encode(canary.encode())
    assert b"-" in encoded or b"_" in encoded
    assert {hit.form for hit in scan(encoded, {"TOKEN": canary})} == {"base64url+0"}


def tar(name: str, data: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return target.getvalue()


def zipped(data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.txt", data)
    return target.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zipped])
def test_archives_are_looked_into_however_they_are_nested(pack) -> None:  # type: ignore[no-untyped-def]
    layer = gzip.compress(tar("root/.cache/x", pack(CANARY.encode() * 50)))
    hits = scan(tar("blobs/layer", layer), {"TOKEN": CANARY}, "image.tar")
    assert [hit.variable for hit in hits] == ["TOKEN"]
    assert hits[0].member.startswith("image.tar/blobs/layer!/root/.cache/x")


def test_the_name_of_a_file_is_looked_at_too() -> None:
    assert found(tar(f"tmp/{CANARY}", b"")) == {"raw"}


def test_a_damaged_archive_is_still_searched_as_it_is() -> None:
    assert found(b"\x1f\x8b\x08" + CANARY.encode()) == {"raw"}


def test_what_cannot_be_looked_into_is_an_error() -> None:
    with pytest.raises(ValueError, match="zstd"):
        scan(b"\x28\xb5\x2f\xfd...", {"TOKEN": CANARY}, "layer")


def test_hits_hold_no_value() -> None:
    (hit,) = scan(CANARY.encode(), {"TOKEN": CANARY}, "config")
    assert CANARY not in repr(hit)
    assert set(forms(CANARY)) > {"raw", "hex", "base64+0", "base64+1", "base64+2"}
