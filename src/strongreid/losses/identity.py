"""The identity loss: each training person is a class.

Trick 3 of Luo et al. 2019, label smoothing (Szegedy et al. 2016): the target is (1 - e) * onehot + e / people. torch
has it; this module adds the precision and the name.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.losses.distance import at_least_float32, without_autocast


class IdentityLoss(nn.Module):
    """Softmax cross entropy over the training people, with label smoothing (Luo et al. 2019, section 3.3).

    `label_smoothing` is the share of the target spread evenly over all people, 0 <= e < 1; 0 is plain cross entropy.
    """

    def __init__(self, label_smoothing: float = 0.1) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise InputError(f"`label_smoothing` is {label_smoothing}; it must be at least 0 and below 1 (paper: 0.1).")
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, person: Tensor) -> Tensor:
        """Average the loss over the batch: `logits` [B, people] and `person` [B] int64 (0..people-1) give a scalar."""
        with without_autocast(logits):
            return F.cross_entropy(at_least_float32(logits), person, label_smoothing=self.label_smoothing)
