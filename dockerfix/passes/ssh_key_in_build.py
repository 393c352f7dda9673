"""`ssh-key-in-build`: an ssh key is given to a build that an agent could serve. Page: docs/passes/ssh-key-in-build.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.edits import Fix, Guard, Safety
from dockerfix.finding import Finding, Place, Severity
from dockerfix.rewrite.ssh import Forwarding, copied_folders, keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.syntax.nodes import Add, Copy


class SshKeyInBuild:
    name = "ssh-key-in-build"

    def run(self, context: Context) -> Iterator[Finding]:
        for found in keys(context):
            yield self.key(context, found)
        for instruction, index in copied_folders(context):
            yield self.folder(context, instruction, index)

    def folder(self, context: Context, instruction: Copy | Add, index: int) -> Finding:
        """What is in the folder is not known: a person has to say what of it must stay."""
        keyword, word = instruction.keyword.upper(), instruction.sources[index]
        return Finding(
            path=context.path,
            span=word.span,
            name=self.name,
            variable=".ssh",
            severity=Severity.WARNING,
            safety=Safety.MANUAL,
            message=f"{keyword} puts the folder .ssh into a layer, and such a folder holds "
            "private keys",
            reason="the folder is not in the tree; the layer keeps it, whatever a later RUN deletes",
            help="copy config and known_hosts by their names, forward an agent with `RUN "
            "--mount=type=ssh` where the build connects, and give it `--ssh default`",
            residual="known",
        )

    def key(self, context: Context, found: Forwarding) -> Finding:
        """The key is in the history, or in a layer that a RUN or COPY wrote."""
        said = [
            "forward an ssh agent with `RUN --mount=type=ssh`, which this fix does: the key never "
            "enters the build (the client reads unencrypted key files only)"
        ]
        if found.outside:
            said.append(f"callers outside this tree must give `{found.outside}`")
        if found.allow:
            said.append(f"`docker buildx bake` must be given `{found.allow}`")
        if found.final:
            said.append("a container that connects with it gets the key when it starts (`-v`)")
        if found.written:
            said.append("replace the key at its hosts: old images and the git history keep it")
        return Finding(
            path=context.path,
            span=found.span,
            name=self.name,
            variable=found.name,
            severity=Severity.WARNING,
            safety=Safety.UNSAFE,
            message=message(found),
            reason="; ".join((*found.evidence, "RUNs use it for ssh connections alone")),
            help="; ".join(said),
            residual="none",
            related=tuple(
                Place(context.path, run.keyword_span, "this RUN may connect by ssh")
                for run in found.users
            ),
            fix=Fix(
                self.name,
                Safety.UNSAFE,
                "none",
                found.operations,
                tuple(Guard(context.path, run.arguments_span) for run in found.users),
            ),
            not_changed=tuple(found.callers.not_changed),
            outside_flag=found.outside,
        )


def message(found: Forwarding) -> str:
    if found.keyword in ("ARG", "ENV"):
        if not found.final:
            return (
                f"{found.keyword} {found.name} leaves a private key in the builder's cache, and in "
                "the provenance"
            )
        return (
            f"{found.keyword} {found.name} leaves a private key in the image: in its history and "
            "in a layer"
        )
    return f"{found.keyword} puts {found.name} into a layer, and it is a private key"
