"""What a training starts from and what it leaves."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from strongreid.cli import main
from strongreid.config import Config
from strongreid.data import Augmentation
from strongreid.errors import InputError
from strongreid.models import ReIDModel
from strongreid.models.weights import read_weights
from strongreid.pixels import IMAGENET_STD, Normalisation
from strongreid.recipes import read_config, recipe_path
from strongreid.reports.console import Console
from strongreid.runs import record, train
from strongreid.runs.folder import Run
from strongreid.training.signals import Stopped
from tests.conftest import small_training


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU's memory counts there")
def test_a_training_s_peak_memory_is_its_own_and_not_that_of_one_before_it() -> None:
    before = np.ones(50_000_000)  # 400 MB
    high = record.peak_memory_mb()
    del before
    record.forget_peak_memory()
    assert record.peak_memory_mb() < high - 200


def config_of(drawn: Path, output: Path, *more: str) -> Config:
    return read_config(recipe_path("bag_of_tricks_small"), [*small_training(drawn, output)[2:], *more])


@pytest.mark.parametrize(("file", "more"), [("", []), ("model.safetensors", ["--model.last_stride=2"])])
def test_a_training_starts_with_the_backbone_of_a_run_and_a_neck_and_classifier_of_its_own(
    file: str, more: list[str], trained: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    started: list[dict[str, torch.Tensor]] = []

    def fit(model: ReIDModel, *given: Any, **more: Any) -> None:
        started.append({name: value.clone() for name, value in model.state_dict().items()})
        raise InputError("stopped by the test")

    monkeypatch.setattr(train, "fit", fit)
    monkeypatch.setattr(Console, "say", lambda console, *lines: said.extend(lines))
    for name, words in (("own", [f"--model.weights={trained / file}"]), ("random", [])):
        config = config_of(drawn, tmp_path / "runs", "--batch.people_per_batch=3", *words, *more)
        with pytest.raises(InputError, match="stopped by the test"):
            train.start(config, tmp_path / "runs" / name, Console(quiet=True))
    own, random = started
    expected = read_weights(trained / "model.safetensors")
    taken = {name for name in own if name.startswith("backbone.")}
    assert len(taken) > 20
    assert all(torch.equal(own[name], expected[name]) for name in taken)
    assert all(torch.equal(own[name], random[name]) for name in own.keys() - taken)
    assert sum("Starts from the backbone in" in line and "10 people" in line for line in said) == 1


def test_weights_that_do_not_fit_are_refused_by_the_field(
    trained: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "model.safetensors"
    content = bytearray((trained / "model.safetensors").read_bytes())
    content[-5] ^= 1
    damaged.write_bytes(content)
    for words, part in (
        ([f"--model.weights={trained}", "--model.backbone=resnet18"], "`model.backbone` resnet10_small, not resnet18"),
        ([f"--model.weights={trained}", "--model.stem_relu=false"], "`model.stem_relu` True, not False"),
        ([f"--model.weights={damaged}"], "checksum"),
        ([f"--model.weights={drawn}"], "holds no model.safetensors"),
    ):
        assert main([*small_training(drawn, tmp_path / "runs"), "--model.last_stride=2", *words]) == 2
        assert part in capsys.readouterr().err


def test_pixels_are_normalised_as_the_model_says_and_a_run_that_goes_on_keeps_to_it(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ReIDModel(backbone="resnet10_small", people=2, image_size=(64, 32), mean=(0.5, 0.4, 0.3))
    first.save(tmp_path / "first.safetensors")
    seen: list[Normalisation] = []
    apply = Augmentation.apply

    def noting(self: Augmentation, *given: Any, normalisation: Normalisation, **more: Any) -> torch.Tensor:
        seen.append(normalisation)
        if len(seen) == 3:
            signal.raise_signal(signal.SIGTERM)  # SIGINT is ignored where the tests run in the background
        return apply(self, *given, normalisation=normalisation, **more)

    monkeypatch.setattr(Augmentation, "apply", noting)
    folder = tmp_path / "runs" / "one"
    words = ["--batch.people_per_batch=3", f"--model.weights={tmp_path / 'first.safetensors'}"]
    with pytest.raises(Stopped):
        train.start(config_of(drawn, tmp_path / "runs", *words), folder, Console(quiet=True))
    (tmp_path / "first.safetensors").unlink()
    run = train.resume(Run(folder), Console(quiet=True))
    assert len(seen) > 3
    assert set(seen) == {Normalisation((0.5, 0.4, 0.3), IMAGENET_STD)} == {run.model().normalisation}
    assert run.config.model.mean == (0.5, 0.4, 0.3)
