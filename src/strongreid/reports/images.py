"""Pictures as data URIs, so that they lie in the page: figures as SVG, which stays sharp; photographs as JPEG.

JPEG, because a page shows some two hundred pictures: as PNG they would weigh five times as much.
"""

import base64
import io
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from PIL import Image

from strongreid.pixels import read_image
from strongreid.reports.drawing import save
from strongreid.reports.page import Picture

MOST_SVG_BYTES: Final = 150_000
"""A figure that is larger as SVG (a cloud of many points) is drawn as PNG."""
JPEG_QUALITY: Final = 82
SHOWN_SIZE: Final = (256, 128)
"""Height and width of files that are shown: a person's."""
_LONGEST_SIDE: Final = 256


def figure_picture(figure: Figure, alt: str, caption: str = "", *, wide: bool = False) -> Picture:
    """Return a matplotlib figure as a picture; `wide` as in `Picture`."""
    return Picture(figure_uri(figure), alt, caption, wide)


def figure_uri(figure: Figure) -> str:
    """Draw a figure on white and return it as a data URI, SVG or else PNG."""
    drawn = io.BytesIO()
    save(figure, drawn, "svg")
    if drawn.tell() <= MOST_SVG_BYTES:
        return _uri("image/svg+xml", drawn.getvalue())
    drawn = io.BytesIO()
    save(figure, drawn, "png")
    return _uri("image/png", drawn.getvalue())


def pixels_uri(pixels: npt.NDArray[np.uint8]) -> str:
    """Return a photograph, uint8 [3, H, W], as a data URI; one above 256 pixels is made smaller."""
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    image.save(written, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    return _uri("image/jpeg", written.getvalue())


class ImageFiles:
    """Image files, each read when it is shown.

    Args:
        paths: N files.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths

    def __getitem__(self, indices: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return the images at int64 [n], uint8 [n, 3, H, W]. Raises `InputError` for a file that cannot be read."""
        return torch.from_numpy(np.stack([read_image(self._paths[row], SHOWN_SIZE) for row in indices.tolist()]))


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
