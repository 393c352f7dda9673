"""One run of `dockerfix [PATHS]`: which roots, what is done with the results, what is printed.

stdout is the patch alone with --diff, one document with a machine format, the fixed text
with `-`, else the findings; everything else goes to stderr.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockerfix import report
from dockerfix.engine import Options, Problem, Result, run
from dockerfix.report import Names
from dockerfix.workspace import Unreadable, Workspace, WriteError, find_root, looks_like_dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for."""

    paths: tuple[str, ...]
    diff: bool = False
    write: bool = False
    check: bool = False
    unsafe_fixes: bool = False
    allow_partial: bool = False
    redact: bool = False
    stdin_filename: str | None = None
    json: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @property
    def filter(self) -> bool:
        """Whether stdout is the fixed text of what came on stdin."""
        return self.paths == ("-",) and not (self.diff or self.check or self.json)

    @property
    def fixes(self) -> bool:
        return self.diff or self.write or self.filter


class Session:
    """Runs one request; `run` returns the exit code."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.cwd = os.getcwd()
        self.results: list[tuple[Result, Names]] = []
        self.errors: list[tuple[Problem, Names]] = []
        self.here = Names(self.cwd, os.path.realpath(self.cwd), False)

    def run(self) -> int:
        self.check_passes()
        if self.request.paths == ("-",):
            return self.standard_input()
        for root, paths in self.roots(self.request.paths).items():
            workspace = Workspace(root)
            self.recover(workspace)
            self.take(run(workspace, tuple(paths), self.options()))
        return self.finish()

    def options(self, only: frozenset[str] | None = None) -> Options:
        return Options(
            fix=self.request.fixes,
            unsafe_fixes=self.request.unsafe_fixes,
            allow_partial=self.request.allow_partial,
            select=self.request.select,
            ignore=self.request.ignore,
            only=only,
        )

    def check_passes(self) -> None:
        """A pass that does not exist is wrong use: a typing error must not switch nothing off."""
        named = (*self.request.select, *self.request.ignore)
        if not named:
            return
        import typer

        from dockerfix.passes import ALL

        known = [one.name for one in ALL]
        for name in named:
            if name not in known:
                from difflib import get_close_matches

                near = get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                raise typer.BadParameter(f"there is no pass {name!r}: {hint}")

    # Which roots.

    def roots(self, paths: Iterable[str]) -> dict[str, dict[str, None]]:
        """Root -> the root-relative paths in it. A folder brings the roots that lie in it."""
        found: dict[str, dict[str, None]] = {}
        for path in paths:
            if not os.path.lexists(path):
                self.fail(
                    Problem(path, "there is no such file or folder", "check the path", kind="usage")
                )
                continue
            folder = os.path.isdir(path) and not os.path.islink(path)
            if folder and looks_like_dockerfile(os.path.basename(os.path.abspath(path))):
                folder = not os.path.exists(os.path.join(path, ".git"))
                root = find_root(os.path.dirname(os.path.abspath(path)))
            else:
                root = find_root(path if folder else os.path.dirname(os.path.abspath(path)))
            workspace = Workspace(root)
            inside = workspace.relative(path)
            if inside is None:
                self.fail(
                    Problem(path, f"it lies outside the root {root}", "name it by its real path")
                )
                continue
            found.setdefault(root, {})[inside] = None
            if folder:
                for nested in _nested(workspace, inside):
                    found.setdefault(nested, {})[""] = None
        return found

    def recover(self, workspace: Workspace) -> None:
        try:
            said = workspace.recover()
        except WriteError as error:
            self.fail(_write_problem(error), Names(workspace.root, self.here.cwd, False))
            return
        if said:
            self.say(f"dockerfix: note: {said} (root {workspace.root})")

    def fail(self, problem: Problem, names: Names | None = None) -> None:
        self.errors.append((problem, names or self.here))

    def take(self, result: Result) -> None:
        names = Names.of(result.workspace, result.changes, self.cwd)
        self.results.append((result, names))
        self.errors.extend((one, names) for one in result.errors)

    # What is done.

    def finish(self) -> int:
        patch = self.patch() if self.request.diff else None
        if self.request.write:
            self.write()
        code = self.exit_code(patch)
        if self.request.json:
            self.print_document(code, patch)
        else:
            self.print_report(to_stdout=not (self.request.diff or self.request.write))
            if patch is not None:
                _out(patch)
        return code

    def patch(self) -> bytes:
        from dockerfix.diff import masking, patch

        out = []
        for result, names in self.results:
            mask = masking(result.secret_values) if self.request.redact else None
            for path, (old, new) in result.changes.items():
                out.append(patch(names(path), old, new, mask))
            if result.changes and names.from_root:
                self.say(
                    f"dockerfix: note: a changed file lies outside this folder: apply the patch with "
                    f"`git -C {result.workspace.root} apply`"
                )
        if self.request.redact and out:
            self.say("dockerfix: note: secrets are masked: this patch cannot be applied")
        return b"".join(out)

    def write(self) -> None:
        for index, (result, names) in enumerate(self.results):
            if not result.changes:
                continue
            try:
                result.workspace.write({path: new for path, (_, new) in result.changes.items()})
            except WriteError as error:
                self.fail(_write_problem(error), names)
                kept = tuple(
                    replace(one, outcome="left") if one.outcome == "fixed" else one
                    for one in result.findings
                )
                self.results[index] = (replace(result, findings=kept, changes={}), names)

    def exit_code(self, patch: bytes | None) -> int:
        if self.errors:
            return 2
        left = any(result.left for result, _ in self.results)
        return 1 if left or (patch and not self.request.write) else 0

    # What is printed.

    def say(self, line: str) -> None:
        print(report.printable(line), file=sys.stderr)

    def print_document(self, code: int, patch: bytes | None) -> None:
        import json

        found = report.document(self.results, self.errors, code, patch)
        _out(json.dumps(found, indent=2).encode("ascii") + b"\n")

    def print_report(self, *, to_stdout: bool) -> None:
        stream = sys.stdout if to_stdout else sys.stderr
        for result, names in self.results:
            for one in result.findings:
                if self.request.check:
                    print(report.brief(one, names), file=stream)
                else:
                    for line in report.full(one, names):
                        print(line, file=stream)
        stream.flush()
        for problem, names in self.errors:
            self.say(report.problem(problem, names))
        if self.request.check:
            return
        for result, names in self.results:
            for note in result.notes:
                self.say(report.problem(note, names))
            for line in report.remarks(result, names):
                self.say(line)
        for line in report.aftermath(result for result, _ in self.results):
            self.say(line)
        numbers = report.counts([result for result, _ in self.results], len(self.errors))
        applied, written = self.request.fixes, self.request.write
        for line in report.summary(numbers, applied=applied, written=written):
            self.say(line)

    # The filter.

    def standard_input(self) -> int:
        """`-`: the file on stdin stands for the one of that name on disk (trap 40)."""
        data = sys.stdin.buffer.read()
        name = self.request.stdin_filename or "Dockerfile"
        root = find_root(os.path.dirname(os.path.abspath(name)))
        disk = Workspace(root)
        path = disk.relative(name)
        if path is None:
            self.fail(Problem(name, f"it lies outside the root {root}", "name it by its real path"))
            return self.filtered(data, data, {})
        self.recover(disk)
        buffer = disk.overlay({path: data})
        free = self.request.write or self.request.diff
        result = run(buffer, (path,), self.options(None if free else frozenset({path})))
        others = {one: new for one, (_, new) in result.changes.items() if one != path}
        if others and self.request.write and not self._same_on_disk(disk, path, data, others):
            result = run(buffer, (path,), self.options(frozenset({path})))
            others = {}
            self.say(
                f"{name}: note: files on disk would change too, and stdin is not what is on disk: "
                "save the file first"
            )
        if not self.request.filter:
            self.take(result)
            # With --write the text goes to stdout or nowhere: the file on disk is the editor's.
            self.request = replace(self.request, write=False)
            return self.finish()
        self.take(result)
        return self.filtered(data, result.changes.get(path, (data, data))[1], others)

    def _same_on_disk(
        self, disk: Workspace, path: str, data: bytes, others: dict[str, bytes]
    ) -> bool:
        """Whether what is on disk asks the same of the callers as what is on stdin."""
        try:
            if disk.read(path) == data:
                return True
        except Unreadable:
            return False
        found = run(Workspace(disk.root), (path,), self.options()).changes
        return {one: new for one, (_, new) in found.items() if one != path} == others

    def filtered(self, old: bytes, new: bytes, others: dict[str, bytes]) -> int:
        """Write the callers, then print the text: fixed, or as it came if anything failed."""
        if not self.errors and others:
            result, names = self.results[0]
            try:
                result.workspace.write(others)
            except WriteError as error:
                self.fail(_write_problem(error), names)
        failed = bool(self.errors)
        if failed:
            self.results = [
                (
                    replace(
                        result,
                        findings=tuple(
                            replace(one, outcome="left") if one.outcome == "fixed" else one
                            for one in result.findings
                        ),
                    ),
                    names,
                )
                for result, names in self.results
            ]
        self.print_report(to_stdout=False)
        _out(old if failed else new)
        return 2 if failed else 0


def _nested(workspace: Workspace, folder: str) -> Iterator[str]:
    prefix = f"{folder}/" if folder else ""
    for nested in workspace.nested_roots():
        if nested.startswith(prefix):
            inner = Workspace(workspace.absolute(nested))
            yield inner.root
            yield from _nested(inner, "")


def _write_problem(error: WriteError) -> Problem:
    return Problem(error.path, error.message, error.help, kind="write")


def _out(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
