"""The rounds: load, parse, model, passes, choose, apply, and the recheck at the end.

`run` works on one root and writes nothing: its `Result` holds what would change. One bad
file never stops the others, and a failure of ours is said to be ours. Knows no pass, no
builder and no Dockerfile by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.edits import Fix, Safety, choose, lower, splice
from dockerfix.engine.inputs import Problem
from dockerfix.engine.snapshot import Memo, Snapshot
from dockerfix.finding import Finding, Place, Refusal, Severity
from dockerfix.source import Position, Span
from dockerfix.workspace import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dockerfix.config import Config
    from dockerfix.workspace import Workspace

__all__ = ["ROUNDS", "Options", "Problem", "Reported", "Result", "run"]

ROUNDS = 10
REPORT_IT = (
    "this is a bug of dockerfix: please report it with `dockerfix --diff --redact` and the "
    "Dockerfile (its secrets replaced), and use --ignore {name} until then"
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. `fix` False stops after the first look. `only` are the paths
    that may change (None: any). `select` and `ignore` name passes, beside the configuration."""

    fix: bool = True
    unsafe_fixes: bool = False
    allow_partial: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    only: frozenset[str] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Reported:
    """A finding, the bytes that its offsets count in, and what became of it.

    `outcome` is `fixed`, `left`, `unsafe` (its fix waits for --unsafe-fixes) or `elsewhere`
    (its fix would change files that may not change).
    """

    finding: Finding
    workspace: Workspace
    outcome: str

    def position(self, path: str, offset: int) -> Position:
        try:
            data = self.workspace.read(path)
        except Unreadable:
            return Position(1, 1)
        line = data.count(b"\n", 0, offset) + 1
        return Position(line, min(offset, len(data)) - data.rfind(b"\n", 0, offset))


