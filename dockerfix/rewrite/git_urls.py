"""Credentials in the URLs and headers that git is given: the same without them, and a credential
helper that reads the variable.

The helper is configured where the URL was, so that whoever runs git later with the variable in
the environment is let in as before, and the configuration holds no secret. Works on one command;
knows no Dockerfile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from dockerfix.model.tools import started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.shell import Command, Part, Word

OPEN, CLOSE = "\x01", "\x02"
READ = re.compile(f"{OPEN}(\\w+){CLOSE}")
PIECE = f"(?:[\\w.+~-]|{OPEN}\\w+{CLOSE})"
URL = re.compile(f"(https?)://([^/@\\s]*)@((?:[\\w.:-]|{OPEN}\\w+{CLOSE})+)(/[^\\s]*)?")
SCOPES = frozenset({"--global", "--system", "--add", "--replace-all", "--local"})
UNSET = frozenset({"--unset", "--unset-all", "--remove-section", "unset"})
BASIC = re.compile(
    r"(?i)^[\"']?authorization:\s*basic\s+\$\(\s*(?:echo\s+-n|printf(?:\s+[\"']?%s[\"']?)?)\s+"
    r"[\"']?(?P<login>[^\s\"'|]+)[\"']?\s*\|\s*base64(?:\s+(?:-w\s*0|--wrap=0))?"
    r"(?:\s*\|\s*tr\s+-d\s+\S+)?\s*\)[\"']?$"
)


@dataclass(frozen=True, slots=True)
class Plain:
    """A URL without its credentials, its host, and the helper's command that gives them. OPEN and
    CLOSE stand round the variables in `url` and `host`; `names` are those that the helper reads."""

    url: str
    host: str
    helper: str
    names: tuple[str, ...]

    @property
    def key(self) -> str:
        """`credential.HOST.helper` as a word of the shell."""
        key = f"credential.{self.host}.helper" if self.host else "credential.helper"
        return in_shell(key)


def in_shell(text: str) -> str:
    """`text` as a word of the shell, with its variables."""
    word = READ.sub(r"${\1}", text)
    if OPEN in text:
        return f'"{word}"'
    return f"'{word}'" if set(word) & set("&?*[]();<>|$`\"' ") else word


def flat(word: Word) -> str | None:
    """The word's text, with OPEN NAME CLOSE for `$NAME`; None where anything else is computed."""
    found = list(_flat(word.parts))
    return None if None in found else "".join(one for one in found if one is not None)


def _flat(parts: tuple[Part, ...]) -> Iterator[str | None]:
    for part in parts:
        if part.kind == "double":
            yield from _flat(part.children)
        elif part.kind == "variable" and part.use is not None:
            plain = part.use.operator in ("", ":-", "-") and not part.use.word.strip()
            usual = re.fullmatch(r"[A-Za-z_]\w*", part.use.name) and not part.use.assigned_before
            yield OPEN + part.use.name + CLOSE if plain and usual else None
        elif part.literal is not None and not {1, 2} & set(part.literal):
            yield part.literal.decode("utf-8", "surrogateescape")
        else:
            yield None


def without_credentials(text: str, name: str) -> Plain | None:
    """`text`, a URL with the variable `name` in its user info, taken apart."""
    found = URL.fullmatch(text)
    held = f"{OPEN}{name}{CLOSE}"
    if found is None or held not in found[2] or held in found[3] + (found[4] or ""):
        return None
    host = f"{found[1]}://{found[3]}"
    return _login(found[2], host + (found[4] or ""), host)


def _login(text: str, url: str, host: str) -> Plain | None:
    user, _, password = text.partition(":")
    if not re.fullmatch(f"{PIECE}*", user) or not re.fullmatch(f"{PIECE}*", password):
        return None
    said = [f'echo "username={user}"', f'echo "password={password}"']
    helper = "!f() { " + READ.sub(r"${\1}", "; ".join(said)) + "; }; f"
    return Plain(url, host, helper, tuple(dict.fromkeys(READ.findall(text))))


