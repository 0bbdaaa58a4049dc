"""`data check`, `data list` and what a user types next, and own data in Market-1501's names from check to test."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strongreid.cli import main
from strongreid.data.specs import BENCHMARKS, NOT_READ
from tests.conftest import small_training


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


@pytest.fixture(scope="module")
def own(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Own data in Market-1501's layout: drawn people, seen by cameras that the benchmark does not have. Read only."""
    root = tmp_path_factory.mktemp("own") / "people"
    shutil.copytree(drawn, root, ignore=shutil.ignore_patterns("*.json"))
    for path in list(root.glob("*/*.jpg")):
        path.rename(path.with_name(re.sub(r"_c(\d)s", r"_c1\1s", path.name)))
    return root


def test_own_data_in_market1501_s_names_is_checked_trained_on_and_tested(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", "folder", str(own), "--layout=market1501"]) == 0
    text = said(capsys)
    assert "ready\n" in text
    assert text.endswith(f"Next: strongreid train folder {own} --data.layout market1501\n")
    words = [*small_training(own, tmp_path / "runs"), "--data.name=folder", "--data.layout=market1501"]
    assert main([*words, "--name=own"]) == 0
    run = tmp_path / "runs" / "own"
    assert "camera" in json.loads((run / "result.json").read_text())["protocol"]
    capsys.readouterr()
    assert main(["evaluate", str(run)]) == 0
    assert main(["evaluate", str(run), "--data.name=folder", f"--data.root={own}", "--data.layout=market1501"]) == 0
    assert main(["evaluate", str(run), "--data.layout=market1501"]) == 2
    assert "go with --data.name" in said(capsys)
    assert main(["data", "pack", "folder", str(own), "--layout=market1501", f"--cache={tmp_path / 'packs'}"]) == 0
    assert main(["data", "check", "folder", str(own)]) == 2
    assert "the layout `market1501`" in said(capsys)
    assert main(["data", "check", "market1501", str(own)]) == 2
    assert "the set has cameras 1 to 6" in said(capsys)


def test_a_table_with_columns_of_other_names_is_checked_and_trained_on(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        f"{path};{path.name[:4]};{path.name[6]}" for path in sorted(drawn.glob("*/0*.jpg")) if path.name[:4] != "0000"
    ]
    (tmp_path / "t.csv").write_text("\n".join(["file;pid;camid", *rows]) + "\n")
    columns = "path=file,person=pid,camera=camid"
    assert main(["data", "check", "table", str(tmp_path / "t.csv"), f"--columns={columns}", "--split_seed=2"]) == 0
    assert said(capsys).endswith(
        f"Next: strongreid train table {tmp_path / 't.csv'} --data.split_seed 2 --data.columns {columns}\n"
    )
    words = [*small_training(tmp_path / "t.csv", tmp_path / "runs"), "--data.name=table", f"--data.columns={columns}"]
    assert main([*words, "--schedule.epochs=2", "--name=own"]) == 0
    assert main([*words[:-1], "--name=other"]) == 2
    assert "no column `path`" in said(capsys)


def test_what_a_check_tells_of_own_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(10):
        for image in range(2):
            path = tmp_path / ("-1" if number == 9 else f"p{number}") / f"{image}.png"
            path.parent.mkdir(exist_ok=True)
            pixels = np.random.default_rng([number, image]).integers(0, 256, (16, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
    (tmp_path / "p1" / "b.heic").write_bytes(b"")
    assert main(["data", "check", "folder", str(tmp_path)]) == 0
    text = said(capsys)
    assert text.count("  not known") == 3
    assert "Junk: images marked as nobody's, person -1. They are neither right nor wrong and are left out." in text
    assert re.search(r"Worth knowing \(1\):\n    .*: not read: 1 \.heic; images end in \.jpg", text)
    assert "Height x width in pixels: smallest 16 x 8" in text
    assert text.endswith(f"ready\nNext: strongreid train folder {tmp_path}\n")


def test_drawn_people_are_called_so_in_what_is_said_and_in_the_run_s_name(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("market1501", "drawn"):
        assert main(["data", "check", name, str(drawn)]) == 0
        text = said(capsys)
        assert text.endswith(f"Next: strongreid train drawn {drawn}\n")
        assert "arket" not in text
    words = [*small_training(drawn, tmp_path / "runs"), "--schedule.epochs=2", "--data.name=market1501"]
    assert main(words) == 0
    assert "arket" not in said(capsys)
    (run,) = (path for path in (tmp_path / "runs").iterdir() if (path / "config.yaml").is_file())
    assert run.name == "bag_of_tricks_small-drawn-seed0"
    assert json.loads((run / "run.json").read_text())["data"]["name"] == "drawn"


def test_the_list_says_of_each_set_how_one_comes_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    text = said(capsys)
    for name, spec in BENCHMARKS.items():
        (row,) = (line for line in text.splitlines() if line.split()[:1] == [name] and "ready" in line)
        assert spec.title in row
        assert spec.getting in row
        by_seed = name in ("cuhk01", "viper", "prid2011", "grid", "ilids_vid") or name.startswith("vehicleid")
        assert ("split seed" if by_seed else "published") in row
        assert ("data extract" in row) == name.startswith("cuhk03")
        for part in (spec.terms, spec.source, spec.url, spec.note):
            assert part in text
    for words in ("drawn people", "own folders", "--layout market1501", "own CSV", *NOT_READ):
        assert words in text
