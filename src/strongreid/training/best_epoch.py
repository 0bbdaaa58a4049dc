"""Which epoch's weights a training ends with: those that people held out of it find best, the earlier of two equals.

These people are neither learned from nor reported on, so that the choice makes no figure too good.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy

import torch
from torch import nn

from strongreid.models import ReIDModel


class BestEpoch(nn.Module):
    """Keeps the weights of the best epoch; `fit`'s `evaluate`, so it is saved with the checkpoints.

    Args:
        model: the model that is measured, whose weights `fit` changes; it is no part of this module.
        measure: measures it on the people held out; figures by name.
        by: the figure that decides, more is better.
    """

    epoch: torch.Tensor
    """The best epoch so far, counted from 1; 0 before the first. int64 []."""
    score: torch.Tensor
    """Its figure. float64 []."""

    def __init__(self, model: ReIDModel, measure: Callable[[], Mapping[str, float]], by: str = "mean_ap") -> None:
        super().__init__()
        self.model = deepcopy(model).requires_grad_(False)
        """The model with the weights of the best epoch."""
        self.register_buffer("epoch", torch.tensor(0))
        self.register_buffer("score", torch.tensor(-torch.inf, dtype=torch.float64))
        self._of, self._measure, self._by = (model,), measure, by  # in a tuple, so that it is no part

    def forward(self, epoch: int) -> Mapping[str, float]:
        """Measure the weights as they are after an epoch, and keep them where they are the best so far."""
        figures = self._measure()
        if figures[self._by] > self.score.item():
            self.epoch.fill_(epoch)
            self.score.fill_(figures[self._by])
            self.model.load_state_dict(self._of[0].state_dict())
        return figures
