"""A Dockerfile that stands in a bake file: `dockerfile-inline`, as bake hands it to BuildKit.

Strings of both languages are templates: `${X}` is a value that bake puts in, `$${X}` is text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockerfix.builders.call import Inline, Put

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockerfix.builders.bake_files import Target
    from dockerfix.formats.brackets import Node
    from dockerfix.formats.embedded import Holder

KEY = "dockerfile-inline"
_NAMES = re.compile(rb"(?<![\w.\"])[A-Za-z_]\w*(?![\w(])")
_EXACT = re.compile(rb"\$\{\w+\}")


def inline(target: Target, data: bytes, default: Callable[[str], str | None]) -> Inline | None:
    """The Dockerfile of a target of the file with the bytes `data`; None where it is computed.
    `default` gives that of a variable: one with none has its value from the environment."""
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
        escaped,
        data.count(b"\n", 0, held.projection.host(0)),
    )
    put = (
        Put(name, span, said if _EXACT.fullmatch(said) and default(name) == "" else b"")
        for span, said in embedded.put_in
        for name in dict.fromkeys(one.decode() for one in _NAMES.findall(said))
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
