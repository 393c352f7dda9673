"""The dialect of build calls that stand in shell text: what a secret flag and its value become.

`calls_of` makes the `BuildCall`s of a script that was read; `ShellDialect` answers what a pass
asks of one. It serves every host that holds shell (scripts here, recipes and CI steps through
a projection); the host says what its own substitutions (`FOREIGN` bytes) are through `Host`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockerfix.builders import shell_inline, shell_secrets
from dockerfix.builders.bake_flags import secret_flag
from dockerfix.builders.call import BuildArg, BuildCall, Value
from dockerfix.builders.command_line import CommandLine, GivenArg, builds
from dockerfix.builders.compose_line import reading_files
from dockerfix.builders.shell_compose import into_environment
from dockerfix.builders.shell_edits import (
    Keep,
    Piece,
    Replacement,
    ShellSite,
    requoted,
)
from dockerfix.builders.shell_sources import sourced
from dockerfix.builders.shell_values import Host, Plan, Substitution, ValuePlanner, shown
from dockerfix.builders.standard_input import piped
from dockerfix.finding import Refusal
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockerfix.builders.arguments import Argument
    from dockerfix.edits import Operation
    from dockerfix.shell import Contribution, Script


def calls_of(path: str, script: Script, host: Host | None = None) -> Iterable[BuildCall]:
    """The build calls in `script`, one for each situation in which a command runs."""
    host = host or Host()
    lines = list(builds(script, foreign=host.known))
    spans = [_argument_spans(line) for line in lines]
    for index, line in enumerate(lines):
        others = [span for at, found in enumerate(spans) if at != index for span in found]
        untangled = _unless_tangled(line, spans[index], others)
        dialect = ShellDialect(path, untangled, host, untangled is not line)
        found = _calls(path, dialect)
        yield from reading_files(line, found) if line.kind == "compose" else found


def _argument_spans(line: CommandLine) -> list[Span]:
    """Host spans of what a rewrite of its build args replaces."""
    found: list[Span] = []
    for given in line.build_args:
        flag, value = given.given.flag, given.given.value
        project = line.script.projection.host_span
        if value is not None and flag.via is value.via and flag.where == value.where:
            found.append(project(Span(flag.span.start, value.span.end)))
        else:
            found += [project(one.span) for one in (flag, value) if one is not None]
    return found


def _unless_tangled(line: CommandLine, own: list[Span], others: list[Span]) -> CommandLine:
    """Refuse where the text did not parse, or a flag stands inside another one's value."""
    if line.refusal is not None:
        return line
    span, reason = line.command.span, ""
    read = [span, *(c.assignment.span for c in _contributions(line))]
    if any(failed.overlaps(one) for failed in line.script.failed for one in read):
        reason = "the shell text here does not parse"
    elif any(one != two and one.overlaps(two) for one in own for two in (*own, *others)):
        reason = "one build's flags stand inside another's"
    if not reason:
        return line
    return replace(line, refusal=(reason, "Write it more plainly, or change it by hand.", span))


def _contributions(line: CommandLine) -> Iterable[Contribution]:
    for given in line.given:
        for argument in (given.flag, given.value):
            if argument is not None and argument.via is not None:
                yield argument.via


def _calls(path: str, dialect: ShellDialect) -> Iterable[BuildCall]:
    line, host = dialect.line, dialect.host
    projection = line.script.projection
    refusal = None
    if line.refusal is not None:
        reason, help, span = line.refusal
        refusal = Refusal(reason, path, projection.host_span(span), help)
    args = tuple(dialect.build_arg(given) for given in line.build_args)
    secrets = tuple(shell_secrets.flags(line))
    ssh = tuple(
        (flag.value.literal or b"").decode("utf-8", "replace")[flag.value_start :]
        for flag in line.flags("ssh")
        if flag.value is not None
    )
    seen: set[object] = set()
    for situation in line.situations:
        if situation in seen:
            continue
        seen.add(situation)
        document = shell_inline.here(line, situation)
        read = None
        if document is not None and host.kind == "shell" and not line.nested:
            read = shell_inline.inline(path, line, document)
        yield BuildCall(
            host.kind,
            path,
            projection.host_span(line.command.span),
            line.tool,
            dialect,
            situation.cwd,
            situation.context,
            situation.file,
            () if read is None else (read.path,),
            "unresolved" if document is None else "context",
            situation.target,
            args,
            secrets,
            ssh,
            line.buildkit,
            line.evidence,
            tuple(shown(argument, host) for argument in line.unresolved),
            refusal,
            piped=piped(line, situation),
            forward=line.forward,
            inline=read,
        )


