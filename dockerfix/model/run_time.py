"""Who reads a variable of an image later: CMD, ENTRYPOINT, HEALTHCHECK, their scripts, ONBUILD.

Follows the words of those instructions to files of the build context, one level deep, and
knows the variables that well-known images read (run_time.toml). It does not know which
variables are secrets, nor what the build reads.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from dockerfix.globs import fits
from dockerfix.shell import read
from dockerfix.syntax.nodes import Entrypoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.model.bindings import Binding
    from dockerfix.model.build_context import BuildContext, ContextFile
    from dockerfix.model.scopes import Model
    from dockerfix.model.stages import Stage
    from dockerfix.syntax.nodes import Cmd, Healthcheck, Instruction

__all__ = ["ContainerRead", "file_variable", "keepers", "reads"]

_FILE_LIKE = re.compile(r"[\w@+-][\w@+./-]*")


@dataclass(frozen=True, slots=True)
class ContainerRead:
    """A place that reads the variable in a container: `instruction` starts it, `path` is the
    file of the build context that names the variable, empty for the instruction itself."""

    instruction: Instruction
    path: str
    says: str


def keepers(model: Model, binding: Binding) -> tuple[Stage, ...]:
    """The images that someone can run and that hold `binding` in their ENV."""
    return tuple(
        stage
        for stage in model.stages
        if stage.final and model.image_env(stage).get(binding.name) is binding
    )


def reads(model: Model, binding: Binding, files: BuildContext | None) -> Iterator[ContainerRead]:
    """Who reads `binding` in a container of an image that keeps it."""
    for stage in keepers(model, binding):
        for instruction in model.entry(stage).readers:
            where = f"{instruction.keyword.upper()} on line {instruction.start_line}"
            text = model.dockerfile.source.text(instruction.span)
            if _whole_word(text, binding.name):
                yield ContainerRead(instruction, "", f"{where} names it")
            for one in _started(stage, instruction, files) if files is not None else ():
                if names_variable(one.data, binding.name):
                    says = f"{where} starts {one.path}, which reads it"
                    yield ContainerRead(instruction, one.path, says)
        for onbuild in stage.onbuild:
            if _whole_word(model.dockerfile.source.text(onbuild.span), binding.name):
                says = f"ONBUILD on line {onbuild.start_line} names it, for images that start FROM this"
                yield ContainerRead(onbuild, "", says)
        if _image(stage, binding.name) is not None:
            image = stage.chain[-1].base or stage.chain[-1].image or ""
            says = f"the entry point of the base image {image} reads it"
            yield ContainerRead(stage.chain[-1].from_, "", says)


def file_variable(model: Model, binding: Binding) -> str:
    """The variable by which the base image takes a file instead of the value, or ''."""
    for stage in keepers(model, binding):
        row = _image(stage, binding.name)
        if row is not None and row.get("file"):
            return binding.name + str(row.get("suffix", "_FILE"))
    return ""


def names_variable(data: bytes, name: str) -> bool:
    """Whether a file reads the variable: `$X`, `${X`, `env.X`, `"X"`, `'X'`, `%X%`."""
    quoted = re.escape(name.encode("utf-8", "surrogateescape"))
    return re.search(rb"(?:\$\{?|\benv[.:]|[\"'`%%])%s(?![\w])" % quoted, data) is not None


def _whole_word(text: bytes, name: str) -> bool:
    quoted = re.escape(name.encode("utf-8", "surrogateescape"))
    return re.search(rb"(?<![A-Za-z0-9_])%s(?![A-Za-z0-9_])" % quoted, text) is not None


def _started(stage: Stage, instruction: Instruction, files: BuildContext) -> Iterator[ContextFile]:
    """The files of the context that an entry instruction starts or hands to a program."""
    words = _words(instruction)
    seen = set()
    for word in words:
        for path in _paths(word):
            found = files.find_in_image(stage, path)
            for one in found.files if found is not None else ():
                if one.path not in seen:
                    seen.add(one.path)
                    yield one
    if words and words[0].rpartition("/")[2] in _rows()["package_scripts"]:
        yield from _of_package(stage, words, files)


def _of_package(stage: Stage, words: tuple[str, ...], files: BuildContext) -> Iterator[ContextFile]:
    """package.json, if the script that is run names something, and the files that it names."""
    found = files.find_in_image(stage, "package.json")
    script = next((word for word in words[1:] if word not in ("run", "run-script")), "start")
    for one in found.files if found is not None else ():
        try:
            text = json.loads(one.data)["scripts"][script]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(text, str):
            yield one._replace(data=text.encode("utf-8", "surrogateescape"))
            for word in text.split():
                for path in _paths(word):
                    named = files.find_in_image(stage, path)
                    yield from named.files if named is not None else ()


def _words(instruction: Instruction) -> tuple[str, ...]:
    """The words of CMD, ENTRYPOINT or HEALTHCHECK, those of a script inside included."""
    entry: Cmd | Entrypoint | Healthcheck = instruction  # type: ignore[assignment]
    if entry.exec_form:
        found = list(entry.exec_words)
        for word in entry.exec_words:
            if re.search(r"\s", word):
                found += word.replace('"', " ").replace("'", " ").split()
        return tuple(found)
    words = (word for _, command in read(entry.body).every() for word in command.words)
    return tuple(word.literal for word in words if word.literal is not None)


def _paths(word: str) -> Iterator[str]:
    """Paths at which the file that a word means may be."""
    word = word.removeprefix("./")
    plain = word.removeprefix("/")
    if not plain or word.startswith("-") or not _FILE_LIKE.fullmatch(plain):
        if re.fullmatch(r"[A-Za-z_][\w.]*:\w+(\(\))?", word):
            module = word.partition(":")[0].replace(".", "/")
            yield from (module + suffix for suffix in (".py", "/__init__.py"))
        return
    yield from (word + suffix for suffix in _rows()["suffixes"])
    if "/" not in word:
        yield from (f"{folder}/{word}" for folder in _rows()["path"])
        if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", word):
            yield word.replace(".", "/") + ".py"


def _image(stage: Stage, name: str) -> dict[str, Any] | None:
    """The row of the external image below `stage`, if its entry point runs and reads `name`."""
    if any(isinstance(one, Entrypoint) for below in stage.chain for one in below.instructions):
        return None
    image = stage.chain[-1].base or stage.chain[-1].image or ""
    base = image.rpartition("/")[2].partition("@")[0].partition(":")[0].lower()
    for row in _rows()["image"]:
        if base in row["names"] and any(fits(name, glob) for glob in row["variables"]):
            return dict(row)
    return None


@cache
def _rows() -> dict[str, Any]:
    import tomllib
    from pathlib import Path

    return tomllib.loads(Path(__file__).with_name("run_time.toml").read_text("utf-8"))
