"""From the feature map to one feature an image: f_t, which the triplet and the center loss see.

A pooling is a module from [B, C, h, w] to [B, D]; a model takes any such object. The paper's is the average.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.models.adapter import eval_mode

Pooling = Literal["average"]


class AveragePooling(nn.Module):
    """Average over the map (Luo et al. 2019, figure 2): [B, C, h, w] to [B, C], half types come out as float32."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """Average in at least float32, under autocast too: the losses measure distances between these."""
        half = feature_map.dtype in (torch.float16, torch.bfloat16)
        return feature_map.mean(dim=(2, 3), dtype=torch.float32 if half else feature_map.dtype)


def create_pooling(kind: Pooling) -> nn.Module:
    """Give the pooling of that name."""
    match kind:
        case "average":
            return AveragePooling()


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
