"""`broken-secret-mount`: a secret mount that BuildKit refuses. Page: docs/passes/broken-secret-mount.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.edits import Safety
from dockerfix.finding import Severity
from dockerfix.rewrite.frontend import ENV_SINCE, bare_required, pinned
from dockerfix.rewrite.mounts import finding, with_frontend
from dockerfix.shell.words import is_name
from dockerfix.source import Span
from dockerfix.syntax import verbs
from dockerfix.syntax.mounts import OPTIONS, MountError, meaning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.finding import Finding
    from dockerfix.syntax.flags import Mount
    from dockerfix.syntax.nodes import Run

# Blanks and continued lines behind a comma, and the option that should have followed it.
_APART = re.compile(rb"((?:[ \t]|[\\`][ \t]*\r?\n)+)([A-Za-z]+)(=[^\s]*)?(?=\s|$)")
NEEDS = (
    "BuildKit takes a list of `key=value` without blanks, and wants an `id`: the build stops here"
)


class BrokenSecretMount:
    name = "broken-secret-mount"

    def run(self, context: Context) -> Iterator[Finding]:
        yield from self.old_frontend(context)
        for run in context.runs:
            for mount in run.mounts:
                if mount.type != "secret":
                    continue
                gaps = apart(context, mount)
                if gaps:
                    yield self.apart(context, run, mount, gaps)
                elif not mount.id:
                    yield self.without_id(context, run, mount)
                elif why := objection(mount):
                    yield self.refused(context, mount, why)
                elif not bare_required(context.dockerfile):
                    yield from self.required(context, run, mount)

    def old_frontend(self, context: Context) -> Iterator[Finding]:
        """`env=` under `# syntax=docker/dockerfile:1.5`: once a file, at its first mount."""
        version = pinned(context.dockerfile)
        mount = next(
            (one for run in context.runs for one in run.mounts if one.type == "secret" and one.env),
            None,
        )
        if version is None or version >= ENV_SINCE or mount is None:
            return
        raised = with_frontend(context)
        yield finding(
            context,
            self.name,
            mount.id or mount.env or "",
            mount.flag.span,
            message=f"the frontend 1.{version} that `# syntax` pins does not know `env=`",
            reason="that came with version 1.10: the build stops here"
            + (f"; {raised.unsafe or raised.why}" if raised.unsafe or raised.why else ""),
            help="raise the pin, which this fix does"
            if raised.operations
            else "pin `# syntax=docker/dockerfile:1`, or read the secret from its file",
            operations=raised.operations,
            safety=Safety.UNSAFE if raised.unsafe else Safety.SAFE,
            severity=Severity.ERROR,
        )

    def refused(self, context: Context, mount: Mount, why: str) -> Finding:
        return finding(
            context,
            self.name,
            mount.id or "",
            mount.flag.span,
            message=f"BuildKit refuses this secret mount: {why}",
            reason="the build stops here",
            help="a secret mount takes `id`, `env`, `target`, `required`, `mode`, `uid` and `gid`: "
            "numbers for the last three, and true or false for `required`",
            severity=Severity.ERROR,
        )

    def apart(self, context: Context, run: Run, mount: Mount, gaps: tuple[Span, ...]) -> Finding:
        """`type=secret, id=X`: the blank ends the flag."""
        source, end = context.dockerfile.source, gaps[-1].end
        while end < len(source.data) and source.data[end : end + 1] not in b" \t\r\n":
            end += 1
        behind = Span(mount.flag.span.end, end)
        text = source.text(Span(mount.flag.span.start, end))
        for gap in gaps:
            text = text.replace(source.text(gap), b"", 1)
        operations = (
            verbs.replace_mount(context.dockerfile, run, mount, text),
            verbs.replace(context.dockerfile, run, behind, b""),
        )
        return finding(
            context,
            self.name,
            mount.id or mount.env or "",
            mount.flag.span,
            message="a blank behind a comma ends the mount: what follows it is part of the command",
            reason=NEEDS,
            help="write the options without blanks, also across lines, which this fix does",
            operations=operations,
            severity=Severity.ERROR,
        )

    def without_id(self, context: Context, run: Run, mount: Mount) -> Finding:
        """`type=secret,NPM_TOKEN` and `type=secret,env=NPM_TOKEN`."""
        bare = [one for one in mount.nodes if one.value is None and one.key not in OPTIONS]
        operations: tuple[Operation, ...] = ()
        name = ""
        if len(bare) == 1 and not mount.get("target"):
            raw = context.dockerfile.source.text(bare[0].span)
            name = raw.decode("utf-8", "replace")
            if is_name(name.replace("-", "_").replace(".", "_")):
                operations = (verbs.replace(context.dockerfile, run, bare[0].span, b"id=" + raw),)
        elif not bare and is_name(mount.env or ""):
            name = mount.env or ""
            last = next(one for one in mount.nodes if one.key == "env")
            at = Span(last.span.start, last.span.start)
            operations = (verbs.replace(context.dockerfile, run, at, f"id={name},".encode()),)
        return finding(
            context,
            self.name,
            name,
            mount.flag.span,
            message="this secret mount has no id",
            reason=NEEDS,
            help=f"write `id={name}`, which this fix does" if operations else "write `id=NAME`",
            operations=operations,
            severity=Severity.ERROR,
        )

    def required(self, context: Context, run: Run, mount: Mount) -> Iterator[Finding]:
        for one in mount.nodes:
            if one.key == "required" and one.value is None:
                text = verbs.replace(context.dockerfile, run, one.span, b"required=true")
                yield finding(
                    context,
                    self.name,
                    mount.id or "",
                    one.span,
                    message="the frontend that `# syntax` pins does not know `required` without a value",
                    reason="that came with version 1.3.1: the build stops here",
                    help="write `required=true`, which this fix does",
                    operations=(text,),
                    safety=Safety.SAFE,
                    severity=Severity.ERROR,
                )


def objection(mount: Mount) -> str:
    """Why BuildKit refuses the options, in its words; empty where a variable may still decide."""
    if "$" in (mount.flag.value or ""):
        return ""
    try:
        meaning((one.key, one.value) for one in mount.nodes)
    except MountError as error:
        return str(error)
    return ""


def apart(context: Context, mount: Mount) -> tuple[Span, ...]:
    """The blanks that stand where the mount's options should go on."""
    source = context.dockerfile.source
    end = mount.flag.span.end
    found: list[Span] = []
    text = source.text(mount.flag.span)
    while text.endswith(b","):
        hit = _APART.match(source.data, end)
        if hit is None or hit[2].decode("ascii").lower() not in OPTIONS:
            break
        found.append(Span(*hit.span(1)))
        text, end = hit[0], hit.end()
    return tuple(found)
