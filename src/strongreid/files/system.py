"""What readers, writers and locks share: what the system refuses in plain words, folders made, content flushed;
what may have happened to a path that is not there."""

import errno
import os
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from strongreid.errors import nearest_name

_NO_FSYNC: Final = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
"""What file systems answer that cannot flush a folder."""
_LONGEST_REASON: Final = 200
"""Characters of what a library says of a file, some of which may be the file itself."""
_MOST_BESIDE: Final = 1000
"""Names in a folder that are looked at for the one that was meant."""


def why(error: Exception) -> str:
    """Say in a few words what the system refused, such as "permission denied"."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    said = (isinstance(error, OSError) and error.strerror) or str(error)
    return said.split("\n", maxsplit=1)[0][:_LONGEST_REASON]


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there yet; `NotADirectoryError` if a file is in the way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
    finally:
        os.close(descriptor)


def hint_for_missing(path: Path) -> str:
    """Return, in parentheses, what may have happened to a path that does not exist."""
    text = str(path)
    if text.startswith("~"):
        return " (the shell did not expand ~: write $HOME, or a space in place of =)"
    if "$" in text:
        return " (the shell did not expand $: write it without single quotes)"
    with suppress(OSError):
        beside = [entry.name for entry in islice(os.scandir(path.parent), _MOST_BESIDE)]
        near = nearest_name(path.name, beside)
        return f" (but there is {path.with_name(near)})" if near else ""
    return ""