@dataclass(frozen=True, eq=False)
class ShellDialect(ValuePlanner):
    """One build command in shell text. `shared` are host spans of flags that stand outside the
    command (in an array or a string), which other commands may use as well. `tangled`: what
    it would change overlaps other text, so that not even a flag can go."""

    tangled: bool = False

    @property
    def shared(self) -> tuple[Span, ...]:
        project = self.line.script.projection.host_span
        return tuple(
            project(given.given.value.span)
            for given in self.line.build_args
            if given.given.value is not None and given.given.value.via is not None
        )

    # -- what a pass reads ----------------------------------------------------

    def build_arg(self, given: GivenArg) -> BuildArg:
        span = self._span(given)
        conditional = self._conditional(given)
        if given.leaves is None:
            name = given.name
            return BuildArg(name, span, Value.ENVIRONMENT, name, True, False, True)
        variable = given.variable
        foreign = self._foreign(given)
        if foreign is not None and foreign.variable is not None:
            return BuildArg(
                given.name, span, Value.ENVIRONMENT, foreign.variable, True, not conditional
            )
        if variable is not None:
            exported = self._in_environment(given, variable)
            kind = Value.ENVIRONMENT if exported else Value.TEXT
            known = [v.values for v in self._variables(given, variable)]
            filled = all(values is not None and b"" not in values for values in known)
            if filled and all(values is not None for values in known):
                kind = Value.LITERAL
            return BuildArg(
                given.name, span, kind, variable, exported, not conditional, not filled,
                self._doubt(given),
            )  # fmt: skip
        if given.literal is not None:
            filled = bool(given.literal)
            return BuildArg(
                given.name, span, Value.LITERAL, None, False, not conditional, not filled,
                self._doubt(given),
            )  # fmt: skip
        filled = any(
            leaf.part.literal or (leaf.part.use is not None and leaf.part.use.operator == ":?")
            for leaf in given.leaves
        )
        return BuildArg(
            given.name, span, Value.TEXT, None, False, not conditional, not filled,
            self._doubt(given),
        )  # fmt: skip

    def _doubt(self, given: GivenArg) -> str:
        for leaf in given.leaves or ():
            if (
                leaf.part.kind == "text"
                and not leaf.quoted
                and any(byte in b"*?[" for byte in leaf.part.value)
            ):
                return "the value holds a pattern that the shell may have expanded"
        return ""

    # -- what a pass asks -----------------------------------------------------

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        given = self._given(arg)
        if call.refusal is not None:
            return call.refusal
        if given is None or given.given.value is None:
            return self._refusal("this flag cannot be found again", self.line.command.span)
        if self.line.kind == "compose":
            return into_environment(self, call, arg, given, id, source)
        if not _usable(id):
            return self._refusal(f"`{id!a}` cannot be the id of a secret", self._value_span(given))
        held = next((secret for secret in call.secrets if secret.id == id), None)
        if source is not None and not source.startswith("env:"):
            if held is None:
                return self._from_source(given, id, source)
            if held.source in (source, ""):
                return self.drop(call, arg)
            return self._refusal(
                f"the secret {id} is given here already, from elsewhere", given.given.value.span
            )
        plan = self._stray(given) or self._several_places(given) or self._plan(given, source)
        if isinstance(plan, Refusal):
            return plan
        if held is not None:
            if held.source in (f"env:{plan.variable}", "") and plan.set_to is None:
                return self.drop(call, arg)
            return self._refusal(
                f"the secret {id} is given here already, from elsewhere", given.given.value.span
            )
        found = [
            *self._replace(given, f"id={id},env={plan.variable}".encode("utf-8", "surrogateescape"))
        ]
        result = self._deliver(plan, given, arg.span.start)
        if isinstance(result, Refusal):
            return result
        return [*found, *result]

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        if call.refusal is not None:
            return call.refusal
        if any(secret.id == id for secret in call.secrets) or self.line.kind == "bake":
            return ()
        site = self._site()
        order = site.span.start
        found: list[Operation] = []
        word, variable = f"id={id}".encode("utf-8", "surrogateescape"), id
        if source is not None:
            made = sourced(id, source, self._settable(id), self.line.tool)
            if made is None:
                return self._no_path()
            word, variable = made.word, made.variable
            if made.set_to is not None:
                found.append(site.set_variable(variable, made.set_to, order))
        if variable:
            keeping = self._keeping(variable, order)
            if isinstance(keeping, Refusal):
                return keeping
            found += keeping
        text = (Piece(b"--secret " + word),)
        if site.add_at < 0:
            return self._refusal("the build command stands in a variable", self.line.command.span)
        return [*found, site.add_flag(id, text, order)]

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        given = self._given(arg)
        if given is None or given.given.value is None:
            return self._refusal("this flag cannot be found again", self.line.command.span)
        flag, value = given.given.flag, given.given.value
        twice = self._several_places(given)
        if twice is not None:
            return twice
        if self.tangled and call.refusal is not None:
            return call.refusal
        whole = self._whole_alternative(given)
        if whole is not None:
            return [self._site().remove(whole, (whole,), whole.start)]
        if flag.via is value.via and flag.where == value.where:
            region = Span(flag.span.start, value.span.end)
            site = self._site_of(flag)
            return [site.remove(region, (region,), region.start)]
        return [
            self._site_of(one).remove(one.span, (one.span,), one.span.start)
            for one in (flag, value)
        ]

    # -- operations -----------------------------------------------------------

    def _deliver(self, plan: Plan, given: GivenArg, order: int) -> Sequence[Operation] | Refusal:
        found: list[Operation] = []
        if plan.set_to is not None:
            clash = self._conflict(plan, given)
            if clash is not None:
                return clash
            found.append(self._site().set_variable(plan.variable, plan.set_to, order))
        keeping = self._keeping(plan.variable, order)
        return keeping if isinstance(keeping, Refusal) else [*found, *keeping]

    def _conflict(self, plan: Plan, given: GivenArg) -> Refusal | None:
        """An earlier prefix of the command that the value would then see, or the reverse."""
        for assignment in self.line.command.prefix:
            if assignment.kind == "prefix" and any(
                use.name == plan.variable
                for use in (assignment.value.uses if assignment.value else ())
            ):
                return self._refusal(
                    f"`{assignment.name}=` before the command reads {plan.variable}",
                    assignment.span,
                    "Export that variable on a line of its own.",
                )
        return None

    def _keeping(self, name: str, order: int) -> Sequence[Operation] | Refusal:
        """sudo drops the environment (rule 5.4): have it keep `name`."""
        sudo = self.line.wrapper("sudo")
        if sudo is None or f"{name}" in _sudo_sets(sudo.arguments):
            return []
        listed: Argument | None = None
        for argument in sudo.arguments:
            text = (argument.literal or b"").decode("utf-8", "surrogateescape")
            letters = text[1:] if text.startswith("-") and not text.startswith("--") else ""
            if text == "--preserve-env" or "E" in letters:
                return []
            if "i" in letters.partition("u")[0] or text == "--login":
                return self._refusal(
                    "sudo -i starts a login shell, which drops the environment",
                    self.line.command.span,
                    "Use sudo without -i.",
                )
            if text.startswith("--preserve-env="):
                if name in text.partition("=")[2].split(","):
                    return []
                listed = argument
        target = listed or sudo.argument
        site = self._site_of(target)
        start, end = target.span
        if listed is not None:
            quoted = listed.text[-1:] in (b'"', b"'")
            return [site.keep_variable(name, Keep("append", start, end - quoted), order)]
        mode = "flag"
        if target.via is not None:
            written = target.script.text[start:end]
            value = target.assignment.value_span if target.assignment else None
            if value == target.span and written[:1] not in (b'"', b"'"):
                mode = "quote"
            elif written[:1] in (b'"', b"'") and written[-1:] == written[:1]:
                end -= 1
        return [site.keep_variable(name, Keep(mode, start, end), order)]

    def _replace(self, given: GivenArg, text: bytes, *, as_is: bool = False) -> list[Operation]:
        flag, value = given.given.flag, given.given.value
        if value is None:
            return []
        name, text = secret_flag(given.given, text)
        if given.given.joined:
            flagged = name + b"="
            written = flagged + text if as_is else requoted(value, text, flagged)
            one = Replacement(value.span, (Piece(written),))
            return [self._site_of(value).replace(value.span, [one], value.span.start)]
        first = Replacement(flag.span, (Piece(requoted(flag, name)),))
        second = Replacement(value.span, (Piece(text if as_is else requoted(value, text)),))
        if flag.via is value.via and flag.where == value.where:
            return [self._site_of(flag).replace(flag.span, [first, second], flag.span.start)]
        return [
            self._site_of(one).replace(one.span, [change], one.span.start)
            for one, change in ((flag, first), (value, second))
        ]

    def _from_source(self, given: GivenArg, id: str, source: str) -> Sequence[Operation] | Refusal:
        order = self._span(given).start
        stray = self._stray(given) or self._several_places(given)
        if stray is not None:
            return stray
        made = sourced(id, source, self._free_name(given), self.line.tool)
        value = given.given.value
        if made is None or (not made.bare and (value is None or value.where != "direct")):
            return self._no_path()
        found = self._replace(given, made.value if made.bare else made.word, as_is=not made.bare)
        if made.set_to is None:
            return found
        keeping = self._keeping(made.variable, order)
        if isinstance(keeping, Refusal):
            return keeping
        return [*found, self._site().set_variable(made.variable, made.set_to, order), *keeping]

    def _no_path(self) -> Refusal:
        return self._refusal(
            "the configured path of the secret cannot be written here", self.line.command.span
        )

    # -- places ---------------------------------------------------------------

    def _site(self) -> ShellSite:
        """The command itself."""
        line = self.line
        command = line.command
        at = command.span.start
        if self.host.keeps_time and line.wrappers and line.wrappers[0].name == "time":
            wrapper = line.wrappers[0]
            last = (wrapper.argument, *wrapper.arguments)[-1]
            following = [w.span.start for w in command.words if w.span.start >= last.span.end]
            at = following[0] if following else at
        add_at, glue = -1, b" "
        if line.subcommand.where == "direct":
            add_at = line.subcommand.span.end
            glue = _glue(line.script.text, add_at, command.span.end)
        return ShellSite(self.path, line.script.projection, command.span, at, add_at, glue)

    def _site_of(self, argument: Argument) -> ShellSite:
        """The command, or the assignment that holds the argument."""
        assignment = argument.assignment
        if assignment is None:
            return self._site()
        container = "array" if assignment.elements is not None else "string"
        if assignment.kind == "positional":
            container = "command"
        return ShellSite(
            self.path, argument.script.projection, assignment.span, container=container
        )

    def _whole_alternative(self, given: GivenArg) -> Span | None:
        """The word `${X:+--build-arg X=$X}` if it holds nothing else."""
        flag, value = given.given.flag, given.given.value
        if flag.where != "alternative" or value is None or flag.word is None:
            return None
        word = flag.word.span
        text = flag.script.text
        before = text[word.start : flag.span.start].strip(b'"').rstrip()
        after = text[value.span.end : word.end].strip(b'"').lstrip()
        return word if before.endswith((b":+", b"+")) and after == b"}" else None

    def _given(self, arg: BuildArg) -> GivenArg | None:
        return next(
            (
                given
                for given in self.line.build_args
                if given.name == arg.name and self._span(given) == arg.span
            ),
            None,
        )

    def _conditional(self, given: GivenArg) -> bool:
        value = given.given.value
        return given.given.flag.conditional or (value is not None and value.conditional)

    def _span(self, given: GivenArg) -> Span:
        flag, value = given.given.flag, given.given.value
        project = self.line.script.projection.host_span
        if value is None:
            return project(flag.span)
        if flag.via is value.via and flag.where == value.where:
            return project(Span(flag.span.start, value.span.end))
        return project(value.span)


def _usable(id: str) -> bool:
    """Whether an id is one that every client takes as it is (rule 6.17)."""
    return bool(id) and id.isascii() and all(c.isalnum() or c in "_.-" for c in id)


def _sudo_sets(arguments: Sequence[Argument]) -> set[str]:
    return {
        (argument.literal or b"").decode("utf-8", "surrogateescape").partition("=")[0]
        for argument in arguments
        if b"=" in argument.text and not argument.text.startswith(b"-")
    }


def _glue(text: bytes, at: int, end: int) -> bytes:
    """What stands between the subcommand and its first flag: a new flag gets the same."""
    stop = at
    while stop < end:
        if text[stop] in b" \t\r":
            stop += 1
        elif text.startswith((b"\\\n", b"\\\r\n"), stop):
            stop = text.index(b"\n", stop) + 1
        else:
            break
    between = text[at:stop]
    return between if b"\n" in between else b" "


__all__ = ["Host", "ShellDialect", "Substitution", "calls_of"]
