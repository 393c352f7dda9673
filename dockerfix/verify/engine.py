"""A Docker Engine, and what is built on it: images of ours, and other people's scripts.

A script that starts a build runs as it stands, with the real client: a `docker` of ours that
stands first on its PATH only adds flags to `build` (no network, no cache, local base images, the
fullest provenance; `composed` and `baked` do so for compose and bake), and a `sudo` of ours drops the
environment as sudo does. What cannot be tried here is the `# syntax` line, which would have to be
pulled: it is taken out of the copy that is built.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from dockerfix.verify.image import Image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SAW = re.compile(r"^#\d+ \d[\d.]* (saw .*)$", re.MULTILINE)
_SYNTAX = re.compile(
    rb"\A(?:\xef\xbb\xbf)?#[ \t]*syntax[ \t]*=[^\n]*\n"
    # In a scalar of a compose or bake file: a line of its own, or the first of a string.
    rb"|^[ \t]+#[ \t]*syntax[ \t]*=[^\n]*\n|(?<=\")#[ \t]*syntax[ \t]*=[\w/.:-]*\\n",
    re.IGNORECASE | re.MULTILINE,
)
_FAULT = re.compile(
    r"(?:parent snapshot|content digest|lease|blob) \S+(?: does not exist)?: not found"
)
"""What containerd says where a build lost a race against its own clearing up."""
_TIMEOUT = 300

_DOCKER = """\
#!/bin/sh
# The real client; `build` gets a few flags more, compose and bake what their modules say.
export {settings}
[ "$1" != compose ] || exec {composed} "$@"
case "$1 $2" in "bake "* | "buildx bake") exec {baked} "$@" ;; esac
added=
for word do
    shift
    set -- "$@" "$word"
    if [ -z "$added" ] && [ "$word" = build ]; then
        added=1
        set -- "$@" {flags}
    fi
done
exec {docker} "$@"
"""

_SUDO = """\
#!/bin/sh
# What sudo's default policy does to the environment; no rights change.
kept= exec_all=
while :; do
    case $1 in
        -E | --preserve-env) exec_all=1 ;;
        --preserve-env=*) kept=${1#*=} ;;
        -n | --) ;;
        *) break ;;
    esac
    shift
done
[ -z "$exec_all" ] || exec "$@"
for name in $(echo "$kept" | tr , ' '); do
    eval "[ -z \\"\\${$name+set}\\" ] || set -- \\"$name=\\$$name\\" \\"\\$@\\""
