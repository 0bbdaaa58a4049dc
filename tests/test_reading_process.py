"""A process that reads images for another: the same pixels, the same errors, and it never outlives who started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strongreid.errors import InputError
from strongreid.pixels import read_images, reading_process
from strongreid.pixels.reading_process import ReadingProcess

SIZE = (24, 12)
LIMIT_S = 60


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """Photographs of odd names, sizes and formats, one twice."""
    rng = np.random.default_rng(0)
    names = ["a.jpg", "two words.png", "new\nline.png", 'quoted".bmp', "ä.gif", os.fsdecode(b"\xff.jpg"), "a.jpg"]
    for name in names:
        pixels = rng.integers(0, 256, (*rng.integers(20, 60, 2), 3), dtype=np.uint8)
        with (tmp_path / name).open("wb") as file:
            Image.fromarray(pixels).save(file, {"jpg": "jpeg"}.get(name[-3:], name[-3:]))
    return [str(tmp_path / name) for name in names]


@pytest.fixture
def process() -> Iterator[ReadingProcess]:
    opened = ReadingProcess()
    yield opened
    opened.close()


def test_it_reads_the_same_pixels(process: ReadingProcess, images: list[str]) -> None:
    boxes = np.array(
        [[0, 0, 9, 9], [-5, 2, 9, 30], [3, 3, 90, 90], [1, 0, 4, 4], [0, 5, 7, 9], [2, 2, 3, 3], [5, 5, 5, 5]]
    )
    for _ in range(2):
        for count in (len(images), 1, 0):
            for cut in (None, boxes[:count]):
                for way in ("bilinear", "bicubic"):
                    expected = read_images(images[:count], cut, SIZE, way)
                    assert np.array_equal(process.read(images[:count], cut, SIZE, way), expected)


def test_what_it_cannot_read_is_said_and_it_goes_on(process: ReadingProcess, images: list[str]) -> None:
    Path(images[3]).write_bytes(b"damaged")
    with pytest.raises(InputError, match=r'quoted"\.bmp cannot be decoded'):
        process.read(images, None, SIZE)
    with pytest.raises(InputError, match="lies outside"):
        process.read(images[:1], np.array([[900, 0, 5, 5]]), SIZE)
    assert np.array_equal(process.read(images[:3], None, SIZE), read_images(images[:3], None, SIZE))


def test_all_is_read_though_it_dies(process: ReadingProcess, images: list[str]) -> None:
    for _ in range(3):
        assert np.array_equal(process.read(images, None, SIZE), read_images(images, None, SIZE))
        process._process.kill()
    process._process.wait()
    assert np.array_equal(process.read(images, None, SIZE), read_images(images, None, SIZE))
    process.close()
    assert np.array_equal(process.read(images, None, SIZE), read_images(images, None, SIZE))


HOLD = """
import sys, time
from strongreid.pixels.reading_process import ReadingProcess
process = ReadingProcess()
process.read(sys.argv[1:], None, (8, 4))
print(process._process.pid, flush=True)
time.sleep(60)
"""


def test_it_ends_with_the_process_that_started_it(images: list[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, images[0]], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        reader = int(holder.stdout.readline())
        assert is_alive(reader)
        holder.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + LIMIT_S
    while is_alive(reader):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_it_does_not_wait_for_pytorch() -> None:
    script = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script, reading_process.__file__],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "strongreid.pixels.reading" in loaded
    assert "torch" not in loaded
