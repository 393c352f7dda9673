"""`docker buildx bake` in a proof: the real client, told by itself what its files mean.

`--print` resolves files, variables, overrides and targets as any bake does; to what it prints every
target gets what a build on an engine without a network needs (no network, no cache, local base
images), and that is built. A network cannot be given by `--set`. Run as `python -m
dockerfix.verify.baked CLIENT BASES buildx bake ...`; BASES is JSON, names behind FROM to local
images. Where bake fails, this fails with its code.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def resolved(printed: str, bases: Mapping[str, str]) -> dict[str, Any]:
    """The bake file to build, of what `--print` said."""
    # What is printed is a value; in a file it would be a template. Some versions escape it.
    text = re.sub(r"(?<!\$)\$\{", "$${", re.sub(r"(?<!%)%\{", "%%{", printed))
    read: dict[str, Any] = json.loads(text)
    images = {name: f"docker-image://{local}" for name, local in bases.items()}
    for target in read["target"].values():
        target["network"] = "none"
        target["no-cache"] = True
        target["contexts"] = images | target.get("contexts", {})
    return read


def main(client: str, bases: str, *words: str) -> int:
    command: Sequence[str] = [client, *words[: words.index("bake") + 1]]
    rest = words[words.index("bake") + 1 :]
    said = subprocess.run([*command, "--print", *rest], capture_output=True, check=False)
    if said.returncode:
        sys.stderr.buffer.write(said.stderr)
        return said.returncode
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "resolved.json"
        file.write_text(json.dumps(resolved(said.stdout.decode(), json.loads(bases))))
        flags = ["--progress=plain", "--provenance=mode=max", "-f", str(file)]
        return subprocess.run([*command, *flags], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
