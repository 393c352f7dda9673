"""Credentials in the URLs that git is given: the same URL without them, and a credential helper
that reads the variable.

The helper is configured where the URL was, so that whoever runs git later with the variable in
the environment is let in as before, and the configuration holds no secret. Works on one command;
knows no Dockerfile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.model.tools import started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.shell import Command, Part, Word

HOLE = "\x01"
URL = re.compile(r"(https?)://([^/@\s]*)@([\w.:-]+)(/[^\s]*)?")
PLAIN = re.compile(r"[\w.+~\x01-]*")
SCOPES = frozenset({"--global", "--system", "--add", "--replace-all", "--local"})


@dataclass(frozen=True, slots=True)
class Plain:
    """A URL without its credentials, and the helper's command that gives them."""

    url: str
    host: str
    helper: str


def flat(word: Word, name: str) -> str | None:
    """The word's text with HOLE for `$NAME`; None where it holds anything else that is computed."""
    found = list(_flat(word.parts, name))
    return None if None in found else "".join(one for one in found if one is not None)


def _flat(parts: tuple[Part, ...], name: str) -> Iterator[str | None]:
    for part in parts:
        if part.kind == "double":
            yield from _flat(part.children, name)
        elif part.kind == "variable" and part.use is not None:
            same = part.use.name == name and part.use.operator in ("", ":-", "-")
            yield HOLE if same and not part.use.word else None
        elif part.literal is not None and HOLE not in part.literal.decode("latin-1"):
            yield part.literal.decode("utf-8", "surrogateescape")
        else:
            yield None


def without_credentials(text: str, name: str) -> Plain | None:
    """`text`, a URL with HOLE in its user info, taken apart."""
    found = URL.fullmatch(text)
    if found is None or HOLE not in found[2] or HOLE in text.replace(found[2], "", 1):
        return None
    user, colon, password = found[2].partition(":")
    if not PLAIN.fullmatch(user) or not PLAIN.fullmatch(password):
        return None
    del colon
    host = f"{found[1]}://{found[3]}"
    return Plain(host + (found[4] or ""), host, helper(user, password, name))


def helper(user: str, password: str, name: str) -> str:
    """A shell function for `credential.helper`, to stand in single quotes."""
    said = [f'echo "username={user}"', f'echo "password={password}"']
    text = "; ".join(said).replace(HOLE, "${" + name + "}")
    return "!f() { " + text + "; }; f"


def config(command: Command, name: str) -> tuple[str, Plain, str] | None:
    """`git config [--global] url.URL.insteadOf VALUE`: the words before the key, the URL, and the
    whole command that takes its place."""
    words = command.words
    if command.prefix or command.redirects or command.name != "git" or len(words) < 4:
        return None
    one = started(command)[0]
    if one.name != "git" or words[1].literal != "config":
        return None
    flags = [word.literal or "" for word in words[2:-2]]
    if not all(flag in SCOPES for flag in flags):
        return None
    key, value = flat(words[-2], name), words[-1].raw.decode("utf-8", "surrogateescape")
    bare = words[-1].literal
    if key is None or bare is None:
        return None
    found = re.fullmatch(r"(?i)url\.(.*)\.((?:push)?insteadof)", key)
    plain = without_credentials(found[1], name) if found else None
    if found is None or plain is None:
        return None
    scope = [flag for flag in flags if flag not in ("--add", "--replace-all")]
    head = " ".join(["git config", *scope])
    text = f"{head} credential.{plain.host}.helper '{plain.helper}'"
    if bare.rstrip("/") != plain.url.rstrip("/"):
        kept = " ".join(["git config", *flags])
        text += f' && {kept} url."{plain.url}".{found[2]} {value}'
    return head, plain, text


def clone(command: Command, name: str) -> tuple[Word, Plain] | None:
    """`git clone URL`: the URL's word, taken apart."""
    words = command.words
    if command.name != "git" or len(words) < 3 or words[1].literal != "clone":
        return None
    found = [(word, flat(word, name)) for word in words[2:] if word.uses]
    if len(found) != 1 or found[0][1] is None:
        return None
    plain = without_credentials(found[0][1], name)
    return (found[0][0], plain) if plain is not None else None
