"""`data import` from the command line: the same features however one scene came, and what a user is told."""

import csv
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from strongreid.cli import main
from strongreid.runs.feature_files import read_features
from tests.data.import_sources import scene, write_coco, write_folders, write_mot, write_named

DOCS = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.fixture(scope="module")
def sources(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scene in four forms, by the names that the guide uses; read it only."""
    folder = tmp_path_factory.mktemp("sources")
    seen = scene(drawn)
    write_mot(seen, folder / "mot")
    write_coco(seen, folder / "coco")
    write_named(seen, folder / "crops")
    write_folders(seen, folder / "people")
    return folder


def features(source: Path, options: list[str], model: Path, folder: Path) -> dict[tuple[int, int, int], np.ndarray]:
    """Features of an imported source, by person, camera and frame."""
    table = folder / f"{source.name}.csv"
    assert main(["data", "import", str(source), "-o", str(table), *options]) == 0
    assert main(["embed", str(table), "-o", str(folder / "f.npz"), "--model", str(model)]) == 0
    stored = read_features(folder / "f.npz").embeddings
    lines = list(csv.DictReader(table.read_text().splitlines()))
    keys = [(int(line["person"]), int(line["camera"][-1]), int(line["frame"])) for line in lines]
    return dict(zip(keys, stored.features.numpy(), strict=True))


def test_features_are_the_same_however_the_scene_came(sources: Path, trained: Path, tmp_path: Path) -> None:
    found = [
        features(sources / "mot", ["--ids=shared"], trained, tmp_path),
        features(sources / "coco" / "boxes.json", [], trained, tmp_path),
        features(sources / "crops", ["--pattern={person}_c{camera}_{frame}"], trained, tmp_path),
        features(sources / "people", ["--pattern={person}/{camera}/{frame}"], trained, tmp_path),
    ]
    assert len(found[0]) > 40
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        assert max(np.abs(other[key] - found[0][key]).max() for key in other) <= 1e-5


def test_the_guide_s_imports_run_and_the_table_is_ready(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = DOCS.read_text(encoding="utf-8").split("## Tracker output")[1].split("\n## ")[0]
    commands = re.findall(r"^strongreid (.*)$", section, flags=re.MULTILINE)
    assert len(commands) == 4
    for name in ("mot", "crops", "people", "coco"):
        shutil.copytree(sources / name, tmp_path / ("." if name == "coco" else name), dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for command in commands:
        Path("people.csv").unlink(missing_ok=True)
        assert main(shlex.split(command)) == 0, command
        said = capsys.readouterr().err
        if "--dry_run" in command:
            assert "How the first are understood" in said
            assert not Path("people.csv").exists()
            continue
        assert said.endswith("Next: strongreid data check table people.csv\n")
        assert main(["data", "check", "table", "people.csv"]) == 0
        assert "ready\n" in capsys.readouterr().err


def test_what_is_wrong_is_listed_and_refused_or_left_out(
    sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crops = Path(shutil.copytree(sources / "crops", tmp_path / "crops"))
    for number in range(60):
        shutil.copyfile(next(crops.glob("0*.png")), crops / f"odd{number}.png")
    (crops / ".DS_Store").write_bytes(b"")
    words = ["data", "import", str(crops), "-o", str(tmp_path / "t.csv"), "--pattern", "{person}_c{camera}_{frame}"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "Wrong (60):" in said
    assert "... and 10 more" in said
    assert "And 59 more, listed above" in said
    assert "Left alone: 1 .DS_Store." in said
    assert not (tmp_path / "t.csv").exists()
    assert main([*words, "--skip_bad"]) == 0
    assert "Left out: 60 images." in capsys.readouterr().err
    assert main([*words, "--dry_run"]) == 0
    assert main(["data", "import", str(crops), "-o", str(tmp_path / "t.csv"), "--pattern", "{person}-{*}"]) == 2
    assert "Nothing is left to write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Name the table to write with -o"),
        (["-o", "people.txt"], "must end in .csv"),
        (["-o", "."], "is a folder"),
        (["-o", "t.csv", "--ids", "mine"], "ids"),
        (["-o", "t.csv", "--first_pixel", "2"], "first_pixel"),
    ],
)
def test_slips_are_told(options: list[str], said: str, sources: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "import", str(sources / "mot"), *options]) == 2
    assert said in capsys.readouterr().err
