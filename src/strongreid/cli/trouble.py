"""What ends a command early: said in one line, once, with an exit code, and never by a traceback.

2 is for what the user can fix, 130 for Ctrl-C (143 and 129 after SIGTERM and SIGHUP), 70 for a defect
of ours, whose traceback goes into a file.
"""

import errno
import fcntl
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from strongreid.errors import InputError
from strongreid.reports.terminal import printable
from strongreid.training.signals import Stopped, stopped_by_signals

FIXED_BY_USER, DEFECT, STOPPED, CLOSED_PIPE = 2, 70, 130, 141
"""Exit codes."""
OURS = {None, errno.EBADF, errno.EFAULT, errno.ENOTSOCK, errno.ENOTTY}
"""Errors of the operating system that no user can fix."""
FULL, DENIED, BROKEN, IN_THE_WAY = (
    "Make room there, or choose another folder.",
    "Change its permissions, or choose another folder.",
    "The disk or the network file system failed: check it, then start the command again.",
    "Remove what is in the way, or choose another folder.",
)
HINTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), DENIED),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ENXIO, errno.ETIMEDOUT), BROKEN),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY), IN_THE_WAY),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Allow more open files first: ulimit -n 4096."),
    errno.ENOENT: "Was it moved or removed meanwhile?",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ELOOP: "The links there lead in a circle.",
    errno.ENOMEM: "Close other programs, or work on less at once.",
}


def guarded(command: Callable[[], int]) -> int:
    """Run a command and return its exit code, or that of what ended it, which is said on standard error."""
    try:
        with stopped_by_signals():
            return command()
    except InputError as error:
        return _end(FIXED_BY_USER, f"error: {error}")
    except BrokenPipeError:
        return CLOSED_PIPE
    except KeyboardInterrupt as stop:
        return _end(stop.exit_code if isinstance(stop, Stopped) else STOPPED, f"stopped. {stop}".rstrip())
    except Exception as error:  # noqa: BLE001 - the last net
        sentence = _users_fault(error)
        return _end(DEFECT, _defect(error)) if sentence is None else _end(FIXED_BY_USER, f"error: {sentence}")


def require_working_folder() -> None:
    """Refuse to work in a folder that was removed: every relative path would fail in its own way."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise InputError(
            "The working folder was removed: change into one that exists (cd), then start again."
        ) from error


def complain(text: str) -> None:
    """Write one message to standard error; of the processes that torchrun started, only the first to speak does."""
    with _turn_to_speak() as mine:
        if mine:
            sys.stderr.write(f"strongreid: {printable(text)}\n")
            sys.stderr.flush()


def _end(code: int, text: str) -> int:
    complain(text)
    return code


def _users_fault(error: Exception) -> str | None:
    """Return a sentence for what the user can fix of the machine; None for anything else."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate" in str(error):
        return (
            "There is not enough memory. Take smaller batches (batch.people_per_batch) or images, or a larger machine."
        )
    if not isinstance(error, OSError) or error.errno in OURS:
        return None
    with suppress(FileNotFoundError):
        Path.cwd()
        path = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return f"{path}{error.strerror}. {HINTS.get(error.errno or 0, '')}".rstrip()
    return "The working folder was removed while the command ran. Start again in one that exists."


def _defect(error: Exception) -> str:
    what = f"error: {type(error).__name__}: {str(error)[:300]}. This is a defect of strongreid"
    text = "".join(traceback.format_exception(error))
    try:
        descriptor, path = tempfile.mkstemp(prefix="strongreid-", suffix=".log", text=True)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{' '.join(sys.argv)}\n\n{text}")
    except OSError:
        sys.stderr.write(text)
        return f"{what}; its traceback stands above."
    return f"{what}; please report it with the traceback, which is in {path}."


@contextmanager
def _turn_to_speak() -> Iterator[bool]:
    """Wait until no other process of this torchrun speaks; whether none has spoken before.

    All of them refuse the same things, each for itself, so one says it. But torchrun ends the others as soon as one of
    them ends: so those that come later wait until the first has spoken, and none of them can end it before it did.
    """
    folder = Path(os.environ.get("TORCHELASTIC_ERROR_FILE", "")).parent.parent
    if not os.environ.get("TORCHELASTIC_ERROR_FILE") or not folder.is_dir():
        yield True
        return
    try:
        descriptor = os.open(folder / "strongreid.spoken", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield True  # twice is better than never
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        speaker, this = os.read(descriptor, 20), str(os.getpid()).encode()
        yield speaker in (b"", this)
        if not speaker:
            with suppress(OSError):
                os.write(descriptor, this)
    finally:
        os.close(descriptor)
