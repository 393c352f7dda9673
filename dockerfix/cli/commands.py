"""The subcommands that only print: `dump`, `explain`, `config`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dockerfix.workspace import Unreadable, Workspace, find_root

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.syntax.nodes import Dockerfile

Names = Annotated[list[str], typer.Argument(help="Dockerfiles.")]


def _app(function: object) -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(function)  # type: ignore[type-var]
    return app


def dump(
    files: Names,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    model: Annotated[bool, typer.Option("--model", help="Stages, bindings and uses.")] = False,
    calls: Annotated[bool, typer.Option("--calls", help="The builds that are started.")] = False,
) -> int:
    """Print the syntax tree of each file, or what was understood of it. Shows no value of ARG
    and ENV with --model and --calls; the tree shows the file as it is."""
    if json + model + calls > 1:
        raise typer.BadParameter("--json, --model and --calls exclude each other.")
    code = 0
    for name in files:
        root = find_root(os.path.dirname(os.path.abspath(name)))
        workspace = Workspace(root)
        path = workspace.relative(name)
        try:
            if path is None:
                raise Unreadable(name, f"it lies outside the root {root}", "name its real path")
            data = workspace.read(path)
        except Unreadable as error:
            print(f"{name}: error: {error.message}; {error.help}", file=sys.stderr)
            code = 2
            continue
        if calls:
            _write(_calls(workspace, path))
            continue
        code = max(code, _model(workspace, path, name) if model else _dump(name, data, json))
    return code


def _dump(name: str, data: bytes, json: bool) -> int:
    import dockerfix
    from dockerfix.syntax import dump as trees

    tree = dockerfix.parse(data, name)
    if json:
        import json as writer

        print(writer.dumps({"path": name, **trees.dump_json(tree)}))
    else:
        _write([f"# {name}", trees.dump_tree(tree).rstrip("\n")])
    return _tell_errors(name, tree)


def _model(workspace: Workspace, path: str, name: str) -> int:
    """What the file means, with the callers and the build context of its root."""
    from dockerfix.engine.snapshot import Memo, Snapshot
    from dockerfix.model.describe import describe

    snapshot = Snapshot(workspace, Memo(), False)
    if snapshot.dockerfile(path) is None:
        print(f"{name}: error: it is no Dockerfile that a builder can read", file=sys.stderr)
        return 2
    context = snapshot.context(path)
    _write([f"# {name}", describe(context.model, context.reader).rstrip("\n")])
    return _tell_errors(name, context.dockerfile)


def _tell_errors(name: str, tree: Dockerfile) -> int:
    for error in tree.errors:
        line = getattr(error, "start_line", None) or getattr(error, "line", 1)
        message = getattr(error, "message", None) or str(error)
        print(f"{name}:{line}: error: {message}", file=sys.stderr)
    return 2 if tree.errors else 0


def _calls(workspace: Workspace, path: str) -> Iterable[str]:
    """The calls that `path` makes, or that build it."""
    from dockerfix.engine.snapshot import Memo, Snapshot

    snapshot = Snapshot(workspace, Memo(), False)
    for call in snapshot.calls:
        if path != call.path and path not in call.dockerfiles:
            continue
        line = workspace.read(call.path).count(b"\n", 0, call.span.start) + 1
        yield f"{call.path}:{line}: {call.tool} ({call.kind})"
        yield f"  builds {', '.join(call.dockerfiles) or 'nothing known'} (by {call.linked_by})"
        yield f"  target {call.target or 'the last stage'}, BuildKit {call.buildkit}"
        for arg in call.args:
            source = f" {arg.variable}" if arg.variable else ""
            yield f"  build argument {arg.name} from {arg.value.value}{source}"
        for secret in call.secrets:
            yield f"  secret {secret.id} from {secret.source or 'the id'}"
        if call.unresolved:
            yield f"  not resolved: {', '.join(call.unresolved)}"
        if call.refusal is not None:
            yield f"  refused: {call.refusal.reason}"


def explain(
    name: Annotated[
        str | None, typer.Argument(metavar="[PASS]", help="The name of a pass.", show_default=False)
    ] = None,
) -> int:
    """Say what a pass finds, why it matters, and what its fix does. Without a name: list the passes."""
    from dockerfix.passes import ALL

    known = {one.name: one for one in ALL}
    if name is None:
        width = max(map(len, known))
        said = ((one, sys.modules[type(known[one]).__module__].__doc__ or "") for one in known)
        _write(f"{one:{width}}  {doc.partition(': ')[2].partition('. ')[0]}" for one, doc in said)
        return 0
    if name not in known:
        raise typer.BadParameter(f"there is no pass {name!r}: there are {', '.join(known)}")
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (package, os.path.dirname(package)):
        page = os.path.join(folder, "docs", "passes", f"{name}.md")
        if os.path.isfile(page):
            with open(page, encoding="utf-8") as file:
                _write([file.read().rstrip("\n")])
            return 0
    module = sys.modules[type(known[name]).__module__]
    _write([(type(known[name]).__doc__ or module.__doc__ or name).strip()])
    return 0


def config(
    file: Annotated[str, typer.Argument(help="The file (or folder) it shall count for.")] = ".",
) -> int:
    """Print the configuration in force for a file, as TOML."""
    from dockerfix.config import ConfigError, load, show

    folder = os.path.isdir(file)
    root = find_root(file if folder else os.path.dirname(os.path.abspath(file)))
    workspace = Workspace(root)
    path = workspace.relative(os.path.join(file, "Dockerfile") if folder else file)
    try:
        found = load(workspace, path or "Dockerfile")
    except ConfigError as error:
        line = f":{error.line}" if error.line else ""
        where = os.path.relpath(workspace.absolute(error.path))
        print(f"{where}{line}: error: {error.message}; {error.help}", file=sys.stderr)
        return 2
    _write(show(found))
    return 0


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
    sys.stdout.buffer.flush()


COMMANDS = {"dump": _app(dump), "explain": _app(explain), "config": _app(config)}
