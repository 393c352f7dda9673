"""Who reads a variable in a container, and which ENV secrets are for containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockerfix.engine.snapshot import Memo, Snapshot
from dockerfix.finding import Finding, Severity
from dockerfix.model.run_time import file_variable, names_variable, reads
from dockerfix.passes.runtime_secret_in_env import RuntimeSecretInEnv
from dockerfix.passes.secret_in_env import SecretInEnv
from dockerfix.rewrite.environment import heirs
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from dockerfix.context import Context

REAL = "qx7Rk2mWv9Lt"


def context_of(where: Path, dockerfile: str, **files: str) -> Context:
    (where / ".dockerfix.toml").write_text("root = true\n")
    for name, text in {"Dockerfile": dockerfile, **files}.items():
        path = where / name.replace("__", "/").replace("_sh", ".sh").replace("_py", ".py")
        path = path.with_name(path.name.replace("_json", ".json").replace("_js", ".js"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Snapshot(Workspace(str(where)), Memo(), False).context("Dockerfile")


def readers(context: Context, name: str = "API_TOKEN") -> list[str]:
    return [
        one.says
        for binding in context.model.bindings_of(name)
        for one in reads(context.model, binding, context.build_context)
    ]


ENV = f"ENV API_TOKEN={REAL}\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('CMD ["run", "--token=$API_TOKEN"]', "CMD on line 3 names it"),
        ("CMD run --token $API_TOKEN", "CMD on line 3 names it"),
        ('ENTRYPOINT ["sh", "-c", "exec run $API_TOKEN"]', "ENTRYPOINT on line 3 names it"),
        ("HEALTHCHECK CMD curl -H x:$API_TOKEN localhost", "HEALTHCHECK on line 3 names it"),
    ],
)
def test_entry_instructions_that_name_it(tmp_path: Path, line: str, says: str) -> None:
    assert readers(context_of(tmp_path, f"FROM a\n{ENV}{line}\n")) == [says]


@pytest.mark.parametrize(
    ("lines", "files", "path"),
    [
        ('COPY start.sh /\nENTRYPOINT ["/start.sh"]', {"start_sh": "exec run ${API_TOKEN}"}, "start.sh"),
        ("COPY start.sh /usr/local/bin/\nENTRYPOINT start.sh", {"start_sh": "run $API_TOKEN"}, "start.sh"),
        ('WORKDIR /srv\nCOPY . .\nCMD ["node", "server"]', {"server_js": "process.env.API_TOKEN"}, "server.js"),
        ('WORKDIR /srv\nCOPY . .\nCMD ["python", "-m", "app"]', {"app__main_py": "x", "app_py": 'os.environ["API_TOKEN"]'}, "app.py"),
        ("WORKDIR /srv\nCOPY . .\nCMD gunicorn app.wsgi:app", {"app__wsgi_py": 'getenv("API_TOKEN")'}, "app/wsgi.py"),
        ('COPY start.sh /\nCMD ["sh", "-c", "exec /start.sh"]', {"start_sh": "run $API_TOKEN"}, "start.sh"),
        ('WORKDIR /srv\nCOPY . .\nCMD ["npm", "start"]', {"package_json": '{"scripts": {"start": "node index.js"}}', "index_js": "process.env.API_TOKEN"}, "index.js"),
        ('WORKDIR /srv\nCOPY . .\nCMD npm run serve', {"package_json": '{"scripts": {"serve": "run $API_TOKEN"}}'}, "package.json"),
    ],
)  # fmt: skip
def test_files_that_entry_instructions_start(
    tmp_path: Path, lines: str, files: dict[str, str], path: str
) -> None:
    (said,) = readers(context_of(tmp_path, f"FROM a\n{ENV}{lines}\n", **files))
    assert said.endswith(f"starts {path}, which reads it")


def test_a_script_that_does_not_name_it_reads_nothing(tmp_path: Path) -> None:
    text = f'FROM a\n{ENV}COPY start.sh /\nENTRYPOINT ["/start.sh"]\n'
    assert readers(context_of(tmp_path, text, start_sh="run $OTHER MY_API_TOKEN_2")) == []


def test_a_script_of_another_stage_is_followed_through_copy(tmp_path: Path) -> None:
    text = (
        f"FROM a AS b\nCOPY start.sh /x/\nFROM a\n{ENV}COPY --from=b /x/start.sh /\nCMD /start.sh\n"
    )
    found = readers(context_of(tmp_path, text, start_sh="run $API_TOKEN"))
    assert found == ["CMD on line 6 starts start.sh, which reads it"]


def test_an_entry_point_of_the_parent_counts_and_a_replaced_cmd_does_not(tmp_path: Path) -> None:
    text = f"FROM a AS b\nCMD run $API_TOKEN\nFROM b\n{ENV}CMD other\n"
    assert readers(context_of(tmp_path, text)) == []
    text = f"FROM a AS b\nENTRYPOINT run $API_TOKEN\nFROM b\n{ENV}"
    assert readers(context_of(tmp_path, text)) == ["ENTRYPOINT on line 2 names it"]


def test_the_entry_points_of_well_known_images(tmp_path: Path) -> None:
    text = f"FROM docker.io/library/postgres:16-alpine\nENV POSTGRES_PASSWORD={REAL}\n"
    context = context_of(tmp_path, text)
    (binding,) = context.model.bindings
    assert "base image docker.io/library/postgres" in readers(context, "POSTGRES_PASSWORD")[0]
    assert file_variable(context.model, binding) == "POSTGRES_PASSWORD_FILE"
    replaced = context_of(tmp_path, text + 'ENTRYPOINT ["run"]\n')
    assert readers(replaced, "POSTGRES_PASSWORD") == []


def test_grafana_has_two_underscores(tmp_path: Path) -> None:
    context = context_of(tmp_path, f"FROM grafana/grafana\nENV GF_SECURITY_ADMIN_PASSWORD={REAL}\n")
    (binding,) = context.model.bindings
    assert file_variable(context.model, binding) == "GF_SECURITY_ADMIN_PASSWORD__FILE"


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"run $X", True),
        (b"run ${X:-a}", True),
        (b"process.env.X", True),
        (b'os.environ["X"]', True),
        (b"getenv('X')", True),
        (b"run %X%", True),
        (b"$env:X", True),
        (b"a `X` b", True),
        (b"run $XY", False),
        (b"X=1", False),
        (b'"AX"', False),
    ],
)
def test_forms_that_name_a_variable(data: bytes, names: bool) -> None:
    assert names_variable(data, "X") is names


@pytest.mark.parametrize(
    ("call", "base"),
    [
        ("docker build -t acme/base .", "acme/base"),
        ("docker build --tag=acme/base:latest .", "acme/base"),
        ("docker build \\\n  -t \\\n  acme/base .", "acme/base:latest"),
    ],
)
def test_other_dockerfiles_that_start_from_the_image(tmp_path: Path, call: str, base: str) -> None:
    files = {"build_sh": f"#!/bin/sh\n{call}\n", "app__Dockerfile": f"FROM {base}\n"}
    assert heirs(context_of(tmp_path, f"FROM a\n{ENV}", **files)) == ("app/Dockerfile",)


def test_an_image_of_another_name_has_no_heirs(tmp_path: Path) -> None:
    files = {"build_sh": "#!/bin/sh\ndocker build -t acme/base:2 .\n", "app__Dockerfile": "FROM acme/base\n"}  # fmt: skip
    assert heirs(context_of(tmp_path, f"FROM a\n{ENV}", **files)) == ()


# ---- how loud it is ------------------------------------------------------------------------------


def run_time(context: Context) -> list[Finding]:
    return list(RuntimeSecretInEnv().run(context))


@pytest.mark.parametrize(
    ("env", "severity"),
    [
        (f"API_TOKEN={REAL}", Severity.ERROR),
        ("SESSION_SECRET=correct-horse-battery-staple", Severity.ERROR),
        ("DATABASE_URL=postgres://shop:Xy7qq1z9@db.example.com/shop", Severity.ERROR),
        ("DATABASE_URL=postgres://shop:Xy7qq1z9@localhost:5432/shop", Severity.WARNING),
        ("DATABASE_URL=postgres://shop:Xy7qq1z9@db/shop", Severity.WARNING),
        ("ADMIN_PASSWORD=banana", Severity.WARNING),
        ("ADMIN_PASSWORD=changeme", Severity.INFO),
        ("POSTGRES_PASSWORD=postgres", Severity.INFO),
        ("MYSQL_ROOT_PASSWORD=root", Severity.INFO),
        ("DATABASE_URL=postgres://postgres:postgres@localhost/x", Severity.INFO),
        ("API_TOKEN=<your-token>", Severity.INFO),
        ("DATABASE_URL=mysql://shop:Shop@db/shop", Severity.INFO),
        ("${NAME}_API_TOKEN=" + REAL, Severity.ERROR),
        ("MYSQL_USER=shopdb MYSQL_PASSWORD=shopdb", Severity.INFO),
        ("DB_NAME=Shopdb DB_PASSWORD=shopdb", Severity.INFO),
        ("OTHER=shopdb DB_PASSWORD=shopdb", Severity.WARNING),
    ],
)
def test_severity(tmp_path: Path, env: str, severity: Severity) -> None:
    (finding,) = run_time(context_of(tmp_path, f"FROM a\nENV {env}\n"))
    assert finding.severity is severity
    assert finding.fix is None


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nENV API_TOKEN=\n",
        'FROM a\nENV API_TOKEN=""\n',
        "FROM a\nENV API_TOKEN_FILE=/run/secrets/token\n",
        "FROM a\nARG API_TOKEN\nENV API_TOKEN=$API_TOKEN\n",
        f"FROM a AS b\nENV API_TOKEN={REAL}\nFROM a\nCOPY --from=b /x /x\n",
        "FROM a\nENV GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568\n",
        "FROM a\nENV ${key} $value\n",
    ],
)
def test_no_finding(tmp_path: Path, text: str) -> None:
    assert run_time(context_of(tmp_path, text)) == []


def test_no_value_is_shown_and_each_variable_is_reported_once(tmp_path: Path) -> None:
    text = f"FROM a\nENV API_TOKEN={REAL} B_TOKEN=b{REAL}\nENV API_TOKEN={REAL}2\n"
    found = run_time(context_of(tmp_path, text))
    assert [one.variable for one in found] == ["API_TOKEN", "B_TOKEN"]
    assert REAL not in repr(found)


def test_what_to_do_is_told_in_full_once(tmp_path: Path) -> None:
    text = f"FROM a\nENV A_PASSWORD=changeme API_TOKEN={REAL} B_TOKEN=b{REAL}\n"
    default, full, short = run_time(context_of(tmp_path, text))
    assert len(default.help.splitlines()) == 1
    assert [line.partition(":")[0] for line in full.help.splitlines()[1:]] == [
        "docker run",
        "compose",
        "Kubernetes",
    ]
    assert len(short.help.splitlines()) == 1
    assert "B_TOKEN" in short.help


def test_names_that_are_no_identifiers_are_quoted_nowhere(tmp_path: Path) -> None:
    (finding,) = run_time(context_of(tmp_path, f"FROM a\nENV auth.client.secret: {REAL}\n"))
    assert "the colon is part of the name" in finding.reason
    assert "--secret auth-client-secret`" in finding.help


def test_a_dollar_in_a_hash_is_no_reference(tmp_path: Path) -> None:
    (finding,) = run_time(context_of(tmp_path, "FROM a\nENV HTPASSWD user:$apr1$q7Wc2x\n"))
    assert "BuildKit puts $apr1 into it, which nothing here sets" in finding.reason


# ---- build or containers -------------------------------------------------------------------------

PARTITION = [
    (f"FROM a\n{ENV}CMD run\n", "run time"),
    (f"FROM a\n{ENV}RUN curl -u $API_TOKEN h\nCMD run\n", "build"),
    (f"FROM a\n{ENV}RUN curl -u $API_TOKEN h\nCMD run $API_TOKEN\n", "run time"),
    (f"FROM a\n{ENV}RUN make\nCMD run\n", "run time"),
    (f"FROM a AS b\n{ENV}RUN make\nFROM a\n", "build"),
    (f"FROM a AS b\n{ENV}FROM a\nCOPY --from=b /x /x\n", "build"),
    (f"FROM a AS b\n{ENV}RUN make\nFROM b\n", "run time"),
    (f"FROM a AS b\n{ENV}RUN make $API_TOKEN\nFROM a\n{ENV}CMD run\n", "build"),
    (f"FROM a AS b\n{ENV}RUN make $API_TOKEN\nFROM a\n{ENV}CMD run $API_TOKEN\n", "run time"),
    (f"FROM a AS b\n{ENV}RUN make\nFROM a AS c\nENV API_TOKEN=b{REAL}\nRUN make\nFROM a\n", "build"),
    (f"FROM a\n{ENV}ENV API_TOKEN=b{REAL}\nRUN make $API_TOKEN\n", "run time"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "who"), PARTITION)
def test_each_secret_is_reported_by_one_of_two_passes(tmp_path: Path, text: str, who: str) -> None:
    context = context_of(tmp_path, text)
    build = [one.variable for one in SecretInEnv().run(context)]
    containers = [one.variable for one in run_time(context)]
    assert (build, containers) == ((["API_TOKEN"], []) if who == "build" else ([], ["API_TOKEN"]))


def test_targets_that_callers_build_are_final_images(tmp_path: Path) -> None:
    text = f"FROM a AS dev\n{ENV}RUN make\nFROM a\nRUN true\n"
    build = {"build_sh": "#!/bin/sh\ndocker build --target dev .\n"}
    assert run_time(context_of(tmp_path, text)) == []
    assert len(run_time(context_of(tmp_path, text, **build))) == 1
