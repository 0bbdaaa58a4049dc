"""Depthwise convolutions of a training in bfloat16 on a CPU stay in float32.

Processors that multiply bfloat16 (AVX512-BF16, AMX) take half the time for everything else, but PyTorch's gradients of
depthwise convolutions in bfloat16 are several times slower than in float32: EfficientNet and MobileNet would train
slower than in float32, and train faster this way (docs/performance.md has EfficientNet's ratios).
"""

from functools import partial

import torch
from torch import Tensor, nn

from strongreid.losses.distance import without_autocast


def depthwise_in_float32(model: nn.Module) -> None:
    """Let the depthwise convolutions of a model compute in float32 under a CPU's autocast; types go in and out as ever.

    Anywhere else nothing changes, whatever becomes of the model afterwards; doing it again changes nothing.
    """
    for module in model.modules():
        as_of_its_class = "forward" not in vars(module)
        if as_of_its_class and isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            vars(module)["forward"] = partial(_in_float32, module)


def _in_float32(module: nn.Conv2d, values: Tensor) -> Tensor:
    forward = type(module).forward
    under_autocast = values.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    if not under_autocast or module.weight.dtype != torch.float32:
        return forward(module, values)
    with without_autocast(values):
        return forward(module, values.float()).to(values.dtype)
