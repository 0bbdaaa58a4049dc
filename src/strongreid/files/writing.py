"""Writing files and folders: atomic (temporary sibling, fsync, rename), and nothing but what was named.

A reader never meets half a file, however the writer ended: an exception, SIGKILL, a full disk, a power cut. The
temporary sibling of a file or folder is a folder `.NAME.partial-RANDOM`, made exclusively, so that no two writers share
one, and locked while its writer lives: what dead writers left is told by that, and swept by the next one. The umask
decides who may read what was written.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from strongreid.errors import InputError
from strongreid.files.locks import try_lock
from strongreid.files.system import make_folder, sync, why

LONGEST_PART: Final = 140
"""Most bytes of a name that `path_part` returns: with a suffix it fits into every file system."""
_PARTIAL: Final = re.compile(r"\.(?P<name>.+)\.partial-[0-9a-z]+", re.DOTALL)
_UNSAFE: Final = re.compile(r"^\.|[/\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MOST_LINKS: Final = 40


def path_part(text: str) -> str:
    """Return a file name for `text`: itself where it is one, else what is left of it with a hash of the whole.

    Never empty, hidden, longer than `LONGEST_PART` bytes or of more than one part; other texts give other names. Every
    name or label that becomes part of a path goes through here.
    """
    safe = _UNSAFE.sub("_", text)
    if safe == text and 0 < len(text.encode()) <= LONGEST_PART:
        return text
    key = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:10]
    return f"{_cut(safe, LONGEST_PART - 11)}-{key}" if safe else f"_-{key}"


def inside(folder: Path, name: str) -> Path:
    """Return `folder / name` for writing. `InputError` where a link or a device is there: no file leads elsewhere."""
    path = folder / name
    with suppress(FileNotFoundError):
        kind = path.lstat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            what = "a link" if stat.S_ISLNK(kind) else "no regular file"
            raise InputError(f"{path} is {what}. What is written in {folder} stays in it: remove {name} first.")
    return path


def require_target(path: Path) -> Path:
    """Return where `atomic_file(path)` would write: `path`, or what it links to. `InputError` where it cannot."""
    try:
        target, kind = _followed(path), stat.S_IFREG
        with suppress(FileNotFoundError):
            kind = target.stat().st_mode
        parent = next(parent for parent in target.parents if parent.exists())
        if stat.S_ISREG(kind) and not os.access(parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be written: {why(error)}. Name another file.") from error
    for wrong, what in ((stat.S_ISDIR, "a folder"), (stat.S_ISBLK, "a disk"), (stat.S_ISSOCK, "a socket")):
        if wrong(kind):
            raise InputError(f"{path} is {what}. Name a file to write.")
    return target


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success what was written there is flushed to the disk and becomes `path`.

    Where `path` is a link, the file it leads to is replaced and the link stays. What is no file (/dev/null, a pipe,
    /dev/stdout) is never replaced but written to. `InputError` for a folder.
    """
    target = require_target(path)
    if _is_stream(target):
        with tempfile.TemporaryDirectory() as folder:
            partial = Path(folder) / "written"
            yield partial
            with partial.open("rb") as source, os.fdopen(_open_stream(target), "wb") as sink:
                shutil.copyfileobj(source, sink)
        return
    make_folder(target.parent)
    with _partial_folder(target) as beside:
        partial = beside / target.name
        yield partial
        with suppress(PermissionError):  # a file system without modes
            partial.chmod(beside.stat().st_mode & 0o666)  # some libraries write for their user only
        sync(partial)
        partial.replace(target)
        sync(target.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; on success it is flushed to the disk and renamed to `path`, else removed.

    `path` must not exist yet (`InputError`): a folder cannot be replaced in one step.
    """
    target = Path(os.path.realpath(path))
    make_folder(target.parent)
    with _partial_folder(target) as partial:
        yield partial
        for folder, _, files in os.walk(partial, topdown=False):
            for name in files:
                sync(Path(folder) / name)
            sync(Path(folder))
        try:
            partial.rename(target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise InputError(f"{path} exists already: another process made it meanwhile.") from error
            raise
        sync(target.parent)


def remove_folder(path: Path) -> None:
    """Remove a folder of ours: it is gone in one step, and what a kill leaves of it is swept."""
    doomed = _partial_name(path)
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove what writers that died have left in `folder` (of the target `name`): ours by name, unlocked, no links."""
    wanted = None if name is None else _cut(name, LONGEST_PART)
    with suppress(OSError):  # no folder yet, or one that cannot be listed
        for entry in list(os.scandir(folder)):
            match = _PARTIAL.fullmatch(entry.name)
            if match and wanted in (None, match["name"]) and not entry.is_symlink():
                with suppress(OSError):  # another user's; or there are no locks, so its writer may live
                    _remove_if_dead(entry)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically. What UTF-8 cannot say (file names of other systems) is spelt out."""
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN is refused: it is not JSON."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def open_to_append(path: Path) -> BinaryIO:
    """Open a file of ours at its end, made where it is not there yet; `OSError` where it is a link."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o666), "ab")


@contextmanager
def _partial_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target` and hold its lock, after sweeping what dead writers of `target` have left."""
    sweep(target.parent, target.name)
    while (descriptor := _made(folder := _partial_name(target))) is None:
        pass  # another writer of `target`, who came just then, took it for a dead one's
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _made(folder: Path) -> int | None:
    """Make a folder and lock it, open; None where a sweep came between, which takes it away or is about to."""
    folder.mkdir(parents=True)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    ours = True
    with suppress(OSError):  # no locks here: then nobody sweeps either
        ours = try_lock(descriptor)
    if ours and folder.exists():
        return descriptor
    os.close(descriptor)
    return None


def _partial_name(target: Path) -> Path:
    return target.with_name(f".{_cut(target.name, LONGEST_PART)}.partial-{secrets.token_hex(8)}")


def _cut(text: str, most: int) -> str:
    """Return as much of `text` as fits into `most` bytes."""
    return os.fsencode(text)[:most].decode(errors="ignore")


def _remove_if_dead(entry: os.DirEntry[str]) -> None:
    descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if try_lock(descriptor):
            if entry.is_dir():
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink()
    finally:
        os.close(descriptor)


def _followed(path: Path) -> Path:
    """Follow the links at `path`, but not those of open files (/dev/stdout): these have no name of their own."""
    for _ in range(_MOST_LINKS):
        path = Path(os.path.realpath(path.parent)) / path.name
        if not path.is_symlink() or path.is_relative_to("/proc"):
            return path
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _is_stream(target: Path) -> bool:
    return target.is_relative_to("/proc") or (target.exists() and not target.is_file())


def _open_stream(target: Path) -> int:
    """Open what is no regular file for writing; one of this process's open files goes on where that one is."""
    if target.parent == Path(f"/proc/{os.getpid()}/fd"):
        return os.dup(int(target.name))
    return os.open(target, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC)