class OutsideCaller(NamedTuple):
    """What callers that are not in the tree must give; `through` is what may build there."""

    dockerfile: str
    variable: str
    flag: str
    through: tuple[Place, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """What `run` found in one root. `changes` maps a path to its old and new bytes;
    the old ones are None for a file that is made."""

    workspace: Workspace
    findings: tuple[Reported, ...] = ()
    errors: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    not_changed: tuple[Place, ...] = ()
    outside_callers: tuple[OutsideCaller, ...] = ()
    changes: Mapping[str, tuple[bytes | None, bytes]] = field(default_factory=dict)
    suppressed: int = 0
    dockerfiles: tuple[str, ...] = ()
    before: Snapshot | None = None

    @property
    def left(self) -> tuple[Reported, ...]:
        """What still wants a person, information aside."""
        return tuple(
            one
            for one in self.findings
            if one.finding.severity is not Severity.INFO
            and (one.outcome != "fixed" or one.finding.residual == "known")
        )

    @cached_property
    def secret_values(self) -> frozenset[bytes]:
        """Every value that a diff of this root must not show when redacted."""
        from dockerfix.engine.redaction import secret_values

        return secret_values(self) if self.before is not None else frozenset()


Key = tuple[str, str, str]


def key_of(finding: Finding) -> Key:
    return finding.path, finding.name, finding.variable


def run(workspace: Workspace, paths: Iterable[str], options: Options = Options()) -> Result:
    """Look at the Dockerfiles that `paths` (root-relative files and folders) choose."""
    return _Run(workspace, options).result(tuple(paths))


@dataclass
class _Round:
    """`chosen` are the fixes that made the next round."""

    snapshot: Snapshot
    findings: list[Finding]
    chosen: list[Fix] = field(default_factory=list)


class _Run:
    def __init__(self, workspace: Workspace, options: Options) -> None:
        self.workspace = workspace
        self.options = options
        self.memo = Memo()
        self.suppressed: set[Key] = set()

    def result(self, paths: tuple[str, ...]) -> Result:
        first = self.snapshot({})
        targets = first.targets(paths)
        rounds, changes = self.rounds(first, targets)
        final = rounds[-1]
        if changes:
            fixed = self.applied(rounds)
            for problem in self.broken(rounds, changes, fixed):
                self.memo.errors.append(problem)
                changes = {}
        if not changes:
            final = rounds[0]
        return Result(
            self.workspace,
            tuple(self.reported(rounds, final, bool(changes))),
            tuple(self.memo.errors),
            tuple(self.memo.notes),
            tuple(dict.fromkeys(_not_changed(rounds[0]))),
            tuple(_outside(rounds[0])),
            {path: (self.workspace.original(path), data) for path, data in sorted(changes.items())},
            len(self.suppressed),
            targets,
            first,
        )

    def snapshot(self, changes: Mapping[str, bytes]) -> Snapshot:
        workspace = self.workspace.overlay(changes) if changes else self.workspace
        return Snapshot(workspace, self.memo, self.options.allow_partial, first=not changes)

    def rounds(
        self, first: Snapshot, targets: tuple[str, ...]
    ) -> tuple[list[_Round], dict[str, bytes]]:
        """Every round, the last one without a fix to apply, and what all of them change."""
        rounds = [_Round(first, self.look(first, targets))]
        changes: dict[str, bytes] = {}
        while self.options.fix:
            snapshot = rounds[-1].snapshot
            chosen, _ = choose(self.fixes(rounds[-1]))
            if not chosen:
                break
            rounds[-1].chosen = chosen
            try:
                if len(rounds) > ROUNDS:
                    raise ValueError(f"not done after {ROUNDS} rounds")
                new, wanted = self.lowered(snapshot, chosen)
                changes.update(new)
                after = self.snapshot(changes)
                after.settle(wanted)
            except Exception as error:
                names = ", ".join(sorted({fix.name for fix in chosen}))
                self.memo.bug(chosen[0].paths[0], names, error)
                return rounds[:1], {}
            rounds.append(_Round(after, self.look(after, targets)))
        return rounds, {
            path: data for path, data in changes.items() if data != self.workspace.original(path)
        }

    def lowered(
        self, snapshot: Snapshot, chosen: list[Fix]
    ) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """The new bytes of files, and of Dockerfiles inside them."""
        workspace = snapshot.workspace
        paths = {path for fix in chosen for path in fix.paths}
        edits = lower({path: snapshot.source(path) for path in paths}, chosen)
        spread, wanted = snapshot.inlines.spread(edits)
        old = {path: workspace.original(path) or b"" for path in spread}
        new = {path: splice(old[path], found) for path, found in spread.items()}
        new = {path: data for path, data in new.items() if data != old[path]}
        if not new:
            raise ValueError("a fix changes nothing")
        return new, wanted

    def look(self, snapshot: Snapshot, targets: Iterable[str]) -> list[Finding]:
        """What every pass says of every target, without what is suppressed."""
        found: list[Finding] = []
        silenced: list[Finding] = []
        for path in targets:
            said = list(self.passed(snapshot, path)) if snapshot.interesting(path) else []
            for finding in said:
                (silenced if snapshot.suppressed(finding) else found).append(finding)
        self.suppressed.update(key_of(one) for one in silenced)
        held = (_in_whole_files(_without_shared_fix(one, silenced), snapshot) for one in found)
        return [self.in_the_dark(snapshot.inlines.held(one)) for one in held]

    def passed(self, snapshot: Snapshot, path: str) -> Iterator[Finding]:
        config = snapshot.config(path)
        every = snapshot.passes()
        self.check_names(config, {one.name for one in every})
        for one in every:
            if not self.wanted(one.name, config.select, config.ignore):
                continue
            try:
                yield from one.run(snapshot.context(path))
            except Exception as error:
                self.memo.bug(path, one.name, error)

    def in_the_dark(self, finding: Finding) -> Finding:
        """A file that starts builds and could not be read may pass the secret (condition S2)."""
        if finding.fix is None or self.options.allow_partial or not self.memo.unread:
            return finding
        refusals = tuple(
            Refusal(
                f"{path} starts builds and is not known: {why}",
                path,
                Span(0, 0),
                "mend that first, or look yourself that it passes nothing and use --allow-partial",
            )
            for path, why in sorted(self.memo.unread.items())
        )
        return replace(finding, fix=None, refusals=(*finding.refusals, *refusals))

    def check_names(self, config: Config, known: set[str]) -> None:
        """A typing error in the configuration must not switch nothing off in silence."""
        for name in (*config.select, *config.ignore):
            if name not in known:
                self.memo.tell(
                    Problem(
                        config.origin,
                        f"there is no pass `{name}`",
                        f"the passes are {', '.join(sorted(known))}",
                        kind="config",
                    )
                )

    def wanted(self, name: str, select: tuple[str, ...], ignore: tuple[str, ...]) -> bool:
        chosen = self.options.select or select
        return (not chosen or name in chosen) and name not in (*ignore, *self.options.ignore)

    def fixes(self, round: _Round) -> list[Fix]:
        found = [
            one.fix for one in round.findings if self.may_apply(one, round.snapshot) == "fixed"
        ]
        return list(dict.fromkeys(fix for fix in found if fix is not None))

    def may_apply(self, finding: Finding, snapshot: Snapshot) -> str:
        """`fixed` if the finding's fix may be applied, else the outcome that says why not."""
        fix = finding.fix
        if fix is None or fix.safety is Safety.MANUAL or not fix.operations:
            return "left"
        unsafe = self.options.unsafe_fixes or snapshot.config(finding.path).unsafe_fixes
        if fix.safety is Safety.UNSAFE and not unsafe:
            return "unsafe"
        files = {snapshot.inlines.host(path) for path in fix.paths}
        if self.options.only is not None and not self.options.only.issuperset(files):
            return "elsewhere"
        return "fixed"

    def applied(self, rounds: list[_Round]) -> list[Finding]:
        """The findings whose fix was applied; another of the same variable may be left."""
        return [one for each in rounds for one in each.findings if one.fix in each.chosen]

    def broken(
        self,
        rounds: list[_Round],
        changes: Mapping[str, bytes],
        fixed: list[Finding],
    ) -> list[Problem]:
        """What the recheck (law 6) has against the changes; then nothing of them is written."""
        from dockerfix.engine.recheck import recheck, removed_runs

        before, after = rounds[0].snapshot, rounds[-1].snapshot
        gone = removed_runs((each.snapshot, each.chosen) for each in rounds)
        names = ", ".join(sorted({one.name for one in fixed}))
        try:
            failures = recheck(before, after, frozenset(changes), fixed, gone)
        except Exception as error:
            self.memo.bug(next(iter(changes)), f"the recheck of {names}", error)
            return [self.memo.errors.pop()]
        return [
            Problem(
                path,
                f"the recheck failed, and nothing was changed in {self.workspace.root}: {message}",
                REPORT_IT.format(name=names),
                kind="internal",
            )
            for path, message in failures
        ]

    def reported(self, rounds: list[_Round], final: _Round, changed: bool) -> Iterable[Reported]:
        """Findings of the first look, then those that only a later one brought and left."""
        first = rounds[0]
        last = {key_of(one): one for one in final.findings}
        later = {key_of(one): one for each in rounds[1:] for one in each.findings if one.fix}
        seen = set()
        for one in first.findings:
            seen.add(key_of(one))
            gone = changed and key_of(one) not in last
            outcome = (
                "fixed" if gone else self.may_apply(last.get(key_of(one), one), final.snapshot)
            )
            if outcome == "fixed" and not gone:
                outcome = "left"
            if outcome == "fixed" and one.fix is None and key_of(one) in later:
                # What another fix made possible is said as it was done.
                did = later[key_of(one)]
                one = replace(one, residual=did.residual, help=did.help)
            yield _reported(one, first.snapshot, outcome)
        for key, one in last.items():
            if key not in seen:
                outcome = self.may_apply(one, final.snapshot)
                kept = "left" if outcome == "fixed" else outcome
                yield _reported(one, final.snapshot, kept)


def _reported(finding: Finding, snapshot: Snapshot, outcome: str) -> Reported:
    return Reported(snapshot.inlines.placed(finding), snapshot.workspace, outcome)


def _without_shared_fix(finding: Finding, silenced: list[Finding]) -> Finding:
    """A fix that would also change what a comment protects is held back."""
    if finding.fix is None:
        return finding
    for other in silenced:
        if any(
            operation.path == other.path and touched.overlaps(other.span)
            for operation in finding.fix.operations
            for touched in (*operation.touches, operation.at)
            if operation.verb.startswith("remove")
        ):
            refusal = Refusal(
                f"its fix would also change {other.variable}, which is to be left alone",
                other.path,
                other.span,
                "remove the suppression, or suppress this one too",
            )
            return _held(finding, refusal)
    return finding


def _in_whole_files(finding: Finding, snapshot: Snapshot) -> Finding:
    """A Dockerfile that no builder accepts is not edited: what it means is anyone's guess."""
    if finding.fix is None:
        return finding
    for path in finding.fix.paths:
        tree = snapshot.dockerfile(path) if path in snapshot.dockerfile_paths else None
        if tree is not None and tree.errors:
            refusal = Refusal(
                f"{path} is broken: {tree.errors[0].message}",
                path,
                tree.errors[0].span,
                "mend it first, then run dockerfix again",
            )
            return _held(finding, refusal)
    return finding


def _held(finding: Finding, refusal: Refusal) -> Finding:
    return replace(finding, fix=None, help=refusal.help, refusals=(*finding.refusals, refusal))


def _not_changed(first: _Round) -> Iterable[Place]:
    fixes = [one.fix for one in first.findings if one.fix is not None]
    changing = [(one.path, span) for fix in fixes for one in fix.operations for span in one.touches]
    for finding in first.findings:
        for place in finding.not_changed:
            # Commands of a README for another Dockerfile change with that one.
            if not any(path == place.path and span.overlaps(place.span) for path, span in changing):
                yield first.snapshot.inlines.placed_place(place)
    names = {one.variable for one in first.findings if one.fix is not None}
    if not names:
        return
    for call in first.snapshot.ignored_calls():
        passed = sorted({arg.name for arg in call.args} & names)
        if passed:
            yield Place(
                call.path,
                call.span,
                f"git ignores this file, so it is not edited: it passes {', '.join(passed)} as a "
                "build argument",
            )


def _outside(first: _Round) -> Iterable[OutsideCaller]:
    for one in first.findings:
        if one.fix is not None and one.outside_flag:
            yield OutsideCaller(one.path, one.variable, one.outside_flag, one.elsewhere)
