"""The one door to timm: a backbone gives a feature map, with the last stage's stride 1 or 2.

Trick 4 of Luo et al. 2019 sets the stride of the last stage to 1 and keeps its dilation and its weights. timm's
`output_stride=16` dilates, which is another network, so the strides are set here, in the first block of `layer4`,
for the blocks whose rule is known; any other backbone refuses, and the map is measured afterwards.
"""

import difflib
from pathlib import Path
from typing import Literal

import timm
import torch
from timm.layers.blur_pool import BlurPool2d
from timm.models import resnet, senet
from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.models.weights import fetch, load_exactly, read_weights

LastStride = Literal[1, 2]

SMALL = "resnet10_small"
"""Our own network for CPUs: a ResNet of BasicBlocks, one a stage, with 32, 64, 128 and 256 channels."""

_BLOCKS_WITH_A_RULE = (
    resnet.BasicBlock,
    resnet.Bottleneck,
    senet.SEResNetBlock,
    senet.SEBottleneck,
    senet.SEResNetBottleneck,
    senet.SEResNeXtBottleneck,
)


def create_backbone(
    name: str, *, last_stride: LastStride, stem_relu: bool, weights: Path | Literal["imagenet"] | None
) -> tuple[nn.Module, int]:
    """Build a network from images [B, 3, H, W] to a feature map [B, C, h, w], and say its width C.

    `name` is any timm name whose network gives a map, or "resnet10_small". `last_stride` 1 makes the map twice as high
    and wide (Luo et al. 2019, section 3.4). `stem_relu` False takes out the ReLU after the stem, as in the reference's
    ResNet. `weights`: None draws them from torch's global generator, "imagenet" takes the paper's (`tv_in1k`, for
    backbones without it timm's own choice) from the cache or the hub, a path is a state dict (.safetensors, .pth).

    Raises `InputError` for an unknown name, a backbone without a rule for `last_stride` 1 or without a stem ReLU, and
    weights that cannot be had or do not fit.
    """
    network = _create_network(name)
    if weights is not None:
        _load_weights(network, name, weights)
    if not stem_relu:
        _remove_stem_relu(network, name)
    feature_map = _feature_map(network, name)
    if last_stride == 1:
        _set_last_stride(network, name)
        before, feature_map = feature_map, _feature_map(network, name)
        if feature_map.shape[2:] != (2 * before.shape[2], 2 * before.shape[3]):
            raise InputError(
                f"Last stride 1 does not double the map of the backbone {name} (from {list(before.shape[2:])} to "
                f"{list(feature_map.shape[2:])}). Use last_stride 2 with it."
            )
    return network, feature_map.shape[1]


def _create_network(name: str) -> nn.Module:
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
    if not timm.is_model(name) or ("." in name and not timm.models.is_model_pretrained(name)):
        close = difflib.get_close_matches(name, [SMALL, *timm.list_models(), *timm.list_pretrained()], n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise InputError(f"There is no backbone {name}.{hint} Use {SMALL} or a name from timm.list_models().")
    return timm.create_model(name, pretrained=False, num_classes=0, global_pool="")


@torch.no_grad()
def _feature_map(network: nn.Module, name: str) -> Tensor:
    """Send one image of 128 x 128 through: the only way to know what map a network gives. Changes nothing in it."""
    training = network.training
    network.eval()
    try:
        feature_map = network(torch.zeros(1, 3, 128, 128))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise InputError(
            f"The backbone {name} does not take images of 128 x 128 ({error}). Use one for any size, as resnet50."
        ) from error
    finally:
        network.train(training)
    if not isinstance(feature_map, Tensor) or feature_map.ndim != 4 or getattr(network, "output_fmt", "") == "NHWC":
        raise InputError(
            f"The backbone {name} gives no feature map [B, C, h, w] to pool. Use one that does, as resnet50."
        )
    return feature_map


def _set_last_stride(network: nn.Module, name: str) -> None:
    """Set to 1 whatever strides in the first block of the last stage: convolutions, and the pools beside them."""
    stage = getattr(network, "layer4", None)
    block = stage[0] if isinstance(stage, nn.Sequential) else None
    if type(block) not in _BLOCKS_WITH_A_RULE:
        raise InputError(
            f"How to set the last stride of the backbone {name} to 1 is not known. Use last_stride 2 with it, or a "
            "ResNet, ResNeXt or SE-ResNet."
        )
    assert isinstance(block, nn.Module)
    for parent in list(block.modules()):
        for child_name, child in parent.named_children():
            if isinstance(child, nn.Conv2d) and child.stride != (1, 1):
                child.stride = (1, 1)
            elif _pools(child):
                # With stride 1 timm builds no pool at all, in the downsample as in the anti-aliasing.
                setattr(parent, child_name, nn.Identity())


def _pools(module: nn.Module) -> bool:
    return isinstance(module, nn.AvgPool2d | BlurPool2d)


def _remove_stem_relu(network: nn.Module, name: str) -> None:
    """Replace the ReLU after the stem's last BatchNorm by the identity (see the reference's ResNet)."""
    stem, relu = (network, "act1")
    if isinstance(layer0 := getattr(network, "layer0", None), nn.Sequential):
        stem, relu = layer0, [child_name for child_name, _ in layer0.named_children()][-1]
    if not isinstance(getattr(stem, relu, None), nn.ReLU):
        raise InputError(f"The backbone {name} has no ReLU after its stem to take out. Set stem_relu to true with it.")
    setattr(stem, relu, nn.Identity())


def _load_weights(network: nn.Module, name: str, weights: Path | Literal["imagenet"]) -> None:
    """Load a state dict with or without a classifier; everything else in it must fit."""
    if weights == "imagenet":
        weights = _imagenet_file(name)
    state = read_weights(weights)
    classifier = (getattr(network, "pretrained_cfg", None) or {}).get("classifier") or "fc"
    names = (classifier,) if isinstance(classifier, str) else classifier
    for key in [f"{layer}.{kind}" for layer in names for kind in ("weight", "bias")]:
        state.pop(key, None)
    load_exactly(network, state, source=f"{weights} for the backbone {name}")


def _imagenet_file(name: str) -> Path:
    """Get the file with the ImageNet weights of `name`: its own tag if it has one, else tv_in1k, else timm's choice."""
    for candidate in (name,) if "." in name else (f"{name}.tv_in1k", name):
        config = timm.get_pretrained_cfg(candidate) if timm.models.is_model_pretrained(candidate) else None
        if config is not None:
            url = config.url if isinstance(config.url, str) else None
            tagged = f"{config.architecture}.{config.tag}"
            return fetch(tagged, hub_id=config.hf_hub_id, hub_file=config.hf_hub_filename, url=url)
    raise InputError(f"There are no ImageNet weights for the backbone {name}. Give a weight file, or none.")
