"""Which bytes a redacted diff must not show: the values of everything that may be a secret.

Wider than the findings on purpose: a context line may hold another secret than the one
that a fix removes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.engine.rounds import Result

SHORTEST = 3
"""Values of fewer bytes occur everywhere; masking them would only make the diff unreadable."""

WELL_KNOWN = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)-----END [A-Z ]*PRIVATE KEY-----"
    rb"|://[^\s/@:\"'$]*:([^\s/@\"'${}]+)@"
    rb"|\b(?:gh[pousr]_|github_pat_|glpat-|npm_|pypi-|xox[abprs]-|sk_live_|AKIA)[\w-]{8,}"
)


def secret_values(result: Result) -> frozenset[bytes]:
    """The values, as they stand in the files (quotes aside)."""
    found: set[bytes] = set()
    for value in _values(result):
        bare = value.strip()
        if len(bare) >= 2 and bare[:1] == bare[-1:] and bare[:1] in b"\"'":
            bare = bare[1:-1]
        if len(bare) >= SHORTEST and not re.fullmatch(rb"\$\{?\w+\}?", bare):
            found.add(bare)
    return frozenset(found)


def _values(result: Result) -> Iterator[bytes]:
    from dockerfix.model.secrets import classify

    before = result.before
    assert before is not None
    variables = {one.finding.variable for one in result.findings}
    for path in before.dockerfile_paths:
        tree = before.dockerfile(path)
        if tree is None:
            continue
        for binding in before.model(path).bindings:
            if binding.value is None:
                continue
            raw = binding.value.raw
            if binding.name in variables or classify(binding.name, raw.strip(b"\"'")).secret:
                yield raw
                yield tree.source.text(binding.value.span)
                file, span = before.inlines.place(path, binding.value.span)
                yield before.workspace.read(file)[span.start : span.end]
    for call in before.calls:
        for arg in call.args:
            if arg.name in variables or classify(arg.name).secret:
                data = before.workspace.read(arg.path or call.path)
                text = data[arg.span.start : arg.span.end]
                _, equals, value = text.rpartition(arg.name.encode() + b"=")
                if equals:
                    yield value.strip(b"\"'")
    for old, _ in result.changes.values():
        for match in WELL_KNOWN.finditer(old or b""):
            yield match[1] or match[0]
