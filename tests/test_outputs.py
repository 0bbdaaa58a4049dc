"""Every option that names a file to write: a link stays, its target is written, no device or folder is replaced."""

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from strongreid.cli import main
from strongreid.evaluation import Embeddings
from strongreid.models import ReIDModel

Writes = Callable[[Path, Path, Path], int]


def features() -> Embeddings:
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.normal(size=(12, 4)).astype(np.float32))
    return Embeddings(values, np.arange(12) % 3, np.arange(12) % 2)


def measured(command: str, option: str) -> Writes:
    def measure(path: Path, drawn: Path, trained: Path) -> int:
        files = [path.parent / f"{name}.npz" for name in ("query", "gallery")]
        for file in files:
            features().save(file)
        return main([command, "--embeddings", *map(str, files), "--same_camera=include", f"--{option}={path}"])

    return measure


def checked(path: Path, drawn: Path, trained: Path) -> int:
    return main(["data", "check", "market1501", str(drawn), f"--sheet={path}"])


def reported(path: Path, drawn: Path, trained: Path) -> int:
    return main(["report", str(trained), f"--output={path}"])


def saved_features(path: Path, drawn: Path, trained: Path) -> int:
    features().save(path)
    return 0


def saved_model(path: Path, drawn: Path, trained: Path) -> int:
    ReIDModel(backbone="resnet10_small", people=2, image_size=(64, 32)).save(path)
    return 0


def searched(option: str) -> Writes:
    def search(path: Path, drawn: Path, trained: Path) -> int:
        query = next((drawn / "query").glob("*.jpg"))
        return main(["search", str(query), "--in", str(drawn / "query"), "--model", str(trained), f"--{option}={path}"])

    return search


OPTIONS = {
    "json": (measured("evaluate", "json"), b"{"),
    "open_set_json": (measured("identify", "json"), b"{"),
    "open_set_result": (measured("identify", "result"), b"PK"),
    "sheet": (checked, b"\x89PNG"),
    "output": (reported, b"<!doctype html>"),
    "features": (saved_features, b"PK"),
    "model": (saved_model, None),
    "found_json": (searched("json"), b"{"),
    "found_page": (searched("html"), b"<!doctype html>"),
}


@pytest.mark.parametrize(("writes", "begins"), OPTIONS.values(), ids=OPTIONS)
def test_a_link_stays_and_its_target_is_written(
    tmp_path: Path, drawn: Path, trained: Path, writes: Writes, begins: bytes | None
) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to("there/target")
    assert writes(link, drawn, trained) == 0
    assert link.is_symlink()
    assert target.read_bytes() != b"old"
    assert begins is None or target.read_bytes().startswith(begins)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["target"]


@pytest.mark.parametrize(("writes", "begins"), OPTIONS.values(), ids=OPTIONS)
def test_a_pipe_gets_what_was_written_and_a_null_device_takes_it(
    tmp_path: Path, drawn: Path, trained: Path, writes: Writes, begins: bytes | None
) -> None:
    pipe, null = tmp_path / "pipe", tmp_path / "null"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    assert writes(pipe, drawn, trained) == 0
    reader.join(20)
    assert len(got[0]) > 100
    assert begins is None or got[0].startswith(begins)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    if os.geteuid() == 0:
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        assert writes(null, drawn, trained) in (0, 2)  # 2 where the file system has no devices
        assert stat.S_ISCHR(null.lstat().st_mode)


@pytest.mark.parametrize(
    "writes",
    [
        measured("evaluate", "json"),
        measured("identify", "result"),
        checked,
        reported,
        searched("json"),
        searched("html"),
    ],
)
def test_a_folder_is_refused(
    tmp_path: Path, drawn: Path, trained: Path, writes: Writes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    assert writes(tmp_path / "folder", drawn, trained) == 2
    assert "is a folder" in capsys.readouterr().err
    assert list((tmp_path / "folder").iterdir()) == []


def test_results_can_be_piped(tmp_path: Path, drawn: Path, trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    link = tmp_path / "stdout"  # as /dev/stdout is; that one is never at the mercy of a test
    link.symlink_to("/proc/self/fd/1")
    if not link.exists():
        pytest.skip("no /proc here")
    for name in ("query", "gallery"):
        features().save(tmp_path / f"{name}.npz")
    words = ["evaluate", "--embeddings", *(str(tmp_path / f"{name}.npz") for name in ("query", "gallery"))]
    assert main([*words, "--same_camera=include", f"--json={link}"]) == 0
    assert json.loads(capfd.readouterr().out)["valid_queries"] == 12
    assert link.is_symlink()
