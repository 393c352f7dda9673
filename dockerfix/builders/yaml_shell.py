"""Shell text that stands in YAML scalars: one session read from several of them, and its dialect.

What the shell's dialect asks for becomes operations on the scalars, so that a plain scalar which
could not hold the new text gets quotes. Knows no CI system: expressions of the host are given as
spans that the shell does not see (`FOREIGN`), or as known text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from dockerfix.builders.call import BuildArg, BuildCall, SecretFlag, Value
from dockerfix.builders.shell_dialect import ShellDialect, calls_of
from dockerfix.builders.shell_values import Host, Substitution
from dockerfix.finding import Refusal
from dockerfix.formats.yaml_text import ScalarSite
from dockerfix.projection import Projection, Segment, substituted
from dockerfix.shell.nodes import FOREIGN, State, Variable
from dockerfix.source import Span

if TYPE_CHECKING:
    from dockerfix.builders.held_flags import Held, Uses
    from dockerfix.edits import Operation
    from dockerfix.formats.yaml import Scalar
    from dockerfix.shell import Script

Known = Callable[[bytes, bytes], bytes | None]
"""The text of a host expression where it is known, given also the text before it; None: opaque."""


@dataclass(frozen=True, eq=False)
class Session:
    """Scalars of one file that one shell runs, in order, and behind them those of `held`."""

    scalars: tuple[Scalar, ...]
    projection: Projection

    held: tuple[Held, ...] = ()

    @classmethod
    def of(
        cls,
        scalars: Sequence[Scalar],
        expression: re.Pattern[bytes],
        known: Known,
        held: Sequence[Held] = (),
    ) -> Session:
        """`held` are variables of the host that hold flags: they are read as if the script began
        with assignments of them."""
        text = bytearray()
        segments: list[Segment] = []
        pieces = [one.assigned(masked(one.scalar.projection, expression, known)) for one in held]
        pieces += [masked(scalar.projection, expression, known) for scalar in scalars]
        for piece in pieces:
            segments += [one._replace(text=one.text + len(text)) for one in piece.segments]
            text += piece.text
            if not text.endswith(b"\n"):
                text += b"\n"
        every = (*scalars, *(cast("Scalar", one.scalar) for one in held))
        return cls(every, Projection(bytes(text), tuple(segments)), tuple(held))

    def script(self, initial: State) -> Script:
        from dockerfix.shell.reading import read_script

        return read_script(self.projection, initial=initial)

    def scalar_at(self, host: Span) -> Scalar | None:
        return next((one for one in self.scalars if one.span.contains(host)), None)

    def raw(self, script: Script, span: Span) -> bytes:
        """The text of the scalar where `span` of a script (also a nested one) stands."""
        host = script.projection.host_span(span)
        scalar = self.scalar_at(host)
        if scalar is None:
            return b""
        found = scalar.content.text_span(host)
        return scalar.text[found.start : found.end]


def masked(projection: Projection, expression: re.Pattern[bytes], known: Known) -> Projection:
    """The text with known expressions put in, and `FOREIGN` bytes for the others."""

    def shown(hit: re.Match[bytes]) -> bytes:
        value = known(hit[0], projection.text[: hit.start()])
        return bytes([FOREIGN]) * len(hit[0]) if value is None else value

    return substituted(projection, expression, shown)


class Runner(Host):
    """A CI system round the script, whose own substitutions are only text."""

    def __init__(self, kind: str, session: Session) -> None:
        self.kind = kind
        self.session = session

    def substitution(self, script: Script, span: Span) -> Substitution | None:
        raw = self.session.raw(script, span)
        return Substitution(raw) if raw.startswith(b"$[[") else None


def start(variables: Mapping[str, frozenset[bytes] | None], cwd: str | None) -> State:
    """What holds at the first line: variables that the host exports, by name (values if known)."""
    return State(
        variables={
            name: Variable(values=values, attribute="yes", in_sync=True, assigned="yes")
            for name, values in variables.items()
        },
        cwds=None if cwd is None else frozenset({cwd}),
    )


@dataclass(eq=False)
class YamlDialect:
    """A build call in the scalars of a session."""

    inner: ShellDialect
    session: Session
    extra: Callable[[BuildArg], Sequence[Operation] | Refusal] = field(default=lambda arg: ())
    uses: Uses | None = None

    @property
    def shared(self) -> tuple[Span, ...]:
        return self.inner.shared

    @property
    def variables(self) -> frozenset[str] | None:
        found: frozenset[str] | None = getattr(self.inner, "variables", None)
        return found

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        result = self._stray(arg) or self._placed(self.inner.take_secret(call, arg, id, source))
        if isinstance(result, Refusal) or source is not None:
            return result
        more = self.extra(arg)
        return more if isinstance(more, Refusal) else [*result, *more]

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        return self._placed(self.inner.add_secret(call, id, source))

    def take_ssh(self, call: BuildCall, arg: BuildArg, form: str) -> Sequence[Operation] | Refusal:
        return self._placed(self.inner.take_ssh(call, arg, form))

    def add_ssh(self, call: BuildCall, value: str) -> Sequence[Operation] | Refusal:
        return self._placed(self.inner.add_ssh(call, value))

    def mend_secret(self, call: BuildCall, flag: SecretFlag) -> Sequence[Operation] | Refusal:
        own = getattr(self.inner, "give_variable", None)
        given: Sequence[Operation] | Refusal | None = own(flag) if own is not None else None
        if given is not None and (flag.fault is None or not flag.fault.mended):
            return given
        placed = self._placed(self.inner.mend_secret(call, flag))
        if isinstance(placed, Refusal) or isinstance(given, Refusal):
            return given if isinstance(given, Refusal) else placed
        return [*placed, *(given or ())]

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        return self._stray(arg) or self._placed(self.inner.drop(call, arg))

    def _stray(self, arg: BuildArg) -> Refusal | None:
        """A flag in a variable of the host which something that is no build uses as well."""
        if self.uses is None:
            return None
        held = next((one for one in self.session.held if one.scalar.span.contains(arg.span)), None)
        return None if held is None else self.uses.stray(held.name)

    def _placed(self, result: Sequence[Operation] | Refusal) -> Sequence[Operation] | Refusal:
        if isinstance(result, Refusal):
            return result
        found: list[Operation] = []
        for operation in result:
            scalar = self.session.scalar_at(operation.at)
            if scalar is None:
                return Refusal(
                    "the command stands in several lines of the job",
                    operation.path,
                    operation.at,
                    "Write the command into one item, or change it by hand.",
                )
            found.append(ScalarSite(operation.path, scalar).inside(operation, _in_file(operation)))
        return found


def _in_file(operation: Operation) -> tuple[object, ...]:
    """What an operation is done to, with the spans of the file and not of the text that was read."""
    member = operation.member if isinstance(operation.member, tuple) else (operation.member,)
    projection: Projection = operation.site.projection  # type: ignore[attr-defined]
    return tuple(projection.host_span(one) if isinstance(one, Span) else one for one in member)


def calls_in(
    path: str, session: Session, initial: State, host: Host
) -> Iterable[tuple[BuildCall, ShellDialect]]:
    """The build calls of a session, each with the shell's own dialect."""
    for call in calls_of(path, session.script(initial), host):
        if isinstance(call.dialect, ShellDialect):
            yield call, call.dialect


