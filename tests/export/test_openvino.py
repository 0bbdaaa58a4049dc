"""OpenVINO in this process: nobody is told of it, and signals still arrive."""

import subprocess
import sys
from pathlib import Path

import pytest

from strongreid.export.graph import ExportGraph, GraphSettings
from strongreid.export.openvino_file import write_openvino
from strongreid.export.pixels_in import PixelInput
from strongreid.models import ReIDModel


def written(path: Path) -> None:
    model = ReIDModel(backbone="resnet10_small", people=2, image_size=(64, 32)).eval()
    write_openvino(ExportGraph(model, GraphSettings(PixelInput(), batch=1, l2=False)), path, {"made_by": "a test"})


def test_nobody_is_told_that_a_model_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO's own converter reports each use over the network."""
    pytest.importorskip("openvino")
    telemetry = pytest.importorskip("openvino_telemetry").Telemetry
    told: list[str] = []
    for name in ("init", "start_session", "send_event", "end_session", "force_shutdown"):
        monkeypatch.setattr(telemetry, name, lambda *given, name=name, **more: told.append(name))
    written(tmp_path / "model.xml")
    assert (tmp_path / "model.bin").stat().st_size > 1_000_000
    assert told == []


SIGNALLED = """
import faulthandler, signal, sys
from pathlib import Path
faulthandler.enable()  # signals have a stack of their own now, which OpenVINO takes the place of
from strongreid.export.openvino_file import load_openvino

first = load_openvino(Path(sys.argv[1]))
second = load_openvino(Path(sys.argv[1]))
del first
del second
signal.signal(signal.SIGTERM, lambda *given: print("handled", flush=True))
signal.raise_signal(signal.SIGTERM)
"""


def test_a_signal_is_handled_after_models_have_come_and_gone(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    written(tmp_path / "model.xml")
    words = [sys.executable, "-c", SIGNALLED, str(tmp_path / "model.xml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
