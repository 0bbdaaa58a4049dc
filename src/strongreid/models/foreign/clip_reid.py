"""CLIP-ReID: `image_encoder.*`, with `text_encoder.*` and `prompt_learner.*` where it was trained in two stages.

The test feature is the one before CLIP's projection beside the one after it, both before their necks.
"""

from typing import Any

from strongreid.models.foreign.keys import Shapes
from strongreid.models.foreign.layout import (
    HALF_COLOURS,
    IMAGENET_COLOURS,
    Foreign,
    Layout,
    Options,
    size_and_stride,
)

_COEFFICIENT = 1.0
"""SIE_COE in its configurations with SIE."""
_RULES: dict[str, str | None] = {
    "image_encoder.": "backbone.",
    "cv_embed": "backbone.cv_embed",
    "classifier": None,
    "bottleneck": None,
    "text_encoder.": None,
    "prompt_learner.": None,
}


def _recognises(shapes: Shapes) -> bool:
    return "image_encoder.conv1.weight" in shapes


def _read(shapes: Shapes, options: Options) -> Foreign:
    arguments: dict[str, Any] = {"neck": "none", "unit_length": True}
    if "image_encoder.attnpool.positional_embedding" in shapes:
        tokens, stride = shapes["image_encoder.attnpool.positional_embedding"][0], options.last_stride or 1
        side = 16 * stride
        size, _ = size_and_stride(tokens - 1, side, options.image_size)
        return Foreign(
            name="CLIP-ReID, CLIP's ResNet",
            rules=_RULES,
            arguments={**arguments, **IMAGENET_COLOURS, "image_size": size},
            network={"family": "clip_residual", "last_stride": stride},
            takes=frozenset({"last_stride"}),
        )
    tokens, side = shapes["image_encoder.positional_embedding"][0], shapes["image_encoder.conv1.weight"][2]
    size, stride = size_and_stride(tokens - 1, side, options.image_size)
    coefficient = _COEFFICIENT if options.camera_coefficient is None else options.camera_coefficient
    cameras = "cv_embed" in shapes
    return Foreign(
        name=f"CLIP-ReID, CLIP's ViT-B/{side}, stride {stride}{', SIE' if cameras else ''}",
        rules=_RULES,
        arguments={**arguments, **HALF_COLOURS, "image_size": size},
        network={"family": "clip_transformer", "stride": stride, "camera_coefficient": coefficient},
        takes=frozenset({"camera_coefficient"} if cameras else ()),
        notes=(f"The camera embedding is multiplied by {coefficient}.",) if cameras else (),
    )


CLIP_REID = Layout("CLIP-ReID", _recognises, _read)
