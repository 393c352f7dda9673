"""Shell patterns in substitutions: `${X#p}`, `${X%p}`, `${X/p/r}` as BuildKit matches them.

Only `*`, `?` and backslash are special (rule 2.3): no brackets, no character classes.
"""

from __future__ import annotations

import re


class PatternError(ValueError):
    """BuildKit refuses the pattern."""


def _pattern(pattern: str, *, greedy: bool, anchored: bool) -> re.Pattern[str]:
    """A shell pattern (`*` and `?`, no brackets) as a regular expression."""
    out = ["^"] if anchored else []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            out.append(".*" if greedy else ".*?")
        elif character == "?":
            out.append(".")
        elif character == "\\":
            following = pattern[at : at + 1]
            if following in ("}", "/") and following:
                continue
            if following not in ("*", "?", "\\") or not following:
                shown = following or "\ufffd"
                raise PatternError(
                    f"invalid pattern ({pattern}) in substitution: invalid escape '\\{shown}'"
                )
            out.append(re.escape(following))
            at += 1
        else:
            out.append(re.escape(character))
    return re.compile("".join(out))


def trimmed(value: str, pattern: str, *, suffix: bool, greedy: bool) -> str:
    """`value` without what `pattern` matches at its beginning, or at its end."""
    if not suffix:
        found = _pattern(pattern, greedy=greedy, anchored=True).search(value)
        return value[found.end() :] if found else value
    # The shortest match at the end is found by looking from the other side.
    units = re.findall(r"\\.|.", pattern, re.DOTALL)
    found = _pattern("".join(reversed(units)), greedy=greedy, anchored=True).search(value[::-1])
    return value[: len(value) - found.end()] if found else value


def replaced(value: str, pattern: str, text: str, *, every: bool) -> str:
    """`value` with what `pattern` matches turned into `text`, once or everywhere."""
    compiled = _pattern(pattern, greedy=True, anchored=False)
    if not every:
        found = compiled.search(value)
        return value[: found.start()] + text + value[found.end() :] if found else value
    out: list[str] = []
    last = 0
    for found in compiled.finditer(value):
        if found.start() == found.end() == last and out:
            continue  # Go takes no empty match right behind another match.
        out += (value[last : found.start()], text)
        last = found.end()
    out.append(value[last:])
    return "".join(out)
