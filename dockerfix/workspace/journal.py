"""Staged writes over several files: all of them land, or none.

First a journal with the plan (hashes and names, never text), then the new bytes beside
each file, then the mark that they are complete, then the renames. Old bytes are kept
beside the file, as a link to it, until the last rename is done. Whatever kills the process,
the next run finds the journal and finishes, or puts back (trap 43).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from typing import IO, TYPE_CHECKING, NamedTuple

from dockerfix.workspace import WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockerfix.workspace import Workspace

NAME = ".dockerfix-journal"
COMPLETE = b"complete\n"


class Entry(NamedTuple):
    """One file to replace; names are root-relative (`path` has its symlinks followed). `before`
    and `after` are hashes; `before` is empty for a file that is not there yet."""

    path: str
    before: str
    after: str
    new: str
    old: str


class JournalKeptError(WriteError):
    """Putting back failed too: the journal stays, and the next run tries again."""

    def __init__(self, path: str) -> None:
        super().__init__(
            path,
            "it could neither be written nor put back",
            "check the disk and permissions, then run dockerfix again: it will put it back",
        )


def staged_write(workspace: Workspace, changes: Mapping[str, tuple[bytes | None, bytes]]) -> None:
    """Put the second bytes of each pair in place of the first (None: of no file). Raises WriteError."""
    texts = {workspace.canonical(path): after for path, (_, after) in changes.items()}
    found = [
        _entry(workspace, path, before, after)
        for path, (before, after) in sorted(changes.items())
        if before != after
    ]
    plan = list({one.path: one for one in found}.values())
    if not plan:
        return
    with _journal(workspace, plan) as journal:
        try:
            for entry in plan:
                _stage(workspace, entry, texts[entry.path])
            for entry in plan:
                _unchanged(workspace, entry)
            _append(journal, COMPLETE)
        except BaseException as error:
            _clean(workspace, plan)
            raise _as_write_error(error, plan, "nothing was written") from error
        try:
            for entry in plan:
                _unchanged(workspace, entry)
                os.replace(workspace.absolute(entry.new), workspace.absolute(entry.path))
            for folder in sorted({os.path.dirname(workspace.absolute(one.path)) for one in plan}):
                _sync_folder(folder)
        except BaseException as error:
            try:
                _put_back(workspace, plan)
            except OSError as second:
                raise JournalKeptError(plan[0].path) from second
            _clean(workspace, plan)
            raise _as_write_error(error, plan, "every file was put back") from error
        _clean(workspace, plan)


def recover(workspace: Workspace) -> str:
    """Deal with the journal of a killed run. Raises WriteError while its writer is alive."""
    name = os.path.join(workspace.root, NAME)
    with contextlib.ExitStack() as stack:
        try:
            journal = stack.enter_context(_open_regular(name))
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise WriteError(
                NAME, f"the journal of an earlier run cannot be read: {error.strerror}", "remove it"
            ) from error
        _lock(journal)
        plan, complete = _parse(journal.read())
        said = _settle(workspace, plan, complete)
        _clean(workspace, plan)
        os.unlink(name)
        _sync_folder(workspace.root)
        return said


def _settle(workspace: Workspace, plan: list[Entry], complete: bool) -> str:
    if not complete:
        return "an interrupted run had changed nothing yet; what it had prepared was removed"
    now = {one.path: _hash_of(workspace, one.path) for one in plan}
    strange = [one for one in plan if now[one.path] not in (one.before, one.after)]
    ready = all(
        now[one.path] == one.after or _hash_of(workspace, one.new) == one.after for one in plan
    )
    if ready and not strange:
        for one in plan:
            if now[one.path] != one.after:
                os.replace(workspace.absolute(one.new), workspace.absolute(one.path))
        for one in plan:
            _sync_folder(os.path.dirname(workspace.absolute(one.path)))
        return "finished an interrupted run: every file is written"
    _put_back(workspace, plan)
    if strange:
        names = ", ".join(one.path for one in strange)
        return f"put back what an interrupted run had changed, but for {names}, changed since"
    return "put back what an interrupted run had changed"


def _entry(workspace: Workspace, path: str, before: bytes | None, after: bytes) -> Entry:
    target = workspace.canonical(path)
    if not workspace.inside(path):
        raise WriteError(path, "it leads out of the root", "name the file it leads to")
    name = workspace.absolute(target)
    if os.path.exists(name) and not os.access(name, os.W_OK):
        raise WriteError(path, "it is read-only; nothing was written", "make it writable")
    folder = target.rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""
    token = secrets.token_hex(6)
    return Entry(
        target,
        "" if before is None else _hash(before),
        _hash(after),
        f"{prefix}.dockerfix-new-{token}",
        f"{prefix}.dockerfix-old-{token}",
    )


def _stage(workspace: Workspace, entry: Entry, text: bytes) -> None:
    target, new = workspace.absolute(entry.path), workspace.absolute(entry.new)
    if not entry.before:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return
    found = os.stat(target)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(text)
        file.flush()
        if hasattr(os, "fchown") and (found.st_uid, found.st_gid) != _owner(file):
            os.fchown(file.fileno(), found.st_uid, found.st_gid)
        _copy_attributes(target, new)
        os.chmod(new, found.st_mode & 0o7777)
        os.fsync(file.fileno())
    _keep(target, workspace.absolute(entry.old))


def _owner(file: IO[bytes]) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_uid, found.st_gid


def _copy_attributes(target: str, new: str) -> None:
    if not hasattr(os, "listxattr"):
        return
    with contextlib.suppress(OSError):
        for name in os.listxattr(target):
            with contextlib.suppress(OSError):
                os.setxattr(new, name, os.getxattr(target, name))


def _keep(target: str, old: str) -> None:
    """The old bytes under a second name: the very file where links work, else a private copy."""
    try:
        os.link(target, old)
    except OSError:
        handle = os.open(old, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as copy, open(target, "rb") as file:
            shutil.copyfileobj(file, copy)
            copy.flush()
            os.fsync(copy.fileno())
        shutil.copystat(target, old)
    _sync_folder(os.path.dirname(old))


def _unchanged(workspace: Workspace, entry: Entry) -> None:
    there = os.path.lexists(workspace.absolute(entry.path))
    if _hash_of(workspace, entry.path) != entry.before or (there and not entry.before):
        raise WriteError(
            entry.path, "it changed since it was read", "run dockerfix again on what it holds now"
        )


def _put_back(workspace: Workspace, plan: list[Entry]) -> None:
    """Old bytes again for each file that has the new ones; what others wrote since is kept."""
    for one in plan:
        if _hash_of(workspace, one.path) != one.after:
            continue
        target = workspace.absolute(one.path)
        if not one.before:
            os.unlink(target)
        elif _hash_of(workspace, one.old) == one.before:
            os.replace(workspace.absolute(one.old), target)
        _sync_folder(os.path.dirname(target))


def _clean(workspace: Workspace, plan: list[Entry]) -> None:
    for one in plan:
        for name in (one.new, one.old):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(workspace.absolute(name))


@contextlib.contextmanager
def _journal(workspace: Workspace, plan: list[Entry]) -> Iterator[IO[bytes]]:
    """The journal file, synced with the plan in it; removed at the end, but not by a kill."""
    name = os.path.join(workspace.root, NAME)
    try:
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise WriteError(
            NAME,
            "another dockerfix writes here, or one was interrupted; nothing was written",
            "wait for it, or run dockerfix again",
        ) from error
    except OSError as error:
        raise _as_write_error(error, plan, "nothing was written") from error
    try:
        with os.fdopen(handle, "r+b") as journal:
            _lock(journal)
            try:
                _append(journal, json.dumps([list(one) for one in plan]).encode() + b"\n")
            except OSError as error:
                raise _as_write_error(error, plan, "nothing was written") from error
            _sync_folder(workspace.root)
            yield journal
    except JournalKeptError:
        raise
    except BaseException:
        _remove(name)
        raise
    _remove(name)


def _remove(name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)
    _sync_folder(os.path.dirname(name))


def _append(journal: IO[bytes], line: bytes) -> None:
    journal.write(line)
    journal.flush()
    os.fsync(journal.fileno())


def _parse(data: bytes) -> tuple[list[Entry], bool]:
    """The plan, and whether all its new bytes were on disk. A torn first line is no plan."""
    first, newline, rest = data.partition(b"\n")
    if not newline:
        return [], False
    try:
        plan = [Entry(*(str(part) for part in one)) for one in json.loads(first)]
    except (ValueError, TypeError):
        return [], False
    return [one for one in plan if _ours(one)], rest == COMPLETE


def _ours(entry: Entry) -> bool:
    """A journal is a file that others can write: it must not lead us to other files."""
    if any(
        part in ("", "..")
        for name in (entry.path, entry.new, entry.old)
        for part in name.split("/")
    ):
        return False
    folder = entry.path.rpartition("/")[0]
    return all(
        name.rpartition("/")[0] == folder and name.rpartition("/")[2].startswith(start)
        for name, start in ((entry.new, ".dockerfix-new-"), (entry.old, ".dockerfix-old-"))
    )


def _open_regular(name: str) -> IO[bytes]:
    return os.fdopen(os.open(name, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)), "r+b")


def _lock(journal: IO[bytes]) -> None:
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(journal.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise WriteError(
            NAME, "another dockerfix is writing in this root", "wait until it is done"
        ) from error


def _sync_folder(folder: str) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _hash_of(workspace: Workspace, path: str) -> str:
    try:
        with open(workspace.absolute(path), "rb") as file:
            return _hash(file.read())
    except OSError:
        return ""


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _as_write_error(error: BaseException, plan: list[Entry], outcome: str) -> BaseException:
    if isinstance(error, WriteError):
        return WriteError(error.path, f"{error.message}; {outcome}", error.help)
    if isinstance(error, OSError):
        reason = (error.strerror or str(error)).lower()
        return WriteError(
            plan[0].path,
            f"it cannot be written: {reason}; {outcome}",
            "check the disk and permissions",
        )
    return error
