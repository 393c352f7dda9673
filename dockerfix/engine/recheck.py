"""The recheck: after the last round everything is read again and held against the promise.

Law 6 of the design. What fails here is our bug, and then nothing is written. It asks the
same rooms as the passes did (tree, model, calls), but of the new bytes, and it knows no
pass: what a fix may take away is what the old files say was there.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from dockerfix.engine.inputs import problems
from dockerfix.model.predefined import is_proxy
from dockerfix.projection import Projection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockerfix.builders.call import BuildCall
    from dockerfix.context import Context
    from dockerfix.edits import Fix
    from dockerfix.engine.snapshot import Snapshot
    from dockerfix.finding import Finding
    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Run

_ENV = re.compile(rb"(?:^|,)env=(\w+)")
Failure = tuple[str, str]
"""A path, and what is wrong there."""


def recheck(
    before: Snapshot,
    after: Snapshot,
    changed: frozenset[str],
    fixed: Iterable[Finding],
    gone: Mapping[str, frozenset[int]],
) -> list[Failure]:
    """Every way in which the new files are not what was promised; empty if all is well. `gone` are
    the RUNs that fixes removed, by path, as places among those of the old file."""
    fixed = tuple(fixed)
    failures: list[Failure] = []
    dockerfiles = [one for one in before.dockerfile_paths if before.inlines.host(one) in changed]
    for path in dockerfiles:
        broken = list(_tree(before, after, path))
        failures += broken
        if not broken:
            old, new = before.context(path), after.context(path)
            failures += _meaning(old, new, fixed, gone.get(path, frozenset()))
    for path in sorted(changed.difference(dockerfiles)):
        failures += _text(before, after, path)
        if path.endswith(".dockerignore"):
            failures += _ignores(before, after, path, fixed)
    failures += _calls(before, after)
    return list(dict.fromkeys(failures))


def _tree(before: Snapshot, after: Snapshot, path: str) -> Iterator[Failure]:
    """No new error node, and the tree is still the file."""
    old, new = before.dockerfile(path), after.dockerfile(path)
    data = after.workspace.read(path)
    if old is None or new is None or problems(path, data):
        yield path, "the new file cannot be read"
        return
    if new.code != data:
        yield path, "the tree of the new file is not the file"
    if len(new.errors) > len(old.errors):
        yield path, "the new file has an instruction that is broken"


def removed_runs(
    rounds: Iterable[tuple[Snapshot, Sequence[Fix]]],
) -> Mapping[str, frozenset[int]]:
    """The RUNs that the fixes of each round remove: a later round finds those that are left at
    another place in the file, with another text perhaps."""
    found: dict[str, set[int]] = {}
    places: dict[str, list[int]] = {}
    for snapshot, fixes in rounds:
        spans: dict[str, set[Span]] = {}
        for fix in fixes:
            for operation in fix.operations:
                if operation.verb == "remove" and operation.path in snapshot.dockerfile_paths:
                    spans.setdefault(operation.path, set()).add(operation.at)
        for path, here in spans.items():
            runs = snapshot.context(path).runs
            known = places.get(path, list(range(len(runs))))
            now = {place for place, run in zip(known, runs, strict=True) if run.span in here}
            found.setdefault(path, set()).update(now)
            places[path] = [place for place in known if place not in now]
    return {path: frozenset(places) for path, places in found.items()}


def _meaning(
    before: Context, after: Context, fixed: tuple[Finding, ...], gone: frozenset[int]
) -> Iterator[Failure]:
    path = before.path
    variables = {one.variable for one in fixed if one.path == path}
    counted = Counter(one.name for one in before.model.bindings)
    counted.subtract(one.name for one in after.model.bindings)
    removed = {name for name, count in counted.items() if count > 0}
    for name, count in counted.items():
        if count < 0:
            yield path, f"{name} is declared more often than before"
    for name in sorted(removed - _carriers(before, variables)):
        yield path, f"a declaration of {name} is gone, which no finding asked for"
    kept = [run for place, run in enumerate(before.runs) if place not in gone]
    granted = _granted(before, fixed)
    if len(kept) != len(after.runs):
        yield path, f"there were to be {len(kept)} RUNs and there are {len(after.runs)}"
        return
    for old, new in zip(kept, after.runs, strict=True):
        yield from _run(before, after, old, new, removed, granted)
    for name in sorted(variables & removed):
        # One that only ENVs lost its name to may be another secret, which is not moved.
        left = _arguments(after, name)
        if left and left < _arguments(before, name):
            yield path, f"an ARG {name} is left"
    loose = Counter(one.name for one in after.model.sites if one.binding is None)
    loose.subtract(one.name for one in before.model.sites if one.binding is None)
    for name, count in loose.items():
        if count > 0:
            yield path, f"${name} is still expanded, and nothing sets it"
    yield from _images(before, after, removed)


def _arguments(context: Context, name: str) -> int:
    return sum(one.kind != "env" for one in context.model.bindings_of(name))


def _granted(before: Context, fixed: tuple[Finding, ...]) -> set[str]:
    """The variables of mounts that a fix brings to RUNs, or gives another name; `--ssh X` for a
    key X in whose place it brings an agent."""
    path = before.path
    agents = {
        f"--ssh {name}"
        for finding in fixed
        for name in _carriers(before, {finding.variable})
        for operation in (finding.fix.operations if finding.fix is not None else ())
        if operation.path == path
        and operation.verb == "add_mount"
        and isinstance(operation.value, bytes)
        and operation.value.startswith(b"type=ssh")
    }
    return agents | {
        name.decode("ascii")
        for finding in fixed
        if finding.fix is not None and not finding.fix.name.endswith(("-arg", "-env"))
        for operation in finding.fix.operations
        if operation.path == path and operation.verb in ("add_mount", "replace_mount", "replace")
        for name in _ENV.findall(operation.value if isinstance(operation.value, bytes) else b"")
        # Of a word that is replaced, only the option of a mount gives a variable.
        if operation.verb != "replace" or operation.value == b"env=" + name
    }


def _carriers(context: Context, variables: set[str]) -> set[str]:
    """`variables` and every name that holds the value of one of them."""
    found = set(variables)
    waiting = [one for name in variables for one in context.model.bindings_of(name)]
    while waiting:
        for alias in context.model.aliases(waiting.pop()):
            if alias.binding.name not in found:
                found.add(alias.binding.name)
                waiting.append(alias.binding)
    return found


def _run(
    before: Context,
    after: Context,
    old: Run,
    new: Run,
    removed: set[str],
    granted: set[str],
) -> Iterator[Failure]:
    """A RUN gets the names that it got, but for removed ones that it cannot read."""
    had = {*before.model.environment(old), *_mounted(old)}
    has = {*after.model.environment(new), *_mounted(new)}
    where = f"the RUN on line {new.start_line}"
    for name in sorted(has - had):
        if name in _mounted(new) and (_feeds(new, name) or name in granted):
            continue
        yield before.path, f"{where} gets {name}, which it did not get before"
    for name in sorted(had - has):
        if is_proxy(name):
            # BuildKit hands these to every RUN, declared or not (rule 2.11).
            continue
        if name not in removed:
            if name not in _mounted(old) or after.reader.needs(new, name):
                yield before.path, f"{where} no longer gets {name}, which was to stay"
        elif (
            f"--ssh {name}" not in granted
            and before.reader.reading(old, name).reads
            and not _sets(new, name)
            and after.reader.needs(new, name)
        ):
            yield before.path, f"{where} may read {name} and no longer gets it"
    environments = [one.env for one in new.mounts if one.type == "secret" and one.env]
    if len(set(environments)) != len(environments):
        yield before.path, f"{where} mounts one variable twice"


def _mounted(run: Run) -> set[str]:
    every = (one.env for one in run.mounts if one.type == "secret")
    return {name for name in every if name and "$" not in name}


def _sets(run: Run, name: str) -> bool:
    texts = [run.body.text, *(one.text for one in run.heredoc_bodies)]
    return any(f"export {name}".encode() in text for text in texts)


def _feeds(run: Run, name: str) -> bool:
    """Whether a new name is there only so that the shell makes an old one of it (T8)."""
    texts = [run.body.text, *(one.text for one in run.heredoc_bodies)]
    use = f"${{{name}:-".encode()
    return name.endswith("_SECRET") and any(use in text and b"export " in text for text in texts)


def _images(before: Context, after: Context, removed: set[str]) -> Iterator[Failure]:
    """Each image's ENV is what it was, but for the names that were removed."""
    pairs = zip(before.model.stages, after.model.stages, strict=False)
    if len(before.model.stages) != len(after.model.stages):
        yield before.path, "the number of stages changed"
        return
    for old, new in pairs:
        was = {name: _raw(one) for name, one in before.model.image_env(old).items()}
        now = {name: _raw(one) for name, one in after.model.image_env(new).items()}
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name) and not (name in removed and name not in now):
                yield before.path, f"ENV {name} of stage {new.label} is not what it was"


