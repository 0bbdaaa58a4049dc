"""The photograph of a request: taken from its body, judged by its header before it is decoded, cut, and resized.

A few kilobytes can unpack to gigabytes, so the number of pixels is looked at first, and few pictures are decoded at a
time. The name that a file has at the sender's is never looked at.
"""

import io
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from strongreid.errors import InputError
from strongreid.pixels import Interpolation, decoded_formats, read_image
from strongreid.service.refusals import Refused

FIELD: Final = "image"
"""The part of a multipart request that holds the photograph."""
RAW: Final = ("image/", "application/octet-stream")
"""Content types of a request that is the photograph itself."""
_HOW: Final = "A photograph as the body (Content-Type: image/jpeg and the like), or as the part `image` of a form."
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary"}},
                }
            },
            "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
"""How the body is described. Parts of the form may also be what is else in the address."""
Box = tuple[int, int, int, int]
"""x, y, width, height in pixels of the upright picture."""


@dataclass(frozen=True)
class Upload:
    """What a request brought."""

    content: bytes
    """The photograph's file."""
    fields: dict[str, list[str]]
    """The other parts of the form, by name."""


async def read_upload(request: Request) -> Upload:
    """Read the body of a request; `Refused` where there is no photograph in it."""
    kind = request.headers.get("content-type", "").lower()
    if kind.startswith(RAW):
        upload = Upload(await request.body(), {})
    elif kind.startswith("multipart/form-data"):
        upload = await _read_form(request)
    else:
        raise Refused(415, f"A body of the type {kind[:100] or 'unknown'!r}.", _HOW, "Send the photograph so.")
    if not upload.content:
        raise Refused(422, "A request without a photograph.", _HOW, "Add the photograph.")
    return upload


class _InMemory(MultiPartParser):
    """A parser of forms that writes no photograph to the disk, where it might be read later."""

    spool_max_size = 2**40


async def _read_form(request: Request) -> Upload:
    try:
        async with aclosing(request.stream()) as stream:
            form = await _InMemory(request.headers, stream, max_files=1, max_fields=50, max_part_size=10_000).parse()
    except (MultiPartException, ValueError) as error:  # ValueError: of the parser below it
        reason = error.message if isinstance(error, MultiPartException) else str(error)
        raise Refused(400, f"A form that cannot be read: {reason[:200]}", _HOW, "Send the photograph so.") from error
    content, fields = b"", dict[str, list[str]]()
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                content = await value.read() if name == FIELD else content
            else:
                fields.setdefault(name, []).append(value)
    finally:
        await form.close()
    return Upload(content, fields)


def decode(
    content: bytes, box: Box | None, most_pixels: int, size: tuple[int, int], interpolation: Interpolation
) -> npt.NDArray[np.uint8]:
    """Decode a photograph, or the part of it that is in `box`: uint8 [3, H, W] at `size` (height, width).

    Raises `Refused` for what is no picture, has more than `most_pixels` pixels, or nothing in the box.
    """
    allowed = f"{', '.join(decoded_formats())} of at most {most_pixels:,} pixels."
    try:
        with Image.open(io.BytesIO(content), formats=decoded_formats()) as picture:
            width, height = picture.size
            if width * height > most_pixels:
                raise Refused(
                    413,
                    f"A picture of {width:,} x {height:,} pixels.",
                    allowed,
                    "Scale it down, or cut the person out.",
                )
            whole = read_image(picture, size if box is None else None, interpolation)
    except Refused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused(413, "A picture of very many pixels.", allowed, "Scale it down.") from error
    except InputError as error:
        raise Refused(422, str(error.__cause__ or error)[:300], allowed, "Send another photograph.") from error
    except Exception as error:  # a damaged file makes Pillow raise errors of almost any type
        raise Refused(
            422, "The photograph is no picture, or its beginning is damaged.", allowed, "Send another file."
        ) from error
    return whole if box is None else read_image(_cut(whole, box), size, interpolation)


def small_jpeg(pixels: npt.NDArray[np.uint8], longest: int = 256) -> bytes:
    """Return uint8 [3, H, W] as a JPEG whose longer side has at most `longest` pixels, without any metadata."""
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, format="JPEG", quality=85)
    return written.getvalue()


def _cut(whole: npt.NDArray[np.uint8], box: Box) -> npt.NDArray[np.uint8]:
    """The part of `box` that lies in the picture, uint8 [h, w, 3]."""
    x, y, width, height = box
    part = whole[:, max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)].transpose(1, 2, 0)
    if not part.size:
        raise Refused(
            422,
            f"The box {x}, {y}, {width}, {height} (x, y, width, height), with nothing of the picture in it.",
            f"A box in {whole.shape[2]} x {whole.shape[1]} pixels, width and height at least 1.",
            "Draw the box around the person.",
        )
    return part
