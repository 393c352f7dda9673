"""The cheap test on the bytes of a whole file: can there be anything to report at all?

False only where classify() and secret_file() would find nothing in any ARG, ENV, COPY or ADD, in no
use of a variable, and in no literal. It reads no table: its literals are made from names.toml and
values.toml, and tests/test_secrets_quick.py says what they must be. It does not parse: continuation
lines are joined for either escape character, and quotes and escapes are dropped, so that a name or
a value split by them is still seen.
"""

from __future__ import annotations

import re

# Lower-case texts, one of which is in every name of a secret or in the line that declares it.
NAME_WORDS = (
    b"auth", b"basic", b"bearer", b"bundle_", b"cookie", b"cred", b"feed_endpoints", b"jwt", b"key",
    b"netrc", b"npm_rc", b"npmrc", b"pass", b"pem", b"pepper", b"psk", b"psswd", b"pswd", b"psw",
    b"pw", b"pypirc", b"salt", b"secret", b"settings_xml", b"token", b"webhook",
)  # fmt: skip
# Names whose value may carry a credential, which a caller passes (`verdict = "carrier"`).
CARRIER_WORDS = (
    b"index", b"proxy", b"registry", b"repo_url", b"repository_url", b"git_url", b"feed_url",
)  # fmt: skip
# Terms of several common words, and a pattern for them: none of the words alone says anything.
TERM_WORDS = (
    b"data", b"dsa", b"dsn", b"ed25519", b"hook", b"json", b"private", b"rsa", b"str", b"uri",
    b"url",
)  # fmt: skip
TERM_PATTERN = (
    rb"id[-_.0-9]*(?:rsa|dsa|ecdsa|ed25519)|ssh[-_.0-9]*private|slack[-_.0-9]*hook"
    rb"|(?:conn|connection)[-_.0-9]*(?:str|string|strings)(?![a-z])"
    rb"|(?:database|db)[-_.0-9]*(?:url|uri|dsn)|(?:mailer|transport)[-_.0-9]*(?:dsn|url)"
    rb"|(?:mongo|mongodb|postgres|postgresql|mysql|redis|rabbitmq|amqp|broker|cloudinary"
    rb"|sqlalchemy)[-_.0-9]*(?:url|uri)"
    rb"|service[-_.0-9]*account[-_.0-9]*json|kube[-_.0-9]*config[-_.0-9]*data"
    rb"|docker[-_.0-9]*config[-_.0-9]*json"
)
# Lower-case literals of the formats of real credentials: those of formats that hold a run of
# LONG_RUN letters, digits, `_` and `-` together with the literal, and those
# that need none.
LONG_RUN = 20
RUN_WORDS = (
    b"age-secret-key-", b"aiza", b"akcp", b"akia", b"asia", b"cio", b"cmvmd", b"dapi",
    b"dckr_oat_", b"dckr_pat_", b"doo_v1_", b"dop_v1_", b"dor_v1_", b"eyj", b"gho_", b"ghp_",
    b"ghr_", b"ghs_", b"ghu_", b"github_pat_", b"glagent-", b"glcbt-", b"gldt-", b"glffct-",
    b"glft-", b"glimt-", b"gloas-", b"glpat-", b"glptt-", b"glrt-", b"glsa_", b"glsoat-",
    b"glc_", b"gocspx-", b"hf_", b"key-", b"lin_api_", b"npm_", b"nrak-", b"nral-", b"nrii-", b"ntn_", b"ops_eyj",
    b"oy2", b"pmak-", b"pul-", b"pypi-age", b"rk_live_", b"rk_test_", b"rubygems_", b"shpat_",
    b"shpca_", b"shppa_", b"shpss_", b"sk-ant-", b"sk_live_", b"sk_test_", b"sntrys_",
    b"sntryu_", b"t3blbkfj", b"xapp-", b"xoxa-", b"xoxb-", b"xoxe-", b"xoxo-", b"xoxp-",
    b"xoxr-", b"xoxs-",
)  # fmt: skip
FORMAT_WORDS = (b"-----begin", b"accountkey", b"service_account", b"sharedaccess", b"sig=")
# Those of formats that hold such a run, but not together with the literal.
BESIDE_WORDS = (
    b".atlasv1.", b".webhook.office.com/", b"/api/webhooks/", b":aa", b"dp.", b"hooks.slack.com/",
    b"hvb.", b"hvr.", b"hvs.", b"sg.",
)  # fmt: skip
# Lower-case literals, one of which is in every secret file's name.
FILE_WORDS = (
    b".aws", b".azure", b".boto", b".bundle", b".condarc", b".docker", b".env", b".gem", b".gnupg",
    b".jks", b".key", b".kube", b".my.cnf", b".p12", b".pem", b".pfx", b".pgpass", b".ppk",
    b".s3cfg", b".sentryclirc", b".ssh", b".terraformrc", b".tfvars", b".vault", b".yarnrc",
    b"_ed25519", b"_rsa", b"auth.json", b"auth.toml", b"credential", b"env.list", b"gcloud", b"gcp",
    b"gradle.properties", b"hosts.yml", b"id_dsa", b"id_ecdsa", b"id_ed25519", b"id_rsa",
    b"identity", b"key.json", b"keystore", b"kubeconfig", b"netrc", b"npmrc", b"nuget", b"passwd",
    b"password", b"pip.conf", b"pip.ini", b"private", b"pypirc", b"secret", b"service-account",
    b"service_account", b"serviceaccount", b"settings", b"terraform.rc", b"token",
)  # fmt: skip
# Where a RUN shows that a variable is a credential, whatever its name; and existing mounts.
USE_WORDS = (
    b"-token:", b".ssh/", b"_auth", b"authorization", b"chpasswd", b"id_dsa", b"id_ecdsa",
    b"id_ed25519", b"id_rsa", b"ssh-add", b"x-api-key", b"x-jfrog",
)  # fmt: skip