def config(command: Command, name: str) -> tuple[Plain, str] | None:
    """`git config [--global] url.URL.insteadOf VALUE` or `http.URL.extraHeader VALUE`: the login,
    and the whole command that takes its place."""
    words = command.words
    if command.prefix or command.redirects or command.name != "git" or len(words) < 4:
        return None
    if started(command)[0].name != "git" or words[1].literal != "config":
        return None
    flags = [word.literal or "" for word in words[2:-2]]
    if not all(flag in SCOPES for flag in flags):
        return None
    scope = [flag for flag in flags if flag not in ("--add", "--replace-all")]
    head = " ".join(["git config", *scope])
    plain = _header(words[-2], words[-1], name)
    if plain is not None:
        return plain, f"{head} {plain.key} '{plain.helper}'"
    key, value = flat(words[-2]), words[-1].raw.decode("utf-8", "surrogateescape")
    found = re.fullmatch(r"(?i)url\.(.*)\.((?:push)?insteadof)", key or "")
    plain = without_credentials(found[1], name) if found else None
    bare = words[-1].literal
    if found is None or plain is None or bare is None:
        return None
    text = f"{head} {plain.key} '{plain.helper}'"
    if bare.rstrip("/") != plain.url.rstrip("/"):
        kept = " ".join(["git config", *flags])
        url = READ.sub(r"${\1}", plain.url)
        text += f' && {kept} url."{url}".{found[2]} {value}'
    return plain, text


def _header(key: Word, value: Word, name: str) -> Plain | None:
    """`http.[URL.]extraHeader "Authorization: basic $(echo -n USER:$NAME | base64)"`."""
    found = re.fullmatch(r"(?i)http\.(?:(https?://[\w.:-]+)/?\.)?extraheader", key.literal or "")
    basic = BASIC.match(value.raw.decode("utf-8", "surrogateescape"))
    if found is None or basic is None:
        return None
    login = re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda use: OPEN + (use[1] or use[2]) + CLOSE, basic[1])
    if f"{OPEN}{name}{CLOSE}" not in login or "$" in login:
        return None
    return _login(login, "", found[1] or "")


def clone(command: Command, name: str) -> tuple[Word, Plain] | None:
    """`git clone URL`: the URL's word, taken apart."""
    words = command.words
    if command.name != "git" or len(words) < 3 or words[1].literal != "clone":
        return None
    return _only(words[2:], name)


def remote(command: Command, name: str) -> tuple[Word, Plain] | None:
    """`git remote add|set-url NAME URL`: the URL's word, taken apart."""
    words = command.words
    if command.name != "git" or len(words) < 5 or words[1].literal != "remote":
        return None
    return _only(words[3:], name) if words[2].literal in ("add", "set-url") else None


def _only(words: tuple[Word, ...], name: str) -> tuple[Word, Plain] | None:
    found = [word for word in words if any(use.name == name for use in word.uses)]
    text = flat(found[0]) if len(found) == 1 else None
    plain = without_credentials(text, name) if text is not None else None
    return (found[0], plain) if plain is not None else None


def stored(command: Command, name: str) -> Plain | None:
    """`echo https://USER:$NAME@HOST > FILE`, for the helper that reads such a file."""
    if command.name not in ("echo", "printf") or len(command.words) != 2:
        return None
    text = flat(command.words[1])
    return without_credentials(text.removesuffix("\\n"), name) if text is not None else None


def keeps(command: Command) -> bool:
    """`git config credential.helper store`: git then writes each login that works into a file."""
    words = [word.literal or "" for word in command.words]
    return words[:2] == ["git", "config"] and any(
        key.startswith("credential.")
        and key.endswith(".helper")
        and value.split()[:1] in (["store"], ["cache"])
        for key, value in pairwise(words)
    )


def unsets(command: Command, name: str) -> bool:
    """`git config --unset url.https://$NAME@HOST/.insteadOf`, which fails where there is none."""
    words = [word.literal or "" for word in command.words]
    return (
        words[:2] == ["git", "config"]
        and any(word in UNSET for word in words[2:])
        and any(use.name == name for word in command.words for use in word.uses)
    )
