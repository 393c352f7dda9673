"""The configuration: the nearest file wins, and what is not a key is an error that names one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockerfix.config import Config, ConfigError, SecretConfig, load, show
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


def at(root: Path, files: dict[str, str], path: str = "Dockerfile") -> Config:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return load(Workspace(str(root)), path)


def wrong(root: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        at(root, {".dockerfix.toml": text})
    return caught.value


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert at(tmp_path, {}) == Config()


def test_every_key_is_read(tmp_path: Path) -> None:
    text = """
root = true
syntax = "registry.example.com/dockerfile:1"
form = "file"
required = false
exclude = ["vendor/"]
callers = "outside"
unsafe-fixes = true
select = ["secret-in-arg"]
ignore = ["secret-in-env"]

[secrets.NPM_TOKEN]
id = "npm"
source = "command:vault read -field=token npm"
form = "env"
required = true

[secrets.TOKEN_URL]
secret = false
"""
    assert at(tmp_path, {".dockerfix.toml": text}) == Config(
        root=True,
        syntax="registry.example.com/dockerfile:1",
        form="file",
        required=False,
        exclude=("vendor/",),
        callers="outside",
        unsafe_fixes=True,
        select=("secret-in-arg",),
        ignore=("secret-in-env",),
        secrets={
            "NPM_TOKEN": SecretConfig(
                id="npm", source="command:vault read -field=token npm", form="env", required=True
            ),
            "TOKEN_URL": SecretConfig(secret=False),
        },
        origin=".dockerfix.toml",
    )


def test_the_nearest_file_wins_whole(tmp_path: Path) -> None:
    files = {
        ".dockerfix.toml": 'form = "file"\nrequired = true\n',
        "api/pyproject.toml": '[tool.dockerfix]\nsyntax = "keep"\n',
        "web/pyproject.toml": "[tool.ruff]\n# dockerfix is configured at the top\n",
    }
    found = at(tmp_path, files, "api/deep/Dockerfile")
    assert (found.syntax, found.form, found.origin) == ("keep", "auto", "api/pyproject.toml")
    assert load(Workspace(str(tmp_path)), "web/Dockerfile").origin == ".dockerfix.toml"


def test_in_one_folder_our_own_file_wins(tmp_path: Path) -> None:
    files = {
        ".dockerfix.toml": 'form = "file"\n',
        "pyproject.toml": '[tool.dockerfix]\nform = "env"\n',
    }
    assert at(tmp_path, files).form == "file"


def test_an_unknown_key_names_file_line_and_the_nearest_key(tmp_path: Path) -> None:
    error = wrong(tmp_path, 'form = "env"\nunsafe_fix = true\n')
    assert (error.path, error.line) == (".dockerfix.toml", 2)
    assert "`unsafe_fix`" in error.message
    assert "`unsafe-fixes`" in error.help


def test_an_unknown_key_of_a_secret_is_an_error(tmp_path: Path) -> None:
    error = wrong(tmp_path, '[secrets.NPM_TOKEN]\nsources = "env:X"\n')
    assert "`secrets.NPM_TOKEN.sources`" in error.message
    assert "`source`" in error.help


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('form = "files"', '"file"'),
        ('required = "yes"', "true or false"),
        ("exclude = 'x'", "list of strings"),
        ('[secrets.X]\nid = "a b"', "without blanks"),
        ('[secrets.X]\nid = "ключ"', "ASCII"),
        ('[secrets.X]\nsource = "vault"', "command:"),
        ("secrets = 1", "[secrets.NAME]"),
        ('[secrets]\nX = "y"', "[secrets.X]"),
    ],
)
def test_a_value_of_the_wrong_kind_says_what_it_should_be(
    tmp_path: Path, text: str, said: str
) -> None:
    assert said in wrong(tmp_path, text).help


def test_what_is_not_toml_names_its_line(tmp_path: Path) -> None:
    error = wrong(tmp_path, 'form = "env"\nform "x"\n')
    assert error.line == 2
    assert "not TOML" in error.message


def test_shown_configuration_can_be_read_back(tmp_path: Path) -> None:
    config = at(tmp_path, {".dockerfix.toml": '[secrets.X]\nid = "x"\nrequired = true\n'})
    (tmp_path / ".dockerfix.toml").write_text("\n".join(show(config)))
    assert load(Workspace(str(tmp_path)), "Dockerfile") == config
