"""Euclidean distance for losses: exact differences, not |a|² + |b|² - 2ab.

The expanded form cancels: on features of norm 50 two equal images come out 0.01 apart in float32, and TF32 matrix
products make that a hundred times worse. A training batch is small enough for the plain sum of squared differences,
which also gives the same bits for any number of threads.

In which precision a loss is computed: at least float32, whatever the network around it runs in.

Squared distances of 2048 values overflow float16 and lose their differences in bfloat16. Half types are therefore
raised to float32 and autocast is switched off inside a loss; float64 stays float64.
"""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Raise float16 and bfloat16 to float32; float32 and float64 come back as they are. Any shape, differentiable."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def without_autocast(values: Tensor) -> torch.autocast:
    """Give the context that switches autocast off on the device of `values`."""
    return torch.autocast(device_type=values.device.type, enabled=False)


SMALLEST_SQUARE = 1e-12
"""Squared distances are clamped here before the root: the root has no finite slope at 0 (the reference's value)."""


def pairwise_euclidean(a: Tensor, b: Tensor) -> Tensor:
    """Distance of each row of `a` [N, D] to each row of `b` [M, D]: [N, M], in at least float32.

    A distance is never below 1e-6, the root of the clamp; where the clamp holds, the gradient is zero instead of NaN.
    """
    with without_autocast(a):
        distance = torch.cdist(at_least_float32(a), at_least_float32(b), compute_mode="donot_use_mm_for_euclid_dist")
        return distance.clamp(min=SMALLEST_SQUARE**0.5)
