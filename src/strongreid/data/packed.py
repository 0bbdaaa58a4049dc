"""Images decoded and resized once, then read by row from one memory-mapped file.

Resizing comes before every random step of the augmentation, so doing it once changes no pixel: each row is byte for
byte `torchvision.transforms.Resize` on the RGB PIL image. The file's name holds what it was made from: the table's
fingerprint together with the files' time stamps, how they are decoded and resized, and the size. So a replaced image
gives another pack.

Building: all cores decode, a process each, rows are appended in order to a partial file and the finished file is
renamed. The length of a partial file therefore says what is done, and an interrupted build goes on there. One process
of a host builds; others that want a pack in the same folder wait on a lock of that folder, which the system releases
when the builder dies. Where the file system has no locks, each builds its own file.
"""

import hashlib
import io
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.data.decoding import decoded_rows
from strongreid.data.table import ImageTable
from strongreid.errors import InputError
from strongreid.files import make_folder, only_process, open_to_append, sync
from strongreid.pixels import Interpolation

DECODING = 2
"""How files become pixels. It is raised where `read_image` gives other pixels of some, so that old packs are not read:
2 turns photographs upright and scales 16-bit grey.
"""

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""
KEPT_SECONDS = 7 * 24 * 3600
"""How long a build that was interrupted may be gone on with."""


class PackedImages:
    """N images as uint8 [N, 3, H, W] in a memory-mapped file; `packed[indices]` gathers a batch.

    Made by `PackedImages.build`, or by `PackedImages(pixels)` from a tensor uint8 [N, 3, H, W].
    """

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    @classmethod
    def build(
        cls,
        table: ImageTable,
        size: tuple[int, int],
        folder: Path,
        progress: Progress | None = None,
        interpolation: Interpolation = "bilinear",
    ) -> "PackedImages":
        """Pack the images of `table` at `size` (height, width) into `folder`, or reuse the pack that is there.

        Needs `pack_bytes(table, size)` bytes of disk and constant memory. Raises `InputError` when the disk is too
        small and, with its path, for an image that cannot be read; nothing is left behind then.
        """
        path = pack_path(table, size, folder, interpolation)
        if not _is_whole(path, len(table), size):
            make_folder(folder)
            with only_process(folder) as alone:
                if alone:
                    _remove_old_partials(folder)
                if not _is_whole(path, len(table), size):
                    partial = _partial(path) if alone else path.with_name(f".{path.name}.{secrets.token_hex(8)}")
                    _write(table, size, interpolation, path, partial, progress)
        # Copy on write, because torch asks for memory that may be written; nothing writes.
        return cls(torch.from_numpy(np.lib.format.open_memmap(path, mode="c")))

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every image in pixels."""
        return self.pixels.shape[2], self.pixels.shape[3]

    def __getitem__(self, indices: npt.NDArray[np.int64]) -> Tensor:
        """Gather the rows `indices` (int64 [B]) in that order: uint8 [B, 3, H, W], a copy, on the pack's device."""
        rows = np.ascontiguousarray(indices, dtype=np.int64)
        if self.pixels.device.type == "cpu":
            # By NumPy: PyTorch's threads would meet after each image, which is slow where the cores are busy.
            return torch.from_numpy(self.pixels.numpy()[rows])
        return self.pixels.index_select(0, torch.from_numpy(rows).to(self.pixels.device, non_blocking=True))

    def to(self, device: torch.device | str) -> "PackedImages":
        """The same images in the memory of `device`: on a GPU batches are then gathered there."""
        return PackedImages(self.pixels.to(device))

    def on_gpu_if_it_fits(self, device: torch.device) -> "PackedImages":
        """The images where a training on `device` reads them fastest: in a GPU's memory if they fit, else as here."""
        if device.type != "cuda" or not fits_on_device(self.pixels.numel(), torch.cuda.mem_get_info(device)[0]):
            return self
        return self.to(device)


def fits_on_device(images: int, free: int) -> bool:
    """Whether images of so many bytes may live on a GPU with so many bytes free: half is left to the network."""
    return images <= free // 2


