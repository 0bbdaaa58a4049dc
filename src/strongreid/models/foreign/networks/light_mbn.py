"""LightMBN (Herzog et al. 2021): OSNet's last stages in three branches, seven features. For inference.

Names of modules are those of the files, misspelt ones too.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strongreid.models.foreign.keys import Shapes
from strongreid.models.foreign.networks.feature import Mirrored
from strongreid.models.osnet import ConvNorm, OSBlock


class Reduction(nn.Module):
    """A 1 x 1 convolution, where there is one, and batch normalisation: [B, C, 1, 1] to [B, D]."""

    def __init__(self, inputs: int, width: int, *, reduces: bool = True) -> None:
        super().__init__()
        self.reduction = nn.Conv2d(inputs, width, 1, bias=False) if reduces else nn.Identity()
        self.bn = nn.BatchNorm1d(width)

    def forward(self, pooled: Tensor) -> Tensor:
        """Reduce and normalise."""
        found: Tensor = self.bn(self.reduction(pooled).flatten(1))
        return found


def _block(inputs: int, outputs: int) -> OSBlock:
    return OSBlock(inputs, outputs, "plain", instance_norm=False)


def _transition(channels: int) -> nn.Sequential:
    return nn.Sequential(ConvNorm(channels, channels), nn.AvgPool2d(2))


def _branch(channels: tuple[int, ...]) -> nn.Sequential:
    """Build the rest of OSNet after the first block of its second stage."""
    _, _, second, third = channels
    stage = {"1": _block(second, second), "2": _transition(second)}
    last = nn.Sequential(_block(second, third), _block(third, third))
    return nn.Sequential(nn.Sequential(OrderedDict(stage)), last, ConvNorm(third, third))


class LightMultiBranch(Mirrored):
    """From images [B, 3, H, W] to seven features of length one, [B, D * 7], the part being the fastest index."""

    def __init__(self, channels: tuple[int, ...], width: int, *, mirror: bool) -> None:
        """Build it; `channels`: of OSNet's stem and stages, `width`: of one feature."""
        super().__init__(mirror)
        stem, first, second, third = channels
        stage = nn.Sequential(_block(stem, first), _block(first, first), _transition(first))
        self.backone = nn.Sequential(ConvNorm(3, stem, 7), nn.MaxPool2d(3, 2, 1), stage, _block(first, second))
        self.global_branch, self.partial_branch, self.channel_branch = (_branch(channels) for _ in range(3))
        self.reduction_0, self.reduction_1, self.reduction_2, self.reduction_3, self.reduction_4 = (
            Reduction(third, width) for _ in range(5)
        )
        self.shared = nn.Sequential(nn.Conv2d(third // 2, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.reduction_ch_0, self.reduction_ch_1 = (Reduction(width, width, reduces=False) for _ in range(2))
        self.batch_drop_block = nn.ModuleDict({"drop_batch_bottleneck": _block(third, third)})

    def features(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to the features of one view [B, D, 7]."""
        shared = self.backone(images)
        whole = self.batch_drop_block["drop_batch_bottleneck"](self.global_branch(shared))
        partial = self.partial_branch(shared)
        halves = F.adaptive_avg_pool2d(partial, (2, 1)).chunk(2, dim=2)
        channels = F.adaptive_avg_pool2d(self.channel_branch(shared), 1).chunk(2, dim=1)
        parts = (
            self.reduction_0(F.adaptive_avg_pool2d(whole, 1)),
            self.reduction_4(F.adaptive_max_pool2d(whole, 1)),
            self.reduction_1(F.adaptive_max_pool2d(partial, 1)),
            self.reduction_2(halves[0]),
            self.reduction_3(halves[1]),
            self.reduction_ch_0(self.shared(channels[0])),
            self.reduction_ch_1(self.shared(channels[1])),
        )
        return torch.stack(parts, dim=2)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to features [B, D * 7]."""
        return F.normalize(super().forward(images), dim=1).flatten(1)


def light_mbn(shapes: Shapes, *, mirror: bool) -> LightMultiBranch:
    """Build the network whose weights have these shapes."""
    names = ("backone.0", "backone.2.2.0", "backone.3.conv3", "global_branch.2")
    channels = tuple(shapes[f"{name}.conv.weight"][0] for name in names)
    return LightMultiBranch(channels, shapes["reduction_0.reduction.weight"][0], mirror=mirror)
