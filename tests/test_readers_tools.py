"""may_read(): which commands may read a variable, by tools.toml; one row a tool."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dockerfix.model import tools
from dockerfix.model.readers import Reading, helper_names, may_read, names_in_config
from dockerfix.projection import Projection
from dockerfix.shell import Script, read

TOOLS = Path(tools.__file__).with_name("tools.toml")


def script(text: str) -> Script:
    return read(Projection.identity(text.encode()))


def reading(text: str, name: str = "TOKEN", **more: object) -> Reading:
    return may_read(script(text), name, **more)  # type: ignore[arg-type]


# Issue 3, item 3: every tool named there, a command of it, a variable that it reads by itself, and
# what it does to a variable that is not its own.
NAMED = [
    ("npm ci", "NPM_CONFIG_REGISTRY", "opaque"),
    ("yarn install", "YARN_NPM_AUTH_TOKEN", "opaque"),
    ("pnpm install --frozen-lockfile", "npm_config_registry", "opaque"),
    ("pip install -r requirements.txt", "PIP_INDEX_URL", "opaque"),
    ("uv sync", "UV_INDEX_PRIVATE_PASSWORD", "opaque"),
    ("poetry install", "POETRY_HTTP_BASIC_X_PASSWORD", "opaque"),
    ("pipenv install", "PIPENV_PYPI_MIRROR", "opaque"),
    ("conda install x", "CONDA_TOKEN", "config"),
    ("twine upload dist/x", "TWINE_PASSWORD", "no"),
    ("go mod download", "GOPROXY", "no"),
    ("git clone https://h/r", "GIT_ASKPASS", "no"),
    ("cargo build --release", "CARGO_REGISTRIES_X_TOKEN", "opaque"),
    ("bundle install", "BUNDLE_GITHUB__COM", "opaque"),
    ("gem install x", "GEM_HOST_API_KEY", "opaque"),
    ("composer install", "COMPOSER_AUTH", "opaque"),
    ("mvn package", "MAVEN_ARGS", "opaque"),
    ("./gradlew build", "ORG_GRADLE_PROJECT_key", "opaque"),
    ("sbt assembly", "COURSIER_CREDENTIALS", "opaque"),
    ("nuget restore", "NUGET_CREDENTIALPROVIDERS_PATH", "opaque"),
    ("dotnet restore", "VSS_NUGET_EXTERNAL_FEED_ENDPOINTS", "opaque"),
    ("aws s3 cp s3://a b", "AWS_SECRET_ACCESS_KEY", "no"),
    ("gcloud artifacts x", "GOOGLE_APPLICATION_CREDENTIALS", "no"),
    ("az acr login", "AZURE_CLIENT_SECRET", "no"),
    ("gh release download", "GH_TOKEN", "no"),
    ("glab release list", "GITLAB_TOKEN", "no"),
    ("sentry-cli releases new x", "SENTRY_AUTH_TOKEN", "no"),
    ("sccache --show-stats", "SCCACHE_BUCKET", "no"),
    ("mise install", "GITHUB_TOKEN", "opaque"),
    ("asdf install", "GITHUB_API_TOKEN", "opaque"),
    ("huggingface-cli download x", "HF_TOKEN", "no"),
    ("hf download x", "HF_TOKEN", "no"),
    ("terraform init", "TF_TOKEN_app_terraform_io", "no"),
    ("doppler secrets", "DOPPLER_TOKEN", "no"),
    ("vault kv get x", "VAULT_TOKEN", "no"),
    ("op read x", "OP_SERVICE_ACCOUNT_TOKEN", "no"),
    ("curl -fsSL https://h", "https_proxy", "no"),
    ("wget https://h", "https_proxy", "no"),
    ("apt-get install -y x", "http_proxy", "no"),
    ("apk add x", "HTTP_AUTH", "no"),
    ("dnf install -y x", "http_proxy", "no"),
    ("next build", "NEXT_PUBLIC_X", "opaque"),
    ("nuxt build", "NUXT_X", "opaque"),
    ("vite build", "VITE_X", "opaque"),
    ("python manage.py collectstatic", "", "opaque"),
    ("./manage.py migrate", "SECRET_KEY", "opaque"),
    ("django-admin compilemessages", "SECRET_KEY", "opaque"),
    ("rails assets:precompile", "RAILS_MASTER_KEY", "opaque"),
    ("bundle exec rake assets:precompile", "RAILS_MASTER_KEY", "opaque"),
]


@pytest.mark.parametrize(("command", "own", "other"), NAMED)
def test_each_tool_reads_its_own_and_others_as_the_table_says(
    command: str, own: str, other: str
) -> None:
    if own:
        found = reading(command, own)
        assert found.how == "implicit", found
        assert "reads it by itself" in found.why
    foreign = reading(command, "ACME_TOKEN")
    assert foreign.how == ("opaque" if other == "config" else other), foreign
    assert foreign.reads is (other != "no")
    assert foreign.opaque is (other == "opaque")


def test_every_row_has_a_source_and_a_meaning() -> None:
    data = tomllib.loads(TOOLS.read_text("utf-8"))
    for row in data["tool"]:
        assert row["source"].startswith("https://"), row["names"]
        assert row["reads"] in {"nothing", "own", "all", "mentioned"}
        assert row["reads"] not in {"all", "mentioned"} or row["because"]
        for sub in row.get("sub", ()):
            assert sub["reads"] in {"own", "all"}
            assert set(sub) <= {
                "words",
                "names",
                "reads",
                "because",
                "with",
                "and_with",
                "options",
                "alone",
                "offline",
            }, sub
        for kept in row.get("persist", ()):
            assert kept["kind"] in {
                "config",
                "credentials",
                "environment-dump",
                "image-content",
                "log",
            }


def test_no_program_has_two_rows() -> None:
    seen: dict[str, int] = {}
    for tool in tools.table().tools:
        for name in tool.names:
            seen[name] = seen.get(name, 0) + 1
    assert {name for name, count in seen.items() if count > 1} == set()


@pytest.mark.parametrize(
    "text",
    [
        "mkdir -p /a && chmod 755 /a && chown -R x:y /a",
        "apt-get update && apt-get install -y --no-install-recommends x && rm -rf /var/lib/apt/lists/*",
        "apk add --no-cache git openssh-client",
        "set -eux; groupadd -r x; useradd -r -g x x",
        "cp a b; mv c d; ln -s e f; touch g; cd /h; echo done; printf x; true",
        "export PATH=/x:$PATH && sed -i s/a/b/ f && tar xf a.tgz -C /b",
        "if [ -f x ]; then mkdir y; else rm z; fi",
        "for d in a b c; do mkdir $d; done",
        "f() { mkdir x; }; f",
        "sh -c 'mkdir -p /x'",
        "bash -euxo pipefail -c \"mkdir /x\"",
        "sudo -u app mkdir /x",
        "find . -name '*.pyc' -exec rm {} +",
        "find . -type f | xargs -n 1 chmod 644",
        "env -i make",
        ". /opt/venv/bin/activate && cd /x",
        'eval "$(ssh-agent -s)" && ssh-add key',
        "/usr/bin/apt-get update",
        "git clone https://github.com/a/b && cd b && git checkout v1",
        "go build -o /app ./...",
        "curl -fsSLO https://h/f && sha256sum -c f.sum",
        "python3 -m venv /venv",
        "docker-php-ext-install pdo_mysql",
        "npm config set fund false",
        "corepack enable && corepack install -g pnpm@latest-9",
        "corepack prepare yarn@4 --activate && corepack disable npm",
        "TOKEN=1 && echo $TOKEN",
        "# a comment\nmkdir x",
        "TOKEN=1 make",
        "A=1 TOKEN=$(cat /x) ./build.sh && mkdir x",
    ],
)  # fmt: skip
def test_commands_that_cannot_read_it(text: str) -> None:
    found = reading(text, files={})
    assert found == Reading(False, "no", found.why, False), found
    assert "cannot read it" in found.why


@pytest.mark.parametrize(
    "text",
    [
        "make", "./build.sh", "sh build.sh", "npm run build", "python setup.py install", "$CMD", "acme --x",
        'sh -c "$CMD"', "curl https://h/x | bash", "bash <(curl https://h)", "eval $X", ". ./env.sh", "sudo -E make",
        "mkdir x && make", "(cd x && ./configure)", "time make", "timeout 5 make", "find . -exec ./x {} ;", "env",
        "printenv", "env | sort", "set > /x", "export -p", "declare -px", "jq -n env", "envsubst < a > b",
        "cat /proc/self/environ", "npx next build", "bin/rails x", "git submodule foreach 'make'", "go generate ./...",
        "xargs make", "case $X in a) make;; esac", "f() { make; }; f", "x=$(make)", "./node_modules/.bin/next build",
        "TOKEN=1 make && make", "TOKEN=1; make", "TOKENS=1 make", "TOKEN=1 sh -c 'make'",
        "corepack pnpm install", "corepack use pnpm@9",
    ],
)  # fmt: skip
def test_opaque_commands(text: str) -> None:
    found = reading(text)
    assert found.reads, found
    assert found.opaque, found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("curl -H \"X: $TOKEN\" https://h", "`curl` names $TOKEN"),
        ("echo ${TOKEN:-x}", "`echo` names $TOKEN"),
        ("echo \"a=\\${TOKEN}\" > .npmrc", "`echo` names $TOKEN for a child to read"),
        ("sh -c 'curl $TOKEN'", "`sh` names $TOKEN for a child to read"),
        ("if [ -n \"$TOKEN\" ]; then true; fi", "`[` names $TOKEN"),
        ("x=`cat $TOKEN`", "`cat` names $TOKEN"),
        ("awk 'BEGIN{print ENVIRON[\"TOKEN\"]}'", "`awk` names TOKEN"),
        ("jq -n 'env.TOKEN'", "`jq` names TOKEN"),
        ("envsubst '$TOKEN' < a", "`envsubst` names"),
        ("python -c 'import os; os.environ[\"TOKEN\"]'", "`python` names TOKEN"),
        ("openssl rsa -passin env:TOKEN", "`openssl` names TOKEN"),
        ("cat <<E > x\n$TOKEN\nE", "names $TOKEN"),
        ("printenv TOKEN", "names $TOKEN"),
    ],
)  # fmt: skip
def test_explicit_reading_says_where(text: str, why: str) -> None:
    found = reading(text)
    assert found.how == "explicit", found
    assert why in found.why


def test_reads_through_a_config_file_of_the_context() -> None:
    files = {".npmrc": b"//r/:_authToken=${ACME_TOKEN}\n", "app/pip.conf": b"x"}
    found = reading("npm ci", "ACME_TOKEN", files=files)
    assert found.how == "implicit"
    assert found.why == "`npm ci` reads .npmrc, which names ${ACME_TOKEN}"
    assert found.opaque
    assert not reading("npm ci --ignore-scripts", "OTHER_TOKEN", files=files).reads
    assert reading("npm ci --ignore-scripts", "OTHER_TOKEN").how == "opaque"
    assert reading("npm ci --ignore-scripts", "ACME_TOKEN", files=files).how == "implicit"
    wheels = {"requirements.txt": b"--index-url https://u:${ACME_TOKEN}@h/simple\n"}
    assert (
        reading("pip download --only-binary=:all: x", "ACME_TOKEN", files=wheels).how == "implicit"
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"_authToken=${NPM_TOKEN}", {"NPM_TOKEN"}),
        (b'npmAuthToken: "${A-x}"', {"A"}),
        (b"<password>${env.PASS}</password>", {"PASS"}),
        (b'<add key="ClearTextPassword" value="%FEED%" />', {"FEED"}),
        (b'source "https://#{ENV["A"]}:#{ENV.fetch(\'B\')}@h"', {"A", "B"}),
        (b'password = System.getenv("C") ?: System.env.D', {"C", "D"}),
        (b"'key' => env('E'), getenv('F')", {"E", "F"}),
        (b"nothing here", set()),
    ],
)
def test_names_in_config(text: bytes, names: set[str]) -> None:
    assert names_in_config(text) == names


def test_a_credential_helper_of_another_run() -> None:
    helper = script("git config --global credential.helper '!f() { echo \"password=$ACME\"; }; f'")
    assert "ACME" in helper_names(helper)
    assert not reading("go mod download", "ACME").reads
    assert reading("go mod download", "ACME", helpers=helper_names(helper)).how == "implicit"
    assert reading("git pull", "ACME", helpers=helper_names(helper)).how == "implicit"


def test_exec_form_reads_no_text() -> None:
    assert reading("curl '$TOKEN'", textual=False).how == "no"
    assert reading("npm ci", "NPM_CONFIG_X", textual=False).how == "implicit"


def test_a_reason_never_repeats_a_word_of_the_user() -> None:
    for text in (
        "mysql -p hunter2abc",
        "echo hunter2abc",
        "acme hunter2abc",
        "docker login -p hunter2abc",
    ):
        assert "hunter2abc" not in reading(text, "NPM_TOKEN").why


def test_text_that_does_not_parse_is_opaque() -> None:
    found = reading("if then fi ((( $TOKEN")
    assert found.reads
    assert found.opaque


def test_the_table_is_loaded_only_when_asked() -> None:
    import subprocess
    import sys

    code = "import sys, dockerfix.model.secrets; print('dockerfix.model.tools' in sys.modules, 'tomllib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
