"""What other codebases put behind the last map: a feature layer, stripes, and the mirror image beside."""

from torch import Tensor, nn
from torch.nn import functional as F

from strongreid.models.adapter import feature_map
from strongreid.models.foreign.keys import Shapes
from strongreid.models.pooling import AveragePooling


class Mirrored(nn.Module):
    """A network whose feature is the sum over an image and, if `mirror`, its left-right mirror image."""

    def __init__(self, mirror: bool) -> None:
        super().__init__()
        self.mirror = mirror

    def features(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to features of one view."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to the features of one or of both views."""
        found = self.features(images)
        return found + self.features(images.flip(3)) if self.mirror else found


class FeatureNetwork(Mirrored):
    """A trunk, average pooling, and a feature layer: images [B, 3, H, W] to [B, D]."""

    def __init__(self, trunk: nn.Module, feature: nn.Sequential, *, mirror: bool) -> None:
        super().__init__(mirror)
        self.trunk = trunk
        self.pooling = AveragePooling()
        self.feature = feature

    def features(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to features [B, D]."""
        found: Tensor = self.feature(self.pooling(feature_map(self.trunk, images)))
        return found


class Stripes(Mirrored):
    """PCB (Sun et al. 2018) at test time: horizontal stripes of the last map, each of length one over their number.

    The part is the fastest index of the feature [B, C * stripes].
    """

    def __init__(self, trunk: nn.Module, stripes: int, *, mirror: bool) -> None:
        super().__init__(mirror)
        self.trunk = trunk
        self.stripes = stripes

    def features(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to the stripes' averages [B, C, stripes]."""
        feature_map: Tensor = self.trunk(images)
        return F.adaptive_avg_pool2d(feature_map, (self.stripes, 1)).squeeze(3)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to features [B, C * stripes]."""
        length: float = self.stripes**0.5
        return (F.normalize(super().forward(images), dim=1) / length).flatten(1)


def feature_layer(shapes: Shapes, *, relu: bool) -> nn.Sequential:
    """Build the feature layer whose weights have these shapes: a linear layer or none, batch normalisation, ReLU."""
    layers: list[nn.Module] = []
    first = shapes.get("0.weight", ())
    if len(first) == 2:
        layers.append(nn.Linear(first[1], first[0], bias="0.bias" in shapes))
    if shapes:
        layers.append(nn.BatchNorm1d(first[0] if first else 1))
    if relu:
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)
