"""fast-reid: BoT, AGW, SBS and MGN of three generations, told apart by names.

| generation | neck | class weights | in the file | max pooling |
|---|---|---|---|---|
| up to v0.1.1 | `heads.bnneck` | `heads.classifier.weight` | pixel_mean, pixel_std | padded |
| v1.0, v1.1 | `heads.bottleneck.0` | `heads.classifier.weight` | pixel_mean, pixel_std | up to the edge |
| later | `heads.bottleneck.0` | `heads.weight` | | up to the edge |

It normalises inside, from 0..255, which is the same as mean and deviation over 255 before the network.
"""

from typing import Any

from strongreid.models.foreign.imagenet import residual_name
from strongreid.models.foreign.keys import Shapes, under
from strongreid.models.foreign.layout import (
    HALF_COLOURS,
    IMAGENET_COLOURS,
    Foreign,
    Layout,
    Options,
    refuse_network,
    size_and_stride,
)

_HEADS = {
    "heads.bottleneck.0.": "neck.",
    "heads.bnneck.": "neck.",
    "heads.weight": None,
    "heads.classifier.": None,
    "pixel_mean": None,
    "pixel_std": None,
}
_OTHERS = {
    "backbone.conv1.conv.": "OSNet",
    "backbone.conv1.0.": "ResNeSt",
    "backbone.stem.": "RegNet or RepVGG",
    "backbone.features.": "MobileNet or ShuffleNet",
    "backbone._conv_stem.": "EfficientNet",
}


def _recognises(shapes: Shapes) -> bool:
    heads = ("heads.", "b1_head.")
    return any(name.startswith("backbone.") for name in shapes) and any(name.startswith(heads) for name in shapes)


def _read(shapes: Shapes, options: Options) -> Foreign:
    if "b1_head.bnneck.weight" in shapes or "b1_head.bottleneck.0.weight" in shapes:
        return _multiple_granularity(shapes, options)
    if "backbone.cls_token" in shapes:
        return _transformer(shapes, options)
    if "backbone.layer4.0.conv1.weight" not in shapes:
        found = next((what for start, what in _OTHERS.items() if under(shapes, start)), "another backbone")
        raise refuse_network("fast-reid", found, "Its ResNets and vision transformers are known.")
    if len(shapes.get("heads.bottleneck.0.weight", (0,))) == 4:
        raise refuse_network("fast-reid", "a head that reduces the feature (MODEL.HEADS.EMBEDDING_DIM)")
    return _residual(shapes, options)


def _residual(shapes: Shapes, options: Options) -> Foreign:
    kind = "SBS" if "heads.pool_layer.p" in shapes else "AGW" if under(shapes, "backbone.NL_") else "BoT"
    return Foreign(
        name=f"fast-reid {kind}, {residual_name(shapes, 'backbone.')}",
        rules={"backbone.": "backbone.", "heads.pool_layer.": "pooling.", **_HEADS},
        arguments={**_arguments(shapes, options), "pooling": "average" if kind == "BoT" else "gem"},
        network={
            "family": "residual",
            "last_stride": options.last_stride or 1,
            "stem_relu": True,
            "pool": "padded" if "heads.bnneck.weight" in shapes else "ceil",
        },
        takes=frozenset({"last_stride"}),
        constants={"pooling.p": 3.0} if kind == "AGW" else {},
        colours=_colours(shapes),
    )


def _transformer(shapes: Shapes, options: Options) -> Foreign:
    tokens, side = shapes["backbone.pos_embed"][1], shapes["backbone.patch_embed.proj.weight"][2]
    size, stride = size_and_stride(tokens - 1, side, options.image_size)
    return Foreign(
        name=f"fast-reid BoT, vision transformer of width {shapes['backbone.pos_embed'][2]}",
        rules={"backbone.": "backbone.", **_HEADS},
        arguments={
            **_arguments(shapes, options),
            **HALF_COLOURS,
            "image_size": size,
        },
        network={"family": "vision_transformer", "stride": stride, "camera_coefficient": 0.0},
    )


def _multiple_granularity(shapes: Shapes, options: Options) -> Foreign:
    old = "b1_pool.1.weight" in shapes
    heads = [name.split(".")[0] for name in shapes if "_head." in name]
    dropped = {f"{head}.{key}": None for head in heads for key in ("weight", "classifier.")}
    return Foreign(
        name=f"fast-reid MGN, ResNet-50 ({'up to v0.1.1' if old else 'v1.0 or later'})",
        rules={"": "backbone.", **dropped, "pixel_mean": None, "pixel_std": None},
        arguments={**_arguments(shapes, options), "neck": "none"},
        network={
            "family": "multiple_granularity",
            "last_stride": options.last_stride or 1,
            "pool": "padded" if "b1_head.bnneck.weight" in shapes else "ceil",
        },
        takes=frozenset({"last_stride"}),
        colours=_colours(shapes),
    )


def _arguments(shapes: Shapes, options: Options) -> dict[str, Any]:
    large = "heads.pool_layer.p" in shapes or "b1_head.pool_layer.p" in shapes or "b1_pool.0.p" in shapes
    return {
        "image_size": options.image_size or ((384, 128) if large else (256, 128)),
        "neck": "bnneck",
        "feature": "necked",
        "interpolation": "bicubic",
        "unit_length": True,
        **IMAGENET_COLOURS,
    }


def _colours(shapes: Shapes) -> tuple[str, str] | None:
    return ("pixel_mean", "pixel_std") if "pixel_mean" in shapes else None


FAST_REID = Layout("fast-reid", _recognises, _read)
