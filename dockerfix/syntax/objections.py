"""Why BuildKit refuses an instruction, in its own words, and what it merely does not know.

Two kinds of reasons: the tokens do not make the instruction's shape (`to_shape`), or they
do and mean something that BuildKit rejects (`to_meaning`). Flags and keywords that are only
unknown are notes: a newer Docker may have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dockerfix.syntax import heredocs, shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.syntax.flags import Flag
    from dockerfix.syntax.instructions import Instruction
    from dockerfix.syntax.tree import ExecForm


class Objection(NamedTuple):
    """A message, and whether BuildKit stops at `parse` or when it comes to `instructions`."""

    message: str
    stage: str = "instructions"


UNEXPLAINED = Objection("syntax error")
NOT_STRINGS = Objection(
    "when using JSON array syntax, arrays must be comprised of strings only", "parse"
)
STRING, STRINGS, BOOL = "string", "strings", "bool"
HEALTH_FLAGS = dict.fromkeys(
    ("interval", "timeout", "start-period", "start-interval", "retries"), STRING
)
FLAGS: dict[str, dict[str, str]] = {
    "add": {
        "chown": STRING, "chmod": STRING, "link": BOOL, "keep-git-dir": BOOL,
        "checksum": STRING, "unpack": BOOL, "exclude": STRINGS,
    },
    "copy": {
        "chown": STRING, "from": STRING, "chmod": STRING, "link": BOOL, "exclude": STRINGS,
        "parents": BOOL,
    },
    "from": {"platform": STRING},
    "run": {"mount": STRINGS, "network": STRING, "security": STRING, "device": STRINGS},
    "healthcheck": HEALTH_FLAGS,
    "cmd": {}, "entrypoint": {}, "env": {}, "expose": {}, "label": {}, "maintainer": {},
    "onbuild": {}, "shell": {}, "user": {}, "volume": {}, "workdir": {},
}  # fmt: skip
"""The flags of each instruction. ARG and STOPSIGNAL ignore whatever stands there."""


def to_shape(name: str, text: bytes, tokens: Sequence[shapes.Token]) -> Objection:
    """Why `tokens` (without keyword and flags) are not the arguments of `name`."""
    upper = name.upper()
    kinds = [token[0] for token in tokens]
    if name == "":
        return Objection("unknown instruction: ")
    if name == "from":
        return _from(text, tokens)
    if name in ("copy", "add"):
        return Objection(
            f"{upper} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )
    if name in ("user", "workdir", "stopsignal", "maintainer"):
        return Objection(f"{upper} requires exactly one argument")
    if not tokens:
        return Objection(f"{upper} requires at least one argument")
    if name in ("env", "label"):
        if kinds == ["NAME"]:
            return Objection(f"{upper} must have two arguments", "parse")
        bare = _bare_name(tokens)
        if bare is not None:
            word = text[bare[1] : bare[2]].decode("utf-8", "replace")
            message = f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value'
            return Objection(message, "parse")
    if name in ("env", "label", "arg"):
        return Objection(f"{upper} names can not be blank")
    if name == "shell":
        return Objection("SHELL requires the arguments to be in JSON form")
    if name == "healthcheck":
        if kinds[0] == "NONE":
            return Objection("HEALTHCHECK NONE takes no arguments")
        if kinds[0] == "CMD":
            return Objection("Missing command after HEALTHCHECK CMD")
        word = text[tokens[0][1] : tokens[0][2]].decode("utf-8", "replace").upper()
        return Objection(f'Unknown type "{word}" in HEALTHCHECK (try CMD)')
    return UNEXPLAINED


def _from(text: bytes, tokens: Sequence[shapes.Token]) -> Objection:
    if [token[0] for token in tokens[1:]] == ["AS", "WORD"]:
        name = text[tokens[2][1] : tokens[2][2]].decode("utf-8", "replace")
        return Objection(
            f'invalid name for build stage: "{name}", '
            "name can't start with a number or contain symbols"
        )
    return Objection("FROM requires either one or three arguments")


def _bare_name(tokens: Sequence[shapes.Token]) -> shapes.Token | None:
    for token, following in zip(tokens, (*tokens[1:], ("", 0, 0)), strict=True):
        if token[0] == "NAME" and following[0] not in ("EQUALS", "GAP"):
            return token
    return None


def to_flags(instruction: Instruction) -> Objection | None:
    """The first flag that BuildKit knows and refuses as it is written."""
    known = FLAGS.get(instruction.name)
    if known is None:
        return None
    seen: set[str] = set()
    for flag in instruction.flags:
        kind = known.get(flag.name)
        if kind is None:
            continue
        if flag.name in seen and kind != STRINGS:
            return Objection(f"duplicate flag specified: --{flag.name}")
        seen.add(flag.name)
        value = flag.value
        if value is None and kind != BOOL:
            return Objection(f"missing a value on flag: --{flag.name}")
        if kind == BOOL and value is not None:
            if value == "":
                return Objection(f"missing a value on flag: --{flag.name}")
            if value.lower() not in ("true", "false"):
                shown = f"--{flag.name}, not: {value}"
                return Objection(f"expecting boolean value for flag {shown}")
        if instruction.name == "run" and flag.name == "mount":
            objection = _mount(flag)
            if objection is not None:
                return objection
    return None


def _mount(flag: Flag) -> Objection | None:
    if flag.mount is None:
        reason = "EOF" if not flag.value else "parse error on line 1"
        return Objection(f"failed to parse csv mounts: {reason}")
    for key, value in flag.mount.options:
        if key == "from" and value is not None and -1 < value.find("$") < len(value) - 1:
            return Objection(
                "'from' doesn't support variable expansion, define alias stage instead"
            )
    return None


def to_exec(name: str, form: ExecForm) -> Objection | None:
    """What is wrong with the strings of an exec form."""
    if not form.strings_only:
        return NOT_STRINGS
    words = form.words
    upper = name.upper()
    if name in ("copy", "add") and len(words) < 2:
        return to_shape(name, b"", ())
    if name in ("shell", "volume") and not words:
        return Objection(f"{upper} requires at least one argument")
    if name == "healthcheck" and not words:
        return Objection("Missing command after HEALTHCHECK CMD")
    if name == "volume" and any(not word.raw.strip() for word in words):
        return Objection("VOLUME specified can not be an empty string")
    return None


def to_trigger(trigger: Instruction | None, failure: Objection | None) -> Objection | None:
    """What is wrong with the instruction inside ONBUILD."""
    if trigger is None:
        return None
    if failure is not None and failure.stage == "parse":
        return failure
    name = trigger.name
    if name == "onbuild":
        return Objection("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if name in ("maintainer", "from"):
        return Objection(f"{name.upper()} isn't allowed as an ONBUILD trigger")
    return None


def to_destination(name: str, word: bytes) -> Objection | None:
    """COPY and ADD cannot write to a heredoc."""
    if b"<<" in word and heredocs.is_heredoc(word):
        return Objection(f"{name.upper()} cannot accept a heredoc as a destination")
    return None


def notes(instruction: Instruction) -> list[str]:
    """What BuildKit refuses only because it does not know it (law 3)."""
    known = FLAGS.get(instruction.name)
    if known is None:
        return []
    return [f"unknown flag: --{flag.name}" for flag in instruction.flags if flag.name not in known]
