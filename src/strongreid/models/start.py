"""Where a backbone by name starts from: random weights, ImageNet's, a file of somebody's, or a model of ours.

With its weights comes the normalisation that they were trained with: of ImageNet's and of foreign weights what timm
says, of a model of ours what is in its header. Files from before that was an argument had ImageNet's, whatever the
network, and so have random weights.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from safetensors import SafetensorError, safe_open
from torch import Tensor

from strongreid.errors import InputError
from strongreid.models.backbones import timms_normalisation
from strongreid.models.model_file import HEADER_KEY, model_file, read_arguments
from strongreid.models.weights import read_weights, verify_weights
from strongreid.pixels import IMAGENET, IMAGENET_MEAN, IMAGENET_STD, Normalisation


class Start(NamedTuple):
    """First weights, as `create_backbone` takes them, and the normalisation that goes with them."""

    weights: Path | Literal["imagenet"] | Mapping[str, Tensor] | None
    normalisation: Normalisation


def starting_point(backbone: str, weights: Path | Literal["imagenet"] | None, *, stem_relu: bool) -> Start:
    """Find what the backbone of that name starts from.

    `weights` as for `ReIDModel`: a path may be a model of ours or its run's folder, of which the backbone's weights are
    read. Raises `InputError` where that is another network, and for a damaged file.
    """
    if weights is None:
        return Start(None, IMAGENET)
    if weights == "imagenet" or (file := own_model(weights)) is None:
        return Start(weights, timms_normalisation(backbone, weights))
    arguments, _ = read_arguments(file)
    had = Normalisation(arguments.get("mean", IMAGENET_MEAN), arguments.get("std", IMAGENET_STD))
    return Start(read_backbone_weights(file, backbone, stem_relu=stem_relu), had)


def own_model(path: Path) -> Path | None:
    """Return the model file that `path` is or, as a folder, holds; None for a file that strongreid did not write.

    Raises `InputError` for a folder without one.
    """
    file = model_file(path) if path.is_dir() else path
    try:
        with safe_open(file, framework="pt") as stream:
            return file if HEADER_KEY in (stream.metadata() or {}) else None
    except (SafetensorError, OSError):
        return None  # whoever reads it as weights says what is wrong


def read_backbone_weights(file: Path, backbone: str, *, stem_relu: bool) -> dict[str, Tensor]:
    """Read the weights of the backbone alone from a model file, to train another model from them.

    `backbone` and `stem_relu` are the other model's. Raises `InputError` where they are not those of the file's model,
    and for a damaged file. The last stride may differ: it changes no weights.
    """
    arguments, own = read_arguments(file)
    had = arguments["backbone"]
    if "backbone" in own:
        raise InputError(f"The model in {file} was made with a backbone of one's own, {had}, not {backbone}.")
    same = had.split(".")[0] == backbone.split(".")[0]  # timm's tags name weights, not networks
    for name, wanted, found in (
        ("backbone", had if same else backbone, had),
        ("stem_relu", stem_relu, arguments.get("stem_relu", True)),
    ):
        if found != wanted:
            raise InputError(
                f"The model in {file} has the `{name}` {found}, not {wanted}. Set `{name}` to {found} to start from it."
            )
    weights = read_weights(file)
    verify_weights(file, weights)
    prefix = "backbone."
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
