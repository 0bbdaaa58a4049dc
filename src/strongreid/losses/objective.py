"""The objective: a weighted sum of losses, each under a name of its own.

The names go wherever the losses go: to the console, the log, the reports and the checkpoints. A loss of one's own is
one more term; a loss that is off is left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from torch import Tensor, nn

from strongreid.errors import InputError

TOTAL: Final = "total"
"""What the log calls the sum."""
NOT_LOSSES: Final = ("total_steps", "epoch", "rate", "images_per_second")
"""What a line of the log holds beside the losses."""


@dataclass(frozen=True)
class Term:
    """A loss, and which of the model's features it takes: `Term(IdentityLoss(), on="logits")`."""

    loss: nn.Module
    """Takes that feature [B, D] and `person` [B] int64 (0..people-1), and gives a scalar."""
    on: str
    """Which: "pooled" (f_t), "necked" (f_i) or "logits", the fields of `strongreid.models.Features`."""
    weight: float = 1.0
    """What the loss is multiplied by in the sum, above 0. The center loss has its weight inside."""

    def __post_init__(self) -> None:
        if not 0 < self.weight < math.inf:
            raise InputError(
                f"The `weight` of a term is {self.weight}; it must be above 0. Leave a term out to switch it off."
            )


class Objective(nn.Module):
    """The sum of named terms, in the order given; the paper's is L_identity + L_triplet + L_center (section 3.6).

    terms: any number from one on. A name is not empty, holds no dot and is none of the log's own (`NOT_LOSSES`,
    `TOTAL`); `InputError` otherwise.
    """

    def __init__(self, terms: Mapping[str, Term]) -> None:
        super().__init__()
        if not terms:
            raise InputError("The objective has no loss: give at least one term.")
        self.terms: Final = dict(terms)
        self.losses = nn.ModuleDict()
        for name, term in terms.items():
            if not name or "." in name or name in (TOTAL, *NOT_LOSSES) or hasattr(self.losses, name):
                raise InputError(f"A loss cannot be called {name!r}: the name is taken, empty or has a dot in it.")
            self.losses[name] = term.loss

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms, in the order in which they are added up."""
        return tuple(self.terms)

    @property
    def inputs(self) -> frozenset[str]:
        """The features that the terms take."""
        return frozenset(term.on for term in self.terms.values())

    def forward(self, features: Mapping[str, Tensor], person: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Add up the losses and name them.

        `features` [B, D] by name, those of `inputs` at least; `person` [B] is the class index, int64, 0..people-1.
        Returns the total (a scalar with gradient) and the terms by name, as they enter the sum (detached scalars on
        the same device). Raises `InputError` for a term on a feature that is not there.
        """
        losses = {}
        for name, term in self.terms.items():
            if term.on not in features:
                raise InputError(
                    f"The loss {name} is on the feature {term.on!r}, which the model does not give: it gives "
                    f"{', '.join(features)}."
                )
            losses[name] = term.weight * term.loss(features[term.on], person)
        first, *others = losses.values()
        total = sum(others, start=first)
        return total, {name: loss.detach() for name, loss in losses.items()}
