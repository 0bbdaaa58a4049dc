"""Colours, flip, pad, crop, normalise, erase: a whole batch at a time, on the device where the batch lies.

The order is the reference's: padding is black BEFORE normalising, erasing fills AFTER it (Luo et al. 2019, sections
2 and 3.2). Draws and their application are apart. The draws are a pure function of (seed, epoch,
step) for the GLOBAL batch, so resuming needs no generator's state and each of several processes takes its share of
the same draws.

The draws are applied in two ways, which give the same bits. A CPU is fastest image by image, because an image stays
in its cache from the first operation to the last. NumPy does it, on one thread: PyTorch has a barrier after each
operation, and where other programs keep the cores busy those barriers took 20 times as long as the work; two threads of
our own were no faster than one. A GPU is fastest with few operations on the whole batch.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.data.colour import Jitter, draw_colours, jittered
from strongreid.errors import InputError
from strongreid.pixels import IMAGENET, IMAGENET_MEAN, Normalisation, normalise, scale_and_shift

ERASE_TRIES = 100
"""How often a box that does not fit is drawn again before the image stays whole (as in the paper's code)."""
STREAM = 0xA09
"""Second word of the generator's key: keeps these draws apart from others made with the same seed."""


@dataclass(frozen=True)
class AugmentationDraws:
    """What chance decided for each image of a batch; small CPU tensors.

    Attributes:
        flip: bool [B], whether the image is mirrored left to right.
        top: int64 [B], first row of the crop in the padded image, 0..2 * padding.
        left: int64 [B], first column of the crop in the padded image, 0..2 * padding.
        erase: int64 [B, 4], the box to erase as top, left, height, width in pixels; height 0 erases nothing.
        colours: float32 [B, 4], factors of brightness, contrast and saturation and a turn of hue; None changes none.
    """

    flip: Tensor
    top: Tensor
    left: Tensor
    erase: Tensor
    colours: Tensor | None = None

    def __len__(self) -> int:
        return len(self.flip)

    def __getitem__(self, share: slice) -> "AugmentationDraws":
        """The draws of a part of the batch, as of one process's share."""
        colours = None if self.colours is None else self.colours[share]
        return AugmentationDraws(self.flip[share], self.top[share], self.left[share], self.erase[share], colours)


@dataclass(frozen=True)
class Augmentation:
    """The training augmentation (Luo et al. 2019, sections 2 and 3.2).

    Attributes:
        flip_probability: of mirroring left to right.
        padding: pixels of black on each side before cropping back to the image's size.
        erase_probability: of erasing a box; 0 switches random erasing off.
        erase_fill: what an erased box holds: "reference", the raw values (0.485, 0.456, 0.406) after normalising, as
            in the paper's code; or "mean", the mean colour, which is 0 there.
        erase_area: smallest and largest share of the image's area.
        erase_aspect: smallest and largest ratio of the box's height to its width.
        colour_jitter: most by which brightness, contrast, saturation and hue are changed, before all else (`colour`).
    """

    flip_probability: float = 0.5
    padding: int = 10
    erase_probability: float = 0.5
    erase_fill: Literal["reference", "mean"] = "reference"
    erase_area: tuple[float, float] = (0.02, 0.4)
    erase_aspect: tuple[float, float] = (0.3, 1 / 0.3)
    colour_jitter: Jitter = (0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        for name in ("flip_probability", "erase_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"`{name}` is {getattr(self, name)}; it must lie in 0 to 1.")
        if self.padding < 0:
            raise InputError(f"`padding` is {self.padding}; it must be at least 0.")
        if self.erase_fill not in ("reference", "mean"):
            raise InputError(f"`erase_fill` is {self.erase_fill!r}; it must be 'reference' or 'mean'.")
        for name, limit in (("erase_area", 1.0), ("erase_aspect", math.inf)):
            low, high = getattr(self, name)
            if not 0 < low <= high <= limit:
                raise InputError(f"`{name}` is {low} to {high}; it must rise within 0 to {limit:g}.")
        if not all(0 <= most <= limit for most, limit in zip(self.colour_jitter, (1, 1, 1, 0.5), strict=True)):
            raise InputError(f"`colour_jitter` is {self.colour_jitter}; it must lie in 0 to 1, of hue in 0 to 0.5.")

    def draw(self, count: int, size: tuple[int, int], *, seed: int, epoch: int, step: int) -> AugmentationDraws:
        """Draw for `count` images of `size` (height, width): a pure function of its arguments.

        `seed`, `epoch` and `step` are at least 0 and below 2**64.
        """
        rng = np.random.Generator(np.random.Philox(key=[seed, STREAM], counter=[0, 0, step, epoch]))
        flip = rng.random(count) < self.flip_probability
        top, left = rng.integers(0, 2 * self.padding, (2, count), endpoint=True)
        erase = self._draw_boxes(rng, count, size)
        colours = draw_colours(self.colour_jitter, count, seed=seed, epoch=epoch, step=step)
        flip_drawn, top_drawn, left_drawn, erased = (torch.from_numpy(part) for part in (flip, top, left, erase))
        return AugmentationDraws(flip_drawn, top_drawn, left_drawn, erased, colours)

    def _draw_boxes(self, rng: np.random.Generator, count: int, size: tuple[int, int]) -> np.ndarray:
        """Boxes to erase: int64 [count, 4], all 0 for an image that stays whole."""
        height, width = size
        boxes = np.zeros((count, 4), dtype=np.int64)
        waiting = rng.random(count) < self.erase_probability
        corner = rng.random((2, count))
        for _ in range(ERASE_TRIES):
            if not waiting.any():
                break
            area = rng.uniform(*self.erase_area, count) * (height * width)
            aspect = rng.uniform(*self.erase_aspect, count)
            box_height = np.rint(np.sqrt(area * aspect)).astype(np.int64)
            box_width = np.rint(np.sqrt(area / aspect)).astype(np.int64)
            fits = waiting & (box_height < height) & (box_width < width)
            box_top = (corner[0] * (height - box_height + 1)).astype(np.int64)
            box_left = (corner[1] * (width - box_width + 1)).astype(np.int64)
            boxes[fits] = np.stack((box_top, box_left, box_height, box_width), 1)[fits]
            waiting &= ~fits
        return boxes

    def apply(
        self,
        images: Tensor,
        draws: AugmentationDraws,
        out: Tensor | None = None,
        *,
        normalisation: Normalisation = IMAGENET,
    ) -> Tensor:
        """Augment uint8 [B, 3, H, W] as drawn: float32 [B, 3, H, W], normalised, on the images' device.

        With `out`, such a tensor, the result is written there: asking the system for new memory for each batch can
        take longer than augmenting it.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or len(draws) != len(images):
            raise InputError(
                f"{len(draws)} draws cannot augment images of {images.dtype} {list(images.shape)}; "
                "give uint8 [B, 3, H, W] and B draws."
            )
        fill = torch.tensor(IMAGENET_MEAN if self.erase_fill == "reference" else (0.0, 0.0, 0.0)).view(3, 1, 1)
        images = images if draws.colours is None else jittered(images, draws.colours)
        apply = apply_on_cpu if images.device.type == "cpu" else apply_on_gpu
        return apply(images, draws, self.padding, fill, out, normalisation)


def apply_on_cpu(
    images: Tensor,
    draws: AugmentationDraws,
    padding: int,
    fill: Tensor,
    out: Tensor | None,
    normalisation: Normalisation = IMAGENET,
) -> Tensor:
    """Apply as `Augmentation.apply`; `fill` is float32 [3, 1, 1]."""
    result = torch.empty(images.shape) if out is None else out
    pixels, augmented = images.numpy(), result.numpy()
    scale, shift = (values.numpy() for values in scale_and_shift(normalisation))
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


def apply_on_gpu(
    images: Tensor,
    draws: AugmentationDraws,
    padding: int,
    fill: Tensor,
    out: Tensor | None,
    normalisation: Normalisation = IMAGENET,
) -> Tensor:
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
    gathered = (number[:, None, None, None], channel[:, None, None], rows[:, None, :, None], columns[:, None, None, :])
    augmented = normalise(images[gathered].mul_(inside), out, normalisation=normalisation)
    box_top, box_left, box_height, box_width = erase.T[:, :, None]
    erased = _crossed(_within(y, box_top, box_top + box_height), _within(x, box_left, box_left + box_width))
    return torch.where(erased, fill, augmented, out=augmented)


def _within(positions: Tensor, first: Tensor | int, end: Tensor | int) -> Tensor:
    return (first <= positions) & (positions < end)


def _crossed(rows: Tensor, columns: Tensor) -> Tensor:
    """Pixels whose row [B, H] and whose column [B, W] are marked: [B, 1, H, W]."""
    return rows[:, None, :, None] & columns[:, None, None, :]
