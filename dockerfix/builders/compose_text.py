"""What compose puts into a value: `$X`, `${X}`, `${X:-word}` and their kin, `$$` for a dollar.

Knows nothing of YAML: it is given a scalar's text. The rules are compose-go's `template`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

DOLLARS = re.compile(rb"\$\$")
VARIABLE = re.compile(rb"\$\$|\$\{?([A-Za-z_][A-Za-z0-9_]*)")
"""`$$`, or the start of a substitution, with the variable's name."""
_DOLLAR = re.compile(r"\$(?:\$|([A-Za-z_][A-Za-z0-9_]*)|\{)")
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:?[-?+])?")


class Part(NamedTuple):
    """Literal `text`, or the variable `name` with its operator and the operator's `word`."""

    text: str = ""
    name: str = ""
    operator: str = ""
    word: str = ""


def parts(text: str) -> tuple[Part, ...]:
    """The parts of an interpolated value. What is no valid substitution is literal text."""
    found: list[Part] = []
    at = 0
    while at < len(text):
        hit = _DOLLAR.search(text, at)
        if hit is None:
            found.append(Part(text[at:]))
            break
        if hit.start() > at:
            found.append(Part(text[at : hit.start()]))
        at = hit.end()
        if hit[0] == "$$":
            found.append(Part("$"))
        elif hit[1]:
            found.append(Part(name=hit[1]))
        else:
            braced, at = _braces(text, hit.end())
            found.append(braced or Part(text[hit.start() : at]))
    return tuple(found)


def _braces(text: str, start: int) -> tuple[Part | None, int]:
    """The substitution whose `${` ends at `start`, and the offset behind its brace."""
    depth, at = 1, start
    while at < len(text) and depth:
        if text.startswith("${", at):
            depth, at = depth + 1, at + 2
            continue
        if text[at] == "}":
            depth -= 1
        at += 1
    if depth:
        return None, len(text)
    inside = text[start : at - 1]
    head = _BRACED.match(inside)
    if head is None or (head.end() < len(inside) and not head[2]):
        return None, at
    return Part("", head[1], head[2] or "", inside[head.end() :]), at


def one_variable(text: str) -> str | None:
    """The variable that `text` is exactly: `$X`, `${X}`, or with an empty default; else None."""
    found = parts(text)
    if len(found) != 1 or not found[0].name or found[0].word:
        return None
    return found[0].name if found[0].operator in ("", ":-", "-") else None


def required(text: str) -> str | None:
    """The variable that `text` is exactly, with an error of its own where it is not set."""
    found = parts(text)
    return found[0].name if len(found) == 1 and found[0].operator in (":?", "?") else None


def literal(text: str) -> str | None:
    """The value of a text without substitutions, None for any other."""
    found = parts(text)
    return None if any(one.name for one in found) else "".join(one.text for one in found)


def resolved(text: str, environment: Mapping[str, str]) -> str | None:
    """The value with variables taken from `environment` or their defaults; None if one has none."""
    value = ""
    for one in parts(text):
        if not one.name:
            value += one.text
            continue
        held = environment.get(one.name)
        if one.operator in ("-", ":-"):
            if held is None or (not held and one.operator == ":-"):
                held = resolved(one.word, environment)
        elif one.operator:
            return None
        if held is None:
            return None
        value += held
    return value


def read_environment(data: bytes) -> dict[str, str]:
    """The plain `NAME=value` lines of a `.env` file."""
    found = {}
    for line in data.decode("utf-8", "replace").splitlines():
        hit = re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*", line)
        if hit is None:
            continue
        value = hit[2]
        if value[:1] in ("'", '"') and value[-1:] == value[:1] and len(value) > 1:
            value = value[1:-1]
        else:
            value = re.split(r"\s#", value)[0].rstrip()
        if "$" not in value:
            found[hit[1]] = value
    return found
