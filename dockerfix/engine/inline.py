"""Dockerfiles that stand inside other files: known under a path of their own (`compose.yaml#web`).

Passes, `choose` and the recheck see them as files. Here their edits become edits of the file that
holds them, and what is said of them is said of a place there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockerfix.edits import Edit, Fix, lower
from dockerfix.finding import Finding, Place, Refusal
from dockerfix.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dockerfix.builders.call import BuildCall, Inline


class Inlines(dict[str, "Inline"]):
    """The Dockerfiles inside files, by the path under which each is known."""

    @classmethod
    def of(cls, calls: Iterable[BuildCall]) -> Inlines:
        found = cls()
        for call in calls:
            if call.inline is not None:
                found.setdefault(call.inline.path, call.inline)
        return found

    def host(self, path: str) -> str:
        """The file that holds the Dockerfile `path`; `path` itself for a file."""
        return self[path].text.path if path in self else path

    def place(self, path: str, span: Span) -> tuple[str, Span]:
        """A place as one of a file."""
        return (self.host(path), self[path].text.host_span(span)) if path in self else (path, span)

    # -- fixes ----------------------------------------------------------------

    def held(self, finding: Finding) -> Finding:
        """`finding` without its fix where the file cannot be changed as the fix wants it."""
        fix = finding.fix
        for path in fix.paths if fix is not None else ():
            refusal = self._objection(path, finding.variable, fix) if path in self else None
            if refusal is not None:
                return replace(finding, fix=None, refusals=(*finding.refusals, refusal))
        return finding

    def _objection(self, path: str, variable: str, fix: Fix | None) -> Refusal | None:
        one = self[path]
        assert fix is not None
        asked = tuple(operation for operation in fix.operations if operation.path == path)
        edits = lower({path: Source(path, one.text.text)}, [replace(fix, operations=asked)])[path]
        written = {
            put.span for put in one.put for edit in edits if edit == Edit(put.span, put.said)
        }
        left = (put for put in one.put if put.name == variable and put.span not in written)
        stays = next(left, None)
        if stays is not None:
            return Refusal(
                f"{one.tool} itself writes the value of ${variable} into the Dockerfile of {one.label}",
                path,
                stays.span,
                f"write `{one.reference(variable)}` there, which the RUN reads, and run dockerfix again",
            )
        at = one.text.in_the_way(edit for edit in edits if edit.span not in written)
        if at is None:
            return None
        return Refusal(
            f"{one.tool} writes a value of its own into the text that would change",
            path,
            at,
            "give the Dockerfile that value as a build argument, and run dockerfix again",
        )

    def spread(
        self, edits: Mapping[str, list[Edit]]
    ) -> tuple[dict[str, list[Edit]], dict[str, bytes]]:
        """`edits` as edits of files; and what each Dockerfile inside one must read as then."""
        found: dict[str, list[Edit]] = {}
        wanted = {}
        for path, own in edits.items():
            if path in self:
                wanted[path] = self[path].text.after(own)
                own = self[path].text.host_edits(own)
            found.setdefault(self.host(path), []).extend(own)
        return found, wanted

    def check(self, wanted: Mapping[str, bytes]) -> None:
        """Raises ValueError if a Dockerfile does not read as it must."""
        for path, text in wanted.items():
            # A last line without its end gets one from what the file is given behind it.
            if path not in self or self[path].text.bare.rstrip(b"\n") != text.rstrip(b"\n"):
                raise ValueError(f"not done: {path} does not read as its edits say")

    # -- what is said ---------------------------------------------------------

    def placed(self, finding: Finding) -> Finding:
        """`finding` with every place in a file."""
        if not self:
            return finding
        path, span = self.place(finding.path, finding.span)
        return replace(
            finding,
            path=path,
            span=span,
            related=tuple(map(self.placed_place, finding.related)),
            not_changed=tuple(map(self.placed_place, finding.not_changed)),
            refusals=tuple(self._placed_refusal(one) for one in finding.refusals),
            fix=self._placed_fix(finding.fix) if finding.fix is not None else None,
        )

    def placed_place(self, place: Place) -> Place:
        return Place(*self.place(place.path, place.span), place.message)

    def _placed_refusal(self, one: Refusal) -> Refusal:
        path, span = self.place(one.path, one.span)
        return replace(one, path=path, span=span)

    def _placed_fix(self, fix: Fix) -> Fix:
        """The same fix as far as it is shown: its operations are those of the Dockerfile."""
        operations = (replace(one, path=self.host(one.path)) for one in fix.operations)
        return replace(fix, operations=tuple(operations))
