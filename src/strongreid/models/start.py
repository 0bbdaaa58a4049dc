"""Where a backbone by name starts from: random weights, ImageNet's, a file of somebody's, or a model of ours.

With its weights comes the normalisation that they were trained with: of ImageNet's and of unknown files what timm
says, of another codebase's checkpoint what that codebase does, of a model of ours what is in its header. Files from
before that was an argument had ImageNet's, whatever the network, and so have random weights.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.models.backbones import LastStride, create_backbone, timms_normalisation
from strongreid.models.checkpoint import read_checkpoint, read_metadata
from strongreid.models.foreign.imagenet import IMAGENET as BARE
from strongreid.models.foreign.keys import under
from strongreid.models.foreign.layout import Options
from strongreid.models.foreign.recognise import find_layout, recognise, state_dict_in
from strongreid.models.model_file import HEADER_KEY, model_file, read_arguments
from strongreid.models.transformers import patch_grid, resize_positions
from strongreid.models.weights import read_weights, verify_weights
from strongreid.pixels import IMAGENET, IMAGENET_MEAN, IMAGENET_STD, Normalisation


def start_backbone(
    backbone: str | nn.Module,
    weights: Path | Literal["imagenet"] | None,
    *,
    image_size: tuple[int, int],
    last_stride: LastStride,
    stem_relu: bool,
    patch_stride: int | None,
    cameras: int,
) -> tuple[nn.Module, Normalisation]:
    """Build a backbone with its first weights, and say with which normalisation these were trained.

    Arguments as for `ReIDModel`: `weights` may be a model of ours or its run's folder, of which the backbone's are
    taken; a module is used as it is. Raises `InputError` as `create_backbone` does, where that model has another
    backbone or is damaged, and for a module with an argument that is for names.
    """
    if not isinstance(backbone, str):
        if weights is not None or not stem_relu or patch_stride is not None or cameras:
            raise InputError(
                "`weights` and `stem_relu`, like `patch_stride` and `cameras`, are for backbones by name; a "
                f"{type(backbone).__name__} is used as it is."
            )
        return backbone, IMAGENET
    start: Path | Literal["imagenet"] | Mapping[str, Tensor] | None = weights
    normalisation = IMAGENET
    if isinstance(weights, Path) and (file := own_model(weights)) is not None:
        had, _ = read_arguments(file)
        normalisation = Normalisation(had.get("mean", IMAGENET_MEAN), had.get("std", IMAGENET_STD))
        state = read_backbone_weights(file, backbone, stem_relu=stem_relu)
        start = _at_size(state, had, image_size, patch_stride)
    elif weights is not None:
        normalisation = timms_normalisation(backbone)
        if isinstance(weights, Path) and (found := _foreign_weights(weights, stem_relu=stem_relu)) is not None:
            state, said = found
            normalisation = Normalisation(said["mean"], said["std"])
            start = _at_size(state, said, image_size, patch_stride)
    network = create_backbone(
        backbone,
        image_size=image_size,
        last_stride=last_stride,
        stem_relu=stem_relu,
        weights=start,
        patch_stride=patch_stride,
        cameras=cameras,
    )
    return network, normalisation


def _at_size(
    state: dict[str, Tensor], had: Mapping[str, Any], image_size: tuple[int, int], patch_stride: int | None
) -> dict[str, Tensor]:
    """Bring the position embeddings of a model of ours, made with the arguments `had`, to another size or stride."""
    if not {"pos_embed", "patch_embed.proj.weight"} <= state.keys():
        return state
    patch = state["patch_embed.proj.weight"].shape[-1]
    old = patch_grid(had.get("image_size", (256, 128)), patch, had.get("patch_stride") or patch)
    new = patch_grid(image_size, patch, patch_stride or patch)
    if old[0] * old[1] > state["pos_embed"].shape[1]:
        return state  # its patches are not of the image, but of a convolutional network's map
    return {**state, "pos_embed": resize_positions(state["pos_embed"], old, new)}


def _foreign_weights(file: Path, *, stem_relu: bool) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Take the backbone's weights from another codebase's checkpoint, and the arguments of a model of it.

    None for a file that is timm's or nobody's. Raises `InputError` where its stem is another.
    """
    state = state_dict_in(read_checkpoint(file))
    layout = None if state is None else find_layout(state)
    if state is None or layout is None or layout is BARE:
        return None
    foreign, weights, _, _ = recognise(state, layout, Options())
    said = {"patch_stride": (foreign.network or {}).get("stride"), **foreign.arguments}
    had = said.get("stem_relu", True)
    if had != stem_relu:
        raise InputError(
            f"The network in {file} ({foreign.name}) has the `stem_relu` {had}, not {stem_relu}. Set `stem_relu` to "
            f"{had} to start from it."
        )
    return under(weights, "backbone.trunk.") or under(weights, "backbone."), said


def own_model(path: Path) -> Path | None:
    """Return the model file that `path` is or, as a folder, holds; None for a file that strongreid did not write.

    Raises `InputError` for a folder without one.
    """
    file = model_file(path) if path.is_dir() else path
    try:
        return file if HEADER_KEY in read_metadata(file) else None
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
    prefix = "backbone.network." if arguments.get("cameras") else "backbone."  # other images have other cameras
    return under(weights, prefix)
