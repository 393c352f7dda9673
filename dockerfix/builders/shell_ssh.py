"""`--ssh` on a build command in shell text: where a key was read from a file for a build argument,
and where an agent is at hand.

The client reads unencrypted key files by itself, and expands no `~` in their path.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.builders.shell_edits import Piece, Replacement, requoted
from dockerfix.finding import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockerfix.builders.call import BuildArg, BuildCall
    from dockerfix.builders.command_line import GivenArg
    from dockerfix.builders.shell_dialect import ShellDialect
    from dockerfix.edits import Operation

_PATH = rb"[\w./~$\{\}\"+@-]+"
_ENCODE = rb"base64(?:\s+(?:-w\s*0|-b\s*0|--wrap=0|-i))*"
_PLAIN = rb"(?:cat\s+|<\s*)(?P<plain>%s)(?:\s*\|\s*tr\s+-d\s+['\"]?\\r['\"]?)?" % _PATH
_BASE64 = rb"(?:%s\s+<?\s*(?P<direct>%s)|cat\s+(?P<piped>%s)\s*\|\s*%s)(?:\s*\|\s*tr\s+-d\s+['\"]?\\n['\"]?)?" % (
    _ENCODE, _PATH, _PATH, _ENCODE,
)  # fmt: skip
_READ = re.compile(rb"\"?(?:\$\(|`)\s*(?:%s|%s)\s*(?:\)|`)\"?" % (_PLAIN, _BASE64))


def key_file(text: bytes, form: str = "plain") -> str | None:
    """F of `$(cat F)`, `$(< F)` or backticks, as the shell expands it in double quotes; with the
    form `base64`, F of `$(base64 F)`."""
    found = _READ.fullmatch(text.strip())
    if found is None or form not in ("plain", "base64"):
        return None
    said = found["plain"] if form == "plain" else found["direct"] or found["piped"]
    if said is None:
        return None
    path = said.replace(b'"', b"").decode()
    if path.startswith("~/"):
        return "$HOME" + path[1:]
    return None if path.startswith("~") else path


def take_ssh(
    dialect: ShellDialect, call: BuildCall, arg: BuildArg, form: str, path: str | None = None
) -> Sequence[Operation] | Refusal:
    """The argument, whose value a key file holds, becomes `--ssh default=FILE`. `path` is the file
    where the text of the call does not say it."""
    given = dialect._given(arg)
    value = given.given.value if given is not None else None
    if call.refusal is not None:
        return call.refusal
    if path is None:
        path = _source(given, form) if given is not None else None
    if given is None or value is None or path is None:
        return Refusal(
            f"{arg.name} does not come from a key file here, and no ssh agent is in sight",
            call.path,
            arg.span,
            "give the build an agent (`--ssh default`) or the key's file (`--ssh default=FILE`)",
        )
    if call.ssh:
        return dialect.drop(call, arg)
    flag = given.given.flag
    text = f'"default={path}"' if "$" in path else f"default={path}"
    if flag.via is not value.via or flag.where != value.where:
        return dialect._refusal("the flag stands in a variable", flag.span)
    if flag.where != "direct":
        return _in_variable(dialect, given, path)
    if given.given.joined:
        changes = [Replacement(value.span, (Piece(b"--ssh=" + text.encode()),))]
    else:
        changes = [
            Replacement(flag.span, (Piece(b"--ssh"),)),
            Replacement(value.span, (Piece(text.encode()),)),
        ]
    return [dialect._site().replace(flag.span, changes, flag.span.start)]


def _in_variable(
    dialect: ShellDialect, given: GivenArg, path: str
) -> Sequence[Operation] | Refusal:
    """The flag in an array or a string of flags."""
    flag, value = given.given.flag, given.given.value
    if value is None or given.given.joined or flag.conditional:
        return dialect._refusal("the flag stands in a variable", flag.span)
    text = f"default={path}".encode()
    changes = [
        Replacement(flag.span, (Piece(requoted(flag, b"--ssh")),)),
        Replacement(value.span, (Piece(requoted(value, text)),)),
    ]
    return [dialect._site_of(flag).replace(flag.span, changes, flag.span.start)]


def add_ssh(dialect: ShellDialect, call: BuildCall, value: str) -> Sequence[Operation] | Refusal:
    """`--ssh VALUE` comes behind the subcommand."""
    if call.refusal is not None:
        return call.refusal
    if call.ssh:
        return ()
    site = dialect._site()
    if site.add_at < 0:
        return dialect._refusal("the build command stands in a variable", dialect.line.command.span)
    text = (Piece(f"--ssh {value}".encode("utf-8", "surrogateescape")),)
    return [site.add_flag("--ssh", text, site.span.start)]


def _source(given: GivenArg, form: str) -> str | None:
    """The file that the value is read from, here or where its one variable is assigned."""
    value = given.given.value
    if value is None:
        return None
    written = value.text.strip(b"\"'").removeprefix(b"--build-arg=").lstrip(b"\"'")
    path = key_file(written.partition(b"=")[2].strip(b'"'), form)
    if path is not None or given.variable is None:
        return path
    held = [one for one in given.script.assignments if one.name == given.variable]
    if len(held) != 1 or held[0].value is None or held[0].append:
        return None
    path = key_file(held[0].value.raw, form)
    named = re.match(r"\$\{?([A-Za-z_]\w*)", path or "")
    if path is None or (named is None and not path.startswith("/")):
        return None
    known = [one for one in given.script.assignments if named and one.name == named[1]]
    return path if len(known) < 2 else None
