"""`secret-id-mismatch`: a mount and its callers spell an id differently. Page: docs/passes/secret-id-mismatch.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerfix.finding import Place
from dockerfix.rewrite.mounts import Given, alike, finding, secret_mounts
from dockerfix.syntax import verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.context import Context
    from dockerfix.edits import Operation
    from dockerfix.finding import Finding


class SecretIdMismatch:
    name = "secret-id-mismatch"

    def run(self, context: Context) -> Iterator[Finding]:
        mounts = tuple(secret_mounts(context))
        mounted = {one.id for one in mounts}
        for id in sorted(mounted):
            meant: set[str] = set()
            places = []
            for call in context.calls:
                ids = {one.id for one in call.secrets}
                near = [one for one in ids - mounted if alike(one, id)]
                if id in ids or not near or call.unresolved:
                    meant.update((id,) if id in ids else ())
                    continue
                meant.update(near)
                places += [
                    Place(call.path, one.span, f"the secret is given as {one.id} here")
                    for one in call.secrets
                    if one.id in near
                ]
            if not places:
                continue
            other = meant.pop() if len(meant) == 1 else None
            asked = [one for one in mounts if one.id == id]
            yield finding(
                context,
                self.name,
                id,
                asked[0].span,
                message=f"this mount asks for the secret {id}, and the build is given "
                f"{places[0].message.split()[5]}",
                reason="ids are compared byte by byte: the RUN goes without the secret, and says nothing",
                help="spell the id alike on both sides"
                + (f": this fix writes {other} here" if other else ""),
                operations=tuple(renamed(context, one, other) for one in asked) if other else (),
                related=tuple(places),
            )


def renamed(context: Context, given: Given, id: str) -> Operation:
    """The mount with another id, at the path where its file was."""
    node = next(one for one in reversed(given.mount.nodes) if one.key in ("id", "source", "src"))
    text = f"id={id}"
    if given.file and not given.mount.get("target"):
        text += f",target={given.file}"
    return verbs.replace(context.dockerfile, given.run, node.span, text.encode())
