"""ONNX for any program: RGB 0 to 1, normalised inside, so that nobody can forget the mean and the deviation."""

import shlex
from typing import Final

from strongreid.export.onnx_file import ONNX
from strongreid.export.profile import Exported, Profile


def _use(exported: Exported) -> list[str]:
    return [
        f"strongreid evaluate {shlex.quote(str(exported.path))} --data.name NAME --data.root DIR",
        f'onnxruntime.InferenceSession({str(exported.path)!r}).run(None, {{"images": images}})  # from Python',
    ]


PLAIN_ONNX: Final = Profile("any program that reads ONNX", ONNX, _use, free=True)
