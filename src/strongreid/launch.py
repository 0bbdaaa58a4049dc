"""How this process was started: alone, or by torchrun as one of several. The one place that reads its variables."""

import os
from dataclasses import dataclass

from strongreid.errors import InputError


@dataclass(frozen=True)
class Launch:
    """This process among those that were started together."""

    rank: int = 0
    """Its number among all processes, from 0."""
    processes: int = 1
    """How many there are."""
    local_processes: int = 1
    """How many of them are on this machine."""

    @property
    def first(self) -> bool:
        """Whether it is the first: the one that writes files and says what happens."""
        return self.rank == 0


def read_launch() -> Launch:
    """Return what torchrun put into the environment; `InputError` where it holds anything but numbers that fit."""
    launch = Launch(_number("RANK", 0), _number("WORLD_SIZE", 1), _number("LOCAL_WORLD_SIZE", 1))
    _number("LOCAL_RANK", 0)
    if launch.rank >= max(launch.processes, 1) or not 1 <= launch.local_processes <= launch.processes:
        raise InputError(
            f"RANK is {launch.rank}, WORLD_SIZE {launch.processes} and LOCAL_WORLD_SIZE {launch.local_processes} in "
            "the environment, which do not fit together. Start the command by torchrun, or unset them."
        )
    return launch


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(
            f"The environment variable {variable} is {text!r}; torchrun sets it to a whole number. "
            f"Start the command by torchrun, or without it: unset {variable}."
        )
    return int(text)
