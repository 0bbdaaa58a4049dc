"""The example that fills a table of one's own from Python, run on a few drawn people."""

import json
import runpy
from pathlib import Path

import pytest

from strongreid.runs.folder import Run

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_table.py"
SMALL = {
    "model.image_size": [64, 32],
    "batch.people_per_batch": 4,
    "batch.images_per_person": 2,
    "schedule.epochs": 2,
    "schedule.warmup_epochs": 1,
    "schedule.milestones": [2],
}


def test_a_table_is_filled_from_python_and_found_again(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_table = runpy.run_path(str(EXAMPLE))["fill_table"]
    none, smooth, again = fill_table(drawn, tmp_path, SMALL)
    assert "0.1, ranked again" in capsys.readouterr().err
    assert [len(row.values["mean_ap"]) for row in (none, smooth, again)] == [2, 2, 2]
    assert smooth.gains.keys() == {"mean_ap", "rank_1"}
    (table,) = tmp_path.glob("smoothing-*/table.json")
    trainings = [row["trainings"] for row in json.loads(table.read_text())["rows"]]
    assert trainings[1] == trainings[2] != trainings[0]
    for row, folders in zip((none, smooth), trainings, strict=False):
        runs = [Run(tmp_path / "trainings" / folder) for folder in folders]
        assert [run.config.objective.identity.label_smoothing for run in runs] == [
            float(row.row.name == "0.1") / 10
        ] * 2
        assert [run.metrics["mean_ap"] for run in runs] == pytest.approx(row.values["mean_ap"], abs=1e-12)
    written = table.stat().st_mtime_ns
    assert [row.values for row in fill_table(drawn, tmp_path, SMALL)] == [row.values for row in (none, smooth, again)]
    assert "Training" not in capsys.readouterr().err
    assert len(list((tmp_path / "trainings").glob("*/result.json"))) == 4
    assert table.stat().st_mtime_ns > written
