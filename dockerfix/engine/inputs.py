"""What is wrong with the bytes of a Dockerfile before anyone asks what they mean."""

from __future__ import annotations

from dataclasses import dataclass

from dockerfix.engine.plain import LONGEST_LINE


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that dockerfix could not deal with, in the form in which it is told.

    `kind` is unreadable, broken, config, write, usage, internal, or note.
    """

    path: str
    message: str
    help: str
    line: int | None = None
    kind: str = "broken"


def problems(path: str, data: bytes) -> list[Problem]:
    """Why no builder can read a Dockerfile with these bytes, and no parser should try."""
    if not data.strip():
        return [Problem(path, "it is empty", "write a Dockerfile, or remove it")]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return [
            Problem(
                path, "it is UTF-16, which no builder reads", "save it as UTF-8 without a BOM", 1
            )
        ]
    found = []
    at = data.find(b"\0")
    if at != -1:
        found.append(
            Problem(
                path,
                "there is a NUL byte, which no shell takes",
                "remove it; if the file is UTF-16, save it as UTF-8",
                data.count(b"\n", 0, at) + 1,
            )
        )
    if len(data) > LONGEST_LINE:
        for number, line in enumerate(data.split(b"\n"), 1):
            if len(line) > LONGEST_LINE:
                found.append(
                    Problem(
                        path,
                        f"the line has {len(line)} bytes, and builders read up to {LONGEST_LINE}",
                        "break it with the escape character, or COPY the data from a file",
                        number,
                    )
                )
                break
    return found
