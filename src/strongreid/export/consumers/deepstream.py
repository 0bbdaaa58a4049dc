"""DeepStream's nvtracker: ONNX fed with RGB 0 to 255.

It knows one scale for all three colours, while deviations differ by colour: so it is told scale 1 and offsets 0, and
mean and deviation are inside. The section `ReID` of its tracker's configuration is written beside.
"""

import json
from typing import Final

from strongreid.export.onnx_file import ONNX
from strongreid.export.profile import Exported, Profile

AT_ONCE: Final = 100
"""Objects that it sends through at once where the file takes any number."""


def _tracker(exported: Exported) -> str:
    return f"{exported.path.stem}_tracker.yml"


def _sides(exported: Exported) -> dict[str, str]:
    height, width = exported.image_size
    return {
        _tracker(exported): "\n".join(
            [
                "# The section ReID for the configuration of nvtracker (NvDCF or NvDeepSORT): put it in place of the",
                "# one there. Feeding 0 to 255 with scale 1 and offsets 0 is right: the file normalises by itself.",
                "ReID:",
                "  reidType: 2  # NvDCF, to find lost people again; 1 for NvDeepSORT",
                f"  batchSize: {exported.batch or AT_ONCE}",
                "  workspaceSize: 1000",
                f"  reidFeatureSize: {exported.width}",
                "  reidHistorySize: 100",
                f"  inferDims: [3, {height}, {width}]",
                f"  networkMode: {int(exported.half)}  # 0 float32, 1 float16",
                "  inputOrder: 0  # NCHW",
                "  colorFormat: 0  # RGB",
                "  offsets: [0.0, 0.0, 0.0]",
                "  netScaleFactor: 1.0",
                "  keepAspc: 0  # crops are stretched, as in training",
                f"  addFeatureNormalization: {int(not exported.l2)}",
                f"  onnxFile: {json.dumps(exported.path.name)}  # from this file; older versions want the whole path",
                "",
            ]
        )
    }


def _use(exported: Exported) -> list[str]:
    tracker = exported.path.with_name(_tracker(exported))
    return [f"put {tracker} into the file that nvtracker's ll-config-file names, and {exported.path} beside it"]


DEEPSTREAM: Final = Profile("DeepStream", ONNX, _use, top=255, sides=_sides)
