"""Sweeps: killed or not, the table is the same; trainings are shared; differences are those of the runs."""

import dataclasses
import json
import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from strongreid.cli import main
from strongreid.config import Config
from strongreid.config_sections import DataConfig
from strongreid.evaluation import RetrievalResult, bootstrap_interval
from strongreid.recipes import add_settings
from strongreid.recipes.parsing import given_values, new_parser
from strongreid.reports.console import Console
from strongreid.runs.test_sets import TestSet, prepare_main_test
from strongreid.tables import fill
from strongreid.tables.outcome import outcomes
from strongreid.tables.plan import Direction, Sweep, plan_sweep
from strongreid.tables.spec import read_table
from strongreid.tables.write import table_cells
from tests.preloaded import start_command
from tests.tables.sweeps import LENGTH, sweep_words, table_of


def test_rows_share_trainings_and_show_their_own_figures(filled: Path) -> None:
    table = table_of(filled)
    plain, smooth, again = table["rows"]
    assert smooth["trainings"] == again["trainings"] != plain["trainings"]
    assert len(list((filled / "trainings").glob("*/result.json"))) == 4
    assert smooth["mean_ap"] != again["mean_ap"]
    for row in (plain, smooth):
        for value, training in zip(row["mean_ap"], row["trainings"], strict=True):
            own = json.loads((filled / "trainings" / training / "result.json").read_text())
            assert value == pytest.approx(own["mean_ap"], abs=1e-12)


def test_the_difference_is_the_mean_over_seeds_and_queries(filled: Path) -> None:
    rows = table_of(filled)["rows"]
    expected = np.mean(rows[1]["mean_ap"]) - np.mean(rows[0]["mean_ap"])
    found = rows[1]["mean_ap_difference"]
    assert found["value"] == pytest.approx(expected, abs=1e-12)
    assert found["low"] <= found["value"] <= found["high"]
    assert rows[1]["paper_gain"] == pytest.approx(1.0)
    assert rows[0]["mean_ap_difference"] is None


def planned(drawn: Path, output: Path) -> Sweep:
    """The sweep of `sweep_words`, both seeds, as if the paper's figures were of this data set."""
    sweep_words(drawn, output)  # writes the table
    data = DataConfig(root=drawn)
    direction = Direction("market1501", data, data, "market1501", like_paper=True)
    table = read_table("own", output.parent / "mine.yaml")
    settings = given_values(add_settings(new_parser()), [word for word in LENGTH if "." in word])
    return plan_sweep(table, [direction], output, scale="cpu", seeds=(0, 1), epochs=3, overrides=settings)


def test_changed_images_are_trained_on_and_tested_with_anew(drawn: Path, tmp_path: Path) -> None:
    people = Path(shutil.copytree(drawn, tmp_path / "people"))

    def names() -> tuple[list[str], list[str]]:
        items = planned(people, tmp_path / "out").measurements
        return [item.training.folder.name for item in items], [item.file.name for item in items]

    first = names()
    image = next((people / "query").glob("*.jpg"))
    image.write_bytes(image.read_bytes() + b" ")
    second = names()
    assert second[0] == first[0]
    assert not set(second[1]) & set(first[1])
    image = next((people / "bounding_box_train").glob("*.jpg"))
    image.write_bytes(image.read_bytes() + b" ")
    assert not set(names()[0]) & set(first[0])


def test_the_table_on_the_way_is_of_the_seeds_that_are_measured(filled: Path, drawn: Path, tmp_path: Path) -> None:
    sweep = planned(drawn, Path(shutil.copytree(filled, tmp_path / "out")))
    assert sweep.so_far() == sweep
    sweep.measurements[-1].file.unlink()  # the last row of seed 1
    assert [len(row.values["mean_ap"]) for row in outcomes(sweep.so_far())] == [1, 1, 1]
    sweep.measurements[1].file.unlink()  # the second row of seed 0
    assert [len(row.values["mean_ap"]) for row in outcomes(sweep.so_far())] == [1, 0, 1]


def test_the_papers_figures_beside_lie_within_the_interval_or_not(filled: Path, drawn: Path) -> None:
    sweep = planned(drawn, filled)
    found = outcomes(sweep)
    assert found[2].versus_paper is None  # the paper has no such row
    beside = found[0].versus_paper
    assert beside is not None
    results = [RetrievalResult.load(item.file) for item in sweep.measurements if item.row.name == "plain"]
    for figure, published in (("rank_1", 87.7), ("mean_ap", 74.0)):
        intervals = [bootstrap_interval(result, figure) for result in results]
        assert beside[figure].difference == pytest.approx(100 * np.mean([i.value for i in intervals]) - published)
        assert beside[figure].low == pytest.approx(100 * np.mean([i.low for i in intervals]))
        assert beside[figure].high == pytest.approx(100 * np.mean([i.high for i in intervals]))
    columns, rows = table_cells(found)
    cell = rows[0][columns.index("mAP minus paper's")]
    assert cell == f"{beside['mean_ap'].difference:+.1f}, more than chance"
    assert dataclasses.replace(beside["mean_ap"], published=beside["mean_ap"].low).within


