"""What holds at each command: values, exports, options, the working directory.

One walk over the statements in the order in which they run. Function bodies are walked where
they are called, loops over literals once a round, so that a command may have several states;
everywhere else states that meet are merged, and what differs is not known. `exit` and
`return` end a path. Commands are taken to succeed unless they are tests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockerfix.shell import values
from dockerfix.shell.nodes import (
    Assignment,
    Contribution,
    Nested,
    State,
    Use,
    Variable,
    Word,
)
from dockerfix.shell.statements import (
    Block,
    Branches,
    Chain,
    Definition,
    Loop,
    Pipeline,
    Simple,
    Statement,
    is_test,
)
from dockerfix.shell.states import (
    forget_positional,
    merge,
    options,
    sets_positional,
    with_variable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dockerfix.projection import Projection
    from dockerfix.source import Span

MOST_STATES = 24
MOST_ROUNDS = 12
_SHELLS = frozenset(["sh", "bash", "dash", "ash", "zsh", "ksh"])
_LOGINS = frozenset(["su", "runuser", "script", "flock", "vagrant"])
_REMOTES = frozenset(["ssh", "gcloud", "vagrant", "multipass", "minikube"])
_HARMLESS_EVAL = (
    b"ssh-agent",
    b"docker-env",
    b"docker-machine env",
    b"dircolors",
    b"brew shellenv",
)


@dataclass(slots=True)
class _Frame:
    """One function call: its name and the variables that it made local."""

    name: str
    locals: dict[str, Variable]


class Flow:
    def __init__(
        self, projection: Projection, load: Callable[[str], bytes | None] | None, depth: int
    ) -> None:
        self.projection = projection
        self.text = projection.text
        self.load = load
        self.depth = depth
        self.functions: dict[str, tuple[Definition, bytes]] = {}
        self.frames: list[_Frame] = []
        self.called: set[int] = set()
        self.sourced: list[str] = []
        self.unseen: list[str] = []
        self.foreign_assignments: list[Assignment] = []
        self.assigned: dict[tuple[Span, str], list[bool]] = {}
        self.children: list[tuple[Simple, Word, str, State]] = []
        self.here = True

    def run(self, statements: Sequence[Statement], state: State) -> State:
        end = self._sequence(statements, state)
        waiting = True
        while waiting:
            waiting = False
            for name, (definition, text) in list(self.functions.items()):
                if id(definition) not in self.called:
                    waiting = True
                    with_text, self.text = self.text, text
                    self.called.add(id(definition))
                    self.frames.append(_Frame(name, {}))
                    self._sequence(definition.body, replace(forget_positional(end), dead=False))
                    self.frames.pop()
                    self.text = with_text
        return end

    def judge(self, use: Use) -> Use:
        seen = self.assigned.get((use.span, use.name))
        return replace(use, assigned_before=True) if seen and all(seen) else use

    # -- statements -----------------------------------------------------------

    def _sequence(self, statements: Iterable[Statement], state: State) -> State:
        for statement in statements:
            state = self._statement(statement, state)
        return state

    def _statement(self, statement: Statement, state: State) -> State:
        for substitution in statement.substitutions:
            self._statement(substitution, state)
        if not isinstance(statement, Simple):
            self._see(statement.uses, state, {})
        if isinstance(statement, Simple):
            return self._simple(statement, state)
        if isinstance(statement, Block):
            after = self._sequence(statement.body, state)
            return state if statement.child else after
        if isinstance(statement, Chain):
            return self._chain(statement, state)
        if isinstance(statement, Pipeline):
            if len(statement.stages) == 1:
                return self._statement(statement.stages[0], state)
            for stage in statement.stages:
                self._statement(stage, state)
            return state
        if isinstance(statement, Branches):
            return self._branches(statement, state)
        if isinstance(statement, Loop):
            return self._loop(statement, state)
        if isinstance(statement, Definition):
            self.functions[statement.name] = (statement, self.text)
        return state

    def _chain(self, chain: Chain, state: State) -> State:
        if chain.first is None:
            return state
        after = self._statement(chain.first, state)
        tested = is_test(chain.first)
        failed = state if tested else None
        for operator, statement in chain.rest:
            if operator == "&&":
                then = self._statement(
                    statement, replace(after, dead=False) if after.dead else after
                )
                after = merge(then, after) if tested else then
                tested = tested or is_test(statement)
            else:
                start = failed if failed is not None else after
                other = self._statement(statement, start)
                after = merge(after, other)
                tested = False
                failed = None
        return after

    def _branches(self, branches: Branches, state: State) -> State:
        ends: list[State] = []
        for condition, body in branches.arms:
            state = self._sequence(condition, state)
            ends.append(self._sequence(body, state))
        if not branches.complete or not ends:
            ends.append(state)
        merged = ends[0]
        for end in ends[1:]:
            merged = merge(merged, end)
        return merged

    def _loop(self, loop: Loop, state: State) -> State:
        if loop.kind == "for" and loop.variable is not None:
            rounds = self._rounds(loop, state)
            if rounds is not None:
                for value in rounds:
                    state = self._set(state, loop.variable, frozenset({value}))
                    state = replace(self._sequence(loop.body, state), dead=False)
                return state
            inside = self._set(state, loop.variable, None)
            once = self._sequence(loop.body, inside)
            again = self._sequence(loop.body, merge(inside, self._set(once, loop.variable, None)))
            return replace(merge(state, again), dead=state.dead)
        inside = self._sequence(loop.condition, state)
        once = self._sequence(loop.body, inside)
        again = self._sequence(loop.condition, merge(state, once))
        after = self._sequence(loop.body, again)
        return replace(merge(again, after), dead=state.dead)

    def _rounds(self, loop: Loop, state: State) -> list[bytes] | None:
        if loop.items is None or not loop.items:
            return None
        found: list[bytes] = []
        for word in loop.items:
            value = values.one(values.resolve(self.text, word.parts, state))
            if value is None or word.patterned:
                return None
            quoted = any(part.kind in ("double", "single") for part in word.parts)
            found += [value] if quoted or not word.uses else value.split()
        return found if len(found) <= MOST_ROUNDS else None

    # -- one command ----------------------------------------------------------

    def _simple(self, simple: Simple, state: State) -> State:
        own = {a.name: a for a in simple.prefix if a.kind == "prefix"} if simple.words else {}
        self._see(simple.uses, state, own)
        if simple.command:
            if len(simple.states) < MOST_STATES:
                if state not in simple.states:
                    simple.states.append(state)
            elif not simple.states[-1].opaque:
                simple.states[-1] = State(opaque=True, cwds=None)
        for assignment in simple.prefix:
            if assignment.kind != "prefix":
                state = self._assign(state, assignment, simple)
        if not simple.words:
            return state
        if simple.command:
            self._shells(simple, state)
        name = simple.words[0].literal
        if name is None:
            return state
        return self._builtin(simple, name.rpartition("/")[2], state, own)

    def _builtin(
        self, simple: Simple, name: str, state: State, own: dict[str, Assignment]
    ) -> State:
        arguments = simple.words[1:]
        if name in self.functions:
            return self._call(simple, name, state)
        if name in ("exit", "return", "exec") and not (name == "exec" and not arguments):
            return replace(state, dead=True)
        if name in ("cd", "pushd", "popd"):
            return self._move(name, arguments, state)
        if name == "shift" or (name == "set" and sets_positional(arguments)):
            given = state.variables.get("@")
            known = any(assignment.name == "@" for assignment in simple.prefix)
            state = forget_positional(state, simple.span)
            return with_variable(state, "@", given) if known and given is not None else state
        if name == "set":
            return options(arguments, state)
        if name in (".", "source") and arguments:
            return self._source(arguments[0], state)
        if name == "export" and any((word.literal or "") == "-n" for word in arguments):
            for assignment in simple.prefix:
                variable = replace(state.variable(assignment.name), attribute="no", in_sync=False)
                state = with_variable(state, assignment.name, variable)
        elif name in ("eval", "trap"):
            self._child(simple, name, state)
            if name == "eval" and not self._harmless(arguments):
                state = replace(state, opaque=True)
        elif name == "command" and arguments and arguments[0].literal in self.functions:
            return state
        return state

    def _harmless(self, arguments: Sequence[Word]) -> bool:
        return any(known in word.raw for word in arguments for known in _HARMLESS_EVAL)

    def _shells(self, simple: Simple, state: State) -> None:
        """Words that another shell reads: `sh -c WORD` (also behind sudo, docker run...), `ssh
        HOST WORD`, `su -c WORD`."""
        literals = [word.literal or "" for word in simple.words]
        head = literals[0].rpartition("/")[2]
        for index, literal in enumerate(literals):
            name = literal.rpartition("/")[2]
            if name not in _SHELLS and not (index == 0 and name in _LOGINS):
                continue
            for at in range(index + 1, len(literals) - 1):
                flag = literals[at]
                if flag.startswith("-") and not flag.startswith("--") and flag.endswith("c"):
                    self.children.append((simple, simple.words[at + 1], name, state))
                    return
        if head in _REMOTES and len(simple.words) > 2 and b" " in simple.words[-1].raw:
            self.children.append((simple, simple.words[-1], head, state))

    def _child(self, simple: Simple, name: str, state: State) -> None:
        arguments = simple.words[1:]
        if len(arguments) == 1 or (name == "trap" and arguments):
            self.children.append((simple, arguments[0], name, state))

    def finish(self) -> tuple[Nested, ...]:
        """Read the nested scripts; called when the outer commands are made."""
        from dockerfix.shell.nested import read_nested

        found: list[Nested] = []
        if self.depth > 3:
            return ()
        done: set[Span] = set()
        for simple, word, kind, state in self.children:
            if word.span in done or simple.finished is None:
                continue
            done.add(word.span)
            nested = read_nested(
                self.projection, simple.finished, word, kind, state, self.load, self.depth + 1
            )
            if nested is not None:
                found.append(nested)
        return tuple(found)

    def _call(self, simple: Simple, name: str, state: State) -> State:
        definition, text = self.functions[name]
        self.called.add(id(definition))
        if len(self.frames) > 6 or any(frame.name == name for frame in self.frames):
            return replace(state, opaque=True)
        inside = forget_positional(state)
        for index, word in enumerate(simple.words[1:10], 1):
            known = values.resolve(self.text, word.parts, state)
            if word.patterned or (known is not None and not _one_field(word, known)):
                break
            inside = with_variable(inside, str(index), Variable(known, "no", False, "yes"))
        for assignment in simple.prefix:
            if assignment.kind == "prefix" and assignment.value is not None:
                known = values.resolve(self.text, assignment.value.parts, state)
                inside = with_variable(inside, assignment.name, Variable(known, "yes", True, "yes"))
        self.frames.append(_Frame(name, {}))
        outer, self.text = self.text, text
        after = self._sequence(definition.body, inside)
        self.text = outer
        frame = self.frames.pop()
        if definition.child:
            return state
        kept = dict(after.variables)
        restored = [*frame.locals, "@", *(str(number) for number in range(1, 10))]
        for local in [*restored, *(a.name for a in simple.prefix if a.kind == "prefix")]:
            if local in state.variables:
                kept[local] = state.variables[local]
            else:
                kept.pop(local, None)
        return replace(after, variables=kept, dead=False)

    def _assign(self, state: State, assignment: Assignment, simple: Simple) -> State:
        kind, name = assignment.kind, assignment.name
        before = state.variable(name)
        if kind == "unset":
            return with_variable(state, name, Variable(frozenset({b""}), "no", True, "yes"))
        flags = "".join(
            (w.literal or "")[1:] for w in simple.words[1:] if (w.literal or "").startswith("-")
        )
        exporting = kind == "export" or (kind in ("declare", "local") and "x" in flags)
        readonly = kind == "readonly" or (kind in ("declare", "local") and "r" in flags)
        if (kind == "local" or (kind == "declare" and "g" not in flags)) and self.frames:
            self.frames[-1].locals.setdefault(name, before)
            if kind == "local" and not exporting:
                before = Variable(attribute="no", assigned="yes", in_sync=False)
        if kind in ("export", "readonly", "declare", "local") and assignment.value_span is None:
            if exporting:
                before = replace(before, attribute="yes", in_sync=True)
            if kind == "local" and not exporting:
                before = replace(before, values=frozenset({b""}))
            return with_variable(state, name, replace(before, readonly=before.readonly or readonly))
        exported = exporting or before.attribute == "yes" or state.allexport
        known: values.Values = None
        if assignment.value is not None and kind not in ("read", "for", "getopts", "mapfile"):
            known = values.resolve(self.text, assignment.value.parts, state)
            if known is not None and (_tilde(assignment.value)):
                known = None
            if assignment.append and known is not None:
                if before.values is None:
                    known = None
                else:
                    known = frozenset(a + b for a in before.values for b in known)
        again = assignment.append or any(
            use.name == name and not use.deferred for use in _uses(assignment)
        )
        contributions = (
            *(before.contributions if again else ()),
            Contribution(assignment, False, state),
        )
        found = Variable(
            known,
            "yes" if exported else before.attribute,
            exported,
            "yes",
            before.readonly or readonly,
            contributions,
            assignment.elements is not None or (assignment.append and before.array),
        )
        if kind == "arithmetic" or kind == "default":
            found = replace(found, values=None)
        return with_variable(state, name, found)

    def _set(self, state: State, assignment: Assignment, known: values.Values) -> State:
        before = state.variable(assignment.name)
        exported = before.attribute == "yes" or state.allexport
        return with_variable(
            state,
            assignment.name,
            Variable(
                known, before.attribute, exported, "yes", before.readonly,
                (Contribution(assignment, False, state),),
            ),
        )  # fmt: skip

    def _move(self, name: str, arguments: Sequence[Word], state: State) -> State:
        stack = state.stack
        if name == "popd":
            return replace(state, cwds=stack[-1] if stack else None, stack=stack[:-1])
        if name == "pushd":
            stack = (*stack, state.cwds)
        given = [w for w in arguments if w.literal not in ("--", "-P", "-L")]
        oldpwd = Variable(
            frozenset(c.encode("utf-8", "surrogateescape") for c in state.cwds)
            if state.cwds
            else None
        )
        cwds: frozenset[str] | None = None
        if given and given[0].literal == "-":
            before = state.variable("OLDPWD").values
            cwds = (
                None
                if before is None
                else frozenset(v.decode("utf-8", "surrogateescape") for v in before)
            )
        elif given and state.cwds is not None:
            known = values.resolve(self.text, given[0].parts, state)
            if known is not None and not given[0].patterned:
                cwds = frozenset(
                    values.join(cwd, value.decode("utf-8", "surrogateescape"))
                    for cwd in state.cwds
                    for value in known
                )
            elif known is None:
                marked = values.resolve(
                    self.text, given[0].parts, replace(state, cwds=frozenset({""}))
                )
                cwds = (
                    None
                    if marked is None
                    else frozenset(v.decode("utf-8", "surrogateescape") for v in marked)
                )
        elif given:
            known = values.resolve(self.text, given[0].parts, state)
            if known is not None and all(v[:1] in b"/\x02\x03\x04" and v for v in known):
                cwds = frozenset(
                    values.join("", v.decode("utf-8", "surrogateescape")) for v in known
                )
        state = with_variable(state, "OLDPWD", oldpwd)
        return replace(state, cwds=cwds, stack=stack)

    def _source(self, word: Word, state: State) -> State:
        from dockerfix.shell.tree import Reader

        known = values.one(values.resolve(self.text, word.parts, state))
        shown = word.raw.decode("utf-8", "replace")
        if known is None or state.cwd is None or self.load is None or len(self.sourced) > 20:
            self.unseen.append(shown)
            return replace(state, opaque=True)
        path = values.join(state.cwd, known.decode("utf-8", "surrogateescape"))
        data = self.load(path)
        if data is None or path in self.sourced:
            if data is None:
                self.unseen.append(shown)
                return replace(state, opaque=True)
        else:
            self.sourced.append(path)
        reader = Reader(data, path)
        statements = reader.read()
        self.foreign_assignments += reader.assignments
        outer, self.text = self.text, data
        seen, self.assigned = self.assigned, {}
        after = self._sequence(statements, state)
        self.assigned = seen
        self.text = outer
        return replace(after, opaque=after.opaque or reader.errors, dead=False)

    def _see(self, uses: Iterable[Use], state: State, own: dict[str, Assignment]) -> None:
        for use in uses:
            variable = state.variables.get(use.name)
            yes = (
                variable is not None
                and variable.assigned == "yes"
                and use.operator not in (":=", "=")
            )
            if use.deferred:
                yes = (
                    yes and variable is not None and variable.attribute == "yes"
                ) or use.name in own
            self.assigned.setdefault((use.span, use.name), []).append(yes)


def _uses(assignment: Assignment) -> Iterable[Use]:
    if assignment.value is not None:
        yield from assignment.value.uses
    for element in assignment.elements or ():
        yield from element.uses


def _tilde(word: Word) -> bool:
    return bool(word.parts) and word.parts[0].kind == "text" and word.parts[0].value[:1] == b"~"


def _one_field(word: Word, known: frozenset[bytes]) -> bool:
    """Whether the word stays one argument with each of these values."""
    return not any(part.kind in ("variable", "command") for part in word.parts) or not any(
        value.split() != [value] for value in known
    )
