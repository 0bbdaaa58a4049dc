"""Fine-tuning from end to end: groups, defaults with reasons, the verdict, the threshold, and going on after a stop."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from strongreid.cli import main
from strongreid.config_sections import DataConfig
from strongreid.data import load_benchmark
from strongreid.drawn import draw_people
from strongreid.evaluation import RetrievalResult, paired_test
from strongreid.models import ReIDModel
from strongreid.reports.console import Console
from strongreid.runs.finetune import finetuning
from strongreid.runs.folder import Run
from strongreid.runs.outcome import _before
from strongreid.runs.verdict import BEFORE, judge, verdict_of
from tests.training.runs_alike import assert_same_run


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People of other cameras, 34 to learn from and 32 to test on. Read only."""
    folder = tmp_path_factory.mktemp("here") / "people"
    return draw_people(
        folder, train_people=34, test_people=32, images_per_person=4, distractors=3, junk=2, seed=11, domain=2
    )


def words(trained: Path, here: Path, output: Path, name: str = "mine") -> list[str]:
    more = ["--epochs=3", "--batch.people_per_batch=8", "--batch.images_per_person=2", "--runtime.log_every=2"]
    places = [f"--data.root={here}", f"--output={output}", f"--name={name}"]
    return ["finetune", f"--from={trained}", "--data.name=market1501", *places, *more]


