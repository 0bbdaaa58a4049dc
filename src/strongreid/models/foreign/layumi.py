"""layumi's Person_reID_baseline_pytorch: `model.*` and `classifier.add_block.*`, or PCB's `classifier0..5.*`.

The feature is the output of `add_block`, summed over the image and its mirror image; `classifier.classifier` alone are
class weights. Strides are not in the file but in opts.yaml beside it.
"""

import re
from pathlib import Path
from typing import Any

from strongreid.errors import InputError
from strongreid.files import read_yaml
from strongreid.models.foreign.imagenet import residual_name
from strongreid.models.foreign.keys import Shapes
from strongreid.models.foreign.layout import IMAGENET_COLOURS, Foreign, Layout, Options, refuse_network


def _recognises(shapes: Shapes) -> bool:
    return any(name.startswith(("classifier.add_block.", "classifier0.add_block.")) for name in shapes)


def _read(shapes: Shapes, options: Options) -> Foreign:
    if "model.layers.0.blocks.0.attn.qkv.weight" in shapes:
        return _swin(shapes, options)
    if "model.layer4.0.conv1.weight" not in shapes:
        raise refuse_network("layumi's", "another backbone than ResNet and Swin")
    parts = len({name.split(".")[0] for name in shapes if re.match(r"classifier\d", name)})  # of PCB
    name = residual_name(shapes, "model.")
    stride = options.last_stride or (1 if parts else 2)
    trunk = {"family": "residual", "last_stride": stride, "stem_relu": True, "pool": "padded"}
    rules: dict[str, str | None] = {"model.": "backbone.trunk.", "model.fc.": None}
    if parts:
        return Foreign(
            name=f"layumi's baseline, PCB of {parts} parts, {name}",
            rules={**rules, "classifier": None},
            arguments={**_arguments(options, (384, 192)), "unit_length": False},
            network={"family": "stripes", "trunk": trunk, "stripes": parts, "mirror": True},
            takes=frozenset({"last_stride"}),
        )
    assumed = "The last stride is not in the file; 2 is the codebase's default, opts.yaml beside the file may say 1."
    return Foreign(
        name=f"layumi's baseline, {name}",
        rules={**rules, **_HEAD},
        arguments=_arguments(options, (256, 128)),
        network={"family": "feature", "trunk": trunk, "relu": False, "mirror": True},
        takes=frozenset({"last_stride"}),
        notes=() if options.last_stride else (assumed,),
    )


_HEAD = {"classifier.add_block.": "backbone.feature.", "classifier.classifier.": None}


def _swin(shapes: Shapes, options: Options) -> Foreign:
    # Files of older timm have the downsampling at the end of a stage, and buffers that follow from the sizes.
    old = "model.layers.0.downsample.reduction.weight" in shapes
    moved = {f"model.layers.{n}.downsample.": f"backbone.trunk.layers.{n + 1}.downsample." for n in range(3)}
    buffers = {name: None for name in shapes if name.endswith((".relative_position_index", ".attn_mask"))}
    return Foreign(
        name="layumi's baseline, swin",
        rules={"model.": "backbone.trunk.", **(moved if old else {}), **buffers, **_HEAD},
        arguments=_arguments(options, (224, 224)),
        network={
            "family": "feature",
            "trunk": {"family": "swin", "image_size": options.image_size or (224, 224)},
            "relu": False,
            "mirror": True,
        },
    )


def _arguments(options: Options, size: tuple[int, int]) -> dict[str, Any]:
    return {
        "image_size": options.image_size or size,
        "neck": "none",
        "interpolation": "bicubic",
        "unit_length": True,
        **IMAGENET_COLOURS,
    }


def _beside(folder: Path) -> Options:
    """Read the last stride from opts.yaml."""
    file = folder / "opts.yaml"
    stride = read_yaml(file).get("stride") if file.is_file() else None
    if stride not in (None, 1, 2):
        raise InputError(f"{file} says stride: {stride!r}; it must be 1 or 2.")
    return Options(last_stride=stride)


LAYUMI = Layout("layumi's Person_reID_baseline_pytorch", _recognises, _read, _beside)
