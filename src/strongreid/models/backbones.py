"""Backbones by name, with the weights that are asked for and the last stride 1 or 2. The door to timm."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import timm
from timm.layers.norm_act import BatchNormAct2d
from timm.models import PretrainedCfg, resnet, senet
from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.models.ibn import IBN_NETS, to_ibn_a
from strongreid.models.osnet import OSNETS, create_osnet
from strongreid.models.strides import set_last_stride_to_1
from strongreid.models.transformers import fit_positions, fit_windows, set_patch_stride, tell_camera
from strongreid.models.weights import fetch, load_exactly, read_weights
from strongreid.pixels import IMAGENET, Normalisation

LastStride = Literal[1, 2]

SMALL = "resnet10_small"
"""Our own network for CPUs: a ResNet of BasicBlocks, one a stage, with 32, 64, 128 and 256 channels."""
SMALL_IBN = f"{SMALL}_ibn_a"
"""The same with IBN-a; nobody has ImageNet weights of either."""
OURS = (SMALL, SMALL_IBN, *IBN_NETS, *OSNETS)
"""Networks by name that timm does not have."""
ActivatedBatchNorm = BatchNormAct2d
"""timm's batch normalisation that applies dropout and an activation too."""


def create_backbone(
    name: str,
    *,
    image_size: tuple[int, int],
    last_stride: LastStride,
    stem_relu: bool,
    weights: Path | Literal["imagenet"] | Mapping[str, Tensor] | None,
    patch_stride: int | None = None,
    cameras: int = 0,
) -> nn.Module:
    """Build a network from images [B, 3, H, W] to what `adapter.feature_map` takes.

    `name` is any timm name, or one of `OURS`; where a network is made for one size of images, as a ViT, that is
    `image_size` (height, width). `last_stride` 1 makes the map twice as high and wide (Luo et al. 2019, section 3.4).
    `stem_relu` False takes out the ReLU after the stem, as in the reference's ResNet. `weights`: None draws them from
    torch's global generator, with every residual branch switched on; "imagenet" takes the paper's (`tv_in1k`, for
    backbones without it timm's own choice, for IBN-a its authors') from the cache or the network; a path is a state
    dict (.safetensors, .pth), which may be given as it is, too.

    For a ViT `patch_stride` lets patches overlap, in pixels from one to the next, and `cameras` above 0 gives each of
    so many cameras an embedding (see `transformers`); position embeddings of weights are brought to the size that is
    needed.

    Raises `InputError` for an unknown name, a backbone without a rule for what is asked of it, and weights that cannot
    be had or do not fit.
    """
    network = _create_network(name, image_size)
    if patch_stride is not None:
        set_patch_stride(network, name, image_size, patch_stride)
    if weights is None:
        _switch_on_residual_branches(network)
    else:
        _load_weights(network, name, weights)
    if not stem_relu:
        _remove_stem_relu(network, name)
    if last_stride == 1:
        set_last_stride_to_1(network, name)
    return tell_camera(network, name, cameras) if cameras else network


def _create_network(name: str, image_size: tuple[int, int]) -> nn.Module:
    if name == SMALL:
        return resnet.ResNet(
            resnet.BasicBlock,  # type: ignore[arg-type]  # timm's annotation says an instance, it wants the class
            (1, 1, 1, 1),
            channels=(32, 64, 128, 256),
            stem_type="deep",
            stem_width=16,
            num_classes=0,
            global_pool="",
        )
    if name in OSNETS:
        return create_osnet(name)
    if name in (SMALL_IBN, *IBN_NETS):
        return to_ibn_a(_create_network(name.removesuffix("_ibn_a"), image_size))
    if not timm.is_model(name) or ("." in name and not timm.models.is_model_pretrained(name)):
        close = difflib.get_close_matches(name, [*OURS, *timm.list_models(), *timm.list_pretrained()], n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise InputError(
            f"There is no backbone {name}.{hint} Use a name from timm.list_models(), or one of ours: {SMALL}, "
            "resnet50_ibn_a, osnet_x1_0 or another of docs/backbones.md."
        )
    config = timm.get_pretrained_cfg(name)
    size: dict[str, Any] = {"img_size": image_size} if config is not None and config.fixed_input_size else {}
    try:
        network = timm.create_model(name, pretrained=False, num_classes=0, global_pool="", **size)
    except (TypeError, AssertionError, RuntimeError) as error:
        raise InputError(
            f"The backbone {name} cannot be built for images of {image_size[0]} x {image_size[1]} without its own "
            f"pooling ({error}). Use another, as resnet50."
        ) from error
    if isinstance(network, senet.SENet):
        network.drop_rate = 0.0  # timm drops a fifth of the map's values in training; the reference drops nothing
    return network


def _switch_on_residual_branches(network: nn.Module) -> None:
    """Set to 1 the weights of every normalisation that timm starts at 0.

    With 0 at the end of a residual branch, a block starts as its shortcut alone. From random weights a small network
    then learns at half the pace.
    """
    for module in network.modules():
        weight = module.weight if isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm) else None
        if weight is not None and not weight.any():
            nn.init.ones_(weight)


