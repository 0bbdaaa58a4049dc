"""The model: images to named features, and a file that needs nothing beside it.

The file is safetensors; its header holds the model's plain arguments, so that `ReIDModel.load` asks for no
configuration, runs no code from the file and never reaches for the network.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from strongreid.errors import InputError
from strongreid.losses.distance import at_least_float32
from strongreid.models.adapter import camera_column, eval_mode, feature_map, probe, takes_camera
from strongreid.models.assemble import assemble
from strongreid.models.backbones import LastStride
from strongreid.models.calibrated import CALIBRATED_KEY, Calibrated, calibrated_text, read_calibrated
from strongreid.models.frames import FromFrames
from strongreid.models.hub import find_pretrained
from strongreid.models.model_file import (
    HEADER_KEY,
    Arguments,
    Feature,
    Metric,
    check_choices,
    check_numbers,
    header_text,
    model_file,
    name_of,
    read_arguments,
    require_objects,
)
from strongreid.models.neck import Neck, create_classifier, create_neck
from strongreid.models.pooling import Pooling, create_pooling, pooled_width
from strongreid.models.start import start_backbone
from strongreid.models.weights import CHECKSUM_KEY, read_weights, save_weights, verify_weights
from strongreid.pixels import Colour, Interpolation, Normalisation, normalise, resize_batch


class Features(NamedTuple):
    """Model outputs for B images."""

    pooled: Tensor
    """f_t, the pooled feature map [B, D], at least float32: for the triplet and the center loss."""
    necked: Tensor
    """f_i, after the neck [B, D]; without a neck the same tensor as `pooled`."""
    logits: Tensor
    """One a training person [B, people], for the identity loss."""


class ReIDModel(FromFrames, nn.Module):
    """Backbone, pooling, neck, classifier (Luo et al. 2019, figure 2).

    Args:
        backbone: a timm name or "resnet10_small", or a module of one's own that gives what `models.adapter` takes; it
            is used as it is, so `last_stride`, `stem_relu` and `weights` are for names only.
        people: number of training people.
        last_stride, stem_relu, weights: see `create_backbone`. `weights` may be another codebase's checkpoint, or a
            model of ours, its file or its run's folder: its backbone's are taken, neck and classifier are new.
        pooling: "average", "gem", "max_average", or a module of one's own from [B, C, h, w] to [B, D].
        neck: "bnneck" or "none".
        image_size: (height, width) in pixels of the images it is trained on; `interpolation`: how they are resized.
        feature, metric: what evaluation uses of it; `unit_length`: whether features are scaled to length one.
        mean, std: of red, green and blue on the scale 0..1, to which pixels are normalised; None: those with which
            `weights` were trained, and ImageNet's for random weights and backbones of one's own.
        patch_stride, cameras: for ViTs by name, see `create_backbone`.
        network: what `models.foreign.networks` built `backbone`, an object, from: `load` builds it so again.

    All but `weights` travel in the file's header; of objects their class's name, and `load` wants them again. Raises
    `InputError` for what is outside its range, and for parts that do not fit together.
    """

    normalisation: Normalisation
    """What `embed` does to pixels, and training too."""
    own: frozenset[str]
    """Which arguments were objects."""
    revision: str | None = None
    """The commit of the hub that `from_pretrained` took it from."""
    calibrated: Calibrated | None = None
    """What `strongreid calibrate` measured, for these very weights; set it, and `save` keeps it."""

    def __init__(
        self,
        *,
        backbone: str | nn.Module,
        people: int,
        last_stride: LastStride = 1,
        stem_relu: bool = True,
        pooling: Pooling | nn.Module = "average",
        neck: Neck = "bnneck",
        image_size: tuple[int, int] = (256, 128),
        feature: Feature = "necked",
        metric: Metric = "cosine",
        mean: Colour | None = None,
        std: Colour | None = None,
        patch_stride: int | None = None,
        cameras: int = 0,
        interpolation: Interpolation = "bilinear",
        unit_length: bool = False,
        network: Mapping[str, Any] | None = None,
        weights: Path | Literal["imagenet"] | None = None,
    ) -> None:
        super().__init__()
        check_choices(last_stride=last_stride, neck=neck, feature=feature, metric=metric, interpolation=interpolation)
        check_numbers(people, image_size, cameras)
        built, normalisation = start_backbone(
            backbone,
            weights,
            image_size=image_size,
            last_stride=last_stride,
            stem_relu=stem_relu,
            patch_stride=patch_stride,
            cameras=cameras,
        )
        self.normalisation = Normalisation(mean or normalisation.mean, std or normalisation.std)
        objects = {"pooling": pooling} if network is not None else {"backbone": backbone, "pooling": pooling}
        self.own = frozenset(name for name, value in objects.items() if isinstance(value, nn.Module))
        self.arguments = Arguments(
            backbone=name_of(backbone),
            people=people,
            last_stride=last_stride,
            stem_relu=stem_relu,
            pooling=name_of(pooling),
            neck=neck,
            image_size=image_size,
            feature=feature,
            metric=metric,
            mean=self.normalisation.mean,
            std=self.normalisation.std,
            patch_stride=patch_stride,
            cameras=cameras,
            interpolation=interpolation,
            unit_length=unit_length,
        )
        if network is not None:
            self.arguments["network"] = dict(network)
        self.image_size = image_size
        self.feature: Feature = feature
        self.metric: Metric = metric
        self.interpolation: Interpolation = interpolation
        self.unit_length = unit_length
        self.backbone = built
        self.pooling = create_pooling(pooling)
        self.width = pooled_width(self.pooling, probe(self.backbone, image_size, self.arguments["backbone"]))
        self.neck = create_neck(neck, self.width)
        self.classifier = create_classifier(neck, self.width, people)

    @property
    def threshold(self) -> float | None:
        """Distance, by `metric`, below which two images are taken for the same person; None if never calibrated.

        Euclidean distance is meant with the root. `calibrated.false_match_rate` is the rate it was calibrated for.
        """
        return None if self.calibrated is None else self.calibrated.threshold

    @property
    def takes_camera(self) -> bool:
        """Whether the backbone wants the camera of each image."""
        return takes_camera(self.backbone)

    def feature_map(self, images: Tensor, camera: Tensor | None = None) -> Tensor:
        """Map normalised images [B, 3, H, W] float32 to what is pooled, [B, C, h, w]; `camera` as in `forward`."""
        return feature_map(self.backbone, images, camera)

    def forward(self, images: Tensor, camera: Tensor | None = None) -> Features:
        """Map normalised images [B, 3, H, W] float32 to `Features`, D = `width`.

        `camera` int64 [B], 0..cameras-1 (`ImageTable.camera_index`), -1 where it is not known, goes to a backbone that
        wants it (`takes_camera`); others do without.
        """
        pooled = at_least_float32(self.pooling(self.feature_map(images, camera)))
        necked = self.neck(pooled)
        return Features(pooled, necked, self.classifier(necked))

    def feature_of(self, features: Features) -> Tensor:
        """Return what of the outputs is compared: what `feature` names, of length one if `unit_length`, [B, D]."""
        chosen = features.pooled if self.feature == "pooled" else features.necked
        return functional.normalize(chosen, dim=1) if self.unit_length else chosen

    @torch.no_grad()
    def embed(self, images: Tensor, *, batch_size: int = 64, camera: npt.ArrayLike | None = None) -> Tensor:
        """Map images [N, 3, H, W] uint8 RGB of any size to features [N, D] float32 on the CPU, as `feature_of` says.

        Resized as for training, in batches of `batch_size`, in eval mode; the modes are put back afterwards. `camera`:
        integers [N] as in `forward`. Raises `InputError` for another shape or type.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise InputError(f"embed takes images uint8 [N, 3, H, W], not {images.dtype} {list(images.shape)}.")
        if batch_size < 1:
            raise InputError(f"embed takes a batch size of at least 1, not {batch_size}.")
        device = self.classifier.weight.device
        known = getattr(self.backbone, "cameras", self.arguments["cameras"])
        cameras = None if camera is None else camera_column(camera, len(images), known).to(device)
        rows = [torch.empty(0, self.width)]
        with eval_mode(self):
            for start in range(0, len(images), batch_size):
                some = slice(start, start + batch_size)
                batch = resize_batch(images[some], self.image_size, self.interpolation)
                pixels = normalise(batch.to(device), normalisation=self.normalisation)
                features = self(pixels, None if cameras is None else cameras[some])
                rows.append(self.feature_of(features).float().cpu())
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
        save_weights(self.state_dict(), Path(path), {**metadata, HEADER_KEY: header_text(self.arguments, self.own)})

    @classmethod
    def from_pretrained(cls, source: str | Path, *, revision: str | None = None) -> "ReIDModel":
        """Load a model from the hub ("hf:owner/name"), a model file, or the folder of a run, as `load` does.

        `revision`: a commit, tag or branch of the hub; the model's `revision` says which commit was taken. `InputError`
        as in `find_on_hub` and `load`.
        """
        found = find_pretrained(source, revision)
        model = cls.load(found.file)
        model.revision = found.revision
        return model

    @classmethod
    def load(
        cls, path: str | Path, *, backbone: nn.Module | None = None, pooling: nn.Module | None = None
    ) -> "ReIDModel":
        """Load a model onto the CPU, in eval mode, from a .safetensors file or a folder that holds `model.safetensors`.

        `backbone` and `pooling`: objects like those that the model was made with, where it was; they get its weights.
        Raises `InputError` if there is no file, if it is cut short, damaged, not ours, of another version or
        architecture, and for an object that is missing or not wanted.
        """
        file = model_file(path)
        arguments, own = read_arguments(file)
        given = {name: value for name, value in (("backbone", backbone), ("pooling", pooling)) if value is not None}
        require_objects(file, arguments, own, given.keys())
        weights = read_weights(file)
        model = assemble(cls, {**arguments, **given}, weights, source=str(file))
        model.calibrated = read_calibrated(file)
        verify_weights(file, weights)
        return model.eval()
