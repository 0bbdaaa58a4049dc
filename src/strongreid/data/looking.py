"""Decoding every file of a set once, on all cores and in constant memory, and keeping what a check needs of it.

Of each image, a file or a box of one, that is how sharp it is and a small grey picture of it: near copies show by it.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from strongreid.data.decoding import available_cores
from strongreid.data.table import ImageTable
from strongreid.data.track_weights import sharpness
from strongreid.errors import InputError
from strongreid.pixels import read_image

IMAGES_AT_ONCE = 256
"""Images handed to the decoding threads at a time, so that memory stays constant."""
SHARPNESS_SIZE = (128, 64)
"""Height and width that larger images are brought to before their sharpness is measured, as a network sees them."""
SMALL_SIZE = (16, 8)
"""Height and width of the small grey picture."""

Box = tuple[int, int, int, int] | None
"""x, y, width, height; None for a whole file."""


@dataclass(frozen=True)
class Look:
    """What one image looks like.

    Attributes:
        sharpness: variance of the Laplacian of its grey values 0..255, at `SHARPNESS_SIZE` at most.
        small: itself in grey, uint8 of `SMALL_SIZE`.
    """

    sharpness: float
    small: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Decoded:
    """What decoding one file told: its size, a hash of its pixels and its images' looks, or what is wrong with it."""

    size: tuple[int, int] = (0, 0)
    digest: bytes = b""
    problem: str = ""
    looks: Mapping[Box, Look] = field(default_factory=dict)


def decode_files(
    tables: Sequence[ImageTable], progress: Callable[[int, int], None] | None = None, *, looked_at: bool = False
) -> dict[str, Decoded]:
    """Decode every file of `tables` once: path to what it told, with its images' looks where they are `looked_at`.

    `progress` is called with (files decoded, files in all).
    """
    boxes: dict[str, set[Box]] = {}
    for table in tables:
        for path, box in zip(table.path, boxes_of(table), strict=True):
            boxes.setdefault(path, set()).add(box)
    paths, decoded = list(boxes), dict[str, Decoded]()

    def decode(path: str) -> Decoded:
        return _decode(path, boxes[path] if looked_at else ())

    with ThreadPoolExecutor(available_cores()) as pool:
        for start in range(0, len(paths), IMAGES_AT_ONCE):
            some = paths[start : start + IMAGES_AT_ONCE]
            decoded.update(zip(some, pool.map(decode, some), strict=True))
            if progress is not None:
                progress(len(decoded), len(paths))
    return decoded


def boxes_of(table: ImageTable) -> list[Box]:
    """Each image's box, None where it is a whole file."""
    if table.box is None:
        return [None] * len(table)
    return [(x, y, width, height) for x, y, width, height in table.box.tolist()]


def sizes_of(table: ImageTable, decoded: Mapping[str, Decoded]) -> npt.NDArray[np.int64]:
    """Height and width in pixels of each image, of its box if it has one as far as that lies in its frame: [N, 2].

    Both are 0 for what cannot be decoded; one is 0 or less for a box of which nothing lies in its frame.
    """
    frames = np.array([decoded[path].size for path in table.path], dtype=np.int64).reshape(-1, 2)
    if table.box is None:
        return frames
    start, extent = table.box[:, 1::-1], table.box[:, :1:-1]  # y, x and height, width
    inside: npt.NDArray[np.int64] = np.minimum(start + extent, frames) - np.maximum(start, 0)
    return inside


def look(pixels: npt.NDArray[np.uint8]) -> Look:
    """What an image, uint8 [3, H, W], looks like."""
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    small = np.asarray(image.convert("L").resize(SMALL_SIZE[::-1], Image.Resampling.BOX), dtype=np.uint8)
    size = (min(image.width, SHARPNESS_SIZE[1]), min(image.height, SHARPNESS_SIZE[0]))
    seen = np.asarray(image.resize(size, Image.Resampling.BOX)).transpose(2, 0, 1)
    return Look(float(sharpness(seen[None])[0]), small)


def _decode(path: str, boxes: Iterable[Box]) -> Decoded:
    try:
        pixels = read_image(path)
    except InputError as error:
        return Decoded(problem=str(error).removesuffix("."))
    size = (pixels.shape[1], pixels.shape[2])
    looks = dict[Box, Look]()
    for box in boxes:
        x, y, width, height = box or (0, 0, size[1], size[0])
        part = pixels[:, max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
        if part.size:
            looks[box] = look(part)
    # Of the pixels, not of the file: a copy saved again without loss is a copy too.
    digest = hashlib.blake2b(repr(size).encode() + pixels.tobytes(), digest_size=16).digest()
    return Decoded(size, digest, "", looks)
