"""Where a value goes: leaks() on one shell text, and what becomes of a file (run_taint)."""

from __future__ import annotations

import pytest

import dockerfix
from dockerfix.model import Model, build
from dockerfix.model.run_taint import fate, secret_files
from dockerfix.model.runs import RunReader
from dockerfix.model.taint import Leak, Setting, advice, covers, leaks
from dockerfix.projection import Projection
from dockerfix.shell import read
from dockerfix.syntax.nodes import Run


def found(text: str, *, traced: bool = False) -> tuple[Leak, ...]:
    script = read(Projection.identity(text.encode()))
    setting = Setting("/app", "/root", traced)
    return leaks(script, "X", files=["/run/secrets/X"], setting=setting)


def kept(text: str) -> list[tuple[str, str]]:
    return [(leak.kind, leak.path or leak.file) for leak in found(text) if leak.stays]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("echo $X > f", "/app/f"),
        ('printf %s "${X}" >> /etc/f', "/etc/f"),
        ("echo $X | tee f >/dev/null", "/app/f"),
        ("echo $X | tee /dev/null | base64 > f", "/app/f"),
        ("{ echo a; echo $X; } > f", "/app/f"),
        ("(echo a; echo $X) >> f", "/app/f"),
        ('if [ -n "$X" ]; then echo $X; fi > f', "/app/f"),
        ("cat > f <<EOF\ntoken=$X\nEOF\n", "/app/f"),
        ("cat <<EOF | tee f > /dev/null\ntoken=$X\nEOF\n", "/app/f"),
        ("Y=$X; echo $Y > f", "/app/f"),
        ('Y="a:$X"; Z=`echo $Y | base64`; echo "$Z" > f', "/app/f"),
        ("Y=$(cat /run/secrets/X) && echo $Y > f", "/app/f"),
        ('Y="$(< /run/secrets/X)"; echo "$Y" > f', "/app/f"),
        ("read Y < /run/secrets/X; echo $Y > f", "/app/f"),
        ("for k in $X; do echo $k >> f; done", "/app/f"),
        ("echo $X | while read l; do echo $l; done >> f", "/app/f"),
        ("sh -c 'echo $X > f'", "/app/f"),
        ('sh -c "echo $X > f"', "/app/f"),
        ('eval "echo \\$X > f"', "/app/f"),
        ("cat /run/secrets/X | sh -c 'cat > f'", "/app/f"),
        ("f() { echo $X > g; }; f", "/app/g"),
        ("cp /run/secrets/X /etc/x", "/etc/x"),
        ("cp /run/secrets/X /etc/", "/etc/X"),
        ("cat /run/secrets/X | dd of=/etc/x", "/etc/x"),
        ('sed -i "s/@T@/$X/" config.yml', "/app/config.yml"),
        ("printenv X >> .env", "/app/.env"),
        ("awk 'BEGIN { print ENVIRON[\"X\"] }' > f", "/app/f"),
        ("`echo \"A=$X\" >> .env`", "/app/.env"),
        ("cd /src && echo $X > k", "/src/k"),
        ("echo $X > ~/.netrc", "/root/.netrc"),
        ('echo $X > "$HOME/.netrc"', "/root/.netrc"),
        ("[ -z $X ] || echo $X > f", "/app/f"),
    ],
)  # fmt: skip
def test_what_is_written_to_a_file(text: str, path: str) -> None:
    assert ("file", path) in kept(text)


@pytest.mark.parametrize(
    "text",
    [
        "echo '//r/:_authToken=${X}' > .npmrc",
        'echo "//r/:_authToken=\\${X}" > .npmrc',
        "cat > f <<'EOF'\n${X}\nEOF\n",
        'echo "${X:+given}" > f',
        "echo ${#X} > f",
        "echo $X | wc -c > f",
        "echo $(echo $X | sha256sum) | wc -c > f",
        "X=other; echo $X > f",
        "echo $X > /dev/null",
        "echo $X > /dev/shm/k",
        "echo $OTHER > f",
        'curl -H "Authorization: $X" -o f https://h',
        "env | grep FOO > f",
        "env | cut -d= -f1 > f",
        "env -i true > f",
        'T="$(cat /run/secrets/X)" npm ci',
        "npm ci",
    ],
)
def test_what_is_written_nowhere(text: str) -> None:
    assert kept(text) == []


