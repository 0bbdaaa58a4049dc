"""float32 numbers as whole numbers of the same order, so that a distance and an index make one sortable key."""

import torch
from torch import Tensor


def ordered_bits(distances: Tensor) -> Tensor:
    """Whole numbers, int64 within 32 bits, that order and tie like float32 `distances` (no NaN); -0.0 is 0.0."""
    bits = distances.view(torch.int32).to(torch.int64)
    return torch.where(bits < 0, -(2**31) - bits, bits)


def distances_of_bits(bits: Tensor) -> Tensor:
    """The float32 numbers behind `ordered_bits`."""
    return torch.where(bits < 0, -(2**31) - bits, bits).to(torch.int32).view(torch.float32)
