"""What data and models both need of pixels: decoding, resizing, normalising.

Resizing is Pillow's bilinear filter with antialiasing, which is what `torchvision.transforms.Resize` does to a PIL
image and what the paper's networks were trained on; resizing tensors gives other pixels.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from strongreid.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's red, green and blue on the scale 0..1 (Luo et al. 2019, section 2)."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of ImageNet's red, green and blue on the scale 0..1 (Luo et al. 2019, section 2)."""
CACHED_IMAGES = 4
"""Images that a CPU normalises at a time: 1.5 MB as float32 at 256 x 128. In one go takes half as long again."""


def read_image(path: str | Path, size: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:
    """Decode one image file as RGB, resized to `size` (height, width) in pixels if given: uint8 [3, H, W].

    Raises `InputError` with the path if the file is missing, is no image or is cut short.
    """
    try:
        with Image.open(path) as image:
            pixels = resize(image.convert("RGB"), size)
    except FileNotFoundError as error:
        dead = f": it is a link to {Path(path).readlink()}, where nothing is" if Path(path).is_symlink() else ""
        raise InputError(f"There is no image file {path}{dead}. Put it there or take it out of the set.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"The image {path} cannot be decoded ({error}). Replace the file or take it out of the data set."
        ) from error
    return pixels


def resize(image: Image.Image, size: tuple[int, int] | None) -> npt.NDArray[np.uint8]:
    """Resize an RGB PIL image to `size` (height, width) in pixels, None keeps it: uint8 [3, H, W]."""
    if size is not None and (image.height, image.width) != size:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))


def scale_and_shift() -> tuple[Tensor, Tensor]:
    """What a pixel is multiplied by and then increased by to be normalised: float32 [3, 1, 1] each, on the CPU.

    One multiplication and one addition are within 1e-6 of dividing by 255, subtracting the mean and dividing by the
    deviation, as the paper's code does, and closer to the exact value.
    """
    mean, std = torch.tensor(IMAGENET_MEAN).view(3, 1, 1), torch.tensor(IMAGENET_STD).view(3, 1, 1)
    return 1 / (255 * std), -mean / std


def normalise(images: Tensor, out: Tensor | None = None) -> Tensor:
    """Scale uint8 [B, 3, H, W] to 0..1 and normalise with ImageNet's mean and deviation: float32, same shape.

    The memory order of `images` is kept. With `out` (float32 [B, 3, H, W]) the result is written there.
    """
    # Made on the CPU and sent without waiting, because making them on a GPU would stop for all that it has to do.
    scale, shift = (values.to(images.device, non_blocking=True) for values in scale_and_shift())
    result = torch.empty_like(images, dtype=torch.float32) if out is None else out
    # On a CPU a few images at a time, which stay in its cache from one operation to the next.
    at_once = CACHED_IMAGES if images.device.type == "cpu" else max(len(images), 1)
    for some, normalised in zip(torch.split(images, at_once), torch.split(result, at_once), strict=True):
        normalised.copy_(some).mul_(scale).add_(shift)
    return result