def _raw(binding: object) -> bytes:
    value = getattr(binding, "value", None)
    return b"" if value is None else bytes(value.raw)


def _text(before: Snapshot, after: Snapshot, path: str) -> Iterator[Failure]:
    """A shell file has no more parse errors than it had."""
    from dockerfix.shell import read

    if not path.endswith((".sh", ".bash")) and not _shebang(after.workspace.head(path)):
        return
    old = read(Projection.identity(before.workspace.read(path)))
    new = read(Projection.identity(after.workspace.read(path)))
    if new.errors and not old.errors:
        yield path, "the new script is broken"


def _ignores(
    before: Snapshot, after: Snapshot, path: str, fixed: tuple[Finding, ...]
) -> Iterator[Failure]:
    """A `.dockerignore` leaves out what it left out, and those files that a fix names in it."""
    from dockerfix.model.dockerignore import Dockerignore

    old = (before.workspace.original(path) or b"").decode("utf-8", "surrogateescape")
    new = after.workspace.read(path).decode("utf-8", "surrogateescape")
    if not new.startswith(old):
        yield path, "a line that was there is gone"
    named = {
        operation.value.decode("utf-8", "surrogateescape")
        for finding in fixed
        for operation in (finding.fix.operations if finding.fix is not None else ())
        if operation.path == path and isinstance(operation.value, bytes)
    }
    if set(new[len(old) :].splitlines()) - {""} != named:
        yield path, "it names what no finding asked for"
    folder, _, name = path.rpartition("/")
    if name != ".dockerignore":
        return
    was, now, wanted = Dockerignore(old), Dockerignore(new), Dockerignore("\n".join(sorted(named)))
    prefix = f"{folder}/" if folder else ""
    for file in (*before.workspace.files(), *before.workspace.ignored_files()):
        inner = file.removeprefix(prefix)
        if file.startswith(prefix) and now.excludes(inner) != (
            was.excludes(inner) or wanted.excludes(inner)
        ):
            yield path, f"{file} is left out, or no longer, which no finding asked for"


