"""The one way of text to the terminal.

Names of files, data sets and runs come from anybody: nothing in them may move the cursor, hide text or pretend to be
a line of ours. So whatever a terminal would obey is shown as `repr` writes it. And a terminal may go away, or a full
disk may take no more of a log: what cannot be written is dropped, because no training may end for that.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO, cast


def printable(text: str) -> str:
    r"""Return `text` as one line that moves no cursor: control, bidirectional and invisible characters as \x1b, \n."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


class Outlet(io.TextIOBase):
    """A stream that raises nothing: what `stream` cannot take is dropped. None stands for a stream that is closed.

    Args:
        stream: Where text goes.
        harmless: Pass each line through `printable`; otherwise the writer has done so.
    """

    def __init__(self, stream: TextIO | None, *, harmless: bool) -> None:
        self.stream = stream
        self._harmless = harmless

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write what can be written."""
        shown = "\n".join(map(printable, text.split("\n"))) if self._harmless else text
        if self.stream is not None:
            with suppress(OSError, ValueError):  # a full disk, a closed pipe; a closed file
                try:
                    self.stream.write(shown)
                except UnicodeEncodeError:
                    self.stream.write(shown.encode(self.encoding, "backslashreplace").decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        if self.stream is not None:
            with suppress(OSError, ValueError):
                self.stream.flush()

    def isatty(self) -> bool:
        """Whether a person may be looking."""
        with suppress(OSError, ValueError):
            return self.stream is not None and self.stream.isatty()
        return False

    def fileno(self) -> int:
        """Return the number of the stream's file."""
        if self.stream is None:
            raise io.UnsupportedOperation("fileno")
        return self.stream.fileno()


def standard_error() -> TextIO:
    """Return standard error for a writer whose text went through `printable`: its own colours and bars pass."""
    stream: TextIO | Outlet | None = sys.stderr
    return cast(TextIO, Outlet(stream.stream if isinstance(stream, Outlet) else stream, harmless=False))


@contextmanager
def guarded_streams() -> Iterator[None]:
    """In the block, whatever is printed, by any library, is harmless, and writing it raises nothing."""
    _fill_closed_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, Outlet(stream, harmless=True)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in before:
            _settle(stream)


def _fill_closed_descriptors() -> None:
    """Open the null device where a standard stream is closed: else the next file opened is taken for that stream."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


def _settle(stream: TextIO | None) -> None:
    """Flush a stream; where that fails, drop what it still holds, for which Python would exit with code 120."""
    if stream is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
