"""What a name says: the reading of names.toml and the judging of one variable or file name.

It knows words, what stands before and after them, and whole names; nothing of values, uses or
scopes. A project's own rules (`Overrides`) come before the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any

from dockerfix.globs import fits

_VARIABLE = re.compile(r"\$\w+|\$\{[^}]*\}")
_WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+")
_SCORES = {"strong": 0.9, "medium": 0.75, "weak": 0.55}
_PLURALS = frozenset({"tokens", "keys", "passwords", "secrets", "credentials"})


@dataclass(frozen=True, slots=True)
class Overrides:
    """A project's own rules: globs over names, any case. `secret` wins over `not_secret`."""

    secret: tuple[str, ...] = ()
    not_secret: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Name:
    """What a name says. `stance`: `secret`, `no`, `switch` (a flag, if the value does not say
    otherwise), `public`, `fingerprint`, `carrier`, `path`, `silent` (no term in it). `fixed` means
    that a rule of the project decided and value and use do not matter. `user` marks the name of
    somebody or something, which no use turns into a secret; `often` a carrier that mostly holds a
    credential where a build is given it. `bundle` is the tool that ships a variable of this name."""

    stance: str
    kind: str = ""
    strength: str = ""
    score: float = 0.0
    says: str = ""
    bundle: str = ""
    plural: bool = False
    user: bool = False
    fixed: bool = False
    often: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    words: tuple[str, ...]
    kind: str
    strength: str


@dataclass(frozen=True, slots=True)
class _Hit:
    start: int
    end: int
    term: Term


@dataclass(frozen=True, slots=True)
class Table:
    terms: dict[tuple[str, ...], Term]
    longest: int
    glued: tuple[tuple[str, str], ...]
    glued_not: frozenset[str]
    glued_after: dict[str, frozenset[str]]
    modifiers: dict[str, frozenset[str]]
    descriptors: dict[str, str]
    noise: frozenset[str]
    content: frozenset[str]
    hashes: frozenset[str]
    names: tuple[dict[str, Any], ...]
    public: tuple[tuple[str, str], ...]
    selects: frozenset[str]
    files: tuple[dict[str, Any], ...] = field(default=())


@cache
def table() -> Table:
    import tomllib
    from pathlib import Path

    data = tomllib.loads(Path(__file__).with_name("names.toml").read_text("utf-8"))
    terms: dict[tuple[str, ...], Term] = {}
    for row in data["term"]:
        for phrase in row["words"]:
            words = tuple(phrase.split())
            term = Term(words, row["kind"], row["strength"])
            terms.setdefault(words, term)
            terms.setdefault(("".join(words),), term)
    after = {ending: frozenset(stems) for ending, stems in data["glued_after"].items()}
    return Table(
        terms=terms,
        longest=max(len(words) for words in terms),
        glued=tuple(
            (ending, kind)
            for kind, endings in data["glued"].items()
            if kind != "not"
            for ending in endings
        ),
        glued_not=frozenset(data["glued"]["not"]),
        glued_after=after,
        modifiers={key: frozenset(words) for key, words in data["modifiers"].items()},
        descriptors={word: kind for kind, words in data["descriptors"].items() for word in words},
        noise=frozenset(data["tails"]["noise"]),
        content=frozenset(data["tails"]["content"]),
        hashes=frozenset(data["tails"]["hash"]),
        names=tuple(data["name"]),
        public=tuple((prefix, row["tool"]) for row in data["public"] for prefix in row["prefixes"]),
        selects=frozenset(data["selects"]["words"]),
        files=tuple(data["file"]),
    )


def split(name: str) -> tuple[str, ...]:
    """The words of a name, lower case; a number at a word's end is cut off, `OAuth` stays one.

    A variable in the name of an ENV (rule 2.1) says nothing: it stands for another text.
    """
    rows = table()
    words: list[str] = []
    for found in _WORD.findall(_VARIABLE.sub(" ", name)):
        word = found.lower()
        if words and words[-1] == "o" and word.startswith("auth"):
            words.pop()
            word = "o" + word
        whole = word in rows.descriptors or word in rows.content
        words.append(word if whole else word.rstrip("0123456789") or word)
    return tuple(words)


def _single(word: str) -> Term | None:
    rows = table()
    if term := rows.terms.get((word,)):
        return term
    if word in rows.glued_not:
        return None
    for ending, kind in rows.glued:
        if word.endswith(ending) and len(word) > len(ending):
            return Term((word,), kind, "strong")
    for ending, stems in rows.glued_after.items():
        if word.endswith(ending) and word.removesuffix(ending) in stems:
            return Term((word,), "token" if ending == "pat" else "password", "medium")
    return None


def _hits(words: tuple[str, ...]) -> list[_Hit]:
    rows = table()
    hits: list[_Hit] = []
    at = 0
    while at < len(words):
        for count in range(min(rows.longest, len(words) - at), 0, -1):
            term = rows.terms.get(words[at : at + count])
            if term is None and count == 1:
                term = _single(words[at])
            if term is not None:
                hits.append(_Hit(at, at + count, term))
                at += count
                break
        else:
            at += 1
    return hits


def _before(words: tuple[str, ...], start: int, group: str) -> str:
    """The one or two words directly before `start` that belong to the group, or ''."""
    known = table().modifiers[group]
    for count in (2, 1):
        phrase = " ".join(words[max(0, start - count) : start])
        if phrase in known:
            return phrase
    return ""


def bundle_of(name: str) -> str:
    """The tool that puts a variable of this name into what it ships, or ''."""
    upper = name.upper()
    return next((tool for prefix, tool in table().public if upper.startswith(prefix)), "")