# A part of each word of FORMAT_WORDS and USE_WORDS: few enough to be looked for everywhere.
COARSE_WORDS = (
    b"-----b", b"account", b"auth", b"chpass", b"pi-key", b"id_", b"shareda", b"sig=", b"ssh-a",
    b".ssh/", b"token:", b"x-jf",
)  # fmt: skip

_BACKSLASH = re.compile(rb"\\[ \t]*\r*\n(?:[ \t\v\f\r]*(?:#[^\n]*)?\n)*")
_EITHER = re.compile(rb"[\\`][ \t]*\r*\n(?:[ \t\v\f\r]*(?:#[^\n]*)?\n)*")
_DECLARES = re.compile(
    rb"^[^a-z\n]*(?:onbuild[^a-z\n]+)*(?:(arg|env)|copy|add)[ \t\v\f\r]([^\n]*)", re.MULTILINE
)
_USER_INFO = re.compile(rb"://[^\s/?#@]*@")
_PAT = re.compile(rb"pats?(?![a-z])")
# A word that begins after `pat` is seen only with the case kept: patGithub, but not PATH.
_CAMEL_PAT = re.compile(rb"[Pp]ats?[A-Z]|PATS?[A-Z][a-z]")
_QUOTING = b"\"'\\`"
_PATH_WORD = re.compile(rb"PATH[a-z\"'\\`]")
_RUNS = bytes(
    byte if chr(byte) in "-_0123456789abcdefghijklmnopqrstuvwxyz" else 32 for byte in range(256)
)
# By far the most frequent word of that length.
_HARMLESS_RUN = b"--no-install-recommends"
_compiled: list[re.Pattern[bytes]] = []


def quick(data: bytes, extra: tuple[str, ...] = ()) -> bool:
    """Whether the file may hold anything to report; True when in doubt. `extra` are the globs of
    names that the project's configuration calls secret."""
    joined = _joined(data.lower())
    if _declares(data, joined, extra):
        return True
    if b"@" in joined and _USER_INFO.search(joined) is not None:
        return True
    if b"--mount" in joined and (b"secret" in joined or b"ssh" in joined):
        return True
    if b"/run/secrets/" in joined:
        return True
    bare = joined.translate(None, _QUOTING)
    if _holds(bare, COARSE_WORDS):
        if _holds(bare, USE_WORDS):
            return True
        if _holds(bare, FORMAT_WORDS) and _formats(data):
            return True
    words = bare.replace(_HARMLESS_RUN, b" ").translate(_RUNS).split()
    if len(max(words, key=len, default=b"")) < LONG_RUN:
        return False
    runs = b" ".join([word for word in words if len(word) >= LONG_RUN])
    return (_holds(runs, RUN_WORDS) or _holds(bare, BESIDE_WORDS)) and _formats(data)


def _joined(text: bytes) -> bytes:
    """The text with continued lines joined, for whichever character may continue them."""
    if b"`" in text:
        return _EITHER.sub(b"", text)
    return _BACKSLASH.sub(b"", text)


def _holds(text: bytes, words: tuple[bytes, ...]) -> bool:
    for word in words:  # noqa: SIM110  # any() costs twice as much here.
        if word in text:
            return True
    return False


def _declares(data: bytes, joined: bytes, extra: tuple[str, ...]) -> bool:
    """Whether an ARG or ENV line holds a word of a secret's name, or a COPY or ADD line one of a
    secret file's name."""
    variables: list[bytes] = []
    files: list[bytes] = []
    for keyword, rest in _DECLARES.findall(joined):
        (variables if keyword else files).append(rest)
    if files:
        text = b"\n".join(files)
        if _holds(text, FILE_WORDS):
            return True
        # The name of a variable that stands for the file says as much as a file's name.
        variables += [rest for rest in files if b"$" in rest]
    if not variables:
        return False
    text = b"\n".join(variables)
    bare = text.translate(None, _QUOTING)
    if _holds(bare, NAME_WORDS) or _holds(bare, CARRIER_WORDS):
        return True
    if _holds(bare, TERM_WORDS):
        if not _compiled:
            _compiled.append(re.compile(TERM_PATTERN))
        if _compiled[0].search(bare):
            return True
    if b"pat" in bare and _holds_pat(data, text, bare):
        return True
    return any(_may_hold(bare, glob.lower().encode()) for glob in extra)


def _holds_pat(data: bytes, text: bytes, bare: bytes) -> bool:
    """Whether PAT may stand there as a word of its own; PATH, by far the most frequent, does not."""
    if b"pat" not in bare.replace(b"path", b""):
        return b"atH" in data or _PATH_WORD.search(data) is not None
    if _PAT.search(text) or _PAT.search(bare):
        return True
    return _CAMEL_PAT.search(_joined(data).translate(None, _QUOTING)) is not None


def _may_hold(text: bytes, glob: bytes) -> bool:
    return all(chunk in text for chunk in re.split(rb"[*?]|\[[^\]]*\]", glob))


def _formats(data: bytes) -> bool:
    """Whether the bytes hold a known format of a real credential, as they are or unquoted."""
    from dockerfix.model.values import formats_in

    return formats_in(data) or formats_in(_joined(data).translate(None, _QUOTING))
