"""The optimisers of the paper: Adam with L2 decay for the network, plain SGD for the centers (Luo et al. 2019)."""

import torch
from torch.optim import Optimizer

from strongreid.losses import CenterLoss, Objective
from strongreid.models import ReIDModel


def paper_optimizers(
    model: ReIDModel,
    objective: Objective,
    *,
    rate: float = 3.5e-4,
    weight_decay: float = 5e-4,
    center_rate: float = 0.5,
) -> list[Optimizer]:
    """Return Adam for the network and for losses that learn, and SGD for the centers where there are any.

    Adam with L2 decay (added to the gradient, not decoupled as in AdamW) on every trainable parameter (section 2); the
    centers by plain SGD: no momentum, no decay, no schedule (section 3.6).
    """
    centers = [loss.centers for loss in objective.modules() if isinstance(loss, CenterLoss)]
    apart = {id(parameter) for parameter in centers}
    learned = [
        parameter
        for parameter in (*model.parameters(), *objective.parameters())
        if parameter.requires_grad and id(parameter) not in apart
    ]
    optimizers: list[Optimizer] = [torch.optim.Adam(learned, lr=rate, weight_decay=weight_decay, fused=True)]
    if centers:
        optimizers.append(torch.optim.SGD(centers, lr=center_rate))
    return optimizers
