"""OSNet: a small network of our own whose blocks look at several scales at once (Zhou et al., ICCV 2019).

A block has four streams of 1, 2, 3 and 4 light 3 x 3 convolutions, so they see 3, 5, 7 and 9 pixels; one gate, the same
for all four, weighs their channels before they are added up. The stride of the whole is 16: 256 x 128 pixels give
16 x 8 cells.

Names and shapes of the parameters are those of torchreid's files, so that they load as they are. `IN` is an
InstanceNorm: OSNet-IBN has one in the stem and after the additions of the first stage, OSNet-AIN in the stem and, where
a search put it, in the branch before the addition, in place of the branch's BatchNorm (Zhou et al., TPAMI 2021).
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Kind = Literal["plain", "ibn", "ain"]

_CHANNELS = {"x0_25": (16, 64, 96, 128), "x0_5": (32, 128, 192, 256), "x0_75": (48, 192, 288, 384),
             "x1_0": (64, 256, 384, 512)}  # fmt: skip
"""Channels of the stem and of the three stages, by the width's name."""
_PREFIXES: dict[Kind, str] = {"plain": "osnet_", "ibn": "osnet_ibn_", "ain": "osnet_ain_"}
_INSTANCE_NORMS: dict[Kind, tuple[tuple[bool, bool], ...]] = {
    "plain": ((False, False), (False, False), (False, False)),
    "ibn": ((True, True), (False, False), (False, False)),
    "ain": ((True, True), (False, True), (True, False)),
}
"""Which of the two blocks of each stage have an InstanceNorm."""
FEATURES = 512
"""Values of the feature that the published networks end with."""

OSNETS = {
    f"{prefix}{width}{end}": (kind, width, bool(end))
    for kind, prefix in _PREFIXES.items()
    for width in _CHANNELS
    for end in ("", "_fc512")
}
"""All names: kind, width, and whether the published networks' last layer comes after the average of the map."""


class ConvNorm(nn.Module):
    """Convolution, normalisation, and ReLU or not."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int = 1,
        *,
        norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride=2 if size > 1 else 1, padding=size // 2, bias=False)
        self.bn = nn.Identity() if norm is None else norm(outputs)
        self.relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, values: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, outputs, h, w], half as high and wide where the size is above 1."""
        result: Tensor = self.relu(self.bn(self.conv(values)))
        return result


_InstanceNorm = partial(nn.InstanceNorm2d, affine=True)
"""InstanceNorm with a weight and a bias a channel, and without running statistics."""


class _LightConv(nn.Module):
    """A 1 x 1 convolution without normalisation, then a 3 x 3 one of each channel by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, values: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv2(self.conv1(values))))


class _Stream(nn.Module):
    """Light convolutions one after another, by the name that OSNet-AIN's files have."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(_LightConv(channels) for _ in range(depth)))

    def forward(self, values: Tensor) -> Tensor:
        result: Tensor = self.layers(values)
        return result


