"""One process trains a run, the others are told who does; nothing in the run leads elsewhere."""

import errno
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from strongreid.cli import main
from strongreid.config import Config
from strongreid.config_sections import DataConfig, SetConfig
from strongreid.errors import InputError
from strongreid.files import remove_folder
from strongreid.reports.console import Console
from strongreid.runs.lock import WRITTEN, lock_new_run, lock_run
from strongreid.runs.train import run_folder
from tests.preloaded import start_command

LIMIT_S = 120


def wait_for(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def signed(lock: Path, process: int | None) -> bool:
    return lock.is_file() and f'"process": {process},' in lock.read_text()


def test_the_second_training_of_a_name_and_the_second_resume_are_told_at_once_who_trains(
    train_words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, words = tmp_path / "runs", [*train_words, "--name=twice", "--schedule.epochs=500"]
    run = output / "twice"

    def refused(words: list[str]) -> None:
        capsys.readouterr()
        assert main(words) == 2
        said = capsys.readouterr().err
        assert f"Process {holder.pid} on {socket.gethostname()}, since {time.strftime('%Y')}" in said
        assert f"trains {run}" in said
        assert "Decoding" not in said

    for number in range(2):
        holder = start_command(words if number == 0 else ["train", "--resume", str(run)], tmp_path / "errors")
        try:
            if number == 0:
                wait_for(partial(signed, output / ".twice.lock", holder.pid))
                refused(words)
            wait_for(partial(signed, run / ".lock", holder.pid))
            refused(words)
            refused(["train", "--resume", str(run)])
            wait_for(lambda: any((run / "checkpoints").glob("epoch-*")))
        finally:
            holder.kill()
            holder.join(LIMIT_S)
        assert holder.exitcode == -signal.SIGKILL
    with lock_run(run, Console(quiet=True)):
        pass
    assert sorted(path.name for path in output.iterdir()) == ["packed", "twice"]
    assert not any(path.name.startswith(".") for path in run.rglob("*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_training_asked_to_stop_before_its_first_step_says_so_and_leaves_no_lock(
    train_words: list[str], tmp_path: Path, number: signal.Signals
) -> None:
    output, errors = tmp_path / "runs", tmp_path / "errors"
    training = start_command([*train_words, "--name=early"], errors)
    try:
        wait_for(partial(signed, output / ".early.lock", training.pid))
        assert training.pid is not None
        os.kill(training.pid, number)
        training.join(LIMIT_S)
    finally:
        training.kill()
    assert training.exitcode == 128 + number
    assert errors.read_text().splitlines()[-1].startswith("strongreid: stopped.")
    assert not list(output.glob(".*"))


@pytest.fixture
def unfinished(trained: Path, tmp_path: Path) -> Path:
    """A run whose result is missing."""
    run = Path(shutil.copytree(trained, tmp_path / "unfinished"))
    (run / "result.json").unlink()
    return run


@pytest.mark.parametrize("name", WRITTEN)
def test_nothing_is_written_through_a_link_in_a_run(
    unfinished: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    path = unfinished / name
    if path.exists():
        path.rename(outside)
    path.symlink_to(outside)
    before = {file: file.read_bytes() for file in (outside, *outside.rglob("*")) if file.is_file()}
    assert main(["train", "--resume", str(unfinished)]) == 2
    assert f"{name} is a link" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in (outside, *outside.rglob("*")) if file.is_file()} == before
    assert path.is_symlink()


def test_the_run_itself_may_be_a_link_and_its_lock_is_the_same(unfinished: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(unfinished)
    console = Console(quiet=True)
    with lock_run(unfinished, console), pytest.raises(InputError, match=f"trains {link}"), lock_run(link, console):
        pytest.fail("it is held")
    assert main(["train", "--resume", str(link)]) == 0
    assert (unfinished / "result.json").is_file()


def test_what_dead_processes_left_goes_with_the_next_one(unfinished: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    for number in range(6):
        left = unfinished / "checkpoints" / f".epoch-0001-step-0000{number}.partial-0{number}"
        left.mkdir()
        (left / "model.safetensors").write_bytes(b"half")
    (unfinished / ".model.safetensors.partial-00").mkdir()
    (unfinished / "checkpoints" / ".epoch-0009-step-00000.partial-00").symlink_to(outside)
    (unfinished / ".lock").write_text("of a dead process")
    (tmp_path / ".unfinished.lock").write_text("of a dead process")
    with lock_run(unfinished, Console(quiet=True)):
        assert [path.name for path in unfinished.iterdir() if path.name.startswith(".")] == [".lock"]
        assert len(list((unfinished / "checkpoints").iterdir())) == 2
    assert (outside / "precious").exists()
    assert not (unfinished / ".lock").exists()
    assert not (tmp_path / ".unfinished.lock").exists()


def test_what_a_disk_did_not_let_go_is_gone_at_the_end(unfinished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = unfinished / "checkpoints"
    (old,) = checkpoints.iterdir()
    with lock_run(unfinished, Console(quiet=True)):
        with monkeypatch.context() as broken:
            broken.setattr("os.unlink", raises_eio)
            remove_folder(old)
        assert [path.name.startswith(f".{old.name}.partial-") for path in checkpoints.iterdir()] == [True]
    assert list(checkpoints.iterdir()) == []


def raises_eio(*path: object, **more: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_new_run_that_is_refused_leaves_no_trace_and_one_that_exists_is_said(tmp_path: Path) -> None:
    console = Console(quiet=True)
    with pytest.raises(RuntimeError), lock_new_run(tmp_path / "new" / "runs" / "one", console):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "one").mkdir()
    with pytest.raises(InputError, match=r"exists already.*--resume"), lock_new_run(tmp_path / "one", console):
        pytest.fail("it is there")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert list((tmp_path / "one").iterdir()) == []


def test_under_torchrun_the_first_process_alone_holds_a_run(unfinished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(quiet=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with lock_run(unfinished, console):
        monkeypatch.setenv("RANK", "1")
        with lock_run(unfinished, console):
            assert (unfinished / ".lock").read_text().count(str(os.getpid())) == 1
        assert (unfinished / ".lock").exists()


@pytest.mark.parametrize("label", ["a/../../../evil", "/etc", "..", "new\nline", "x" * 300, "é" * 200, "\0"])
def test_a_label_cannot_lead_a_run_out_of_its_folder(label: str) -> None:
    data = DataConfig(root=Path("people"), joined=[SetConfig("folder", Path("own"), label=label)])
    folder = run_folder(Config(data=data, output=Path("runs")), "bag_of_tricks")
    assert folder.parent == Path("runs")
    assert folder.name.startswith("bag_of_tricks-market1501+")
    assert folder.name.isprintable()
    assert len(os.fsencode(folder.name)) < 200


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", ".hidden", "new\nline", "\x1b[31m", "x" * 300, "a\0"])
def test_a_name_that_is_no_folder_s_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="it must be a plain folder name"):
        Config(name=name)
