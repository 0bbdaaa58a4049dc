"""Writing: all or nothing, to the disk, readable by whom the umask says, and nothing but what was named."""

import errno
import fcntl
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.files import (
    atomic_file,
    atomic_folder,
    inside,
    path_part,
    remove_folder,
    require_target,
    sweep,
    write_json,
    write_text,
    writing,
)
from strongreid.files.writing import LONGEST_PART


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_json(target, {"mean_ap": 0.5})
    with pytest.raises(RuntimeError), atomic_file(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == '{\n  "mean_ap": 0.5\n}\n'
    assert list(tmp_path.iterdir()) == [target]


def test_nan_is_refused_in_json_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "result.json", {"mean_ap": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_names_that_utf8_cannot_say_are_written_and_read_again(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    write_json(tmp_path / "map.json", {name: "é"})
    assert b"caf\\udce9" in (tmp_path / "map.json").read_bytes()


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "run") as partial:
        (partial / "a").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(tmp_path / "run") as partial:
        (partial / "a").write_text("1")
        assert not (tmp_path / "run").exists()
    assert (tmp_path / "run" / "a").read_text() == "1"


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_folder_that_was_made_meanwhile_is_left_alone(tmp_path: Path, what: str) -> None:
    path = tmp_path / "run"
    with pytest.raises(InputError, match="another process made it meanwhile"), atomic_folder(path) as partial:
        (partial / "mine").write_text("1")
        if what == "file":
            path.write_text("theirs")
        else:
            path.mkdir()
            (path / "theirs").write_text("2")
    assert path.read_text() == "theirs" if what == "file" else [one.name for one in path.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [path]


def test_no_two_writers_share_a_temporary_path_whatever_their_process_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)  # as in every container
    with atomic_file(tmp_path / "a") as one, atomic_file(tmp_path / "a") as other:
        one.write_text("1")
        other.write_text("2")
    assert (tmp_path / "a").read_text() == "1"
    both = atomic_folder(tmp_path / "b"), atomic_folder(tmp_path / "b")
    with pytest.raises(InputError, match="meanwhile"), both[0] as one, both[1] as other:
        (one / "x").write_text("1")
        (other / "x").write_text("2")
    assert (tmp_path / "b" / "x").read_text() == "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_umask_decides_who_may_read(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with atomic_file(tmp_path / "weights") as partial:
            partial.write_text("1")
            partial.chmod(0o600)  # as libraries do that write temporary files of their own
        with atomic_folder(tmp_path / "folder") as folder:
            (folder / "a").write_text("1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "weights").stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o777 & ~umask


def test_all_is_on_the_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def name(path: str) -> str:
        return "partial" if ".partial-" in Path(path).name else Path(path).name

    def flushed(descriptor: int) -> None:
        done.append(f"fsync {name(str(Path(f'/proc/self/fd/{descriptor}').readlink()))}")
        fsync(descriptor)

    def moved(self: Path, target: Path) -> Path:
        done.append(f"rename {Path(target).name}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "rename", moved)
    monkeypatch.setattr(Path, "replace", moved)
    assert replace is not moved
    with atomic_file(tmp_path / "out" / "file") as partial:
        partial.write_text("1")
    assert done == ["fsync file", "rename file", "fsync out"]
    done.clear()
    with atomic_folder(tmp_path / "out" / "folder") as folder:
        (folder / "below").mkdir()
        (folder / "below" / "a").write_text("1")
        (folder / "b").write_text("1")
    assert done == ["fsync a", "fsync below", "fsync b", "fsync partial", "rename folder", "fsync out"]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_what_cannot_be_flushed_does_not_take_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match=os.strerror(code)), atomic_file(tmp_path / "file") as partial:
        partial.write_text("new")
    with pytest.raises(OSError, match=os.strerror(code)), atomic_folder(tmp_path / "folder"):
        pass
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_system_that_cannot_flush_folders_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", fails)
    write_text(tmp_path / "file", "1")
    assert (tmp_path / "file").read_text() == "1"


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "file").write_text("old")
    chain = {"direct": "there/file", "second": "direct", "dangling": "there/new", "folder": "there"}
    for name, target in chain.items():
        (tmp_path / name).symlink_to(target)
    for name in ("direct", "second", "dangling"):
        write_text(tmp_path / name, name)
        assert (tmp_path / name).read_text() == name
    write_text(tmp_path / "folder" / "below", "1")
    assert all((tmp_path / name).is_symlink() for name in chain)
    assert sorted(path.name for path in there.iterdir()) == ["below", "file", "new"]
    assert not (there / "file").is_symlink()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="too many levels of symbolic links"):
        write_text(tmp_path / "loop", "1")


def test_a_device_and_a_pipe_are_written_to_and_stay(tmp_path: Path) -> None:
    """The machine's own devices are never at the mercy of a test: root makes a node for it."""
    node, pipe, link = tmp_path / "null", tmp_path / "pipe", tmp_path / "link"
    if os.geteuid() == 0:
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        link.symlink_to(node)
    else:
        link.symlink_to(os.devnull)
    with suppress(PermissionError):  # a file system that is mounted without devices
        write_json(link, {"a": 1})
    assert link.is_symlink()
    assert stat.S_ISCHR(link.stat().st_mode)
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through the pipe")
    reader.join(20)
    assert got == ["through the pipe"]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(InputError, match="is a socket"):
            write_text(tmp_path / "socket", "1")


@pytest.mark.parametrize("path", ["link", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("where", ["pipe", "file"])
def test_standard_output_is_written_to_where_it_is(tmp_path: Path, path: str, where: str) -> None:
    if path == "link":  # as /dev/stdout is
        path = str(tmp_path / "link")
        Path(path).symlink_to("/proc/self/fd/1")
    if not Path(path).exists():
        pytest.skip(f"no {path} here")
    code = (
        "import sys; from pathlib import Path; from strongreid.files import write_text\n"
        "print('before', flush=True); write_text(Path(sys.argv[1]), 'written\\n'); print('after')"
    )
    command = [sys.executable, "-c", code, path]
    out = tmp_path / "out"
    if where == "pipe":
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    else:
        with out.open("w") as stream:
            stream.write("first\n")
            stream.flush()
            subprocess.run(command, check=True, stdout=stream)
        said = out.read_text().removeprefix("first\n")
    assert said == "before\nwritten\nafter\n"


def test_what_cannot_be_a_file_is_refused_at_once(
    tmp_path: Path, as_nobody: Callable[[Path], AbstractContextManager[None]]
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "private").mkdir(mode=0o755)
    cases = {
        tmp_path: "is a folder",
        tmp_path / "file" / "below": "not a directory",
        tmp_path / "file" / "far" / "below": "not a directory",
        tmp_path / ("a" * 300): "file name too long",
        tmp_path / "a\0b": "null (byte|character)",
        Path(): "is a folder",
    }
    for path, message in cases.items():
        with pytest.raises(InputError, match=message):
            require_target(path)
        with pytest.raises(InputError, match=message), atomic_file(path):
            pytest.fail("nothing may be begun")
    if os.geteuid() != 0:
        (tmp_path / "private").chmod(0o555)
    with as_nobody(tmp_path), pytest.raises(InputError, match="permission denied"):
        require_target(tmp_path / "private" / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_name_as_long_as_a_name_may_be_is_written(tmp_path: Path) -> None:
    for name in ("a" * 255, "é" * 127):
        write_text(tmp_path / name, "1")
        with atomic_folder(tmp_path / name[::-1].replace("a", "b").replace("é", "è")):
            pass
    assert len(list(tmp_path.iterdir())) == 4


def test_what_dead_writers_left_is_swept_and_what_live_ones_write_is_not(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("1")
    folder = tmp_path / "folder"
    folder.mkdir()
    dead, elder = folder / ".result.json.partial-0123abcd", folder / ".epoch-0009-step-00000.partial-4711"
    dead.mkdir()
    (dead / "result.json").write_text("half")
    elder.write_text("half, of a version that wrote files")
    (folder / ".other.partial-1").symlink_to(outside)
    foreign = {".vimrc", "result.json", ".hidden.partial", "a.partial-12", ".a.partial-not ours"}
    for name in foreign:
        (folder / name).write_text("1")
    with atomic_file(folder / "result.npz") as live, atomic_folder(folder / "run") as running:
        live.write_text("1")
        sweep(folder)
        assert live.exists()
        assert running.exists()
    assert {path.name for path in folder.iterdir()} == foreign | {".other.partial-1", "result.npz", "run"}
    assert (outside / "precious").exists()


def test_a_writer_sweeps_only_what_its_own_target_left(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f".{name}.partial-00").mkdir()
    write_text(tmp_path / "a", "1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.partial-00", "a"]


@pytest.mark.parametrize("moment", ["before it is open", "before it is locked"])
def test_a_writer_whose_new_folder_another_one_sweeps_makes_itself_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Between making its folder and locking it, a writer looks like a dead one to all that write the same file."""
    opened, locked, swept = os.open, fcntl.flock, list[str]()

    def sweep_once(when: str) -> None:
        if not swept and when == moment:
            swept.extend(path.name for path in tmp_path.iterdir())
            sweep(tmp_path)

    def open_late(path: str, *more: int, **options: Any) -> int:
        if Path(path).parent == tmp_path:
            sweep_once("before it is open")
        return opened(path, *more, **options)

    def lock_late(descriptor: int, operation: int) -> None:
        sweep_once("before it is locked")
        locked(descriptor, operation)

    monkeypatch.setattr(os, "open", open_late)
    monkeypatch.setattr(fcntl, "flock", lock_late)
    write_text(tmp_path / "a", "1")
    assert len(swept) == 1
    assert (tmp_path / "a").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_a_sweep_holds_locked_is_not_written_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep has the lock, and removes the folder only after the writer looked whether it is still there."""
    locked, sweeps = fcntl.flock, list[int]()

    def lock_second(descriptor: int, operation: int) -> None:
        if not sweeps:
            sweeps.append(os.open(next(tmp_path.iterdir()), os.O_RDONLY))
            locked(sweeps[0], operation)
        locked(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock_second)
    with atomic_file(tmp_path / "a") as partial:
        for name in list(tmp_path.iterdir()):
            if os.path.samestat(name.stat(), os.fstat(sweeps[0])):
                shutil.rmtree(name)
        partial.write_text("1")
    os.close(sweeps[0])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_another_command_removes_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swept, gone = writing.sweep, list[None]()

    def sweep_late(folder: Path, name: str | None = None) -> None:
        swept(folder, name)
        gone.append(folder.rmdir())

    monkeypatch.setattr(writing, "sweep", sweep_late)
    write_text(tmp_path / "runs" / "a", "1")
    assert (tmp_path / "runs" / "a").read_text() == "1"
    assert len(gone) == 1


def test_many_write_one_file_at_once_and_none_fails(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(100):
            write_text(tmp_path / "a", str(number) * 1000)
            assert len(set((tmp_path / "a").read_text())) == 1

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(8))) == [None] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_where_there_are_no_locks_all_is_written_and_nothing_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", unknown)
    (tmp_path / ".a.partial-00").mkdir()
    write_text(tmp_path / "a", "1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.partial-00", "a"]


def test_a_folder_is_removed_in_one_step_and_a_kill_leaves_what_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kept in (True, False):
        folder = tmp_path / "epoch-0001-step-00000"
        folder.mkdir()
        (folder / "a").write_text("1")
        with monkeypatch.context() as patch:
            if kept:
                patch.setattr(shutil, "rmtree", lambda path, ignore_errors: None)  # killed before it
            remove_folder(folder)
        assert not folder.exists()
        assert len(list(tmp_path.iterdir())) == kept
        sweep(tmp_path)
        assert list(tmp_path.iterdir()) == []


def test_nothing_in_a_folder_leads_elsewhere(tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    outside.write_text("precious")
    assert inside(run, "new") == run / "new"
    (run / "log.jsonl").write_text("1")
    (run / "checkpoints").mkdir()
    for name in ("log.jsonl", "checkpoints"):
        assert inside(run, name) == run / name
    (run / "link").symlink_to(outside)
    (run / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(run / "pipe")
    for name, what in {"link": "a link", "dangling": "a link", "pipe": "no regular file"}.items():
        with pytest.raises(InputError, match=rf"{name} is {what}.*remove {name} first"):
            inside(run, name)
    (tmp_path / "linked").symlink_to(run)
    assert inside(tmp_path / "linked", "log.jsonl").read_text() == "1"


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=400))
@example("")
@example(".")
@example("..")
@example("a/../../../evil")
@example("/etc/passwd")
@example("\udcff")
@example("a" * 1000)
@example("é" * LONGEST_PART)
@example("new\nline\x1b[31m")
def test_any_text_becomes_one_part_of_a_path(text: str) -> None:
    part = path_part(text)
    assert part not in ("", ".", "..")
    assert "/" not in part
    assert "\0" not in part
    assert part.isprintable() or set(part) <= set(text) | set("_-0123456789abcdef")
    assert not part.startswith(".")
    assert len(os.fsencode(part)) <= LONGEST_PART
    assert Path("base", part).parent == Path("base")
    assert path_part(part) == part


@given(st.lists(st.text(max_size=20) | st.sampled_from(["a/b", "a_b", "a\nb", ".a", "_a", "a" * 300]), unique=True))
def test_different_texts_become_different_parts(texts: list[str]) -> None:
    assert len({path_part(text) for text in texts}) == len(texts)


@pytest.mark.parametrize("name", ["own", "exp[1]", "Straße 3", "a+b=c,d", "人", "-1", "x" * LONGEST_PART, "a\\b"])
def test_a_name_that_is_one_already_stays(name: str) -> None:
    assert path_part(name) == name