@pytest.mark.parametrize(
    ("text", "kind", "path"),
    [
        ("env > /app.env", "environment-dump", "/app.env"),
        ("printenv >> .env", "environment-dump", "/app/.env"),
        ("env | sort | tee f", "environment-dump", "/app/f"),
        ("export -p > f", "environment-dump", "/app/f"),
        ("declare -px | grep X > f", "environment-dump", "/app/f"),
        ("set > f", "environment-dump", "/app/f"),
        ("jq -n env > f", "environment-dump", "/app/f"),
        ("npm config set //r/:_authToken $X", "config", "/root/.npmrc"),
        ("git config --global url.\"https://$X@h/\".insteadOf https://h/", "config", "/root/.gitconfig"),
        ("git clone https://$X@h/a/b.git", "config", "/app/b/.git/config"),
        ("git clone https://$X@h/a/b.git /src", "config", "/src/.git/config"),
        ("pip config set global.index-url https://u:$X@h", "config", "/root/.config/pip/pip.conf"),
        ("composer config -g github-oauth.github.com $X", "credentials", "/app/auth.json"),
        ("printf %s $X | docker login -u u --password-stdin h", "credentials", "/root/.docker/config.json"),
        ("gcloud auth activate-service-account --key-file=/run/secrets/X", "credentials", "/root/.config/gcloud"),
        ("echo root:$X | chpasswd", "image-content", "/etc/shadow"),
        ("mysql -e \"CREATE USER u IDENTIFIED BY '$X'\"", "image-content", "the database's files"),
        ("envsubst '$X' < t > f", "credentials", "the redirect's target"),
    ],
)  # fmt: skip
def test_what_tools_and_dumps_keep(text: str, kind: str, path: str) -> None:
    assert (kind, path) in kept(text)


@pytest.mark.parametrize(
    "text",
    [
        "echo $X > f && npm ci && rm f",
        "echo $X > f; npm ci; rm -f ./f",
        "echo $X > .npmrc && rm /app/.npmrc",
        "echo $X > ~/.ssh/id_rsa && rm -rf /root/.ssh",
        "echo $X > /app/k && rm -rf /app/*",
        "trap 'rm -f f' EXIT; echo $X > f",
        "if true; then echo $X > f; npm ci; rm f; fi",
        "cd /tmp && echo $X > k && rm /tmp/k",
        "npm config set //r/:_authToken $X && npm ci && npm config delete //r/:_authToken",
        "npm config set //r/:_authToken $X && npm ci && rm ~/.npmrc",
        "git clone https://$X@h/a/b && rm -rf b/.git",
        "git config --global url.\"https://$X@h/\".insteadOf https://h/ && git config --global --remove-section url.x",
        "docker login -p $X h && docker logout h",
        "echo $X > f && find / -name f -delete",
    ],
)  # fmt: skip
def test_what_the_same_run_removes_again(text: str) -> None:
    assert found(text)
    assert kept(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "echo $X > f && npm ci || rm f",
        "echo $X > f; if [ -n \"$CI\" ]; then rm f; fi",
        "rm f; echo $X > f",
        "echo $X > .npmrc && rm -rf /app/*",
        "echo $X > f && mv f g",
        "docker login -p $X h && rm -rf /tmp/x",
    ],
)  # fmt: skip
def test_what_is_not_surely_removed(text: str) -> None:
    assert kept(text)


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("echo $X", "log", "`echo` prints it"),
        ("cat /run/secrets/X", "log", "`cat` prints it"),
        ("echo $X | tee f", "log", "`tee` prints it"),
        ("echo $X > /dev/stderr", "log", "`echo` prints it"),
        ("echo $X >&2", "log", "`echo` prints it"),
        ("env | sort", "log", "every variable"),
        ("curl -v -H \"Authorization: $X\" https://h", "log", "headers"),
        ("curl -sv -u $X https://h", "log", "headers"),
        ("set -x; curl -u $X https://h", "trace", "`set -x`"),
        ("set -ex && Y=$X && curl -u $Y https://h", "trace", "`set -x`"),
        ("bash -xc 'curl -u $X https://h'", "trace", "prints the command"),
        ("bash -ex ./install.sh", "trace", "./install.sh"),
    ],
)  # fmt: skip
def test_what_the_log_shows(text: str, kind: str, part: str) -> None:
    assert any(leak.kind == kind and part in leak.says for leak in found(text))
    assert not any(leak.stays for leak in found(text) if leak.kind == kind)


