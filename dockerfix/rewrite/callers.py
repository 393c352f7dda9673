"""What the callers of a Dockerfile need so that a secret reaches it, and what holds a fix back.

Knows build calls, not how any file writes them.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dockerfix.builders.github_elsewhere import elsewhere
from dockerfix.builders.link import unlinked_with, working_folder
from dockerfix.builders.mentions import mentions
from dockerfix.builders.platforms import built_by_platforms
from dockerfix.finding import Place, Refusal
from dockerfix.rewrite.forms import knows_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.builders.call import BuildCall
    from dockerfix.builders.mentions import Mention
    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.rewrite.forms import Form


class Doubt(NamedTuple):
    """What is not known of a call, and the condition (S2, S6 or S8) that it leaves open."""

    condition: str
    says: str


@dataclass(slots=True)
class Callers:
    """The calls that build one Dockerfile, turned for one secret.

    `passing` pass the variable as a build argument today. `holds` keep the whole fix back,
    `doubts` make it unsafe. `partners` are other Dockerfiles that a shared call builds, which
    must agree. `not_changed` is prose that names the build argument. `elsewhere` gets the secret
    and may build in another repository.
    """

    linked: tuple[BuildCall, ...] = ()
    passing: tuple[BuildCall, ...] = ()
    operations: list[Operation] = field(default_factory=list)
    holds: list[Refusal] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    partners: set[str] = field(default_factory=set)
    not_changed: list[Place] = field(default_factory=list)
    literals: list[Place] = field(default_factory=list)
    elsewhere: list[Place] = field(default_factory=list)

    @property
    def silent(self) -> tuple[BuildCall, ...]:
        """Linked calls that do not pass the variable, but for commands that only start what a
        compose file says, which is a call itself, parts of others, and functions that pass it
        whatever they are given."""
        return tuple(
            call
            for call in self.linked
            if call not in self.passing
            and not (call.through or call.part or self._passed_inside(call))
        )

    def _passed_inside(self, call: BuildCall) -> bool:
        body = call.forward.body if call.forward is not None else None
        return body is not None and any(
            one.path == call.path and body.contains(one.span) for one in self.passing
        )


def turn(
    context: Context, name: str, id: str, *, give: bool, drop: bool, form: Form = "env"
) -> Callers:
    """Turn every call that passes `name`.

    With `give`, calls that passed nothing are given the secret too (the old value stood in
    the Dockerfile). With `drop`, the argument goes without a secret: no RUN reads it.
    """
    found = Callers(linked=tuple(context.calls))
    found.passing = tuple(call for call in context.calls if call.passes(name))
    configured = context.config.secrets.get(name)
    source = configured.source if configured is not None else None
    for call in context.calls:
        where = f"{call.path}:{context.line(call.path, call.span.start)}"
        if call.refusal is not None and not drop:
            found.holds.append(call.refusal)
            continue
        if call.buildkit == "unknown" and not (form == "file" and knows_files(call)):
            says = f"{where}: it is not known that {call.tool} is BuildKit here"
            found.doubts.append(Doubt("S6", says))
        if call.unresolved:
            words = ", ".join(call.unresolved)
            found.doubts.append(Doubt("S2", f"{where}: {words} may hold further flags"))
        given = source_for(context, call, source)
        if source is not None and source.startswith("env:") and not drop:
            variable = source.removeprefix("env:")
            if (give or call in found.passing) and call.seen_to_lack(variable):
                says = f"{where}: nothing in that file is seen to set {variable}"
                found.doubts.append(Doubt("S8", says))
        if call in found.passing:
            _turn_one(context, found, call, name, id, given, drop)
        elif give and not call.part:
            _take(found, call.add_secret(id, given))
    if not context.allow_partial:
        found.holds.extend(_computed(context, name))
        found.holds.extend(_unseen(context, name))
    shown = _shown(context, found, name, id, source, give, drop)
    _mentioned(context, found, name, "" if drop else id, shown)
    found.not_changed.extend(_own(context, name))
    if not (found.passing or give or drop):
        _built_elsewhere(context, found, name)
    if not drop:
        _built_by_platforms(context, found, name)
    # Each combination of a matrix says the same.
    found.holds = list(dict.fromkeys(found.holds))
    found.doubts = list(dict.fromkeys(found.doubts))
    return found


def _shown(
    context: Context,
    found: Callers,
    name: str,
    id: str,
    source: str | None,
    give: bool,
    drop: bool,
) -> tuple[Place, ...]:
    """Turn the commands that are only shown; what cannot be turned stays, and is listed."""
    turned: list[Place] = []
    for call in context.documents:
        if give and not call.passes(name):
            added = call.add_secret(id, source_for(context, call, source))
            found.operations.extend(() if isinstance(added, Refusal) else added)
        for arg in call.passes(name):
            given = source_for(context, call, source)
            result = call.drop(arg) if drop else call.take_secret(arg, id, given)
            if not isinstance(result, Refusal):
                found.operations.extend(result)
                turned.append(Place(arg.path or call.path, arg.span, ""))
    return tuple(turned)


def _own(context: Context, name: str) -> Iterator[Place]:
    """Builds whose Dockerfile stands in the file that starts them, where dockerfix cannot read it."""
    for call in context.all_calls:
        if call.linked_by == "context" and not call.dockerfiles and call.inline is None:
            for arg in call.passes(name):
                message = (
                    f"this build passes {name} to a Dockerfile that stands here, which is not read"
                )
                yield Place(call.path, arg.span, message)


def _built_elsewhere(context: Context, found: Callers, name: str) -> None:
    """What gets the secret here and builds in another repository, where nothing here passes it."""
    for one in elsewhere(name, context.workspace):
        found.elsewhere.append(Place(one.path, one.span, one.why))
        if one.likely:
            where = f"{one.path}:{context.line(one.path, one.span.start)}"
            found.doubts.append(Doubt("S2", f"{where}: {one.why}"))


def _built_by_platforms(context: Context, found: Callers, name: str) -> None:
    """Services that build the Dockerfile too, where the mount stays empty whatever they hold."""
    for one in built_by_platforms(context.path, context.workspace):
        says = f"{one.platform} builds {context.path}, and gives a build arguments and no secrets"
        where = f"{one.path}:{context.line(one.path, one.span.start)}"
        found.doubts.append(Doubt("S2", f"{where}: {says}"))
        found.not_changed.append(Place(one.path, one.span, f"{says}: {name} is empty there"))


def source_for(context: Context, call: BuildCall, source: str | None) -> str | None:
    """The configured source as this call says it: the path of a file counts from the
    configuration's folder, and the client wants it from its own."""
    if source is None or not source.startswith("file:"):
        return source
    path = source.removeprefix("file:")
    folder = working_folder(call, context.path)
    if folder is None or path.startswith(("/", "~", "$")):
        return source
    held = posixpath.join(posixpath.dirname(context.config.origin), path)
    return "file:" + posixpath.relpath(posixpath.normpath(held), folder or ".")


