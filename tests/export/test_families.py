"""Each family of backbones, exported and read again: ONNX within 1e-4 of the features' rms, our own file 1e-6."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from strongreid.export.consumers.boxmot import BOXMOT
from strongreid.export.graph import ExportGraph
from strongreid.export.proof import drawn_pictures
from strongreid.export.write import settings_for
from strongreid.models import ReIDModel
from tests.export.models import SIZE, lively, small_swin, small_vit

pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnxscript", reason="needs the extra onnx")

FAMILIES: dict[str, str | Callable[[], nn.Module]] = {
    "resnet10_small": "resnet10_small",
    "resnet18": "resnet18",
    "legacy_seresnet18": "legacy_seresnet18",
    "efficientnet_lite0": "efficientnet_lite0",
    "mobilenetv3": "mobilenetv3_small_050",
    "convnext_atto": "convnext_atto",
    "osnet_ain": "osnet_ain_x0_25",
    "vit": small_vit,
    "swin": small_swin,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_survives_both_ways_out(family: str, tmp_path: Path) -> None:
    made = FAMILIES[family]
    model = lively(made if isinstance(made, str) else made())
    pictures = torch.from_numpy(drawn_pictures(SIZE, 5))
    settings = settings_for(BOXMOT, model)
    BOXMOT.format.write(ExportGraph(model, settings), tmp_path / "model.onnx", {})
    infer = BOXMOT.format.load(tmp_path / "model.onnx")
    model.save(tmp_path / "model.safetensors")
    parts = {} if isinstance(made, str) else {"backbone": made()}
    again = ReIDModel.load(tmp_path / "model.safetensors", **parts)
    for count in (1, 2, 5):
        expected = model.embed(pictures[:count]).double()
        scale = expected.square().mean().sqrt()
        found = infer(settings.pixels.feed(pictures[:count].numpy()))
        assert np.abs(found - expected.numpy()).max() <= 1e-4 * scale
        assert (again.embed(pictures[:count]).double() - expected).abs().max() <= 1e-6 * scale
