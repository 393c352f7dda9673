"""Text of the root that gives a build argument and that no known call covers (S2).

Executable text holds a fix back; prose is only listed. What counts is that the text passes
the name as a build argument (`--build-arg NAME`, `build-args:` ... NAME), not that it names
it: `env: NPM_TOKEN` before `npm publish` is nothing. How each kind of file passes a build
argument stands in `holders.toml`. Rewrites nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple
from weakref import WeakKeyDictionary

from dockerfix.globs import fits
from dockerfix.source import Span

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from dockerfix.builders.call import BuildCall
    from dockerfix.workspace import Workspace

Kind = Literal["executable", "prose", "unknown-caller"]
NEAR = 15
"""How many lines from a name to `--build-arg` count as near in a program."""

_FLAG = (
    rb"(?:build[-_]arg[\s'\"`,=:\\+\[\](-]{1,80}|"
    rb"(?i:build[-_]args)(?:[ \t'\"`,=:\[\](]|\\?\n[ \t]*(?:-[ \t]+(?:value:)?|values?:|default:)){1,80})"
    rb"(?:(?:[frbuFRBU]{1,2}|[$@]{1,2})['\"])?"
)
_COMPUTED = re.compile(rb"--build-arg(?:[= \t]|\s*\\\r?\n\s*)+[\"']?\$")
_FLAG_NEAR = re.compile(rb"build[-_]?args?\b|\bbuildargs?\b", re.I)
_SAID = re.compile(rb"^[\t @+-]*(?:echo|printf|info|log\w*|warn\w*|error|usage|say|print)\b")
_BRACES = (
    rb"[^\n{;]{0,60}?\{",  # `args = {`, `BuildArgs: map[string]*string{`
    rb"(?:(?:new )?[\w.]{1,40}(?:<[^\n>]{0,60}>)?)?[\[(]",  # `build_args=[`, `args = merge(`
)
_KEY = re.compile(
    rb"((?:-[ \t]+)*)[\"']?([^\s\"':#&*\[{][^\"':#\n]*?)[\"']?[ \t]*:(?=[ \t]|$)[ \t]*(?:&(\S+))?"
)
_ENTRY = re.compile(
    rb"[ \t]*(?:-[ \t]+)*(?:(?:key|name|<<):[ \t]*)?(?:[\"']?([\w.-]+)[\"']?[ \t]*:[ \t]+(?:&(\S+)[ \t]+)?"
    rb"[\[{\"' \t]*(?:[^\n]*[,\n][ \t]*)?)?[\"'\[]?(?:\*\w+,[ \t]*)*"
)
_SHOWN = re.compile(rb"^[^\n#>]*\bcat\b[^\n>]*<<-?[ \t]*['\"]?(\w+)['\"]?[^\n>]*\n", re.M)


class Mention(NamedTuple):
    """`span` is the name in the file; `why` is a clause about the file, without a full stop."""

    path: str
    span: Span
    kind: Kind
    why: str


@dataclass(frozen=True, slots=True)
class Holder:
    name: str
    files: tuple[str, ...]
    form: str = "none"
    keys: tuple[str, ...] = ()
    below: str = ""
    contains: tuple[bytes, ...] = ()
    comment: tuple[bytes, ...] = ()
    code: bool = False
    kind: str = ""
    shebang: bool = False

    def holds(self, path: str, data: bytes) -> bool:
        if not all(one in data for one in self.contains):
            return False
        if self.shebang and re.match(rb"#![^\n]*sh\b", data):
            return True
        bare = _rendered(path)
        return any(matches(path, one) or matches(bare, one) for one in self.files)


class Table(NamedTuple):
    holders: tuple[Holder, ...]
    before: bytes
    prose: tuple[str, ...]
    never: tuple[str, ...]
    templates: tuple[str, ...]


class _Text(NamedTuple):
    """A file that is looked into. `prose`: it is written for people, and no script either."""

    path: str
    data: bytes
    holder: Holder | None
    prose: bool


class _Root:
    """What is the same for every name: the calls that are known, and the kind of each file."""

    def __init__(self, calls: Sequence[BuildCall]) -> None:
        self.calls = calls
        self.found: dict[str, tuple[Mention, ...]] = {}
        self.covered: dict[str, list[Span]] = {}
        for call in calls:
            self.covered.setdefault(call.path, []).append(call.span)
            for arg in call.args:
                self.covered.setdefault(arg.path or call.path, []).append(arg.span)
        self._texts: dict[str, _Text] = {}

    def text(self, path: str, data: bytes) -> _Text:
        found = self._texts.get(path)
        if found is None:
            holder = next((one for one in table().holders if one.holds(path, data)), None)
            prose = any(matches(path, pattern) for pattern in table().prose)
            prose = prose and (holder is None or not holder.shebang)
            found = self._texts[path] = _Text(path, data, holder, prose)
        return found

    def mentions(self, workspace: Workspace, raw: bytes) -> Iterator[Mention]:
        for path in _files(workspace):
            data = _read(workspace, path)
            if raw in data:
                yield from _in_file(self.text(path, data), raw, self.covered.get(path, []))


_candidates: WeakKeyDictionary[Workspace, tuple[str, ...]] = WeakKeyDictionary()
_roots: WeakKeyDictionary[Workspace, _Root] = WeakKeyDictionary()


def mentions(
    name: str, workspace: Workspace, known_calls: Sequence[BuildCall]
) -> tuple[Mention, ...]:
    """Every place outside `known_calls` that passes `name` as a build argument, by path."""
    root = _roots.get(workspace)
    if root is None or root.calls is not known_calls:
        root = _roots[workspace] = _Root(known_calls)
    if name not in root.found:
        root.found[name] = tuple(root.mentions(workspace, name.encode("utf-8", "surrogateescape")))
    return root.found[name]


def names_secret(id: str, workspace: Workspace, besides: Container[str]) -> bool:
    """Whether any file, but those in `besides`, has `id=ID`, as what gives secrets is written."""
    raw = id.encode("utf-8", "surrogateescape")
    given = re.compile(rb"\bid[\"']?\s*[=:]\s*[\"']?" + re.escape(raw) + rb"(?![\w.-])")
    texts = (_read(workspace, path) for path in _files(workspace) if path not in besides)
    return any(raw in data and given.search(data) is not None for data in texts)


def matches(path: str, pattern: str) -> bool:
    """Whether a glob of the table matches: the whole path (or its tail) if it has a slash."""
    if "/" in pattern:
        return fits(path, pattern) or fits(path, "*/" + pattern)
    return fits(path.rpartition("/")[2], pattern)


def _rendered(path: str) -> str:
    """The name of what a template makes; any other path as it is."""
    for ending in table().templates:
        if path.endswith(ending):
            return path.removesuffix(ending)
    return path


@cache
def table() -> Table:
    import tomllib
    from importlib.resources import files

    read = tomllib.loads(files("dockerfix.builders").joinpath("holders.toml").read_text("utf-8"))
    holders = tuple(
        Holder(
            name=one["name"],
            files=tuple(one["files"]),
            form=one.get("form", "none"),
            keys=tuple(one.get("keys", ())),
            below=one.get("below", ""),
            contains=tuple(text.encode() for text in one.get("contains", ())),
            comment=tuple(text.encode() for text in one.get("comment", ())),
            code=one.get("code", False),
            kind=one.get("kind", ""),
            shebang=one.get("shebang", False),
        )
        for one in read["holder"]
    )
    before = "|".join(read["before"]).encode()
    lists = (tuple(read[key]) for key in ("prose", "never", "templates"))
    return Table(holders, before, *lists)


def _files(workspace: Workspace) -> tuple[str, ...]:
    """The files that are looked into, found once for a workspace."""
    known = _candidates.get(workspace)
    if known is None:
        never = re.compile("|".join(map(translate, table().never)))
        known = tuple(
            path for path in workspace.files() if not never.match(path.rpartition("/")[2])
        )
        _candidates[workspace] = known
    return known


def _read(workspace: Workspace, path: str) -> bytes:
    try:
        data = workspace.read(path)
    except Exception:  # who needs this file says why it cannot be read
        return b""
    return b"" if b"\0" in data else data


def _in_file(text: _Text, raw: bytes, covered: list[Span]) -> Iterator[Mention]:
    path, data, holder, prose = text
    name = raw.decode("utf-8", "surrogateescape")
    given = rb"(?:" + table().before + rb")" + re.escape(raw) + rb"(?![A-Za-z0-9_])"
    flag = re.compile(rb"(?:" + _FLAG + _word(raw) + rb"|" + given + rb")")
    if prose:
        for hit in flag.finditer(data):
            yield Mention(path, _tail(hit, raw), "prose", f"the text names --build-arg {name}")
        return
    what = holder.name if holder is not None else "a file of unknown kind"
    hits: dict[Span, Kind] = {_tail(hit, raw): "executable" for hit in flag.finditer(data)}
    if holder is not None:
        for span in _passed(holder, data, raw):
            hits.setdefault(span, "executable")
        for span in _perhaps(holder, data, raw, covered):
            hits.setdefault(span, "unknown-caller")
    shown = _shown(data) if holder is not None and holder.kind else []
    for span, kind in sorted(hits.items()):
        if any(known.contains(span) for known in covered):
            continue
        if _commented(holder, data, span.start) or any(one.contains(span) for one in shown):
            yield Mention(path, span, "prose", f"a comment or message names {name}")
        elif holder is not None and holder.kind and _SAID.match(_command(data, span.start)):
            yield Mention(path, span, "prose", f"a message names {name}")
        elif kind == "executable":
            yield Mention(path, span, kind, f"{path} ({what}) passes {name} as a build argument")
        else:
            why = f"{path} ({what}) names {name} and gives build arguments whose names are computed"
            yield Mention(path, span, kind, why)


def _word(raw: bytes) -> bytes:
    return rb"(?<![A-Za-z0-9_])" + re.escape(raw) + rb"(?![A-Za-z0-9_])"


def _tail(hit: re.Match[bytes], raw: bytes) -> Span:
    return Span(hit.end() - len(raw), hit.end())


def _passed(holder: Holder, data: bytes, raw: bytes) -> Iterator[Span]:
    """Where `keys` of the holder are followed by the name."""
    keys = rb"(?i:" + b"|".join(map(_key, holder.keys)) + rb")"
    if holder.form == "yaml":
        for hit in re.finditer(_word(raw), data):
            if _yaml_passes(holder, data, hit.start()):
                yield Span(*hit.span())
        set_flag = rb"\.args\." + _word(raw)
        yield from (_tail(hit, raw) for hit in re.finditer(set_flag, data))
    elif holder.form == "braces":
        opening = rb"(?<![\w-])" + keys + rb"[\"']?(?:\.\w+)?\s*(?:=>|:=|[:=(])?\s*"
        for inside in _BRACES:
            for key in re.finditer(opening + inside, data):
                yield from _named(data, key.end() - 1, _closed(data, key.end() - 1), raw)
        name = rb"(?:(?:\.\w+)?\(\s*[\"']|[!?]?\.)" + _word(raw)
        called = rb"(?<![\w-])" + keys + name
        yield from (_tail(hit, raw) for hit in re.finditer(called, data))
    elif holder.form == "toml":
        for table in holder.keys:
            yield from _in_toml(data, table.split("."), raw)
    elif holder.form == "xml":
        for key in re.finditer(rb"<(" + keys + rb")>", data):
            close = data.find(b"</" + key[1] + b">", key.end())
            yield from _named(data, key.end(), close if close >= 0 else len(data), raw)


def _in_toml(data: bytes, path: list[str], raw: bytes) -> Iterator[Span]:
    """Where the name is a key of the table `path`, however the table is written."""
    for depth in range(len(path) + 1):
        header = rb"^[ \t]*\[" + _dotted(path[:depth]) + rb"\][^\n]*(?:\n|\Z)" if depth else rb"\A"
        for table in re.finditer(header, data, re.M):
            following = re.compile(rb"^[ \t]*\[", re.M).search(data, table.end())
            end = following.start() if following else len(data)
            if depth == len(path):
                yield from _named(data, table.end(), end, raw)
                continue
            rest = rb"^[ \t]*" + _dotted(path[depth:])
            inline = re.compile(rest + rb"[ \t]*=[ \t]*\{", re.M)
            for hit in inline.finditer(data, table.end(), end):
                yield from _named(data, hit.end() - 1, _closed(data, hit.end() - 1), raw)
            for hit in re.compile(rest + rb"\.[\"']?" + _word(raw), re.M).finditer(
                data, table.end(), end
            ):
                yield _tail(hit, raw)


def _dotted(path: list[str]) -> bytes:
    return rb"[ \t]*\.[ \t]*".join(rb"[\"']?" + _key(one) + rb"[\"']?" for one in path)


def _key(pattern: str) -> bytes:
    """A glob over a key as an expression."""
    return rb"[\w-]*".join(re.escape(one.encode()) for one in pattern.split("*"))


def _named(data: bytes, start: int, end: int, raw: bytes) -> Iterator[Span]:
    """Where the name is a key (or an item) in that region, not where it is part of a value."""
    for hit in re.compile(_word(raw)).finditer(data, start, end):
        before = data[max(start, hit.start() - 12) : hit.start()]
        if not re.search(rb"\$\{?\Z|[\w\])]\.\Z|/\Z|env\w*[:(\[][\"']?\Z", before, re.I):
            yield Span(*hit.span())


def _yaml_passes(holder: Holder, data: bytes, at: int) -> bool:
    """Whether the name at `at` is an entry below one of the keys, or of what one refers to."""
    chain = _entry(data, at)
    if _wanted(holder, [key for key, _ in chain]):
        return True
    for anchor in (anchor for _, anchor in chain if anchor):
        for hit in re.finditer(rb"\*" + re.escape(anchor) + rb"(?![\w.-])", data):
            if _wanted(holder, [key for key, _ in _entry(data, hit.start())]):
                return True
    return False


def _wanted(holder: Holder, keys: list[str]) -> bool:
    return any(
        any(fits(key.lower(), one.lower()) for one in holder.keys)
        and (not holder.below or holder.below in keys[index + 1 :])
        for index, key in enumerate(keys)
    )


def _entry(data: bytes, at: int) -> list[tuple[str, bytes]]:
    """The keys above the entry that starts at `at`, nearest first, each with its anchor; empty
    if no entry starts there (the name is part of a value)."""
    start = data.rfind(b"\n", 0, at) + 1
    found = _ENTRY.fullmatch(data, start, at)
    if found is None:
        return []
    own = [(found[1].decode("utf-8", "replace"), found[2] or b"")] if found[1] else []
    return own + list(_ancestors(data, start, data[start:at]))


def _ancestors(data: bytes, start: int, line: bytes) -> Iterator[tuple[str, bytes]]:
    column = len(line) - len(line.lstrip(b" \t"))
    item = line[column : column + 1] == b"-"
    while start > 0:
        end = start - 1
        start = data.rfind(b"\n", 0, end) + 1
        above = data[start:end].rstrip()
        text = above.lstrip(b" \t")
        if not text or text.startswith(b"#"):
            continue
        depth = len(above) - len(text)
        found = _KEY.match(text)
        inner = depth + len(found[1]) if found else depth
        if found and (inner < column or (item and inner == column and not found[1])):
            yield found[2].decode("utf-8", "replace"), found[3] or b""
            column, item = depth, bool(found[1])
        elif depth < column:
            column, item = depth, text.startswith(b"-")


def _closed(data: bytes, at: int) -> int:
    """Offset of the bracket that closes the one at `at`, strings left out of the count."""
    pairs = {0x7B: 0x7D, 0x5B: 0x5D, 0x28: 0x29}
    waiting = [pairs[data[at]]]
    quote = 0
    for offset in range(at + 1, min(len(data), at + 20_000)):
        byte = data[offset]
        if quote:
            if byte == quote and data[offset - 1] != 0x5C:
                quote = 0
        elif byte in b"\"'`":
            quote = byte
        elif byte in pairs:
            waiting.append(pairs[byte])
        elif byte == waiting[-1]:
            waiting.pop()
            if not waiting:
                return offset
    return min(len(data), at + 2_000)


def _perhaps(holder: Holder, data: bytes, raw: bytes, covered: list[Span]) -> Iterator[Span]:
    """Where the name may become a build argument by way of a variable."""
    if holder.code:
        quoted = rb"[\"']" + _word(raw) + rb"(?:=[^\"'\n]*)?[\"']"
        key = rb"(?<=[{(,])\s*" + _word(raw) + rb"\s*(?::(?!:)|=(?![=>])|[,)]|\}(?!\s*=))"
        flags = [hit.start() for hit in _FLAG_NEAR.finditer(data)]
        for hit in re.compile(quoted + rb"|" + key).finditer(data):
            if _is_environment(data, hit.start()):
                continue
            lines = (data.count(b"\n", *sorted((hit.start(), flag))) for flag in flags)
            if any(number <= NEAR for number in lines):
                at = data.index(raw, hit.start())
                yield Span(at, at + len(raw))
    elif holder.kind:
        computed = [
            hit
            for hit in _COMPUTED.finditer(data)
            if not any(span.contains(Span(hit.start(), hit.start() + 1)) for span in covered)
            or data[hit.end() : hit.end() + 2] in (b"{!",)
        ]
        if computed:
            for hit in re.compile(rb"(?<![\$\w{(])" + _word(raw) + rb"(?![=\w])").finditer(data):
                yield Span(*hit.span())


def _is_environment(data: bytes, at: int) -> bool:
    """Whether the string at `at` is only the name of a variable that is read."""
    before = data[max(0, at - 24) : at]
    return (
        re.search(rb"(?:env\w*|environ\w*)(?:\.get|\.fetch)?[\[(]\s*\Z", before, re.I) is not None
    )


def _commented(holder: Holder | None, data: bytes, at: int) -> bool:
    start = data.rfind(b"\n", 0, at) + 1
    line = data[start:at]
    marks = holder.comment if holder is not None else (b"#", b"//")
    for mark in marks:
        if line.lstrip().startswith(mark):
            return True
        found = re.search(rb"\s" + re.escape(mark), line)
        if found and not sum(line[: found.start()].count(q) % 2 for q in (b'"', b"'")):
            return True
    opened = data.rfind(b"<!--", 0, at)
    return opened >= 0 and data.find(b"-->", opened, at) < 0


def _command(data: bytes, at: int) -> bytes:
    """The logical line that holds `at`, from its first byte."""
    start = data.rfind(b"\n", 0, at) + 1
    while start > 1 and data[:start].rstrip(b"\r\n").endswith(b"\\"):
        start = data.rfind(b"\n", 0, start - 1) + 1
    return data[start:at]


def _shown(data: bytes) -> list[Span]:
    """Bodies of heredocs that are only printed."""
    found = []
    for hit in _SHOWN.finditer(data):
        end = re.compile(rb"^\t*" + hit[1] + rb"\r?$", re.M).search(data, hit.end())
        found.append(Span(hit.end(), end.start() if end else len(data)))
    return found
