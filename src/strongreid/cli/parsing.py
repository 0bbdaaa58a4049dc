"""What all commands share: a parser made from a function, and how something is said on stderr."""

import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr

from jsonargparse import ArgumentParser, Namespace

HEAD_START = 10.0
"""Seconds that the first process has for refusing what all of them refuse."""


def parser_of(command: Callable[..., None], skip: set[str | int] | None = None) -> ArgumentParser:
    """Return a parser whose options are the arguments of `command`, explained by its docstring."""
    parser = ArgumentParser(description=(command.__doc__ or "").split("\n")[0], allow_abbrev=False)
    parser.add_function_arguments(command, as_positional=True, skip=skip, as_group=False)
    return parser


def first_process() -> bool:
    """Whether this is the only process, or under torchrun the first: the others leave saying things to it."""
    return int(os.environ.get("RANK", "0")) == 0


def complain(text: str) -> None:
    """Write one message to stderr, after `wait_unless_rank_zero`."""
    wait_unless_rank_zero()
    print(f"strongreid: {text}".rstrip(), file=sys.stderr)  # noqa: T201 - the console is this function's purpose


def wait_unless_rank_zero() -> None:
    """Wait in all processes but the first one: when that ends with an error, torchrun ends the others.

    So what all of them refuse is said once, and what one alone refuses (its disk is full) is said too, a little later.
    """
    if not first_process():
        time.sleep(HEAD_START)


def parse(parser: ArgumentParser, words: Sequence[str]) -> Namespace:
    """Parse a command line; the parser's own refusal is said once too."""
    if first_process():
        return parser.parse_args(words)
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return parser.parse_args(words)
    except SystemExit:
        wait_unless_rank_zero()
        sys.stderr.write(said.getvalue())
        raise
