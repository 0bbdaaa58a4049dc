"""The networks of other codebases, built from plain values and the shapes of their weights."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from strongreid.errors import InputError
from strongreid.models.foreign.keys import Shapes, under
from strongreid.models.foreign.networks.clip import clip_residual, clip_transformer
from strongreid.models.foreign.networks.feature import FeatureNetwork, Stripes, feature_layer
from strongreid.models.foreign.networks.light_mbn import light_mbn
from strongreid.models.foreign.networks.multi_level import multi_level
from strongreid.models.foreign.networks.multiple_granularity import multiple_granularity
from strongreid.models.foreign.networks.residual import residual_network
from strongreid.models.foreign.networks.semantic_swin import semantic_swin
from strongreid.models.foreign.networks.swin import swin
from strongreid.models.foreign.networks.vision_transformer import vision_transformer


def build_network(description: Mapping[str, Any], shapes: Shapes) -> nn.Module:
    """Build a network by its `family` and the values beside it; all sizes come from `shapes`.

    Raises `InputError` for a family, values or weights that are not known.
    """
    values = dict(description)
    family = values.pop("family", None)
    try:
        return _build(family, values, shapes)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"A network of the family {family} cannot be made of these weights ({type(error).__name__}: {error}). They "
            "are incomplete, or of another version of strongreid."
        ) from error


def allocated(network: nn.Module, description: Mapping[str, Any], shapes: Shapes) -> nn.Module:
    """Give a network that was built on the device "meta" memory, its weights still to be written.

    Where it keeps values that no file holds, it is built anew.
    """
    saved = network.state_dict().keys()
    if not all(name in saved for name, _ in network.named_buffers()):
        return build_network(description, shapes)
    network.to_empty(device="cpu")
    for name, counter in network.named_buffers():
        if name.endswith("num_batches_tracked"):  # which old files lack
            counter.zero_()
    return network


def _build(family: object, values: dict[str, Any], shapes: Shapes) -> nn.Module:
    match family:
        case "residual":
            return residual_network(shapes, **values)
        case "swin":
            return swin(shapes, **values)
        case "feature":
            trunk = build_network(values.pop("trunk"), under(shapes, "trunk."))
            layer = feature_layer(under(shapes, "feature."), relu=values.pop("relu"))
            return FeatureNetwork(trunk, layer, **values)
        case "stripes":
            return Stripes(build_network(values.pop("trunk"), under(shapes, "trunk.")), **values)
        case "vision_transformer":
            return vision_transformer(shapes, **values)
        case "clip_transformer":
            return clip_transformer(shapes, **values)
        case "clip_residual":
            return clip_residual(shapes, **values)
        case "semantic_swin":
            return semantic_swin(shapes, **values)
        case "multiple_granularity":
            return multiple_granularity(shapes, **values)
        case "light_mbn":
            return light_mbn(shapes, **values)
        case "multi_level":
            return multi_level(shapes)
        case _:
            raise InputError(f"There is no family {family} of networks. Another version of strongreid wrote the file.")
