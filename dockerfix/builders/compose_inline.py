"""A Dockerfile that stands in a compose file: `dockerfile_inline`, as compose hands it to BuildKit.

Compose puts variables of its own into it (`$X`, `${X}`); only `$$` reaches BuildKit, as a dollar.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.builders import compose_text
from dockerfix.builders.call import Inline, Put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.formats.yaml import File, Node, Scalar

KEY = "dockerfile_inline"
_SUBSTITUTION = re.compile(rb"\$(?:\$|[A-Za-z_]\w*|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})")

_EXACT = re.compile(rb"\$(?:\w+|\{\w+\})")


def stands_in(file: File, build: Node | None) -> bool:
    """Whether the build has its Dockerfile in the file."""
    found = file.get(build, KEY)
    return found is not None and file.text(found) != ""


def inline(file: File, build: Node | None) -> Inline | None:
    """The Dockerfile of a build of `file`; None where it is no text."""
    from dockerfix.formats.embedded import Embedded
    from dockerfix.formats.yaml import Scalar

    found = file.get(build, KEY)
    if not isinstance(found, Scalar) or not found.text.strip():
        return None
    path, data = file.source.path, file.source.data
    label = next(_having(file, found), "")
    text = Embedded(
        path,
        found.content,
        _SUBSTITUTION,
        lambda hit: b"$" if hit[0] == b"$$" else None,
        lambda text: text.replace(b"$", b"$$"),
        data.count(b"\n", 0, found.projection.host(0)),
    )
    put = (
        Put(hit[1].decode(), span, said if _EXACT.fullmatch(said) else b"")
        for span, said in text.put_in
        for hit in compose_text.VARIABLE.finditer(said)
        if hit[1]
    )
    return Inline(label, f"{path}#{label}", text, "compose", tuple(put))


def _having(file: File, scalar: Scalar) -> Iterator[str]:
    """The services that have this very text: an anchor may give it to several."""
    services = file.get(file.root, "services")
    for name in file.entries(services):
        if file.get(services, name, "build", KEY) is scalar:
            yield name
