"""Trick 4 of Luo et al. 2019: the last stride becomes 1, the weights and the dilation stay (section 3.4).

timm's `output_stride=16` dilates, which is another network. So the stride is taken out of the block that has it; where
that block is, is known for each family below, and every other network refuses. Taking it out makes the map twice as
high and wide: every second row and column of a convolution's new map is its old map.

| family | the block |
|---|---|
| ResNet, ResNeXt, SE-ResNet | the first of `layer4` |
| EfficientNet, MobileNet v2 to v4, MnasNet, FBNet | the last in `blocks` that strides |
| OSNet | the average pool before the last stage |
| ConvNeXt | the 2 x 2 convolution before the last stage; it gets a row of zeros at the bottom, a column at the right |
"""

import torch
from timm.layers.blur_pool import BlurPool2d
from timm.layers.cond_conv2d import CondConv2d
from timm.layers.conv2d_same import Conv2dSame
from timm.models import _efficientnet_blocks as efficient
from timm.models import convnext, efficientnet, mobilenetv3, resnet, senet
from torch import nn

from strongreid.errors import InputError
from strongreid.models.adapter import probe
from strongreid.models.osnet import OSNet

_PROBED_SIZE = (128, 128)
"""Height and width, in pixels, of the image that shows what a stride does: a multiple of all strides."""

_CONVOLUTIONS = (nn.Conv2d, CondConv2d)
_RESNET_BLOCKS = (
    resnet.BasicBlock,
    resnet.Bottleneck,
    senet.SEResNetBlock,
    senet.SEBottleneck,
    senet.SEResNetBottleneck,
    senet.SEResNeXtBottleneck,
)
_EFFICIENT_BLOCKS = (
    efficient.ConvBnAct,
    efficient.DepthwiseSeparableConv,
    efficient.InvertedResidual,
    efficient.EdgeResidual,
    efficient.UniversalInvertedResidual,
)


def set_last_stride_to_1(network: nn.Module, name: str) -> None:
    """Take the last stride out of `network`, in place; its state dict stays as it is.

    Raises `InputError`, with `name`, for a network whose rule is not known, or whose map is not doubled by it.
    """
    block = _last_striding_block(network)
    if block is None:
        raise InputError(
            f"How to set the last stride of the backbone {name} to 1 is not known. Use `last_stride` 2 with it, or a "
            "ResNet, ResNeXt, SE-ResNet, EfficientNet, MobileNet, ConvNeXt or OSNet."
        )
    before = probe(network, _PROBED_SIZE, name).shape[2:]
    _remove_strides(block)
    after = probe(network, _PROBED_SIZE, name).shape[2:]
    if after != (2 * before[0], 2 * before[1]):
        raise InputError(
            f"Last stride 1 does not double the map of the backbone {name} (from {list(before)} to {list(after)}). "
            "Use `last_stride` 2 with it."
        )


def _last_striding_block(network: nn.Module) -> nn.Module | None:
    """Return the block that strides last, for the networks whose rule is known."""
    if isinstance(network, convnext.ConvNeXt):
        return network.stages[-1].get_submodule("downsample")
    if isinstance(network, OSNet):
        return network.last_transition
    if isinstance(network, efficientnet.EfficientNet | mobilenetv3.MobileNetV3):
        blocks = [block for block in network.blocks.modules() if isinstance(block, _EFFICIENT_BLOCKS)]
        return next((block for block in reversed(blocks) if any(map(_strides, block.modules()))), None)
    stage = getattr(network, "layer4", None)
    block = stage[0] if isinstance(stage, nn.Sequential) else None
    return block if type(block) in _RESNET_BLOCKS else None


def _remove_strides(block: nn.Module) -> None:
    """Set to 1 whatever strides in a block: convolutions, and the pools beside them."""
    for parent in list(block.modules()):
        for child_name, child in parent.named_children():
            if not _strides(child):
                continue
            if isinstance(child, nn.Conv2d) and child.kernel_size == (2, 2):
                setattr(parent, child_name, _padded(child))
            elif isinstance(child, _CONVOLUTIONS):
                child.stride = (1, 1)
            else:
                # With stride 1 timm builds no pool at all, in the downsample as in the anti-aliasing.
                setattr(parent, child_name, nn.Identity())


def _padded(conv: nn.Conv2d) -> nn.Conv2d:
    """Give a 2 x 2 convolution with the same weights and stride 1, that adds zeros at the bottom and at the right."""
    with torch.device("meta"):  # no first weights, and so no random numbers
        padded = Conv2dSame(conv.in_channels, conv.out_channels, 2, bias=conv.bias is not None)
    padded.weight, padded.bias = conv.weight, conv.bias
    return padded


def _strides(module: nn.Module) -> bool:
    return isinstance(module, nn.AvgPool2d | BlurPool2d) or (
        isinstance(module, _CONVOLUTIONS) and module.stride != (1, 1)
    )