def _shebang(head: bytes) -> bool:
    line = head.split(b"\n", 1)[0]
    return line.startswith(b"#!") and line.rstrip().endswith(b"sh")


def _calls(before: Snapshot, after: Snapshot) -> Iterator[Failure]:
    """Each call builds what it built, and gives a secret for each argument that it stopped giving."""
    old, new = _by_file(_direct(before.calls)), _by_file(_direct(after.calls))
    for path in sorted(old.keys() | new.keys()):
        if len(old.get(path, [])) != len(new.get(path, [])):
            yield path, "the file does not start the same builds as before"
            continue
        for one, two in zip(old[path], new[path], strict=True):
            yield from _call(before, after, one, two)

    yield from _commands(before, after)


def _direct(calls: Iterable[BuildCall]) -> Iterator[BuildCall]:
    return (call for call in calls if not call.through)


def _commands(before: Snapshot, after: Snapshot) -> Iterator[Failure]:
    """A command that reads a compose file is no longer of interest once it passes nothing: then
    the file gives what it passed."""
    left = {(call.path, call.through, arg.name) for call in after.calls for arg in call.args}
    for call in before.calls:
        for name in {arg.name for arg in call.args} if call.through else ():
            if (call.path, call.through, name) in left:
                continue
            for path in call.dockerfiles:
                mounts = _new_mounts(before.context(path), after.context(path), call.target)
                wanted = {id for id, env in mounts if name in (id, env)}
                given = [
                    {secret.id for secret in one.secrets}
                    for one in after.calls
                    if one.path == call.through and path in one.dockerfiles
                ]
                if not all(wanted <= ids for ids in given) or (wanted and not given):
                    yield call.through, f"no secret for {name}, which {call.path} passed"