@pytest.mark.parametrize(
    "text",
    [
        "test -n $X",
        "echo $X > /dev/null",
        "echo ${X:+yes}",
        "env | grep ^PATH=",
        "env | grep -v X",
        "Y=$(echo $X | base64); curl -u $Y https://h",
        "set -x; npm ci; set +x; curl -u $X https://h",
        "echo '$X'",
        "echo $X | docker login --password-stdin h",
        "echo $X | sha256sum",
        'curl --tlsv1.2 --resolve a:b:c -fsSL -H "Authorization: $X" https://h -o f',
        "gpg --import /run/secrets/X",
        "echo $X | gpg --batch --import",
    ],
)
def test_what_the_log_does_not_show(text: str) -> None:
    assert [leak for leak in found(text) if leak.kind in ("log", "trace")] == []


def test_a_shell_that_traces_shows_every_command_with_the_value() -> None:
    (leak,) = found("npm ci && curl -u $X https://h", traced=True)
    assert (leak.kind, leak.script.text[leak.span.start :]) == ("trace", b"curl -u $X https://h")


def test_a_script_that_is_not_seen_is_not_sure() -> None:
    (leak,) = found("sh -x build.sh")
    assert (leak.file, leak.sure) == ("build.sh", False)


def test_a_place_is_told_once_and_in_order() -> None:
    text = "echo $X > b; echo $X > a; echo $X$X > c"
    assert [leak.file for leak in found(text)] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("gone", "file", "covered"),
    [
        ("/app", "/app/.npmrc", True),
        ("/app/*", "/app/x", True),
        ("/app/*", "/app/.npmrc", False),
        ("/app/.*", "/app/.npmrc", True),
        ("/ap", "/app", False),
        ("/app/x", "/app", False),
        ("./f", "f", True),
        ("/", "/etc/x", True),
    ],
)
def test_what_a_removal_covers(gone: str, file: str, covered: bool) -> None:
    assert covers(gone, file) is covered


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("echo $X > .npmrc", "_authToken=${TOKEN}"),
        ("git config --global url.\"https://$X@h/\".insteadOf https://h/", "GIT_CONFIG_COUNT"),
        ("pip config set global.index-url https://u:$X@h", "PIP_INDEX_URL"),
        ("composer config -g github-oauth.github.com $X", "COMPOSER_AUTH"),
        ("echo $X > ~/.m2/settings.xml", "${env.TOKEN}"),
        ("echo $X > ~/.ssh/id_rsa", "--mount=type=ssh"),
        ("echo root:$X | chpasswd", "container starts"),
        ("env > f", "leave TOKEN out"),
        ("echo $X > /opt/unheard-of", "one RUN"),
        ("set -x; curl -u $X h", "set +x"),
        ("echo $X", "do not print"),
    ],
)  # fmt: skip
def test_the_advice_fits_the_file(text: str, word: str) -> None:
    assert any(word in advice(leak, "TOKEN") for leak in found(text))


# ---- in a Dockerfile -----------------------------------------------------------------------------


def model_of(text: str) -> tuple[Model, RunReader, list[Run]]:
    tree = dockerfix.parse(text.encode())
    model = build(tree)
    runs = [one for one in tree.instructions if isinstance(one, Run)]
    return model, RunReader(model), runs


