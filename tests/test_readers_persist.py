"""persists() and uses_in(): what a command leaves behind, and what a use shows."""

from __future__ import annotations

import pytest

from dockerfix.model.readers import persists, uses_in
from dockerfix.projection import Projection
from dockerfix.shell import Script, read


def script(text: str) -> Script:
    return read(Projection.identity(text.encode()))


def kept(text: str) -> list[tuple[str, str]]:
    read_script = script(text)
    found = [one for command in read_script.commands for one in persists(command, read_script)]
    return [(one.kind, one.file) for one in found]


@pytest.mark.parametrize(
    ("text", "kind", "file"),
    [
        ("npm config set //r/:_authToken $T", "config", "~/.npmrc"),
        ("npm set //r/:_authToken=$T", "config", "~/.npmrc"),
        ("yarn config set npmAuthToken $T", "config", ".yarnrc or .yarnrc.yml"),
        ("pip config set global.index-url https://u:$T@h", "config", "~/.config/pip/pip.conf"),
        ("poetry config http-basic.x u $T", "credentials", "~/.config/pypoetry/auth.toml"),
        ("git config --global url.\"https://$T@github.com/\".insteadOf https://github.com/", "config", "~/.gitconfig"),
        ("git config --global http.extraheader \"A: $T\"", "config", "~/.gitconfig"),
        ("git clone https://$T@github.com/a/b", "config", ".git/config of the clone"),
        ("git remote set-url origin https://$T@h/r", "config", ".git/config"),
        ("composer config --global github-oauth.github.com $T", "credentials", "auth.json"),
        ("bundle config set --global gems.x.io $T", "config", ".bundle/config"),
        ("dotnet nuget add source -p $T https://h", "credentials", "NuGet.Config"),
        ("nuget sources add -Name x -Password $T", "credentials", "NuGet.Config"),
        ("docker login -u x -p $T", "credentials", "~/.docker/config.json"),
        ("aws configure set aws_secret_access_key $T", "credentials", "~/.aws/credentials"),
        ("gcloud auth activate-service-account --key-file=k", "credentials", "~/.config/gcloud"),
        ("gh auth login --with-token", "credentials", "~/.config/gh/hosts.yml"),
        ("huggingface-cli login --token $T", "credentials", "~/.cache/huggingface/token"),
        ("cargo login $T", "credentials", "~/.cargo/credentials.toml"),
        ("vault login $T", "credentials", "~/.vault-token"),
        ("env > /app.env", "environment-dump", "the redirect's target"),
        ("printenv >> /x", "environment-dump", "the redirect's target"),
        ("env | grep X > /x", "environment-dump", "the redirect's target"),
        ("export -p > /x", "environment-dump", "the redirect's target"),
        ("set > /x", "environment-dump", "the redirect's target"),
        ("jq -n env > /x", "environment-dump", "the redirect's target"),
        ("echo u:$T | chpasswd", "image-content", "/etc/shadow"),
        ("useradd -p $T u", "image-content", "/etc/shadow"),
        ("htpasswd -b -c f u $T", "image-content", "the password file"),
        ("mysql -e \"SET PASSWORD = '$T'\"", "image-content", "the database's files"),
        ("psql -c \"ALTER USER x PASSWORD '$T'\"", "image-content", "the database's files"),
        ("keytool -genkey -storepass $T", "image-content", "the keystore"),
        ("go build -ldflags \"-X main.k=$T\"", "image-content", "the binary"),
        ("sudo npm config set x $T", "config", "~/.npmrc"),
        ("echo $T", "log", "the build log"),
    ],
)  # fmt: skip
def test_what_stays(text: str, kind: str, file: str) -> None:
    assert (kind, file) in kept(text)


@pytest.mark.parametrize(
    "text",
    ["npm ci", "pip install x", "git clone https://github.com/a/b", "set -e", "env X=1 make", "export A=b",
     "printenv X", "useradd app", "mkdir x", "echo $T > f", "git config user.name x", "go build ./...", "aws s3 cp a b",
     "gh auth status", "npm config get registry"],
)  # fmt: skip
def test_what_leaves_nothing(text: str) -> None:
    assert kept(text) == []


def test_git_that_asks_gh_writes_no_secret() -> None:
    (command,) = script("gh auth setup-git").commands
    (found,) = persists(command)
    assert not found.secret


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ('curl -H "Authorization: Bearer $T" https://h', "authorization-header"),
        ("curl -H 'PRIVATE-TOKEN: '$T https://h", "authorization-header"),
        ('echo "//r/:_authToken=${T}" > .npmrc', "auth-token"),
        ("npm config set //r/:_authToken $T", "auth-token"),
        ("git clone https://$T@h/r", "url-user-info"),
        ("git clone https://oauth2:${T}@h/r", "url-user-info"),
        ("pip install --index-url $T x", "url"),
        ("curl -fsSL $T", "url"),
        ("wget https://h/$T/x", "url"),
        ('echo "$T" >> ~/.ssh/authorized_keys', "authorized-keys"),
        ('echo "$T" | tee -a /root/.ssh/authorized_keys', "authorized-keys"),
        ('echo "$T" > ~/.ssh/known_hosts', "known-hosts"),
        ('echo "$T" | base64 -d > /root/.ssh/id_rsa && chmod 600 /root/.ssh/id_rsa', "private-key-file"),
        ('echo "$T" | ssh-add -', "private-key-file"),
        ('echo "root:$T" | chpasswd', "chpasswd"),
        ("gpg --keyserver k --recv-keys $T", "gpg-key-id"),
        ('for key in $T; do gpg --recv-keys "$key"; done', "gpg-key-id"),
        ("kubectl apply -f $T", "file-argument"),
        ('[ -f "$T" ] && cat "$T"', "file-argument"),
        ("ssh -i $T h", "file-argument"),
        ("docker login -u x --password $T", "password-option"),
        ("docker login -u x -p $T", "login"),
        ('echo "machine h password $T" > ~/.netrc', "config-file"),
        ("git clone -b $T https://h/r", "git-ref"),
        ("sh -c 'git clone https://$T@h/r'", "url-user-info"),
    ],
)  # fmt: skip
def test_uses(text: str, use: str) -> None:
    assert use in uses_in(script(text), "T")


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("git clone https://h/$T", "url-user-info"),
        ("git clone https://$T@h/r", "url"),
        ("curl https://h?a=$T", "authorization-header"),
        ('echo "$T" > f && cat ~/.ssh/authorized_keys', "authorized-keys"),
        ('echo "$T:x" | chpasswd', "chpasswd"),
        ("curl -o $T https://h", "url"),
        ('[ -n "$T" ]', "file-argument"),
        ("echo $OTHER > ~/.ssh/id_rsa", "private-key-file"),
    ],
)
def test_no_such_use(text: str, use: str) -> None:
    assert use not in uses_in(script(text), "T")
