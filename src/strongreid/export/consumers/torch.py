"""A graph that PyTorch runs without our code, `torch.export`, .pt2: RGB 0 to 1, normalised inside."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from strongreid.export.graph import ExportGraph
from strongreid.export.onnx_file import quiet_tracing
from strongreid.export.profile import Exported, Format, Infer, Profile

METADATA: Final = "strongreid.json"
"""The file in the archive that has the metadata."""


def write_torch(graph: ExportGraph, path: Path, metadata: Mapping[str, str]) -> None:
    """Trace `graph` and write it with `metadata`, as one of the archive's extra files."""
    with quiet_tracing(graph):
        program = torch.export.export(graph, (graph.example(),), dynamic_shapes=graph.dynamic_shapes())
        torch.export.save(program, path, extra_files={METADATA: json.dumps(dict(metadata))})


def load_torch(path: Path) -> Infer:
    """Read a .pt2 of ours as its users do."""
    program = torch.export.load(path).module()

    @torch.no_grad()
    def infer(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        features: npt.NDArray[np.float32] = program(torch.from_numpy(images)).numpy()
        return features

    return infer


def _use(exported: Exported) -> list[str]:
    return [f"torch.export.load({str(exported.path)!r}).module()(images)"]


PLAIN_TORCH: Final = Profile("PyTorch", Format(".pt2", write_torch, load_torch), _use, free=True)
