"""Runs what a CI file or a package.json has a machine run, on this one: `ci_steps.py FILE [NAME]`.

Workflows of GitHub: the `run:` steps, each with the environment that the file declares for it and
nothing else, and `docker/build-push-action` by the flags that it gives to docker. GitLab: the
scripts of each job, with the variables of the machine, as a runner exports them. package.json: the
script NAME. Markdown: the fenced `sh` blocks. Secrets are variables of this process. Enough for
the samples of corpus/, and no more: what it does not know fails.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")
MACHINE = ("PATH", "HOME", "LC_ALL")


def workflow(file: Path) -> None:
    read = yaml.load(file.read_text(), yaml.BaseLoader)
    for job in read["jobs"].values():
        for values in rounds(job.get("strategy", {}).get("matrix", {})):
            for step in job["steps"]:
                given: dict[str, str] = {}
                for level in (read, job, step):
                    given |= {k: put_in(v, values, given) for k, v in level.get("env", {}).items()}
                one_step(step, given, values)


def rounds(matrix: Mapping[str, Sequence[str]]) -> Iterable[dict[str, str]]:
    if len(matrix) > 1:
        raise SystemExit("a matrix of several axes is not known here")
    for name, values in matrix.items():
        yield from ({f"matrix.{name}": value} for value in values)
    if not matrix:
        yield {}


def one_step(step: Mapping[str, Any], given: Mapping[str, str], values: Mapping[str, str]) -> None:
    machine = {name: os.environ[name] for name in MACHINE if name in os.environ} | dict(given)
    action = step.get("uses", "").partition("@")[0]
    if "run" in step:
        folder = put_in(step.get("working-directory", "."), values, given)
        script = put_in(step["run"], values, given)
        run(["bash", "-e", "-o", "pipefail", "-c", script], machine, folder)
    elif action == "docker/build-push-action":
        inputs = {k: put_in(v, values, given) for k, v in step["with"].items()}
        with tempfile.TemporaryDirectory() as name:
            run(["docker", "buildx", "build", *flags(inputs, Path(name))], machine)
    elif action not in ("actions/checkout", "docker/setup-buildx-action"):
        raise SystemExit(f"{action} is not known here")


def put_in(text: str, values: Mapping[str, str], given: Mapping[str, str]) -> str:
    """`text` with its expressions replaced, as GitHub does before anything else reads it."""

    def value(hit: re.Match[str]) -> str:
        context, _, name = hit[1].partition(".")
        if context == "secrets":
            return os.environ.get(name, "")
        return given.get(name, "") if context == "env" else values.get(hit[1], "")

    return EXPRESSION.sub(value, text)


def flags(inputs: Mapping[str, str], scratch: Path) -> Iterable[str]:
    """What docker/build-push-action gives to docker (rule 5.21): an empty secret is left out."""
    for line in filter(None, map(str.strip, inputs.get("build-args", "").splitlines())):
        yield from ("--build-arg", line)
    for line in filter(None, inputs.get("secrets", "").splitlines()):
        name, _, value = line.partition("=")
        if name and value:
            (scratch / name).write_text(value)
            yield from ("--secret", f"id={name},src={scratch / name}")
    for tag in filter(None, inputs.get("tags", "").splitlines()):
        yield from ("--tag", tag)
    if "target" in inputs:
        yield from ("--target", inputs["target"])
    if "file" in inputs:
        yield from ("--file", inputs["file"])
    yield inputs["context"]


def gitlab(file: Path) -> None:
    read = yaml.load(file.read_text(), yaml.BaseLoader)
    for name, job in read.items():
        if name.startswith(".") or name in ("default", "stages", "variables", "include"):
            continue
        whole = merged(read, job)
        variables = {**read.get("variables", {}), **whole.get("variables", {})}
        lines = [*whole.get("before_script", []), *whole["script"]]
        run(["bash", "-e", "-o", "pipefail", "-c", "\n".join(lines)], {**os.environ, **variables})


def merged(read: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """A job with what it extends; the keys of `default` behind both."""
    base = merged(read, read[job["extends"]]) if "extends" in job else read.get("default", {})
    return {**base, **job}


def package(file: Path, name: str) -> None:
    run(["sh", "-c", json.loads(file.read_text())["scripts"][name]], dict(os.environ), file.parent)


def markdown(file: Path) -> None:
    for block in re.findall(r"^```sh\n(.*?)^```$", file.read_text(), re.M | re.S):
        run(["sh", "-e", "-c", block], dict(os.environ))


def run(command: Sequence[str], environment: Mapping[str, str], folder: object = ".") -> None:
    done = subprocess.run(command, env=dict(environment), cwd=str(folder), check=False)
    if done.returncode:
        sys.exit(done.returncode)


def main(path: str, *names: str) -> None:
    file = Path(path)
    if ".github" in file.parts:
        workflow(file)
    elif file.name.endswith("gitlab-ci.yml"):
        gitlab(file)
    elif file.name == "package.json":
        package(file, *names)
    else:
        markdown(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
