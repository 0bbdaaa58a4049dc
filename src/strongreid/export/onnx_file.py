"""Writing ONNX, and running it in onnxruntime. The one door to onnx and onnxruntime.

Height and width are static and one axis is symbolic, `batch`: consumers read the size from the graph, and a dynamic
one becomes 224 x 224 in some of them. Operators of opset 18, which older TensorRT and OpenVINO know too. What the
tracer notes in each node, such as the paths of this machine's source files, is left out of the file.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch

from strongreid.errors import InputError
from strongreid.export.graph import INPUT, OUTPUT, ExportGraph
from strongreid.export.profile import Format, Infer

OPSET: Final = 18
Extra = Literal["onnx", "openvino"]
PACKAGES: Final[Mapping[str, str]] = {
    "onnx": "onnx onnxruntime onnxscript",
    "openvino": "openvino onnx onnxruntime onnxscript",
}
"""What the libraries of an extra are: imported when a command runs that needs them."""
LARGEST_BYTES: Final = 2**31 - 1
"""Most bytes of one ONNX file: protobuf's limit."""


def require(name: str, extra: Extra) -> ModuleType:
    """Import a library of an extra; `InputError` with the command that installs it where it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"This needs the library {name}, which cannot be imported ({error}). Install it: "
            f"pip install {PACKAGES[extra]}"
        ) from error


def write_onnx(graph: ExportGraph, path: Path, metadata: Mapping[str, str]) -> None:
    """Trace `graph` and write it with `metadata`. `InputError` where it cannot be traced."""
    onnx, _ = require("onnx", "onnx"), require("onnxscript", "onnx")
    with quiet_tracing(graph):
        program = torch.onnx.export(
            graph,
            (graph.example(),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=graph.dynamic_shapes(),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _forget_origins(proto)
    proto.producer_name = "strongreid"
    onnx.helper.set_model_props(proto, dict(metadata))
    if proto.ByteSize() > LARGEST_BYTES:
        raise InputError(f"The network has more than {LARGEST_BYTES:,} bytes, the most that one ONNX file may have.")
    path.write_bytes(proto.SerializeToString())


@contextmanager
def quiet_tracing(graph: ExportGraph) -> Iterator[None]:
    """Silence what tracers say of themselves in the block; what stops them becomes an `InputError`."""
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.WARNING))
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    except (RuntimeError, TypeError, ValueError, torch._dynamo.exc.TorchDynamoException) as error:
        backbone = graph.model.arguments["backbone"]
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"The backbone {backbone} cannot be traced into a graph ({type(error).__name__}: {reason}). Use it from "
            "Python, or train another backbone."
        ) from error
    finally:
        logging.disable(disabled)


def open_session(path: Path, remedy: str = "", threads: int = 0) -> Any:
    """Open an ONNX file in onnxruntime, on the CPU, 0 threads for its own choice. `InputError` where it is none."""
    onnxruntime = require("onnxruntime", "onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} cannot be read as ONNX ({reason}). {remedy}".rstrip()) from error


def load_onnx(path: Path, threads: int = 0) -> Infer:
    """Read an ONNX file of ours as its consumers do; 0 threads for onnxruntime's own choice."""
    session = open_session(path, threads=threads)

    def infer(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        features: npt.NDArray[np.float32] = session.run([OUTPUT], {INPUT: images})[0]
        return features

    return infer


def _forget_origins(proto: Any) -> None:
    """Take out of every part of the graph what the tracer noted about where it came from."""
    parts = [proto.graph, *(node for function in proto.functions for node in (function, *function.node))]
    for part in [*parts, *proto.graph.node, *proto.graph.initializer, *proto.graph.input, *proto.graph.output]:
        part.doc_string = ""
        del part.metadata_props[:]
    del proto.graph.value_info[:]
    proto.doc_string = ""
    del proto.metadata_props[:]


ONNX: Final = Format(".onnx", write_onnx, load_onnx)
