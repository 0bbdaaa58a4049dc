"""Colour jitter: brightness, contrast, saturation and hue of an image changed by chance, a whole batch at a time.

What another camera does to colours, a network for cameras it has never seen must not mind. The changes are those of
torchvision's `ColorJitter` on float images, always in this order. Draws and their application are apart, as in
`augment`; what comes out is rounded to uint8 again, so that all that follows stays as it is.
"""

import numpy as np
import torch
from torch import Tensor

Jitter = tuple[float, float, float, float]
"""Most by which brightness, contrast, saturation (shares, 0 to 1) and hue (turns, 0 to 0.5) are changed."""

COLOUR_STREAM = 0xC01
"""Second word of the generator's key: keeps these draws apart from others made with the same seed."""
NEUTRAL = (1.0, 1.0, 1.0, 0.0)
"""Factors of brightness, contrast and saturation, and a turn of hue, that change nothing."""
_GREY = (0.2989, 0.587, 0.114)
"""Shares of red, green and blue in grey (ITU-R BT.601)."""


def draw_colours(jitter: Jitter, count: int, *, seed: int, epoch: int, step: int) -> Tensor:
    """Draw for `count` images: factors of brightness, contrast, saturation, and a turn of hue, float32 [count, 4].

    A pure function of its arguments.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, COLOUR_STREAM], counter=[0, 0, step, epoch]))
    change = rng.uniform(-1, 1, (count, 4)) * np.array(jitter)
    return torch.from_numpy((change + np.array(NEUTRAL)).astype(np.float32))


def jittered(images: Tensor, colours: Tensor) -> Tensor:
    """Change the colours of uint8 [B, 3, H, W] as drawn, float32 [B, 4] on the CPU: uint8, rounded, on its device.

    Images of which nothing is to be changed come back themselves.
    """
    if (colours == torch.tensor(NEUTRAL)).all():
        return images
    changed = change_colours(images.float().div_(255), colours)
    return changed.mul_(255).add_(0.5).to(torch.uint8)


def change_colours(images: Tensor, colours: Tensor) -> Tensor:
    """Change the colours of float [B, 3, H, W], 0 to 1, by brightness, contrast, saturation and hue [B, 4]."""
    wanted = [bool((column != neutral).any()) for column, neutral in zip(colours.T, NEUTRAL, strict=True)]
    columns = colours.to(images, non_blocking=True).T[:, :, None, None, None]
    brightness, contrast, saturation, hue = columns
    if wanted[0]:
        images = (images * brightness).clamp_(0, 1)
    if wanted[1]:
        images = _towards(images, _grey(images).mean(dim=(1, 2, 3), keepdim=True), contrast)
    if wanted[2]:
        images = _towards(images, _grey(images), saturation)
    return _turned(images, hue) if wanted[3] else images


def _grey(images: Tensor) -> Tensor:
    """Grey of each pixel: [B, 1, H, W]."""
    red, green, blue = (share * images[:, channel : channel + 1] for channel, share in enumerate(_GREY))
    return red + green + blue


def _towards(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """At the factor 1 the image, at 0 the other, beyond 1 away from it."""
    return torch.lerp(other.expand_as(images), images, factor).clamp_(0, 1)


def _turned(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of each pixel, in the cone of hue, saturation and value: 1 is all the way round."""
    value, brightest = images.max(dim=1, keepdim=True)
    chroma = value - images.amin(dim=1, keepdim=True)
    red, green, blue = images.chunk(3, dim=1)
    sixths = torch.where(brightest == 0, green - blue, torch.where(brightest == 1, blue - red, red - green))
    sixths = sixths / chroma.clamp_min(1e-12) + 2 * brightest + 6 * turn
    places = sixths + torch.tensor([5.0, 3.0, 1.0], device=images.device, dtype=images.dtype).view(1, 3, 1, 1)
    places = places.remainder_(6)
    return value - chroma * torch.minimum(places, 4 - places).clamp_(0, 1)
