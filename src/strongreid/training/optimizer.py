"""The optimisers of the paper: Adam with L2 decay for the network, plain SGD for the centers (Luo et al. 2019)."""

from collections.abc import Iterable

import torch
from torch import nn


def adam(parameters: Iterable[nn.Parameter], *, rate: float, weight_decay: float) -> torch.optim.Adam:
    """Return Adam with L2 decay (added to the gradient, not decoupled as in AdamW) on every trainable parameter."""
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    return torch.optim.Adam(trainable, lr=rate, weight_decay=weight_decay, fused=True)


def center_sgd(centers: nn.Parameter, *, rate: float) -> torch.optim.SGD:
    """Return plain SGD for the centers of the center loss: no momentum, no decay, no schedule (section 3.6)."""
    return torch.optim.SGD([centers], lr=rate)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
