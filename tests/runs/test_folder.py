"""A run's folder: all that read one tell in one way where it stands, and name a damaged file with a way on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from strongreid.cli import main
from strongreid.errors import InputError
from strongreid.evaluation import HEADLINE, METRICS
from strongreid.reports.console import Console
from strongreid.runs import train
from strongreid.runs.calibrate import calibrate_run
from strongreid.runs.compare import compare_runs
from strongreid.runs.evaluate import evaluate_run
from strongreid.runs.evaluate_features import Protocol
from strongreid.runs.folder import Run, finished_run
from strongreid.runs.report import report_run

QUIET = Console(quiet=True)
READERS: dict[str, Callable[[Path], Any]] = {
    "resume": lambda folder: train.resume(Run(folder), QUIET),
    "evaluate": lambda folder: evaluate_run(Run(folder), Protocol(), QUIET),
    "calibrate": lambda folder: calibrate_run(folder, 0.1, None, QUIET),
    "report": lambda folder: report_run(folder, None, None, QUIET),
    "compare": lambda folder: compare_runs([folder, folder], QUIET),
}


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def change(file: Path, edit: Callable[[Any], None]) -> None:
    read, write = (yaml.safe_load, yaml.safe_dump) if file.suffix == ".yaml" else (json.loads, json.dumps)
    content = read(file.read_text())
    edit(content)
    file.write_text(write(content))


@pytest.mark.parametrize("reader", READERS)
def test_all_say_the_same_of_what_is_no_run(reader: str, tmp_path: Path) -> None:
    for folder, said in ((tmp_path, "{} is not the folder of a run"), (tmp_path / "nowhere", "There is no folder {}.")):
        with pytest.raises(InputError) as refused:
            READERS[reader](folder)
        assert str(refused.value).startswith(said.format(folder))


@pytest.mark.parametrize("reader", ["report", "compare"])
def test_an_unfinished_run_is_told_how_to_finish(reader: str, copy: Path) -> None:
    (copy / "result.json").unlink()
    assert not Run(copy).finished
    with pytest.raises(InputError, match="not the folder of a finished run") as refused:
        READERS[reader](copy)
    assert f"strongreid train --resume {copy}" in str(refused.value)


def test_a_run_holds_what_its_training_wrote(trained: Path) -> None:
    run = finished_run(trained)
    assert run.name == "trained"
    assert run.config.schedule.epochs == 3
    assert run.record["config"]["schedule"]["epochs"] == 3
    assert run.metrics == json.loads((trained / "result.json").read_text())
    assert {name: METRICS[name](run.result) for name in HEADLINE} == {name: run.metrics[name] for name in HEADLINE}
    assert run.log[-1]["epoch"] == 3
    model = run.model()
    assert (model.feature, model.metric) == (run.config.evaluation.feature, run.config.evaluation.metric)


def test_nothing_is_read_before_it_is_asked_for(copy: Path) -> None:
    for name in ("run.json", "result.json", "result.npz", "model.safetensors", "log.jsonl"):
        (copy / name).write_bytes(b"damaged")
    run = finished_run(copy)
    for read in (lambda: run.record, lambda: run.metrics, lambda: run.result, run.model, lambda: run.config):
        with pytest.raises(InputError, match=str(copy)):
            read()


@pytest.mark.parametrize(
    ("file", "remedy"),
    [("result.json", "Remove it; strongreid train --resume"), ("result.npz", "Remove it"), ("run.json", "Restore it")],
)
def test_a_file_that_is_missing_or_cut_is_named_with_a_way_on(file: str, remedy: str, copy: Path) -> None:
    whole = (copy / file).read_bytes()
    for content in (None, b"", whole[: len(whole) // 2], b"\xff\xfe", b"[]", b"{}", b"[" * 100_000):
        (copy / file).unlink(missing_ok=True)
        if content is not None:
            (copy / file).write_bytes(content)
        with pytest.raises(InputError) as refused:
            {"result.json": lambda: Run(copy).metrics, "result.npz": lambda: Run(copy).result}.get(
                file, lambda: Run(copy).record
            )()
        assert str(copy / file) in str(refused.value)
        assert remedy in str(refused.value)


@pytest.mark.parametrize(
    "edit",
    [
        {"mean_ap": "much"},
        {"mean_ap": None},
        {"mean_ap": True},
        {"rank_1": 1.5},
        {"rank_5": -0.1},
        {"rank_1": 10**400},
        {"protocol": 3},
        {"training_seconds": "long"},
        {"peak_memory_mb": []},
        {"tested": []},
        {"tested": {"there": 3}},
        {"tested": {"there": {"mean_ap": "much"}}},
    ],
)
def test_figures_that_cannot_be_are_refused(edit: dict[str, Any], copy: Path) -> None:
    change(copy / "result.json", lambda content: content.update(edit))
    with pytest.raises(InputError, match=r"result\.json is damaged.*Remove it"):
        _ = Run(copy).metrics
    with pytest.raises(InputError, match=r"result\.json is damaged"):
        compare_runs([copy, copy], QUIET)


def test_a_result_of_an_earlier_version_is_read(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def older(content: dict[str, Any]) -> None:
        for name in ("rank_20", "mean_inp", "images_per_second", "peak_memory_mb", "training_seconds"):
            del content[name]
        content["tested"] = {"there": {"mean_ap": 0.25}}

    change(copy / "result.json", older)
    train.show(Run(copy), Console())
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith(" there")]
    assert line.split() == ["there", "25.0", *["-"] * (len(METRICS) - 1)]
    compare_runs([copy, copy], Console())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schedule.epochs", 4),
        ("schedule.base_rate", 0.1),
        ("seed", 1),
        ("evaluation.metric", "euclidean"),
        ("data.name", "msmt17"),
        ("data.joined", [{"name": "cuhk01", "root": "x", "split_seed": 0, "label": None}]),
    ],
)
def test_settings_that_were_changed_after_the_start_are_refused(name: str, value: Any, copy: Path) -> None:
    def edit(content: Any) -> None:
        *sections, last = name.split(".")
        for section in sections:
            content = content[section]
        assert content[last] != value
        content[last] = value

    change(copy / "config.yaml", edit)
    with pytest.raises(InputError, match=rf"config\.yaml was changed: {name} is "):
        _ = Run(copy).config


@pytest.mark.parametrize("reader", READERS)
def test_nobody_obeys_a_changed_setting(reader: str, copy: Path) -> None:
    if reader == "resume":
        (copy / "result.json").unlink()
    change(copy / "config.yaml", lambda content: content["schedule"].update(epochs=4))
    with pytest.raises(InputError, match=r"config\.yaml was changed: schedule\.epochs is 4, .* started with 3"):
        READERS[reader](copy)


def test_a_changed_setting_is_refused_in_going_on_though_run_json_was_changed_with_it(copy: Path) -> None:
    (copy / "result.json").unlink()
    change(copy / "config.yaml", lambda content: content["schedule"].update(base_rate=0.1))
    change(copy / "run.json", lambda content: content["config"]["schedule"].update(base_rate=0.1))
    assert Run(copy).config.schedule.base_rate == 0.1
    with pytest.raises(InputError, match=r"schedule\.base_rate is 0\.1, but the run was started with"):
        train.resume(Run(copy), QUIET)


def test_where_things_lie_may_change(copy: Path, drawn: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(drawn, tmp_path / "moved"))

    def edit(content: Any) -> None:
        content.update(name="other", output=str(tmp_path))
        content["data"].update(root=str(moved), cache=str(tmp_path / "packs"))

    change(copy / "config.yaml", edit)
    found = evaluate_run(Run(copy), Protocol(), QUIET)
    assert next(iter(found.values())).result.mean_ap == Run(copy).metrics["mean_ap"]
    assert Run(copy, drawn).config.data.root == drawn


def test_a_run_named_like_a_pattern_keeps_its_own_settings(trained: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(trained, tmp_path / "exp[1]"))
    shutil.copytree(trained, tmp_path / "exp1")
    change(tmp_path / "exp1" / "config.yaml", lambda content: content["data"].update(root="nowhere"))
    assert Run(own).config.data.root == Run(trained).config.data.root
    assert main(["evaluate", str(own)]) == 0
