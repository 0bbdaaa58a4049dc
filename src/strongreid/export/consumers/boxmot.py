"""boxmot: ONNX fed with RGB 0 to 1, minus ImageNet's mean, divided by its deviation, so none of it may be inside.

A file with the normalisation inside loads there without a word and gives wrong features. It names the size in the side
file `x.onnx.metadata.json` too, because a file called after the VeRi or VehicleID sets is taken for one of 256 x 256.
"""

import json
import shlex
from typing import Final

from strongreid.export.onnx_file import ONNX
from strongreid.export.profile import Exported, Profile
from strongreid.pixels import IMAGENET

VEHICLE_NAMES: Final = ("veri", "vehicleid")
"""Parts of a file's name from which boxmot concludes a size of 256 x 256."""


def _sides(exported: Exported) -> dict[str, str]:
    metadata = {
        "schema_version": 1,
        "model_name": f"strongreid_{exported.path.stem}",
        "preprocess": "resize",
        "img_size": list(exported.image_size),
        "model_kwargs_schema_version": 1,
        "model_kwargs": {"img_size": list(exported.image_size)},
    }
    return {f"{exported.path.name}.metadata.json": json.dumps(metadata, indent=2) + "\n"}


def _doubts(exported: Exported) -> list[str]:
    found = [part for part in VEHICLE_NAMES if part in exported.path.name]
    if not found or exported.image_size == (256, 256):
        return []
    return [
        f"Warning: boxmot takes a file with {found[0]} in its name for a vehicle model of 256 x 256. The graph and the "
        "side file say otherwise and are believed by version 25, but another name is safer: --output OTHER.onnx."
    ]


def _use(exported: Exported) -> list[str]:
    return [f"boxmot track --source VIDEO --tracker botsort --classes 0 --reid {shlex.quote(str(exported.path))}"]


BOXMOT: Final = Profile(
    "boxmot",
    ONNX,
    _use,
    normalisation="outside",
    applies=IMAGENET,
    sides=_sides,
    doubts=_doubts,
)
