"""A Dockerfile that stands in a bake file: `dockerfile-inline`, as bake hands it to BuildKit.

Strings of both languages are templates: `${X}` is a value that bake puts in, `$${X}` is text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.builders.call import Inline
from dockerfix.shell.nodes import FOREIGN
from dockerfix.source import Span

if TYPE_CHECKING:
    from dockerfix.builders.bake_files import Target
    from dockerfix.formats.brackets import Node
    from dockerfix.formats.embedded import Holder

KEY = "dockerfile-inline"
_NAMED = re.compile(rb"\$\{\s*([A-Za-z_]\w*)")


def inline(target: Target, data: bytes) -> Inline | None:
    """The Dockerfile of a target of the file with the bytes `data`; None where it is computed."""
    from dockerfix.formats.embedded import Embedded
    from dockerfix.formats.hcl_text import TEMPLATE, escaped

    node = target.body.get(KEY)
    held = _holder(node, data) if node is not None else None
    text = held.projection.text if held is not None else b""
    # A directive, or a template that trims, decides about text on both of its sides.
    if held is None or not text.strip() or any(map(_chooses, TEMPLATE.finditer(text))):
        return None
    embedded = Embedded(
        target.path,
        held,
        TEMPLATE,
        lambda hit: hit[0][1:] if hit[0][:2] in (b"$$", b"%%") else None,
        FOREIGN,
        escaped,
        data.count(b"\n", 0, held.projection.host(0)),
    )
    put = (
        (name[1].decode(), held.projection.host_span(Span(*hit.span())))
        for hit in TEMPLATE.finditer(text)
        if (name := _NAMED.match(hit[0])) is not None
    )
    return Inline(target.name, f"{target.path}#{target.name}", embedded, "bake", tuple(put))


def _chooses(hit: re.Match[bytes]) -> bool:
    return hit[0].startswith((b"%{", b"${~")) or hit[0].endswith(b"~}")


def _holder(node: Node, data: bytes) -> Holder | None:
    from dockerfix.formats.brackets import Text
    from dockerfix.formats.embedded import StringText
    from dockerfix.formats.hcl_text import holder

    if isinstance(node, Text) and node.projection is not None:
        return StringText(node.span, node.projection)
    return holder(data, node.span)
