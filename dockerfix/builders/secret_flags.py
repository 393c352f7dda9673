"""What a `--secret` flag says (rule 5.2), and how people get it wrong.

Knows the text alone: variables in it stand as `\\x01NAME\\x02`. Whether the value of a variable can
be meant where a name or a path belongs is not known here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.builders.call import Fault, SecretFlag

if TYPE_CHECKING:
    from dockerfix.source import Span

KEYS = frozenset({"id", "src", "source", "env", "type"})
_VARIABLE = re.compile(r"\x01(\w+)\x02")
_NAME = re.compile(r"[\w.-]+")


def variable(name: str) -> str:
    """A variable as it stands in a flag's text."""
    return f"\x01{name}\x02"


def read(text: str, span: Span) -> SecretFlag:
    """The flag, with its fault if it has one."""
    fields = [one.partition("=") for one in text.split(",")] if text else []
    keys = {key.strip().lower(): value for key, _, value in fields}
    flag = SecretFlag(_plain(keys.get("id", "")), _source(keys), span)
    odd = [one for one in fields if one[0].strip().lower() not in KEYS]
    if odd:
        return _without_id(flag, fields[0]) if odd == fields[:1] and not flag.id else flag
    for key, says in (
        ("id", "the value of {0} stands where the id of the secret belongs"),
        ("env", "`env=` has the value of {0}, and wants the name of the variable"),
        ("src", "`src=` has the value of {0}, and wants the path of a file"),
        ("source", "`source=` has the value of {0}, and wants the path of a file"),
    ):
        found = _VARIABLE.fullmatch(keys.get(key, ""))
        if found is None:
            continue
        id = _plain(keys.get("id", "")) or found[1]
        fault = Fault(key, says.format(found[1]), found[1], f"id={id},env={found[1]}")
        return flag._replace(id=id if key != "id" else "", source="?", fault=fault)
    return flag


def _without_id(flag: SecretFlag, first: tuple[str, str, str]) -> SecretFlag:
    """`NPM_TOKEN`, `NPM_TOKEN=$NPM_TOKEN`, `NPM_TOKEN,env=NPM_TOKEN`."""
    id, equals, _ = first
    if not _NAME.fullmatch(id):
        return flag
    mended = "" if equals else f"id={id}"
    if mended and flag.source:
        kind, _, rest = flag.source.partition(":")
        mended += f",{'src' if kind == 'file' else kind}={rest}"
    says = f"the flag has no `id=`, and `{id}` is no key that it knows"
    return flag._replace(id=id, source="?", fault=Fault("no-id", says, "", mended))


def _source(keys: dict[str, str]) -> str:
    path = keys.get("src") or keys.get("source")
    if keys.get("env"):
        return f"env:{keys['env']}"
    return f"file:{path}" if path else ""


def _plain(text: str) -> str:
    return "" if "\x01" in text else text
