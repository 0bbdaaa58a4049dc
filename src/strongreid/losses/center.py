"""The center loss (Wen et al., ECCV 2016), trick 6 of Luo et al. 2019, with the reference's gradients.

The reference weights the loss with 0.0005, then multiplies the gradient of the centers by 1 / 0.0005 after the
backward pass, so that the features feel the weighted loss and the centers the unweighted one. Here the same two
gradients come out of one expression, so that nobody has to touch gradients between backward and step:

    weight * |f - sg(c)|²  +  (|sg(f) - c|² - sg(|sg(f) - c|²))        sg: no gradient

The bracket is 0 in value; its gradient trains the centers.
"""

import torch
from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.losses.distance import at_least_float32, without_autocast


class CenterLoss(nn.Module):
    """Pull features towards their person's center: weight * mean over the batch of |f - c|² (no 1/2), ALREADY weighted.

    `people` and `dim` give the shape of `.centers`, a Parameter [people, dim] drawn from N(0, 1). Train the centers
    with plain SGD, rate 0.5, no momentum, no decay, no schedule (Luo et al. 2019, section 3.6): their gradient is that
    of the UNWEIGHTED loss.
    """

    def __init__(self, people: int, dim: int, weight: float = 0.0005) -> None:
        super().__init__()
        if people < 1 or dim < 1:
            raise InputError(f"The center loss needs `people` and `dim` of at least 1, not {people} and {dim}.")
        if not weight >= 0:
            raise InputError(f"The `weight` of the center loss is {weight}; it must be at least 0 (paper: 0.0005).")
        self.weight = weight
        self.centers = nn.Parameter(torch.randn(people, dim))

    def forward(self, features: Tensor, person: Tensor) -> Tensor:
        """Average over the batch: `features` [B, dim] and `person` [B] int64 (0..people-1) give a scalar."""
        if features.shape != (len(person), self.centers.shape[1]):
            raise InputError(
                f"The center loss takes features [{len(person)}, {self.centers.shape[1]}] (images, dim); it got "
                f"{list(features.shape)}."
            )
        with without_autocast(features):
            features = at_least_float32(features)
            # index_select, not centers[person]: on CPU the latter's gradient is summed in an order that differs.
            centers = self.centers.index_select(0, person)
            pull = (features - centers.detach()).square().sum(dim=1).mean()
            follow = (features.detach() - centers).square().sum(dim=1).mean()
            return self.weight * pull + (follow - follow.detach())
