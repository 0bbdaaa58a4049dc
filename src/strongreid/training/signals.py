"""Being asked to stop: Ctrl-C, a scheduler that takes the machine back (SIGTERM), a closed terminal (SIGHUP).

A training keeps the first request and answers it at its next step, with a checkpoint; the second does not wait.
Whatever else a command does (reading, decoding, testing) a request ends where it is, as Ctrl-C does, so that locks are
released and it is said how to go on. A signal that was ignored at the start, as SIGHUP is under `nohup`, stays ignored.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks a training to stop."""
_ECHO_SECONDS: Final = 5.0
"""Under torchrun a scheduler's signal comes twice within this time: from the scheduler, and passed on by torchrun."""


class Stopped(KeyboardInterrupt):
    """A command that was asked to stop ends; a training has written its checkpoint by then."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number
        """What a shell reports of a program that the signal ended."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """In the block, a signal that would end the process raises `Stopped`; one that follows ends it at once."""
    changed: list[int] = []

    def restore() -> None:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)

    def stop(number: int, frame: FrameType | None) -> None:
        if not _is_echoed():
            restore()
        raise Stopped(number)

    with suppress(ValueError):  # not in the main thread
        for number in STOPPING:
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, stop)
                changed.append(number)
    try:
        yield
    finally:
        restore()


def _is_echoed() -> bool:
    """Whether a scheduler's signal comes twice: torchrun passes it on."""
    return "TORCHELASTIC_RUN_ID" in os.environ


@contextmanager
def stop_requests() -> Iterator[Callable[[], int | None]]:
    """Yield a function that returns the number of the signal that asked to stop, None while none has."""
    asked: int | None = None
    since = 0.0
    before: dict[int, Callable[[int, FrameType | None], object] | int] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def request(number: int, frame: FrameType | None) -> None:
        nonlocal asked, since
        if asked is None:
            asked, since = number, time.monotonic()
        elif not (_is_echoed() and time.monotonic() - since < _ECHO_SECONDS):
            restore()
            signal.raise_signal(number)

    try:
        for number in STOPPING:
            handler = signal.getsignal(number)
            if handler is not None and handler != signal.SIG_IGN:
                signal.signal(number, request)
                before[number] = handler
    except ValueError:  # not in the main thread (a notebook's worker): signals are for others there
        yield lambda: None
        return
    try:
        yield lambda: asked
    finally:
        restore()
