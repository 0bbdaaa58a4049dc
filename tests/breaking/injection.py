"""A command that breaks at its n-th change of a file: killed before, within or after it, or refused by the disk.

Counted is each call that makes, writes, flushes, renames or removes something below a folder. Files written by Python
are counted write by write, safetensors' (written outside of Python) as one change each.
"""

import builtins
import errno
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import IO, Any, Literal

from safetensors import SafetensorError
from torch import Tensor

from strongreid.cli import main
from strongreid.models import weights
from tests.preloaded import preloaded

Effect = Literal["before", "within", "after", "full disk", "broken disk"]
"""Killed before, within or after the change; no space left from here on; an error of the device, once."""
KILLS: tuple[Effect, ...] = ("before", "within", "after")
REFUSALS: dict[Effect, int] = {"full disk": errno.ENOSPC, "broken disk": errno.EIO}


def start_broken(words: list[str], errors: Path, root: Path, at: int, effect: Effect, seen: Path) -> ForkServerProcess:
    """Start a command that breaks at its change number `at` below `root` (0: never); each is a line in `seen`."""
    process = preloaded().Process(target=_command, args=(words, errors, root, at, effect, seen))
    process.start()
    return process


def _command(words: list[str], errors: Path, root: Path, at: int, effect: Effect, seen: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    _install(_Breaker(root, at, effect, os.open(seen, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)))
    sys.exit(main(words))


class _Breaker:
    def __init__(self, root: Path, at: int, effect: Effect, seen: int) -> None:
        self.root, self.at, self.effect, self.seen, self.count = root.resolve(), at, effect, seen, 0
        self.write_seen = os.write

    def change(
        self,
        call: str,
        path: Any,
        work: Callable[[], Any],
        *,
        half: Callable[[], Any] | None = None,
        at: int | None = None,
    ) -> Any:
        """Do `work`, a change of `path` (below the folder with descriptor `at`), or break."""
        name = self.name(path, at)
        if not name.is_relative_to(self.root):
            return work()
        self.count += 1
        self.write_seen(self.seen, f"{call} {_label(name.relative_to(self.root))}\n".encode())
        if self.effect in REFUSALS and self.at:
            adds = call in ("open", "mkdir", "write", "save", "fsync")
            if (self.count >= self.at and adds) if self.effect == "full disk" else self.count == self.at:
                code = REFUSALS[self.effect]
                raise OSError(code, os.strerror(code), str(name))
        elif self.count == self.at:
            if self.effect == "within" and half is not None:
                half()
            if self.effect == "after":
                with suppress(OSError):  # such as a folder that is there already
                    work()
            os.kill(os.getpid(), signal.SIGKILL)
        return work()

    def name(self, path: Any, at: int | None) -> Path:
        """Return where a path, or an open file, is."""
        if isinstance(path, int):
            return Path(os.readlink(f"/proc/self/fd/{path}"))  # noqa: PTH115 - the plainest of calls, none of ours
        if at is not None:
            return Path(os.readlink(f"/proc/self/fd/{at}")) / os.fsdecode(path)  # noqa: PTH115
        return Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100


def _label(path: Path) -> str:
    """Return the end of a path without what differs from run to run."""
    plain = re.sub(r"\.partial-[0-9a-z]+", ".partial", "/".join(path.parts[-2:]))
    return re.sub(r"[0-9a-f]{32}|tfevents.*|\d+", "N", plain)


def _install(breaker: _Breaker) -> None:
    """Put the breaker between Python and the system."""

    def of_descriptor(call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda descriptor: breaker.change(call, descriptor, lambda: real(descriptor))

    def of_path(call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(path: Any, *more: Any, dir_fd: int | None = None, **named: Any) -> Any:
            given = {**named, **({} if dir_fd is None else {"dir_fd": dir_fd})}
            return breaker.change(call, path, lambda: real(path, *more, **given), at=dir_fd)

        return wrapped

    os_open, io_open, save_file = os.open, io.open, weights.save_file

    def opened_low(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if not flags & os.O_CREAT:
            return os_open(path, flags, *more, **named)
        descriptor: int = breaker.change("open", path, lambda: os_open(path, flags, *more, **named))
        return descriptor

    class Raw(io.FileIO):
        """A file whose writes are counted."""

        def write(self, data: Any, /) -> int:
            content = bytes(data)
            written: int = breaker.change(
                "write",
                self.fileno(),
                lambda: super(Raw, self).write(content),
                half=lambda: super(Raw, self).write(content[: len(content) // 2]),
            )
            return written

    def opened(file: Any, mode: str = "r", buffering: int = -1, *more: Any, **named: Any) -> IO[Any]:
        where = breaker.name(file, None)
        if not set(mode) & set("wax+") or not where.is_relative_to(breaker.root):
            return io_open(file, mode, buffering, *more, **named)
        plain = mode.replace("b", "").replace("t", "")
        raw: Raw = Raw(file, plain) if isinstance(file, int) else breaker.change("open", file, lambda: Raw(file, plain))
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        encoding = named.get("encoding") or (more[0] if more else None)
        errors = named.get("errors") or (more[1] if len(more) > 1 else None)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors)

    def saved(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
        def half() -> None:
            save_file(dict(tensors), path, metadata=dict(metadata))
            content = path.read_bytes()
            path.unlink()
            path.with_name(".tmpAbCdEf").write_bytes(content[: len(content) // 2])  # as safetensors leaves it

        try:
            breaker.change("save", path, lambda: save_file(dict(tensors), path, metadata=dict(metadata)), half=half)
        except OSError as error:
            raise SafetensorError(f"Error while serializing: {error.strerror}") from error

    os.fsync = of_descriptor("fsync", os.fsync)
    for name in ("rename", "replace", "mkdir", "rmdir", "unlink"):
        setattr(os, name, of_path(name, getattr(os, name)))
    os.open = opened_low  # type: ignore[assignment]
    io.open = builtins.open = opened  # type: ignore[assignment]
    weights.save_file = saved  # type: ignore[assignment]
