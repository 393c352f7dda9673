"""How each RUN gets the names that it may read: by a mount, or by a statement before its command.

Says what is asked of one RUN and turns it into operations. What is removed, and why a RUN needs
a name, is decided in `plan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.finding import Refusal
from dockerfix.model.predefined import is_proxy
from dockerfix.rewrite import forms
from dockerfix.rewrite.composite import (
    RUNTIME_NAMES,
    SHELL_NAMES,
    NotComposableError,
    Read,
    Template,
    plain,
    reads,
    shell_word,
)
from dockerfix.shell.words import is_name
from dockerfix.syntax import make, verbs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.model import Binding
    from dockerfix.model.runs import RunReading
    from dockerfix.rewrite.forms import Form
    from dockerfix.rewrite.values import Values
    from dockerfix.syntax.nodes import Mount, Run

AFTER_LOADS = 1
"""What is put together stands behind everything that is read from a file, whichever fix asks."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """A RUN that gets (or has) the variable `name`, and why it needs it.

    With `word` the shell puts the value together, from names that the RUN is `Mounted` with
    as well; `order` then is where the ENV stood.
    """

    run: Run
    name: str
    reading: RunReading
    present: bool
    word: bytes | None = None
    order: int = 0


def deliveries(context: Context, values: Values) -> Iterator[Mounted | Refusal]:
    """Each RUN and name where a removed binding is the live one and the RUN may read it."""
    names = tuple(dict.fromkeys(one.name for one in values.removed))
    gone = {one.pair.span: one for one in values.removed}
    for run in context.runs:
        environment = context.model.environment(run)
        found: dict[str, Mounted] = {}
        for name in names:
            binding = environment.get(name)
            if binding is None or binding.pair.span not in gone:
                continue
            reading = context.reader.reading(run, name)
            if not reading.reads:
                continue
            present = any(one.env == name for one in run.mounts)
            value = values.of.get(gone[binding.pair.span])
            if present or value is None or plain(value):
                found.setdefault(name, Mounted(run, name, reading, present))
                continue
            made = _put_together(context, run, binding, value, values, environment)
            if isinstance(made, Refusal):
                yield made
                continue
            word, sources = made
            for source in sources:
                held = any(one.env == source for one in run.mounts)
                found.setdefault(source, Mounted(run, source, reading, held))
            found[name] = Mounted(run, name, reading, False, word, binding.order)
        yield from found.values()


def _put_together(
    context: Context,
    run: Run,
    binding: Binding,
    value: Template,
    values: Values,
    environment: dict[str, Binding],
) -> tuple[bytes, tuple[str, ...]] | Refusal:
    """The shell word for the value in this RUN, and the mounted names that it reads."""
    why = forms.objection(context, run)
    if not why:
        try:
            nounset = "u" in forms.shell_options(context, run)
            word = shell_word(
                value, lambda read: _named(read, values, environment, run.start_line), nounset
            )
            secrets = [read for read in reads(value) if read.secret]
            names = [_named(read, values, environment, run.start_line) for read in secrets]
            return word, tuple(dict.fromkeys(names))
        except NotComposableError as error:
            why = str(error)
    keyword = "ENV" if binding.kind == "env" else "ARG"
    return Refusal(
        f"the RUN on line {run.start_line} may read {binding.name}, whose value {keyword} puts "
        f"together, but {why}",
        context.path,
        run.keyword_span,
        f"give the RUN {binding.name} by hand, from a mounted secret",
    )


def _named(read: Read, values: Values, environment: dict[str, Binding], line: int) -> str:
    """The name under which the RUN's shell has what `read` reads."""
    name = read.name
    if not read.secret:
        if environment.get(name) is not read.binding:
            raise NotComposableError(f"{name} is another one by line {line}")
        unknown = read.binding is None and (name in RUNTIME_NAMES or is_proxy(name))
        if not is_name(name) or name in SHELL_NAMES or unknown:
            raise NotComposableError(f"the shell has its own {name}")
        return name
    if read.binding is None:
        if name in environment:
            raise NotComposableError(f"{name} is taken")
        return name
    live = [
        one.name
        for one in values.removed
        if one in values.of and plain(values.of[one]) and environment.get(one.name) is one
    ]
    if not live:
        raise NotComposableError(f"{name} is another one by line {line}")
    return name if name in live else live[0]


def operations(
    context: Context,
    mounted: Iterable[Mounted],
    id: str,
    form: Form,
    required: bool,
    order: tuple[int, ...],
) -> Iterator[Operation]:
    """What makes each RUN get its names."""
    dockerfile = context.dockerfile
    with_file: set[int] = set()
    for index, one in enumerate(mounted):
        run, place = one.run, (*order, index)
        if one.present:
            continue
        if one.word is not None:
            text = forms.export(context, run, one.name, one.word)
            yield verbs.insert_statement(
                dockerfile, run, text, order=(AFTER_LOADS, one.order), sets=one.name
            )
        elif form == "env":
            text = make.mount(id=id, env=one.name, required=required or None)
            yield verbs.add_mount(dockerfile, run, text, order=place)
        else:
            held = held_file(run, id)
            if held is None and run.span.start not in with_file:
                with_file.add(run.span.start)
                text = forms.file_mount(context, run, id, required)
                yield verbs.add_mount(dockerfile, run, text, order=place)
            text = forms.load(one.name, forms.file_path(id, held))
            yield verbs.insert_statement(dockerfile, run, text, order=(0, *place), sets=one.name)


def held_file(run: Run, id: str) -> Mount | None:
    """A mount of the secret as a file that the RUN has already."""
    return next(
        (one for one in run.mounts if one.type == "secret" and one.id == id and one.env is None),
        None,
    )
