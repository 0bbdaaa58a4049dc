"""Writing OpenVINO's two files, .xml and .bin, by way of ONNX, and running them. The one door to openvino.

Weights are kept in float32 unless float16 was asked for (OpenVINO would halve them by itself), and proofs compute in
float32, where a CPU would otherwise choose bfloat16.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongreid.export.graph import ExportGraph
from strongreid.export.onnx_file import require, write_onnx
from strongreid.export.profile import Format, Infer


def write_openvino(graph: ExportGraph, path: Path, metadata: Mapping[str, str]) -> None:
    """Write `path` (.xml) and its weights beside it (.bin), with `metadata` in the .xml."""
    openvino = require("openvino", "openvino")
    with TemporaryDirectory() as folder:
        onnx = Path(folder) / "model.onnx"
        write_onnx(graph, onnx, {})
        model = _core().read_model(str(onnx))  # `convert_model` does the same, and tells Intel of its use
    for key, value in metadata.items():
        model.set_rt_info(value, [key])
    openvino.save_model(model, str(path), compress_to_fp16=graph.in_half)


def load_openvino(path: Path, threads: int = 0) -> Infer:
    """Read an OpenVINO model of ours as its consumers do, on the CPU; 0 threads for OpenVINO's own choice."""
    exact = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
    # Pinned, the threads of two processes get the same core, and each half of it.
    work = {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    compiled = _core().compile_model(str(path), "CPU", {**exact, **work})

    def infer(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        features: npt.NDArray[np.float32] = compiled([images])[0]
        return features

    return infer


@cache
def _core() -> Any:
    """The one in this process, kept to its end.

    Each gives its thread a stack for signals and, when it goes, the one from before: of two that end in the order in
    which they began, the second gives back what is no longer there, and the next signal is the end of the process.
    """
    return require("openvino", "openvino").Core()


OPENVINO: Final = Format(".xml", write_openvino, load_openvino, beside=("{stem}.bin",))
