"""The learning rate as a pure function of the time: linear warm-up, then steps down (Luo et al. 2019, section 3.1).

The numbers follow the authors' code where it differs from the paper's text: the rate falls AT epochs 40 and 70, and
the warm-up rises from 1/100 of the base rate, not along the misprinted line of the paper.
"""

from collections.abc import Callable, Sequence

from strongreid.errors import InputError

Schedule = Callable[[int, float], float]
"""The learning rate in an epoch, counted from 1, of which a share (0 to below 1) is done. Asked before every step."""


def by_epoch(rate: Callable[[int], float]) -> Schedule:
    """Turn a rate that is the same for a whole epoch, such as `warmup_multistep`, into a schedule."""
    return lambda epoch, share: rate(epoch)


def warmup_multistep(
    epoch: int,
    base: float,
    warmup_epochs: int = 10,
    milestones: Sequence[int] = (40, 70),
    *,
    warmup_factor: float = 0.01,
    decay: float = 0.1,
) -> float:
    """Return the learning rate of an epoch.

    Args:
        epoch: The epoch, counted from 1.
        base: The rate after the warm-up and before the first milestone.
        warmup_epochs: The epoch from which on the rate is `base`; 0 and 1 mean no warm-up.
        milestones: Epochs from which on the rate is multiplied by `decay` once more.
        warmup_factor: The share of `base` from which the line starts (at the epoch 0 that never runs).
        decay: The factor at each milestone.
    """
    if epoch < 1:
        raise InputError(f"Epochs count from 1; {epoch} came.")
    share = min(epoch / warmup_epochs, 1.0) if warmup_epochs else 1.0
    passed = sum(milestone <= epoch for milestone in milestones)
    return base * (warmup_factor * (1 - share) + share) * decay**passed
