"""A process that reads images for another one, with an interpreter's lock of its own: so that all cores can be at work.

Threads are not enough: Pillow lets go of the lock while it decodes and resizes, but what Python does between takes as
long, and two threads that wait for each other are hardly faster than one, or slower where the cores are busy.

As a script it finds modules where the process that starts it does, and nowhere else, and loads this folder's without
the packages around them, whose imports (torch) take seconds. It ends when its input does, so with the one that asks,
however that dies.
"""

import io
import json
import os
import subprocess
import sys
import types
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path

if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[1])
    here = Path(__file__).parent
    for name, folder in (("strongreid", here.parent), ("strongreid.pixels", here)):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.pixels.reading import read_images
from strongreid.pixels.resizing import Interpolation

_DONE, _FAILED = b"+", b"-"


class ReadingProcess:
    """A process that `read` asks, from one thread at a time. Close it. Raises `OSError` where none can be started."""

    def __init__(self) -> None:
        if not sys.executable or getattr(sys, "frozen", False):
            raise FileNotFoundError("No Python interpreter to start.")
        self._closed = False
        places = [place for place in sys.path if isinstance(place, str)]  # as the import does: others are passed over
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, json.dumps(places)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # who asks reads again what it cannot read, and says what is wrong
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
        """What `read_images` returns or raises; read here what that process cannot, or all once it has died.

        Raises `CancelledError` where it is closed meanwhile.
        """
        question = {
            "images": list(images),
            "boxes": None if boxes is None else boxes.tolist(),
            "size": [int(side) for side in size],
            "interpolation": interpolation,
        }
        pixels = np.empty((len(images), 3, *size), dtype=np.uint8)
        if self._answers(json.dumps(question).encode() + b"\n", pixels):
            return pixels
        if self._closed:
            raise CancelledError
        return read_images(images, boxes, size, interpolation)

    def _answers(self, question: bytes, pixels: npt.NDArray[np.uint8]) -> bool:
        """Ask, and fill `pixels` with the answer, if there is one."""
        asked, answer = self._process.stdin, self._process.stdout
        assert isinstance(asked, io.BufferedWriter)
        assert isinstance(answer, io.BufferedReader)
        with suppress(OSError, ValueError):  # dead, or closed
            asked.write(question)
            asked.flush()
            mark = answer.read(1)
            if mark == _DONE and answer.readinto(pixels.data) == pixels.nbytes:
                return True
            if mark == _FAILED:
                return False
        self._process.kill()  # what would come next might belong to another question
        return False

    def close(self) -> None:
        """End the process, whatever it does."""
        self._closed = True
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(OSError):  # what was asked and not sent
                stream.close()


def _serve() -> None:
    """Answer each line of the standard input."""
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # nothing but answers goes there, whatever a library prints
        for line in sys.stdin.buffer:
            asked = json.loads(line)
            boxes = None if asked["boxes"] is None else np.array(asked["boxes"], dtype=np.int64)
            try:
                pixels = read_images(asked["images"], boxes, tuple(asked["size"]), asked["interpolation"])
            except InputError:
                answer.write(_FAILED)
            else:
                answer.write(_DONE)
                answer.write(pixels.data)
            answer.flush()


if __name__ == "__main__":
    _serve()
