"""ImageNet classifiers with ResNet's names: torchvision, timm, IBN-Net. The feature is the average of the last map."""

from strongreid.errors import InputError
from strongreid.models.foreign.keys import Shapes, under
from strongreid.models.foreign.layout import IMAGENET_COLOURS, Foreign, Layout, Options
from strongreid.models.foreign.networks.residual import stages_of

_DEPTHS = {(2, 2, 2, 2): 18, (3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}


def residual_name(shapes: Shapes, prefix: str = "") -> str:
    """Return our name of the ResNet, with IBN-a or not, or legacy SE-ResNet whose weights lie under a prefix."""
    shapes = under(shapes, prefix)
    stages = stages_of(shapes)
    bottleneck = "layer1.0.conv3.weight" in shapes
    depth = _DEPTHS.get(stages)
    if depth == 50 and not bottleneck:
        depth = 34
    if depth is None or bottleneck != (depth >= 50):
        raise InputError(f"There is no ResNet with {stages} blocks{' of three layers' if bottleneck else ''}.")
    grouped = bottleneck and shapes["layer1.0.conv2.weight"][1] != shapes["layer1.0.conv2.weight"][0]
    if "layer0.conv1.weight" in shapes:
        return f"legacy_seresnext{depth}_32x4d" if grouped else f"legacy_seresnet{depth}"
    if grouped:
        width = shapes["layer1.0.conv2.weight"][1]
        return f"resnext{depth}_32x{width}d"
    wide = bottleneck and shapes["layer1.0.conv2.weight"][0] == 128
    ibn = "_ibn_a" if "layer1.0.bn1.IN.weight" in shapes else ""
    return (f"wide_resnet{depth}_2" if wide else f"resnet{depth}") + ibn


def _recognises(shapes: Shapes) -> bool:
    others = "classifier.weight" in shapes or "fc.0.weight" in shapes
    return "conv1.weight" in shapes and "layer4.0.conv1.weight" in shapes and not others


def _read(shapes: Shapes, options: Options) -> Foreign:
    name = residual_name(shapes)
    return Foreign(
        name=f"{'IBN-Net' if name.endswith('ibn_a') else 'torchvision or timm'}, {name}",
        rules={"": "backbone.", "fc.": None},
        arguments={
            "backbone": name,
            "last_stride": options.last_stride or 2,
            "image_size": options.image_size or (256, 128),
            "neck": "none",
            **IMAGENET_COLOURS,
        },
        takes=frozenset({"last_stride"}),
        notes=("It is an ImageNet classifier: as a feature it is a start, not a ReID model.",),
    )


IMAGENET = Layout("torchvision, timm or IBN-Net", _recognises, _read)
