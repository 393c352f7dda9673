"""Staged writes: all files or none, whatever fails, and whenever the process is killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dockerfix.workspace import Workspace, WriteError, journal

PACKAGE = Path(__file__).resolve().parent.parent
OLD = {"Dockerfile": b"FROM a\nARG TOK\n", "ci/build.sh": b"old canary-gQ7vX2mZ9pLr4tYw8sKd\n"}
NEW = {"Dockerfile": b"FROM a\nRUN b\n", "ci/build.sh": b"new\r\n", "ci/.dockerignore": b".npmrc\n"}


def lay_out(root: Path) -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    (root / "ci").mkdir(exist_ok=True)
    for name, data in OLD.items():
        (root / name).write_bytes(data)
    (root / "ci/build.sh").chmod(0o750)
    return Workspace(str(root))


def content(root: Path) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in NEW if (root / name).exists()}


def everything(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def read_all(workspace: Workspace) -> Workspace:
    for name in OLD:
        workspace.read(name)
    return workspace


def test_all_files_are_replaced_and_nothing_is_left_over(tmp_path: Path) -> None:
    workspace = lay_out(tmp_path)
    workspace.write(NEW)
    assert content(tmp_path) == NEW
    assert everything(tmp_path) == set(NEW)
    assert stat.S_IMODE((tmp_path / "ci/build.sh").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "ci/.dockerignore").stat().st_mode) & 0o600 == 0o600
    assert Workspace(str(tmp_path)).read("Dockerfile") == NEW["Dockerfile"]


def test_the_owner_is_kept(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    workspace = lay_out(tmp_path)
    os.chown(tmp_path / "Dockerfile", 1234, 2345)
    workspace.write(NEW)
    found = (tmp_path / "Dockerfile").stat()
    assert (found.st_uid, found.st_gid) == (1234, 2345)


def test_a_symlink_stays_one_and_its_file_is_written(tmp_path: Path) -> None:
    workspace = lay_out(tmp_path)
    (tmp_path / "real").write_bytes(OLD["Dockerfile"])
    (tmp_path / "Dockerfile").unlink()
    (tmp_path / "Dockerfile").symlink_to("real")
    workspace.write(NEW)
    assert (tmp_path / "Dockerfile").is_symlink()
    assert (tmp_path / "real").read_bytes() == NEW["Dockerfile"]


def test_a_file_that_changed_since_it_was_read_is_not_overwritten(tmp_path: Path) -> None:
    workspace = read_all(lay_out(tmp_path))
    (tmp_path / "ci/build.sh").write_bytes(b"someone else\n")
    with pytest.raises(WriteError, match="changed since it was read") as caught:
        workspace.write(NEW)
    assert caught.value.path == "ci/build.sh"
    assert content(tmp_path) == {**OLD, "ci/build.sh": b"someone else\n"}
    assert everything(tmp_path) == set(OLD)


def test_a_symlink_out_of_the_root_is_not_written_through(tmp_path: Path) -> None:
    workspace = read_all(lay_out(tmp_path / "root"))
    (tmp_path / "outside").write_bytes(OLD["Dockerfile"])
    (tmp_path / "root/Dockerfile").unlink()
    (tmp_path / "root/Dockerfile").symlink_to("../outside")
    with pytest.raises(WriteError):
        workspace.write(NEW)
    assert (tmp_path / "outside").read_bytes() == OLD["Dockerfile"]


def test_a_file_that_came_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    workspace = read_all(lay_out(tmp_path))
    assert workspace.original("ci/.dockerignore") is None
    found = {path: (workspace.original(path), data) for path, data in NEW.items()}
    (tmp_path / "ci/.dockerignore").write_bytes(b"")
    with pytest.raises(WriteError, match="changed"):
        journal.staged_write(workspace, found)
    assert content(tmp_path) == {**OLD, "ci/.dockerignore": b""}


@pytest.mark.parametrize("call", ["replace", "link", "fsync", "open", "chmod"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 6])
def test_a_failure_midway_puts_everything_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    workspace = read_all(lay_out(tmp_path))
    real, seen = getattr(os, call), [0]

    def failing(*args: object, **kwargs: object) -> object:
        seen[0] += 1
        if seen[0] == nth:
            raise OSError(28, "No space left on device")
        return real(*args, **kwargs)

    monkeypatch.setattr(journal.os, call, failing)
    # A folder that cannot be synced and a link that cannot be made are no failures.
    failure = None
    try:
        workspace.write(NEW)
    except WriteError as error:
        failure = error.message
    assert content(tmp_path) == (NEW if failure is None else OLD)
    assert failure is None or "no space left" in failure
    assert failure is not None or seen[0] < nth or call in ("link", "fsync", "open")
    assert everything(tmp_path) == set(content(tmp_path))


KILLED = """
import os, signal, sys
from dockerfix.workspace import Workspace, journal

