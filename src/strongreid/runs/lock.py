"""One process trains a run: its lock, what earlier ones left in its folder, and what may be written there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from strongreid.errors import InputError, command_line
from strongreid.files import inside, refuse_second_process, sweep
from strongreid.launch import read_launch
from strongreid.reports.console import Console

WRITTEN: Final = (
    "log.jsonl",
    "tensorboard",
    "checkpoints",
    "model.safetensors",
    "result.npz",
    "before.npz",
    "identification.npz",
    "result.json",
    "model.card.md",
)
"""What a training writes in its run's folder."""


@contextmanager
def lock_new_run(folder: Path, console: Console) -> Iterator[None]:
    """Hold the name of a run that is to be made; `InputError` where its folder exists or another process makes it.

    Under torchrun the first process does so for all.
    """
    lock = _lock_beside(folder)
    missing = [parent for parent in lock.parents if not parent.exists()]
    try:
        with _held(lock, folder, console):
            if folder.exists():
                with lock_run(folder, console):  # says who is at work in it, if anybody is
                    raise InputError(
                        f"{folder} exists already. Choose another --name, remove it, or go on with that run: "
                        f"{command_line('train', '--resume', folder)}"
                    )
            yield
    finally:
        with suppress(OSError):  # where the run was refused, the lock alone was in these
            for parent in missing:
                parent.rmdir()


@contextmanager
def lock_run(folder: Path, console: Console) -> Iterator[None]:
    """Hold a run's folder to train in it, clear of what dead processes left; `InputError` where another one does.

    Raises `InputError` too where something in the folder is a link: nothing is written through it. What could not be
    removed in the block (a disk that fails once) is swept at its end: nobody resumes a finished run, which would do it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder.")
    with _held(folder / ".lock", folder, console) as first:
        if first:
            for name in WRITTEN:
                inside(folder, name)
            _sweep(folder)
            if _lock_beside(folder).exists():
                with suppress(InputError), _held(_lock_beside(folder), folder, console):
                    pass  # left by a process that died: it goes now
        try:
            yield
        finally:
            if first:
                _sweep(folder)


def sweep_finished(folder: Path, console: Console) -> None:
    """Remove what a process left that was killed after it wrote the last file; nothing where another is at work."""
    if (folder / ".lock").exists():
        with suppress(InputError), lock_run(folder, console):
            pass


def _sweep(folder: Path) -> None:
    for part in (folder, folder / "checkpoints"):
        sweep(part)


def _lock_beside(folder: Path) -> Path:
    """Return where a run that has no folder yet is locked."""
    target = Path(os.path.realpath(folder))
    return target.with_name(f".{target.name}.lock")


@contextmanager
def _held(lock: Path, folder: Path, console: Console) -> Iterator[bool]:
    """Hold a lock in the first process; the others leave it to that one. Yields whether this is the first."""
    if not read_launch().first:
        yield False
        return
    with refuse_second_process(lock, f"trains {folder}", lambda text: console.say(f"Warning: {text}")):
        yield True