def _remove_stem_relu(network: nn.Module, name: str) -> None:
    """Replace the ReLU after the stem's last BatchNorm by the identity (see the reference's ResNet)."""
    stem, relu = (network, "act1")
    if isinstance(layer0 := getattr(network, "layer0", None), nn.Sequential):
        stem, relu = layer0, [child_name for child_name, _ in layer0.named_children()][-1]
    if not isinstance(getattr(stem, relu, None), nn.ReLU):
        raise InputError(f"The backbone {name} has no ReLU after its stem to take out. Leave `stem_relu` true with it.")
    setattr(stem, relu, nn.Identity())


def _load_weights(network: nn.Module, name: str, weights: Path | Literal["imagenet"] | Mapping[str, Tensor]) -> None:
    """Load a state dict with or without a classifier; everything else in it must fit."""
    if isinstance(weights, Mapping):
        load_exactly(network, fit_windows(weights, network), source=f"a model with the backbone {name}")
        return
    if weights == "imagenet":
        weights = _imagenet_file(name)
    state = read_weights(weights)
    classifier = (getattr(network, "pretrained_cfg", None) or {}).get("classifier") or "fc"
    names = (classifier,) if isinstance(classifier, str) else classifier
    for key in [f"{layer}.{kind}" for layer in names for kind in ("weight", "bias")]:
        state.pop(key, None)
    state = fit_windows(fit_positions(state, network), network)
    load_exactly(network, state, source=f"{weights} for the backbone {name}")


def _imagenet_file(name: str) -> Path:
    """Get the file with the ImageNet weights of `name`."""
    if name in IBN_NETS:
        return fetch(name, hub_id=None, hub_file=None, url=IBN_NETS[name])
    config = _imagenet_config(name)
    if config is None:
        raise InputError(f"There are no ImageNet weights for the backbone {name}. Give a weight file, or none.")
    url = config.url if isinstance(config.url, str) else None
    tagged = f"{config.architecture}.{config.tag}"
    return fetch(tagged, hub_id=config.hf_hub_id, hub_file=config.hf_hub_filename, url=url)


def _imagenet_config(name: str) -> PretrainedCfg | None:
    """Return what timm says of the weights of `name`: its own tag if it has one, else tv_in1k, else timm's choice."""
    candidates = (name,) if "." in name else (f"{name}.tv_in1k", name)
    found = next((candidate for candidate in candidates if timm.models.is_model_pretrained(candidate)), None)
    return None if found is None else timm.get_pretrained_cfg(found)


def timms_normalisation(name: str) -> Normalisation:
    """Return what the published weights of `name` were trained with, as timm says; ImageNet's where it says nothing."""
    config = _imagenet_config(name) or (timm.get_pretrained_cfg(name) if timm.is_model(name) else None)
    if config is None:
        return IMAGENET
    (red, green, blue), (of_red, of_green, of_blue) = config.mean, config.std
    return Normalisation((red, green, blue), (of_red, of_green, of_blue))


def timms_network(name: str) -> nn.Module:
    """Build a network as timm has it, with its own strides and pooling but without classifier: [B, 3, H, W] to [B, D].

    For programs that rebuild a network by its timm name alone. Raises `InputError` for an unknown name.
    """
    if not timm.is_model(name):
        raise InputError(f"timm has no network {name}.")
    return timm.create_model(name, pretrained=False, num_classes=0)
