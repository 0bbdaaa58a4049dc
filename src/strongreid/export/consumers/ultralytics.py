"""Ultralytics' trackers (BoT-SORT): ONNX fed with RGB 0 to 1, so mean and deviation must be inside.

It reads height and width from the graph, scales crops without antialiasing, and brings features to the length 1 itself.
OpenVINO, TensorRT and TorchScript files it feeds 224 x 224 whatever they say, so only ONNX is offered. Its appearance
threshold is a similarity, 1 less half the cosine distance: a calibrated model brings its own.
"""

import json
import shlex
from typing import Final

from strongreid.export.onnx_file import ONNX
from strongreid.export.profile import Exported, Profile

APPEARANCE: Final = 0.8
"""Its own default of `appearance_thresh`."""


def _tracker(exported: Exported) -> str:
    return f"{exported.path.stem}.yaml"


def _sides(exported: Exported) -> dict[str, str]:
    calibrated = exported.calibrated
    known = calibrated is not None and exported.metric == "cosine"
    threshold = round(max(0.0, 1 - calibrated.threshold / 2), 4) if calibrated is not None and known else APPEARANCE
    origin = "the default: the model has no calibrated one"
    if calibrated is not None and known:
        rate = f"{100 * calibrated.false_match_rate:g} %"
        origin = f"the model's calibrated threshold, at a false-match rate of {rate}; the card says how sure that is"
    return {
        _tracker(exported): "\n".join(
            [
                "# BoT-SORT of Ultralytics with this model.",
                "tracker_type: botsort",
                "track_high_thresh: 0.25",
                "track_low_thresh: 0.1",
                "new_track_thresh: 0.25",
                "track_buffer: 30",
                "match_thresh: 0.8",
                "fuse_score: True",
                "gmc_method: sparseOptFlow",
                "proximity_thresh: 0.5",
                f"appearance_thresh: {threshold}  # {origin}",
                "with_reid: True",
                f"model: {json.dumps(str(exported.path.absolute()))}",
                "",
            ]
        )
    }


def _metadata(exported: Exported) -> dict[str, str]:
    """It sends images one at a time through a file of a fixed batch that does not say so here."""
    return {} if exported.batch is None else {"batch": str(exported.batch)}


def _use(exported: Exported) -> list[str]:
    tracker = exported.path.with_name(_tracker(exported))
    return [f"yolo track model=yolo11n.pt source=VIDEO classes=0 {shlex.quote(f'tracker={tracker}')}"]


ULTRALYTICS: Final = Profile("Ultralytics", ONNX, _use, metadata=_metadata, sides=_sides)
