"""torchreid (deep-person-reid): ResNets, MLFN and OSNets, whose names stand at the top, with `classifier.*`.

Its own ResNets without a feature layer keep the last stride 2, those with one (`fc.0`, `fc.1`) have 1. Features are
compared as they are, by Euclidean distance.
"""

from typing import Any

from strongreid.models.foreign.imagenet import residual_name
from strongreid.models.foreign.keys import Shapes
from strongreid.models.foreign.layout import IMAGENET_COLOURS, Foreign, Layout, Options, refuse_network

_WIDTHS = {16: "x0_25", 32: "x0_5", 48: "x0_75", 64: "x1_0"}
"""OSNet's widths by the channels of the stem."""


def _recognises(shapes: Shapes) -> bool:
    residual = "layer4.0.conv1.weight" in shapes and ("classifier.weight" in shapes or "fc.0.weight" in shapes)
    return residual or "feature.0.fm_conv1.weight" in shapes or "conv1.conv.weight" in shapes


def _read(shapes: Shapes, options: Options) -> Foreign:
    if "feature.0.fm_conv1.weight" in shapes:
        return Foreign(
            name="torchreid, mlfn",
            rules={"": "backbone.", "classifier.": None},
            arguments=_arguments(options),
            network={"family": "multi_level"},
        )
    if "conv1.conv.weight" in shapes:
        return _omni_scale(shapes, options)
    name, layer = residual_name(shapes), "fc.0.weight" in shapes
    stride = options.last_stride or (1 if layer else 2)
    residual = {"family": "residual", "last_stride": stride, "stem_relu": True, "pool": "padded"}
    head = {"family": "feature", "trunk": residual, "relu": True, "mirror": False}
    rules = {"": "backbone.trunk.", "fc.": "backbone.feature."} if layer else {"": "backbone."}
    return Foreign(
        name=f"torchreid, {name}{'_fc512' if layer else ''}",
        rules={**rules, "classifier.": None},
        arguments=_arguments(options) | ({} if layer else {"backbone": name, "last_stride": stride}),
        network=head if layer else None,
        takes=frozenset({"last_stride"}),
    )


def _omni_scale(shapes: Shapes, options: Options) -> Foreign:
    width = _WIDTHS.get(shapes["conv1.conv.weight"][0])
    if width is None:
        raise refuse_network("torchreid", f"an OSNet of {shapes['conv1.conv.weight'][0]} channels in its stem")
    plain = "conv1.bn.running_mean" in shapes
    kind = "ain_" if "conv2.0.conv2.0.layers.0.conv1.weight" in shapes else "" if plain else "ibn_"
    name = f"osnet_{kind}{width}"
    layer = "fc.0.weight" in shapes
    return Foreign(
        name=f"torchreid, {name}",
        rules={"": "backbone.", "classifier.": None},
        arguments={
            **_arguments(options),
            "backbone": f"{name}_fc512" if layer else name,
            "last_stride": options.last_stride or 2,
        },
        takes=frozenset({"last_stride"}),
    )


def _arguments(options: Options) -> dict[str, Any]:
    return {
        "image_size": options.image_size or (256, 128),
        "neck": "none",
        "metric": "euclidean",
        **IMAGENET_COLOURS,
    }


TORCHREID = Layout("torchreid", _recognises, _read)
