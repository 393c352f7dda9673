"""Private keys that a build gets as arguments or copies, and the agent that takes their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ssh_keys import CAT, COPIED, DECODE, HEAD, WRITE, after, copied
from whole_rewrites import looked_at, rewritten

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("body", "becomes"),
    [
        (
            f"RUN mkdir ~/.ssh && {WRITE} && chmod 600 ~/.ssh/id_rsa\nRUN git clone git@x.io:a\n",
            "RUN --mount=type=ssh git clone git@x.io:a\n",
        ),
        (
            f"RUN {WRITE} && git clone git@x.io:a && rm ~/.ssh/id_rsa\n",
            "RUN --mount=type=ssh git clone git@x.io:a\n",
        ),
        (
            f"RUN mkdir ~/.ssh; {WRITE}; ssh-keyscan x.io > ~/.ssh/known_hosts; npm ci; rm -rf ~/.ssh\n",
            "RUN --mount=type=ssh \\\n    mkdir ~/.ssh; ssh-keyscan x.io > ~/.ssh/known_hosts; npm ci; rm -rf ~/.ssh\n",
        ),
        (
            f"RUN {WRITE}\nUSER 1000\nRUN cargo build\n",
            "USER 1000\nRUN --mount=type=ssh,uid=1000 cargo build\n",
        ),
        (
            f"RUN {WRITE} && composer install && rm ~/.ssh/id_rsa\nRUN composer dump-autoload\n",
            "RUN --mount=type=ssh composer install\nRUN composer dump-autoload\n",
        ),
        (
            f"RUN {WRITE}\nRUN ssh -o IdentitiesOnly=yes -i ~/.ssh/id_rsa -p 22 x.io\n",
            "RUN --mount=type=ssh ssh -p 22 x.io\n",
        ),
        (
            f'RUN {WRITE}\nRUN GIT_SSH_COMMAND="ssh -i $HOME/.ssh/id_rsa -o A=no" git clone x:a\n',
            'RUN --mount=type=ssh GIT_SSH_COMMAND="ssh -o A=no" git clone x:a\n',
        ),
        (
            f"RUN touch ~/.ssh/id_rsa ~/.ssh/known_hosts && chmod 600 ~/.ssh/id_rsa && {WRITE}\n"
            "RUN bundle install\n",
            "RUN touch ~/.ssh/known_hosts\nRUN --mount=type=ssh bundle install\n",
        ),
        (
            f'RUN if [ -n "$K_SSH_KEY" ]; then {WRITE}; else echo none; fi; git clone x:a\n',
            "RUN --mount=type=ssh git clone x:a\n",
        ),
        (
            "RUN ssh-agent sh -c 'echo \"$K_SSH_KEY\" | ssh-add - && pip install -r r.txt'\n",
            "RUN --mount=type=ssh pip install -r r.txt\n",
        ),
        (
            f"RUN {WRITE} && eval $(ssh-agent -s) && ssh-add ~/.ssh/id_rsa && npm i && "
            "npm run build && rm -f ~/.ssh/id_rsa ~/.npmrc || true\n",
            "RUN --mount=type=ssh \\\n    npm i && npm run build && rm -f ~/.npmrc || true\n",
        ),
        (
            f'RUN {WRITE} && printf "Host x\\n IdentityFile ~/.ssh/id_rsa\\n" > ~/.ssh/config\n'
            "RUN npm install -g x && npm run y\nRUN pip install -U pip && go get x.io/a\n",
            'RUN printf "Host x\\n IdentityFile ~/.ssh/id_rsa\\n" > ~/.ssh/config\n'
            "RUN npm install -g x && npm run y\n"
            "RUN --mount=type=ssh pip install -U pip && go get x.io/a\n",
        ),
    ],
    ids=[
        "two runs", "one run", "known hosts stay", "another user", "only while it is there",
        "option", "variable", "beside another file", "guard", "agent around a shell",
        "removed with another file", "configuration, and what needs no ssh",
    ],
)  # fmt: skip
def test_the_handling_goes_and_the_agent_comes(tmp_path: Path, body: str, becomes: str) -> None:
    dockerfile, caller = after(tmp_path, body)
    assert dockerfile == becomes
    assert caller == '#!/bin/sh\ndocker build --ssh "default=$HOME/.ssh/id_rsa" .\n'


@pytest.mark.parametrize(
    ("body", "caller"),
    [
        (f"RUN {WRITE}\nRUN cp ~/.ssh/id_rsa /k && git clone git@x.io:a\n", CAT),
        (f"RUN {WRITE}\nRUN ./fetch.sh $K_SSH_KEY\n", CAT),
        (
            f'RUN if [ -n "$K_SSH_KEY" ]; then {WRITE}; ./other.sh; fi; git clone git@x.io:a\n',
            CAT,
        ),
        (f"RUN {WRITE}\nRUN git clone git@x.io:a\n", CAT.replace('"$(cat ~/.ssh/id_rsa)"', '"$K"')),
        (
            f"RUN {WRITE}\nRUN ssh -o IdentitiesOnly=yes -i ~/.ssh/id_rsa x.io && "
            'echo "IdentitiesOnly yes" >> ~/.ssh/config\n',
            CAT,
        ),
        (f"RUN {DECODE}\nRUN git clone git@x.io:a\n", CAT),
        (f'RUN {WRITE}\nRUN git clone git@x.io:a\nCMD ["ssh", "-i", "/root/.ssh/id_rsa"]\n', CAT),
        (f"RUN {WRITE}\nRUN npm ci\nFROM base\nCOPY --from=1 /root/.ssh /root/.ssh\n", CAT),
    ],
    ids=[
        "named file",
        "other use",
        "branch with more",
        "no file and no agent",
        "only those keys",
        "the file is not encoded",
        "the container uses it",
        "copied on",
    ],
)
def test_what_is_not_understood_stays_a_secret(tmp_path: Path, body: str, caller: str) -> None:
    files = {"Dockerfile": HEAD + body, "build.sh": caller}
    found = looked_at(tmp_path / "work", files).findings
    names = {one.finding.name for one in found if one.finding.variable == "K_SSH_KEY"}
    assert "ssh-key-in-build" not in names
    assert "secret-in-arg" in names


def test_each_key_has_one_fix(tmp_path: Path) -> None:
    files = {"Dockerfile": f"{HEAD}RUN {WRITE}\nRUN git clone git@x.io:a\n", "build.sh": CAT}
    found = looked_at(tmp_path / "work", files).findings
    assert [one.finding.name for one in found if one.finding.fix] == ["ssh-key-in-build"]


def test_a_file_that_holds_the_key_encoded(tmp_path: Path) -> None:
    caller = CAT.replace("cat ", "base64 -w0 ")
    dockerfile, script = after(tmp_path, f"RUN {DECODE}\nRUN git clone git@x.io:a\n", caller)
    assert dockerfile == "RUN --mount=type=ssh git clone git@x.io:a\n"
    assert script == '#!/bin/sh\ndocker build --ssh "default=$HOME/.ssh/id_rsa" .\n'


@pytest.mark.parametrize(
    ("body", "becomes"),
    [
        (
            "COPY id_rsa /root/.ssh/id_rsa\nRUN chmod 600 /root/.ssh/id_rsa\nRUN go mod download\n",
            "RUN --mount=type=ssh go mod download\n",
        ),
        (
            "ADD id_rsa /root/.ssh/\nRUN ssh-keyscan x.io >> ~/.ssh/known_hosts && npm ci\n",
            "RUN --mount=type=ssh mkdir -p -m 0700 /root/.ssh && "
            "ssh-keyscan x.io >> ~/.ssh/known_hosts && npm ci\n",
        ),
        (
            "RUN mkdir /root/.ssh\nCOPY id_rsa known_hosts /root/.ssh/\nRUN npm ci\n"
            "RUN rm -rf /root/.ssh\n",
            "RUN mkdir /root/.ssh\nCOPY known_hosts /root/.ssh/\nRUN --mount=type=ssh npm ci\n"
            "RUN rm -rf /root/.ssh\n",
        ),
        (
            "COPY --chown=1000 id_rsa /home/app/.ssh/id_rsa\nUSER 1000\n"
            'RUN GIT_SSH_COMMAND="ssh -i /home/app/.ssh/id_rsa" cargo build\n',
            'USER 1000\nRUN --mount=type=ssh,uid=1000 GIT_SSH_COMMAND="ssh" cargo build\n',
        ),
    ],
    ids=["file", "folder that COPY made", "with known hosts", "another user"],
)
def test_a_key_that_copy_takes(tmp_path: Path, body: str, becomes: str) -> None:
    found = copied(tmp_path, body)
    assert found["Dockerfile"] == becomes
    assert found["build.sh"] == "#!/bin/sh\ndocker build --ssh default=id_rsa .\n"


def test_a_copy_of_everything_no_longer_takes_the_key(tmp_path: Path) -> None:
    body = "COPY id_rsa /root/.ssh/id_rsa\nCOPY . .\nRUN npm ci\n"
    found = copied(tmp_path, body, **{".dockerignore": "dist\n"})
    assert found["Dockerfile"] == "COPY . .\nRUN --mount=type=ssh npm ci\n"
    assert found[".dockerignore"] == "dist\nid_rsa\n"


def test_one_finding_for_a_copied_key(tmp_path: Path) -> None:
    body = "COPY id_rsa /root/.ssh/id_rsa\nRUN {}\n"
    for command, name in (("npm ci", "ssh-key-in-build"), ("true", "secret-file-copied")):
        files = {"Dockerfile": COPIED + body.format(command)}
        found = looked_at(tmp_path / name, files).findings
        assert [one.finding.name for one in found] == [name]


def test_a_key_with_a_passphrase_is_no_key_for_the_client(tmp_path: Path) -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\ninvented\n"
    body = "COPY id_rsa /root/.ssh/id_rsa\nRUN npm ci\n"
    files = {"Dockerfile": COPIED + body, "id_rsa": key}
    found = looked_at(tmp_path / "work", files).findings
    assert "ssh-key-in-build" not in {one.finding.name for one in found}


@pytest.mark.parametrize("name", ["K_SSH_KEY", "OTHER_KEY"])
def test_a_key_that_env_gives_on(tmp_path: Path, name: str) -> None:
    body = f'ENV {name}=$K_SSH_KEY\nRUN echo "${name}" > ~/.ssh/id_rsa && npm ci\n'
    assert after(tmp_path, body)[0] == "RUN --mount=type=ssh npm ci\n"


def test_a_key_that_stays_a_secret_is_in_no_layer(tmp_path: Path) -> None:
    body = (
        f"RUN mkdir -p ~/.ssh && {WRITE} && chmod -R 600 ~/.ssh && ssh-keyscan x > ~/.ssh/known_hosts\n"
        "RUN npm install -g y\nRUN npm ci\n"
    )
    becomes = (
        "RUN mkdir -p ~/.ssh && chmod -R 600 ~/.ssh && ssh-keyscan x > ~/.ssh/known_hosts\n"
        "RUN npm install -g y\nRUN --mount=type=secret,id=K_SSH_KEY,env=K_SSH_KEY \\\n"
        f"    {WRITE} && chmod 600 ~/.ssh/id_rsa && \\\n    npm ci && rm -f ~/.ssh/id_rsa\n"
    )
    caller = "#!/bin/sh\ndocker build --build-arg K_SSH_KEY .\n"
    assert after(tmp_path, body, caller)[0] == becomes


@pytest.mark.parametrize(
    ("body", "becomes"),
    [
        ("ADD keys/id_rsa* /root/.ssh/\n", ""),
        ("ARG KEY_FILE=keys/id_rsa\nADD $KEY_FILE /root/.ssh/id_rsa\n", "ARG KEY_FILE=keys/id_rsa\n"),
        ("COPY keys/id_rsa /root/.ssh/id_rsa\nCOPY . /app\nRUN rm /app/keys/id_rsa\n", "COPY . /app\n"),
    ],
    ids=["pattern", "variable", "removed where another COPY put it"],
)  # fmt: skip
def test_keys_that_are_not_said_plainly(tmp_path: Path, body: str, becomes: str) -> None:
    found = copied(tmp_path, body + "RUN npm ci\n", **{".dockerignore": "x\n"})
    assert found["Dockerfile"] == becomes + "RUN --mount=type=ssh npm ci\n"
    assert found["build.sh"].endswith("docker build --ssh default=keys/id_rsa .\n")


def test_a_clone_over_https_needs_no_agent(tmp_path: Path) -> None:
    body = f"RUN {WRITE}\nRUN git clone https://x.io/a\nRUN git clone git@x.io:b\n"
    assert after(tmp_path, body)[0] == (
        "RUN git clone https://x.io/a\nRUN --mount=type=ssh git clone git@x.io:b\n"
    )
    (tmp_path / "again").mkdir()
    config = 'RUN git config --global url."git@x.io:".insteadOf https://x.io/\n'
    assert "RUN --mount=type=ssh git clone https" in after(tmp_path / "again", config + body)[0]


def test_a_key_that_is_written_out_is_replaced(tmp_path: Path) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----invented-----END OPENSSH PRIVATE KEY-----"
    body = f'ENV K_SSH_KEY="{key}"\nRUN {WRITE} && git clone x:a && rm ~/.ssh/id_rsa\n'
    files = {"Dockerfile": COPIED + body}
    found = [one.finding for one in looked_at(tmp_path / "work", files).findings]
    ours = next(one for one in found if one.name == "ssh-key-in-build")
    assert ours.outside_flag == "--ssh default"
    assert "replace the key at its hosts" in ours.help
    assert rewritten(tmp_path / "again", files)["Dockerfile"] == (
        f"{COPIED}RUN --mount=type=ssh,required git clone x:a\n"
    )


def test_a_file_that_a_cd_would_lose_is_not_moved(tmp_path: Path) -> None:
    body = (
        'RUN echo "$K_SSH_KEY" > id_rsa\nRUN cd /x && GIT_SSH_COMMAND="ssh -i ../id_rsa" npm ci\n'
    )
    caller = "#!/bin/sh\ndocker build --build-arg K_SSH_KEY .\n"
    found = after(tmp_path, body, caller)[0]
    assert "rm -f id_rsa" not in found


@pytest.mark.parametrize(
    "check",
    [
        'RUN /bin/bash -c \'[[ "${K_SSH_KEY}" ]] || { echo "no key"; exit 1; }\'\n',
        'RUN if [ -z "$K_SSH_KEY" ]; then echo none; exit 1; fi\n',
        'RUN test -n "$K_SSH_KEY" || (echo none && exit 1)\n',
    ],
)
def test_a_run_that_only_asks_for_the_key(tmp_path: Path, check: str) -> None:
    body = f"{check}RUN {WRITE}\nRUN git clone x:a\n"
    assert after(tmp_path, body)[0] == "RUN --mount=type=ssh git clone x:a\n"
    (tmp_path / "b").mkdir()
    found = after(tmp_path / "b", body, "#!/bin/sh\ndocker build --build-arg K_SSH_KEY .\n")[0]
    assert check[4:] in found


def test_a_folder_of_keys(tmp_path: Path) -> None:
    body = "ADD .ssh /root/.ssh\nCOPY ssh/.ssh /home/x/.ssh\nRUN git clone x:a\n"
    files = {"Dockerfile": COPIED + body, "ssh/.ssh/config": "Host x\n"}
    found = [one.finding for one in looked_at(tmp_path / "work", files).findings]
    assert [(one.name, one.variable, one.fix) for one in found] == [
        ("ssh-key-in-build", ".ssh", None)
    ]
