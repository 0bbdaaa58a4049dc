"""Locks: one process works, the others wait or are told who does, and death frees."""

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from strongreid.errors import InputError
from strongreid.files import only_process, refuse_second_process

LIMIT_S = 60


def no_warning(text: str) -> None:
    pytest.fail(text)


HOLD = """
import sys, time
from pathlib import Path
from strongreid.files import refuse_second_process
with refuse_second_process(Path(sys.argv[1]), "trains it", sys.exit):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_at_once_who_holds_it_and_death_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError) as caught, refuse_second_process(path, "trains it", no_warning):
            pytest.fail("it is held")
        holder.kill()
    said = str(caught.value)
    assert said.startswith(f"Process {holder.pid} on {socket.gethostname()}, since {time.strftime('%Y')}")
    assert said.endswith(" trains it. Wait until it is done, or stop it.")
    assert path.exists()
    with refuse_second_process(path, "trains it", no_warning):
        assert str(os.getpid()) in path.read_text()
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"{}", b'{"process": "x"}', b"\xff", b'"\\ud800"'])
def test_a_lock_file_that_anybody_wrote_is_only_a_lock(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ".lock"
    with refuse_second_process(path, "trains it", no_warning):
        path.write_bytes(content)
        with (
            pytest.raises(InputError, match="Another process trains it"),
            refuse_second_process(path, "trains it", no_warning),
        ):
            pytest.fail("it is held")


@pytest.mark.parametrize("times", [1, 20, 10**6])
def test_the_folder_of_a_lock_may_be_removed_by_other_commands_that_were_refused(
    times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, folder, gone = os.open, tmp_path / "runs", list[None]()

    def open_late(path: Path, *more: int) -> int:
        if len(gone) < times:
            gone.append(folder.rmdir())
        return opened(path, *more)

    monkeypatch.setattr(os, "open", open_late)
    if times > 1000:  # something is wrong with this file system
        with pytest.raises(InputError, match="cannot be opened"), refuse_second_process(folder / ".l", "", no_warning):
            pytest.fail("there is none")
        return
    with refuse_second_process(folder / ".lock", "trains it", no_warning):
        assert (folder / ".lock").exists()
    assert len(gone) == times


@pytest.mark.parametrize("kind", ["folder", "file", "nothing yet"])
def test_only_one_at_a_time_works_on_a_path_and_the_next_one_says_that_it_waits(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "folder":
        path.mkdir()
    if kind == "file":
        path.touch()
    waits, done = threading.Event(), threading.Event()

    def second() -> None:
        with only_process(path, waits.set) as alone:
            assert alone
            done.set()

    thread = threading.Thread(target=second)
    with only_process(path, lambda: pytest.fail("nobody else is at work")):
        thread.start()
        assert waits.wait(20)
        assert not done.wait(0.1)
    thread.join(20)
    assert done.is_set()
    assert path.is_dir() == (kind == "folder")
    assert path.exists() == (kind == "folder")  # a lock file goes with its last holder


def test_many_that_take_turns_are_never_two(tmp_path: Path) -> None:
    """The lock file is removed and made anew between them, and nobody may hold the removed one."""
    path, inside, most = tmp_path / "lock", 0, 0

    def take_turns() -> None:
        nonlocal inside, most
        for _ in range(50):
            with only_process(path):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    threads = [threading.Thread(target=take_turns) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert most == 1
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (tmp_path / ".lock").symlink_to(outside)
    with (
        pytest.raises(InputError, match="cannot be opened"),
        refuse_second_process(tmp_path / ".lock", "x", no_warning),
    ):
        pytest.fail("nothing may be begun")
    assert outside.read_text() == "precious"


def test_without_locks_the_work_goes_on_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", unknown)
    said: list[str] = []
    with refuse_second_process(tmp_path / ".lock", "trains it", said.append):
        pass
    assert len(said) == 1
    assert "cannot be locked (no locks available). Take care that no other process trains it." in said[0]
    with only_process(tmp_path) as alone:
        assert not alone
