"""Values that a RUN would leave in its layer, and what a fix does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from whole_rewrites import HEAD, MOUNT, after, residual, rewritten

if TYPE_CHECKING:
    from pathlib import Path


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

    def test_a_command_on_several_lines(self, tmp_path: Path) -> None:
        body = "RUN npm config set \\\n    # the registry\n    //r.io/:_authToken \\\n    $T_TOKEN && \\\n    npm ci\n"
        assert after(tmp_path, body).endswith(" \\${T_TOKEN} && npm ci\n")
        body = (
            "RUN git config --global \\\n    url.https://x:$T_TOKEN@github.com/.insteadOf \\\n"
            "    https://github.com/ && \\\n    go mod download\n"
        )
        assert after(tmp_path, body).endswith("; }; f' && go mod download\n")

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
        ("command", "becomes"),
        [
            ("dotnet nuget add source https://h -n x -u u -p $T_TOKEN --store-password-in-clear-text",
             "dotnet nuget add source https://h -n x -u u -p %T_TOKEN% --store-password-in-clear-text"),
            ("conda config --add channels https://h/t/$T_TOKEN/me", r"conda config --add channels https://h/t/\${T_TOKEN}/me"),
            ("yarn config set '//r/:_authToken' $T_TOKEN", r"RUN --mount=type=secret,id=T_TOKEN,env=T_TOKEN,required npm config set '//r/:_authToken' \${T_TOKEN}"),
            ("yarn config set npmAuthToken $T_TOKEN", r"yarn config set npmAuthToken \${T_TOKEN}"),
        ],
    )  # fmt: skip
    def test_a_command_writes_the_reference(
        self, tmp_path: Path, command: str, becomes: str
    ) -> None:
        tool = command.split()[0]
        found = after(tmp_path, f"RUN {command}\nRUN {tool} install\n")
        assert becomes in found
        assert found.endswith(f"RUN {MOUNT} {tool} install\n")

    @pytest.mark.parametrize(
        ("script", "becomes"),
        [
            ('"s/TOKEN/$T_TOKEN/"', r'"s/TOKEN/\${T_TOKEN}/"'),
            ("""'s|T|'"$T_TOKEN"'|g'""", r"""'s|T|'"\${T_TOKEN}"'|g'"""),
            ('"s/A/b/; s/TOKEN/$T_TOKEN/"', r'"s/A/b/; s/TOKEN/\${T_TOKEN}/"'),
        ],
    )
    def test_sed_puts_the_reference_in(self, tmp_path: Path, script: str, becomes: str) -> None:
        body = f"COPY .npmrc .\nRUN sed -i {script} .npmrc\nRUN npm ci\n"
        assert after(tmp_path, body) == (
            f"COPY .npmrc .\nRUN sed -i {becomes} .npmrc\nRUN {MOUNT} npm ci\n"
        )

    @pytest.mark.parametrize("script", ['"s/$T_TOKEN/x/"', '"s{T{$T_TOKEN{"', '"/$T_TOKEN/d"'])
    def test_sed_that_does_something_else_stays(self, tmp_path: Path, script: str) -> None:
        body = f"COPY .npmrc .\nRUN sed -i {script} .npmrc\n"
        assert f"sed -i {script} .npmrc" in after(tmp_path, body)

    @pytest.mark.parametrize(
        "written",
        [
            'echo "$T_TOKEN" | base64 > .npmrc.bak',
            'echo "_authToken=${T_TOKEN#x}" > settings.ini',
            'echo "password $T_TOKEN" > /etc/secret.conf',
        ],
    )
    def test_what_nobody_expands_is_known_to_stay(self, tmp_path: Path, written: str) -> None:
        body = f"RUN {written}\nRUN npm ci\n"
        assert after(tmp_path, body) == f"RUN {MOUNT} {written}\nRUN {MOUNT} npm ci\n"
        files = {"Dockerfile": HEAD + body}
        assert residual(tmp_path / "again", files, "T_TOKEN") == "known"


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
            "USER app\nRUN go mod download\nRUN rm ~/.netrc\n",
            "ENV HOME=/tmp\nRUN go mod download\n",
            'RUN ["go", "mod", "download"]\n',
            "RUN go mod download & wait\n",
            "RUN go mod download && exit 0\n",
            "RUN go mod download # again\n",
            'RUN go mod download\nRUN echo "machine s.io password $T_TOKEN" >> ~/.netrc\n',
            "RUN go a\nRUN go b\nRUN go c\nRUN go d\nRUN go e\n",
            "RUN true\n",
        ],
        ids=[
            "another user",
            "another home",
            "exec form",
            "background",
            "exit",
            "comment",
            "written again",
            "too many",
            "no reader",
        ],
    )
    def test_what_is_not_sure_stays(self, tmp_path: Path, between: str) -> None:
        write = 'RUN echo "machine r.io password $T_TOKEN" > ~/.netrc\n'
        found = after(tmp_path, write + between)
        assert found.startswith(write.replace("RUN", f"RUN {MOUNT}"))

    @pytest.mark.parametrize(
        ("write", "moved"),
        [
            ('echo "m $T_TOKEN" > ~/.netrc && chmod 600 ~/.netrc', 'echo "m $T_TOKEN" > ~/.netrc && chmod 600 ~/.netrc'),
            ('echo "m $T_TOKEN" > ~/.netrc; chmod 600 ~/.netrc', '{ echo "m $T_TOKEN" > ~/.netrc; chmod 600 ~/.netrc; }'),
            ('if [ -n "$T_TOKEN" ]; then \\\n  echo "m $T_TOKEN" > ~/.netrc; \\\n fi', 'if [ -n "$T_TOKEN" ]; then echo "m $T_TOKEN" > ~/.netrc; fi'),
            ('[ -z "$T_TOKEN" ] || echo "m $T_TOKEN" > ~/.netrc', '{ [ -z "$T_TOKEN" ] || echo "m $T_TOKEN" > ~/.netrc; }'),
        ],
        ids=["chain", "list", "if", "or"],
    )  # fmt: skip
    def test_a_file_that_nobody_removes_is_removed_where_it_is_used(
        self, tmp_path: Path, write: str, moved: str
    ) -> None:
        body = f"RUN {write}\nRUN apt-get update\nRUN go mod download || true\n"
        found = after(tmp_path, body)
        assert found.startswith("RUN apt-get update\nRUN --mount")
        assert found.endswith(f"{moved} && go mod download || true && rm -f ~/.netrc\n")

    def test_the_rest_of_the_run_stays(self, tmp_path: Path) -> None:
        body = (
            'RUN apk add git && echo "m $T_TOKEN" > ~/.netrc && chmod 600 ~/.netrc && mkdir /x\n'
            "RUN go mod download\n"
        )
        assert after(tmp_path, body) == (
            f'RUN apk add git && mkdir /x\nRUN {MOUNT} echo "m $T_TOKEN" > ~/.netrc && '
            "chmod 600 ~/.netrc && go mod download && rm -f ~/.netrc\n"
        )

    def test_the_writing_run_may_use_it_too(self, tmp_path: Path) -> None:
        body = 'RUN echo "m $T_TOKEN" > ~/.netrc && go mod download\nRUN go build\n'
        write = f'RUN {MOUNT} echo "m $T_TOKEN" > ~/.netrc && '
        assert after(tmp_path, body) == (
            f"{write}go mod download && rm -f ~/.netrc\n{write}go build && rm -f ~/.netrc\n"
        )

    def test_all_that_makes_the_file_moves_together(self, tmp_path: Path) -> None:
        body = (
            "ARG U_TOKEN\n"
            'RUN echo "machine a password $T_TOKEN" > ~/.netrc\n'
            'RUN echo "machine b password $U_TOKEN" >> ~/.netrc\n'
            "RUN chmod 600 ~/.netrc\n"
            "RUN go mod download\n"
        )
        other = MOUNT.replace("T_TOKEN", "U_TOKEN")
        assert after(tmp_path, body) == (
            f"RUN {MOUNT} {other} "
            'echo "machine a password $T_TOKEN" > ~/.netrc && echo "machine b password $U_TOKEN" >> '
            "~/.netrc && chmod 600 ~/.netrc && go mod download && rm -f ~/.netrc\n"
        )

    def test_lines_inside_a_word_are_joined_as_they_were(self, tmp_path: Path) -> None:
        body = (
            'RUN echo "machine a\\n\\\nlogin b\\n\\\n# not shown\npassword $T_TOKEN" > ~/.netrc\n'
            "RUN go mod download\n"
        )
        assert after(tmp_path, body) == (
            f'RUN {MOUNT} echo "machine a\\nlogin b\\npassword $T_TOKEN" > ~/.netrc && '
            "go mod download && rm -f ~/.netrc\n"
        )

    def test_a_file_that_containers_read_is_no_reference(self, tmp_path: Path) -> None:
        body = 'RUN echo "//r/:_authToken=$T_TOKEN" > ~/.npmrc\nRUN npm ci\nCMD ["npm", "start"]\n'
        assert "npm ci && rm -f ~/.npmrc\n" in after(tmp_path, body)
        gone = body.replace("CMD", "RUN rm ~/.npmrc\nCMD")
        assert "_authToken=\\${T_TOKEN}" in after(tmp_path / "gone", gone)
        other = body.replace('"npm", "start"', '"node", "x"')
        assert "_authToken=\\${T_TOKEN}" in after(tmp_path / "other", other)

    def test_what_is_added_to_a_file_that_is_there_stays(self, tmp_path: Path) -> None:
        body = (
            "COPY pip.conf /etc/pip.conf\n"
            'RUN echo "extra-index-url=https://u:$T_TOKEN@h" >> /etc/pip.conf\nRUN pip install a\n'
        )
        assert ">> /etc/pip.conf\nRUN" in after(tmp_path, body)

    def test_a_run_that_goes_elsewhere_removes_the_file_by_its_path(self, tmp_path: Path) -> None:
        body = 'WORKDIR /app\nRUN echo "$T_TOKEN" | base64 > .npmrc\nRUN cd web && npm ci\n'
        assert after(tmp_path, body).endswith(
            " > .npmrc && cd web && npm ci && rm -f /app/.npmrc\n"
        )


class TestSetting:
    def test_a_setting_becomes_the_variable_that_replaces_it(self, tmp_path: Path) -> None:
        body = (
            "RUN pip config set global.index-url https://u:$T_TOKEN@pypi.example.com/simple\n"
            "RUN pip install acme\n"
        )
        assert after(tmp_path, body) == (
            f'RUN {MOUNT} export PIP_INDEX_URL="https://u:$T_TOKEN@pypi.example.com/simple" && '
            "pip install acme\n"
        )

    @pytest.mark.parametrize(
        ("config", "use", "exports"),
        [
            ("composer config -g github-oauth.github.com $T_TOKEN", "composer install",
             r'COMPOSER_AUTH="{\"github-oauth\":{\"github.com\":\"$T_TOKEN\"}}"'),
            ("composer config http-basic.repo.io me ${T_TOKEN}", "composer install",
             r'COMPOSER_AUTH="{\"http-basic\":{\"repo.io\":{\"username\":\"me\",\"password\":\"${T_TOKEN}\"}}}"'),
            ("poetry config http-basic.my-repo me $T_TOKEN", "poetry install",
             'POETRY_HTTP_BASIC_MY_REPO_USERNAME="me" POETRY_HTTP_BASIC_MY_REPO_PASSWORD="$T_TOKEN"'),
            ("poetry config pypi-token.x $T_TOKEN", "poetry publish", 'POETRY_PYPI_TOKEN_X="$T_TOKEN"'),
            ("bundle config set --global gems.x-y.io $T_TOKEN", "bundle install", 'BUNDLE_GEMS__X___Y__IO="$T_TOKEN"'),
            ("bundle config https://gem.fury.io/me/ $T_TOKEN", "rake x", 'BUNDLE_GEM__FURY__IO="$T_TOKEN"'),
            ("cargo login $T_TOKEN", "cargo build", 'CARGO_REGISTRY_TOKEN="$T_TOKEN"'),
            ("cargo login --registry my-reg $T_TOKEN", "cargo build", 'CARGO_REGISTRIES_MY_REG_TOKEN="$T_TOKEN"'),
            ("huggingface-cli login --token $T_TOKEN", "python get.py", 'HF_TOKEN="$T_TOKEN"'),
            ("echo $T_TOKEN | gh auth login --with-token", "gh repo clone a/b", 'GH_TOKEN="$T_TOKEN"'),
            ("pip config --user set global.extra-index-url https://u:$T_TOKEN@h", "make install",
             'PIP_EXTRA_INDEX_URL="https://u:$T_TOKEN@h"'),
            ("aws configure set aws_access_key_id me && aws configure set aws_secret_access_key $T_TOKEN",
             "aws s3 ls", 'AWS_ACCESS_KEY_ID="me" AWS_SECRET_ACCESS_KEY="$T_TOKEN"'),
        ],
    )  # fmt: skip
    def test_a_variable_takes_the_place_of_a_command(
        self, tmp_path: Path, config: str, use: str, exports: str
    ) -> None:
        found = after(tmp_path, f"RUN {config}\nRUN mkdir x\nRUN {use}\n")
        assert found.startswith("RUN mkdir x\nRUN --mount")
        assert found.endswith(f" export {exports} && {use}\n")
        again = after(tmp_path / "again", f"RUN {config} && {use}\n")
        assert again.endswith(f" export {exports} && {use}\n")

    def test_several_logins_are_one_value(self, tmp_path: Path) -> None:
        body = (
            "ARG U_TOKEN\nRUN composer config -g github-oauth.github.com $T_TOKEN\n"
            "RUN composer config -g gitlab-token.gitlab.com $U_TOKEN && composer install\n"
        )
        found = after(tmp_path, body)
        assert found.endswith(
            r'export COMPOSER_AUTH="{\"github-oauth\":{\"github.com\":\"$T_TOKEN\"},'
            r'\"gitlab-token\":{\"gitlab.com\":\"$U_TOKEN\"}}" && composer install' + "\n"
        )
        assert found.count("RUN") == 1

    def test_a_variable_of_the_same_name_is_enough(self, tmp_path: Path) -> None:
        files = {
            "Dockerfile": "FROM x\nARG HF_TOKEN\nRUN hf auth login --token $HF_TOKEN\nRUN hf download a\n"
        }
        found = rewritten(tmp_path / "work", files)["Dockerfile"]
        assert found.endswith(",env=HF_TOKEN,required hf download a\n")

    def test_a_login_on_a_condition(self, tmp_path: Path) -> None:
        body = 'RUN if [ -n "$T_TOKEN" ]; then cargo login $T_TOKEN; fi\nRUN cargo build\n'
        assert after(tmp_path, body).endswith(
            ' if [ -n "$T_TOKEN" ]; then export CARGO_REGISTRY_TOKEN="$T_TOKEN"; fi && cargo build\n'
        )

    @pytest.mark.parametrize(
        "body",
        [
            "RUN aws configure set aws_secret_access_key $T_TOKEN\nRUN aws s3 ls\n",
            "RUN aws configure set aws_secret_access_key $T_TOKEN --profile x\nRUN aws s3 ls\n",
            "RUN cargo login $(echo $T_TOKEN)\nRUN cargo build\n",
            "RUN cargo login ${T_TOKEN#x}\nRUN cargo build\n",
            'RUN cargo login $T_TOKEN\nRUN ["cargo", "build"]\n',
            "ENV CARGO_REGISTRY_TOKEN=x\nRUN cargo login $T_TOKEN\nRUN cargo build\n",
            "ARG U=a\nRUN poetry config http-basic.x $U $T_TOKEN\nARG U=b\nRUN poetry install\n",
            "RUN dotnet nuget add source https://h -n x -u u -p $T_TOKEN\nRUN dotnet restore\n",
        ],
        ids=["half a login", "profile", "computed", "operator", "exec form", "taken",
             "another user", "encrypted"],
    )  # fmt: skip
    def test_what_no_variable_replaces_is_known_to_stay(self, tmp_path: Path, body: str) -> None:
        files = {"Dockerfile": HEAD + body}
        assert "export" not in rewritten(tmp_path / "work", files)["Dockerfile"]
        assert residual(tmp_path / "again", files, "T_TOKEN") == "known"

    def test_a_logout_goes_with_the_login(self, tmp_path: Path) -> None:
        body = "RUN gh auth login --with-token\nRUN gh repo clone a/b\nRUN gh auth logout && rm -r /x\n"
        body = body.replace("gh auth login", "echo $T_TOKEN | gh auth login")
        assert after(tmp_path, body) == (
            f'RUN {MOUNT} export GH_TOKEN="$T_TOKEN" && gh repo clone a/b\nRUN rm -r /x\n'
        )
        kept = body.replace("RUN gh auth logout &&", "RUN gh auth logout ||")
        assert "export" not in after(tmp_path / "kept", kept)

    def test_other_uses_keep_the_mount(self, tmp_path: Path) -> None:
        body = 'RUN cargo login $T_TOKEN && curl -H "X: $T_TOKEN" https://h\nRUN cargo build\n'
        assert f'RUN {MOUNT} curl -H "X: $T_TOKEN" https://h\n' in after(tmp_path, body)


def test_a_mounted_value_is_kept_out_too(tmp_path: Path) -> None:
    mount = "--mount=type=secret,id=T_TOKEN,env=T_TOKEN"
    body = f'FROM node:20\nRUN {mount} echo "//r/:_authToken=$T_TOKEN" > .npmrc\nRUN npm ci\n'
    found = rewritten(tmp_path / "work", {"Dockerfile": body})["Dockerfile"]
    assert found == (
        f'FROM node:20\nRUN echo "//r/:_authToken=\\${{T_TOKEN}}" > .npmrc\nRUN {mount} npm ci\n'
    )
