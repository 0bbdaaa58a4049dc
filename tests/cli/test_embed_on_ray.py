"""`strongreid embed --engine ray`: what it refuses, and, where Ray is installed, whole commands on this machine."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from strongreid.cli import main
from strongreid.gallery import Gallery

needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: pip install 'strongreid[cluster]'"
)
ON_RAY = "embed people.csv --to ray.gallery --engine ray --model run"


@pytest.fixture
def here(drawn: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a run, a table of people, and one where some are wrong or have another address."""
    (tmp_path / "run").symlink_to(trained)
    pictures = sorted((drawn / "bounding_box_test").glob("*.jpg"))
    rows = [f"{file},{file.name.split('_')[0]},{number % 3}" for number, file in enumerate(pictures)]
    (tmp_path / "people.csv").write_text("\n".join(["path,person,camera", *rows, ""]))
    wrong = ["none.jpg,1,1", "memory://room/none.jpg,1,1", f"file://{pictures[0]},2,1"]
    (tmp_path / "wrong.csv").write_text("\n".join(["path,person,camera", *rows[1:5], *wrong, ""]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("embed people.csv --model run", "Where shall the features go?"),
        ("embed people.csv --model run --to a.gallery", "strongreid gallery add run people.csv --to a.gallery"),
        ("embed people.csv --model run --engine ray", "--to ADDRESS"),
        ("embed people.csv --model run --engine ray -o x.npz", "to a gallery, not to a file such as x.npz"),
        ("embed people.csv --model run --engine ray --to a.gallery -o x.npz", "not to a file such as x.npz"),
        ("embed people.csv --model run -o x.npz --workers 2", "go with --engine ray"),
        ("embed people.csv --model run -o x.npz --address auto", "go with --engine ray"),
        ("embed people.csv --model run -o x.npz --thumbnails", "go with --engine ray"),
        (f"{ON_RAY} --workers 0", "--workers is 0"),
        (f"{ON_RAY} --workers 1000000", "--workers is 1000000"),
        ("embed none.csv --model run --engine ray --to a.gallery", "There is no none.csv"),
        ("embed people.csv --model none --engine ray --to a.gallery", "There is no none"),
        ("embed people.csv --engine ray --to a.gallery", "Which model?"),
    ],
)
@pytest.mark.usefixtures("here")
def test_faults_are_answered(capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not Path("a.gallery").exists()


@pytest.mark.usefixtures("here")
def test_without_ray_it_is_said_how_to_install_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_ray(name: str) -> object:
        return None if name == "ray" else find_spec(name)

    monkeypatch.setattr("strongreid.runs.ray_cluster.find_spec", no_ray)
    assert main(ON_RAY.split()) == 2
    assert "pip install 'strongreid[cluster]'" in capsys.readouterr().err


@needs_ray
@pytest.mark.usefixtures("here")
def test_the_gallery_is_the_one_that_gallery_add_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert started(ON_RAY).wait(240) == 0
    assert main(["gallery", "add", "run", "people.csv", "--to", "one.gallery"]) == 0
    assert contents("ray.gallery") == contents("one.gallery")
    assert np.abs(features("ray.gallery") - features("one.gallery")).max() < 1e-4
    before = sorted(Path("ray.gallery").rglob("*"))
    assert main(ON_RAY.split()) == 0  # all is there, so Ray need not start
    assert sorted(Path("ray.gallery").rglob("*")) == before
    assert "0 pictures added" in capsys.readouterr().err


@needs_ray
@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "nowhere", "ray://127.0.0.1:1", "[::1]:1", "local", ":6379", "auto"]
)
@pytest.mark.usefixtures("here")
def test_a_cluster_that_is_not_there_is_answered_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert main([*ON_RAY.split(), "--address", address]) == 2
    said = capsys.readouterr().err
    assert f"--address {address} cannot be joined" in said or f"--address is {address}" in said
    assert Gallery.open("ray.gallery").stats().count == 0


@needs_ray
def test_what_fails_is_listed_and_the_rest_is_added(here: Path) -> None:
    work = "embed wrong.csv --to ray.gallery --engine ray --model run --workers 1 --thumbnails"
    running = started(work, stderr=subprocess.PIPE)
    said = running.communicate(timeout=240)[1]
    assert running.returncode == 2
    assert "none.jpg: There is no image file" in said
    assert "memory://room/none.jpg: There is no memory://room/none.jpg" in said
    assert "2 of 7 pictures cannot be read" in said
    rows = list(Gallery.open("ray.gallery").rows())
    assert sum(map(len, rows)) == 5
    assert all(small is not None for part in rows for small in part.thumbnail)
    assert all(path.startswith("/") for part in rows for path in part.path)
    assert not [entry for entry in here.iterdir() if entry.name.startswith(("ray_", "session"))]


@needs_ray
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.usefixtures("here")
def test_stopped_at_any_time_it_goes_on_and_leaves_no_process(how: signal.Signals) -> None:
    running = started(ON_RAY, stderr=subprocess.PIPE)
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("Ray:"):
            break
    time.sleep(2)
    running.send_signal(how)
    running.communicate(timeout=60)
    assert running.returncode in ((-how,) if how == signal.SIGKILL else (130, 128 + how))
    assert eventually(lambda: not processes_of(running.pid))
    Gallery.open("ray.gallery").stats()
    assert started(ON_RAY).wait(240) == 0
    assert Gallery.open("ray.gallery").stats().count == len(Path("people.csv").read_text().splitlines()) - 1


def started(words: str, stderr: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
    """A command in a process and session of its own, whose number all its Ray's processes bear."""
    command = [sys.executable, "-m", "strongreid", *words.split()]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, text=True, start_new_session=True)


def processes_of(driver: int) -> list[int]:
    """Processes, still at work, of the Ray that a process started: its session's folder is named by that."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words, state = (folder / "cmdline").read_text(), (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z" and f"_{driver}/" in words + "/":
            found.append(int(folder.name))
    return found


def eventually(holds: Callable[[], bool], seconds: float = 90) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def contents(address: str) -> list[tuple[object, ...]]:
    rows = list(Gallery.open(address).rows())
    names = ("path", "person", "camera", "time", "track")
    return sorted(
        zip(*(np.concatenate([getattr(part, name) for part in rows]).tolist() for name in names), strict=True)
    )


def features(address: str) -> np.ndarray:  # type: ignore[type-arg]
    rows = list(Gallery.open(address).rows())
    paths, vectors = (np.concatenate([getattr(part, name) for part in rows]) for name in ("path", "features"))
    return vectors[np.argsort(paths)]