def pack_bytes(table: ImageTable, size: tuple[int, int]) -> int:
    """How many bytes of disk a pack of `table` at `size` (height, width) needs."""
    return len(_header(len(table), size)) + len(table) * _row_bytes(size)


def bytes_to_pack(
    tables: Sequence[ImageTable], size: tuple[int, int], folder: Path, interpolation: Interpolation = "bilinear"
) -> int:
    """How many bytes more the packs of `tables` will take in `folder`, beside what is there of them already.

    Errors as in `pack_path`.
    """
    return sum(_missing_bytes(table, size, pack_path(table, size, folder, interpolation)) for table in tables)


def _missing_bytes(table: ImageTable, size: tuple[int, int], path: Path) -> int:
    if _is_whole(path, len(table), size):
        return 0
    try:
        done = _partial(path).stat().st_size
    except FileNotFoundError:
        done = 0
    return max(pack_bytes(table, size) - done, 0)


def pack_path(
    table: ImageTable, size: tuple[int, int], folder: Path, interpolation: Interpolation = "bilinear"
) -> Path:
    """Where `PackedImages.build` puts the pack. Raises `InputError` for an empty table or a missing file."""
    if not len(table):
        raise InputError("There are no images to pack: the table is empty.")
    if min(size) < 1:
        raise InputError(f"Images cannot be packed at {size[0]} x {size[1]} pixels; both must be at least 1.")
    status = table.file_status()
    changed = np.array([entry.st_mtime_ns for entry in status], dtype="<i8")
    content = table.fingerprint(status).encode() + changed.tobytes() + bytes([DECODING])
    if interpolation != "bilinear":  # which older packs do not name
        content += interpolation.encode()
    key = hashlib.sha256(content).hexdigest()[:32]
    return folder / f"{key}-{size[0]}x{size[1]}.npy"


def _partial(path: Path) -> Path:
    """Where a pack grows until it is whole."""
    return path.with_name(f".{path.name}.partial")


def _row_bytes(size: tuple[int, int]) -> int:
    return 3 * size[0] * size[1]


def _header(count: int, size: tuple[int, int]) -> bytes:
    """NumPy's own header, so that `numpy.load` reads a pack too."""
    stream = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (count, 3, *size)}
    np.lib.format.write_array_header_1_0(stream, description)
    return stream.getvalue()


def _is_whole(path: Path, count: int, size: tuple[int, int]) -> bool:
    header = _header(count, size)
    try:
        with path.open("rb") as stream:
            same_header = stream.read(len(header)) == header
            return same_header and os.fstat(stream.fileno()).st_size == len(header) + count * _row_bytes(size)
    except FileNotFoundError:
        return False


def _remove_old_partials(folder: Path) -> None:
    """Remove what builds of other packs left long ago: no build of theirs is going on while this one holds the lock."""
    for partial in folder.glob(".*.npy.partial"):
        with suppress(OSError):  # another user's
            if time.time() - partial.lstat().st_mtime > KEPT_SECONDS:
                partial.unlink()


def _write(
    table: ImageTable,
    size: tuple[int, int],
    interpolation: Interpolation,
    path: Path,
    partial: Path,
    progress: Progress | None,
) -> None:
    """Append what is missing to the partial file, then rename it. An interruption leaves it for the next time."""
    header = _header(len(table), size)
    try:
        with open_to_append(partial) as stream:
            done = max(0, (stream.tell() - len(header)) // _row_bytes(size))
            done = min(done, len(table))
            _need_space(path.parent, (len(table) - done) * _row_bytes(size))
            stream.truncate(len(header) + done * _row_bytes(size) if done else 0)
            if not done:
                stream.write(header)
            for pixels in decoded_rows(table, size, done, interpolation):
                stream.write(pixels.data)
                done += len(pixels)
                if progress is not None:
                    progress(done, len(table))
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
        sync(path.parent)
    except (InputError, OSError) as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, InputError):
            raise
        raise InputError(f"The pack {path} cannot be written ({error.strerror}). Choose another folder.") from error


def _need_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"Packing needs {needed / 1e9:.2f} GB in {folder}, where {free / 1e9:.2f} GB are free. "
            "Make room there or choose another folder for packed images."
        )
