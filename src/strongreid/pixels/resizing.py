"""Resizing pictures.

It is Pillow's bilinear filter with antialiasing, which is what `torchvision.transforms.Resize` does to a PIL image and
what the paper's networks were trained on (some codebases take the bicubic one); resizing tensors gives other pixels.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

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
