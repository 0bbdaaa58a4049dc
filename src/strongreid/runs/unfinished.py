"""Features that were computed before a command was stopped: kept beside its output until that is whole.

One file of records, a picture each: a key and its features. The key is of all that makes a picture the same one (where
it lies, size, time stamp, box), so that pictures may be added, replaced or removed before the command goes on. Each
batch is flushed to the disk; of a record that is cut short nothing is read.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, final

import numpy as np
import numpy.typing as npt

from strongreid.data import ImageTable
from strongreid.files import open_to_append

_KEY_BYTES: Final = 16
_VERSION: Final = b"strongreid unfinished features 1 "


def picture_key(images: ImageTable, row: int) -> bytes:
    """What tells a picture from others, and from what it was before it was changed; empty where there is none."""
    path = os.path.abspath(images.path[row])  # noqa: PTH100 - speed
    try:
        status = os.stat(path)  # noqa: PTH116 - speed
    except (OSError, ValueError):
        return b""
    box = b"" if images.box is None else images.box[row].astype("<i8").tobytes()
    what = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape") + box
    return hashlib.blake2b(what, digest_size=_KEY_BYTES).digest()


@final
class UnfinishedFeatures:
    """Features that are kept in a file, for `width` numbers each of the model with that `fingerprint`.

    What another model left in the file is dropped. Use as a context; `OSError` where the file cannot be written.
    """

    def __init__(self, path: Path, fingerprint: str, width: int) -> None:
        self.path = path
        self._record = np.dtype([("key", f"V{_KEY_BYTES}"), ("features", "<f4", (width,))])
        header = _VERSION + f"{fingerprint} {width}\n".encode()
        self._start = len(header)
        self._stream = open_to_append(path)
        with path.open("rb") as before:
            known = before.read(len(header)) == header
        if not known:
            self._stream.truncate(0)
            self._stream.write(header)
            self._stream.flush()
        size = os.fstat(self._stream.fileno()).st_size - self._start
        self._stream.truncate(self._start + size // self._record.itemsize * self._record.itemsize)
        keys = self._records()["key"].tolist()
        self._count = len(keys)
        self._at = {key: number for number, key in enumerate(keys)}
        """Where each picture's record is."""

    def __contains__(self, key: bytes) -> bool:
        return key in self._at

    def __enter__(self) -> "UnfinishedFeatures":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def add(self, keys: Sequence[bytes], features: npt.NDArray[np.float32]) -> None:
        """Keep features [n, width] of pictures."""
        records = np.empty(len(keys), dtype=self._record)
        records["key"] = np.frombuffer(b"".join(keys), dtype=f"V{_KEY_BYTES}")
        records["features"] = features
        self._stream.write(records.tobytes())
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._at |= {key: self._count + number for number, key in enumerate(keys)}
        self._count += len(keys)

    def take(self, keys: Sequence[bytes]) -> npt.NDArray[np.float32]:
        """Return the features of pictures that are kept, float32 [n, width]."""
        found: npt.NDArray[np.float32] = self._records()["features"][[self._at[key] for key in keys]]
        return found

    def _records(self) -> npt.NDArray[np.void]:
        if os.fstat(self._stream.fileno()).st_size <= self._start:
            return np.empty(0, dtype=self._record)
        return np.memmap(self.path, dtype=self._record, mode="r", offset=self._start)
