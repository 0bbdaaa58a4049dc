"""The one place that opens an image.

Files are decoded by a few common formats only: Pillow's others are seldom tested, and one starts a program (a
PostScript file that is named person.jpg would run Ghostscript). What comes out is upright (EXIF's rotation is applied)
8-bit RGB; transparency is dropped, of several frames or pages the first is taken, and 16-bit grey is scaled by its bit
depth, where Pillow's own conversion makes it white.
"""

import io
import os
import stat
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from strongreid.errors import InputError
from strongreid.pixels.resizing import Interpolation, resize

FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),  # MPO is the JPEG of phones with several lenses
    "PNG": (".png", ".apng"),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "AVIF": (".avif",),
}
"""Formats that are decoded, by Pillow's names, and the endings of their files."""
MOST_PIXELS = 89_478_485
"""Pixels of the largest image that is read, a quarter of a gigabyte: where Pillow begins to fear a bomb."""
DARKEST = 16
"""16-bit grey that stays below this part of its range is refused: with 8 bits it would be black."""


@dataclass(frozen=True)
class FetchedFile:
    """An image's file that was fetched from elsewhere."""

    address: str
    """Where it lies, for errors."""
    content: bytes


ImageSource = str | os.PathLike[str] | FetchedFile | Image.Image | npt.NDArray[np.uint8]
"""An image: its file, a PIL image, or uint8 [H, W, 3] in the order red, green, blue (OpenCV's order is the reverse)."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by EXIF's orientation."""


