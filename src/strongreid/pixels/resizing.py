"""Resizing, of pictures and of batches, to the same pixels.

It is Pillow's bilinear filter with antialiasing, which is what `torchvision.transforms.Resize` does to a PIL image and
what the paper's networks were trained on (some codebases take the bicubic one); resizing tensors gives other pixels.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

Interpolation = Literal["bilinear", "bicubic"]
"""Pillow's filters, both with antialiasing, by which images are brought to a model's size."""
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def resize(
    image: Image.Image, size: tuple[int, int] | None, interpolation: Interpolation = "bilinear"
) -> npt.NDArray[np.uint8]:
    """Resize an RGB PIL image to `size` (height, width) in pixels, None keeps it: uint8 [3, H, W]."""
    if size is not None and (image.height, image.width) != size:
        image = image.resize((size[1], size[0]), _FILTERS[interpolation])
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))


def resize_batch(images: Tensor, size: tuple[int, int], interpolation: Interpolation = "bilinear") -> Tensor:
    """Resize uint8 [B, 3, H, W] as `resize` does; tensors would resize to other pixels."""
    if tuple(images.shape[2:]) == size:
        return images
    pictures = (Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()) for image in images.cpu())
    return torch.stack([torch.from_numpy(resize(picture, size, interpolation)) for picture in pictures])
