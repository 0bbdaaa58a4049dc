"""Locks between processes: one works, the others wait or are told who does.

A lock is the system's (`flock`) on a small file, or on a folder, so it ends with its holder, however that dies. Into a
file the holder writes who it is, and removes it when it is done; whoever took the lock of a file that was removed
meanwhile takes it again. A file system without locks is no reason not to work.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from strongreid.errors import InputError
from strongreid.files.system import make_folder, why


@contextmanager
def only_process(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Wait until no other process is in such a block for `path`: a folder, or a file, which need not exist.

    `waiting` is called once if there is another. Yields whether it is certain that this one is alone: False where the
    file system has no locks.
    """
    told = False

    def wait(descriptor: int) -> None:
        nonlocal told
        if waiting is not None and not told:
            waiting()
        told = True
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    with _held(path, wait) as trouble:
        yield trouble is None


@contextmanager
def refuse_second_process(path: Path, work: str, warn: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock file `path`, which need not exist. `InputError` says who else holds it.

    `work` says what the holder does, such as "trains runs/own". `warn` is told where the file system has no locks.
    """

    def refuse(descriptor: int) -> None:
        raise InputError(f"{_holder(descriptor)} {work}. Wait until it is done, or stop it.")

    with _held(path, refuse) as trouble:
        if trouble is not None:
            warn(f"{path} cannot be locked ({trouble}). Take care that no other process {work}.")
        yield


@contextmanager
def _held(path: Path, occupied: Callable[[int], None]) -> Iterator[str | None]:
    """Hold a lock file; where another process does, first call `occupied` with it. Yields why it cannot be locked."""
    make_folder(path.parent)
    while True:
        descriptor = _opened(path)
        try:
            trouble = None
            try:
                if not try_lock(descriptor):
                    occupied(descriptor)
            except OSError as error:
                trouble = why(error)
            if trouble is None and not _is_at(descriptor, path):
                continue  # its holder has removed it
            _sign(descriptor)
            try:
                yield trouble
            finally:
                if _is_at(descriptor, path) and path.is_file():
                    with suppress(OSError):  # in another user's folder
                        path.unlink()
            return
        finally:
            os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file or folder; False where another process holds it, `OSError` where there are none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(path: Path, *, attempts: int = 100) -> int:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
        except FileNotFoundError:
            if attempts == 1:
                raise
            make_folder(path.parent)  # another command, which was refused, has removed what it had made
            return _opened(path, attempts=attempts - 1)
        except (PermissionError, IsADirectoryError) as refused:
            try:
                return os.open(path, os.O_RDONLY | flags)  # another user's, or a folder: reading is enough to lock it
            except FileNotFoundError:
                raise refused from None
    except OSError as error:
        raise InputError(f"The lock {path} cannot be opened ({why(error)}).") from error


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


def _sign(descriptor: int) -> None:
    """Write into a lock file who holds it."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    text = json.dumps({"host": socket.gethostname(), "process": os.getpid(), "since": since})
    with suppress(OSError):  # no room, or another user's file: it only says who
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        who = json.loads(os.pread(descriptor, 1000, 0))
        return f"Process {int(who['process'])} on {str(who['host'])[:100]}, since {str(who['since'])[:30]},"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return "Another process"
