"""Proof that a written file is the model: both look at the same pictures, at several batch sizes.

The file is read again from the disk and fed as its consumer feeds it. The pictures are of drawn people, because noise
excites a network differently than what it was trained on; 14 is among the batch sizes because files are known that are
right up to 13.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from strongreid.drawn.picture import draw_picture
from strongreid.errors import InputError
from strongreid.export.graph import GraphSettings
from strongreid.export.profile import Infer, in_batches
from strongreid.models import ReIDModel
from strongreid.pixels import read_image

BATCHES: Final = (1, 2, 5, 14)
"""Numbers of pictures that are compared."""
LARGEST: Final = 1e-4
"""Largest difference of float32 features, in shares of their root mean square."""
LEAST_COSINE: Final = 0.999
"""Least cosine similarity of float16 features."""


@dataclass(frozen=True)
class Proof:
    """How near a file's features are to the model's, over all batch sizes."""

    largest: float
    """Largest difference of any value, in shares of the features' root mean square."""
    cosine: float
    """Least cosine similarity of any picture's features."""

    def sentence(self) -> str:
        """Say it for people."""
        *first, last = BATCHES
        return (
            f"Compared with the model on drawn people at batch {', '.join(map(str, first))} and {last}: largest "
            f"difference {self.largest:.1e} of the features' root mean square, least cosine {self.cosine:.7f}."
        )


def prove(infer: Infer, model: ReIDModel, settings: GraphSettings, otherwise: str = "") -> Proof:
    """Compare what a file gives with what `model` gives. `InputError`, ending in `otherwise`, where it is too far."""
    pictures = drawn_pictures(model.image_size, BATCHES[-1])
    expected = model.embed(torch.from_numpy(pictures)).numpy().astype(np.float64)
    if settings.l2:
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    differences, cosines = [], []
    for count in BATCHES:
        found = in_batches(infer, settings.pixels.feed(pictures[:count]), settings.batch)
        if found.shape != (count, model.width):
            wanted = [count, model.width]
            raise InputError(
                f"The file gives {list(found.shape)} for {count} images, not {wanted}. {otherwise}".rstrip()
            )
        difference, cosine = compared(found.astype(np.float64), expected[:count])
        differences.append(difference)
        cosines.append(cosine)
    largest, cosine = float(np.max(differences)), float(np.min(cosines))  # NaN where one is NaN
    half = settings.precision == "float16"
    if not (cosine >= LEAST_COSINE and (half or largest <= LARGEST)):  # NaN is neither
        least = f"a cosine of {LEAST_COSINE}" if half else f"{LARGEST:g}"
        instead = otherwise or ("Export it with --precision float32." if half else "Use the model from Python instead.")
        raise InputError(
            f"The file does not give the model's features: on drawn people the largest difference is {largest:.1e} of "
            f"their root mean square and the least cosine {cosine:.5f}; {least} is the limit. {instead}"
        )
    return Proof(largest, cosine)


def drawn_pictures(size: tuple[int, int], count: int) -> npt.NDArray[np.uint8]:
    """Draw people, one picture each: uint8 [count, 3, height, width], in the order red, green, blue."""
    return np.stack([read_image(draw_picture(0, 0, number, number % 6, 0), size) for number in range(1, count + 1)])


def compared(found: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the largest difference, in shares of `expected`'s root mean square, and the least cosine."""
    scale = np.sqrt((expected**2).mean())
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.abs(found - expected).max() / scale), float(((found * expected).sum(axis=1) / lengths).min())