def _turn_one(
    context: Context,
    found: Callers,
    call: BuildCall,
    name: str,
    id: str,
    source: str | None,
    drop: bool,
) -> None:
    where = f"{call.path}:{context.line(call.path, call.span.start)}"
    others = (*call.dockerfiles, *call.companions)
    found.partners.update(path for path in others if path != context.path)
    if call.linked_by == "name":
        says = f"{where}: tied to {context.path} {_tie(call)}"
        found.doubts.append(Doubt("S2", says))
    for index, arg in enumerate(call.passes(name)):
        last = index == len(call.passes(name)) - 1
        # Of one argument given twice the last wins (rule 5.5): the others are dead.
        _take(found, call.take_secret(arg, id, source) if last and not drop else call.drop(arg))
        if arg.doubt and not drop:
            found.doubts.append(Doubt("S8", f"{where}: {arg.doubt}"))
        if arg.value.value == "literal" and not drop:
            message = f"the value of {name} is written out here: rotate it"
            found.literals.append(Place(arg.path or call.path, arg.span, message))


def _tie(call: BuildCall) -> str:
    """What ties a call to a Dockerfile that it does not name."""
    if call.forward is not None:
        return f"through {call.forward.path or f'the script {call.forward.name}'}, which builds it"
    if call.piped is not None:
        return "by its name in the pipe alone"
    if len(call.dockerfiles) > 1:
        return (
            "as to every Dockerfile that takes the argument: which of them it builds is not known"
        )
    return "by the argument's name alone"


