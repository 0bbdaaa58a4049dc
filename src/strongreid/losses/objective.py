"""The objective: the sum of the losses, each under its name.

A loss that is None is left out. Weights live in the losses (only the center loss has one), so the sum is plain.
"""

from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.losses.center import CenterLoss
from strongreid.losses.identity import IdentityLoss
from strongreid.losses.triplet import BatchHardTripletLoss


class Objective(nn.Module):
    """L = L_identity + L_triplet + L_center (Luo et al. 2019, section 3.6), any of them None to leave it out."""

    def __init__(
        self, identity: IdentityLoss | None, triplet: BatchHardTripletLoss | None, center: CenterLoss | None
    ) -> None:
        super().__init__()
        if identity is None and triplet is None and center is None:
            raise InputError("The objective has no loss: give at least one of identity, triplet and center.")
        self.identity = identity
        self.triplet = triplet
        self.center = center

    def forward(self, pooled: Tensor, logits: Tensor, person: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum the losses and name them.

        `pooled` f_t [B, D] goes to the triplet and the center loss, `logits` [B, people] to the identity loss;
        `person` [B] is the class index, int64, 0..people-1. Returns the total (a scalar with gradient) and the terms
        "identity", "triplet", "center" (detached scalars on the same device, as they enter the sum; a loss left out
        is absent).
        """
        terms: dict[str, Tensor] = {}
        if self.identity is not None:
            terms["identity"] = self.identity(logits, person)
        if self.triplet is not None:
            terms["triplet"] = self.triplet(pooled, person)
        if self.center is not None:
            terms["center"] = self.center(pooled, person)
        first, *others = terms.values()
        total = sum(others, start=first)
        return total, {name: term.detach() for name, term in terms.items()}

    def center_parameters(self) -> list[nn.Parameter]:
        """Give what the centers' own SGD trains: `[centers]`, or `[]` without a center loss."""
        return [] if self.center is None else [self.center.centers]