@cache
def decoded_formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow decodes; AVIF and WebP need libraries that it may lack."""
    Image.init()
    # A format without its library is known to OPEN all the same, but never to SAVE.
    return tuple(name for name in FORMATS if name in Image.OPEN and name in Image.SAVE)


@cache
def image_suffixes() -> tuple[str, ...]:
    """Endings, in small letters, of the files that `read_image` takes."""
    return tuple(suffix for name in decoded_formats() for suffix in FORMATS[name])


def read_image(
    image: ImageSource, size: tuple[int, int] | None = None, interpolation: Interpolation = "bilinear"
) -> npt.NDArray[np.uint8]:
    """Read one image as upright RGB, resized to `size` (height, width) in pixels if given: uint8 [3, H, W].

    A PIL image that is still its file, as `Image.open` gave it, is turned upright like that file; any other is taken
    as it lies in memory. Raises `InputError`, with the path, for a file that is missing, cut short, of another format
    than `FORMATS` or of more than `MOST_PIXELS`, and for values of no known range (32-bit integers, floats).
    """
    match image:
        case np.ndarray():
            return resize(_from_array(image), size, interpolation)
        case Image.Image():
            name = "PIL image"
        case FetchedFile():
            name = f"image {image.address}"
        case str() | os.PathLike():
            name = f"image {os.fspath(image)}"
        case other:
            raise InputError(f"An image is a path, a PIL image or uint8 [H, W, 3], not {type(other).__name__}.")
    try:
        if isinstance(image, Image.Image):
            return resize(_upright_rgb(image), size, interpolation)
        if isinstance(image, FetchedFile):
            with Image.open(io.BytesIO(image.content), formats=decoded_formats()) as opened:
                return resize(_upright_rgb(opened), size, interpolation)
        # A pipe would be waited for, and a device might never end.
        if not stat.S_ISREG(os.stat(image).st_mode):  # noqa: PTH116 - a Path an image costs more than the call
            raise ValueError("it is a folder or a device, not a file")
        # As a stream, because Pillow maps some TIFF files into memory and then turns them wrongly.
        with Path(image).open("rb") as stream, Image.open(stream, formats=decoded_formats()) as opened:
            return resize(_upright_rgb(opened), size, interpolation)
    except FileNotFoundError as error:
        path = Path(str(error.filename))
        dead = f": it is a link to {path.readlink()}, where nothing is" if path.is_symlink() else ""
        raise InputError(f"There is no image file {path}{dead}. Put it there or take it out of the set.") from error
    except Exception as error:  # a damaged file makes Pillow raise errors of almost any type
        raise InputError(f"The {name} cannot be {_failed(error)} or take it out of the data set.") from error


def read_images(
    images: Sequence[str],
    boxes: npt.NDArray[np.int64] | None,
    size: tuple[int, int],
    interpolation: Interpolation = "bilinear",
    source_of: Callable[[str], ImageSource] = str,
) -> npt.NDArray[np.uint8]:
    """Read images, or boxes of them, resized to `size` (height, width): uint8 [n, 3, H, W].

    images: the path of each. boxes: int64 [n, 4], x, y, width and height of what is cut out of each; None takes all of
    it. source_of: what is read for a path. Raises `InputError` as `read_image` does, and for a box outside its image.
    """
    pixels = np.empty((len(images), 3, *size), dtype=np.uint8)
    frame_path, frame = None, np.empty((3, 0, 0), dtype=np.uint8)
    for index, path in enumerate(images):
        if boxes is None:
            pixels[index] = read_image(source_of(path), size, interpolation)
            continue
        if path != frame_path:  # boxes of one frame usually follow one another
            frame_path, frame = path, read_image(source_of(path))
        pixels[index] = resize(_cut(frame, boxes[index], path), size, interpolation)
    return pixels


def _cut(frame: npt.NDArray[np.uint8], box: npt.NDArray[np.int64], path: str) -> Image.Image:
    """The part of `box` (x, y, width, height) that lies in the frame."""
    x, y, width, height = box.tolist()
    part = frame[:, max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
    if part.size == 0:
        raise InputError(
            f"The box {box.tolist()} (x, y, width, height) lies outside {path}, which has "
            f"{frame.shape[2]} x {frame.shape[1]} pixels. Take it out of the table."
        )
    return Image.fromarray(np.ascontiguousarray(part.transpose(1, 2, 0)))


def _failed(error: Exception) -> str:
    """What could not be done with a file, why, and half a sentence on what to do."""
    match error:
        case UnidentifiedImageError():
            reason = f"it is none of {', '.join(decoded_formats())}, or damaged at its beginning"
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            reason = f"it has more than {MOST_PIXELS:,} pixels: scale it down"
        case OSError(strerror=str(reason)):  # the system's own, so the file may be sound
            return f"read ({reason}). Make it readable"
        case _:
            reason = str(error) or type(error).__name__
    return f"decoded ({reason}). Replace the file"


def _from_array(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise InputError(
            f"The array {pixels.dtype} {list(pixels.shape)} is no image: it must be uint8 [H, W, 3], in the order red, "
            "green, blue."
        )
    return Image.fromarray(np.ascontiguousarray(pixels))


def _upright_rgb(image: Image.Image) -> Image.Image:
    """The image as 8-bit RGB, turned upright if it is still its file. Raises `ValueError` for what cannot be."""
    if not 0 < image.width * image.height <= MOST_PIXELS:
        raise ValueError(f"it has {image.width} x {image.height} pixels, not 1 to {MOST_PIXELS:,}: scale it down")
    image.load()  # before anything is asked of it: a TIFF turns itself, and a PNG may keep EXIF at its end
    if image.mode.startswith("I;16"):
        rgb = _from_16_bits(image).convert("RGB")
    elif image.mode in ("I", "F"):
        raise ValueError(f"its mode is {image.mode}, whose values have no known range: save it with 8 or 16 bits")
    elif image.mode == "P" and "transparency" in image.info:
        rgb = image.convert("RGBA").convert("RGB")  # the same colours as at once, without Pillow's warning
    else:
        rgb = image.convert("RGB")
    orientation = _orientation(image) if isinstance(image, ImageFile.ImageFile) else None
    return rgb.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else rgb


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits (or 12, which TIFF can have) as grey of 8, the bits below left off, as Pillow does to colours."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(ExifTags.Base.BitsPerSample, (16,))[0]
    values = np.asarray(image)
    highest, most = int(values.max()), 2**bits - 1
    if 0 < highest < most // DARKEST:
        raise ValueError(
            f"its mode is {image.mode}, but no value is above {highest} of {most}, so it would be black: spread its "
            "values over the whole range, or save it with 8 bits"
        )
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:  # white is 0
        values = most - values
    return Image.fromarray((values >> (bits - 8)).astype(np.uint8))


def _orientation(image: Image.Image) -> Any:
    """EXIF's orientation, 1 to 8. Damaged EXIF says nothing of the pixels, so such an image is taken as it lies."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except (SyntaxError, ValueError, TypeError, LookupError, OSError, struct.error):
        return None
