"""Flags of a build that stand in a variable of the host file, not in the command.

`variables: {ARGS: --build-arg X=$X}` and `docker build $ARGS .`: the variable is read as if the
script began with `export ARGS="..."`, so that the shell's own rules say what becomes of it, and
what changes there changes in the host. `Uses` knows where else the variable is used. Knows no CI
system, and not what a flag means.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from dockerfix.finding import Refusal
from dockerfix.projection import framed, substituted
from dockerfix.shell.words import is_name
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dockerfix.projection import Projection
    from dockerfix.workspace import Workspace

PUT_IN = "__put_in"
"""Ends the name of an array that stands for a variable whose text is put into the command."""
FLAGS = re.compile(rb"--(?:build-arg|secret)(?![\w-])")
_LITERAL = re.compile(rb"[\"\\`$]")
_EXPANDED = re.compile(rb"[\"\\`]|\$(?!\w|\{\w+\})")
_TRAILING = re.compile(rb"\s+\Z")
_COMMAND = re.compile(rb"\$\([^()]*\)")
_SAID = re.compile(rb"[ \t\"'|>@-]*(?:- )?[ \t\"'|>@-]*(?:echo|printf)\b[^;&|]*\Z")

Form = Literal["literal", "expanded", "text"]


class Text(Protocol):
    """What a variable is set to."""

    @property
    def text(self) -> bytes: ...

    @property
    def span(self) -> Span: ...

    @property
    def projection(self) -> Projection: ...


class Held(NamedTuple):
    """A variable `name` of the host with the text of `scalar`. `form`: `literal` and `expanded` are
    variables of the shell's environment, in which the host leaves `$X` alone or puts it in;
    `text` is put into the command, where the shell reads it."""

    name: str
    scalar: Text
    form: Form

    def assigned(self, text: Projection) -> Projection:
        """The assignment that does the same, where `text` is the scalar's for the shell."""
        name = self.name.encode()
        text = substituted(text, _TRAILING, lambda hit: b"")
        if self.form == "text":
            return framed(name + b"=(", text, b")\n")
        pattern = _LITERAL if self.form == "literal" else _EXPANDED
        escaped = substituted(text, pattern, lambda hit: b"\\" + hit[0])
        return framed(b"export " + name + b'="', escaped, b'"\n')

    @property
    def usable(self) -> bool:
        """Whether the shell surely reads the assignment as the host means it."""
        text = self.scalar.text
        if not is_name(self.name) or not text.strip() or b"$$" in text:
            return False
        plain = re.sub(rb"\{\{.*?\}\}", b"", _COMMAND.sub(b"", text), flags=re.S)
        return self.form != "text" or not any(byte in b"();&|<>#`" for byte in plain)


def holding(texts: Mapping[str, bytes], refers: Callable[[str], re.Pattern[bytes]]) -> list[str]:
    """The names whose text holds flags of a build, or names one that does (`refers`), in an order
    in which each stands behind those that it names."""
    found = [name for name, text in texts.items() if FLAGS.search(text)]
    for _ in range(len(texts)):
        more = [
            name
            for name, text in texts.items()
            if name not in found and any(refers(one).search(text) for one in found)
        ]
        found += more
        if not more:
            break
    found = list(dict.fromkeys(found))
    ordered: list[str] = []
    while found:
        free = [
            name
            for name in found
            if not any(refers(other).search(texts[name]) for other in found if other != name)
        ]
        if not free:
            break
        ordered += free
        found = [name for name in found if name not in free]
    return ordered


@dataclass(eq=False)
class Uses:
    """Where the variables of one file are used: `read` are the spans of scripts that were read with
    them, and of other such variables. `refers` finds a use by name. `outside`: programs that the
    scripts start may read them, too."""

    path: str
    data: bytes
    refers: Callable[[str], re.Pattern[bytes]]
    workspace: Workspace | None = None
    read: dict[str, list[Span]] = field(default_factory=dict)

    def reads(self, held: Iterable[Held], spans: Iterable[Span]) -> None:
        known = list(held)
        spans = [*spans, *(one.scalar.span for one in known)]
        for one in known:
            self.read.setdefault(one.name, []).extend(spans)

    def stray(self, name: str) -> Refusal | None:
        """Where the variable is used by what is no build, as far as is seen."""
        spans = self.read.get(name, ())
        for hit in self.refers(name).finditer(self.data):
            start = self.data.rfind(b"\n", 0, hit.start()) + 1
            if any(one.contains(Span(*hit.span())) for one in spans):
                continue
            line = self.data[start : hit.start()]
            if _SAID.match(line) or line.lstrip().startswith(b"#"):
                continue
            return self._refusal(name, self.path, Span(*hit.span()))
        return self._outside(name)

    def _outside(self, name: str) -> Refusal | None:
        """A script that the file starts, and that may read the variable from its environment."""
        if self.workspace is None:
            return None
        raw = re.escape(name.encode())
        used = re.compile(
            rb"\$[{(]?" + raw + rb"\b|environ\S*[\"']" + raw + rb"\b|env\." + raw + rb"\b"
        )
        own = re.compile(rb"^[ \t]*(?:export[ \t]+|local[ \t]+)?" + raw + rb"[ \t]*[:+?]?=", re.M)
        for path in self.workspace.files():
            base = posixpath.basename(path)
            named = base.encode("utf-8", "surrogateescape")
            started = (named in self.data and _word(named).search(self.data) is not None) or (
                base in ("Makefile", "GNUmakefile", "makefile") and b"make" in self.data
            )
            # A local action gets the variables of the step that uses it.
            folder = posixpath.dirname(path).encode("utf-8", "surrogateescape")
            started |= base.startswith("action.y") and bool(folder) and folder in self.data
            if path == self.path or not started:
                continue
            try:
                data = self.workspace.read(path)
            except Exception:  # who needs this file says why it cannot be read
                continue
            hit = used.search(data)
            if hit is not None and own.search(data) is None:
                return self._refusal(name, path, Span(*hit.span()))
        return None

    def _refusal(self, name: str, path: str, span: Span) -> Refusal:
        return Refusal(
            f"`{name}` of {self.path} holds the flag and is also used where no build is seen",
            path,
            span,
            "Use a variable of its own for the build's flags.",
        )


def _word(text: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?<![\w.-])" + re.escape(text) + rb"(?![\w-])")


def shell_use(name: str) -> re.Pattern[bytes]:
    """`$NAME` and its kin, in other shells and languages too."""
    return re.compile(
        rb"(?:\$\{?!?|\benv[.:]|%|[\"']|\bprintenv[ \t]+)"
        + re.escape(name.encode())
        + rb"(?![\w-])"
        rb"(?![\"']?[ \t]*:)"
    )


def unquoted(before: bytes, apart: bool = False) -> bool:
    """Whether what follows `before` stands in no quotes of its line, and begins a word: it does so
    by itself if it is `apart`."""
    line = before[before.rfind(b"\n") + 1 :]
    even = not (line.count(b'"') % 2 or line.count(b"'") % 2)
    return even and (apart or not line or line[-1:] in b" \t")
