"""The model: images to named features, and a file that needs nothing beside it.

The file is safetensors; its header holds the model's plain arguments, so that `ReIDModel.load` asks for no
configuration, runs no code from the file and never reaches for the network.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.models.backbones import LastStride, create_backbone
from strongreid.models.model_file import (
    CALIBRATED_KEY,
    HEADER_KEY,
    Arguments,
    Calibrated,
    Feature,
    Metric,
    calibrated_text,
    header_text,
    model_file,
    read_arguments,
    read_calibrated,
)
from strongreid.models.neck import Neck, create_classifier, create_neck
from strongreid.models.weights import CHECKSUM_KEY, load_exactly, read_weights, save_weights, verify_weights
from strongreid.pixels import normalise, resize


class Features(NamedTuple):
    """What the model says of B images."""

    pooled: Tensor
    """f_t, the average of the feature map [B, D], at least float32: for the triplet and the center loss."""
    necked: Tensor
    """f_i, after the neck [B, D]; without a neck the same tensor as `pooled`."""
    logits: Tensor
    """One a training person [B, people], for the identity loss."""


class ReIDModel(nn.Module):
    """Backbone, global average pooling, neck, classifier (Luo et al. 2019, figure 2).

    backbone: a timm name or "resnet10_small"; people: number of training people; last_stride, stem_relu and weights:
    see `create_backbone`; neck: "bnneck" or "none"; image_size: (height, width) in pixels of the images it was
    trained on; feature and metric: what evaluation uses of it. All but `weights` travel in the file's header.
    """

    def __init__(
        self,
        *,
        backbone: str,
        people: int,
        last_stride: LastStride = 1,
        stem_relu: bool = True,
        neck: Neck = "bnneck",
        image_size: tuple[int, int] = (256, 128),
        feature: Feature = "necked",
        metric: Metric = "cosine",
        weights: Path | Literal["imagenet"] | None = None,
    ) -> None:
        super().__init__()
        _check("last_stride", last_stride, (1, 2))
        _check("neck", neck, ("bnneck", "none"))
        _check("feature", feature, ("pooled", "necked"))
        _check("metric", metric, ("cosine", "euclidean"))
        if people < 1 or min(image_size) < 1:
            raise InputError(f"A model needs people and an image size above 0, not {people} and {image_size}.")
        self.arguments = Arguments(
            backbone=backbone,
            people=people,
            last_stride=last_stride,
            stem_relu=stem_relu,
            neck=neck,
            image_size=image_size,
            feature=feature,
            metric=metric,
        )
        self.image_size = image_size
        self.feature: Feature = feature
        self.metric: Metric = metric
        self.calibrated: Calibrated | None = None
        """What `strongreid calibrate` measured, for these very weights; set it, and `save` keeps it."""
        self.backbone, self.width = create_backbone(
            backbone, last_stride=last_stride, stem_relu=stem_relu, weights=weights
        )
        self.neck = create_neck(neck, self.width)
        self.classifier = create_classifier(neck, self.width, people)

    @property
    def threshold(self) -> float | None:
        """Distance, by `metric`, below which two images are taken for the same person; None if never calibrated.

        Euclidean distance is meant with the root. `calibrated.false_match_rate` is the rate it was calibrated for.
        """
        return None if self.calibrated is None else self.calibrated.threshold

    def forward(self, images: Tensor) -> Features:
        """Map normalised images [B, 3, H, W] float32 to `Features`, D = `width`."""
        feature_map = self.backbone(images)
        # Averaged in float32 under autocast too: the losses measure distances between these.
        half = feature_map.dtype in (torch.float16, torch.bfloat16)
        pooled = feature_map.mean(dim=(2, 3), dtype=torch.float32 if half else feature_map.dtype)
        necked = self.neck(pooled)
        return Features(pooled, necked, self.classifier(necked))

    @torch.no_grad()
    def embed(self, images: Tensor, *, batch_size: int = 64) -> Tensor:
        """Map images [N, 3, H, W] uint8 RGB of any size to features [N, D] float32 on the CPU, not normalised.

        Resized as for training, in batches of `batch_size`, in eval mode; the modes are put back afterwards. The
        feature is the one that `feature` names. Raises `InputError` for another shape or type.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise InputError(f"embed takes images uint8 [N, 3, H, W], not {images.dtype} {list(images.shape)}.")
        if batch_size < 1:
            raise InputError(f"embed takes a batch size of at least 1, not {batch_size}.")
        device = self.classifier.weight.device
        rows = [torch.empty(0, self.width)]
        with _eval_mode(self):
            for start in range(0, len(images), batch_size):
                batch = _resized(images[start : start + batch_size], self.image_size)
                features = self(normalise(batch.to(device)))
                rows.append((features.pooled if self.feature == "pooled" else features.necked).float().cpu())
        return torch.cat(rows)

    def save(self, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
        """Write the model to a .safetensors file, atomically, with `metadata` beside its own header.

        The keys of `metadata` are the caller's, but for the model's own (`InputError`).
        """
        metadata = dict(metadata or {})
        if taken := {HEADER_KEY, CALIBRATED_KEY, CHECKSUM_KEY} & set(metadata):
            raise InputError(f"The metadata key {min(taken)} is the model's own. Choose another.")
        if self.calibrated is not None:
            metadata[CALIBRATED_KEY] = calibrated_text(self.calibrated)
        save_weights(self.state_dict(), Path(path), {**metadata, HEADER_KEY: header_text(self.arguments)})

    @classmethod
    def load(cls, path: str | Path) -> "ReIDModel":
        """Load a model onto the CPU, in eval mode, from a .safetensors file or a folder that holds `model.safetensors`.

        Raises `InputError` if there is none, or if it is cut short, damaged, not ours, of another version or
        architecture.
        """
        file = model_file(path)
        arguments = read_arguments(file)
        with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten: leave no trace
            model = cls(**arguments)
        weights = read_weights(file)
        load_exactly(model, weights, source=str(file))
        model.calibrated = read_calibrated(file)
        verify_weights(file, weights)
        return model.eval()


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize uint8 [B, 3, H, W] with Pillow, as in training; tensors resize to other pixels."""
    if tuple(images.shape[2:]) == size:
        return images
    rows = [resize(Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()), size) for image in images.cpu()]
    return torch.stack([torch.from_numpy(row) for row in rows])


def _check(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, allowed))}.")