def run_paths(text: str) -> list[tuple[str, str]]:
    _, reader, runs = model_of(text)
    return [(leak.kind, leak.path) for leak in reader.reading(runs[-1], "X").leaks]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("FROM a\nWORKDIR /w\nRUN echo $X > f\n", "/w/f"),
        ("FROM a\nRUN echo $X > f\n", "/f"),
        ("FROM a\nWORKDIR $D\nRUN echo $X > f\n", "f"),
        ("FROM a\nUSER node\nRUN echo $X > ~/f\n", "/home/node/f"),
        ("FROM a\nUSER 0:0\nRUN echo $X > ~/f\n", "/root/f"),
        ("FROM a\nUSER 1000\nRUN echo $X > ~/f\n", "~/f"),
        ("FROM a\nRUN cat <<E > /f\n$X\nE\n", "/f"),
        ("FROM a\nRUN <<E\necho $X > /f\nE\n", "/f"),
        ("FROM a\nRUN bash <<'E'\necho $X > /f\nE\n", "/f"),
        ('FROM a\nRUN ["sh", "-c", "echo $X > /f"]\n', "/f"),
    ],
)
def test_paths_follow_workdir_user_and_heredocs(text: str, path: str) -> None:
    assert ("file", path) in run_paths(text)


@pytest.mark.parametrize("kind", ["tmpfs", "cache"])
def test_a_file_in_a_mount_is_in_no_layer(kind: str) -> None:
    assert run_paths(f"FROM a\nRUN --mount=type={kind},target=/m echo $X > /m/f\n") == []
    assert run_paths(f"FROM a\nRUN --mount=type={kind},target=/m echo $X > /n/f\n") != []


@pytest.mark.parametrize(
    ("before", "run"),
    [
        ('SHELL ["/bin/sh","-exc"]', "RUN test -n $X"),
        ('SHELL ["/bin/bash","-o","pipefail","-xc"]', "RUN test -n $X"),
        ("", "RUN <<E\n#!/bin/sh -ex\ntest -n $X\nE"),
        ("", 'RUN ["sh", "-exc", "test -n $X"]'),
    ],
)
def test_tracing_comes_from_shell_and_shebang_too(before: str, run: str) -> None:
    assert ("trace", "") in run_paths(f"FROM a\n{before}\n{run}\n")


FATES = [
    ("FROM a\nRUN echo $X > /f\n", "final", "keeps it"),
    ("FROM a\nRUN echo $X > /f\nRUN rm /f\n", "final", "line 3 removes it"),
    ("FROM a AS b\nRUN echo $X > /f\nFROM b\n", "final", "keeps it"),
    ("FROM a AS b\nRUN echo $X > /f\nFROM c\nCOPY --from=b /f /f\n", "copied", "line 4 takes"),
    ("FROM a AS b\nRUN echo $X > /d/f\nFROM c\nCOPY --from=b /d /d\n", "copied", "line 4 takes"),
    ("FROM a AS b\nRUN echo $X > /d/.f\nFROM c\nCOPY --from=b /d/* /\n", "copied", "line 4 takes"),
    ("FROM a AS b\nRUN echo $X > /f\nFROM c\nCOPY --from=b /g /g\n", "cache", "no image takes it"),
    ("FROM a AS b\nRUN echo $X > /f\nRUN rm /f\nFROM c\nCOPY --from=b / /\n", "cache", "no image"),
    (
        "FROM a AS b\nRUN echo $X > /f\nFROM a AS m\nCOPY --from=b /f /g\nFROM c\nCOPY --from=m /g /\n",
        "copied",
        "line 4 takes",
    ),
    ("FROM a AS b\nWORKDIR $D\nRUN echo $X > f\nFROM c\nCOPY --from=b /g /\n", "copied", "line 5"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "part"), FATES)
def test_what_becomes_of_the_file(text: str, kind: str, part: str) -> None:
    model, reader, runs = model_of(text)
    (leak,) = reader.reading(runs[0], "X").leaks
    known = fate(model, runs[0], leak, reader.scripts)
    assert known.kind == kind
    assert part in known.says


def test_the_files_of_secret_mounts() -> None:
    text = (
        "FROM a\nRUN --mount=type=secret,id=a --mount=type=secret,id=b,env=B "
        "--mount=type=secret,id=c,target=/root/.c --mount=type=secret,id=d,env=D,target=/d true\n"
    )
    (run,) = model_of(text)[2]
    assert secret_files(run) == {"/run/secrets/a": "a", "/root/.c": "c", "/d": "d"}
