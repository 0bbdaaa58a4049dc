"""Depthwise convolutions of a training in bfloat16 on a CPU stay in float32.

Processors that multiply bfloat16 (AVX512-BF16, AMX) take half the time for everything else, but PyTorch's gradients of
depthwise convolutions in bfloat16 are several times slower than in float32: EfficientNet, MobileNet and ConvNeXt would
train slower than in float32, and train faster this way (docs/performance.md has the ratios).
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from strongreid.losses.distance import at_least_float32, without_autocast


def depthwise_in_float32(model: nn.Module) -> None:
    """Let the depthwise convolutions of a model compute in float32 under autocast; what goes in and out keeps its type.

    Without autocast nothing changes, and doing it again changes nothing.
    """
    for module in model.modules():
        depthwise = isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1
        if depthwise and "forward" not in vars(module):
            module.forward = partial(_in_float32, module.forward)


def _in_float32(convolve: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    with without_autocast(values):
        return convolve(at_least_float32(values)).to(values.dtype)
