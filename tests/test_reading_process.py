"""A process that reads images for another: the same pixels, the same errors, and it never outlives who started it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
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


def test_it_reads_the_same_pixels(process: ReadingProcess, images: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_process, "read_images", lambda *_: pytest.fail("it is read here"))
    boxes = np.array([[0, 0, 9, 9], [-5, 2, 9, 30], [3, 3, 90, 90], [1, 0, 4, 4], [0, 5, 7, 9], [2, 2, 3, 3], [5] * 4])
    for _ in range(2):
        for count in (len(images), 1, 0):
            for cut in (None, boxes[:count]):
                for way in ("bilinear", "bicubic"):
                    expected = read_images(images[:count], cut, SIZE, way)
                    assert np.array_equal(process.read(images[:count], cut, SIZE, way), expected)
    size = (np.int64(SIZE[0]), np.int64(SIZE[1]))  # as NumPy's users have it
    assert np.array_equal(process.read(images, None, size), read_images(images, None, SIZE))


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
    with pytest.raises(CancelledError):
        process.read(images, None, SIZE)


@pytest.mark.parametrize("noise", [b"hi", b"+", b"+" + bytes(300), b""])
def test_an_answer_that_is_not_understood_is_never_taken_for_another_ones(
    images: list[str], tmp_path: Path, noise: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What answers here says something once and then what it is asked, late by one."""
    script = tmp_path / "noisy.py"
    script.write_text(
        f"import sys\nsys.stdout.buffer.write({noise!r})\nfor _ in sys.stdin.buffer:\n"
        f"    sys.stdout.buffer.write(b'+' + bytes({len(images) * 3 * SIZE[0] * SIZE[1]}))\n    sys.stdout.flush()\n"
        f"    if {noise!r} == b'':\n        sys.exit()\n"
    )
    with monkeypatch.context() as patch:
        patch.setattr(reading_process, "__file__", str(script))
        process = ReadingProcess()
    answers = [process.read(images, None, SIZE) for _ in range(3)]
    process.close()
    wrong = [not np.array_equal(answer, read_images(images, None, SIZE)) for answer in answers]
    assert wrong == [noise != b"hi", False, False]  # the first one cannot tell what begins as an answer does


def test_a_process_that_is_stopped_for_a_while_answers_in_full(process: ReadingProcess, images: list[str]) -> None:
    """A write that is interrupted may have written less than it was given."""
    many, size, stop = images[:1] * 20, (1000, 500), threading.Event()

    def interrupt() -> None:
        while not stop.wait(0.01):
            for number in (signal.SIGSTOP, signal.SIGCONT):
                process._process.send_signal(number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        answers = [process.read(many, None, size) for _ in range(3)]
    finally:
        stop.set()
        thread.join()
    assert process._process.poll() is None
    assert all(np.array_equal(answer, read_images(many, None, size)) for answer in answers)


def test_where_python_cannot_be_started_the_caller_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for executable in (None, "", "/nowhere/python"):
        monkeypatch.setattr(sys, "executable", executable)
        with pytest.raises(OSError, match=r"interpreter|No such file"):
            ReadingProcess()


def test_it_runs_only_what_the_caller_would(images: list[str], tmp_path: Path) -> None:
    """Modules are looked for where this process looks, whatever the environment and the working folder say."""
    evil = tmp_path / "evil"
    evil.mkdir()
    for name in ("numpy", "PIL", "json", "sitecustomize", "resizing", "reading"):
        (evil / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    script = (
        "import pathlib, sys; sys.path[:] = [*eval(sys.argv[1]), pathlib.Path('x')]\n"
        "from strongreid.pixels import reading_process\n"
        "reading_process.read_images = None\n"
        "print(reading_process.ReadingProcess().read(sys.argv[2:], None, (8, 4)).sum())"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-c", script, repr(sys.path), *images[:2]],
        cwd=evil,
        env={**os.environ, "PYTHONPATH": str(evil)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(found.stdout) == read_images(images[:2], None, (8, 4)).sum()
    assert not (tmp_path / "executed").exists()


def test_ctrl_c_is_left_to_the_caller_and_no_thread_is_started(
    images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    process = ReadingProcess()
    process.read(images, None, SIZE)
    status = Path(f"/proc/{process._process.pid}/status").read_text()
    group = os.getpgid(process._process.pid)
    process.close()
    assert group != os.getpgid(0)
    assert "Threads:\t1\n" in status


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
    script = "import runpy, sys; runpy.run_path(sys.argv[0], run_name='__main__'); print(*sys.modules, file=sys.stderr)"
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.argv = {[reading_process.__file__, json.dumps(sys.path)]!r}; {script}",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    ).stderr.split()
    assert "strongreid.pixels.reading" in loaded
    assert "torch" not in loaded
