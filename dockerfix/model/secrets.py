"""Is it a secret: the name, the value and the use of a variable, judged together.

The face of the detection: `classify` weighs what names.py and values.py say and what the uses say.
It knows no scopes, no callers and no instructions, and no verdict holds or shows a value.
`quick`, the cheap test on the bytes of a whole file, is quick.py's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockerfix.model.quick import quick

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.model.names import Name, Overrides
    from dockerfix.model.values import Value

__all__ = ["USES", "Verdict", "classify", "quick"]

THRESHOLD = 0.5

# What a use of the variable proves, in the words of the evidence. The first group makes a secret of
# a name that says nothing; the second only confirms one; the third says that it is none.
CREDENTIAL_USES = {
    "authorization-header": "used in an Authorization header",
    "auth-token": "written as an npm _authToken",
    "url-user-info": "used as the user info of a URL",
    "private-key-file": "written to a private key file",
    "chpasswd": "given to chpasswd as a password",
}
CONFIRMING_USES = {
    "password-option": "given to an option that takes a password or token",
    "login": "given to a command that logs in",
    "config-file": "written to a file that holds credentials",
}
PLAIN_USES = {
    "authorized-keys": ("public-key", "written to authorized_keys, so it is a public key"),
    "known-hosts": ("public-key", "written to known_hosts, so it is a host's public key"),
    "gpg-key-id": ("public-key", "given to gpg as a key to fetch, so it is a fingerprint"),
    "file-argument": ("path", "given to an option that takes a file, so it is a path"),
    "git-ref": ("", "used as a branch, tag or version"),
}
USES = frozenset((*CREDENTIAL_USES, *CONFIRMING_USES, *PLAIN_USES, "url"))
"""The uses that `classify` knows; others are ignored. `url`: the whole or the host of a URL."""

_NEVER_A_CREDENTIAL = {"boolean", "mount-path", "path", "url", "public-key", "digest"}
_NO_KEY_OR_TOKEN = {"version", "duration", "size"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`secret` is about the variable, whatever value stands there now; `placeholder` says that the
    given value is a stand-in or a dummy that everybody knows, so that nothing has leaked yet.
    `public`: everybody may know it (`kind` is `public-key`), or a bundler ships it and a mount
    protects nothing (`kind` is what it would have been: `token`, ...). `selects_content`: the value
    decides what a build fetches (S5). `form` is the value's form, see `values.Value`; `carrier`
    marks a name such as PIP_INDEX_URL, whose value alone decides, `often` one that mostly holds one; `literal` is True where a
    credential itself stands in the value (and is to be rotated)."""

    secret: bool
    kind: str
    confidence: float
    evidence: tuple[str, ...] = ()
    placeholder: bool = False
    public: bool = False
    selects_content: bool = False
    form: str = "absent"
    carrier: bool = False
    literal: bool = False
    often: bool = False


def classify(
    name: str,
    value: bytes | None = None,
    *,
    uses: Iterable[str] = (),
    overrides: Overrides | None = None,
) -> Verdict:
    """Judge a variable. `value` is its raw word (quotes allowed) or what a caller passes, None if
    there is none; `uses` are ids from `USES`; `overrides` are the project's own rules."""
    from dockerfix.model import names, values

    said = names.judge(name, overrides)
    form = values.examine(value, name)
    used = frozenset(uses)
    selects = names.selects_content(name) or "url" in used or form.form == "url"
    secret, kind, confidence, evidence, public = _weigh(said, form, used)
    if form.placeholder and secret:
        evidence = (*evidence, "value is a placeholder or a dummy that everybody knows")
    return Verdict(
        secret=secret,
        kind=kind,
        confidence=round(confidence, 2),
        evidence=tuple(text for text in evidence if text),
        placeholder=form.placeholder,
        public=public,
        selects_content=selects,
        form=form.form,
        carrier=said.stance == "carrier",
        often=said.often,
        literal=secret
        and not form.placeholder
        and form.form not in {"absent", "empty", "reference"}
        and form.literal,
    )


_Weighed = tuple[bool, str, float, tuple[str, ...], bool]


def _weigh(said: Name, form: Value, used: frozenset[str]) -> _Weighed:
    if said.fixed:
        return said.stance == "secret", said.kind, 1.0, (said.says,), False
    if said.stance == "public":
        if form.form == "credential" and form.kind == "private-key":
            return True, form.kind, 0.97, (form.says, said.says), False
        return False, said.kind, 0.9, (said.says,), True
    if form.form in {"credential", "frame"}:
        kind = form.kind
        if said.bundle and kind != "private-key":
            from dockerfix.model.names import shipped_by

            return False, kind, 0.9, (shipped_by(said.bundle),), True
        score = 0.6 if kind == "key-id" else 0.97 if form.form == "credential" else 0.9
        named = said.says if said.stance == "secret" else ""
        return True, kind, score, (form.says, named, *_confirmed(used)), False
    for use in sorted(used & PLAIN_USES.keys()):
        kind, says = PLAIN_USES[use]
        if said.stance != "secret" or said.kind in {"key", "private-key"} or use == "file-argument":
            return False, kind, 0.85, (says,), kind == "public-key"
    proof = sorted(used & CREDENTIAL_USES.keys())
    if said.stance in {"secret", "switch"}:
        if reason := _no_credential(said, form):
            return False, _plain_kind(form), 0.85, (reason,), form.form == "public-key"
        score = min(0.99, said.score + (0.3 if proof else 0.1 if _confirmed(used) else 0.0))
        if said.stance == "switch" and not proof and form.form in {"absent", "empty"}:
            return False, "", 0.6, (f"{said.says}, but reads as a switch",), False
        return score >= THRESHOLD, said.kind, score, (said.says, *_confirmed(used)), False
    if proof and not said.user and form.form not in _NEVER_A_CREDENTIAL:
        return True, _kind_of_use(proof[0]), 0.8, _confirmed(used), False
    if said.stance == "fingerprint":
        return False, said.kind, 0.85, (said.says,), True
    return False, _plain_kind(form) or said.stance.replace("silent", ""), 0.8, (said.says,), False


def _confirmed(used: frozenset[str]) -> tuple[str, ...]:
    known = CREDENTIAL_USES | CONFIRMING_USES
    return tuple(known[use] for use in sorted(used & known.keys()))


def _kind_of_use(use: str) -> str:
    return {"private-key-file": "private-key", "chpasswd": "password"}.get(use, "token")


def _plain_kind(form: Value) -> str:
    return {"public-key": "public-key", "fingerprint": "public-key", "mount-path": "path"}.get(
        form.form, form.form if form.form in {"path", "url"} else ""
    )


def _no_credential(said: Name, form: Value) -> str:
    """Why a value under a secret's name is no credential, or ''."""
    what = form.form
    password = said.kind == "password"
    if what in _NEVER_A_CREDENTIAL and not (what == "digest" and password):
        return form.says
    if what in _NO_KEY_OR_TOKEN and not password:
        return form.says
    if what == "fingerprint" and said.kind in {"key", "private-key"} and said.strength != "strong":
        return form.says
    if what == "number" and (said.plural or said.strength == "weak") and not form.placeholder:
        return form.says
    weak = said.strength == "weak" or said.kind == "connection-string"
    if what == "host" and weak:
        return form.says
    if what == "word" and said.strength == "weak" and not form.placeholder:
        return f"{form.says}, and the name says no more than a key"
    return ""
