"""One adapter for all that backbones give: whatever it is, it becomes a feature map [B, C, h, w].

| a backbone gives | the map |
|---|---|
| a map [B, C, h, w] | itself |
| a map [B, h, w, C] and has `output_fmt` "NHWC", as timm's Swin | the same, turned |
| tokens [B, T, D] and has a `cls_token`, as most ViTs | the first token, [B, D, 1, 1] |
| tokens [B, T, D] without one | all of them, [B, D, T, 1]; `num_prefix_tokens`, if it has that, are left out |
| one feature an image [B, D] | itself, [B, D, 1, 1] |

A backbone that wants the camera says so by an attribute `takes_camera = True`; it is then called with (images, camera),
camera int64 [B], -1 where it is not known, or None for all.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy.typing as npt
import torch
from torch import Tensor, nn

from strongreid.errors import InputError


def takes_camera(backbone: nn.Module) -> bool:
    """Whether a backbone is called with the camera beside the images."""
    return bool(getattr(backbone, "takes_camera", False))


def camera_column(camera: npt.ArrayLike, count: int, cameras: int = 0) -> Tensor:
    """Check the camera of each of `count` images: integers of any kind in, int64 [count] out; else `InputError`.

    `cameras`: how many the backbone knows, 0 where nobody says; -1 stands for one that it does not know.
    """
    column = torch.as_tensor(camera)
    if column.shape != (count,) or (count and column.is_floating_point()):  # of an empty list torch makes floats
        raise InputError(
            f"`camera` must be integers [{count}], one an image; it is {column.dtype} {list(column.shape)}."
        )
    if cameras and count and not (int(column.min()) >= -1 and int(column.max()) < cameras):
        raise InputError(
            f"`camera` runs from {int(column.min())} to {int(column.max())}; this model knows the cameras 0 to "
            f"{cameras - 1}, and -1 stands for any other."
        )
    return column.to(torch.int64)


def feature_map(backbone: nn.Module, images: Tensor, camera: Tensor | None = None) -> Tensor:
    """Send images [B, 3, H, W], and `camera` int64 [B] where it is wanted, through: [B, C, h, w].

    Raises `InputError` for a backbone that gives nothing of the above.
    """
    output: object = backbone(images, camera) if takes_camera(backbone) else backbone(images)
    shape = list(output.shape) if isinstance(output, Tensor) else []
    if not isinstance(output, Tensor) or len(shape) not in (2, 3, 4):
        raise InputError(
            f"The backbone {type(backbone).__name__} gives a {type(output).__name__} {shape}. It must give a map "
            "[B, C, h, w], tokens [B, T, D] or features [B, D]."
        )
    if len(shape) == 4:
        return output.permute(0, 3, 1, 2) if getattr(backbone, "output_fmt", "NCHW") == "NHWC" else output
    if len(shape) == 2:
        return output[:, :, None, None]
    if getattr(backbone, "cls_token", None) is not None:
        return output[:, 0, :, None, None]
    return output[:, getattr(backbone, "num_prefix_tokens", 0) :].transpose(1, 2).unsqueeze(-1)


@torch.no_grad()
def probe(backbone: nn.Module, size: tuple[int, int], name: str) -> Tensor:
    """Send one image of `size` (height, width) through: the only way to know what a network gives, [1, C, h, w].

    Changes nothing in it. Raises `InputError`, with `name`, where it does not take such images.
    """
    like = next(backbone.parameters(), torch.empty(0))
    image = torch.zeros(1, 3, *size, dtype=like.dtype, device=like.device)
    with eval_mode(backbone):
        try:
            return feature_map(backbone, image, torch.zeros(1, dtype=torch.int64, device=like.device))
        except InputError:
            raise
        except (RuntimeError, AssertionError, ValueError) as error:
            raise InputError(
                f"The backbone {name} does not take images of {size[0]} x {size[1]} ({error}). Choose another "
                "`image_size`, or a backbone for any size, as resnet50."
            ) from error


@contextmanager
def eval_mode(network: nn.Module) -> Iterator[None]:
    """Put a network into eval mode for the block; afterwards each of its modules is in the mode it was in."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