# -- what is not read ----------------------------------------------------------------


@dataclass(frozen=True)
class Unable:
    """A build that takes nothing."""

    reason: str

    def take_secret(
        self, call: BuildCall, arg: BuildArg, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        return self.drop(call, arg)

    def add_secret(
        self, call: BuildCall, id: str, source: str | None
    ) -> Sequence[Operation] | Refusal:
        return call.refusal or Refusal(self.reason, call.path, call.span, "Change it by hand.")

    def drop(self, call: BuildCall, arg: BuildArg) -> Sequence[Operation] | Refusal:
        return self.add_secret(call, "", None)


def unread(
    kind: str, path: str, scalars: Iterable[Scalar], reason: str, help: str
) -> Iterator[BuildCall]:
    """The builds of a script that is not shell, as far as a glance shows: one call that refuses."""
    args = tuple(
        BuildArg(hit[1].decode(), scalar.projection.host_span(Span(*hit.span())), Value.TEXT)
        for scalar in scalars
        for hit in _FLAG.finditer(scalar.text)
    )
    if not args:
        return
    said = Refusal(f"{reason}, which dockerfix does not read", path, args[0].span, help)
    yield BuildCall(
        kind, path, args[0].span, "docker build", Unable(said.reason), "", "?", args=args, refusal=said
    )  # fmt: skip


# -- what docker it is ----------------------------------------------------------

_FLAG = re.compile(rb"--build-arg(?:=|[ \t]+)[\"'`]?([A-Za-z_]\w*)")
_INSTALLED = re.compile(
    rb"\b(?:apk|apt|apt-get)\b[^\n;&]*\b(?:add|install)\b[^\n;&]*[ \t](docker(?:-cli|\.io)?)(?=[ \t\n;&=]|$)"
)
# `stable` and `edge` were last moved before docker 20.10.
_IMAGE = re.compile(
    r"(?:^|/)docker(?:hub)?(?:/library)?(?:/docker)?:(?:v?(\d+)[\w.-]*|(?:stable|edge)(?:-\w+)?)$"
)


def too_old(images: Iterable[str]) -> str:
    """The first of the images of docker that is older than 23, where `docker build` is the classic
    builder unless asked otherwise (T32); empty if there is none."""
    for image in images:
        found = _IMAGE.search(image.partition("@")[0])
        if found and int(found[1] or 0) < 23:
            return image
    return ""


def on_old_docker(call: BuildCall, images: Iterable[str], text: bytes = b"") -> BuildCall:
    """`call` with what the job's images, and packages that its script installs, say of BuildKit."""
    image = too_old(images)
    if call.refusal is not None or not call.tool.startswith("docker"):
        return call
    if not call.evidence.startswith("docker build is BuildKit since"):
        # A builder of its own is as new as its image, whatever docker starts it.
        own = b"buildx create" in text or call.buildkit != "yes"
        return call if own or not image else replace(call, files_only=f"it runs in {image}")
    if image:
        refusal = Refusal(
            f"the image {image} builds with the classic builder, which has no secrets",
            call.path,
            call.span,
            "Use docker:23 or later, or set DOCKER_BUILDKIT: 1 (docker 20.10 and later).",
        )
        return replace(call, buildkit="no", evidence=f"it runs in {image}", refusal=refusal)
    installed = _INSTALLED.search(text)
    if installed and b"buildx" not in text:
        package = installed[1].decode()
        evidence = f"the package {package} comes without buildx"
        return replace(call, buildkit="unknown", evidence=evidence)
    return call


__all__ = [
    "Host",
    "Runner",
    "Session",
    "Unable",
    "YamlDialect",
    "calls_in",
    "masked",
    "on_old_docker",
    "start",
    "too_old",
    "unread",
]
