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
    context.set_forkserver_preload(["strongreid.tables.fill", "tests.training.one_process", __name__])
    return context


def start_command(words: list[str], errors: Path) -> ForkServerProcess:
    """Start the command `strongreid WORDS` in a process of its own; its standard error goes to a file."""
    process = preloaded().Process(target=_command, args=(words, errors))
    process.start()
    return process


def _command(words: list[str], errors: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the shell that runs the tests ignores
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    sys.exit(main(words))
