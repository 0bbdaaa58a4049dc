"""LightMBN: OSNet in three branches, `backone.*` (so spelled), seven features of an image and its mirror image."""

from strongreid.models.foreign.keys import Shapes
from strongreid.models.foreign.layout import IMAGENET_COLOURS, Foreign, Layout, Options


def _recognises(shapes: Shapes) -> bool:
    return "backone.0.conv.weight" in shapes


def _read(shapes: Shapes, options: Options) -> Foreign:
    heads = {name.split(".")[0] for name in shapes if name.startswith("reduction_")}
    return Foreign(
        name="LightMBN, lmbn_n",
        rules={"": "backbone.", **{f"{head}.classifier.": None for head in heads}},
        arguments={
            "image_size": options.image_size or (384, 128),
            "neck": "none",
            **IMAGENET_COLOURS,
        },
        network={"family": "light_mbn", "mirror": True},
    )


LIGHT_MBN = Layout("LightMBN", _recognises, _read)
