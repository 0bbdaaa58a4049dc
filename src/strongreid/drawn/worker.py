"""What draws one file, and a process that draws many.

As a script (`python worker.py`) it reads a JSON list of jobs from its input and prints a line for each file drawn. It
loads this folder's modules without the packages around them, whose imports (torch) would cost each process seconds:
that is why the drawing modules import each other relatively.
"""

import json
import signal
import sys
import types
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    __package__ = "drawn"
    rooms = types.ModuleType(__package__)
    rooms.__path__ = [str(Path(__file__).parent)]
    sys.modules[__package__] = rooms

from .picture import draw_picture

QUALITY = 90
"""JPEG quality of the written files."""


@dataclass(frozen=True)
class Job:
    """One file: where it goes, and the arguments of `draw_picture`."""

    path: str
    seed: int
    domain: int
    number: int
    camera: int
    index: int
    junk: bool


def draw_file(job: Job) -> str:
    """Draw one image into a JPEG file; return its path."""
    image = draw_picture(job.seed, job.domain, job.number, job.camera, job.index, job.junk)
    image.save(job.path, "JPEG", quality=QUALITY)
    return job.path


def main() -> None:
    """Draw the jobs that come as JSON on the standard input."""
    # The parent alone answers Ctrl-C: it ends its children in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for job in json.load(sys.stdin):
        sys.stdout.write(draw_file(Job(**job)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
