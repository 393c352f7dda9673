"""Commands that write a setting or log in, whose place a variable takes: `pip config set`,
`composer config`, `poetry config`, `gh auth login`.

The command goes, and `export VARIABLE=...` stands before each RUN that may read it. Which
variable does what: references.toml.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockerfix.model import references
from dockerfix.model.readers import may_read
from dockerfix.model.runs import RunReading, is_script
from dockerfix.model.taint import undoes
from dockerfix.rewrite.commands import (
    conditional,
    on_one_line,
    remove_command,
    remove_span,
    statement_of,
    unbroken,
    written_in_place,
)
from dockerfix.rewrite.forms import AMPERSAND, objection
from dockerfix.rewrite.users import uses
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockerfix.edits import Operation
    from dockerfix.model.references import Setting
    from dockerfix.model.taint import Leak
    from dockerfix.rewrite.persisted import Keeping
    from dockerfix.shell import Command, Part, Script, Word
    from dockerfix.source import Span
    from dockerfix.syntax.nodes import Run

Undone = tuple["Run", "Span", "Operation"]
TESTS = frozenset({"[", "[[", "test", ":", "true", "echo"})


@dataclass(frozen=True, slots=True)
class Found:
    """A command in its RUN; `span` is what goes with it: itself, or the pipeline that feeds it."""

    run: Run
    script: Script
    command: Command
    row: Setting
    span: Span

    @property
    def words(self) -> list[Word]:
        return [self.row.words[place] for place in self.row.places]


def move_setting(one: Keeping, leak: Leak, command: Command) -> bool:
    """`pip config set global.index-url URL` becomes `export PIP_INDEX_URL=URL` where pip runs."""
    run, script = one.reading.run, leak.script
    mine = _found(one, run, script, command)
    if mine is None:
        return False
    group = [mine]
    if mine.row.whole:
        group = [it for it in _every(one) if it.row.whole == mine.row.whole]
    values = _values(group)
    if values is None or not mine.row.whole <= values.keys():
        return False
    exports = {name: value for name, value in values.items() if value not in _itself(name)}
    if any(one.context.model.bindings_of(name) for name in exports):
        return False
    undone = _undone(one, leak, [it.span for it in group if it.run is run])
    if undone is None:
        return False
    needing = _needing(one, group, [(it, span) for it, span, _ in undone])
    if any(objection(one.context, it) or (it.heredocs and not is_script(it)) for it in needing):
        return False
    if not all(_same(one, it, needing) for it in group):
        return False
    order = (2, min(it.run.span.start for it in group))
    text = b"export " + b" ".join(b"%s=%s" % (k.encode(), v) for k, v in exports.items())
    removed = _removed(one, group, needing, order)
    if removed is None and exports and len(group) == 1 and run not in needing:
        text = _guarded(one, mine, text)
        removed = [verbs.remove(one.context.dockerfile, run, order=order)] if text else None
    if removed is None:
        return False
    removed += [gone for _, _, gone in undone]
    if one.clashes(removed):
        return False
    one.found.operations += removed
    one.found.removed |= {it.at.start for it in removed if it.verb == "remove"}
    for it in group:
        if it.run is run:
            one.replaced.add(it.span)
    for other in needing:
        if exports:
            # Of a list that `&` sends to the background, all before the `&` would run there.
            apart = any(AMPERSAND.search(it.text) for it in one.context.reader.scripts(other))
            said = verbs.insert_statement(
                one.context.dockerfile,
                other,
                text + (b"; " if apart else b" && "),
                order=order,
                sets=" ".join(exports),
            )
            one.found.operations.append(said)
        one.found.readers.setdefault(other.span.start, _reading(one, other, script))
    one.still = one.still or run in needing
    take = "takes" if len(values) == 1 else "take"
    one.found.say(f"{' and '.join(values)} {take} the place of what `{_called(mine)}` wrote")
    return True


def _found(one: Keeping, run: Run, script: Script, command: Command) -> Found | None:
    """`command` as a setting whose place a variable can take."""
    span, fed = command.span, None
    if command.in_pipeline:
        whole = statement_of(script, command)
        before = [it for it in script.commands if whole and whole.contains(it.span)]
        if whole is None or len(before) != 2 or before[1] is not command:
            return None
        if before[0].name not in ("echo", "printf") or len(before[0].words) != 2:
            return None
        span, fed = whole, before[0].words[1]
    row = references.setting(command, fed)
    if row is None or command.redirects or command.prefix or row.stdin != command.in_pipeline:
        return None
    dockerfile = one.context.dockerfile
    if not written_in_place(dockerfile, script, span) or not unbroken(dockerfile, script, command):
        return None
    return Found(run, script, command, row, span)


def _every(one: Keeping) -> Iterator[Found]:
    """The settings of the stage, in order."""
    stage = one.context.model.stage_of(one.reading.run)
    for run in one.context.runs:
        if one.context.model.stage_of(run) is stage and not run.exec_form:
            for script in one.context.reader.scripts(run):
                for command in script.commands:
                    if command.words and (it := _found(one, run, script, command)) is not None:
                        yield it


def _runs(group: Sequence[Found]) -> list[Run]:
    return list({it.run.span.start: it.run for it in group}.values())


def _needing(one: Keeping, group: Sequence[Found], but: Sequence[tuple[Run, Span]]) -> list[Run]:
    """The RUNs behind the first of the commands that may read the setting."""
    first = min(it.run.span.start for it in group)
    return [
        run
        for run in one.live
        if run.span.start >= first
        and uses(
            one.context,
            run,
            group[0].row.reads,
            [
                inner.span
                for it in group
                if it.run is run
                for inner in it.script.commands
                if it.span.contains(inner.span)
            ]
            + [span for it, span in but if it is run],
        )
    ]


def _same(one: Keeping, it: Found, needing: Sequence[Run]) -> bool:
    """Whether the words of the command mean the same in all the RUNs `needing`."""
    here = one.context.model.environment(it.run)
    return all(
        use.name == one.name
        or (
            use.name in here
            and not it.script.assigned(use.name)
            and all(
                one.context.model.environment(run).get(use.name) is here[use.name]
                for run in needing
            )
        )
        for word in it.words
        for use in word.uses
    )


def _removed(
    one: Keeping, group: Sequence[Found], needing: Sequence[Run], order: tuple[int, ...]
) -> list[Operation] | None:
    """What takes the commands out; None where one of them cannot go alone."""
    found = []
    for it in group:
        if set(it.command.context) - {"pipeline"}:
            return None
        gone = remove_span(one.context.dockerfile, it.run, it.script, it.span, order)
        if gone is None:
            return None
        found.append(gone)
    for run in _runs(group):
        mine = [it for it in group if it.run is run]
        if len(mine) == 1:
            continue
        # Several in one chain: all that lies between them goes with them, or nothing does.
        whole = _together(mine)
        gone = None
        if whole is not None:
            gone = remove_span(one.context.dockerfile, run, mine[0].script, whole, order)
        if gone is None:
            return None
        found = [it for it, of in zip(found, group, strict=True) if of.run is not run] + [gone]
    if any(_goes(found, run) for run in needing):
        return None
    return found


def _undone(one: Keeping, leak: Leak, but: list[Span]) -> list[Undone] | None:
    """What takes out the commands that would take the setting back: many fail where none is."""
    found: list[Undone] = []
    for run in one.context.runs:
        for script in one.context.reader.scripts(run):
            for text, command in script.every():
                if not command.words or not undoes(command, leak):
                    continue
                if run is one.reading.run and command.span in but:
                    continue
                gone = remove_command(one.context.dockerfile, run, script, command, (2,))
                if text is not script or gone is None:
                    return None
                found.append((run, command.span, gone))
    return found


def _together(mine: Sequence[Found]) -> Span | None:
    """The span of commands that stand one behind the other."""
    first, last = mine[0].span, mine[-1].span
    whole = type(first)(first.start, last.end)
    spans = [it.span for it in mine]
    inside = [it for it in mine[0].script.commands if whole.contains(it.span)]
    return whole if all(any(s.contains(it.span) for s in spans) for it in inside) else None


def _goes(operations: Sequence[Operation], run: Run) -> bool:
    return any(it.verb == "remove" and it.at == run.span for it in operations)


def _guarded(one: Keeping, it: Found, text: bytes) -> bytes:
    """The whole RUN as a statement, where all that it does is to write the setting on some
    condition; empty if it does more."""
    script = it.script
    if not conditional(script):
        return b""
    if any(c.name not in TESTS and not it.span.contains(c.span) for c in script.commands):
        return b""
    end = len(script.text)
    found = on_one_line(one.context.dockerfile, script, 0, end, {it.span: text})
    return found if found.startswith(b"if ") else b"{ " + found.rstrip(b"; ") + b"; }"


# -- values ---------------------------------------------------------------------------


def _values(group: Sequence[Found]) -> dict[str, bytes] | None:
    """The shell words of the variables that the commands stand for."""
    plain: dict[str, bytes] = {}
    nested: dict[str, dict[str, Any]] = {}
    held: dict[str, str] = {}
    for index, it in enumerate(group):
        for place in it.row.places:
            inner = _inner(it.row.words[place].parts, it.script)
            if inner is None:
                return None
            held[f"\x01{index}.{place}\x02"] = inner
        for name, value in it.row.sets.items():
            marked = _marked(value, index)
            if isinstance(marked, str):
                if name in plain:
                    return None
                text = re.sub("\x01[^\x02]*\x02", lambda at: held[at[0]], marked)
                plain[name] = f'"{text}"'.encode("utf-8", "surrogateescape")
            else:
                _merge(nested.setdefault(name, {}), marked)
    for name, tree in nested.items():
        text = json.dumps(tree, separators=(",", ":"), ensure_ascii=False)
        text = text.replace("\\u0001", "\x01").replace("\\u0002", "\x02").replace('"', '\\"')
        text = re.sub("\x01[^\x02]*\x02", lambda at: held[at[0]], text)
        plain[name] = f'"{text}"'.encode("utf-8", "surrogateescape")
    return plain


def _marked(value: Any, index: int) -> Any:
    if isinstance(value, str):
        return re.sub(r"\{([\w-]+)\}", lambda at: f"\x01{index}.{at[1]}\x02", value)
    return {name: _marked(one, index) for name, one in value.items()}


def _merge(tree: dict[str, Any], other: dict[str, Any]) -> None:
    for name, value in other.items():
        if isinstance(value, dict) and isinstance(tree.get(name), dict):
            _merge(tree[name], value)
        else:
            tree[name] = value


def _inner(parts: tuple[Part, ...], script: Script) -> str | None:
    """The word as it stands between double quotes; None where it holds what is computed."""
    found = ""
    for index, part in enumerate(parts):
        if part.kind == "double":
            text = _inner(part.children, script)
        elif part.kind == "variable" and part.use is not None:
            if part.use.operator or part.use.subscript or part.use.assigned_before:
                return None
            last = index + 1 == len(parts)
            raw = script.text[part.span.start : part.span.end].decode("utf-8", "surrogateescape")
            text = raw if last or raw.startswith("${") else "${" + part.use.name + "}"
            if not last and part.use.name and not raw.startswith("${"):
                behind = script.text[part.span.end : part.span.end + 1]
                text = raw if not re.match(rb"[\w\"']", behind) else text
        elif part.literal is not None:
            literal = part.literal.decode("utf-8", "surrogateescape")
            text = re.sub(r'([\\"$`])', r"\\\1", literal)
        else:
            return None
        if text is None:
            return None
        found += text
    return found


def _itself(name: str) -> tuple[bytes, bytes]:
    return b'"$%s"' % name.encode(), b'"${%s}"' % name.encode()


def _reading(one: Keeping, run: Run, script: Script) -> RunReading:
    reading = one.context.reader.reading(run, one.name)
    if reading.reads:
        return reading
    return RunReading(run, one.name, may_read(script, one.name))


def _called(it: Found) -> str:
    said = [word.literal or "" for word in it.command.words[:2]]
    return " ".join(said) if re.fullmatch(r"[a-z-]+", said[-1]) else said[0]


__all__ = ["move_setting"]
