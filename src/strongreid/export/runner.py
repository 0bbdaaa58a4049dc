"""The fastest way to run a model on a CPU, where it gives the model's features: checked, not believed.

OpenVINO and onnxruntime fuse what PyTorch runs operation by operation, and are about twice as fast. Writing the graph
for them takes as long as some hundred images, so it is for many. The first batch goes through both; where the features
differ by more than exports may, or anything fails, PyTorch goes on, and it is said.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.export.graph import ExportGraph, GraphSettings
from strongreid.export.onnx_file import load_onnx, write_onnx
from strongreid.export.openvino_file import load_openvino
from strongreid.export.pixels_in import PixelInput
from strongreid.export.proof import LARGEST, compared
from strongreid.models import ReIDModel
from strongreid.models.model_file import Metric

Engine = Literal["pytorch", "onnxruntime", "openvino"]
FASTEST: Final[tuple[Engine, ...]] = ("openvino", "onnxruntime")
"""The fastest first (benchmarks/inference.py); what is not installed is passed over."""
_LOAD: Final = {"openvino": load_openvino, "onnxruntime": load_onnx}
WORTH_IT: Final = 500
"""With fewer images, writing the graph takes longer than it saves."""
PIXELS: Final = PixelInput(255, "rgb")
"""Pixels as they are decoded."""


class Runner:
    """A model on the CPU as another engine runs it; embeds as the model does.

    Args:
        model: the model; the camera is not known to it.
        engine: which.
        threads: how many; by default as many as PyTorch uses.

    Raises `InputError` where a library is missing or the model cannot be traced.
    """

    def __init__(self, model: ReIDModel, engine: Literal["onnxruntime", "openvino"], threads: int = 0) -> None:
        self.metric: Metric = model.metric
        self.width = model.width
        self.image_size = model.image_size
        graph = ExportGraph(model, GraphSettings(PIXELS, batch=None, l2=False))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            write_onnx(graph, path, {})
            self._infer = _LOAD[engine](path, threads or torch.get_num_threads())

    def embed(self, images: Tensor, *, batch_size: int = 64, camera: npt.ArrayLike | None = None) -> Tensor:
        """Map images uint8 [N, 3, H, W] of the model's size to features [N, D] float32 on the CPU; no camera counts."""
        batches = torch.split(images, batch_size) if len(images) else ()
        rows = [torch.from_numpy(self._infer(some.numpy().astype(np.float32))) for some in batches]
        return torch.cat([torch.empty(0, self.width), *rows])


def proven(model: ReIDModel, images: Tensor, engine: Engine | None, say: Callable[[str], None]) -> ReIDModel | Runner:
    """Return what runs `model` fastest on the CPU and gives its features for `images`: the model itself, or a `Runner`.

    `images`: uint8 [N, 3, H, W] of the model's size, N at least 1. `engine`: the only one that is tried; None: those
    that are installed. `say` is told which it is, and of engines that failed.
    """
    expected = model.embed(images).numpy().astype(np.float64)
    for one in engines_here() if engine is None else [engine]:
        if one == "pytorch":
            break
        try:
            runner = Runner(model, one)
            difference, _ = compared(runner.embed(images).numpy().astype(np.float64), expected)
        except Exception as error:  # noqa: BLE001 - whatever a library does, the model itself goes on
            say(f"{one} does not run this model ({' '.join(str(error).split())[:200]}).")
            continue
        if difference <= LARGEST:  # NaN is not
            say(f"Running in {one}: its features are the model's (largest difference {difference:.1e} of their rms).")
            return runner
        say(f"{one} does not give the model's features: they differ by {difference:.1e} of their rms.")
    say("Running in PyTorch.")
    return model.to(memory_format=torch.channels_last)  # 1.3 to 2.7 times as fast (benchmarks/inference.py)


def engines_here() -> list[Engine]:
    """Return the engines whose libraries are installed, the fastest first."""
    return [engine for engine in FASTEST if all(find_spec(name) is not None for name in (engine, "onnx", "onnxscript"))]