done
exec env -i PATH="$PATH" HOME="$HOME" "$@"
"""


class EngineError(Exception):
    """The engine is not there, or did not do what no sample can be blamed for."""


@dataclass(frozen=True, slots=True)
class Built:
    """What came of one run of a script: exit code, log, what the RUNs saw, the images."""

    code: int
    log: str
    saw: tuple[str, ...] = ()
    images: Mapping[str, Image] = field(default_factory=dict)


class Engine:
    """The engine that `environment` (PATH, DOCKER_HOST, DOCKER_CONFIG) leads to.

    Raises EngineError where none answers.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        keep = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT")
        self._environment = {name: environment[name] for name in keep if name in environment}
        client = shutil.which("docker", path=environment.get("PATH"))
        if client is None:
            raise EngineError("no docker client on PATH")
        self._client = client
        self._tags: set[str] = set()
        self._building: dict[str, Lock] = {}
        self.version = self.docker("version", "--format", "{{.Server.Version}}").strip()
        status = self.docker("info", "--format", "{{.DriverStatus}}")
        self.composes = self._ask("compose", "version").returncode == 0
        self.attests = "io.containerd.snapshotter" in status

    def docker(self, *arguments: str) -> str:
        """What `docker ARGUMENTS` prints; raises EngineError if it fails."""
        done = self._ask(*arguments)
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise EngineError(f"docker {shlex.join(arguments[:2])} failed: {said}")
        return done.stdout.decode("utf-8", "replace")

    def build_image(self, folder: Path, tag: str) -> None:
        """Build an image of ours."""
        self.docker("build", "--network", "none", "-t", tag, os.fspath(folder))

    def save(self, tag: str, scratch: Path) -> Image:
        target = scratch / "image.tar"
        self.docker("save", "-o", os.fspath(target), tag)
        try:
            return Image(target.read_bytes())
        finally:
            target.unlink()

    def clean(self) -> None:
        """Remove the images that `run` has built.

        Not before the last build: while a blob of a removed image waits to be collected, a
        build that makes the same blob finds it there, does not write it, and then loses it.
        """
        for tag in self._tags:
            self._ask("rmi", "--force", tag)
        self._tags.clear()

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        scratch: Path,
        environment: Mapping[str, str],
        bases: Mapping[str, str],
        images: Sequence[str],
    ) -> Built:
        """Run `command` in `folder`, and save the `images` that it is to build.

        `environment` is all that it gets beside PATH and HOME; `bases` maps names that stand
        behind FROM to local images; `scratch` is an empty folder.
        """
        tools = scratch / "bin"
        tools.mkdir()
        self._write_tool(tools / "docker", self._wrapped_client(bases))
        self._write_tool(tools / "sudo", _SUDO)
        with ExitStack() as held:
            # Two projects that name one image must not find each other's.
            for tag in sorted(set(images)):
                held.enter_context(self._building.setdefault(tag, Lock()))
            built = self._run(command, folder, scratch, environment, images)
            if built.code and _FAULT.search(built.log):
                built = self._run(command, folder, scratch, environment, images)
        return built

    def _run(
        self,
        command: Sequence[str],
        folder: Path,
        scratch: Path,
        environment: Mapping[str, str],
        images: Sequence[str],
    ) -> Built:
        tools = scratch / "bin"
        old = {tag: self._identity(tag) for tag in images}
        self._tags.update(images)
        done = subprocess.run(
            command,
            cwd=folder,
            env={
                "HOME": os.fspath(scratch),
                "LC_ALL": "C.UTF-8",
                **environment,
                "PATH": f"{tools}{os.pathsep}{self._environment['PATH']}",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT,
            check=False,
        )
        log = done.stdout.decode("utf-8", "replace")
        built = {}
        for tag in images if done.returncode == 0 else ():
            if self._identity(tag) == old[tag]:
                raise EngineError(f"{shlex.join(command)} succeeds and builds no {tag}: {log}")
            built[tag] = self.save(tag, scratch)
        return Built(done.returncode, log, tuple(sorted(_SAW.findall(log))), built)

    def _ask(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self._client, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )

    def _identity(self, tag: str) -> bytes:
        """The id of the image that has this name now, or nothing."""
        return self._ask("image", "inspect", "--format", "{{.Id}}", tag).stdout

    def _wrapped_client(self, bases: Mapping[str, str]) -> str:
        flags = ["--network", "none", "--no-cache", "--progress=plain"]
        if self.attests:
            flags.append("--provenance=mode=max")
        for name, local in bases.items():
            flags += ["--build-context", f"{name}=docker-image://{local}"]
        settings = [f"{k}={shlex.quote(v)}" for k, v in self._environment.items() if k != "HOME"]
        known = [self._client, json.dumps(dict(bases))]
        composed, baked = (
            shlex.join([sys.executable, "-m", f"dockerfix.verify.{name}", *known])
            for name in ("composed", "baked")
        )
        return _DOCKER.format(
            flags=shlex.join(flags),
            settings=" ".join(settings),
            docker=shlex.quote(self._client),
            composed=composed,
            baked=baked,
        )

    @staticmethod
    def _write_tool(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)


def without_syntax(data: bytes) -> bytes:
    """A Dockerfile, or a file that holds some, without `# syntax`, which would need a registry."""
    return _SYNTAX.sub(b"", data)
