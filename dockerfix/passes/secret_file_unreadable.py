"""`secret-file-unreadable`: a mounted file that the RUN's user cannot read. Page: docs/passes/secret-file-unreadable.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.model.names import secret_file
from dockerfix.rewrite.forms import FOLDER, knows_files, named_user, rights
from dockerfix.rewrite.mounts import files_read, finding, secret_mounts
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.finding import Finding
    from dockerfix.rewrite.mounts import Given

RIGHTS = ("uid", "gid", "mode")
# Commands after which the rest runs as somebody else.
OTHERS = (b"sudo", b"su-exec", b"gosu", b"doas", b"runuser", b"su ")


class SecretFileUnreadable:
    name = "secret-file-unreadable"

    def run(self, context: Context) -> Iterator[Finding]:
        # podman and buildah let everybody read the file.
        if context.calls and all(knows_files(call) for call in context.calls):
            return
        for given in secret_mounts(context):
            user = named_user(context, given.run)
            if not given.file or not user or any(given.mount.get(one) for one in RIGHTS):
                continue
            if self.opened(context, given) and not any(
                one in given.run.body.text for one in OTHERS
            ):
                yield self.unreadable(context, given, user)

    def opened(self, context: Context, given: Given) -> bool:
        """Whether a command of the RUN opens the file."""
        path = given.file or ""
        if path.startswith(FOLDER):
            return any(FOLDER + name == path for name, _ in files_read(context, given.run))
        # Whoever mounts a file where a program looks for it has that program run.
        return path.encode() in given.run.body.text or bool(secret_file(path))

    def unreadable(self, context: Context, given: Given, user: str) -> Finding:
        uid, mode = rights(context, given.run)
        option = f"uid={uid}" if uid is not None else f"mode={mode}"
        source, end = context.dockerfile.source, given.mount.span.end
        before = source.text(given.span).partition(b"=")[2]
        cut = end - (given.span.end - len(before))
        text = before[:cut] + f",{option}".encode() + before[cut:]
        add = verbs.replace_mount(context.dockerfile, given.run, given.mount, text)
        return finding(
            context,
            self.name,
            given.id,
            given.span,
            message=f"the secret {given.id} is a file of root's, and this RUN is {user}'s",
            reason="without `uid=` or `mode=` a secret file has mode 0400 and belongs to root: "
            "reading it fails, and a shell that goes on has an empty value",
            help=f"write `{option}` into the mount, which this fix does",
            operations=(add,),
        )
