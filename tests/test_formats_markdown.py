"""Fenced blocks as CommonMark has them."""

from __future__ import annotations

import pytest

from dockerfix.formats.markdown import fences

CASES = [
    (b"```sh\na\n```\n", [("sh", b"a\n")]),
    (b"~~~ Bash title\na\n~~~\n", [("bash", b"a\n")]),
    (b"````md\n```sh\na\n```\n````\n", [("md", b"```sh\na\n```\n")]),
    (b"```\na\n", [("", b"a\n")]),
    (b"* x\n\n  ```console\r\n  $ a\r\n  ```\r\n", [("console", b"  $ a\r\n")]),
    (b"`a` and ```b```\n", []),
    (b"```{.sh}\n```\nx\n```js\nb\n```", [("sh", b""), ("js", b"b\n")]),
    (b"", []),
]


@pytest.mark.parametrize(("data", "wanted"), CASES)
def test_fences(data: bytes, wanted: list[tuple[str, bytes]]) -> None:
    found = [(one.language, data[one.content.start : one.content.end]) for one in fences(data)]
    assert found == wanted
