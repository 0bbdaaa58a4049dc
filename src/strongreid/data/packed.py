"""Images decoded and resized once, then read by row from one memory-mapped file.

Resizing comes before every random step of the augmentation, so doing it once changes no pixel: each row is byte for
byte `torchvision.transforms.Resize` on the RGB PIL image. The file's name holds what it was made from: the table's
fingerprint with the files' time stamps, and the size. It is written beside its place and renamed, so a file under its
name is whole.
"""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.data.table import ImageTable
from strongreid.errors import InputError
from strongreid.files import whole_file
from strongreid.pixels import read_image


class PackedImages:
    """N images as uint8 [N, 3, H, W] in a memory-mapped file; `packed[indices]` gathers a batch.

    Make it with `PackedImages.build`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Copy on write, because torch wants writable memory; nothing writes.
        self._pixels: npt.NDArray[np.uint8] = np.lib.format.open_memmap(path, mode="c")

    @classmethod
    def build(
        cls,
        table: ImageTable,
        size: tuple[int, int],
        folder: Path,
        progress: Callable[[int, int], None] | None = None,
    ) -> "PackedImages":
        """Pack the images of `table` at `size` (height, width) into `folder`, or reuse the pack that is there.

        `progress` is called with (images done, images in all). Raises `InputError` with its path for an image that
        cannot be read; nothing is left behind then.
        """
        if not len(table):
            raise InputError("There are no images to pack: the table is empty.")
        path = folder / f"{_key(table)}-{size[0]}x{size[1]}.npy"
        if not path.exists():
            with whole_file(path) as partial:
                _decode_all(table, size, partial, progress)
        return cls(path)

    def __len__(self) -> int:
        return len(self._pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every image in pixels."""
        return self._pixels.shape[2], self._pixels.shape[3]

    def __getitem__(self, indices: npt.NDArray[np.int64]) -> Tensor:
        """Gather the rows `indices` (int64 [B]): uint8 [B, 3, H, W] in memory of its own."""
        return torch.from_numpy(self._pixels).index_select(0, torch.as_tensor(indices, dtype=torch.int64))


def _key(table: ImageTable) -> str:
    changed = np.array([status.st_mtime_ns for status in table.file_status()], dtype="<i8")
    return hashlib.sha256(table.fingerprint().encode() + changed.tobytes()).hexdigest()[:32]


def _decode_all(
    table: ImageTable, size: tuple[int, int], path: Path, progress: Callable[[int, int], None] | None
) -> None:
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(table), 3, *size))

    def decode(row: int) -> None:
        pixels[row] = read_image(table.path[row], size)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(decode, range(len(table))), start=1):
            if progress is not None:
                progress(done, len(table))
    pixels.flush()
