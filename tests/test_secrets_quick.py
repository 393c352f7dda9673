"""quick(): False only where nothing can be reported."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import dockerfix
from dockerfix.model import names, quick, values
from dockerfix.model.secrets import classify

MODEL = Path(quick.__file__).parent
DATA = Path(__file__).parent / "data"


def labelled() -> list[tuple[str, str]]:
    with (DATA / "labelled_names.tsv").open(encoding="utf-8", newline="") as lines:
        return [
            (row["name"], row["default_value"]) for row in csv.DictReader(lines, delimiter="\t")
        ]


def reported(name: str, value: bytes | None) -> bool:
    verdict = classify(name, value)
    return verdict.secret or (verdict.public and verdict.kind != "public-key")


def covered(text: str) -> bool:
    """Whether the literals see this name, as they would on an ENV line."""
    return quick.quick(b"FROM x\nENV %s=1\n" % text.encode())


def test_every_term_of_the_table_is_seen() -> None:
    data = tomllib.loads((MODEL / "names.toml").read_text("utf-8"))
    phrases = [phrase for row in data["term"] for phrase in row["words"]]
    phrases += [word for key, words in data["glued"].items() if key != "not" for word in words]
    phrases += [stem + end for end, stems in data["glued_after"].items() for stem in stems]
    for phrase in phrases:
        for joiner in ("_", "-", ".", "", "__", "2_"):
            assert covered(phrase.replace(" ", joiner)), (phrase, joiner)
            assert covered("X_" + phrase.replace(" ", joiner).upper()), (phrase, joiner)
        assert covered("my" + phrase.title().replace(" ", "")), phrase


def test_every_whole_name_of_the_table_is_seen() -> None:
    for row in names.table().names:
        if row["verdict"] == "secret":
            for glob in row["globs"]:
                assert covered(glob.replace("*", "A")), glob


def test_every_format_word_of_the_table_is_looked_for() -> None:
    words = {word.encode() for rule in values.table().formats for word in rule.keywords}
    assert words == {*quick.RUN_WORDS, *quick.FORMAT_WORDS, *quick.BESIDE_WORDS}


def test_every_word_has_its_coarse_part() -> None:
    for word in (*quick.FORMAT_WORDS, *quick.USE_WORDS):
        assert any(part in word for part in quick.COARSE_WORDS), word


def test_every_secret_file_of_the_table_is_seen() -> None:
    for row in names.table().files:
        for glob in row["globs"]:
            chunks = [chunk for chunk in re.split(r"[*?]", glob) if chunk]
            assert any(word.decode() in chunk for chunk in chunks for word in quick.FILE_WORDS), (
                glob
            )
            path = glob.replace("*", "a")
            assert quick.quick(b"FROM x\nCOPY dir/%s /x\n" % path.encode()), glob


CREDENTIALS = {
    "github-token": "ghp_" + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5KaQ1eW",
    "github-fine-grained-token": "github_pat_" + "11ABCDE" * 6,
    "gitlab-token": "glpat-" + "q7Rv2kXw9LmZ4tBn6HcJ",
    "npm-token": "npm_" + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5KaQ1eW",
    "pypi-token": "pypi-AgE" + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5KaQ1eW" * 2,
    "rubygems-key": "rubygems_" + "7c1e94ab06d8f352" * 3,
    "crates-token": "cio" + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5Ka",
    "nuget-key": "oy2" + "q7rv2kxw9lmz4tbn6hcj8pyd3gsfx5kaq1ewz0abcde",
    "aws-access-key-id": "AKIA" + "Q7RV2KXW3LMZ4TBN",
    "google-api-key": "AIza" + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5KaQ1e",
    "google-service-account": '{"type": "service_account", "project_id": "p"}',
    "google-oauth-secret": "GOCSPX-" + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsF",
    "slack-token": "xoxb-" + "1234567890-q7Rv2kXw9LmZ",
    "slack-app-token": "xapp-1-A0B1C2D3E4-1234567890-" + "q7rv2kxw9lmz4tbn",
    "chat-webhook": "https://hooks.slack.com/services/"
    + "T0A1B2C3D/B0A1B2C3D/q7Rv2kXw9LmZ4tBn6HcJ8pYd",
    "stripe-key": "sk_live_" + "q7Rv2kXw9LmZ4tBn6HcJ8pYd",
    "openai-key": "sk-" + "q7Rv2kXw9LmZ4tBn6HcJ" + "T3BlbkFJ" + "q7Rv2kXw9LmZ4tBn6HcJ",
    "anthropic-key": "sk-ant-api03-" + "q7Rv2kXw9LmZ4tBn6HcJ" * 5,
    "huggingface-token": "hf_" + "qRvkXwLmZtBnHcJpYdGsFxKaQeWzUiOlMb",
    "sendgrid-key": "SG."
    + "q7Rv2kXw9LmZ4tBn6HcJ8p."
    + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5KaQ1eWz0abcde",
    "mailgun-key": "key-" + "7c1e94ab06d8f352" * 2,
    "sentry-token": "sntryu_" + "7c1e94ab06d8f352" * 4,
    "terraform-token": "q7Rv2kXw9LmZ4t.atlasv1."
    + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5KaQ1eWz0abcdeq7Rv2kXw9LmZ4tBn6Hc",
    "vault-token": "hvs." + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsF",
    "doppler-token": "dp.st.prd." + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5KaQ1eWz0ab",
    "onepassword-token": "ops_eyJ" + "q7Rv2kXw9LmZ4tBn6HcJ" * 6,
    "docker-token": "dckr_pat_" + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3Gs",
    "digitalocean-token": "dop_v1_" + "7c1e94ab06d8f352" * 4,
    "databricks-token": "dapi" + "7c1e94ab06d8f352" * 2,
    "artifactory-key": "cmVmd" + ("q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5KaQ1eWz0" * 2)[:59],
    "azure-storage-key": "AccountName=a;AccountKey=" + "q7Rv2kXw9LmZ4tBn6HcJ8pYd==",
    "azure-signed-url": "https://a.blob.core.windows.net/c?sv=1&sig="
    + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5Ka%3D",
    "newrelic-key": "NRAK-" + "Q7RV2KXW9LMZ4TBN6HCJ8PYD3GS",
    "telegram-token": "1234567890:AA" + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5KaQ",
    "linear-notion-postman-pulumi-shopify": "pul-" + "7c1e94ab06d8f3527c1e94ab06d8f3527c1e94ab",
    "grafana-token": "glsa_" + "q7Rv2kXw9LmZ4tBn6HcJ8pYd3GsFx5Ka_7c1e94ab",
    "age-key": "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHCE",
    "json-web-token": "eyJhbGciOiJIUzI1NiJ9."
    + "eyJzdWIiOiIxMjM0NTY3ODkwIn0."
    + "q7Rv2kXw9LmZ4tBn6HcJ8pYd",
    "private-key-pem": "-----BEGIN " + "RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("rule", [rule.id for rule in values.table().formats])
def test_each_format_is_known_wherever_it_stands(rule: str) -> None:
    text = CREDENTIALS[rule]
    verdict = classify("PLAIN_SETTING", text.encode())
    assert verdict.secret
    assert not verdict.placeholder
    assert text not in repr(verdict)
    for line in (f"ENV PLAIN_SETTING={text}", f"RUN run {text}", f"ARG PLAIN_SETTING='{text}'"):
        assert quick.quick(f"FROM x\n{line}\n".encode()), line


@pytest.mark.parametrize(
    "text",
    [
        b"FROM x\nARG TOK\\\nEN\nRUN x\n",
        b"FROM x\nEN\\\nV TOKEN=1\n",
        b"FROM x\nARG TO\\\n# a comment\n\nKEN\n",
        b"# escape=`\nFROM x\nARG TO`\nKEN\n",
        b"FROM x\r\nARG TO\\\r\nKEN\r\n",
        b"FROM x\nENV A=1 \\\n  B=2 \\\n  DB_PASS=3\n",
        b"FROM x\nONBUILD ARG NPM_TOKEN\n",
        b"FROM x\n  onbuild   env npm_token x\n",
        b"\xef\xbb\xbfARG GH_PAT\nFROM x\n",
        b"FROM x\nENV patGithub=1\n",
        b"FROM x\nENV TO\"KE\"N=1\n",
        b"FROM x\nENV X=https://user:hunter2abc@example.com/\n",
        b"FROM x\nARG X\nRUN curl -H \"Authorization: Bearer $X\" https://h/\n",
        b"FROM x\nARG X\nRUN echo \"u:$X\" | chpasswd\n",
        b"FROM x\nARG X\nRUN git clone https://$X@h/r\n",
        b"FROM x\nARG X\nRUN --mount=type=secret,id=X,env=X a\n",
        b"FROM x\nCOPY ci/id_rsa /root/.ssh/\n",
        b'FROM x\nADD [".npmrc", "/root/"]\n',
        b"FROM x\nADD $ID_RSA_FILE /tmp/k\n",
        b"FROM x\nENV X=Basic\\ dXNlcjpwYXNz\n",
    ],
)  # fmt: skip
def test_seen(text: bytes) -> None:
    assert quick.quick(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'FROM python:3.12\nENV PATH=/x:$PATH\nRUN pip install x\nCOPY . .\nCMD ["x"]\n',
        b"FROM x\nRUN apt-key add key.asc && echo pass keyboard author monkey\n",
        b"FROM x\nLABEL authors=me\n",
        b"FROM x\nENV PATTERN=1 PATCH=2 PATHS=3\n",
        b"FROM x\nRUN apt-get install --no-install-recommends aaaaaaaaaaaaaaaaaaaaaaaaa\n",
    ],
)
def test_not_seen(text: bytes) -> None:
    assert not quick.quick(text)


def test_own_rules_of_a_project_are_seen() -> None:
    text = b"FROM x\nARG ACME_LICENCE\n"
    assert not quick.quick(text)
    assert quick.quick(text, ("acme_*",))
    assert not quick.quick(text, ("OTHER_*",))


@pytest.mark.parametrize(("name", "value"), labelled())
def test_labelled_rows_are_seen(name: str, value: str) -> None:
    if reported(name, value.encode() or None):
        assert quick.quick(f"FROM x\nENV {name}={value}\n".encode())
        assert quick.quick(f"FROM x\nARG {name}\n".encode()) or not reported(name, None)


WORDS = sorted({word for term in names.table().terms for word in term})
OTHERS = ["app", "db", "x", "GITHUB", "my", "url", "file", "v2", "id", "PATH", "data", "pat", "S3"]
NAMES = st.builds(
    lambda parts, joiner, style: _styled(joiner.join(parts), style),
    st.lists(st.sampled_from(WORDS + OTHERS), min_size=1, max_size=4),
    st.sampled_from(["_", "-", ".", "", "__"]),
    st.sampled_from(["upper", "lower", "title", "none"]),
)
VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            "1",
            "true",
            "/x/y",
            "https://h/p",
            "https://u:hunter2abc@h/p",
            "$X",
            "changeme",
            "s3cr3tV4lue",
            *list(CREDENTIALS.values())[:4],
            '{"password":"hunter2abc"}',
            "Password=hunter2abc;Server=x",
            "Bearer abcdefgh",
        ]
    ),
    st.text(alphabet="abcXYZ0189_-./:@=", max_size=24),
)


def _styled(text: str, style: str) -> str:
    if style == "none":
        return text
    return getattr(text, style)()


@st.composite
def dockerfiles(draw: st.DrawFn) -> bytes:
    """A Dockerfile with declarations of all shapes, some split over lines at any place."""
    eol = draw(st.sampled_from(["\n", "\r\n"]))
    lines = ["FROM x"]
    for _ in range(draw(st.integers(0, 4))):
        name, value = draw(NAMES), draw(VALUES)
        shape = draw(
            st.sampled_from(
                [
                    "ARG {n}",
                    "ARG {n}={v}",
                    "ENV {n}={v}",
                    "ENV {n} {v}",
                    "env A=1 {n}={v}",
                    "ONBUILD ARG {n}={v}",
                    "RUN true",
                    'ENV {n}="{v}"',
                ]
            )
        )
        text = shape.format(n=name, v=value)
        if draw(st.booleans()):
            at = draw(st.integers(1, len(text)))
            text = (
                text[:at] + "\\" + eol + draw(st.sampled_from(["", "# c" + eol, eol])) + text[at:]
            )
        lines.append(text)
    return (eol.join(lines) + draw(st.sampled_from(["", eol]))).encode()


@settings(max_examples=400, deadline=None)
@given(dockerfiles())
@example(b"FROM x\nARG TO\\\nKEN")
def test_quick_false_means_that_nothing_is_reported(data: bytes) -> None:
    if quick.quick(data):
        return
    for instruction in dockerfix.parse(data).instructions:
        inner = getattr(instruction, "trigger", None) or instruction
        for pair in getattr(inner, "pairs", ()):
            value = pair.value.raw if pair.value is not None else None
            assert not reported(pair.name, value), (pair.name, value)
