"""`evaluate` and `calibrate` on a run. The model is untrained: its figures matter to nobody."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from strongreid import build
from strongreid.cli import main
from strongreid.config import as_plain
from strongreid.evaluation import Reranking, RetrievalResult, evaluate, verify
from strongreid.models import ReIDModel
from strongreid.recipes import read_config, recipe_path
from strongreid.reports.console import Console
from strongreid.runs import evaluate_features
from strongreid.runs.evaluate_features import EmbeddedTest
from strongreid.runs.folder import Run
from strongreid.runs.test_sets import prepare_main_test
from tests.runs.test_evaluate_features import said


@pytest.fixture
def run(drawn: Path, tmp_path: Path) -> Path:
    """The folder of a run as a training leaves it: settings and model."""
    folder = tmp_path / "run"
    words = [f"--data.root={drawn}", f"--output={tmp_path}", "--model.image_size=[64,32]"]
    config = read_config(recipe_path("bag_of_tricks_small"), words)
    torch.manual_seed(0)
    build.build_model(config, people=10).eval().save(folder / "model.safetensors")
    (folder / "config.yaml").write_text(yaml.safe_dump(as_plain(config)), encoding="utf-8")
    return folder


def embedded(folder: Path) -> EmbeddedTest:
    run, quiet = Run(folder), Console(quiet=True)
    return prepare_main_test(run.config, quiet).embed(run.model(), quiet)


def test_large_sets_are_announced_before_the_work(
    files: tuple[Path, Path], run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []

    def noted(*given: object, **more: object) -> RetrievalResult:
        order.append("work")
        return evaluate(*given, **more)  # type: ignore[arg-type]

    def said_so(console: Console, text: str) -> None:
        order.append(text)

    monkeypatch.setattr(evaluate_features, "evaluate", noted)
    monkeypatch.setattr(Console, "say", said_so)
    monkeypatch.setattr(evaluate_features, "SECONDS_WORTH_SAYING", 0)
    assert main(["evaluate", "--embeddings", *map(str, files), "--reranking=true"]) == 0
    assert order[0].startswith("Ranking 90 gallery images for 40 queries with re-ranking takes about ")
    assert order[0].endswith("MB above the features (0 MB).")
    assert order[1] == "work"
    order.clear()
    assert main(["evaluate", str(run)]) == 0
    announced = [text for text in order if text.startswith("Ranking ")]
    assert len(announced) == 1
    assert order.index(announced[0]) < order.index("work")


def test_a_run_is_evaluated_by_the_protocol_asked_for(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    words = ["--metric=euclidean", "--same_camera=include", "--average_precision=trapezoid", "--reranking=true"]
    assert main(["evaluate", str(run), *words, f"--json={out}"]) == 0
    test = embedded(run)
    expected = evaluate(
        test.query,
        test.gallery,
        metric="euclidean",
        same_camera="include",
        average_precision="trapezoid",
        reranking=Reranking(),
    )
    assert json.loads(out.read_text()).items() >= expected.to_json().items()


def test_a_run_without_weights_or_with_damaged_settings_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, model = run / "config.yaml", run / "model.safetensors"
    whole = model.read_bytes()
    for damaged in (whole[:1000], whole[:5], b"", None):
        if damaged is None:
            model.unlink()
        else:
            model.write_bytes(damaged)
        assert main(["evaluate", str(run)]) == 2
        assert "model.safetensors" in said(capsys)
    model.write_bytes(whole)
    for text in ("{", "- 1", "model: 3", "no_such_setting: 1", "\x00"):
        settings.write_text(text, encoding="utf-8")
        assert main(["evaluate", str(run)]) == 2, text
        assert "config.yaml" in said(capsys), text


def test_calibrating_a_run_says_and_stores_the_threshold(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = ReIDModel.load(run)
    assert main(["calibrate", str(run), "--false_match_rate=0.05"]) == 0
    text = said(capsys)
    model = ReIDModel.load(run)
    assert model.threshold is not None
    assert model.calibrated is not None
    assert (model.calibrated.false_match_rate, model.calibrated.measured_on) == (0.05, "drawn")
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in model.state_dict().items())

    test = embedded(run)
    found = verify(test.query, test.gallery)
    assert model.threshold == found.calibrate(0.05).threshold
    assert model.calibrated.true_match_rate == found.true_match_rate_at(0.05)
    unit = [torch.nn.functional.normalize(side.features.double()).numpy() for side in (test.query, test.gallery)]
    different = [
        1 - float(a @ b)
        for i, a in enumerate(unit[0])
        for j, b in enumerate(unit[1])
        if test.query.person[i] != test.gallery.person[j]
    ]
    accepted = np.array(different) < model.threshold
    assert 0.04 < accepted.mean() <= 0.05
    assert f"{model.threshold:.4g}" in text
    for rate in (0.05, model.calibrated.true_match_rate, found.equal_error_rate):
        assert f" {100 * rate:.1f}".removesuffix(".0") in text
    assert "on other people expect somewhat worse rates" in text
    assert "model.safetensors" in text


def test_too_few_pairs_for_the_rate_are_said_and_impossible_rates_refused_at_once(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(run)]) == 0
    assert "Warning: a rate of 0.001 allows" in said(capsys)
    stored = (run / "model.safetensors").read_bytes()
    assert main(["calibrate", str(run), "--false_match_rate=5"]) == 2
    text = said(capsys)
    assert "lies in 0..1; 5" in text
    assert "Embedding" not in text
    assert (run / "model.safetensors").read_bytes() == stored
    assert main(["calibrate", str(run.parent)]) == 2
    assert "config.yaml" in said(capsys)
