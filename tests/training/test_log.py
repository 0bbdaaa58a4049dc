"""The log: cut to what counts, never padded, never through a link; TensorBoard's file may fail alone."""

import errno
import io
import json
import os
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from strongreid.errors import InputError
from strongreid.training import log as log_module
from strongreid.training.log import RunLog, read_log


def no_warning(text: str) -> None:
    pytest.fail(text)


def written(folder: Path, steps: int) -> int:
    with RunLog(folder, no_warning) as log:
        for step in range(1, steps + 1):
            log.write(step, {"epoch": 1, "total": step / 3})
        return log.sync()


def steps_of(folder: Path) -> list[float]:
    return [line["total_steps"] for line in read_log(folder)]


def test_a_resumed_log_goes_on_where_the_checkpoint_was(tmp_path: Path) -> None:
    kept = written(tmp_path, 3)
    with (tmp_path / "log.jsonl").open("ab") as stream:
        stream.write(b'{"total_steps": 4, "epoch": 1}\n{"total_st')
    with RunLog(tmp_path, no_warning, keep_bytes=kept, keep_steps=3) as log:
        assert log.sync() == kept
        log.write(4, {"epoch": 2, "total": 0.5})
    assert steps_of(tmp_path) == [1, 2, 3, 4]
    assert read_log(tmp_path)[-1] == {"total_steps": 4, "epoch": 2, "total": 0.5}


@pytest.mark.parametrize(
    "damage", ["cut", "cut within a line", "zeros at the end", "zeros within", "gone", "other JSON"]
)
def test_a_log_shorter_or_other_than_recorded_is_said_and_cut_never_padded(tmp_path: Path, damage: str) -> None:
    kept = written(tmp_path, 4)
    path = tmp_path / "log.jsonl"
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    path.write_bytes(
        {
            "cut": b"".join(lines[:2]),
            "cut within a line": b"".join(lines[:2]) + lines[2][:9],
            "zeros at the end": b"".join(lines[:2]) + b"\0" * (len(content) - len(lines[0] + lines[1])),
            "zeros within": b"".join(lines[:2]) + b"\0" * len(lines[2]) + lines[3],
            "gone": b"",
            "other JSON": b"".join(lines[:2]) + b'{"epoch": "one"}\n' + lines[3],
        }[damage]
    )
    if damage == "gone":
        path.unlink()
    said: list[str] = []
    with RunLog(tmp_path, said.append, keep_bytes=kept, keep_steps=4) as log:
        before = log.sync()
        log.write(5, {"epoch": 2})
    assert before == (0 if damage == "gone" else len(lines[0] + lines[1]))
    assert steps_of(tmp_path) == ([5] if damage == "gone" else [1, 2, 5])
    assert b"\0" not in path.read_bytes()
    (text,) = said
    assert f"of {kept} bytes logged before the checkpoint, {before} can be used" in text


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    outside.write_text("precious")
    (run / "log.jsonl").symlink_to(outside)
    with pytest.raises(InputError, match=r"log\.jsonl is a link"):
        RunLog(run, no_warning, keep_bytes=3)
    assert outside.read_text() == "precious"
    (run / "log.jsonl").unlink()
    (tmp_path / "folder").mkdir()
    (run / "tensorboard").symlink_to(tmp_path / "folder")
    said: list[str] = []
    with RunLog(run, said.append) as log:
        log.write(1, {"epoch": 1})
    assert len(said) == 1
    assert "tensorboard is a link" in said[0]
    assert list((tmp_path / "folder").iterdir()) == []
    assert steps_of(run) == [1]


@pytest.mark.parametrize(
    "content", [b"[]\n", b"{}\n", b"half\n", b"\xff\n", b"[" * 99_999 + b"\n", b'{"epoch": null}\n']
)
def test_a_line_that_no_log_has_is_named(tmp_path: Path, content: bytes) -> None:
    written(tmp_path, 1)
    with (tmp_path / "log.jsonl").open("ab") as stream:
        stream.write(content)
    with pytest.raises(InputError, match=r"^Line 2 of .*log\.jsonl is damaged"):
        read_log(tmp_path)


def test_tensorboard_shows_the_log_without_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    written(tmp_path, 9)
    kept = sum(map(len, (tmp_path / "log.jsonl").read_bytes().splitlines(keepends=True)[:5]))
    with RunLog(tmp_path, no_warning, keep_bytes=kept, keep_steps=5) as log:
        log.write(6, {"epoch": 1, "total": -1.0})
    shown = EventAccumulator(str(tmp_path / "tensorboard"))
    shown.Reload()
    assert shown.Tags()["scalars"] == ["epoch", "total"]
    events = shown.Scalars("total")
    assert [event.step for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event.value for event in events] == pytest.approx([*(step / 3 for step in range(1, 6)), -1.0])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("after", [0, 2, 5])
def test_tensorboards_file_fails_alone_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, after: int
) -> None:
    class Failing(io.FileIO):
        left = after

        def write(self, data: object) -> int:
            if "tfevents" in str(self.name):
                if not self.left:
                    raise OSError(code, os.strerror(code))
                self.left -= 1
            return super().write(data)  # type: ignore[arg-type]

    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, mode: io.BufferedWriter(Failing(path, "x")) if mode == "xb" else real(path, mode)
    )
    said: list[str] = []
    with RunLog(tmp_path, said.append) as log:
        for step in range(1, 10):
            log.write(step, {"epoch": 1})
        log.sync()
    monkeypatch.undo()
    assert steps_of(tmp_path) == list(range(1, 10))
    assert len(said) == 1
    assert os.strerror(code).lower() in said[0]


def test_a_file_in_place_of_tensorboards_folder_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("mine")
    said: list[str] = []
    with RunLog(tmp_path, said.append) as log:
        log.write(1, {"epoch": 1})
    assert len(said) == 1
    assert (tmp_path / "tensorboard").read_text() == "mine"


@pytest.mark.parametrize("when", ["write", "sync"])
def test_a_log_that_cannot_be_written_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with RunLog(tmp_path, no_warning) as log:
        log.write(1, {"epoch": 1})
        if when == "sync":
            monkeypatch.setattr(log_module.os, "fsync", full)
            with pytest.raises(InputError, match=f"no space left on device.*--resume {tmp_path}"):
                log.sync()
        else:
            stream = log._stream
            log._stream = type("Full", (), {"write": full, "close": stream.close})()
            with pytest.raises(InputError, match=f"no space left on device.*--resume {tmp_path}"):
                log.write(2, {"epoch": 1})
    assert [json.loads(line)["total_steps"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1]
