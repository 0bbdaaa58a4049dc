"""TransReID: `base.cls_token` and timm's names under `base.`; with JPM also `b1.*` and `b2.*`.

The test feature is the one before the neck. The stride of the patches shows in the number of position embeddings.
"""

from strongreid.models.foreign.keys import Shapes, children, under
from strongreid.models.foreign.layout import HALF_COLOURS, Foreign, Layout, Options, refuse_network, size_and_stride

_COEFFICIENT = 3.0
"""SIE_COE in all of its configurations."""


def _recognises(shapes: Shapes) -> bool:
    return "base.cls_token" in shapes and "base.pos_embed" in shapes


def _read(shapes: Shapes, options: Options) -> Foreign:
    if "base.blocks.0.attn.qkv.bias" not in shapes:
        raise refuse_network("TransReID", "vit_small, whose attention has no bias and another scale")
    tokens, side = shapes["base.pos_embed"][1], shapes["base.patch_embed.proj.weight"][2]
    size, stride = size_and_stride(tokens - 1, side, options.image_size)
    jigsaw, cameras = bool(under(shapes, "b2.")), "base.sie_embed" in shapes
    coefficient = _COEFFICIENT if options.camera_coefficient is None else options.camera_coefficient
    rules: dict[str, str | None] = {"base.": "backbone.", "base.fc.": None, "classifier": None}
    if jigsaw:
        last = children(shapes, "base.blocks.") - 1  # b1 and b2 stand in its place
        unused: dict[str, str | None] = {f"base.blocks.{last}.": None, "base.norm.": None, "bottleneck": None}
        rules |= {"b1.": "backbone.b1.", "b2.": "backbone.b2.", **unused}
    else:
        rules |= {"bottleneck.": "neck."}
    width = shapes["base.pos_embed"][2]
    name = f"TransReID, vision transformer of width {width}, stride {stride}"
    return Foreign(
        name=name + (", SIE" if cameras else "") + (", JPM" if jigsaw else ""),
        rules=rules,
        arguments={
            "image_size": size,
            "neck": "none" if jigsaw else "bnneck",
            "feature": "pooled",
            "unit_length": True,
            **HALF_COLOURS,
        },
        network={"family": "vision_transformer", "stride": stride, "camera_coefficient": coefficient},
        takes=frozenset({"camera_coefficient"} if cameras else ()),
        notes=(f"The camera embedding is multiplied by {coefficient}.",) if cameras else (),
    )


TRANSREID = Layout("TransReID", _recognises, _read)
