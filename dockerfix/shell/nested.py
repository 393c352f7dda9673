"""Scripts inside words: `sh -c 'WORD'`, `bash -c "WORD"`, `eval`, `trap`.

The nested text is what the child reads, with a map back to the host; bytes that the outer
shell puts in (`$X` in double quotes) are `FOREIGN`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dockerfix.projection import Projection, Segment
from dockerfix.shell.nodes import FOREIGN, Command, Nested, Part, State, Word
from dockerfix.shell.states import nested_initial
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Callable


def read_nested(
    projection: Projection,
    command: Command,
    word: Word,
    kind: str,
    state: State,
    load: Callable[[str], bytes | None] | None,
    depth: int,
) -> Nested | None:
    from dockerfix.shell.reading import read_script

    quoting: Literal["single", "double", "none"] = "none"
    kinds = {part.kind for part in word.parts}
    if kinds == {"single"}:
        quoting = "single"
    elif "double" in kinds:
        quoting = "double"
    text = bytearray()
    segments: list[Segment] = []
    foreign: dict[Span, Part] = {}
    for part in _leaves(word.parts):
        if part.kind in ("text", "single"):
            start = part.span.start + (1 if part.kind == "single" else 0)
            _copy(projection, segments, len(text), start, len(part.value))
            text += part.value
        elif part.kind == "escape":
            host = projection.host_span(part.span)
            if part.value:
                segments.append(Segment(len(text), host.start, 1, host.end - host.start))
            text += part.value
        else:
            size = part.span.end - part.span.start
            foreign[Span(len(text), len(text) + size)] = part
            _copy(projection, segments, len(text), part.span.start, size)
            text += bytes([FOREIGN]) * size
    if not text or not text.strip():
        return None
    inner = Projection(bytes(text), tuple(segments), _encoder(projection, quoting))
    script = read_script(inner, load=load, initial=nested_initial(state, kind), depth=depth)
    return Nested(command, word, kind, quoting, script, foreign)


def _leaves(parts: tuple[Part, ...]) -> list[Part]:
    found: list[Part] = []
    for part in parts:
        if part.kind == "double":
            found += _leaves(part.children)
        else:
            found.append(part)
    return found


def _copy(
    projection: Projection, segments: list[Segment], text: int, start: int, length: int
) -> None:
    """Segments for text copied as it stands, split where the outer projection is."""
    at = start
    end = start + length
    for segment in projection.segments:
        low, high = max(at, segment.text), min(end, segment.text + segment.length)
        if low >= high:
            continue
        if segment.length == segment.width:
            host = segment.host + (low - segment.text)
            segments.append(Segment(text + low - start, host, high - low, high - low))
        else:
            segments.append(Segment(text + low - start, segment.host, high - low, segment.width))


def _encoder(projection: Projection, quoting: str) -> Callable[[bytes], bytes]:
    outer = projection.encode
    if quoting == "single":
        return lambda text: outer(text.replace(b"'", b"'\\''"))
    if quoting == "double":

        def double(text: bytes) -> bytes:
            for special in (b"\\", b'"', b"$", b"`"):
                text = text.replace(special, b"\\" + special)
            return outer(text)

        return double
    return outer
