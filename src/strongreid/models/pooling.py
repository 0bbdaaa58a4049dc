"""From the feature map to one feature an image: f_t, which the triplet and the center loss see.

A pooling is a module from [B, C, h, w] to [B, D]; a model takes any such object. The paper's is the average.
"""

from typing import Final, Literal

import torch
from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.losses.distance import at_least_float32
from strongreid.models.adapter import eval_mode

Pooling = Literal["average", "gem", "max_average"]


class AveragePooling(nn.Module):
    """Average over the map (Luo et al. 2019, figure 2): [B, C, h, w] to [B, C], half types come out as float32."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """Average in at least float32, under autocast too: the losses measure distances between these."""
        half = feature_map.dtype in (torch.float16, torch.bfloat16)
        return feature_map.mean(dim=(2, 3), dtype=torch.float32 if half else feature_map.dtype)


class GeMPooling(nn.Module):
    """Generalised mean (Radenovic et al. 2019): the p-th root of the average of p-th powers, [B, C, h, w] to [B, C].

    p is learned, one for all channels; 1 is the average, infinity the maximum. What is below `eps` counts as `eps`, so
    it is for maps after a ReLU, not for the tokens of a transformer. Half types come out as float32.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([p]))
        self.eps = eps

    def forward(self, feature_map: Tensor) -> Tensor:
        """Pool in at least float32, under autocast too: powers of half types overflow."""
        device = feature_map.device.type
        with torch.autocast("cpu" if device == "meta" else device, enabled=False):  # meta: shapes without values
            powers = at_least_float32(feature_map).clamp(min=self.eps).pow(self.p)
            return powers.mean(dim=(2, 3)).pow(1 / self.p)


class MaxAveragePooling(AveragePooling):
    """The maximum of each channel plus its average: [B, C, h, w] to [B, C], half types come out as float32."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """Add what each of the two poolings gives."""
        average = super().forward(feature_map)
        return feature_map.amax(dim=(2, 3)).to(average.dtype) + average


_BY_NAME: Final[dict[Pooling, type[nn.Module]]] = {
    "average": AveragePooling,
    "gem": GeMPooling,
    "max_average": MaxAveragePooling,
}


def create_pooling(pooling: Pooling | nn.Module) -> nn.Module:
    """Give the pooling of that name; a module is taken as it is. Raises `InputError` for another name."""
    if isinstance(pooling, nn.Module):
        return pooling
    if pooling not in _BY_NAME:
        raise InputError(f"`pooling` is {pooling!r}; it must be one of {', '.join(map(repr, _BY_NAME))}.")
    return _BY_NAME[pooling]()


@torch.no_grad()
def pooled_width(pooling: nn.Module, example: Tensor) -> int:
    """Return how long the features are that `pooling` makes of maps like `example` [1, C, h, w]; nothing changes in it.

    Raises `InputError` where it does not take them, or makes something else of them than [1, D].
    """
    name, shape = type(pooling).__name__, list(example.shape)
    with eval_mode(pooling):
        try:
            pooled: object = pooling(example)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"The pooling {name} does not take maps {shape} ({error}).") from error
    if not isinstance(pooled, Tensor) or pooled.ndim != 2 or len(pooled) != 1:
        found = list(pooled.shape) if isinstance(pooled, Tensor) else type(pooled).__name__
        raise InputError(f"The pooling {name} makes {found} of a map {shape}; it must make [1, D] of it.")
    return pooled.shape[1]
