"""A process that reads images for another one, with an interpreter's lock of its own: so that all cores can be at work.

Threads are not enough: Pillow lets go of the lock while it decodes and resizes, but what Python does between takes as
long, and two threads that wait for each other are hardly faster than one, or slower where the cores are busy.

Run as a script it loads the modules of this folder without the package around them, whose imports (torch) take seconds.
It ends when its input does, so with the process that started it, however that dies.
"""

import io
import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

if __name__ == "__main__":
    folder = Path(__file__).parent
    sys.path[:] = [str(folder.parents[1]), *(path for path in sys.path if path != str(folder))]
    without_torch = types.ModuleType("strongreid.pixels")
    without_torch.__path__ = [str(folder)]
    sys.modules[without_torch.__name__] = without_torch

from strongreid.errors import InputError
from strongreid.pixels.reading import read_images
from strongreid.pixels.resizing import Interpolation

_DONE, _FAILED = b"+", b"-"


class ReadingProcess:
    """A process that `read` asks, from one thread at a time. Close it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # NumPy would start a thread for each core
            process_group=0,  # Ctrl-C is answered by the one who asks
        )

    def read(
        self,
        images: Sequence[str],
        boxes: npt.NDArray[np.int64] | None,
        size: tuple[int, int],
        interpolation: Interpolation = "bilinear",
    ) -> npt.NDArray[np.uint8]:
        """What `read_images` returns or raises; read here what that process cannot, or where it has died."""
        question = {
            "images": list(images),
            "boxes": None if boxes is None else boxes.tolist(),
            "size": size,
            "interpolation": interpolation,
        }
        asked, answer = self._process.stdin, self._process.stdout
        assert isinstance(asked, io.BufferedWriter)
        assert isinstance(answer, io.BufferedReader)
        pixels = np.empty((len(images), 3, *size), dtype=np.uint8)
        with suppress(OSError, ValueError):  # dead, or closed
            asked.write(json.dumps(question).encode() + b"\n")
            asked.flush()
            if answer.read(1) == _DONE and answer.readinto(pixels.data) == pixels.nbytes:
                return pixels
        return read_images(images, boxes, size, interpolation)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(OSError):  # what was asked and not sent
                stream.close()


def _answer(question: bytes) -> None:
    asked = json.loads(question)
    boxes = None if asked["boxes"] is None else np.array(asked["boxes"], dtype=np.int64)
    answer = sys.stdout.buffer
    try:
        pixels = read_images(asked["images"], boxes, tuple(asked["size"]), asked["interpolation"])
    except InputError:  # the one who asks finds out which, and says so
        answer.write(_FAILED)
    else:
        answer.write(_DONE)
        answer.write(pixels.data)
    answer.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody waits for the answer any more: end without a word
    for line in sys.stdin.buffer:
        _answer(line)
