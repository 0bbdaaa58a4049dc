"""The commands of docs/finetuning.md run as they stand, on drawn people in folders."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from strongreid.cli import main
from strongreid.models import ReIDModel
from tests.runs.test_test_sets import people_in_folders

GUIDE = Path(__file__).parents[2] / "docs" / "finetuning.md"


def commands() -> list[str]:
    blocks = re.findall(r"```\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("strongreid ")]


def test_the_guide_s_commands_run_as_written(
    trained: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "runs" / "own")
    for person in sorted(people_in_folders(drawn, tmp_path / "people").iterdir())[8:]:
        shutil.rmtree(person)
    (tmp_path / "others").symlink_to(tmp_path / "people")
    monkeypatch.chdir(tmp_path)
    assert len(commands()) == 5
    for command in commands():
        capsys.readouterr()
        assert main(shlex.split(command)[1:]) == 0, capsys.readouterr().err
        assert "Next: " in (said := capsys.readouterr().err) or "Report: " in said, command
    assert (tmp_path / "runs" / "mine" / "report.html").is_file()
    assert "Verdict: " in (tmp_path / "runs" / "mine" / "report.html").read_text()
    known = ReIDModel.load(tmp_path / "runs" / "mine").calibrated
    assert known is not None
    assert known.false_match_rate == 0.01
