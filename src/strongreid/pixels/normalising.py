"""Normalising: from uint8 to what a network sees."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from strongreid.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's red, green and blue on the scale 0..1 (Luo et al. 2019, section 2)."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of ImageNet's red, green and blue on the scale 0..1 (Luo et al. 2019, section 2)."""
Colour = tuple[float, float, float]
"""A number for each of red, green and blue."""
CACHED_IMAGES = 4
"""Images that a CPU normalises at a time: 1.5 MB as float32 at 256 x 128. In one go takes half as long again."""


@dataclass(frozen=True)
class Normalisation:
    """What the pixels that a network sees are brought to, on the scale 0..1; ImageNet's unless said otherwise.

    Raises `InputError` for anything but three finite numbers each, deviations above 0.
    """

    mean: Colour = IMAGENET_MEAN
    """Mean of red, green and blue, which is subtracted."""
    std: Colour = IMAGENET_STD
    """Their standard deviation, by which the rest is divided."""

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(map(math.isfinite, values)):
                raise InputError(f"`{name}` is {values}; it must be three numbers, for red, green and blue.")
        if min(self.std) <= 0:
            raise InputError(f"`std` is {self.std}; each must be above 0.")


IMAGENET = Normalisation()
"""ImageNet's mean and deviation, as in the paper (Luo et al. 2019, section 2)."""


def scale_and_shift(normalisation: Normalisation = IMAGENET) -> tuple[Tensor, Tensor]:
    """What a pixel is multiplied by and then increased by to be normalised: float32 [3, 1, 1] each, on the CPU.

    One multiplication and one addition are within 1e-6 of dividing by 255, subtracting the mean and dividing by the
    deviation, as the paper's code does, and closer to the exact value.
    """
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (normalisation.mean, normalisation.std))
    return 1 / (255 * std), -mean / std


def normalise(images: Tensor, out: Tensor | None = None, *, normalisation: Normalisation = IMAGENET) -> Tensor:
    """Scale uint8 [B, 3, H, W] to 0..1, subtract the mean and divide by the deviation: float32, same shape.

    The memory order of `images` is kept. With `out` (float32 [B, 3, H, W]) the result is written there.
    """
    # Made on the CPU and sent without waiting, because making them on a GPU would stop for all that it has to do.
    scale, shift = (values.to(images.device, non_blocking=True) for values in scale_and_shift(normalisation))
    result = torch.empty_like(images, dtype=torch.float32) if out is None else out
    # On a CPU a few images at a time, which stay in its cache from one operation to the next.
    at_once = CACHED_IMAGES if images.device.type == "cpu" else max(len(images), 1)
    for some, normalised in zip(torch.split(images, at_once), torch.split(result, at_once), strict=True):
        normalised.copy_(some).mul_(scale).add_(shift)
    return result
