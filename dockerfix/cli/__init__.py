"""The command line: arguments, streams and exit codes. The only room that prints.

`dockerfix [PATHS]` is one typer command; a first word that names a subcommand is that
subcommand (`commands`). What a run does is in `session`. Everything heavy is imported
late: a file with nothing to report is done before the engine is loaded.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Format", "report", "start"]

SUBCOMMANDS = ("dump", "explain", "config")
EPILOG = (
    "Subcommands: `dockerfix dump FILE...` prints what was understood, `dockerfix explain PASS` "
    "says what a pass does, `dockerfix explain` lists them, `dockerfix config` prints the "
    "configuration in force. "
    "A file of one of these names is ./dump."
)
USAGE_ERROR: type[Exception] = next(
    one for one in typer.BadParameter.__mro__ if one.__name__ == "ClickException"
)


class Format(StrEnum):
    """What stdout is."""

    human = "human"
    json = "json"


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=EPILOG)
def report(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Dockerfiles, folders, or files that start builds; `-`: stdin."),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Print one patch for git apply.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Apply the fixes.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Report quietly, for CI.")] = False,
    unsafe_fixes: Annotated[
        bool, typer.Option("--unsafe-fixes", help="Take unsafe fixes as well.")
    ] = False,
    allow_partial: Annotated[
        bool,
        typer.Option("--allow-partial", help="Fix although a caller cannot be changed."),
    ] = False,
    redact: Annotated[
        bool,
        typer.Option("--redact", help="Mask secrets in the patch, which then cannot be applied."),
    ] = False,
    stdin_filename: Annotated[
        str | None, typer.Option("--stdin-filename", help="Where the file on stdin belongs.")
    ] = None,
    output_format: Annotated[
        Format, typer.Option("--output-format", help="What stdout is.")
    ] = Format.human,
    select: Annotated[
        list[str] | None, typer.Option("--select", help="Run only these passes.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", help="Do not run these passes.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> int:
    """Find secrets that Dockerfiles leak through ARG and ENV, and fix them and their callers.

    Exit codes: 0 nothing left, 1 something left, 2 wrong use, a broken file or a bug.
    """
    if version:
        return _version()
    json = output_format is Format.json
    wrong = _wrong_use(diff, write, check, redact, stdin_filename, paths or [])
    if wrong:
        raise typer.BadParameter(wrong)
    if check and not json and all_clean(paths or []):
        return 0
    from dockerfix.cli.session import Request, Session

    return Session(
        Request(
            paths=tuple(paths or (".",)),
            diff=diff,
            write=write,
            check=check,
            unsafe_fixes=unsafe_fixes,
            allow_partial=allow_partial,
            redact=redact,
            stdin_filename=stdin_filename,
            json=json,
            select=_listed(select),
            ignore=_listed(ignore),
        )
    ).run()


def _listed(values: list[str] | None) -> tuple[str, ...]:
    return tuple(name for value in values or () for name in value.split(",") if name)


def _wrong_use(
    diff: bool, write: bool, check: bool, redact: bool, stdin_filename: str | None, paths: list[str]
) -> str:
    if check and (diff or write):
        return "--check only reports: it goes neither with --diff nor with --write."
    if redact and not diff:
        return "--redact masks a patch: it goes with --diff."
    if redact and write:
        return "--redact makes a patch that cannot be applied: it does not go with --write."
    if "-" in paths and len(paths) > 1:
        return "`-` is the only path when the file comes on stdin."
    if stdin_filename is not None and paths != ["-"]:
        return "--stdin-filename goes with the path `-`."
    return ""


def all_clean(paths: list[str]) -> bool:
    """Whether every path is a Dockerfile of which its bytes alone show that there is nothing to
    say: the answer that the engine would give, without loading it."""
    from dockerfix.workspace.roots import CONFIG, find_root, looks_like_dockerfile

    if not paths:
        return False
    for path in paths:
        name = os.path.abspath(path)
        if not looks_like_dockerfile(os.path.basename(name)) or os.path.islink(name):
            return False
        try:
            if not os.path.isfile(name) or os.path.getsize(name) > 65535:
                return False
            with open(name, "rb") as file:
                data = file.read()
        except OSError:
            return False
        folder, root = os.path.realpath(os.path.dirname(name)), find_root(name)
        if os.path.lexists(os.path.join(root, ".dockerfix-journal")):
            return False
        while True:
            if os.path.lexists(os.path.join(folder, CONFIG)) or _configures(folder):
                return False
            if folder == root or len(folder) < len(root):
                break
            folder = os.path.dirname(folder)
        from dockerfix.engine.plain import plain
        from dockerfix.model.quick import quick

        if b"\0" in data or quick(data) or not plain(data):
            return False
    return True


def _configures(folder: str) -> bool:
    try:
        with open(os.path.join(folder, "pyproject.toml"), "rb") as file:
            return b"dockerfix" in file.read()
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _version() -> int:
    from importlib.metadata import PackageNotFoundError, version

    try:
        print(f"dockerfix {version('dockerfix')}")
    except PackageNotFoundError:
        print("dockerfix (not installed)")
    return 0


def start(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code and raises nothing."""
    command = app
    name = "dockerfix"
    if arguments and arguments[0] in SUBCOMMANDS:
        from dockerfix.cli.commands import COMMANDS

        command, name = COMMANDS[arguments[0]], f"dockerfix {arguments[0]}"
        arguments = arguments[1:]
    try:
        code = command(args=list(arguments), prog_name=name, standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except USAGE_ERROR as error:
        return _failed(arguments, error, "usage", name)
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # Whoever read stdout has gone; Python must not fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 2
    except Exception as error:
        return _failed(arguments, error, "internal")


def _failed(arguments: Sequence[str], error: Exception, kind: str, name: str = "dockerfix") -> int:
    """Tell what ended the run: on stderr, or as the one document of a machine format."""
    if kind == "usage":
        message = str(error.format_message())  # type: ignore[attr-defined]
        message = message.removeprefix("Invalid value: ").removesuffix(".")
        help = f"see {name} --help"
    else:
        # No text of the exception: it may quote a file.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = ""
        if trace is not None:
            file = trace.tb_frame.f_code.co_filename.replace(os.sep, "/")
            where = f" in {file.rpartition('dockerfix/')[2]}:{trace.tb_lineno}"
        message = f"dockerfix failed ({type(error).__name__}{where}); nothing was changed since"
        help = "this is a bug of dockerfix: please report it, with the command that you ran"
    if _wants_json(arguments):
        import json

        from dockerfix.report import failure

        print(json.dumps(failure(message, help, kind), indent=2))
        return 2
    label = "error" if kind == "usage" else "internal error"
    print(f"dockerfix: {label}: {message}; {help}", file=sys.stderr)
    return 2


def _wants_json(arguments: Sequence[str]) -> bool:
    said = list(arguments)
    if "--output-format=json" in said:
        return True
    return any(said[at : at + 2] == ["--output-format", "json"] for at in range(len(said)))
