"""MGN (Wang et al. 2018) as fast-reid builds it: three branches of a ResNet-50, eight heads. For inference.

Two generations of files: up to v0.1.1 the reduction stands in the pooling (`b1_pool`), with batch normalisation and a
ReLU before the neck, and one exponent for all; later it stands in the head, which has an exponent of its own.
"""

from collections import OrderedDict

import torch
from timm.models.resnet import Bottleneck
from torch import Tensor, nn

from strongreid.models.foreign.keys import Shapes, children
from strongreid.models.foreign.networks.residual import MaxPool, max_pool, residual_stage
from strongreid.models.pooling import GeMPooling

_HEADS = ("b1", "b2", "b3", "b21", "b22", "b31", "b32", "b33")
"""Names of the heads in the order of the feature: whole maps first, then halves, then thirds."""


class MapGeM(GeMPooling):
    """GeM to a map of one position, [B, C, h, w] to [B, C, 1, 1]."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """Pool a map."""
        return super().forward(feature_map)[:, :, None, None]


class Head(nn.Module):
    """A map [B, C, h, w] to a feature [B, D]: GeM, 1 x 1 convolution, batch normalisation."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.pool_layer = MapGeM()
        self.bottleneck = nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, feature_map: Tensor) -> Tensor:
        """Pool, reduce, normalise."""
        found: Tensor = self.bottleneck(self.pool_layer(feature_map))
        return found.flatten(1)


class MultipleGranularity(nn.Module):
    """From images [B, 3, H, W] to eight features side by side, [B, 8 * D]."""

    def __init__(
        self,
        layers: tuple[int, ...],
        *,
        ibn: bool,
        width: int,
        old_heads: bool,
        last_stride: int,
        pool: MaxPool,
    ) -> None:
        """Build it; `layers`: blocks a stage, `width`: of one head's feature, `old_heads`: those up to v0.1.1."""
        super().__init__()
        stages = {
            "0": nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            "1": nn.BatchNorm2d(64),
            "2": nn.ReLU(),
            "3": max_pool(pool),
            "4": residual_stage(Bottleneck, 64, 64, layers[0], ibn=ibn),
            "5": residual_stage(Bottleneck, 256, 128, layers[1], stride=2, ibn=ibn),
            "6": residual_stage(Bottleneck, 512, 256, 1, stride=2, ibn=ibn)[0],
        }
        self.backbone = nn.Sequential(OrderedDict(stages))
        for branch, stride in (("b1", last_stride), ("b2", 1), ("b3", 1)):
            rest = residual_stage(Bottleneck, 1024, 256, layers[2] - 1, ibn=ibn)
            self.add_module(
                branch, nn.Sequential(rest, residual_stage(Bottleneck, 1024, 512, layers[3], stride=stride))
            )
        self.old_heads = old_heads
        for name in _HEADS:
            if old_heads:
                reduction = (nn.Conv2d(2048, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
                self.add_module(f"{name}_pool", nn.Sequential(MapGeM(), *reduction))
                self.add_module(f"{name}_head", nn.ModuleDict({"bnneck": nn.BatchNorm2d(width)}))
            else:
                self.add_module(f"{name}_head", Head(2048, width))

    def forward(self, images: Tensor) -> Tensor:
        """Give the features of all heads."""
        shared = self.backbone(images)
        whole = {name: getattr(self, name)(shared) for name in ("b1", "b2", "b3")}
        maps = (*whole.values(), *whole["b2"].chunk(2, dim=2), *whole["b3"].chunk(3, dim=2))
        return torch.cat([self._head(name, one) for name, one in zip(_HEADS, maps, strict=True)], dim=1)

    def _head(self, name: str, feature_map: Tensor) -> Tensor:
        head = getattr(self, f"{name}_head")
        if self.old_heads:
            head = nn.Sequential(getattr(self, f"{name}_pool"), head["bnneck"], nn.Flatten())
        found: Tensor = head(feature_map)
        return found


def multiple_granularity(shapes: Shapes, *, last_stride: int, pool: MaxPool) -> MultipleGranularity:
    """Build the network whose weights have these shapes."""
    old = "b1_pool.1.weight" in shapes
    return MultipleGranularity(
        (
            children(shapes, "backbone.4."),
            children(shapes, "backbone.5."),
            1 + children(shapes, "b1.0."),
            children(shapes, "b1.1."),
        ),
        ibn="backbone.4.0.bn1.IN.weight" in shapes,
        width=shapes["b1_pool.1.weight" if old else "b1_head.bottleneck.0.weight"][0],
        old_heads=old,
        last_stride=last_stride,
        pool=pool,
    )
