"""One file a consumer: what its loader takes unchanged, and the command to use it there."""

from typing import Literal

from strongreid.export.consumers.boxmot import BOXMOT
from strongreid.export.consumers.deepstream import DEEPSTREAM
from strongreid.export.consumers.onnx import PLAIN_ONNX
from strongreid.export.consumers.openvino import OPENVINO_DEMOS
from strongreid.export.consumers.roboflow import ROBOFLOW
from strongreid.export.consumers.torch import PLAIN_TORCH
from strongreid.export.consumers.ultralytics import ULTRALYTICS
from strongreid.export.profile import Profile

Consumer = Literal["onnx", "ultralytics", "boxmot", "deepstream", "openvino", "roboflow", "torch"]


def profile_for(consumer: Consumer) -> Profile:
    """Return the profile of a consumer."""
    match consumer:
        case "onnx":
            return PLAIN_ONNX
        case "ultralytics":
            return ULTRALYTICS
        case "boxmot":
            return BOXMOT
        case "deepstream":
            return DEEPSTREAM
        case "openvino":
            return OPENVINO_DEMOS
        case "roboflow":
            return ROBOFLOW
        case "torch":
            return PLAIN_TORCH
