"""`export` as a command, and its page of documentation as it is written."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from strongreid.cli import main
from strongreid.evaluation import RetrievalResult
from strongreid.export.onnx_file import PACKAGES
from strongreid.models import Calibrated, ReIDModel, write_calibrated

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
needs_onnx = [pytest.importorskip(name, reason="needs the extra onnx") for name in ("onnxruntime", "onnxscript")]


def blocks(language: str = "") -> list[str]:
    """The blocks of the page that are in a language; without one, they are commands."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


def commands() -> list[str]:
    """The commands of the page, in their order."""
    return [line for block in blocks() for line in block.splitlines() if line.startswith("strongreid ")]


@pytest.fixture
def here(trained: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a calibrated run and its people."""
    shutil.copytree(trained, tmp_path / "runs" / "own")
    (tmp_path / "people").symlink_to(drawn)
    write_calibrated(tmp_path / "runs" / "own", Calibrated(0.3, 0.01, 0.8, "drawn"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_s_commands_run_as_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino", reason="needs the extra openvino")
    assert len(commands()) == 9
    for command in commands():
        capsys.readouterr()
        assert main(shlex.split(command)[1:]) == 0, capsys.readouterr().err
        said = capsys.readouterr().err
        assert "Next: " in said or "Report: " in said, command
    names = {path.name for path in (here / "runs/own/export").iterdir()}
    assert names == {
        *("own_ultralytics.onnx", "own_ultralytics.yaml", "own_ultralytics.card.md"),
        *("own_deepstream.onnx", "own_deepstream_tracker.yml", "own_deepstream.card.md"),
        *("own_openvino.xml", "own_openvino.bin", "own_openvino.card.md"),
        *("own_onnx.onnx", "own_onnx.card.md", "own_torch.pt2", "own_torch.card.md"),
    }
    assert {path.name for path in here.iterdir()} == {
        *("runs", "people", "person.onnx", "person.onnx.metadata.json", "person.card.md", "report.html"),
    }
    card = (here / "person.card.md").read_text()
    for part in ("95 % interval", "People drawn", "below 0.3", "without a legal basis", "torch ", "3 epochs"):
        assert part in card
    assert "appearance_thresh: 0.85" in (here / "runs/own/export/own_ultralytics.yaml").read_text()


def test_the_page_s_python_runs_as_written(here: Path) -> None:
    (block,) = blocks("python")
    names: dict[str, np.ndarray] = {}
    exec(block, names)
    assert names["features"].shape == (2, 256)


def test_an_exported_file_evaluates_as_its_run(here: Path) -> None:
    assert main(["export", "runs/own", "--for", "boxmot", "-o", "own.onnx"]) == 0
    words = ["--data.name", "drawn", "--data.root", "people", "--result", "found.npz"]
    assert main(["evaluate", "own.onnx", *words]) == 0
    found, expected = RetrievalResult.load("found.npz"), RetrievalResult.load("runs/own/result.npz")
    assert np.allclose(found.average_precision, expected.average_precision, atol=1e-6, equal_nan=True)


def test_a_model_file_alone_is_exported_beside_it(here: Path) -> None:
    ReIDModel.load("runs/own").save("alone.safetensors")
    assert main(["export", "alone.safetensors", "--for", "torch"]) == 0
    assert (here / "alone_torch.pt2").is_file()
    assert "Not recorded." in (here / "alone_torch.card.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("export", ("RUN is missing",)),
        ("export runs/own", ("--for is missing", "ultralytics")),
        ("export runs/own --for tensorrt", ("tensorrt", "ultralytics")),
        ("export runs/own --fro onnx", ("mean --for?",)),
        ("export runs/onw --for onnx", ("runs/own",)),
        ("export runs --for onnx", ("holds own",)),
        ("export people --for onnx", ("no model.safetensors",)),
        ("export runs/own/config.yaml --for onnx", ("config.yaml",)),
        ("export person.onnx --for onnx", ("no model of ours",)),
        ("export runs/own --for onnx -o x.pt", ("must end in .onnx",)),
        ("export runs/own --for openvino -o x.onnx", ("must end in .xml",)),
        ("export runs/own --for onnx -o people", ("people",)),
        ("export runs/own --for boxmot --normalisation inside", ("wrong features", "onnx")),
        ("export runs/own --for ultralytics --normalisation outside", ("wrong features",)),
        ("export runs/own --for onnx --batch 0", ("batch", "1 to 4096")),
        ("export runs/own --for onnx --batch many", ("--batch",)),
        ("export runs/own --for onnx --precision int8", ("float32 or float16",)),
        ("export runs/own --for roboflow", ("timm", "ReIDModel.load('runs/own')", "extract_embeddings")),
        ("evaluate nowhere.onnx --data.name drawn --data.root people", ("no nowhere.onnx",)),
        ("evaluate runs/own/model.onnx", ("model.onnx",)),
        ("evaluate runs/own --onnx.range 255", ("go with an ONNX file",)),
        ("report runs/own --data.name drawn --data.root people", ("strongreid evaluate RUN",)),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    words: str, said: tuple[str, ...], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path for path in here.rglob("*"))
    assert main(words.split()) == 2
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    for part in said:
        assert part in errors, errors
    assert sorted(path for path in here.rglob("*")) == before


@contextmanager
def without(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """As if a library were not installed."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, name, None)
        yield


@pytest.mark.parametrize(
    ("name", "words", "extra"),
    [
        ("onnx", "export runs/own --for boxmot", "onnx"),
        ("onnxscript", "export runs/own --for onnx", "onnx"),
        ("onnxruntime", "export runs/own --for onnx", "onnx"),
        ("onnxruntime", "evaluate m.onnx --data.name drawn --data.root people", "onnx"),
        ("openvino", "export runs/own --for openvino", "openvino"),
    ],
)
def test_a_missing_library_is_said_with_its_pip_line(
    name: str, words: str, extra: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "m.onnx").touch()
    with without(monkeypatch, name):
        assert main(words.split()) == 2
    errors = capsys.readouterr().err
    assert f"pip install {PACKAGES[extra]}" in errors
    assert "Traceback" not in errors
    assert not (here / "runs/own/export").exists()


def test_neither_onnx_nor_openvino_is_needed_for_pt2(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        for name in ("onnx", "onnxruntime", "onnxscript", "openvino"):
            patch.setitem(sys.modules, name, None)
        assert main(["export", "runs/own", "--for", "torch", "-o", "own.pt2"]) == 0