def _by_file(calls: Iterable[BuildCall]) -> Mapping[str, list[BuildCall]]:
    found: dict[str, list[BuildCall]] = {}
    for call in calls:
        found.setdefault(call.path, []).append(call)
    for group in found.values():
        group.sort(key=lambda call: call.span)
    return found


def _call(before: Snapshot, after: Snapshot, old: BuildCall, new: BuildCall) -> Iterator[Failure]:
    line = after.workspace.read(new.path).count(b"\n", 0, new.span.start) + 1
    where = f"the build on line {line}"
    if (old.tool, old.target) != (new.tool, new.target):
        yield new.path, f"{where} no longer builds the same target with the same tool"
    # Calls that shared a flag were each tied to the Dockerfiles of all: fewer is no loss.
    other = not set(new.dockerfiles) <= set(old.dockerfiles)
    # A name ties a call as long as no other Dockerfile has it too.
    by_name = old.linked_by == "name" or (old.linked_by, new.linked_by) == ("unresolved", "name")
    if (other or (old.dockerfiles and not new.dockerfiles)) and not by_name:
        yield new.path, f"{where} no longer builds the same Dockerfiles"
    had, has = {arg.name for arg in old.args}, {arg.name for arg in new.args}
    if has - had:
        yield new.path, f"{where} passes a new build argument"
    ids = {secret.id for secret in new.secrets}
    if not {secret.id for secret in old.secrets if secret.id} <= ids:
        yield new.path, f"{where} no longer gives a secret that it gave"
    for path in old.dockerfiles:
        if before.dockerfile(path) is None or after.dockerfile(path) is None:
            continue
        mounts = _new_mounts(before.context(path), after.context(path), new.target)
        for name in sorted(had - has):
            wanted = {id for id, env in mounts if name in (id, env)}
            if not wanted <= ids:
                yield new.path, f"{where} does not give the secret for {name} that {path} mounts"
            if any(one.kind != "env" for one in after.context(path).model.bindings_of(name)):
                yield new.path, f"{where} no longer passes {name}, which {path} still takes"
        for id, env in mounts:
            if env in has and id not in ids and old.refusal is None and not after.allow_partial:
                yield new.path, f"{where} still passes {env} as a build argument"


def _new_mounts(before: Context, after: Context, target: str | None) -> set[tuple[str, str]]:
    """(id, env) of the secret mounts that were added in the stages that `target` needs."""
    old = {(one.id, one.env) for run in before.runs for one in run.mounts if one.type == "secret"}
    wanted = _needed(after, target)
    found = set()
    for run in after.runs:
        stage = after.model.stage_of(run)
        if stage is not None and stage.index not in wanted:
            continue
        for one in run.mounts:
            if one.type == "secret" and (one.id, one.env) not in old and one.id:
                found.add((one.id, one.env or one.id))
    return found


def _needed(context: Context, target: str | None) -> set[int]:
    """The stages that a build of `target` surely runs: its own chain (copies from others aside)."""
    stages = context.model.stages
    if not stages:
        return set()
    if target is None:
        start = stages[-1]
    else:
        named = [one for one in stages if one.name == target.lower() or str(one.index) == target]
        if not named:
            return {one.index for one in stages}
        start = named[-1]
    found = set()
    while start is not None:
        found.add(start.index)
        start = start.parent  # type: ignore[assignment]
    return found
