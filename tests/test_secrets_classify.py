"""classify(): name, value and use, and its figures on the labelled declarations."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dockerfix.model.names import Overrides, secret_file
from dockerfix.model.secrets import USES, classify
from dockerfix.model.tools import table as tools

TESTS = Path(__file__).parent


def bench() -> ModuleType:
    if "bench_detection" not in sys.modules:
        path = TESTS / "bench" / "detection.py"
        spec = importlib.util.spec_from_file_location("bench_detection", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["bench_detection"] = module
        spec.loader.exec_module(module)
    return sys.modules["bench_detection"]


# Each miss of the labelled set, with the reason why it stays one.
EXPLAINED = {
    "labelled_names.tsv": {
        (
            "SSH_KEY",
            "not-secret",
        ): "only its use (authorized_keys) tells; with the use it is public",
        (
            "USER_SECRET",
            "not-secret",
        ): "the value is an object's name, which looks like a weak secret",
    },
    "unseen_names.tsv": {},
}


@pytest.mark.parametrize("file", EXPLAINED)
def test_precision_and_recall_on_labelled_declarations(file: str) -> None:
    module = bench()
    result, differ = module.score(module.ours, module.rows(TESTS / "data" / file))
    assert result.precision >= 0.95
    assert result.recall >= 0.95
    assert {(row.name, row.label) for row in differ} == set(EXPLAINED[file])


def test_a_value_that_a_bundler_ships_is_public_whatever_it_holds() -> None:
    url = b"https://app:q7Rv2kXw9LmZ@api.example.com"
    assert classify("API_BASE", url).secret
    shipped = classify("NEXT_PUBLIC_API_BASE", url)
    assert shipped.public
    assert not shipped.secret
    assert "ships" in shipped.evidence[0]
    key = b"-----BEGIN RSA PRIVATE KEY-----\nMIIB"
    assert classify("VITE_PEM", key).secret


def test_the_use_tells_a_public_key_from_a_private_one() -> None:
    assert classify("SSH_KEY").secret
    public = classify("SSH_KEY", uses=("authorized-keys",))
    assert not public.secret
    assert public.kind == "public-key"
    assert public.public
    assert "authorized_keys" in public.evidence[0]


@pytest.mark.parametrize(
    ("name", "value", "secret", "kind"),
    [
        ("TOKEN_URL", None, False, ""),
        ("SECRET_NAME", None, False, ""),
        ("DB_PASS", None, True, "password"),
        ("GH_PAT", None, True, "token"),
        ("PATH", b"/bin", False, ""),
        ("PATTERN", b"x", False, ""),
        ("TOKENS", None, True, "token"),
        ("MAX_TOKENS", b"4096", False, ""),
        ("SSHKEY", None, True, "private-key"),
        ("PIP_INDEX_URL", b"https://pypi.org/simple", False, "url"),
        ("PIP_INDEX_URL", b"https://u:Zk81xPq0@pypi.example.org/simple", True, "url-credentials"),
        ("PIP_INDEX_URL", b"https://u:${TOKEN}@pypi.example.org/simple", True, "url-credentials"),
        ("DATABASE_URL", b"postgres://a:Zk81xPq0@db/app", True, "url-credentials"),
        ("DATABASE_URL", b"postgres://db/app", False, "url"),
        ("GIT_REMOTE", b"git@github.com:acme/app.git", False, ""),
        ("GPG_KEY", b"E3FF2839C048B25C084DEBE9B26995E310250568", False, "public-key"),
        ("GPG_PRIVATE_KEY", None, True, "private-key"),
        ("GPG_PASSPHRASE", None, True, "password"),
        ("NODE_KEYS", b"4ED778F539E3634C779C87C6D7062848A1AB005C", False, "public-key"),
        ("SIGNING_KEY", b"-----BEGIN PUBLIC KEY-----\nMIIB", False, "public-key"),
        ("SETTING", b"-----BEGIN RSA PRIVATE KEY-----\nMIIB", True, "private-key"),
        ("SECRET_KEY", b"/run/secrets/django", False, "path"),
        ("API_KEY", b"true", False, ""),
        ("AUTH_TOKEN", b"1.2.3", False, ""),
        ("TOKEN_LIFETIME", b"30d", False, ""),
        ("DB_PASSWORD", b"12345", True, "password"),
        ("TIME_KEY", b"time", False, ""),
        ("ENCRYPTION_KEY", b"secret", True, "key"),
        ("KEY_FILE_BASE64", None, True, "key"),
        ("AWS_ACCESS_KEY_ID", None, True, "key-id"),
        ("JAVA_OPTS", b"-Xmx1g -Djavax.net.ssl.keyStorePassword=Zk81xPq0", True, "password"),
        ("KAFKA_JAAS", b'org.x required username="a" password="Zk81xPq0";', True, "connection-string"),
        ("NODE_OPTIONS", b"--max-old-space-size=4096", False, ""),
        ("TF_TOKEN_app_terraform_io", None, True, "token"),
        ("BUNDLE_GEMS__CONTRIBSYS__COM", None, True, "credentials"),
        ("PWD", b"/app", False, ""),
        ("DB_PWD", None, True, "password"),
        ("userPassword", None, True, "password"),
        ("minPasswordLength", b"8", False, ""),
        ("ALLOW_EMPTY_PASSWORD", b"yes", False, ""),
        ("USE_ACCESS_SECRET", b"Zk81xPq0wLm2", True, "secret"),
    ],
)  # fmt: skip
def test_name_and_value(name: str, value: bytes | None, secret: bool, kind: str) -> None:
    verdict = classify(name, value)
    assert verdict.secret is secret, verdict
    if kind:
        assert verdict.kind == kind
    if value:
        assert value.decode() not in " ".join(verdict.evidence)


@pytest.mark.parametrize(
    "name", ["NEXT_PUBLIC_API_KEY", "VITE_AUTH_TOKEN", "REACT_APP_MAPBOX_TOKEN", "GATSBY_SECRET"]
)
def test_what_a_bundler_ships_is_public_with_a_reason(name: str) -> None:
    verdict = classify(name)
    assert verdict.public
    assert not verdict.secret
    assert verdict.kind in {"key", "token", "secret"}
    assert "ships" in verdict.evidence[0]


@pytest.mark.parametrize(
    "name", ["PUBLIC_KEY", "SSH_PUB_KEY", "STRIPE_PUBLISHABLE_KEY", "AUTHORIZED_KEYS"]
)
def test_a_public_key_is_public(name: str) -> None:
    verdict = classify(name)
    assert verdict.public
    assert verdict.kind == "public-key"


@pytest.mark.parametrize("name", ["NEXT_PUBLIC_API_URL", "VITE_TITLE"])
def test_a_public_name_without_a_secret_is_nothing(name: str) -> None:
    verdict = classify(name)
    assert not verdict.public
    assert not verdict.secret


@pytest.mark.parametrize(
    "value",
    ["dummy", "changeme", "placeholder", "your_token_here", "your_secret_key_base", "<token>", "xxx", "**None**", "none",
     "password", "postgres", "root", "123456", "test-secret", "dummy-secret-key-for-build",
     "build-time-placeholder-minimum-32-characters-long", "example", "nothing", "NPM_TOKEN", "GH_PKG_PAT"],
)  # fmt: skip
def test_placeholders_and_dummies(value: str) -> None:
    verdict = classify("SECRET_KEY_BASE", value.encode())
    assert verdict.secret
    assert verdict.placeholder
    assert not verdict.literal


def test_a_value_that_repeats_its_name_is_a_dummy() -> None:
    assert classify("NEXUS_PASS", b"nexus").placeholder
    assert not classify("NEXUS_PASS", b"Zk81xPq0").placeholder


@pytest.mark.parametrize("value", ["Zk81xPq0wLm2", "hunter2", "8fJ2kd0sLq1Z7vTg5Yc3WmNpR4xUa6Bh"])
def test_real_values_are_no_placeholders(value: str) -> None:
    verdict = classify("DB_PASSWORD", value.encode())
    assert verdict.secret
    assert verdict.literal
    assert not verdict.placeholder


@pytest.mark.parametrize(("value", "form"), [(None, "absent"), (b"", "empty"), (b"''", "empty"), (b"$X", "reference"), (b'"${X:-}"', "reference")])  # fmt: skip
def test_no_value_is_told_from_a_literal(value: bytes | None, form: str) -> None:
    verdict = classify("NPM_TOKEN", value)
    assert verdict.secret
    assert verdict.form == form
    assert not verdict.literal


def test_evidence_is_in_plain_words_and_use_raises_the_confidence() -> None:
    alone = classify("NPM_TOKEN")
    used = classify("NPM_TOKEN", uses=("authorization-header",))
    assert alone.evidence == ("name ends in TOKEN",)
    assert used.evidence == ("name ends in TOKEN", "used in an Authorization header")
    assert used.confidence > alone.confidence


@pytest.mark.parametrize("use", ["authorization-header", "auth-token", "url-user-info", "private-key-file", "chpasswd"])  # fmt: skip
def test_a_use_makes_a_secret_of_an_innocent_name(use: str) -> None:
    assert not classify("ACME").secret
    assert classify("ACME", uses=(use,)).secret
    assert not classify("ACME_USER", uses=(use,)).secret


@pytest.mark.parametrize(
    ("name", "use"),
    [("GPG_KEYS", "gpg-key-id"), ("SIGNING_KEY", "gpg-key-id"), ("HOST_RSA_KEY", "known-hosts"), ("CREDS", "file-argument")],
)  # fmt: skip
def test_a_use_shows_that_it_is_none(name: str, use: str) -> None:
    assert not classify(name, uses=(use,)).secret


def test_every_use_of_the_tools_table_is_known() -> None:
    assert {pattern.id for pattern in tools().uses} <= USES


@pytest.mark.parametrize(
    ("name", "uses", "selects"),
    [("PIP_INDEX_URL", (), True), ("APP_VERSION", (), True), ("NPM_REGISTRY", (), True), ("DB_HOST", (), True),
     ("SENTRY_DSN", (), True), ("NPM_TOKEN", (), False), ("NPM_TOKEN", ("url",), True), ("NPM_TOKEN", ("url-user-info",), False)],
)  # fmt: skip
def test_what_selects_content(name: str, uses: tuple[str, ...], selects: bool) -> None:
    assert classify(name, uses=uses).selects_content is selects


def test_a_project_overrides_the_table() -> None:
    own = Overrides(secret=("ACME_*",), not_secret=("*_TOKEN",))
    assert classify("ACME_LICENCE", b"true", overrides=own).secret
    assert not classify("NPM_TOKEN", overrides=own).secret
    assert classify("ACME_TOKEN", overrides=own).secret
    assert "configuration" in classify("NPM_TOKEN", overrides=own).evidence[0]


@pytest.mark.parametrize(
    ("path", "kind", "sure"),
    [("/root/.ssh/id_rsa", "ssh-key", True), ("id_rsa.pub", "", False), (".npmrc", "npmrc", False),
     ("ci/.npmrc.docker", "npmrc", False), (".netrc", "credentials", True), ("settings.xml", "tool-config", False),
     ("cert.pem", "", False), ("server.key", "private-key", False), (".env", "dotenv", False), (".env.example", "", False),
     ("package.json", "", False), ("requirements.txt", "", False), ("src/secrets.py", "", False), ("gcp-credentials.json", "credentials", False),
     ("pip.conf", "pip", False), ("auth.json", "tool-config", False), ("tokenizer.json", "", False), ("$ID_RSA_FILE", "ssh-key", True), (".ssh", "directory", False)],
)  # fmt: skip
def test_files_of_the_context(path: str, kind: str, sure: bool) -> None:
    found = secret_file(path)
    assert (found.kind if found else "") == kind
    assert (found.sure if found else False) is sure


# Where we differ from BuildKit's rule on its own names, and why.
DIFFERENT = {
    "SSHKEY": (True, "no border before KEY, but an SSH key all the same"),
    "MYTOKEN": (True, "TOKEN ends the word"),
    "NPMTOKEN": (True, "TOKEN ends the word"),
    "NPM-TOKEN": (True, "a hyphen is a border too"),
    "token-x": (True, "a hyphen is a border too"),
    "TOKENS": (True, "plurals count"),
    "SECRETS": (True, "plurals count"),
    "TOKEN2": (True, "a number at the end changes nothing"),
    "PASSWORD1": (True, "a number at the end changes nothing"),
    "FILE_TOKEN": (True, "a token for files; only FILE behind the word makes it a path"),
    "FILE_SYSTEM_KEY": (True, "FILE is not what the key is"),
    "PASS": (True, "a password by any other name"),
    "SECRETKEY": (True, "no border needed"),
    "CRED": (True, "short for credential"),
    "CREDS": (True, "short for credentials"),
    "GH_PAT": (True, "a personal access token"),
    "DATABASE_URL": (True, "a connection string, as long as no plain URL is its value"),
    "key.pem": (True, "a dot is a border too"),
    "X_AUTH_Y": (False, "AUTH followed by a word says nothing"),
    "KEY_FILENAME": (False, "the name of a file"),
}


def test_where_we_differ_from_buildkit() -> None:
    folder = os.environ.get("DOCKERFIX_VECTORS")
    if not folder:
        pytest.skip("DOCKERFIX_VECTORS is not set")
    vectors = json.loads((Path(folder) / "own_lint_secret_names.json").read_text("utf-8"))
    module = bench()
    differ = {}
    for vector in vectors:
        name, flagged = vector["name"], vector["flagged"]
        row = module.Row(name, None, "", "", "")
        assert module.buildkit(row) is flagged, name
        if classify(name).secret is not flagged:
            differ[name] = classify(name).secret
    assert differ == {name: said for name, (said, _) in DIFFERENT.items()}