@pytest.fixture(scope="module")
def finetuned(trained: Path, here: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished fine-tuning. Read only."""
    output = tmp_path_factory.mktemp("finetuned")
    assert main(words(trained, here, output)) == 0
    return output / "mine"


def test_four_groups_of_people_never_meet(finetuned: Path, here: Path) -> None:
    record, config = Run(finetuned).record, Run(finetuned).config
    assert (config.data.stop_share, config.data.threshold_share) == (0.25, 0.5)
    held_out = {name: set(people) for name, people in record["data"]["held_out"].items()}
    whole = load_benchmark("market1501", here)
    learned, tested = set(record["label_map"]), set(whole.query.person.tolist())
    assert (len(learned), len(held_out["stop"]), len(held_out["threshold"]), len(tested)) == (26, 8, 16, 32)
    assert learned | held_out["stop"] == set(whole.train.person.tolist())
    assert not learned & held_out["stop"]
    assert held_out["threshold"] < tested
    result = RetrievalResult.load(finetuned / "result.npz")
    judged = ~np.isin(whole.query.person, sorted(held_out["threshold"]))
    assert len(result.first_match_rank) == judged.sum()


def test_the_verdict_is_of_the_model_before_on_the_same_people(
    finetuned: Path, trained: Path, here: Path, tmp_path: Path
) -> None:
    run = Run(finetuned)
    before, after = RetrievalResult.load(finetuned / BEFORE), run.result
    said = run.metrics["before"]
    test = paired_test(before, after)
    assert said["mean_ap"] == before.mean_ap
    assert said["mean_ap_difference"]["value"] == test.difference.value == pytest.approx(after.mean_ap - before.mean_ap)
    assert said["mean_ap_difference"]["p_value"] == test.p_value
    verdict = verdict_of(run)
    assert verdict is not None
    assert said["better"] == verdict.better == (test.difference.value > 0 and test.p_value < 0.05)
    assert said["model"] == str(trained)
    assert main(["evaluate", str(finetuned), f"--result={tmp_path / 'again.npz'}"]) == 0
    again = RetrievalResult.load(tmp_path / "again.npz")
    assert np.array_equal(again.first_match_rank, after.first_match_rank)


def test_the_threshold_says_whom_it_was_measured_on(finetuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = ReIDModel.load(finetuned).calibrated
    assert known is not None
    assert known.on is not None
    assert (known.on.people, known.on.tested) == (16, False)
    assert known.on.interval[0] <= known.false_match_rate <= known.on.interval[1] or known.on.interval[1] > 0
    assert "16 people of drawn" in (finetuned / "model.card.md").read_text()
    copy = Path(shutil.copytree(finetuned, finetuned.parent / "copy"))
    capsys.readouterr()
    assert main(["calibrate", str(copy), f"--false_match_rate={known.false_match_rate}"]) == 0
    assert "neither learned from nor reported on" in capsys.readouterr().err
    assert ReIDModel.load(copy).calibrated == known


def test_the_epoch_is_the_one_that_the_people_held_out_found_best(finetuned: Path) -> None:
    run = Run(finetuned)
    looks = [(line["mean_ap"], -line["epoch"]) for line in run.log if "mean_ap" in line]
    assert len(looks) == 3
    assert run.metrics["chosen_epoch"] == run.metrics["epoch"] == -max(looks)[1]
    assert "chosen by people who were neither learned from" in (finetuned / "model.card.md").read_text()


def test_what_is_chosen_is_said_with_its_reason_and_gives_way(
    trained: Path, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"data.name": "market1501", "data.root": here, "output": tmp_path, "schedule.base_rate": 1e-5}
    config = finetuning(trained / "model.safetensors", given, Console())
    said = capsys.readouterr().err
    assert config.schedule.base_rate == 1e-5
    assert "base_rate" not in said
    for name in ("stop_share", "threshold_share", "people_per_batch", "epochs", "averaging", "false_match_rate"):
        assert any(name in line and ": " in line for line in said.splitlines()), name
    assert config.model.image_size == (64, 32)
    assert config.data == DataConfig("market1501", here, stop_share=0.25, threshold_share=0.5)


def test_too_few_people_are_said_and_leave_groups_out(
    trained: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words(trained, drawn, tmp_path), "--epochs=1"]) == 0
    said = capsys.readouterr().err
    assert "nobody stops it" in said
    assert "verdict and threshold are both of all of them" in said
    assert "Verdict: " in said
    assert "Next: strongreid report" in said
    known = ReIDModel.load(tmp_path / "mine").calibrated
    assert known is not None
    assert known.on is not None
    assert known.on.tested
    assert "chosen_epoch" not in Run(tmp_path / "mine").metrics


def test_killed_and_resumed_it_is_the_uninterrupted_run(
    finetuned: Path, trained: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from strongreid.training import loop

    moved = Path(shutil.copytree(trained, tmp_path / "base"))
    count, real = 0, loop.save_checkpoint

    def save(*parts: object) -> Path:
        nonlocal count
        count += 1
        saved = real(*parts)  # type: ignore[arg-type]
        if count == 2:
            raise KeyboardInterrupt
        return saved

    monkeypatch.setattr(loop, "save_checkpoint", save)
    assert main(words(moved, here, tmp_path)) == 130
    monkeypatch.setattr(loop, "save_checkpoint", real)
    assert main(["train", "--resume", str(tmp_path / "mine")]) == 0
    assert_same_run(finetuned, tmp_path / "mine")
    known = [ReIDModel.load(run).calibrated for run in (finetuned, tmp_path / "mine")]
    assert known[0] == known[1] is not None


def test_a_model_that_is_gone_by_the_end_is_not_compared_and_that_is_said(
    trained: Path, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = Path(shutil.copytree(trained, tmp_path / "base"))
    config = finetuning(base / "model.safetensors", {"data.name": "market1501", "data.root": here}, Console(quiet=True))
    assert config.model.start == str(base / "model.safetensors")
    shutil.rmtree(base)
    assert _before(str(base), None, None, Console()) is None  # type: ignore[arg-type]
    assert "is not compared" in capsys.readouterr().err


def test_nobody_to_be_mistaken_for_costs_the_threshold_and_not_the_training(
    trained: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = tmp_path / "people"
    for number, folder in enumerate(("bounding_box_train", "query", "bounding_box_test")):
        shutil.copytree(drawn / folder, people / folder)
        tested = sorted({path.name[:4] for path in (drawn / "query").iterdir()})[0]
        for path in (people / folder).iterdir() if number else ():
            if not path.name.startswith(tested):
                path.unlink()
    more = ["--data.name=folder", "--data.layout=market1501", "--epochs=1"]
    assert main([*words(trained, people, tmp_path), *more]) == 0
    said = capsys.readouterr().err
    assert "Warning: there is no threshold. There is no pair of different people" in said
    assert "Verdict: " in said
    assert ReIDModel.load(tmp_path / "mine").calibrated is None


def test_the_model_before_is_told_no_cameras_of_the_new_ones(trained: Path) -> None:
    @dataclass(frozen=True)
    class Tested:
        cameras: object

        def embed(self, model: ReIDModel, console: Console) -> SimpleNamespace:
            assert model.classifier.weight.shape[0] == 10
            return SimpleNamespace(evaluate=lambda console: self.cameras)

    device, quiet = torch.device("cpu"), Console(quiet=True)
    assert _before(str(trained), device, Tested("learned"), quiet) is None  # type: ignore[arg-type]


def test_no_better_says_to_keep_the_old_one(finetuned: Path) -> None:
    result = RetrievalResult.load(finetuned / "result.npz")
    verdict = judge("old", result, result)
    assert not verdict.better
    assert verdict.sentence.startswith("no better")
    assert verdict.sentence.endswith("keep the old one, old")


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--from=model.onnx", "--data.name=folder"], "ONNX"),
        (["--from=nowhere", "--data.name=folder"], "nowhere"),
        (["--from={trained}"], "Which people"),
        (["--from={trained}", "--data.name=market1501", "--data.root={drawn}", "--model.start=x"], "--from says"),
        (["--from={trained}", "--data.name=market1501", "--data.root={drawn}", "--model.last_stride=2"], "last_stride"),
        (["--from={trained}", "--data.name=market1501", "--data.root={drawn}", "--epochs=0"], "schedule.epochs"),
        (["--data.name=market1501", "--data.root={drawn}"], "--from is missing"),
    ],
)
def test_slips_are_refused_with_what_to_do(
    more: list[str], part: str, trained: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [word.format(trained=trained, drawn=drawn) for word in more]
    assert main(["finetune", *filled, f"--output={tmp_path / 'runs'}"]) == 2
    said = capsys.readouterr().err
    assert part in said
    assert "Traceback" not in said
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").glob("*/config.yaml"))


def test_settings_are_recorded_in_full(finetuned: Path, trained: Path) -> None:
    plain = yaml.safe_load((finetuned / "config.yaml").read_text())
    assert plain["model"]["start"] == str(trained)
    assert json.loads((finetuned / "run.json").read_text())["config"] == plain
