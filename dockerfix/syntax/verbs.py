"""What can be asked of an instruction or of the header: each verb makes one `Operation`.

A verb checks what it is given and says which bytes change; how the change is spelt is
decided in `lower`, once, for all operations on one instruction together. `order` is the
byte offset of the declaration that asked, and sorts what is inserted at one point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Operation, Site
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Hashable

    from dockerfix.syntax.nodes import (
        Add,
        Arg,
        Copy,
        Dockerfile,
        Env,
        Flag,
        Instruction,
        Label,
        Mount,
        Run,
        Word,
    )

Order = tuple[int, ...]


def remove(dockerfile: Dockerfile, instruction: Instruction, *, order: Order = ()) -> Operation:
    """The instruction goes with its lines and heredocs, and one of two blank lines around it."""
    return _operation(dockerfile, instruction, "remove", None, None, instruction.span, order)


def remove_pair(
    dockerfile: Dockerfile, instruction: Arg | Env | Label, index: int, *, order: Order = ()
) -> Operation:
    """The pair at `index` goes; the instruction goes with its last pair."""
    span = instruction.pairs[index].span
    return _operation(dockerfile, instruction, "remove_pair", ("pair", index), None, span, order)


def set_value(
    dockerfile: Dockerfile,
    instruction: Arg | Env | Label,
    index: int,
    text: bytes | None,
    *,
    order: Order = (),
) -> Operation:
    """The pair at `index` gets the value `text`, spelt as it shall stand; None takes it away.

    Raises ValueError for a line break in `text`, and for None on a pair that needs a value.
    """
    pair = instruction.pairs[index]
    if text is None:
        if instruction.name != "arg":
            raise ValueError(f"{instruction.name.upper()} needs a value for {pair.name}")
        span, text = Span(pair.name_span.end, pair.span.end), b""
    elif pair.value is None:
        span, text = Span(pair.name_span.end, pair.name_span.end), b"=" + _one_line(text)
    else:
        span = pair.value.span
    member = ("pair", index)
    return _operation(dockerfile, instruction, "set_value", member, _one_line(text), span, order)


def remove_source(
    dockerfile: Dockerfile, instruction: Copy | Add, index: int, *, order: Order = ()
) -> Operation:
    """The source at `index` of a COPY or ADD goes; the instruction goes with its last one.

    Raises ValueError for a COPY with heredocs, whose bodies it would leave behind.
    """
    if instruction.heredocs:
        raise ValueError("a source cannot be removed beside a heredoc")
    span = instruction.sources[index].span
    member = ("source", index)
    return _operation(dockerfile, instruction, "remove_source", member, None, span, order)


def replace(
    dockerfile: Dockerfile,
    instruction: Instruction,
    word: Word | Span,
    text: bytes,
    *,
    order: Order = (),
) -> Operation:
    """The bytes of a word, or of a span inside the instruction, become `text`.

    Raises ValueError if the span lies outside the instruction.
    """
    span = word if isinstance(word, Span) else word.span
    if not instruction.span.contains(span):
        raise ValueError("the span lies outside the instruction")
    member = ("span", span.start, span.end)
    return _operation(dockerfile, instruction, "replace", member, text, span, order)


def add_mount(dockerfile: Dockerfile, run: Run, mount: bytes, *, order: Order = ()) -> Operation:
    """A mount such as `type=secret,id=X,env=X` comes behind the flags that are there.

    A RUN that has the very same mount stays as it is. Two mounts that differ but fill one
    variable or one path do not commute. Raises ValueError for bytes that BuildKit would
    not read back (rules 1.24 and 1.25).
    """
    text = _mount_text(mount)
    at = run.flags[-1].span.end if run.flags else run.keyword_span.end
    member = ("mount", *_filled(text))
    return _operation(dockerfile, run, "add_mount", member, text, Span(at, at), order)


def remove_mount(dockerfile: Dockerfile, run: Run, mount: Mount, *, order: Order = ()) -> Operation:
    """One mount flag goes."""
    member = ("flag", _flag_index(run, mount.flag))
    return _operation(dockerfile, run, "remove_mount", member, None, mount.flag.span, order)


def replace_mount(
    dockerfile: Dockerfile, run: Run, mount: Mount, text: bytes, *, order: Order = ()
) -> Operation:
    """One mount flag gets another value. Raises ValueError as `add_mount` does."""
    member = ("flag", _flag_index(run, mount.flag))
    span = mount.flag.span
    return _operation(dockerfile, run, "replace_mount", member, _mount_text(text), span, order)


def insert_statement(
    dockerfile: Dockerfile, run: Run, text: bytes, *, order: Order = (), sets: str = ""
) -> Operation:
    """Shell text with its operator, such as `export Y="a" && `, comes before the command.

    Two statements that differ but set one variable (`sets`) do not commute. In a heredoc script it becomes a line of its own, after a shebang. Raises ValueError for
    the exec form, for a RUN without a command, and for a line break in `text`.
    """
    if run.exec_form:
        raise ValueError("the exec form takes no shell statement")
    arguments = run.arguments_span
    if not dockerfile.source.text(arguments).strip():
        raise ValueError("this RUN has no command")
    at = run.heredocs[0].content_span.start if run.heredocs else arguments.start
    member = ("statement", sets or text)
    return _operation(
        dockerfile, run, "insert_statement", member, _one_line(text), Span(at, at), order
    )


def insert_before(
    dockerfile: Dockerfile, instruction: Instruction, line: bytes, *, order: Order = ()
) -> Operation:
    """A new line (or lines, LF between them) without its line end, above the instruction."""
    at = Span(instruction.span.start, instruction.span.start)
    member = ("before", line)
    return _operation(dockerfile, instruction, "insert_before", member, line, at, order)


def insert_after(
    dockerfile: Dockerfile, instruction: Instruction, line: bytes, *, order: Order = ()
) -> Operation:
    """A new line (or lines, LF between them) without its line end, below the instruction."""
    at = Span(instruction.span.end, instruction.span.end)
    member = ("after", line)
    return _operation(dockerfile, instruction, "insert_after", member, line, at, order)


def set_syntax(dockerfile: Dockerfile, image: str, *, order: Order = ()) -> Operation:
    """The file's `# syntax=` names `image`: the value there is replaced, or the line comes first.

    Raises ValueError if `image` is empty or holds a blank or a byte that is not ASCII.
    """
    if not image.isascii() or not image.isprintable() or " " in image or not image:
        raise ValueError(f"{image!r} is no image name")
    header = dockerfile.header
    value = image.encode("ascii")
    return _operation(dockerfile, header, "set_syntax", ("syntax",), value, header.span, order)


def _operation(
    dockerfile: Dockerfile,
    site: Site,
    verb: str,
    member: Hashable,
    value: Hashable,
    touches: Span,
    order: Order,
) -> Operation:
    path = dockerfile.source.path
    return Operation(path, verb, member, value, site.span, (touches,), order, site=site)


def _flag_index(run: Run, flag: Flag) -> int:
    return next(index for index, other in enumerate(run.flags) if other.span == flag.span)


def _one_line(text: bytes) -> bytes:
    if b"\n" in text or b"\r" in text:
        raise ValueError("a line break cannot stand here")
    return text


def _mount_text(mount: bytes) -> bytes:
    text = mount.removeprefix(b"--mount=")
    if not text or any(byte <= 32 or byte >= 127 for byte in text):
        raise ValueError("a mount is printable ASCII without blanks")
    return text


def _filled(mount: bytes) -> tuple[bytes, ...]:
    """What the mount fills: a variable, a path, or else whatever it spells."""
    options = dict(field.split(b"=", 1) for field in mount.split(b",") if b"=" in field)
    for key in (b"env", b"target", b"dst", b"destination"):
        if key in options:
            return (b"env" if key == b"env" else b"target", options[key])
    return (mount,)
