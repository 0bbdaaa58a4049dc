"""Whether a training has collapsed: all images get one feature, from which no loss leads away again.

Batch-hard triplets can pull everything together before they push anybody apart. Then distances are 0, so that the
triplet loss stands at its margin, and the classifier sees nothing, so that the identity loss stands at the logarithm of
the number of people. Both may be passed on the way down; a whole epoch at both is no passing.
"""

import math
from collections.abc import Callable
from typing import Final

from strongreid.losses import BatchHardTripletLoss, IdentityLoss, Objective
from strongreid.training.loop import StepReport

_NEAR: Final = 0.02
"""Share of the value by which a loss may differ from it: far below what a network that learns shows in an epoch."""


class CollapseWatch:
    """Watches the losses of a training, as `fit`'s `on_step` tells them, and says once that it has collapsed.

    Args:
        objective: the losses; without a triplet loss nothing is watched.
        people: how many people are trained on.
        warmup_epochs: epochs in which the rate still rises, when losses may stand still.
        warn: is told.
    """

    def __init__(self, objective: Objective, people: int, warmup_epochs: int, warn: Callable[[str], None]) -> None:
        self._levels: dict[str, float] = {}
        triplet = False
        for name, term in objective.terms.items():
            if isinstance(term.loss, BatchHardTripletLoss):
                margin = term.loss.margin
                self._levels[name] = term.weight * (math.log(2) if margin is None else margin)
                triplet = True
            elif isinstance(term.loss, IdentityLoss):
                self._levels[name] = term.weight * math.log(people)
        self._watching = triplet and people > 1
        self._warmup_epochs, self._warn = warmup_epochs, warn
        self._epoch, self._stuck = 0, True

    def __call__(self, report: StepReport) -> None:
        """Take in a step; the values are those of the last line of the log, which may be of earlier steps."""
        if not self._watching or report.epoch <= self._warmup_epochs or report.values.get("epoch") != report.epoch:
            return
        if report.epoch != self._epoch:
            self._epoch, self._stuck = report.epoch, True
        self._stuck &= all(abs(report.values[name] - level) <= _NEAR * level for name, level in self._levels.items())
        if self._stuck and report.step == report.steps:
            self._watching = False
            levels = " and ".join(f"the loss {name} at {level:.3g}" for name, level in self._levels.items())
            self._warn(
                f"The network seems to have collapsed: for all of epoch {report.epoch} {levels}, which is what "
                "they are if all images have the same feature. It rarely gets out again. What helps: a rate of a third "
                "(schedule.base_rate), a warm-up (schedule.warmup_epochs), BNNeck (model.neck: bnneck), or no erasing "
                "at first (augment.erase_probability: 0)."
            )
