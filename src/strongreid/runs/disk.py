"""How much disk decoded images take, said before the first of them is written."""

import shutil
from pathlib import Path

from strongreid.errors import InputError
from strongreid.reports.console import Console


def tell_disk_need(needed: int, folder: Path, console: Console) -> None:
    """Say how many bytes decoded images will take in `folder`, which need not exist yet; nothing if there are none.

    Raises `InputError` where so many are not free.
    """
    if needed:
        there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        free = shutil.disk_usage(there).free
        said = f"Decoded images will take {_size(needed)} in {folder}, where {_size(free)} are free."
        if needed > free:
            raise InputError(f"{said} Make room there or choose another folder for them (data.cache, --cache).")
        console.say(f"{said} It is done once.")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
