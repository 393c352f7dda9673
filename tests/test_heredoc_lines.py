"""A here-document and the `printf` that takes its place write the same, in a real shell."""

from __future__ import annotations

import subprocess

import pytest

from dockerfix.projection import Projection
from dockerfix.rewrite.heredoc_lines import as_printf
from dockerfix.shell import read

TEXTS = {
    "plain": "cat > f <<EOF\n[global]\nurl = https://u:${X}@h/\nEOF\n",
    "quotes": 'cat > f <<EOF\n"a" \'b\' \\"c\\" \\$X \\\\ \\n %s $X\nEOF\n',
    "empty lines": "cat <<EOF > f\n\n  $X  \n\nEOF\n",
    "tabs": "cat > f <<-EOF\n\ta\n\t\tb $X\n\tEOF\n",
    "quoted name": "cat > f <<'EOF'\n$X 'it''s' \\$X \"q\" `no`\nEOF\n",
    "tee": "tee f <<EOF\n$X\nEOF\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_it_writes_the_same(text: str) -> None:
    script = read(Projection.identity(text.encode()))
    found = as_printf(script, script.commands[0])
    assert found is not None
    assert b"\n" not in found
    assert written(found.decode()) == written(text)


@pytest.mark.parametrize(
    "text",
    [
        "cat > f <<EOF\n$(date)\nEOF\n",
        "cat > f <<EOF\na \\\nb\nEOF\n",
        "cat -n > f <<EOF\na\nEOF\n",
        "X=1 cat > f <<EOF\na\nEOF\n",
        "cat > f 2> g <<EOF\na\nEOF\n",
    ],
)
def test_other_shapes_are_left(text: str) -> None:
    script = read(Projection.identity(text.encode()))
    assert as_printf(script, script.commands[0]) is None


def written(text: str) -> str:
    """What the shell leaves in the file `f`."""
    done = subprocess.run(
        ["sh", "-c", 'cd "$(mktemp -d)" && eval "$1" > /dev/null && cat f', "sh", text],
        env={"X": 'a"b$c\\d', "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
