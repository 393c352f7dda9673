"""Logins that git would keep, and the credential helper in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from whole_rewrites import MOUNT, after

if TYPE_CHECKING:
    from pathlib import Path


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
            f"RUN {MOUNT} git config --global credential.https://github.com.helper {self.HELPER}"
            ' && git config --global url."https://github.com/".insteadOf ssh://git@github.com/'
            " && go mod download\n"
        )

    def test_a_variable_behind_the_host_is_no_second_login(self, tmp_path: Path) -> None:
        body = (
            'RUN git config --global url."https://x:$T_TOKEN@github.com/".insteadOf '
            'https://github.com/ && git clone --branch "$REF" https://github.com/$ORG/x\n'
        )
        assert "credential.https://github.com.helper" in after(tmp_path, body)
        other = body.replace("https://github.com/$ORG", "https://$OTHER@github.com/$ORG")
        assert "credential" not in after(tmp_path / "other", other)

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

    URL = 'url."https://${T_TOKEN}@github.com/".insteadOf'

    def test_what_unsets_the_url_later_goes_too(self, tmp_path: Path) -> None:
        body = (
            f'RUN git config --global {self.URL} "https://github.com/"\nRUN go mod download\n'
            f"RUN git config --global --unset {self.URL}\n"
        )
        assert after(tmp_path, body).endswith(f"RUN {MOUNT} go mod download\n")
        kept = body.replace(
            "RUN git config --global --unset", "RUN true | git config --global --unset"
        )
        assert "credential" not in after(tmp_path / "kept", kept)

    def test_what_the_same_run_unsets_is_in_no_layer(self, tmp_path: Path) -> None:
        body = (
            f'RUN git config --global {self.URL} "https://github.com/" && go mod download && '
            f"git config --global --unset {self.URL}\n"
        )
        assert after(tmp_path, body) == body.replace("RUN", f"RUN {MOUNT}")
        other = body.replace("--unset url.", "--unset other.")
        assert "credential" in after(tmp_path / "other", other)

    def test_two_logins_at_one_host_stay(self, tmp_path: Path) -> None:
        body = (
            "ARG U_TOKEN\n"
            "RUN git config --global url.https://$T_TOKEN@github.com/a/.insteadOf https://github.com/a/\n"
            "RUN git config --global url.https://$U_TOKEN@github.com/b/.insteadOf https://github.com/b/\n"
            "RUN go mod download\n"
        )
        assert "credential" not in after(tmp_path, body)

    def test_a_clone_that_is_fetched_again_keeps_the_helper(self, tmp_path: Path) -> None:
        body = "RUN git clone https://x:$T_TOKEN@gitlab.com/acme/x.git /x\nRUN cd /x && git pull\n"
        helper = '\'!f() { echo "username=x"; echo "password=${T_TOKEN}"; }; f\''
        assert after(tmp_path, body) == (
            f"RUN {MOUNT} git clone -c credential.https://gitlab.com.helper={helper} "
            f"https://gitlab.com/acme/x.git /x\nRUN {MOUNT} cd /x && git pull\n"
        )

    def test_submodules_read_the_users_configuration(self, tmp_path: Path) -> None:
        body = (
            "RUN git clone https://x:$T_TOKEN@gitlab.com/acme/x.git\nWORKDIR x\n"
            "RUN git submodule update --init\n"
        )
        found = after(tmp_path, body)
        assert " git config --global credential.https://gitlab.com.helper '" in found
        assert " && git clone https://gitlab.com/acme/x.git\n" in found
        assert f"RUN {MOUNT} git submodule update --init\n" in found
        other = after(tmp_path / "other", body.replace("WORKDIR x", "USER app\nWORKDIR x"))
        assert "git clone https://x:$T_TOKEN@gitlab.com" in other

    @pytest.mark.parametrize(
        ("url", "becomes"),
        [
            (
                "-b $BRANCH https://x:$T_TOKEN@gitlab.com/a/b.git",
                "git -c credential.https://gitlab.com.helper=HELPER clone -b $BRANCH https://gitlab.com/a/b.git",
            ),
            (
                "https://x:$T_TOKEN@$BRANCH/a/b.git",
                'git -c "credential.https://${BRANCH}.helper"=HELPER clone "https://${BRANCH}/a/b.git"',
            ),
        ],
        ids=["branch", "host"],
    )  # fmt: skip
    def test_other_variables_stay_in_the_url(self, tmp_path: Path, url: str, becomes: str) -> None:
        helper = '\'!f() { echo "username=x"; echo "password=${T_TOKEN}"; }; f\''
        found = after(tmp_path, f"ARG BRANCH\nRUN git clone {url}\n")
        assert becomes.replace("HELPER", helper) in found

    def test_the_helper_reads_the_user_too(self, tmp_path: Path) -> None:
        body = (
            'ARG WHO\nRUN git config --global url."https://${WHO}:${T_TOKEN}@github.com/".insteadOf '
            "https://github.com/\nRUN go mod download\n"
        )
        assert 'echo "username=${WHO}"; echo "password=${T_TOKEN}"' in after(tmp_path, body)
        other = body.replace("RUN go", "ARG WHO=other\nRUN go")
        assert "credential" not in after(tmp_path / "other", other)

    @pytest.mark.parametrize("where", ["http", "http.https://github.com/"])
    def test_a_basic_header_is_a_login(self, tmp_path: Path, where: str) -> None:
        body = (
            f"RUN git config --global {where}.extraheader "
            '"AUTHORIZATION: basic $(echo -n x-access-token:${T_TOKEN} | base64)"\nRUN go mod download\n'
        )
        key = "credential.https://github.com.helper" if "github" in where else "credential.helper"
        assert after(tmp_path, body) == (
            f"RUN git config --global {key} {self.HELPER}\nRUN {MOUNT} go mod download\n"
        )

    def test_a_bearer_header_is_none(self, tmp_path: Path) -> None:
        body = 'RUN git config --global http.extraheader "AUTHORIZATION: bearer $T_TOKEN"\n'
        assert "credential" not in after(tmp_path, body)

    def test_a_remote_gets_the_helper(self, tmp_path: Path) -> None:
        body = "RUN cd /x && git remote set-url origin https://x-access-token:$T_TOKEN@github.com/a/b && git pull\n"
        found = after(tmp_path, body)
        assert (
            "git remote set-url origin https://github.com/a/b && "
            f"git config credential.https://github.com.helper {self.HELPER} && git pull" in found
        )

    def test_stored_logins_and_what_stores_them_go(self, tmp_path: Path) -> None:
        body = (
            'RUN git config --global credential.helper store && echo "https://x-access-token:$T_TOKEN@github.com" '
            "> ~/.git-credentials\nRUN go mod download\n"
        )
        assert after(tmp_path, body) == (
            f"RUN git config --global credential.https://github.com.helper {self.HELPER}\n"
            f"RUN {MOUNT} go mod download\n"
        )

    def test_git_that_stores_what_helpers_say_gets_none(self, tmp_path: Path) -> None:
        body = (
            "RUN git config --global credential.helper store\n"
            "RUN git config --global url.https://x:$T_TOKEN@github.com/.insteadOf https://github.com/\n"
            "RUN go mod download\n"
        )
        assert "https://github.com.helper" not in after(tmp_path, body)
