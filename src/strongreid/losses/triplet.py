"""The triplet loss with batch-hard mining (Hermans et al. 2017, arXiv 1703.07737).

Mined with masks, so that people may have any number of images in the batch. The hardest pairs are chosen without a
gradient and only their B + B distances are differentiated: an image repeated in the batch is exactly 0 apart, and no
B x B graph is kept. Equal candidates: one of them gets the gradient, as in the reference.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.losses.distance import SMALLEST_SQUARE, at_least_float32, pairwise_euclidean, without_autocast


class BatchHardTripletLoss(nn.Module):
    """Mean over anchors of [d_p - d_n + margin]_+ (Luo et al. 2019, section 2; Hermans et al. 2017).

    d_p is the Euclidean distance to the farthest image of the same person in the batch, the anchor itself included;
    d_n that to the nearest image of another person. `margin` is in units of that distance; None is the soft margin,
    log(1 + exp(d_p - d_n)).

    A batch of one person has no d_n: its loss is 0 and so is its gradient. It is no error, because finding out would
    stop the device at each step; a sampler with fewer than two people per batch is the place to refuse that.
    """

    def __init__(self, margin: float | None = 0.3) -> None:
        super().__init__()
        if margin is not None and not margin >= 0:
            raise InputError(f"`margin` is {margin}; it must be at least 0 (paper: 0.3), or None for the soft margin.")
        self.margin = margin

    def forward(self, features: Tensor, person: Tensor) -> Tensor:
        """Mine and average: `features` [B, D] of any floating type and `person` [B] integers give a scalar."""
        if features.ndim != 2 or person.shape != features.shape[:1]:
            raise InputError(
                f"The triplet loss takes features [B, D] and person [B]; it got {list(features.shape)} and "
                f"{list(person.shape)}."
            )
        with without_autocast(features):
            features = at_least_float32(features)
            positive, negative, has_negative = _hardest(features, person)
            gap = _distance_to(features, positive) - _distance_to(features, negative)
            loss = F.softplus(gap) if self.margin is None else F.relu(gap + self.margin)
            return torch.where(has_negative, loss, 0).mean()


@torch.no_grad()
def _hardest(features: Tensor, person: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Index of each anchor's farthest positive [B] and nearest negative [B], and whether it has a negative [B]."""
    distance = pairwise_euclidean(features, features)
    same = person[:, None] == person[None, :]
    positive = distance.masked_fill(~same, -torch.inf).argmax(dim=1)
    negative = distance.masked_fill(same, torch.inf).argmin(dim=1)
    return positive, negative, ~same.all(dim=1)


def _distance_to(features: Tensor, index: Tensor) -> Tensor:
    """Distance of each row of `features` [B, D] to the row that `index` [B] names: [B]."""
    # index_select, not features[index]: on CPU the latter adds up its gradient in an order that differs run by run.
    squared = (features - features.index_select(0, index)).square().sum(dim=1)
    return squared.clamp(min=SMALLEST_SQUARE).sqrt()
