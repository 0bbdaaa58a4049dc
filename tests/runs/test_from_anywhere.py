"""Runs whose working folder, data or own folder is another than at their training."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from strongreid.cli import main
from strongreid.drawn import draw_people
from strongreid.errors import InputError
from strongreid.recipes import read_config
from strongreid.reports.console import Console
from strongreid.runs import train
from strongreid.runs.calibrate import calibrate_run
from strongreid.runs.evaluate import evaluate_run
from strongreid.runs.evaluate_features import Protocol
from strongreid.runs.folder import Run
from strongreid.runs.report import report_run
from tests.conftest import small_training

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which another drawn set is called `people`, as at home."""
    folder = tmp_path_factory.mktemp("elsewhere")
    draw_people(
        folder / "people", train_people=5, test_people=4, images_per_person=4, distractors=0, junk=0, seed=9, workers=1
    )
    return folder


@pytest.fixture
def older(trained: Path, drawn: Path, tmp_path: Path) -> Path:
    """A run as an earlier version wrote it, trained in the folder `home` on the set `people` there."""
    home = tmp_path / "home"
    shutil.copytree(drawn, home / "people")
    run = Path(shutil.copytree(trained, home / "runs" / "own"))
    for name, read, write in (
        ("config.yaml", yaml.safe_load, yaml.safe_dump),
        ("run.json", json.loads, json.dumps),
    ):
        content = read((run / name).read_text())
        settings = content.get("config", content)
        settings["output"], settings["data"]["root"] = "runs", "people"
        (run / name).write_text(write(content))
    return run


def test_a_new_run_s_paths_hold_in_any_working_folder(
    drawn: Path, tmp_path: Path, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(drawn, home / "people")
    monkeypatch.chdir(home)
    words = small_training(Path("people"), Path("runs"))
    assert main([*words, "--name=own"]) == 0
    (home / "runs/own/result.json").unlink()
    monkeypatch.chdir(others)  # where another set is called people
    assert main(["train", "--resume", str(home / "runs/own")]) == 0
    out = tmp_path / "out.json"
    assert main(["evaluate", str(home / "runs/own"), f"--json={out}"]) == 0
    assert json.loads(out.read_text())["mean_ap"] == json.loads((home / "runs/own/result.json").read_text())["mean_ap"]
    assert [entry.name for entry in others.iterdir()] == ["people"], "nothing is written where the command ran"
    settings = read_config(home / "runs/own/config.yaml")
    assert settings.data.root == home / "people"


def all_ways(run: Path, root: Path | None) -> list[str]:
    """What each reader of a run's images says; empty for those that go well."""
    work = (
        lambda: evaluate_run(Run(run, root), Protocol(), QUIET),
        lambda: calibrate_run(run, 0.05, root, QUIET),
        lambda: report_run(run, root, None, QUIET),
        lambda: train.resume(Run(run, root), QUIET),
    )
    said = []
    for one in work:
        try:
            one()
            said.append("")
        except InputError as error:
            said.append(str(error))
        (run / "result.json").unlink(missing_ok=True) if one is work[2] else None
    return said


def test_an_older_run_never_reads_another_set_of_the_same_name(
    older: Path, others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file: file.read_bytes() for file in older.rglob("*") if file.is_file() and file.name != "result.json"}
    result = (older / "result.json").read_bytes()
    for folder, part in ((others, "fingerprints differ"), (tmp_path, "people")):
        monkeypatch.chdir(folder)
        for said in all_ways(older, None):
            assert part in said
            assert str(folder / "people") in said
            assert "--data.root" in said
        (older / "result.json").write_bytes(result)
        assert {file: file.read_bytes() for file in before if file.exists()} == before
    assert all_ways(older, others / "people")[0].count("fingerprints differ") == 1
    (older / "result.json").write_bytes(result)
    assert all_ways(older, older.parents[1] / "people") == [""] * 4, "moved data is named"
    monkeypatch.chdir(older.parents[1])
    assert all_ways(older, None) == [""] * 4, "as before"


def test_a_relative_path_without_a_record_of_the_images_is_not_followed(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (older / "run.json").unlink()
    monkeypatch.chdir(older.parents[1])
    with pytest.raises(InputError, match=r"relative path .*people.* no run\.json .*--data\.root DIR"):
        evaluate_run(Run(older), Protocol(), QUIET)
    evaluate_run(Run(older, older.parents[1] / "people"), Protocol(), QUIET)


def test_a_removed_working_folder_is_said(
    trained: Path, older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InputError, match="working folder was removed"):
        evaluate_run(Run(older), Protocol(), QUIET)
    os.chdir(tmp_path)
