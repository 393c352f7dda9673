"""Where an ssh agent is at hand: in a shell text, or after steps of a job that start one."""

from __future__ import annotations

import re
from functools import cache

SOCKET = "SSH_AUTH_SOCK"
_WORDS = re.compile(rb"\bssh-agent\b|\bssh-add\b|\bSSH_AUTH_SOCK\b")
_COMMENT = re.compile(rb"(?m)^[ \t]*#.*$")


def evident(text: bytes) -> bool:
    """Whether a shell text starts an agent, fills one, or names its socket."""
    return _WORDS.search(_COMMENT.sub(b"", text)) is not None


def keeps(text: bytes) -> bool:
    """Whether the script of a step leaves an agent to the steps behind it."""
    return evident(text) and b"GITHUB_ENV" in text and b"SSH_AUTH_SOCK" in text


def action(uses: str) -> bool:
    """Whether the action starts an agent for the steps behind it."""
    return uses.partition("@")[0].lower() in _actions()


@cache
def _actions() -> frozenset[str]:
    import tomllib
    from importlib.resources import files

    text = files("dockerfix.builders").joinpath("actions.toml").read_text("utf-8")
    return frozenset(row["action"].lower() for row in tomllib.loads(text)["agent"])
