"""Values that a RUN would leave in its layer, and what a fix does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from whole_rewrites import residual, rewritten

if TYPE_CHECKING:
    from pathlib import Path

MOUNT = "--mount=type=secret,id=T_TOKEN,env=T_TOKEN,required"
HEAD = "FROM node:20\nARG T_TOKEN\n"


def after(folder: Path, body: str) -> str:
    """What becomes of `body` behind FROM and ARG T_TOKEN, without callers."""
    found = rewritten(folder / "work", {"Dockerfile": HEAD + body})["Dockerfile"]
    return found.removeprefix("FROM node:20\n")


class TestReference:
    @pytest.mark.parametrize(
        ("written", "becomes"),
        [
            ('echo "//r.io/:_authToken=${T_TOKEN}" > .npmrc', 'echo "//r.io/:_authToken=\\${T_TOKEN}" > .npmrc'),
            ("echo //r.io/:_authToken=$T_TOKEN >> ~/.npmrc", "echo //r.io/:_authToken=\\${T_TOKEN} >> ~/.npmrc"),
            ('printf "//r.io/:_authToken=%s" "$T_TOKEN" > /root/.npmrc', 'printf "//r.io/:_authToken=%s" "\\${T_TOKEN}" > /root/.npmrc'),
            ('echo "//r.io/:_authToken=$T_TOKEN" | tee .npmrc', 'echo "//r.io/:_authToken=\\${T_TOKEN}" | tee .npmrc'),
            ("cat <<EOF > .npmrc\n//r.io/:_authToken=$T_TOKEN\nEOF", "cat <<EOF > .npmrc\n//r.io/:_authToken=\\${T_TOKEN}\nEOF"),
            ("<<EOF\necho //r.io/:_authToken=$T_TOKEN > .npmrc\nEOF", "<<EOF\necho //r.io/:_authToken=\\${T_TOKEN} > .npmrc\nEOF"),
        ],
        ids=["echo", "bare", "printf", "tee", "heredoc", "script"],
    )  # fmt: skip
    def test_the_file_holds_the_reference_and_the_reader_the_secret(
        self, tmp_path: Path, written: str, becomes: str
    ) -> None:
        body = f"RUN {written}\nRUN npm ci\nRUN rm -f .npmrc\n"
        assert after(tmp_path, body) == f"RUN {becomes}\nRUN {MOUNT} npm ci\nRUN rm -f .npmrc\n"

    def test_a_guard_still_needs_the_variable(self, tmp_path: Path) -> None:
        body = 'RUN if [ -n "$T_TOKEN" ]; then echo "//r/:_authToken=${T_TOKEN}" > .npmrc; fi\nRUN yarn\n'
        mount = MOUNT.removesuffix(",required")
        assert after(tmp_path, body) == (
            f'RUN {mount} if [ -n "$T_TOKEN" ]; then echo "//r/:_authToken=\\${{T_TOKEN}}" > .npmrc; fi\n'
            f"RUN {mount} yarn\n"
        )

    def test_maven_has_its_own_spelling(self, tmp_path: Path) -> None:
        body = (
            'RUN echo "<password>$T_TOKEN</password>" > /root/.m2/settings.xml\nRUN mvn package\n'
        )
        assert after(tmp_path, body) == (
            'RUN echo "<password>\\${env.T_TOKEN}</password>" > /root/.m2/settings.xml\n'
            f"RUN {MOUNT} mvn package\n"
        )

    def test_npm_config_set_writes_what_it_is_given(self, tmp_path: Path) -> None:
        body = "RUN npm config set //r.io/:_authToken $T_TOKEN\nRUN npm ci\n"
        assert after(tmp_path, body) == (
            f"RUN {MOUNT} npm config set //r.io/:_authToken \\${{T_TOKEN}}\nRUN {MOUNT} npm ci\n"
        )

    @pytest.mark.parametrize(
        "written",
        [
            'echo "$T_TOKEN" | base64 > .npmrc',
            'echo "_authToken=${T_TOKEN#x}" > .npmrc',
            'echo "password $T_TOKEN" > /etc/secret.conf',
        ],
    )
    def test_what_nobody_expands_is_known_to_stay(self, tmp_path: Path, written: str) -> None:
        body = f"RUN {written}\nRUN npm ci\n"
        assert after(tmp_path, body) == f"RUN {MOUNT} {written}\nRUN {MOUNT} npm ci\n"
        files = {"Dockerfile": HEAD + body}
        assert residual(tmp_path / "again", files, "T_TOKEN") == "known"


class TestGit:
    HELPER = '\'!f() { echo "username=x-access-token"; echo "password=${T_TOKEN}"; }; f\''

    def test_an_url_that_only_adds_the_credential_becomes_a_helper(self, tmp_path: Path) -> None:
        body = (
            'RUN git config --global url."https://x-access-token:${T_TOKEN}@github.com/".insteadOf '
            '"https://github.com/"\nRUN go mod download\n'
        )
        assert after(tmp_path, body) == (
            f"RUN git config --global credential.https://github.com.helper {self.HELPER}\n"
            f"RUN {MOUNT} go mod download\n"
        )

    def test_another_scheme_is_still_replaced(self, tmp_path: Path) -> None:
        body = (
            "RUN git config --global url.https://x-access-token:$T_TOKEN@github.com/.insteadOf "
            "ssh://git@github.com/ && go mod download\n"
        )
        assert after(tmp_path, body) == (
            f"RUN {MOUNT} \\\n    git config --global credential.https://github.com.helper {self.HELPER}"
            ' && git config --global url."https://github.com/".insteadOf ssh://git@github.com/'
            " && go mod download\n"
        )

    def test_a_clone_keeps_an_url_without_it(self, tmp_path: Path) -> None:
        body = "RUN git clone https://$T_TOKEN@github.com/acme/x.git /x\n"
        helper = '\'!f() { echo "username=${T_TOKEN}"; echo "password="; }; f\''
        assert after(tmp_path, body) == (
            f"RUN {MOUNT} git -c credential.https://github.com.helper={helper} clone "
            "https://github.com/acme/x.git /x\n"
        )

    def test_two_commands_hang_together_behind_an_or(self, tmp_path: Path) -> None:
        body = (
            "RUN [ -z $T_TOKEN ] || git config --global url.https://$T_TOKEN@github.com/.insteadOf "
            "ssh://git@github.com/\nRUN go mod download\n"
        )
        found = after(tmp_path, body)
        assert "|| { git config --global credential.https://github.com.helper " in found
        assert 'url."https://github.com/".insteadOf ssh://git@github.com/; }\n' in found

    def test_two_logins_at_one_host_stay(self, tmp_path: Path) -> None:
        body = (
            "ARG U_TOKEN\n"
            "RUN git config --global url.https://$T_TOKEN@github.com/a/.insteadOf https://github.com/a/\n"
            "RUN git config --global url.https://$U_TOKEN@github.com/b/.insteadOf https://github.com/b/\n"
            "RUN go mod download\n"
        )
        assert "credential" not in after(tmp_path, body)

    def test_a_clone_that_is_fetched_again_stays(self, tmp_path: Path) -> None:
        body = "RUN git clone https://$T_TOKEN@github.com/acme/x.git /x\nRUN cd /x && git pull\n"
        assert f"RUN {MOUNT} git clone https://$T_TOKEN@github.com" in after(tmp_path, body)


class TestMoved:
    def test_write_use_and_removal_become_one_run(self, tmp_path: Path) -> None:
        body = (
            'RUN mkdir -p /etc/x && \\\n    echo "machine r.io password $T_TOKEN" > ~/.netrc\n'
            "COPY go.mod .\n"
            "RUN go mod download\n"
            "RUN rm -f ~/.netrc\n"
        )
        assert after(tmp_path, body) == (
            "COPY go.mod .\n"
            f'RUN {MOUNT} mkdir -p /etc/x && echo "machine r.io password $T_TOKEN" > ~/.netrc'
            " && go mod download && rm -f ~/.netrc\n"
        )

    def test_the_run_that_removes_it_may_be_the_one_that_uses_it(self, tmp_path: Path) -> None:
        body = (
            'RUN echo "machine r.io password $T_TOKEN" > ~/.netrc\n'
            "RUN go mod download && rm ~/.netrc\n"
        )
        assert after(tmp_path, body) == (
            f'RUN {MOUNT} echo "machine r.io password $T_TOKEN" > ~/.netrc'
            " && go mod download && rm ~/.netrc\n"
        )

    @pytest.mark.parametrize(
        "between",
        [
            "RUN go mod download; true\nRUN rm ~/.netrc\n",
            "USER app\nRUN go mod download\nRUN rm ~/.netrc\n",
            "RUN go mod download\n",
        ],
        ids=["no chain", "another home", "never removed"],
    )
    def test_what_is_not_sure_stays(self, tmp_path: Path, between: str) -> None:
        write = 'RUN echo "machine r.io password $T_TOKEN" > ~/.netrc\n'
        found = after(tmp_path, write + between)
        assert found.startswith(write.replace("RUN", f"RUN {MOUNT}"))

    def test_a_setting_becomes_the_variable_that_replaces_it(self, tmp_path: Path) -> None:
        body = (
            "RUN pip config set global.index-url https://u:$T_TOKEN@pypi.example.com/simple\n"
            "RUN pip install acme\n"
        )
        assert after(tmp_path, body) == (
            f'RUN {MOUNT} export PIP_INDEX_URL="https://u:$T_TOKEN@pypi.example.com/simple" && '
            "pip install acme\n"
        )


def test_a_mounted_value_is_kept_out_too(tmp_path: Path) -> None:
    mount = "--mount=type=secret,id=T_TOKEN,env=T_TOKEN"
    body = f'FROM node:20\nRUN {mount} echo "//r/:_authToken=$T_TOKEN" > .npmrc\nRUN npm ci\n'
    found = rewritten(tmp_path / "work", {"Dockerfile": body})["Dockerfile"]
    assert found == (
        f'FROM node:20\nRUN echo "//r/:_authToken=\\${{T_TOKEN}}" > .npmrc\nRUN {mount} npm ci\n'
    )
