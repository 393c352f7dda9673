"""What a `# syntax` image says of the version of the frontend that reads the file.

Knows image references and versions, not what a version can do, but for one thing that changes
which lines are instructions.
"""

from __future__ import annotations

import re

OFFICIAL = re.compile(r"(?:.*/)?dockerfile(?:-upstream)?")
VERSION = re.compile(r"1(?:\.(\d+))?(?:\.\d+)?(-labs)?")
SPACED_SINCE = 16
"""The minor version since which `<< EOF` opens a here-document (rule 1.30)."""


def split(image: str) -> tuple[str, str, str]:
    """(name, tag, digest) of an image reference."""
    name, _, digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, "", digest
    return head, tag, digest


def minor(image: str) -> int | None:
    """The minor version that the tag pins: 4 for `docker/dockerfile:1.4`; None where it floats."""
    tag = split(image)[1]
    if tag.endswith("experimental"):
        return 1
    found = VERSION.fullmatch(tag)
    return int(found[1]) if found and found[1] else None


def spaced_heredocs(image: str) -> bool:
    """Whether `<< EOF`, with a blank, opens a here-document."""
    version = minor(image) if OFFICIAL.fullmatch(split(image)[0]) else None
    return version is None or version >= SPACED_SINCE
