"""What chance decided for a batch, and how it is done to the pixels: two ways, which give the same bits.

A CPU is fastest image by image, because an image stays in its cache from the first operation to the last. NumPy does
it, on one thread: PyTorch's threads meet after each operation, and where other programs keep the cores busy those
meetings took 20 times as long as the work; two threads of our own were no faster than one. A GPU is fastest with few
operations on the whole batch.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.pixels import normalise, scale_and_shift


@dataclass(frozen=True)
class AugmentationDraws:
    """What chance decided for each image of a batch; small CPU tensors.

    Attributes:
        flip: bool [B], whether the image is mirrored left to right.
        top: int64 [B], first row of the crop in the padded image, 0..2 * padding.
        left: int64 [B], first column of the crop in the padded image, 0..2 * padding.
        erase: int64 [B, 4], the box to erase as top, left, height, width in pixels; height 0 erases nothing.
    """

    flip: Tensor
    top: Tensor
    left: Tensor
    erase: Tensor

    def __len__(self) -> int:
        return len(self.flip)

    def __getitem__(self, share: slice) -> "AugmentationDraws":
        """The draws of a part of the batch, as of one process's share."""
        return AugmentationDraws(self.flip[share], self.top[share], self.left[share], self.erase[share])


def apply_on_cpu(images: Tensor, draws: AugmentationDraws, padding: int, fill: Tensor, out: Tensor | None) -> Tensor:
    """Apply as `Augmentation.apply`; `fill` is float32 [3, 1, 1]."""
    result = torch.empty(images.shape) if out is None else out
    pixels, augmented = images.numpy(), result.numpy()
    scale, shift = (values.numpy() for values in scale_and_shift())
    down, right = ((offset - padding).tolist() for offset in (draws.top, draws.left))
    decided = zip(draws.flip.tolist(), down, right, draws.erase.tolist(), strict=True)
    cropped = np.empty(pixels.shape[1:], dtype=np.uint8)
    for source, image, (flip, below, beside, box) in zip(pixels, augmented, decided, strict=True):
        mirrored = source[:, :, ::-1] if flip else source
        cropped.fill(0)
        _window(cropped, -below, -beside)[...] = _window(mirrored, below, beside)
        np.copyto(image, cropped)
        np.multiply(image, scale, out=image)
        np.add(image, shift, out=image)
        top, left, height, width = box
        image[:, top : top + height, left : left + width] = fill.numpy()
    return result


def _window(image: npt.NDArray[np.uint8], down: int, right: int) -> npt.NDArray[np.uint8]:
    """The part of [3, H, W] that a window of its size sees when it is moved down and right."""
    height, width = image.shape[1:]
    return image[:, max(down, 0) : max(height + down, 0), max(right, 0) : max(width + right, 0)]


def apply_on_gpu(images: Tensor, draws: AugmentationDraws, padding: int, fill: Tensor, out: Tensor | None) -> Tensor:
    """Apply as `Augmentation.apply`; `fill` is float32 [3, 1, 1]. Nothing in it waits for the device."""
    height, width = images.shape[2:]
    flip, top, left, erase, fill = (
        small.to(images.device, non_blocking=True) for small in (draws.flip, draws.top, draws.left, draws.erase, fill)
    )
    number, channel, y, x = (torch.arange(size, device=images.device) for size in images.shape)
    # Where each pixel comes from, and black where that is outside: [B, H] and [B, W].
    rows, columns = top[:, None] - padding + y, left[:, None] - padding + x
    inside = _crossed(_within(rows, 0, height), _within(columns, 0, width))
    columns = torch.where(flip[:, None], width - 1 - columns, columns)
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    place = (number[:, None, None, None], channel[:, None, None], rows[:, None, :, None], columns[:, None, None, :])
    augmented = normalise(images[place].mul_(inside), out)
    box_top, box_left, box_height, box_width = erase.T[:, :, None]
    erased = _crossed(_within(y, box_top, box_top + box_height), _within(x, box_left, box_left + box_width))
    return torch.where(erased, fill, augmented, out=augmented)


def _within(places: Tensor, first: Tensor | int, end: Tensor | int) -> Tensor:
    return (first <= places) & (places < end)


def _crossed(rows: Tensor, columns: Tensor) -> Tensor:
    """Pixels whose row [B, H] and whose column [B, W] are marked: [B, 1, H, W]."""
    return rows[:, None, :, None] & columns[:, None, None, :]
