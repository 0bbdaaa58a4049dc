"""Processes that find PyTorch loaded: forked from a server that loads it once, which takes longer than what they do."""

import multiprocessing
import os
import signal
import sys
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from strongreid.cli import main


def preloaded() -> ForkServerContext:
    """What starts such processes; it serves all tests of a session."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["strongreid.tables.fill", "tests.training.one_process", "tests.gallery.writers", __name__]
    )
    return context


def start_command(
    words: list[str], errors: Path, *, ignored: signal.Signals | None = None, terminal: str | None = None
) -> ForkServerProcess:
    """Start the command `strongreid WORDS` in a process of its own; its standard error goes to a file.

    ignored: a signal that it ignores from the start, as `nohup` does. terminal: a terminal to start it on, in place of
    `errors`; when that is closed, the process is told as a shell's would be.
    """
    process = preloaded().Process(target=_command, args=(words, errors, ignored, terminal))
    process.start()
    return process


def _command(words: list[str], errors: Path, ignored: signal.Signals | None, terminal: str | None) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):  # whatever the shell that runs the tests ignores
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if ignored is not None:
        signal.signal(ignored, signal.SIG_IGN)
    if terminal is None:
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    else:
        os.setsid()
        opened = os.open(terminal, os.O_RDWR)  # a new session's first one becomes its own
        for standard in range(3):
            os.dup2(opened, standard)
    sys.exit(main(words))
