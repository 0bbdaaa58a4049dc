"""What a training ends with: its weights, tested, beside the model that it went on from, with a threshold where wanted.

RUN/before.npz is of the model that the training went on from, if there was one: its figures of each query.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from strongreid.config import Config
from strongreid.errors import InputError
from strongreid.evaluation import RetrievalResult
from strongreid.files import inside, write_json
from strongreid.models import ReIDModel
from strongreid.reports.console import Console
from strongreid.runs.calibrate import calibrate_on, stored
from strongreid.runs.card import Measured, write_run_card
from strongreid.runs.open_set import recorded_open_set
from strongreid.runs.record import images_per_second, peak_memory_mb
from strongreid.runs.test_sets import Prepared, TestSet
from strongreid.runs.verdict import BEFORE, judge


@dataclass(frozen=True)
class Trained:
    """Weights at the end of a training."""

    seconds: float
    """Time in training."""
    model: ReIDModel
    chosen_epoch: int | None
    """The epoch that people held out found best; None: it is the last one."""


def write_outcome(config: Config, prepared: Prepared, trained: Trained, folder: Path, console: Console) -> None:
    """Test the weights, and write them and their result, the file that marks a finished run last."""
    model, (first, *further) = trained.model, prepared.tests
    device = model.classifier.weight.device
    began = time.perf_counter()
    embedded = first.embed(model, console)
    embedded.warn(console)
    result = embedded.evaluate(console)
    others = {test.name: test.embed(model, console).evaluate(console).to_json() for test in further}
    before = None if config.model.start is None else _before(config.model.start, device, first, console)
    if (rate := config.evaluation.false_match_rate) is not None:
        _calibrate(model, prepared, rate, console)
    metrics: dict[str, Any] = {
        **result.to_json(),
        **recorded_open_set(embedded, folder, console),
        **({"tested": others} if others else {}),
        **({} if before is None else {"before": judge(str(config.model.start), before, result).to_json()}),
        "feature": config.evaluation.feature,
        "stem_relu": config.model.stem_relu,
        "epoch": trained.chosen_epoch or config.schedule.epochs,
        **({} if trained.chosen_epoch is None else {"chosen_epoch": trained.chosen_epoch}),
        "training_seconds": round(trained.seconds, 1),
        "evaluation_seconds": round(time.perf_counter() - began, 1),
        "images_per_second": images_per_second(folder),
        "peak_memory_mb": peak_memory_mb(),
    }
    model.save(inside(folder, "model.safetensors"))
    result.save(inside(folder, "result.npz"))
    if before is not None:
        before.save(inside(folder, BEFORE))
    write_run_card(folder, model, Measured(result, metrics))
    write_json(inside(folder, "result.json"), metrics)


def _before(start: str, device: torch.device, test: TestSet, console: Console) -> RetrievalResult | None:
    """Test the model that a training went on from, on `device`; None, and said, where it is not there any more."""
    try:
        model = ReIDModel.load(start)
    except InputError as error:
        console.say(f"Warning: the model before the training is not compared: {error}")
        return None
    strange = replace(test, cameras=None)  # which other people's model has not learned, whatever it calls its own
    return strange.embed(model.to(device), console).evaluate(console)


def _calibrate(model: ReIDModel, prepared: Prepared, rate: float, console: Console) -> None:
    """Choose the model's threshold, on people held out for it; on those of the test where there are none."""
    held_out = prepared.held_out.get("threshold")
    test = held_out or prepared.tests[0]
    try:
        found = calibrate_on(test.embed(model, console), rate, console, tested=held_out is None)
    except InputError as error:  # the training is done; a threshold can be had later
        console.say(f"Warning: there is no threshold. {error}")
        return
    model.calibrated = stored(found, test.data.name)
