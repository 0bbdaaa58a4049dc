"""How much an image of a track tells of its person: size, sharpness and the detector's confidence.

A weight is their product, each from 0 to 1:

size        sqrt(w h / (W H)), at most 1, for a box of w x h pixels and a network that takes W x H: what is smaller is
            stretched and shows no more than it had. Files that are cut already count as 1.
sharpness   v / (v + 100), v the variance of the Laplacian of the grey values 0..255 at the network's size: the usual
            measure of focus (Pech-Pacheco et al. 2000), and 100 the usual border below which images look blurred.
confidence  as the detector gave it, 1 where it is not known or above 1.

No weight is below 0.01, so that a track of hopeless images still has a mean.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from strongreid.data.packed import PackedImages
from strongreid.data.table import ImageTable

LEAST: Final = 0.01
"""Smallest weight of an image."""
BLURRED: Final = 100.0
"""Variance of the Laplacian at which sharpness counts half."""
_GREY: Final = np.array((0.299, 0.587, 0.114), dtype=np.float32)  # ITU-R BT.601, as Pillow converts to grey
_AT_ONCE: Final = 64

Floats = npt.NDArray[np.float64]


def sharpness(images: npt.NDArray[np.uint8]) -> Floats:
    """Variance of the Laplacian of each image, uint8 `[N, 3, H, W]`: float64 `[N]`; 0 below 3 x 3 pixels.

    The Laplacian is the sum of the four neighbours minus four times the pixel, where all four are in the image.
    """
    values = np.zeros(len(images))
    if min(images.shape[2:]) < 3:
        return values
    for start in range(0, len(images), _AT_ONCE):
        grey = np.einsum("nchw,c->nhw", images[start : start + _AT_ONCE].astype(np.float32), _GREY)
        inner = grey[:, 1:-1, 1:-1]
        around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
        values[start : start + _AT_ONCE] = (around - 4 * inner).var(axis=(1, 2), dtype=np.float64)
    return values


def packed_weights(table: ImageTable, images: PackedImages) -> Floats | None:
    """Weights of a table's images, which are decoded: float64 `[N]`, 0.01..1; None where they have no tracks."""
    if table.track is None:
        return None
    rows = [np.arange(start, min(start + _AT_ONCE, len(images))) for start in range(0, len(images), _AT_ONCE)]
    pixels = (images[some].cpu().numpy() for some in rows)
    sharp = np.concatenate([np.zeros(0), *(sharpness(some) for some in pixels)])
    return track_weights(table, sharp, images.size)


def track_weights(table: ImageTable, sharp: Floats, size: tuple[int, int]) -> Floats:
    """Weights of a table's images for the mean of their tracks: float64 `[N]`, 0.01..1.

    Args:
        table: N images, whose boxes and confidence count where they are known.
        sharp: their `sharpness`, float64 `[N]`.
        size: height and width that the network takes, in pixels.
    """
    weight = sharp / (sharp + BLURRED)
    if table.box is not None:
        weight = weight * np.minimum(np.sqrt(table.box[:, 2:].astype(np.float64).prod(axis=1) / (size[0] * size[1])), 1)
    if table.confidence is not None:
        weight = weight * np.minimum(table.confidence, 1)
    return np.maximum(weight, LEAST)
