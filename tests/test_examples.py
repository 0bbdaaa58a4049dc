"""The scripts in examples/ do what they say, at a size that takes seconds."""

import re
import runpy
from pathlib import Path

import pytest

from strongreid.errors import InputError
from strongreid.models import ReIDModel, read_header
from strongreid.training.checkpoint import newest_checkpoint

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, words: list[str]) -> None:
    runpy.run_path(str(EXAMPLES / name))["main"](words)


def test_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("train.py", [str(tmp_path / "new"), "--people=8", "--epochs=2"])
    said = capsys.readouterr().out
    assert said.startswith("mAP ")
    assert "after 2 epochs" in said
    assert newest_checkpoint(tmp_path / "new" / "checkpoints") is not None
    assert "ResNet" in read_header(tmp_path / "new")["strongreid"]
    with pytest.raises(InputError, match="backbone="):
        ReIDModel.load(tmp_path / "new")


def test_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("evaluate.py", [str(tmp_path / "new"), "--people=10"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["mAP", "rank-1", "recall at 10"]
    for line in lines:
        value, low, high = map(float, re.findall(r"\d+\.\d", line))
        assert 0 <= low <= value <= high <= 100