root, nth = sys.argv[1], int(sys.argv[2])
seen = 0

class Watched:
    def __getattr__(self, name):
        found = getattr(os, name)
        if not callable(found) or name in ("fspath",):
            return found
        def call(*args, **kwargs):
            global seen
            seen += 1
            if seen == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return found(*args, **kwargs)
        return call

journal.os = Watched()
workspace = Workspace(root)
workspace.write({"Dockerfile": b"FROM a\\nRUN b\\n", "ci/build.sh": b"new\\r\\n", "ci/.dockerignore": b".npmrc\\n"})
"""


def killed(root: Path, nth: int) -> bool:
    """Write in a process that dies at its nth call into the system; whether it died."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(root), str(nth)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def test_after_a_kill_at_any_point_the_next_run_finishes_or_puts_back(tmp_path: Path) -> None:
    finished, back = 0, 0
    for nth in range(1, 200):
        root = tmp_path / str(nth)
        lay_out(root)
        if not killed(root, nth):
            break
        left = root / journal.NAME
        if left.exists():
            assert stat.S_IMODE(left.stat().st_mode) == 0o600
            assert b"canary" not in left.read_bytes()
        said = Workspace(str(root)).recover()
        assert everything(root) == set(content(root)), nth
        now = content(root)
        assert now in (OLD, NEW), nth
        if now == NEW:
            finished += 1
            assert "finished" in said or said == ""
        else:
            back += 1
        assert stat.S_IMODE((root / "ci/build.sh").stat().st_mode) == 0o750
    else:
        pytest.fail("the write never came to its end")
    assert finished > 3
    assert back > 3


def test_recovery_can_be_killed_too(tmp_path: Path) -> None:
    root = tmp_path / "root"
    lay_out(root)
    nth = next(n for n in range(20, 200) if _between_renames(tmp_path / str(n), n))
    lay_out(root)
    assert killed(root, nth)
    program = KILLED.rpartition("workspace.write")[0] + "workspace.recover()\n"
    for at in range(1, 100):
        done = subprocess.run(
            [sys.executable, "-c", program, str(root), str(at)],
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            capture_output=True,
        )
        if done.returncode == 0:
            break
    assert content(root) == NEW
    assert everything(root) == set(NEW)


def _between_renames(root: Path, nth: int) -> bool:
    lay_out(root)
    killed(root, nth)
    return content(root) not in (OLD, NEW)


def test_what_someone_wrote_after_the_kill_is_kept_and_the_rest_put_back(tmp_path: Path) -> None:
    nth = next(n for n in range(20, 200) if _between_renames(tmp_path / str(n), n))
    root = tmp_path / "root"
    lay_out(root)
    killed(root, nth)
    other = next(name for name in OLD if (root / name).read_bytes() == OLD[name])
    (root / other).write_bytes(b"someone else\n")
    said = Workspace(str(root)).recover()
    assert other in said
    assert content(root) == {**OLD, other: b"someone else\n"}
    assert everything(root) == set(OLD)


def test_a_forged_journal_touches_no_other_file(tmp_path: Path) -> None:
    lay_out(tmp_path / "root")
    (tmp_path / "victim").write_bytes(b"v")
    plan = '[["../victim", "", "", "../victim", "../victim"], ["Dockerfile", "", "", "x", "ci/build.sh"]]'
    (tmp_path / "root" / journal.NAME).write_text(plan + "\ncomplete\n")
    Workspace(str(tmp_path / "root")).recover()
    assert (tmp_path / "victim").exists()
    assert content(tmp_path / "root") == OLD


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    workspace = read_all(lay_out(tmp_path))
    with open(tmp_path / journal.NAME, "wb") as file:
        journal._lock(file)
        with pytest.raises(WriteError):
            workspace.write(NEW)
        with pytest.raises(WriteError, match="is writing"):
            Workspace(str(tmp_path)).recover()
    assert content(tmp_path) == OLD
