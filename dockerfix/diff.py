"""Unified diffs that `git apply` takes, byte for byte: CRLF, a missing final newline, any bytes.

Linear where little changed, however big the file. Knows bytes and lines that end at LF,
nothing of what stands in them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

CONTEXT = 3
NO_NEWLINE = b"\\ No newline at end of file\n"
FEW = 64
"""Up to so many changed lines the shortest script is sought in the whole file at once."""
MANY = 1000
"""Between two lines that both files hold once, so many are compared; beyond, all is replaced."""

Mask = Callable[[bytes], bytes]


class Block(NamedTuple):
    """Old lines `[start, end)` become new lines `[new_start, new_end)`; zero-based."""

    start: int
    end: int
    new_start: int
    new_end: int


def patch(path: str, old: bytes | None, new: bytes, mask: Mask | None = None) -> bytes:
    """The patch of one file, empty if nothing changed. `path` is shown with a/ and b/. Without
    `old` the patch makes the file.

    `mask` is given every line, without its sign, and returns what to show instead: such a
    patch cannot be applied.
    """
    if old == new:
        return b""
    before, after = lines(old or b""), lines(new)
    out = []
    if not old or not new:
        # Without this line git takes a file that becomes empty for a removed one.
        out.append(b"diff --git %s %s\n" % (quoted("a/" + path), quoted("b/" + path)))
    if old is None:
        out += [b"new file mode 100644\n", b"--- /dev/null\n"]
    else:
        out.append(_header(b"---", "a/" + path))
    out.append(_header(b"+++", "b/" + path))
    for hunk in _hunks(blocks(before, after)):
        out.extend(_hunk(hunk, before, after, mask))
    return b"".join(out)


def lines(data: bytes) -> list[bytes]:
    """The lines of `data`, each with its LF; the last one perhaps without."""
    found = data.split(b"\n")
    last = found.pop()
    kept = [line + b"\n" for line in found]
    return [*kept, last] if last else kept


def masking(secrets: Iterable[bytes]) -> Mask:
    """A mask that replaces each of `secrets` (and each line of one that has several) by ***."""
    parts = {part.strip() for secret in secrets for part in secret.split(b"\n")}
    ordered = sorted((part for part in parts if part), key=lambda part: (-len(part), part))

    def mask(line: bytes) -> bytes:
        for part in ordered:
            line = line.replace(part, b"***")
        return line

    return mask


def quoted(path: str) -> bytes:
    """A path as git writes it: quoted, with octal escapes, where it holds special bytes."""
    raw = path.encode("utf-8", "surrogateescape")
    if not any(byte < 0x20 or byte >= 0x7F or byte in b'"\\' for byte in raw):
        return raw
    out = bytearray(b'"')
    for byte in raw:
        if byte in _ESCAPES:
            out += b"\\" + _ESCAPES[byte]
        elif byte < 0x20 or byte >= 0x7F:
            out += b"\\%03o" % byte
        else:
            out.append(byte)
    return bytes(out + b'"')


_ESCAPES = {7: b"a", 8: b"b", 9: b"t", 10: b"n", 11: b"v", 12: b"f", 13: b"r", 34: b'"', 92: b"\\"}


def _header(sign: bytes, path: str) -> bytes:
    name = quoted(path)
    # Git ends a bare name that holds a blank with a tab, so that nothing after it can belong to it.
    tab = b"\t" if b" " in name and not name.startswith(b'"') else b""
    return sign + b" " + name + tab + b"\n"


def blocks(old: Sequence[bytes], new: Sequence[bytes]) -> list[Block]:
    """What changed, in order; between two blocks at least one line is the same."""
    return _merge(_compare(old, new, 0, len(old), 0, len(new), FEW))


def _merge(found: Iterable[Block]) -> list[Block]:
    merged: list[Block] = []
    for block in found:
        last = merged[-1] if merged else None
        if last and last.end == block.start and last.new_end == block.new_start:
            merged[-1] = Block(last.start, block.end, last.new_start, block.new_end)
        else:
            merged.append(block)
    return merged


def _compare(
    old: Sequence[bytes], new: Sequence[bytes], a: int, b: int, c: int, d: int, limit: int
) -> Iterator[Block]:
    """Blocks between `old[a:b]` and `new[c:d]`."""
    while a < b and c < d and old[a] == new[c]:
        a, c = a + 1, c + 1
    while a < b and c < d and old[b - 1] == new[d - 1]:
        b, d = b - 1, d - 1
    if a == b and c == d:
        return
    if a == b or c == d:
        yield Block(a, b, c, d)
        return
    shortest = _shortest(old[a:b], new[c:d], limit)
    if shortest is not None:
        yield from (Block(a + w, a + x, c + y, c + z) for w, x, y, z in shortest)
        return
    anchors = _anchors(old[a:b], new[c:d])
    if not anchors and limit >= MANY:
        yield Block(a, b, c, d)
        return
    at, new_at = a, c
    for i, j in [*((a + i, c + j) for i, j in anchors), (b, d)]:
        yield from _compare(old, new, at, i, new_at, j, MANY)
        at, new_at = i, j


def _anchors(old: Sequence[bytes], new: Sequence[bytes]) -> list[tuple[int, int]]:
    """The longest run, in order on both sides, of lines that each side holds exactly once."""
    places: dict[bytes, list[int]] = {}
    for index, line in enumerate(old):
        places.setdefault(line, [-1, -1, 0, 0])[2] += 1
        places[line][0] = index
    for index, line in enumerate(new):
        if line in places:
            places[line][3] += 1
            places[line][1] = index
    pairs = sorted((i, j) for i, j, n, m in places.values() if n == m == 1)
    tails: list[int] = []
    tail_at: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        at = bisect_left(tails, j)
        before.append(tail_at[at - 1] if at else -1)
        if at == len(tails):
            tails.append(j)
            tail_at.append(index)
        else:
            tails[at], tail_at[at] = j, index
    found = []
    index = tail_at[-1] if tail_at else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]


def _shortest(old: Sequence[bytes], new: Sequence[bytes], limit: int) -> list[Block] | None:
    """The blocks of a shortest edit script (Myers 1986); None if it has over `limit` lines."""
    n, m = len(old), len(new)
    if abs(n - m) > limit:
        return None
    if set(old).isdisjoint(new):
        return [Block(0, n, 0, m)]
    reach = {1: 0}
    trace: list[dict[int, int]] = []
    for depth in range(min(n + m, limit) + 1):
        trace.append(dict(reach))
        for k in range(-depth, depth + 1, 2):
            down = k == -depth or (k != depth and reach[k - 1] < reach[k + 1])
            x = reach[k + 1] if down else reach[k - 1] + 1
            y = x - k
            while x < n and y < m and old[x] == new[y]:
                x, y = x + 1, y + 1
            reach[k] = x
            if x >= n and y >= m:
                return _script(trace, n, m)
    return None


def _script(trace: list[dict[int, int]], x: int, y: int) -> list[Block]:
    found = []
    for depth in range(len(trace) - 1, 0, -1):
        reach = trace[depth]
        k = x - y
        down = k == -depth or (k != depth and reach[k - 1] < reach[k + 1])
        previous = k + 1 if down else k - 1
        at = reach[previous]
        new_at = at - previous
        found.append(
            Block(at, at, new_at, new_at + 1) if down else Block(at, at + 1, new_at, new_at)
        )
        x, y = at, new_at
    return _merge(reversed(found))


def _hunks(changed: list[Block]) -> Iterator[list[Block]]:
    """Blocks whose context meets share a hunk."""
    hunk: list[Block] = []
    for block in changed:
        if hunk and block.start - hunk[-1].end > 2 * CONTEXT:
            yield hunk
            hunk = []
        hunk.append(block)
    if hunk:
        yield hunk


def _hunk(
    hunk: list[Block], old: Sequence[bytes], new: Sequence[bytes], mask: Mask | None
) -> Iterator[bytes]:
    first, last = hunk[0], hunk[-1]
    lead = min(CONTEXT, first.start)
    start, new_start = first.start - lead, first.new_start - lead
    trail = min(CONTEXT, len(old) - last.end)
    end, new_end = last.end + trail, last.new_end + trail
    yield b"@@ -%s +%s @@\n" % (_range(start, end), _range(new_start, new_end))
    at = start
    for block in hunk:
        yield from (_line(b" ", line, mask) for line in old[at : block.start])
        yield from (_line(b"-", line, mask) for line in old[block.start : block.end])
        yield from (_line(b"+", line, mask) for line in new[block.new_start : block.new_end])
        at = block.end
    yield from (_line(b" ", line, mask) for line in old[at:end])


def _range(start: int, end: int) -> bytes:
    count = end - start
    if count == 1:
        return b"%d" % (start + 1)
    return b"%d,%d" % (start + 1 if count else start, count)


def _line(sign: bytes, line: bytes, mask: Mask | None) -> bytes:
    shown = mask(line) if mask is not None else line
    if line.endswith(b"\n"):
        return sign + shown.removesuffix(b"\n") + b"\n"
    return sign + shown + b"\n" + NO_NEWLINE
