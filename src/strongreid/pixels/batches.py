"""Resizing batches, to the same pixels as pictures."""

import torch
from PIL import Image
from torch import Tensor

from strongreid.pixels.resizing import Interpolation, resize


def resize_batch(images: Tensor, size: tuple[int, int], interpolation: Interpolation = "bilinear") -> Tensor:
    """Resize uint8 [B, 3, H, W] as `resize` does; tensors would resize to other pixels."""
    if tuple(images.shape[2:]) == size:
        return images
    pictures = (Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()) for image in images.cpu())
    return torch.stack([torch.from_numpy(resize(picture, size, interpolation)) for picture in pictures])
