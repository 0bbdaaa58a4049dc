"""Whom a threshold is calibrated on: other people where there are some, the run's own as what is left, and said."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from strongreid.cli import main
from strongreid.drawn import draw_people
from strongreid.evaluation import Embeddings, verify
from strongreid.models import ReIDModel
from strongreid.models.calibrated import CalibratedOn
from strongreid.runs.calibrate import Found, stored


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People of other cameras. Read only."""
    folder = tmp_path_factory.mktemp("others") / "people"
    return draw_people(
        folder, train_people=2, test_people=7, images_per_person=4, distractors=1, junk=1, seed=31, domain=1, workers=1
    )


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "own"))


def measured_on(source: Path) -> CalibratedOn:
    known = ReIDModel.load(source).calibrated
    assert known is not None
    assert known.on is not None
    return known.on


def test_other_people_give_the_rate_and_its_own_are_the_fallback(
    run: Path, others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "threshold.json"
    words = ["calibrate", str(run), "--false_match_rate=0.1", f"--json={out}"]
    assert main(words) == 0
    own, said = measured_on(run), capsys.readouterr().err
    assert own.tested
    assert "the very people whom the figures are reported on" in said
    assert "--data.name NAME --data.root DIR calibrates on them" in said
    assert json.loads(out.read_text())["tested_on"] is True
    assert main([*words, "--data.name=market1501", f"--data.root={others}"]) == 0
    found, said = measured_on(run), capsys.readouterr().err
    written = json.loads(out.read_text())
    assert (found.tested, found.people) == (False, 8)  # the distractors count as one
    assert "neither learned from nor reported on" in said
    assert found != own
    assert (written["people"], written["cameras"], written["tested_on"]) == (8, found.cameras, False)
    assert written["false_match_rate_interval"] == list(found.interval)
    low, high = found.interval
    assert low <= written["false_match_rate"] <= high
    assert "Nobody of them was learned from" in (run / "model.card.md").read_text()


def test_other_thresholds_are_stored_with_the_rates_that_loops_count() -> None:
    rng = np.random.default_rng(5)
    person, camera = np.arange(60) % 12, np.arange(60) // 12
    side = Embeddings(np.eye(12)[person] + 0.6 * rng.normal(size=(60, 12)), person, camera)
    verification = verify(side, side)
    on = CalibratedOn(12, 5, verification.different_pairs, False, (0.0, 0.1))
    rates = stored(Found(verification, verification.calibrate(0.05), on), "drawn").rates
    assert len(rates) > 20
    assert list(rates) == sorted(rates)
    rows = side.features.double().numpy()
    rows /= np.sqrt((rows**2).sum(axis=1, keepdims=True))
    same, different = list[float](), list[float]()
    for one in range(60):
        for other in range(60):
            if person[one] != person[other]:
                different.append(1 - rows[one] @ rows[other])
            elif camera[one] != camera[other]:
                same.append(1 - rows[one] @ rows[other])
    for threshold, *found in rates:
        for distances, rate in zip((different, same), found, strict=True):
            low, high = (sum(one < threshold + step for one in distances) / len(distances) for step in (-1e-6, 1e-6))
            assert low <= rate <= high


def test_the_run_s_own_people_under_another_name_are_still_its_own(run: Path, drawn: Path) -> None:
    words = ["calibrate", str(run), "--false_match_rate=0.1", "--data.name=drawn", f"--data.root={drawn}"]
    assert main(words) == 0
    assert measured_on(run).tested


def test_a_model_file_of_no_run_is_calibrated_on_any_people(
    trained: Path, others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(shutil.copy(trained / "model.safetensors", tmp_path / "alone.safetensors"))
    words = ["calibrate", str(file), "--false_match_rate=0.1"]
    assert main(words) == 2
    assert "--data.name" in capsys.readouterr().err
    assert main([*words, "--data.name=market1501", f"--data.root={others}"]) == 0
    assert measured_on(file).tested is None
    said = capsys.readouterr().err
    assert str(file) in said
    assert "Next: strongreid search" in said
    before = file.read_bytes()
    for own in (["--metric=euclidean"], ["--same_camera=include"]):
        assert main([*words, "--data.name=market1501", f"--data.root={others}", *own]) == 2
        assert "--metric and --same_camera go with --embeddings" in capsys.readouterr().err
    assert file.read_bytes() == before
    for model in ("model.onnx", "hf:owner/name"):
        assert main(["calibrate", model, "--data.name=market1501", f"--data.root={others}"]) == 2
        assert "cannot keep a threshold" in capsys.readouterr().err
