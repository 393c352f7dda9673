"""Big inputs take time in proportion: each is read once, in seconds at most."""

from __future__ import annotations

import time

import pytest

import dockerfix

MEGA = 1 << 20
CASES = {
    "one line": b"FROM x\nRUN " + b"a b " * (MEGA // 4) + b"\n",
    "quoted value": b'FROM x\nENV a="' + b'a b\\" ' * (MEGA // 6) + b'"\n',
    "many pairs": b"FROM x\nENV " + b"a=b " * (MEGA // 16) + b"\n",
    "open quotes": b"FROM x\nENV a=" + b'"\\' * (MEGA // 2) + b"\n",
    "exec form": b"FROM x\nCMD [" + b'"a",' * (MEGA // 16) + b'"b"]\n',
    "deep json": b"FROM x\nCMD " + b"[" * (MEGA // 2) + b"]" * (MEGA // 2) + b"\n",
    "blanks": b"FROM x\nRUN a" + b" " * MEGA + b"b" + b" " * MEGA + b"\n",
    "wide blanks": b"FROM x\nENV a=1" + b"\xc2\xa0" * (MEGA // 8) + b"\n",
    "directive blanks": b"# syntax= " + b" " * MEGA + b"b" + b" x" * MEGA + b"\nFROM x\n",
    "shell words": b"FROM x\nRUN <<E " + b'a "c" $x ' * (MEGA // 40) + b"\nE\n",
    "nested expansions": b"FROM x\nRUN << " + b"${a:-" * (MEGA // 5) + b"\n",
    "flags": b"FROM x\nRUN " + b"--mount=type=ssh " * (MEGA // 128) + b"x\n",
    "quoted mount": b'FROM x\nRUN --mount="' + b"a=b," * (MEGA // 16) + b'c"\n',
    "continuations": b"FROM x\nRUN " + b"a \\\n" * (MEGA // 4) + b"x\n",
    "blank continuations": b"FROM x\nRUN a \\\n" + b"\n" * (MEGA // 4) + b"b\n",
    "open heredocs": b"".join(b"RUN <<A%d\n" % number for number in range(20_000)),
    "comments": b"\n#\n" * (MEGA // 8) + b"FROM x\n",
    "instructions": b"FROM x\n" + b"RUN echo one\n" * 40_000,
}


@pytest.mark.parametrize("name", CASES)
def test_time_is_linear(name: str) -> None:
    data = CASES[name]
    start = time.process_time()
    tree = dockerfix.parse(data)
    assert tree.instructions
    assert isinstance(tree.errors, tuple)
    assert tree.code == data
    # Quadratic ways take minutes here; the bound is wide for slow machines.
    assert time.process_time() - start < 20
