"""IBN-a: ResNets that normalise half the channels by the image itself, the other half by the batch (Pan et al. 2018).

In each block of the first three stages the first BatchNorm gives way to InstanceNorm on the first half of its channels,
which takes out what differs between cameras, beside BatchNorm on the rest. Key names are those of the authors' files
(`bn1.IN`, `bn1.BN`), whose ImageNet weights "imagenet" means here.
"""

import torch
from torch import Tensor, nn

_RELEASE = "https://github.com/XingangPan/IBN-Net/releases/download/v1.0"
IBN_NETS = {
    "resnet18_ibn_a": f"{_RELEASE}/resnet18_ibn_a-2f571257.pth",
    "resnet34_ibn_a": f"{_RELEASE}/resnet34_ibn_a-94bc1577.pth",
    "resnet50_ibn_a": f"{_RELEASE}/resnet50_ibn_a-d9d0bb7b.pth",
    "resnet101_ibn_a": f"{_RELEASE}/resnet101_ibn_a-59ea0ac6.pth",
}
"""Names, and where the authors' ImageNet weights are."""


class InstanceBatchNorm(nn.Module):
    """InstanceNorm on the first half of the channels, BatchNorm on the rest: [B, C, h, w] to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.IN = nn.InstanceNorm2d(channels // 2, affine=True)
        self.BN = nn.BatchNorm2d(channels - channels // 2)

    def forward(self, values: Tensor) -> Tensor:
        """Normalise the halves, each by its own rule."""
        half = self.IN.num_features
        return torch.cat((self.IN(values[:, :half]), self.BN(values[:, half:])), dim=1)


def to_ibn_a(network: nn.Module) -> nn.Module:
    """Put IBN-a into a plain ResNet of timm, in place, and return it."""
    for stage in ("layer1", "layer2", "layer3"):
        for block in network.get_submodule(stage).children():
            block.bn1 = InstanceBatchNorm(len(block.get_submodule("bn1").get_parameter("weight")))
    return network
