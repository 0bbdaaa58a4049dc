"""What all commands share: a parser made from a function, and how something is said on stderr."""

import os
import sys
from collections.abc import Callable

from jsonargparse import ArgumentParser


def parser_of(command: Callable[..., None], skip: set[str | int] | None = None) -> ArgumentParser:
    """Return a parser whose options are the arguments of `command`, explained by its docstring."""
    parser = ArgumentParser(description=(command.__doc__ or "").split("\n")[0], allow_abbrev=False)
    parser.add_function_arguments(command, as_positional=True, skip=skip, as_group=False)
    return parser


def first_process() -> bool:
    """Whether this is the only process, or under torchrun the first: the others leave saying things to it."""
    return int(os.environ.get("RANK", "0")) == 0


def complain(text: str) -> None:
    """Write one message to stderr."""
    print(f"strongreid: {text}".rstrip(), file=sys.stderr)  # noqa: T201 - the console is this function's purpose
