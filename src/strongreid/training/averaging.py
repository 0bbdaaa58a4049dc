"""An exponential moving average of the weights: smoother than any step's, and often better on people never seen.

After each step it takes a small share of the new weights; the first step it takes as it is. Batch normalisation's
statistics are averaged like the weights, so that the averaged model is used as it stands.
"""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from strongreid.errors import InputError
from strongreid.models import ReIDModel


class AveragedWeights(nn.Module):
    """Keeps the average of a model's weights; one of `fit`'s `after_step`, so it is saved with the checkpoints.

    Args:
        model: whose weights, which `fit` changes; it is no part of this module.
        decay: share of the average that stays at each step, above 0 and below 1.
    """

    def __init__(self, model: ReIDModel, decay: float) -> None:
        super().__init__()
        if not 0 < decay < 1:
            raise InputError(f"`decay` is {decay}; it must be more than 0 and less than 1.")
        self._averaged = AveragedModel(
            model,
            multi_avg_fn=get_ema_multi_avg_fn(decay),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        self._averaged.requires_grad_(False)
        self._of = (model,)  # in a tuple, so that it is not registered as a part

    @property
    def model(self) -> ReIDModel:
        """The model with the average of its weights; before the first step as it was at the start."""
        averaged = self._averaged.module
        assert isinstance(averaged, ReIDModel)
        return averaged

    def forward(self) -> None:
        """Take in the weights as they are now."""
        self._averaged.update_parameters(self._of[0])