def test_everything_is_written_for_people_too(filled: Path) -> None:
    folder = filled / "mine-drawn-people"
    text = (folder / "table.md").read_text()
    assert "| plain |" in text
    assert "74.0) [R]" in text
    assert len((folder / "table.csv").read_text().splitlines()) == 4
    assert (folder / "cmc.png").stat().st_size > 1000
    assert (folder / "gains.png").stat().st_size > 1000
    assert (folder / "curves.png").stat().st_size > 1000
    assert "smooth, ranked again" in (folder / "report.html").read_text()


def test_a_finished_sweep_runs_nothing_again_and_a_changed_setting_does(
    filled: Path, drawn: Path, tmp_path: Path
) -> None:
    before = table_of(filled)
    filled = Path(shutil.copytree(filled, tmp_path / "out"))
    times = {path: path.stat().st_mtime_ns for path in filled.glob("*/*/model.safetensors")}
    assert main(sweep_words(drawn, filled, "--seeds", "0", "1")) == 0
    assert {path: path.stat().st_mtime_ns for path in filled.glob("*/*/model.safetensors")} == times
    assert main(sweep_words(drawn, filled, "--rows", "1", "--schedule.weight_decay=0.001")) == 0
    assert len(list(filled.glob("*/*/model.safetensors"))) == len(times) + 1
    assert len(table_of(filled)["rows"]) == 1  # the table is the last command's
    assert main(sweep_words(drawn, filled, "--seeds", "0", "1")) == 0
    assert table_of(filled) == before


def test_rows_that_decode_images_otherwise_are_measured_on_images_of_their_own(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []

    def prepared(config: Config, console: Console, **more: DataConfig | None) -> TestSet:
        decoded.append(config.model.interpolation)
        return prepare_main_test(config, console, **more)

    monkeypatch.setattr(fill, "prepare_main_test", prepared)
    words = sweep_words(drawn, tmp_path / "out")
    (tmp_path / "mine.yaml").write_text("rows: [{name: one}, {name: other, set: {model.interpolation: bicubic}}]")
    assert main(words) == 0
    assert decoded == ["bilinear", "bicubic"]
    for row in table_of(tmp_path / "out")["rows"]:
        own = json.loads((tmp_path / "out" / "trainings" / row["trainings"][0] / "result.json").read_text())
        assert row["mean_ap"] == [pytest.approx(own["mean_ap"], abs=1e-12)]


def test_a_sweep_killed_three_times_ends_with_the_same_table(filled: Path, drawn: Path, tmp_path: Path) -> None:
    output = tmp_path / "killed"
    words = sweep_words(drawn, output, "--seeds", "0", "1")
    rng = random.Random(5)
    for _ in range(3):
        begun = len(list(output.glob("trainings/*/log.jsonl")))
        process = start_command(words, tmp_path / "errors")
        try:
            while process.is_alive() and len(list(output.glob("trainings/*/log.jsonl"))) == begun:
                time.sleep(0.05)  # strike when a further training has begun
            time.sleep(rng.uniform(0, 1))
            assert process.is_alive(), "the sweep ended before it was killed"
        finally:
            process.kill()
        process.join()
    assert main(words) == 0
    assert table_of(output) == table_of(filled)


def test_the_plan_says_what_is_to_do_and_does_nothing(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(sweep_words(drawn, output, "--plan")) == 0
    said = capsys.readouterr().err
    assert "2 trainings for 3 measurements" in said
    assert not (output / "trainings").exists()


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--objective.identity.label_smoothing=0.2"], "label_smoothing is what the rows"),
        (["--rows", "9"], "rows 1 to 3"),
        (["--seeds", "1", "1"], "each once"),
        (["--schedule.epoch=3"], "schedule.epoch"),
        (["--other.root=."], "across domains"),
        (["--schedule.epochs"], "--schedule.epochs needs a value"),
    ],
)
def test_impossible_sweeps_are_refused(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], part: str
) -> None:
    try:
        code = main(sweep_words(drawn, tmp_path / "out", *more))
    except SystemExit as stop:
        code = int(stop.code or 0)
    assert code == 2
    assert part in capsys.readouterr().err.replace("\n", " ")


def test_compare_shows_figures_tests_and_settings(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = table_of(filled)["rows"]
    plain, smooth = (filled / "trainings" / rows[place]["trainings"][0] for place in (0, 1))
    assert main(["compare", str(plain), str(smooth)]) == 0
    said = capsys.readouterr().err
    assert "points mAP" in said
    assert "objective.identity.label_smoothing" in said
    assert "schedule.weight_decay" not in said
    assert RetrievalResult.load(plain / "result.npz").mean_ap == rows[0]["mean_ap"][0]


def test_compare_refuses_what_is_no_finished_run(
    filled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = next((filled / "trainings").glob("*/result.json")).parent
    assert main(["compare", str(training), str(tmp_path)]) == 2
    assert f"{tmp_path} is not the folder of a run" in " ".join(capsys.readouterr().err.split())
    assert main(["compare", str(training)]) == 2