def _take(found: Callers, result: object) -> None:
    if isinstance(result, Refusal):
        found.holds.append(result)
    else:
        found.operations.extend(result)  # type: ignore[arg-type]


def _computed(context: Context, name: str) -> list[Refusal]:
    """Calls that most likely pass `name` among arguments that something else computes: a word that
    names it, the output of a step (`steps.ID.outputs.NAME`) of a workflow that has `NAME=`, a
    function of a bake file that names it, or flags that are made of a file (`$(sed 's/^/--build-arg /' .env)`) which has it."""
    raw = re.escape(name.encode("utf-8", "surrogateescape"))
    named, written = (
        re.compile(rb"\b" + raw + rb"\b"),
        re.compile(rb"^[ \t]*(?:export[ \t]+)?" + raw + rb"[ \t]*=", re.M),
    )
    holds = []
    for call in context.calls:
        if call.passes(name) or any(one.id == name for one in call.secrets):
            continue
        text = context.workspace.read(call.path)
        for word in call.unresolved:
            spelt = word.encode("utf-8", "surrogateescape")
            source = ""
            if named.search(spelt):
                source = f"`{word}`"
            elif "outputs." in word and raw + b"=" in text:
                source = "another step"
            elif call.kind == "bake" and named.search(text):
                source = f"an expression of `{word}`"
            elif "build-arg" in word and (file := _file_with(context, text, written)):
                source = f"`{word}` (from {file})"
            if source:
                holds.append(
                    Refusal(
                        f"{name} is most likely among the arguments that {source} gives",
                        call.path,
                        call.span,
                        f"give {name} as a secret of that build by hand, and use --allow-partial",
                    )
                )
    return holds


def _file_with(context: Context, script: bytes, written: re.Pattern[bytes]) -> str | None:
    """A file whose name is in the script and whose text has what is sought."""
    for path in context.workspace.files():
        base = re.escape(path.rpartition("/")[2].encode("utf-8", "surrogateescape"))
        if re.search(rb"(?<![\w.-])" + base + rb"(?![\w.-])", script) is None:
            continue
        try:
            if written.search(context.workspace.read(path)):
                return path
        except Exception:  # who needs that file says why it cannot be read
            continue
    return None


def _unseen(context: Context, name: str) -> list[Refusal]:
    holds = []
    tied = [replace(one, dockerfiles=(), linked_by="unresolved") for one in context.calls]
    for call in unlinked_with(name, context.all_calls):
        if call in tied:
            continue
        holds.append(
            call.refusal
            or Refusal(
                f"a build that passes {name} cannot be tied to a Dockerfile",
                call.path,
                call.span,
                "name the Dockerfile with -f, or migrate that build by hand and use --allow-partial",
            )
        )
    return holds


def _mentioned(
    context: Context, found: Callers, name: str, id: str, turned: tuple[Place, ...]
) -> None:
    for mention in mentions(name, context.workspace, context.all_calls):
        if any(one.path == mention.path and one.span.contains(mention.span) for one in turned):
            continue
        if mention.kind == "prose":
            found.not_changed.append(Place(mention.path, mention.span, mention.why))
        elif not context.allow_partial:
            found.holds.append(
                Refusal(
                    f"{mention.why}, which dockerfix does not rewrite",
                    mention.path,
                    mention.span,
                    f"give {name} as a secret there by hand{_flag(context, mention, id)}, then run "
                    "again with --allow-partial",
                )
            )


def _flag(context: Context, mention: Mention, id: str) -> str:
    """What takes the place of a `--build-arg` that stands on the line before the name."""
    before = context.workspace.read(mention.path)[: mention.span.start].rpartition(b"\n")[2]
    if not id or b"--build-arg" not in before:
        return ""
    return f" (`--secret id={id},env=VARIABLE`)"
