"""Roboflow's `reid`: a folder with reid_config.json and weights.safetensors, which its loader rebuilds through timm.

It builds `timm:NAME` as timm has it: no neck, the last stage's stride 2, timm's own pooling. Weights of another network
would load and mean something else, so only a model that is exactly that is written; every other is handed over as an
object, by three lines of Python.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from strongreid.errors import InputError
from strongreid.export.graph import ExportGraph
from strongreid.export.profile import Exported, Format, Infer, Profile
from strongreid.files import read_json
from strongreid.models.backbones import SMALL, SMALL_IBN, timms_network
from strongreid.models.weights import load_exactly, read_weights, save_weights

CONFIG, WEIGHTS, PREFIX = "reid_config.json", "weights.safetensors", "timm:"
STRIPPED: Final = ("module.", "model.", "encoder.", "classifier")
"""Beginnings of names that its loader cuts off or leaves out."""


def write_roboflow(graph: ExportGraph, path: Path, metadata: Mapping[str, str]) -> None:
    """Write reid_config.json to `path` and the weights beside it. `InputError` for what its loader does not rebuild."""
    model = graph.model
    if found := _differences(graph):
        raise InputError(f"Roboflow's loader builds {PREFIX}NAME as timm has it, and this model is not: {found}.")
    height, width = model.image_size
    config = {
        "architecture": PREFIX + model.arguments["backbone"],
        "preprocessing": {
            "input_size": [height, width],
            "mean": list(graph.settings.pixels.mean),
            "std": list(graph.settings.pixels.std),
            "interpolation": model.interpolation,
            "to_rgb": True,
            "resize_mode": "stretch",
        },
        "strongreid": dict(metadata),
    }
    save_weights(model.backbone.state_dict(), path.with_name(WEIGHTS), metadata)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_roboflow(path: Path) -> Infer:
    """Rebuild the network by the rule of its loader."""
    network = timms_network(str(read_json(path)["architecture"]).removeprefix(PREFIX)).eval()
    load_exactly(network, read_weights(path.with_name(WEIGHTS)), source=str(path))

    @torch.no_grad()
    def infer(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        features: npt.NDArray[np.float32] = network(torch.from_numpy(images)).numpy()
        return features

    return infer


def _differences(graph: ExportGraph) -> str:
    """Say what of a model its loader does not rebuild; empty where it rebuilds all. Numbers are compared later."""
    model, settings = graph.model, graph.settings
    arguments = model.arguments
    wrong = {
        "a backbone that timm does not have": "backbone" in model.own or arguments["backbone"] in (SMALL, SMALL_IBN),
        "the last stage's stride is 1": arguments.get("last_stride", 1) != 2,
        "there is no ReLU after its stem": not arguments.get("stem_relu", True),
        "its features come after a neck": arguments.get("neck") != "none" and model.feature != "pooled",
        "its pooling is not the average": arguments.get("pooling") != "average",
        "float16, a fixed batch or --l2": settings.precision != "float32" or settings.batch is not None or settings.l2,
        "mean and deviation are not outside": not graph.plain,
        "its loader would cut names of its weights": any(
            name.startswith(STRIPPED) for name in model.backbone.state_dict()
        ),
    }
    return "; ".join(reason for reason, holds in wrong.items() if holds)


def _otherwise(source: Path) -> str:
    return (
        "Hand the model over as an object instead; it has the two methods that reid and trackers call: "
        f"from strongreid import ReIDModel; model = ReIDModel.load({str(source)!r}); "
        "features = model.extract_embeddings(detections, frame)"
    )


def _use(exported: Exported) -> list[str]:
    return [f"reid.ReIDModel.from_pretrained({str(exported.path.parent)!r})"]


ROBOFLOW: Final = Profile(
    "Roboflow's reid",
    Format("", write_roboflow, load_roboflow, beside=(WEIGHTS,)),
    _use,
    normalisation="outside",
    otherwise=_otherwise,
)
