"""ResNets of other codebases, with what timm's have not: IBN-a, non-local blocks, other stems and poolings.

Every detail that the weights do not show is an argument; what they show (depth, IBN, non-local blocks) is read off them
by `residual_network`. Names of modules are those of the files.
"""

from collections.abc import Mapping
from functools import partial
from typing import Literal

from timm.models.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

from strongreid.models.foreign.keys import Shapes, children, under
from strongreid.models.ibn import InstanceBatchNorm

MaxPool = Literal["padded", "ceil"]
_WIDTHS = (64, 128, 256, 512)


class NonLocal(nn.Module):
    """A non-local block (Wang et al. 2018) without softmax: affinities are products over the number of positions."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.g = nn.Conv2d(channels, inner, 1)
        self.W = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.BatchNorm2d(channels))
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Conv2d(channels, inner, 1)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Add to each position of [B, C, h, w] what all positions say to it."""
        values, asked, asking = (layer(feature_map).flatten(2) for layer in (self.g, self.phi, self.theta))
        said = values @ asked.transpose(1, 2) @ asking / asking.shape[2]
        added: Tensor = self.W(said.unflatten(2, feature_map.shape[2:]))
        return added + feature_map


def residual_stage(
    block: type[BasicBlock | Bottleneck], inputs: int, width: int, blocks: int, *, stride: int = 1, ibn: bool = False
) -> nn.Sequential:
    """Build `blocks` blocks of `width` channels; the first strides, and projects its shortcut where shapes differ."""
    outputs = width * block.expansion
    layers = []
    for index in range(blocks):
        projected = index == 0 and (stride != 1 or inputs != outputs)
        downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        layer = block(inputs, width, stride=stride if index == 0 else 1, downsample=downsample if projected else None)
        if ibn:
            layer.bn1 = InstanceBatchNorm(width)
        layers.append(layer)
        inputs = outputs
    return nn.Sequential(*layers)


def max_pool(kind: MaxPool) -> nn.MaxPool2d:
    """Give the stem's max pooling: "padded" by one pixel, or "ceil", without padding, past the lower right edge."""
    return nn.MaxPool2d(3, 2, padding=1) if kind == "padded" else nn.MaxPool2d(3, 2, ceil_mode=True)


class ResidualNetwork(nn.Module):
    """A ResNet from images [B, 3, H, W] to a map [B, C, h, w]."""

    def __init__(
        self,
        layers: tuple[int, ...],
        *,
        bottleneck: bool,
        ibn: tuple[bool, ...],
        non_local: Mapping[int, tuple[int, int]],
        last_stride: int,
        stem_relu: bool,
        pool: MaxPool,
    ) -> None:
        """Build it; `layers`, `ibn`: blocks and IBN a stage; `non_local`: blocks and inner width by stage, 1 to 4."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.act1 = nn.ReLU() if stem_relu else nn.Identity()
        self.maxpool = max_pool(pool)
        block = Bottleneck if bottleneck else BasicBlock
        stage = partial(residual_stage, block)
        e = block.expansion
        self.layer1 = stage(64, 64, layers[0], ibn=ibn[0])
        self.layer2 = stage(64 * e, 128, layers[1], stride=2, ibn=ibn[1])
        self.layer3 = stage(128 * e, 256, layers[2], stride=2, ibn=ibn[2])
        self.layer4 = stage(256 * e, 512, layers[3], stride=last_stride, ibn=ibn[3])
        for number, (blocks, inner) in non_local.items():
            one = partial(NonLocal, _WIDTHS[number - 1] * e, inner)
            self.add_module(f"NL_{number}", nn.ModuleList(one() for _ in range(blocks)))

    def forward(self, images: Tensor) -> Tensor:
        """Give the last map; a stage's non-local blocks follow its last blocks, one each."""
        x = self.maxpool(self.act1(self.bn1(self.conv1(images))))
        for number, stage in enumerate((self.layer1, self.layer2, self.layer3, self.layer4), start=1):
            after = list(getattr(self, f"NL_{number}", ()))
            for index, block in enumerate(stage):
                x = block(x)
                place = index - (len(stage) - len(after))
                if place >= 0:
                    x = after[place](x)
        feature_map: Tensor = x
        return feature_map


def stages_of(shapes: Shapes) -> tuple[int, int, int, int]:
    """Read the number of blocks in `layer1` to `layer4`."""
    first, second, third, fourth = (children(shapes, f"layer{number}.") for number in (1, 2, 3, 4))
    return first, second, third, fourth


def residual_network(shapes: Shapes, *, last_stride: int, stem_relu: bool, pool: MaxPool) -> ResidualNetwork:
    """Build the ResNet whose weights have these shapes."""
    non_local = {
        number: (children(shapes, f"NL_{number}."), shapes.get(f"NL_{number}.0.g.weight", (1,))[0])
        for number in (1, 2, 3, 4)
        if under(shapes, f"NL_{number}.")
    }
    return ResidualNetwork(
        stages_of(shapes),
        bottleneck="layer1.0.conv3.weight" in shapes,
        ibn=tuple(f"layer{number}.0.bn1.IN.weight" in shapes for number in (1, 2, 3, 4)),
        non_local=non_local,
        last_stride=last_stride,
        stem_relu=stem_relu,
        pool=pool,
    )
