"""Euclidean distance for losses: exact differences, not |a|² + |b|² - 2ab.

The expanded form cancels: on features of norm 50 two equal images come out 0.01 apart in float32, and TF32 matrix
products make that a hundred times worse. A training batch is small enough for the plain sum of squared differences,
which also gives the same bits for any number of threads.
"""

import torch
from torch import Tensor

from strongreid.losses.precision import at_least_float32, without_autocast

SMALLEST_SQUARE = 1e-12
"""Squared distances are clamped here before the root: the root has no finite slope at 0 (the reference's value)."""


def pairwise_euclidean(a: Tensor, b: Tensor) -> Tensor:
    """Distance of each row of `a` [N, D] to each row of `b` [M, D]: [N, M], in at least float32.

    A distance is never below 1e-6, the root of the clamp; where the clamp holds, the gradient is zero instead of NaN.
    """
    with without_autocast(a):
        distance = torch.cdist(at_least_float32(a), at_least_float32(b), compute_mode="donot_use_mm_for_euclid_dist")
        return distance.clamp(min=SMALLEST_SQUARE**0.5)
