"""BNNeck, trick 5: the triplet loss sees the feature before a batch normalisation, the identity loss the one after.

The normalisation's bias stays 0 and the classifier has none, so that the people's hyperplanes pass through the origin
(Luo et al. 2019, section 3.5). Without the neck the classifier is PyTorch's own: with bias, default initialisation.
"""

from typing import Literal

from torch import nn

Neck = Literal["bnneck", "none"]

CLASSIFIER_DEVIATION = 0.001
"""Standard deviation of the classifier's first weights under BNNeck (the reference's value)."""


class BNNeck(nn.BatchNorm1d):
    """Batch normalisation of the pooled feature f_t [B, D] to f_i [B, D]: weight starts at 1, bias fixed at 0."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.bias.requires_grad_(False)


def create_neck(kind: Neck, width: int) -> nn.Module:
    """Give the neck for features of `width` values: a `BNNeck`, or the identity for "none"."""
    return BNNeck(width) if kind == "bnneck" else nn.Identity()


def create_classifier(kind: Neck, width: int, people: int) -> nn.Linear:
    """Give the layer from `width` values to one logit a training person, initialised as the neck asks."""
    classifier = nn.Linear(width, people, bias=kind == "none")
    if kind == "bnneck":
        nn.init.normal_(classifier.weight, std=CLASSIFIER_DEVIATION)
    return classifier
