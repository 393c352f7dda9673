"""GitLab CI: the scripts of jobs, with what `extends`, `default`, `!reference` and includes give.

A job's `before_script` and `script` are one shell session, each item a line of it. CI variables
are in the environment of that shell, so that `env=X` finds them. Knows no shell: `yaml_shell` does.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import groupby, product
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.agents import evident
from dockerfix.builders.command_line import mentions_build
from dockerfix.builders.held_flags import Held, Uses, holding, shell_use
from dockerfix.globs import fits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dockerfix.builders.call import BuildArg, BuildCall
    from dockerfix.builders.held_flags import Form
    from dockerfix.formats.yaml import File, Node, Scalar
    from dockerfix.shell import State
    from dockerfix.workspace import Workspace

KIND = "gitlab"
ROOT = ".gitlab-ci.yml"
FOLDERS = frozenset({".gitlab", ".gitlab-ci", "gitlab-ci"})
EXPRESSION = re.compile(rb"\$\[\[.*?\]\]", re.S)
NO_JOBS = frozenset(
    [
        "default",
        "include",
        "stages",
        "variables",
        "workflow",
        "image",
        "services",
        "before_script",
        "after_script",
        "cache",
        "spec",
        "pages:deploy",
    ]
)
INHERITED = frozenset({"image", "services", "before_script", "after_script", "tags"})
DEEPEST = 12
MOST = 16
HELP = "Pass `--secret id=NAME,env=NAME` by hand."


def claims(path: str, head: bytes) -> bool:
    """Whether the file at `path` is named like a part of a GitLab pipeline."""
    name = path.rpartition("/")[2]
    if name in (ROOT, ".gitlab-ci.yaml") or name.endswith((".gitlab-ci.yml", ".gitlab-ci.yaml")):
        return True
    return bool(FOLDERS & set(path.split("/")[:-1])) and name.endswith((".yml", ".yaml"))


def find_calls(path: str, data: bytes, workspace: Workspace) -> Iterable[BuildCall]:
    """The build calls of one file of a pipeline (path relative to the workspace root), and those of
    included files that no one would know by their names."""
    if not mentions_build(data) and b"include" not in data:
        return
    pipeline = Pipeline(path, workspace)
    if path != ROOT and workspace.exists(ROOT):
        whole = Pipeline(ROOT, workspace)
        if any(file.source.path == path for file in whole.files):
            pipeline = whole
    seen: set[tuple[object, ...]] = set()
    # All of it is read before a call is asked for anything: what is used elsewhere counts.
    for call in list(pipeline.calls()):
        own = call.path == path or (pipeline.start == path and not claims(call.path, b""))
        places = (call.cwd, call.context, call.dockerfile_argument, call.target)
        mark = (call.path, call.span, *places, call.buildkit)
        if own and mark not in seen:
            seen.add(mark)
            yield call


class Placed(NamedTuple):
    """A node and the file that holds it."""

    file: File
    node: Node


class Line(NamedTuple):
    """A scalar that is part of a script."""

    file: File
    scalar: Scalar


class Pipeline:
    """A file with everything that it includes from the same root, the including file first."""

    def __init__(self, start: str, workspace: Workspace) -> None:
        self.start = start
        self.workspace = workspace
        self.files: list[File] = []
        self.uses: dict[str, Uses] = {}
        self._load(start)

    def _load(self, path: str) -> None:
        from dockerfix.formats.yaml import parse
        from dockerfix.source import Source

        if any(file.source.path == path for file in self.files) or not self.workspace.exists(path):
            return
        try:
            file = parse(Source(path, self.workspace.read(path)))
        except Exception:  # an unreadable file is told of by whoever reads it as a file
            return
        if file.errors:
            return
        self.files.append(file)
        for included in self._included(file):
            self._load(included)

    def _included(self, file: File) -> Iterator[str]:
        places = [file.get(file.root, "include")]
        places += [
            file.get(entry.value, "trigger", "include")
            for entry in file.entries(file.root).values()
        ]
        for place in places:
            for one in (place, *file.items(place)):
                said = file.text(one)
                local = file.text(file.get(one, "local")) or (
                    said if said is not None and "://" not in said else None
                )
                if not local:
                    continue
                pattern = local.lstrip("/")
                if "*" in pattern:
                    yield from (p for p in self.workspace.files() if fits(p, pattern))
                else:
                    yield pattern

    # -- jobs ---------------------------------------------------------------------

    def layers(self, job: str) -> tuple[Placed, ...]:
        """The maps that say what a job is, nearest first."""
        return tuple(
            Placed(file, node)
            for file in self.files
            if (node := file.get(file.root, job)) is not None
        )

    def chain(self, job: str, depth: int = 0) -> Iterator[Placed]:
        """A job's own maps, then those that it extends."""
        own = self.layers(job)
        yield from own
        if depth > DEEPEST:
            return
        for file, node in own:
            extends = file.get(node, "extends")
            names = [file.text(extends), *(file.text(one) for one in file.items(extends))]
            for name in reversed([name for name in names if name]):
                yield from self.chain(name, depth + 1)

    def lookup(self, job: str, key: str) -> Placed | None:
        """What a job has under `key`, also by `extends` and `default`."""
        for file, node in self.chain(job):
            found = file.get(node, key)
            if found is not None:
                return Placed(file, found)
        if key not in INHERITED:
            return None
        for file in self.files:
            found = file.get(file.root, "default", key) or file.get(file.root, key)
            if found is not None:
                return Placed(file, found)
        return None

    def lines(self, place: Placed | None, depth: int = 0) -> Iterator[Line]:
        """The scalars of a script, nested lists and `!reference` followed."""
        from dockerfix.formats.yaml import List, Scalar

        if place is None or depth > DEEPEST:
            return
        file, node = place
        if isinstance(node, Scalar):
            yield Line(file, node)
        elif isinstance(node, List) and node.tag == "!reference":
            names = [file.text(item) or "" for item in file.items(node)]
            if len(names) >= 2:
                yield from self.lines(self._referred(names), depth + 1)
        elif isinstance(node, List):
            for item in file.items(node):
                yield from self.lines(Placed(file, item), depth + 1)

    def _referred(self, names: list[str]) -> Placed | None:
        first, key, *rest = names
        found = self.lookup(first, key)
        if found is None or not rest:
            return found
        node = found.file.get(found.node, *rest)
        return None if node is None else Placed(found.file, node)

    def variables(self, job: str) -> dict[str, frozenset[bytes] | None]:
        """What the runner exports to the job's shell, with the values that are known."""
        from dockerfix.shell.values import WORK_TREE

        texts: dict[str, list[str]] = {}
        places = [(file, file.get(file.root, "variables")) for file in reversed(self.files)]
        places += [
            (file, file.get(node, "variables")) for file, node in reversed([*self.chain(job)])
        ]
        for file, node in places:
            for name, entry in file.entries(node).items():
                text = file.text(entry.value) or file.text(file.get(entry.value, "value"))
                texts[name] = [text or ""]
        matrix = self.lookup(job, "parallel")
        if matrix is not None:
            file = matrix.file
            for one in file.items(file.get(matrix.node, "matrix")):
                for name, entry in file.entries(one).items():
                    held = texts.setdefault(name, [])
                    values = [
                        file.text(entry.value),
                        *(file.text(v) for v in file.items(entry.value)),
                    ]
                    held += [value for value in values if value is not None]
        known: dict[str, str] = {"CI_PROJECT_DIR": WORK_TREE}
        known.update({name: given[0] for name, given in texts.items() if len(given) == 1})
        found: dict[str, frozenset[bytes] | None] = {
            "CI_PROJECT_DIR": frozenset({WORK_TREE.encode()})
        }
        for name, given in texts.items():
            values = [expanded(text, known) for text in given]
            found[name] = None
            if all(value is not None for value in values):
                found[name] = frozenset(
                    value.encode("utf-8", "surrogateescape")
                    for value in values
                    if value is not None
                )
        return found

    def flags(self, job: str) -> list[tuple[File, Held]]:
        """The job's variables that hold flags of a build, with their files."""
        from dockerfix.formats.yaml import Scalar

        texts: dict[str, Scalar] = {}
        forms: dict[str, tuple[File, Form]] = {}
        places = [(file, file.get(file.root, "variables")) for file in reversed(self.files)]
        places += [
            (file, file.get(node, "variables")) for file, node in reversed([*self.chain(job)])
        ]
        for file, node in places:
            for name, entry in file.entries(node).items():
                texts.pop(name, None)
                value = file.resolve(entry.value)
                plain = file.text(file.get(value, "expand")) == "false"
                found = value if isinstance(value, Scalar) else file.get(value, "value")
                if isinstance(found, Scalar):
                    texts[name] = found
                    forms[name] = file, "literal" if plain else "expanded"
        held = [
            (forms[name][0], Held(name, texts[name], forms[name][1]))
            for name in holding({key: one.text for key, one in texts.items()}, shell_use)
            if not self._elsewhere(name)
        ]
        return [one for one in held if one[1].usable]

    def _elsewhere(self, name: str) -> bool:
        """Whether something else than `variables:` of a job or of the pipeline sets it: `rules:`,
        a matrix, a trigger."""
        raw = re.escape(name.encode())
        key = re.compile(rb"(?:^[ \t-]*|[{,][ \t]*)[\"']?" + raw + rb"[\"']?[ \t]*:", re.M)
        for file in self.files:
            nodes = [file.root, *(entry.value for entry in file.entries(file.root).values())]
            known = {
                entry.span
                for node in nodes
                for said, entry in file.entries(file.get(node, "variables")).items()
                if said == name
            }
            if len(key.findall(file.source.data)) > len(known):
                return True
        return False

    def images(self, job: str, known: Mapping[str, frozenset[bytes] | None]) -> list[str]:
        """The images of the job and its services."""
        plain = {
            name: next(iter(values)).decode("utf-8", "surrogateescape")
            for name, values in known.items()
            if values is not None and len(values) == 1
        }
        found = []
        for key in ("image", "services"):
            place = self.lookup(job, key)
            if place is None:
                continue
            file = place.file
            for one in (place.node, *file.items(place.node)):
                said = file.text(one) or file.text(file.get(one, "name"))
                found.append(expanded(said or "", plain) or said or "")
        return found

    # -- calls --------------------------------------------------------------------

    def calls(self) -> Iterator[BuildCall]:
        names = {
            name for file in self.files for name in file.entries(file.root) if name not in NO_JOBS
        }
        run: set[tuple[str, object]] = set()
        for job in sorted(names, key=lambda name: (name.startswith("."), name)):
            before = [*self.lines(self.lookup(job, "before_script"))]
            sessions: tuple[list[Line], ...] = (
                [*before, *self.lines(self.lookup(job, "script"))],
                [*self.lines(self.lookup(job, "after_script"))],
            )
            if job.startswith("."):
                # A template counts by itself only where no job of this pipeline uses it.
                sessions = tuple(
                    []
                    if all((line.file.source.path, line.scalar.span) in run for line in one)
                    else one
                    for one in sessions
                )
            for lines in sessions:
                run |= {(line.file.source.path, line.scalar.span) for line in lines}
                if any(mentions_build(line.scalar.text) for line in lines):
                    yield from self._session(job, lines)

    def _session(self, job: str, lines: list[Line]) -> Iterator[BuildCall]:
        variables = self.variables(job)
        several = [
            name for name, values in variables.items() if values is not None and len(values) > 1
        ]
        choices = product(*(sorted(variables[name] or ()) for name in several))
        for _, choice in zip(range(MOST), choices, strict=False):
            one = dict(zip(several, (frozenset({value}) for value in choice), strict=True))
            yield from self._once(job, lines, {**variables, **one})

    def _once(
        self, job: str, lines: list[Line], variables: dict[str, frozenset[bytes] | None]
    ) -> Iterator[BuildCall]:
        from dockerfix.builders.yaml_shell import (
            Runner,
            Session,
            YamlDialect,
            calls_in,
            on_old_docker,
            start,
            unread,
        )

        images = self.images(job, variables)
        flags = self.flags(job)
        text = b"\n".join(line.scalar.text for line in lines)
        initial = start(variables, "")
        for file, group in groupby(lines, key=lambda line: line.file):
            scalars = [line.scalar for line in group]
            path = file.source.path
            if self._windows(job):
                yield from unread(KIND, path, scalars, "the job runs on Windows", HELP)
                continue
            own = [held for placed, held in flags if placed is file]
            session = Session.of(scalars, EXPRESSION, lambda expression, before: None, own)
            uses = self.uses.setdefault(
                path, Uses(path, file.source.data, shell_use, self.workspace)
            )
            uses.reads(own, (scalar.span for scalar in scalars))
            host = Runner(KIND, session)
            for call, dialect in calls_in(path, session, initial, host):
                placed = YamlDialect(dialect, session, uses=uses)
                args = tuple(self._doubted(arg, own) for arg in call.args)
                call = replace(call, dialect=placed, args=args, agent=evident(text))
                yield on_old_docker(call, images, text)
            initial = _carried(session.script(initial).end)

    def _doubted(self, arg: BuildArg, held: list[Held]) -> BuildArg:
        """`arg`; a flag in a variable may be used by what the pipeline includes from elsewhere."""
        one = next((one for one in held if one.scalar.span.contains(arg.span)), None)
        if one is None or arg.doubt or not self._foreign():
            return arg
        return replace(arg, doubt=f"what is included from elsewhere may use {one.name} as well")

    def _foreign(self) -> bool:
        """Whether parts of the pipeline stand in other repositories."""
        for file in self.files:
            included = file.get(file.root, "include")
            for one in (included, *file.items(included)):
                said = file.text(one)
                keys = ("project", "remote", "template", "component")
                if (said is not None and "://" in said) or any(file.get(one, k) for k in keys):
                    return True
        return False

    def _windows(self, job: str) -> bool:
        place = self.lookup(job, "tags")
        if place is None:
            return False
        labels = [place.file.text(one) or "" for one in (place.node, *place.file.items(place.node))]
        return any("windows" in label.lower() for label in labels)


def expanded(text: str, known: Mapping[str, str], depth: int = 0) -> str | None:
    """`text` with GitLab's variables put in; None if one is not known."""
    missing = False

    def value(hit: re.Match[str]) -> str:
        nonlocal missing
        name = hit[1] or hit[2]
        inner = expanded(known[name], known, depth + 1) if name in known and depth < 5 else None
        missing = missing or inner is None
        return inner or ""

    found = re.sub(r"\$\{(\w+)\}|\$(\w+)", value, text)
    return None if missing or "$" in found else found


def _carried(state: State) -> State:
    """What text of another file leaves behind: values, and nothing that could be edited there."""
    variables = {}
    for name, variable in state.variables.items():
        values = variable.values
        if variable.array or (values is not None and any(b"-" in one[:1] for one in values)):
            values = None
        variables[name] = replace(variable, contributions=(), values=values)
    return replace(state, variables=variables)
