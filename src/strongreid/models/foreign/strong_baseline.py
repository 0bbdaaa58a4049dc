"""reid-strong-baseline (Luo et al. 2019), the paper's own code: `base.*`, `bottleneck.*`, `classifier.*`."""

from strongreid.models.foreign.imagenet import residual_name
from strongreid.models.foreign.keys import Shapes
from strongreid.models.foreign.layout import IMAGENET_COLOURS, Foreign, Layout, Options


def _recognises(shapes: Shapes) -> bool:
    return "base.layer4.0.conv1.weight" in shapes


def _read(shapes: Shapes, options: Options) -> Foreign:
    name = residual_name(shapes, "base.")
    return Foreign(
        name=f"reid-strong-baseline, {name}",
        rules={"base.": "backbone.", "base.fc.": None, "bottleneck.": "neck.", "classifier.": None},
        arguments={
            "backbone": name,
            "last_stride": options.last_stride or 1,
            # Of its networks only the plain ResNets have no ReLU after the stem's normalisation.
            "stem_relu": name.endswith("_ibn_a") or name.startswith("legacy"),
            "image_size": options.image_size or (256, 128),
            "neck": "bnneck" if "bottleneck.weight" in shapes else "none",
            "unit_length": True,
            **IMAGENET_COLOURS,
        },
        takes=frozenset({"last_stride"}),
    )


STRONG_BASELINE = Layout("reid-strong-baseline", _recognises, _read)
