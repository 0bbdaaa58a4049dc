"""MLFN (Chang et al. 2018) as torchreid builds it: the gates of all blocks are a second feature. For inference."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strongreid.models.foreign.keys import Shapes, children

_GROUPS = 32
"""Groups of the 3 x 3 convolutions, which the gates switch."""


class GatedBlock(nn.Module):
    """A block of grouped convolutions and its gate: [B, C, h, w] to the same kind of map, and gates [B, 32, 1, 1]."""

    def __init__(self, inputs: int, width: int, hidden: tuple[int, int], stride: int, projected: bool) -> None:
        super().__init__()
        outputs = 2 * width
        self.fm_conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.fm_bn1 = nn.BatchNorm2d(width)
        self.fm_conv2 = nn.Conv2d(width, width, 3, stride, 1, groups=_GROUPS, bias=False)
        self.fm_bn2 = nn.BatchNorm2d(width)
        self.fm_conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.fm_bn3 = nn.BatchNorm2d(outputs)
        gate: list[nn.Module] = [nn.AdaptiveAvgPool2d(1)]
        for before, after in ((inputs, hidden[0]), hidden, (hidden[1], _GROUPS)):
            gate += [nn.Conv2d(before, after, 1), nn.BatchNorm2d(after), nn.ReLU()]
        self.fsm = nn.Sequential(*gate[:-1], nn.Sigmoid())
        shortcut = (nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.downsample = nn.Sequential(*shortcut) if projected else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give the map and the gates."""
        gates = self.fsm(x)
        y = F.relu(self.fm_bn1(self.fm_conv1(x)))
        y = F.relu(self.fm_bn2(self.fm_conv2(y)))
        y = y * gates.repeat_interleave(y.shape[1] // _GROUPS, dim=1)
        y = F.relu(self.fm_bn3(self.fm_conv3(y)))
        return F.relu(y + self.downsample(x)), gates


class MultiLevel(nn.Module):
    """From images [B, 3, H, W] to the mean of the projected map and the projected gates, [B, D]."""

    def __init__(self, blocks: list[GatedBlock], width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.feature = nn.ModuleList(blocks)
        self.fc_x, self.fc_s = (
            nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
            for inputs in (blocks[-1].fm_bn3.num_features, _GROUPS * len(blocks))
        )

    def forward(self, images: Tensor) -> Tensor:
        """Give the features."""
        x, gates = self.maxpool(F.relu(self.bn1(self.conv1(images)))), []
        for block in self.feature:
            x, gate = block(x)
            gates.append(gate)
        x = self.fc_x(F.adaptive_avg_pool2d(x, 1)) + self.fc_s(torch.cat(gates, dim=1))
        features: Tensor = x.flatten(1) / 2
        return features


def multi_level(shapes: Shapes) -> MultiLevel:
    """Build the network whose weights have these shapes."""

    def block(index: int) -> GatedBlock:
        name = f"feature.{index}."
        width, inputs = shapes[f"{name}fm_conv1.weight"][:2]
        hidden = (shapes[f"{name}fsm.1.weight"][0], shapes[f"{name}fsm.4.weight"][0])
        projected = f"{name}downsample.0.weight" in shapes
        return GatedBlock(inputs, width, hidden, 2 if projected and index else 1, projected)

    blocks = [block(index) for index in range(children(shapes, "feature."))]
    return MultiLevel(blocks, shapes["fc_x.0.weight"][0])
