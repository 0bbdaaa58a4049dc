"""The audit log: who searched for whom, when, what was shown, what was confirmed. A file that only grows.

A line is JSON that ends with the hash of all before it in the line, which holds the hash of the line before: so whoever
changes, removes, inserts or moves a line breaks the chain there (`verify_log`). What a chain cannot show is that its
end was cut off, or that all of it from some line on was made anew: the last hash, kept elsewhere, shows both.

A line is on the disk before `write` returns. What a crash left of a line that was never acknowledged is taken off the
end by the next writer, and kept, as text, in a line that says so.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from strongreid.errors import InputError, command_line
from strongreid.files import make_folder, open_regular, open_to_append, sync, why
from strongreid.gallery.audit_line import MOST_BYTES, START, AuditLine, ChangedError, make_line, parse_line

MOST_PROBLEMS: Final = 20
"""Problems that are listed one by one."""
OURS: Final = "strongreid"
"""Who writes what nobody asked for: that the service started, that a line was torn."""


@dataclass(frozen=True)
class CheckedLog:
    """What `verify_log` found."""

    lines: int
    """How many lines there are."""
    problems: tuple[str, ...]
    """What is wrong, in sentences, at most `MOST_PROBLEMS`; none where the chain holds."""
    more: int
    """Problems beyond those."""
    last: str
    """The hash of the last line: keep it elsewhere, and no line up to this one can be cut off unseen."""


class AuditLog:
    """A log that is open for writing, by any number of threads and processes at once.

    Raises `InputError` where the file cannot be written, or its end was tampered with.

    Args:
        path: the file; it is made where it is not there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = threading.Lock()
        try:
            make_folder(path.parent)
            self._stream = open_to_append(path)
        except OSError as error:
            raise InputError(f"The audit log {path} cannot be written: {why(error)}. Name another file.") from error
        self._size, self._number, self._hash = 0, 0, START
        self.torn: int | None = None
        """Bytes of a line that a crash had torn, which this log found at its end; None where there was none."""
        try:
            with self._alone() as descriptor:
                self._catch_up(descriptor)
                sync(path.parent)
        except BaseException:
            self.close()
            raise

    @property
    def last(self) -> str:
        """The hash of the last line that was written here."""
        return self._hash

    def write(self, event: str, who: str, details: Mapping[str, Any]) -> str:
        """Write a line, flush it to the disk, and return its hash. `OSError` where it is not there now."""
        with self._alone() as descriptor:
            try:
                self._catch_up(descriptor)
            except InputError as error:  # others damaged it meanwhile, which is not the fault of what is to be written
                raise OSError(None, str(error)) from error
            self._append(descriptor, event, who, details)
            return self._hash

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """Hold the file against other threads and processes."""
        with self._thread:
            descriptor = self._stream.fileno()
            with suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                yield descriptor
            finally:
                with suppress(OSError):
                    fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _catch_up(self, descriptor: int) -> None:
        """Find out what the last line is, after other writers, and take a torn one off."""
        found = os.fstat(descriptor)
        if not found.st_nlink or not self.path.is_file() or not os.path.samestat(found, self.path.stat()):
            raise OSError(None, "the audit log was moved or removed while it was in use")
        size = found.st_size
        if size == self._size:
            return
        if size < self._size:
            raise OSError(None, "the audit log was cut off while it was in use")
        start = max(self._size, size - 2 * MOST_BYTES)  # a whole line is in there, and perhaps a torn one
        end = os.pread(descriptor, size - start, start)
        whole = end.rfind(b"\n") + 1
        torn, last_line = end[whole:], end[end.rfind(b"\n", 0, max(whole - 1, 0)) + 1 : whole]
        if last_line:
            try:
                last = parse_line(last_line)
            except ValueError as error:
                raise self._damaged(str(error)) from error
            self._number, self._hash = last.number, last.hash
        self._size = size - len(torn)
        if torn:
            os.ftruncate(descriptor, self._size)
            self.torn = len(torn)
            text = torn[:2000].decode(errors="backslashreplace")
            self._append(descriptor, "torn line", OURS, {"bytes": len(torn), "text": text})

    def _damaged(self, reason: str) -> InputError:
        return InputError(
            f"The last line of the audit log {self.path} {reason}, so nothing can be written after it. See what "
            f"happened: {command_line('audit', 'verify', self.path)}; then keep that file, and name a new one."
        )

    def _append(self, descriptor: int, event: str, who: str, details: Mapping[str, Any]) -> None:
        time = datetime.now(UTC).isoformat(timespec="microseconds")
        line, digest = make_line(self._number + 1, time, who, event, details, self._hash)
        if len(line) > MOST_BYTES:
            raise ValueError(f"A line of the audit log has at most {MOST_BYTES:,} bytes, not {len(line):,}.")
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, self._size)
            raise
        self._size += len(line)
        self._number, self._hash = self._number + 1, digest


def verify_log(
    path: Path, *, kept: str | None = None, progress: Callable[[int, int], None] | None = None
) -> CheckedLog:
    """Check every line of a log and what it follows.

    `kept`: the hash of a line, kept elsewhere, which must be there. `progress` is called with (bytes done, bytes in
    all). Raises `InputError` where the file cannot be read.
    """
    problems, number, before, found = list[str](), 0, START, kept is None
    unknown = False
    with open_regular(path, "Name an audit log.") as stream:
        size, done = os.fstat(stream.fileno()).st_size, 0
        for raw in _raw_lines(stream):
            number, done = number + 1, done + len(raw)
            try:
                line = parse_line(raw)
            except ChangedError as error:
                problems.append(f"Line {number} {error}.")
                line = error.line
            except ValueError as error:
                problems.append(f"Line {number} {error}.")
                unknown = True
                continue
            if line.before != before and not unknown:
                problems.append(f"Line {number} {_gap(line, number)}.")
            before, unknown, found = line.hash, False, found or line.hash == kept
            if progress is not None and number % 1000 == 0:
                progress(done, size)
    if not found:
        problems.append(
            f"No line has the hash {kept}, which was kept: the end was cut off since, or the log was made anew."
        )
    return CheckedLog(number, tuple(problems[:MOST_PROBLEMS]), max(0, len(problems) - MOST_PROBLEMS), before)


def read_log(path: Path) -> Iterator[AuditLine]:
    """Yield the lines of a log whose own hash is right, in order. `InputError` where the file cannot be read."""
    with open_regular(path, "Name an audit log.") as stream:
        for raw in _raw_lines(stream):
            with suppress(ValueError):
                yield parse_line(raw)


def _gap(line: AuditLine, number: int) -> str:
    if line.number == number:
        return "does not follow the line before it: one of them was replaced"
    return f"says that it is number {line.number}: before it lines were removed, inserted or moved"


def _raw_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines with their ends; one that is too long comes in pieces, none of which is a line of a log."""
    while raw := stream.readline(MOST_BYTES):
        yield raw