def shipped_by(tool: str) -> str:
    return f"{tool} puts variables of this prefix into what it ships"


def selects_content(name: str) -> bool:
    """Whether the name's last word says that its value selects what is fetched (S5)."""
    rows = table()
    words = [word for word in split(name) if not word.isdigit()]
    while words and words[-1] in rows.noise and words[-1] not in rows.selects:
        words.pop()
    return bool(words) and words[-1] in rows.selects


def judge(name: str, overrides: Overrides | None = None) -> Name:
    """What a variable's name says, the project's own rules first."""
    upper = name.upper()
    if overrides is not None:
        for globs, stance in ((overrides.secret, "secret"), (overrides.not_secret, "no")):
            for glob in globs:
                if fits(upper, glob.upper()):
                    says = f"the project's configuration says so ({glob})"
                    kind = "secret" if stance == "secret" else ""
                    return Name(stance, kind, "strong", 1.0, says, fixed=True)
    for row in table().names:
        if any(fits(upper, glob) for glob in row["globs"]):
            stance = {"not-secret": "no"}.get(row["verdict"], row["verdict"])
            kind = row.get("kind", "")
            score = 0.9 if stance == "secret" else 0.0
            often = row.get("often", False)
            said = Name(stance, kind, "strong", score, row["says"], often=often)
            return replace(said, bundle=bundle_of(name))
    said = _by_words(split(name))
    tool = bundle_of(name)
    if tool and said.stance in {"secret", "switch"}:
        return Name("public", said.kind, said.strength, 0.0, shipped_by(tool), bundle=tool)
    return replace(said, bundle=tool) if tool else said


def _by_words(words: tuple[str, ...]) -> Name:
    rows = table()
    hits = _hits(words)
    if not hits:
        last = next((word for word in reversed(words) if word not in rows.noise), "")
        return Name("silent", user=rows.descriptors.get(last) == "name")
    hit = hits[-1]
    term = hit.term
    said = " ".join(words[hit.start : hit.end]).upper().replace(" ", "_")
    plural = words[hit.end - 1] in _PLURALS
    tail = [word for word in words[hit.end :] if not word.isdigit()]
    if any(word in rows.content for word in tail):
        tail = []
    else:
        tail = [word for word in tail if word not in rows.noise or word in rows.hashes]
        if tail and (described := _described(term, tail)):
            return described
        if tail and term.strength != "strong" and not (set(tail) <= rows.hashes):
            return Name("silent")
    if len(hits) > 1 and term.words == ("auth",) and hits[-2].end == hit.start:
        return Name("no", says=f"{said} after {hits[-2].term.words[-1].upper()} names a mode")
    if words[hit.end - 1] in {"key", "keys", "token", "tokens"} and (
        modified := _modified(words, hit, said)
    ):
        return modified
    if plural and hit.start and words[hit.start - 1] in rows.modifiers["quantity"]:
        return Name("no", says=f"name counts {said}")
    place = "ends in" if hit.end == len(words) else "holds"
    place = "is" if hit.end - hit.start == len(words) else place
    score = _SCORES[term.strength] - (0.25 if tail else 0.0)
    stance = "secret"
    if any(word in rows.modifiers["switch"] for word in words[: hit.start]):
        stance, score = "switch", score - 0.2
    return Name(stance, term.kind, term.strength, score, f"name {place} {said}", plural=plural)


def _described(term: Term, tail: list[str]) -> Name | None:
    """What the words after the term make of it: TOKEN_URL is a URL. The last such word decides."""
    rows = table()
    if term.kind == "password" and set(tail) <= rows.hashes:
        return None
    for word in reversed(tail):
        if kind := rows.descriptors.get(word):
            stance = {"path": "path", "public": "public"}.get(kind, "no")
            says = f"name says {word.upper()}: not the secret but its {kind}"
            return Name(stance, says=says, user=kind == "name")
    return None


def _modified(words: tuple[str, ...], hit: _Hit, said: str) -> Name | None:
    """What the word before KEY or TOKEN makes of it: PUBLIC_KEY, GPG_KEY, CACHE_KEY."""
    single = hit.term.words in {("key",), ("keys",), ("token",), ("tokens",)}
    if single and (word := _before(words, hit.start, "public")):
        return Name("public", "public-key", says=f"name says {word.upper()} {said}")
    if hit.term.kind != "key":
        return None
    if word := _before(words, hit.start, "fingerprint"):
        says = f"name says {word.upper()} {said}: by convention a public key or its fingerprint"
        return Name("fingerprint", "public-key", says=says)
    if single and (word := _before(words, hit.start, "identifier")):
        return Name("no", says=f"name says {word.upper()} {said}: the name of an entry")
    return None


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that COPY or ADD takes. `sure`: a secret by its name, otherwise its content decides."""

    kind: str
    sure: bool


@lru_cache(maxsize=4096)
def secret_file(path: str) -> SecretFile | None:
    """What the name of a file in the build context says, None if nothing. Globs see the last
    component in lower case, those with a `/` the last two; a variable in it (`$ID_RSA_FILE`) is read as text."""
    plain = re.sub(r"[${}\"'*?]", "", path.lower().rstrip("/"))
    base, tail = plain.rsplit("/", 1)[-1], "/".join(plain.rsplit("/", 2)[-2:])
    for row in table().files:
        if any(fits(tail if "/" in glob else base, glob) for glob in row["globs"]) and not any(
            fits(base, glob) for glob in row.get("except", ())
        ):
            return SecretFile(row["kind"], bool(row["sure"]))
    return None
