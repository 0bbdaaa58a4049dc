"""OpenVINO's files are written without anybody being told: its own converter reports each use over the network."""

from pathlib import Path

import pytest

from strongreid.export.graph import ExportGraph, GraphSettings
from strongreid.export.openvino_file import write_openvino
from strongreid.export.pixels_in import PixelInput
from strongreid.models import ReIDModel


def test_nobody_is_told_that_a_model_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    telemetry = pytest.importorskip("openvino_telemetry").Telemetry
    told: list[str] = []
    for name in ("init", "start_session", "send_event", "end_session", "force_shutdown"):
        monkeypatch.setattr(telemetry, name, lambda *given, name=name, **more: told.append(name))
    model = ReIDModel(backbone="resnet10_small", people=2, image_size=(64, 32)).eval()
    settings = GraphSettings(PixelInput(), batch=1, l2=False)
    write_openvino(ExportGraph(model, settings), tmp_path / "model.xml", {"made_by": "a test"})
    assert (tmp_path / "model.bin").stat().st_size > 1_000_000
    assert told == []
