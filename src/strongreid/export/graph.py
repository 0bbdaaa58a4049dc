"""What is exported: the network with the pixel arithmetic that its consumer leaves to it.

One chain serves every consumer: what comes in is brought to the model's own normalisation by one multiplication and one
addition a colour, which vanish where the consumer has already done it. float16 is the backbone's alone: pixels,
pooling, neck and features stay float32, because that is where half precision costs accuracy and saves nothing.
"""

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from strongreid.export.pixels_in import PixelInput
from strongreid.models import ReIDModel
from strongreid.pixels import Normalisation

Precision = Literal["float32", "float16"]
INPUT, OUTPUT, BATCH = "images", "features", "batch"
"""Names in the graph: its input, its output, the batch axis where it takes any number of images."""


@dataclass(frozen=True)
class GraphSettings:
    """What one exported graph takes and gives."""

    pixels: PixelInput
    batch: int | None
    """How many images it takes at once; None: any number."""
    l2: bool
    """Whether features come out with the length 1."""
    precision: Precision = "float32"


class ExportGraph(nn.Module):
    """From the consumer's pixels, float32 [B, 3, H, W], to features, float32 [B, D]. In eval mode, on the CPU."""

    def __init__(self, model: ReIDModel, settings: GraphSettings) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).cpu().float().eval()
        self.settings = settings
        self.model.classifier = nn.Linear(model.width, 1)  # nobody's use: the logits of the people trained on
        self.image_size = model.image_size
        self.in_half = settings.precision == "float16"
        if self.in_half:
            self.model.backbone.half()
        scale, shift = _affine(settings.pixels, model.normalisation)
        self.plain = bool((scale == 1).all() and (shift == 0).all())
        """Whether the pixels come exactly as the model wants them."""
        self.register_buffer("scale", scale.float())
        self.register_buffer("shift", shift.float())
        self.scale: Tensor
        self.shift: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Map the consumer's pixels to features."""
        if self.settings.pixels.order == "bgr":
            images = images.flip(1)
        if not self.plain:
            images = images * self.scale + self.shift
        features = self.model(images.half() if self.in_half else images)
        chosen = self.model.feature_of(features).float()
        return nn.functional.normalize(chosen) if self.settings.l2 else chosen

    def example(self) -> Tensor:
        """Return an input of the right shape, for tracing: two images where any number may come."""
        return torch.zeros(self.settings.batch or 2, 3, *self.image_size)

    def dynamic_shapes(self) -> dict[str, dict[int, torch.export.Dim]] | None:
        """Name the batch axis for `torch.export`; None where it is fixed."""
        return None if self.settings.batch is not None else {INPUT: {0: torch.export.Dim(BATCH, min=1)}}


def _affine(pixels: PixelInput, wanted: Normalisation) -> tuple[Tensor, Tensor]:
    """From what comes in to what is wanted: float64 [3, 1, 1] to multiply by, and then to add."""
    had_mean, had_std, mean, std = (
        torch.tensor(values, dtype=torch.float64).view(3, 1, 1)
        for values in (pixels.mean, pixels.std, wanted.mean, wanted.std)
    )
    return had_std / (pixels.top * std), (had_mean / pixels.top - mean) / std