class _Gate(nn.Module):
    """Weigh each channel by 0..1, decided from the channels' averages."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1)

    def forward(self, values: Tensor) -> Tensor:
        average = values.mean((2, 3), keepdim=True)
        return values * torch.sigmoid(self.fc2(F.relu(self.fc1(average))))


class OSBlock(nn.Module):
    """The residual block of all scales (section 3.2), with an InstanceNorm or not."""

    def __init__(self, inputs: int, outputs: int, kind: Kind, *, instance_norm: bool) -> None:
        super().__init__()
        width = outputs // 4
        self.conv1 = ConvNorm(inputs, width)
        if kind == "ain":
            self.conv2 = nn.ModuleList(_Stream(width, depth) for depth in (1, 2, 3, 4))
        else:
            self.conv2a = _LightConv(width)
            self.conv2b = nn.Sequential(*(_LightConv(width) for _ in range(2)))
            self.conv2c = nn.Sequential(*(_LightConv(width) for _ in range(3)))
            self.conv2d = nn.Sequential(*(_LightConv(width) for _ in range(4)))
        self.gate = _Gate(width)
        self.in_branch = kind == "ain" and instance_norm
        self.conv3 = ConvNorm(width, outputs, norm=None if self.in_branch else nn.BatchNorm2d, relu=False)
        self.downsample = ConvNorm(inputs, outputs, relu=False) if inputs != outputs else nn.Identity()
        self.IN = _InstanceNorm(outputs) if instance_norm else nn.Identity()

    def _streams(self) -> nn.ModuleList | tuple[nn.Module, ...]:
        return self.conv2 if hasattr(self, "conv2") else (self.conv2a, self.conv2b, self.conv2c, self.conv2d)

    def forward(self, values: Tensor) -> Tensor:
        """Map [B, inputs, h, w] to [B, outputs, h, w]."""
        narrow = self.conv1(values)
        first, *others = (self.gate(stream(narrow)) for stream in self._streams())
        branch, shortcut = self.conv3(sum(others, first)), self.downsample(values)
        return F.relu(self.IN(branch) + shortcut if self.in_branch else self.IN(branch + shortcut))


class OSNet(nn.Module):
    """Images [B, 3, H, W] to a map [B, C, H/16, W/16] or, with the fully connected layer, to features [B, 512].

    Args:
        kind: without InstanceNorm, with it as in OSNet-IBN, or as in OSNet-AIN.
        channels: of the stem and of the three stages; multiples of 16, of the stages of 64.
        features: whether the average of the map goes through Linear, BatchNorm and ReLU, as in the published networks.
    """

    def __init__(self, kind: Kind, channels: tuple[int, int, int, int], *, features: bool = False) -> None:
        super().__init__()
        stem, *widths = channels
        self.num_features = FEATURES if features else widths[-1]
        self.conv1 = ConvNorm(3, stem, 7, norm=nn.BatchNorm2d if kind == "plain" else _InstanceNorm)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = [
            [OSBlock(inputs, outputs, kind, instance_norm=first), OSBlock(outputs, outputs, kind, instance_norm=second)]
            for inputs, outputs, (first, second) in zip(channels, widths, _INSTANCE_NORMS[kind], strict=False)
        ]
        halved = [nn.Sequential(ConvNorm(outputs, outputs), nn.AvgPool2d(2)) for outputs in widths[:2]]
        apart = kind == "ain"  # whose files have the transitions under names of their own
        self.conv2 = nn.Sequential(*stages[0]) if apart else nn.Sequential(*stages[0], halved[0])
        self.pool2 = halved[0] if apart else nn.Identity()
        self.conv3 = nn.Sequential(*stages[1]) if apart else nn.Sequential(*stages[1], halved[1])
        self.pool3 = halved[1] if apart else nn.Identity()
        self.conv4 = nn.Sequential(*stages[2])
        self.conv5 = ConvNorm(widths[2], widths[2])
        layers = (nn.Linear(widths[2], FEATURES), nn.BatchNorm1d(FEATURES), nn.ReLU())
        self.fc = nn.Sequential(*layers) if features else None
        self.apply(_first_weights)

    @property
    def last_transition(self) -> nn.Sequential:
        """The 1 x 1 convolution and the pool before the last stage."""
        transition = self.pool3 if isinstance(self.pool3, nn.Sequential) else self.conv3[-1]
        assert isinstance(transition, nn.Sequential)
        return transition

    def forward(self, images: Tensor) -> Tensor:
        """Map images float32 [B, 3, H, W] to a map or to features."""
        values = self.maxpool(self.conv1(images))
        values = self.pool3(self.conv3(self.pool2(self.conv2(values))))
        values = self.conv5(self.conv4(values))
        result: Tensor = values if self.fc is None else self.fc(values.mean((2, 3)))
        return result


def create_osnet(name: str) -> OSNet:
    """Build the network of one of `OSNETS`, from random weights."""
    kind, width, features = OSNETS[name]
    return OSNet(kind, _CHANNELS[width], features=features)


def _first_weights(module: nn.Module) -> None:
    """Draw weights that keep the deviation of what goes back through a ReLU (He et al. 2015); biases start at 0."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
