"""The commands of docs/own-cameras.md run as they stand, on drawn people in frames of three cameras."""

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from strongreid.cli import main
from strongreid.drawn import draw_people
from tests.data.import_sources import Seen, scene, write_mot

GUIDE = Path(__file__).parents[2] / "docs" / "own-cameras.md"
CAMERAS = {"cam1": "lobby", "cam2": "stairs", "cam3": "yard"}


def commands() -> list[str]:
    blocks = re.findall(r"```\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("strongreid ")]


def footage(work: Path) -> list[Seen]:
    """Write `footage`: people of three cameras, each seen by two of them at least."""
    drawn = draw_people(work / "drawn", train_people=10, test_people=0, images_per_person=6, distractors=0, junk=0)
    seen = [replace(one, camera=CAMERAS[one.camera]) for one in scene(drawn) if one.camera in CAMERAS]
    cameras = defaultdict[int, set[str]](set)
    for one in seen:
        cameras[one.person].add(one.camera)
    met = [one for one in seen if len(cameras[one.person]) > 1]
    write_mot(met, work / "footage")
    return met


@pytest.fixture
def work(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with footage and a model, as the guide begins."""
    shutil.copytree(trained, tmp_path / "runs" / "base")
    first = footage(tmp_path)[0]
    Image.fromarray(first.pixels).save(tmp_path / "person.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guide_s_commands_run_as_written(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(commands()) == 15
    for command in commands():
        capsys.readouterr()
        if command.startswith("strongreid serve"):
            serve(command)
            continue
        assert main(shlex.split(command)[1:]) == 0, f"{command}\n{capsys.readouterr().err}"
        said = capsys.readouterr().err
        assert re.search("Next: |Page: |Nothing is written|Report: |audit.jsonl", said), command
    with (work / "people.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert {row["camera"] for row in rows} == set(CAMERAS.values())
    assert json.loads((work / "runs" / "mine" / "result.json").read_text())["before"]["model"] == str(
        work / "runs/base"
    )
    written = {path.name for path in (work / "runs" / "mine" / "export").iterdir()}
    assert {"mine_boxmot.onnx", "mine_ultralytics.onnx", "mine_ultralytics.yaml"} <= written
    assert "<img" in (work / "found.html").read_text(encoding="utf-8")


def serve(command: str) -> None:
    """Start the service as written, at any free port, and stop it as Ctrl-C does."""
    process = subprocess.Popen(
        [sys.executable, "-m", *shlex.split(command), "--port", "0"], stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "http://" in line:
            break
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode in (0, 130), rest
