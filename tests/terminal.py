"""A real terminal of any width, for programs and for this process."""

import fcntl
import io
import os
import pty
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def in_terminal(columns: int, code: str, **environment: str) -> str:
    """Return what a terminal of so many columns is sent by Python code, which must end well."""
    child, terminal = pty.fork()
    if child == 0:
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        os.execve(sys.executable, [sys.executable, "-c", code], {**inherited, **environment})
    _set_width(terminal, columns)
    sent = io.BytesIO()
    _read(terminal, sent)
    status = os.waitpid(child, 0)[1]
    assert status == 0, sent.getvalue().decode()
    return sent.getvalue().decode()


@contextmanager
def at_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.BytesIO]:
    """Make a terminal this process's standard error in the block; afterwards yield's value holds what it was sent."""
    terminal, side = pty.openpty()
    _set_width(terminal, columns)
    sent = io.BytesIO()
    reader = threading.Thread(target=_read, args=(terminal, sent))
    reader.start()
    with os.fdopen(side, "w", encoding="utf-8", buffering=1) as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("TERM", "xterm-256color")
        yield sent
    reader.join()


def _set_width(terminal: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))


def _read(terminal: int, sent: io.BytesIO) -> None:
    """Read until the other end is closed."""
    while True:
        try:
            part = os.read(terminal, 2**16)
        except OSError:
            break
        if not part:
            break
        sent.write(part)
    os.close(terminal)
