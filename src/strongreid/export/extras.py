"""Libraries that only exporting needs: imported when a command runs; where one is missing, its pip line is said."""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Final, Literal

from strongreid.errors import InputError

Extra = Literal["onnx", "openvino"]
PACKAGES: Final[Mapping[str, str]] = {
    "onnx": "onnx onnxruntime onnxscript",
    "openvino": "openvino onnx onnxruntime onnxscript",
}
"""What an extra brings."""


def require(name: str, extra: Extra) -> ModuleType:
    """Import a library of an extra; `InputError` with the command that installs it where it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"This needs the library {name}, which cannot be imported ({error}). Install it: "
            f"pip install {PACKAGES[extra]}"
        ) from error
