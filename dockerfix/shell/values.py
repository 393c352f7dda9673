"""What a word is worth where it stands: constants, defaults, and paths that move with the script.

A path that cannot be a plain string is one that starts with a mark: `SCRIPT_DIR` (the folder
of the script file), `START_DIR` (where the script was started), `WORK_TREE` (top of the git
work tree). Nothing here looks at a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING

from dockerfix.globs import fits
from dockerfix.shell import words
from dockerfix.source import Span

if TYPE_CHECKING:
    from dockerfix.shell.nodes import Part, State, Variable

SCRIPT_DIR = "\x02"
START_DIR = "\x03"
WORK_TREE = "\x04"
_MARKS = (SCRIPT_DIR, START_DIR, WORK_TREE)
MOST_VALUES = 16

Values = frozenset[bytes] | None
Foreign = Callable[[Span], bytes | None]


def join(folder: str, path: str) -> str:
    """`path` seen from `folder`, normalised; marks and absolute paths stand for themselves."""
    if path[:1] in _MARKS or path.startswith("/"):
        full = path
    else:
        full = f"{folder}/{path}" if folder else path
    mark = full[:1] if full[:1] in _MARKS else ""
    absolute = not mark and full.startswith("/")
    found: list[str] = []
    for piece in full[len(mark) :].split("/"):
        if piece in ("", "."):
            continue
        if piece == ".." and found and found[-1] != "..":
            found.pop()
        elif piece == ".." and absolute:
            continue
        else:
            found.append(piece)
    tail = "/".join(found)
    if mark == START_DIR:
        return tail
    if mark:
        return f"{mark}/{tail}" if tail else mark
    return f"/{tail}" if absolute else tail


def resolve(
    text: bytes,
    parts: Sequence[Part],
    state: State,
    *,
    defaults: bool = False,
    foreign: Foreign | None = None,
) -> Values:
    """All values that `parts` may have in `state`, or None if some are not known.

    With `defaults`, `${X:-d}` of a variable that nothing assigned is `d`.
    """
    pieces: list[Values] = []
    for part in parts:
        pieces.append(_part(text, part, state, defaults, foreign))
        if pieces[-1] is None:
            return None
    found = frozenset(b"".join(combination) for combination in product(*(p for p in pieces if p)))
    if len(found) > MOST_VALUES or any(p is not None and not p for p in pieces):
        return None
    return found


def one(values: Values) -> bytes | None:
    return next(iter(values)) if values is not None and len(values) == 1 else None


def _part(text: bytes, part: Part, state: State, defaults: bool, foreign: Foreign | None) -> Values:
    literal = part.literal
    if literal is not None:
        return frozenset({literal})
    if part.kind == "double":
        return resolve(text, part.children, state, defaults=defaults, foreign=foreign)
    if part.kind == "foreign":
        known = foreign(part.span) if foreign is not None else None
        return None if known is None else frozenset({known})
    if part.kind == "command":
        return _substitution(text, part, state)
    if part.kind == "variable":
        return _variable(text, part, state, defaults, foreign)
    return None


def _variable(
    text: bytes, part: Part, state: State, defaults: bool, foreign: Foreign | None
) -> Values:
    use = part.use
    if use is None:
        return None
    if use.name in ("0", "BASH_SOURCE") and use.subscript in (b"", b"0"):
        if use.operator == "%" and use.word == b"/*":
            return frozenset({SCRIPT_DIR.encode("utf-8", "surrogateescape")})
        return (
            frozenset({f"{SCRIPT_DIR}/\x05".encode("utf-8", "surrogateescape")})
            if not use.operator
            else None
        )
    if use.name == "PWD" and not use.operator and "PWD" not in state.variables:
        return _folders(state)
    variable = state.variable(use.name)
    values = variable.values if not variable.array else None
    if values is None and defaults:
        values = _default_of(text, variable, foreign)
    if not use.operator and not use.subscript:
        return values
    operand = resolve(text, part.children, state, defaults=defaults, foreign=foreign)
    if not use.word:
        operand = frozenset({b""})
    if use.operator in (":-", "-", ":=", "="):
        if values is None:
            unassigned = variable.assigned == "no"
            return operand if defaults and unassigned else None
        if use.operator.startswith(":") and b"" in values:
            return None if operand is None else (values - {b""}) | operand
        return values
    if use.operator in (":?", "?"):
        return values
    if values is not None and operand is not None and use.operator in ("%", "%%", "#", "##"):
        trimmed = [_trim(v, use.operator, w) for v in values for w in operand]
        return None if None in trimmed else frozenset(t for t in trimmed if t is not None)
    return None


def _default_of(text: bytes, variable: Variable, foreign: Foreign | None) -> Values:
    """What `DOCKER=${DOCKER:-docker}` gives the variable when nobody sets it."""
    if len(variable.contributions) != 1 or variable.array:
        return None
    assignment, conditional, at = variable.contributions[0]
    if conditional or assignment.append or assignment.origin or assignment.value is None:
        return None
    span = assignment.value.span
    if text[span.start : span.end] != assignment.value.raw:
        # It stands in another text: that of the script around this one.
        return None
    return resolve(text, assignment.value.parts, at, defaults=True, foreign=foreign)


def _trim(value: bytes, operator: str, pattern: bytes) -> bytes | None:
    if any(byte in pattern for byte in b"[\\"):
        return None
    size = len(value)
    cuts = range(size + 1) if operator in ("#", "%%") else range(size, -1, -1)
    for cut in cuts:
        piece = value[:cut] if operator[0] == "#" else value[cut:]
        if fits(piece.decode("latin-1"), pattern.decode("latin-1")):
            return value[cut:] if operator[0] == "#" else value[:cut]
    return value


def _folders(state: State) -> Values:
    if state.cwds is None:
        return None
    return frozenset(
        (cwd if cwd[:1] in _MARKS or cwd.startswith("/") else f"{START_DIR}/{cwd}").encode(
            "utf-8", "surrogateescape"
        )
        for cwd in state.cwds
    )


def _substitution(text: bytes, part: Part, state: State) -> Values:
    """`$(pwd)`, `$(dirname "$0")`, `$(cd DIR && pwd)`, `$(git rev-parse --show-toplevel)`."""
    start = part.span.start + (2 if text[part.span.start : part.span.start + 1] == b"$" else 1)
    return _run(text, words.split(text, start, part.span.end - 1), state)


def _run(text: bytes, spans: Sequence[Span], state: State) -> Values:
    raw = [text[span.start : span.end] for span in spans]
    raw = [piece for piece in raw if piece not in (b"--", b"2>/dev/null", b">/dev/null")]
    spans = [
        s for s in spans if text[s.start : s.end] not in (b"--", b"2>/dev/null", b">/dev/null")
    ]
    if raw in ([b"pwd"], [b"pwd", b"-P"]):
        return _folders(state)
    if raw == [b"git", b"rev-parse", b"--show-toplevel"]:
        return frozenset({WORK_TREE.encode("utf-8", "surrogateescape")})
    if not raw:
        return None
    name, last = raw[0], raw[-1].rstrip(b";")
    if name == b"cd" and len(raw) >= 4 and raw[2] == b"&&" and raw[3] == b"pwd":
        inner = _value(text, spans[1], state)
        if inner is None or state.cwds is None:
            return None
        return frozenset(
            _marked(join(cwd, value.decode("utf-8", "surrogateescape")))
            for cwd in state.cwds
            for value in inner
        )
    if name == b"dirname" and len(raw) == 2:
        inner = _value(text, spans[1], state)
        return None if inner is None else frozenset(_dirname(value) for value in inner)
    if name in (b"readlink", b"realpath") and last and all(r.startswith(b"-") for r in raw[1:-1]):
        return _value(text, spans[-1], state)
    if name == b"basename" and len(raw) == 2:
        inner = _value(text, spans[1], state)
        if inner is None or any(b"\x05" in value for value in inner):
            return None
        return frozenset(value.rstrip(b"/").rpartition(b"/")[2] for value in inner)
    return None


def _marked(path: str) -> bytes:
    if path[:1] in _MARKS or path.startswith("/"):
        return path.encode("utf-8", "surrogateescape")
    return f"{START_DIR}/{path}".encode("utf-8", "surrogateescape")


def _dirname(value: bytes) -> bytes:
    head, slash, _ = value.rstrip(b"/").rpartition(b"/")
    return head if head else (b"/" if slash else b".")


def _value(text: bytes, span: Span, state: State) -> Values:
    return resolve(text, words.lex(text, span.start, span.end), state)
