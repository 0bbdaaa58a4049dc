"""Fine-tuning: from a model that knows people to one that knows people of these cameras.

There is no second training here: what is chosen from the size of the data becomes settings of an ordinary run, which
trains, resumes and is reported like any other. Each choice has its reason, and gives way to what the user sets.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from strongreid import build
from strongreid.config import Config
from strongreid.config_sections import EvaluationConfig
from strongreid.data import ReIDData
from strongreid.launch import read_launch
from strongreid.models.going_on import made_with
from strongreid.recipes.values import with_values
from strongreid.reports.console import Console
from strongreid.runs.calibrate import FEWEST_FALSE_MATCHES

FEWEST_TO_STOP_BY: Final = 32
"""With fewer people to learn from all are learned from: a quarter of them could choose an epoch by luck alone."""
STOP_SHARE: Final = 0.25
FEWEST_TO_CALIBRATE_ON: Final = 32
"""With fewer people to test on all of them judge, and all of them are for the threshold: half of them could tell a gain
of five points from chance no more, while neither of the two changes the other."""
THRESHOLD_SHARE: Final = 0.5
STEPS: Final = 160
"""Steps that a network that knows people needs, roughly, however small the data."""
EPOCHS: Final = (10, 60)
"""Fewest and most epochs."""
RATE: Final = 3.5e-4
CHECKPOINTS: Final = 12
"""Of small data an epoch takes less time than a checkpoint: so many are written."""
AVERAGED_SHARE: Final = 0.1
"""Share of the steps over which weights are averaged."""


@dataclass
class Defaults:
    """Settings chosen from the model and the data, each with its reason; what is given stays as it is."""

    given: Mapping[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def choose(self, name: str, value: Any, reason: str) -> Any:
        """Return the setting `name`: as given, else `value`, for which there is a reason."""
        if name in self.given:
            return self.given[name]
        self.values[name] = value
        shown = ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}" if value else "none"
        self.reasons.append(f"{name} {shown}: {reason}")
        return value

    def config(self, *, schedule: bool = True) -> Config:
        """Return all settings so far; without the `schedule`, which can be impossible until all of it is chosen."""
        values = {**self.values, **self.given}
        return with_values(Config(), {n: v for n, v in values.items() if schedule or not n.startswith("schedule.")})


def finetuning(model: Path, given: Mapping[str, Any], console: Console) -> Config:
    """Choose the settings of a training that goes on from a model, and say each with its reason.

    model: its file, or the folder of its run; given: settings by dotted name, among them the data set's. Raises
    `InputError` for a model or a set that cannot be used, and for settings that do not go together.
    """
    defaults = Defaults(given)
    of_evaluation = vars(EvaluationConfig())
    for name, value in made_with(model).items():
        defaults.values[f"{'evaluation' if name in of_evaluation else 'model'}.{name}"] = value
    defaults.values |= {"model.start": str(model), "model.weights": None}
    _choose_groups(defaults, build.build_data(defaults.config(schedule=False)))
    data = build.build_data(defaults.config(schedule=False))
    _choose_schedule(defaults, _choose_batches(defaults, data))
    _choose_rate_of_false_matches(defaults, data)
    config = defaults.config()
    height, width = config.model.image_size
    console.say(
        f"Images {height} x {width}, features and distance: as the model has them. From the size of the data, each to "
        "be set otherwise by its option:",
        *(f"  {reason}" for reason in defaults.reasons),
    )
    return config


def _choose_groups(defaults: Defaults, data: ReIDData) -> None:
    """Divide people: who is learned from, who stops it, who judges it, who calibrates it."""
    learned, tested = len(data.train.people), len(np.unique(data.query.person))
    findable = _findable(data)
    if findable >= FEWEST_TO_STOP_BY:
        count = round(learned * STOP_SHARE)
        reason = f"{learned - count} people are learned from; {count} others choose the epoch (early stopping)"
        defaults.choose("data.stop_share", STOP_SHARE, reason)
    else:
        reason = (
            f"of {learned} people to learn from {findable} could be found again, below {FEWEST_TO_STOP_BY}: a fixed "
            "number of epochs, nobody stops it"
        )
        defaults.choose("data.stop_share", 0.0, reason)
    if tested >= FEWEST_TO_CALIBRATE_ON:
        count = round(tested * THRESHOLD_SHARE)
        reason = f"{tested - count} people are for the verdict; {count} others for the threshold alone"
        defaults.choose("data.threshold_share", THRESHOLD_SHARE, reason)
    else:
        reason = (
            f"{tested} people to test on, below {FEWEST_TO_CALIBRATE_ON}: verdict and threshold are both of all of "
            "them; nobody learned from them"
        )
        defaults.choose("data.threshold_share", 0.0, reason)


def _findable(data: ReIDData) -> int:
    """Count the training people who could be looked for: seen by two cameras, without cameras on two images."""
    table = data.train
    seen = np.unique(np.stack((table.person, table.camera), 1), axis=0)[:, 0]
    people = seen if data.same_camera == "exclude" else table.person
    return int((np.unique(people, return_counts=True)[1] >= 2).sum())


def _choose_batches(defaults: Defaults, data: ReIDData) -> int:
    """Choose P x K and the augmentation; return the number of steps of an epoch."""
    people, images = np.unique(data.train.person, return_counts=True)
    middle = int(np.median(images))
    chosen = min(16, max(2, len(people) // 2))
    defaults.choose("batch.people_per_batch", chosen, f"of {len(people)} people to learn from; at most half of them")
    defaults.choose("batch.images_per_person", min(4, max(2, middle)), f"half of the people have at least {middle}")
    height = defaults.config(schedule=False).model.image_size[0]
    padding = round(10 * height / 256)
    defaults.choose("augment.padding", padding, f"pixels; the paper's 10 are for a height of 256, not {height}")
    sampler = build.build_sampler(defaults.config(schedule=False), data.train)
    sampler.set_epoch(1)
    return len(sampler)


def _choose_schedule(defaults: Defaults, steps: int) -> None:
    """Choose how long and how fast, from the number of steps of an epoch."""
    fewest, most = EPOCHS
    count = min(max(math.ceil(STEPS / steps), fewest), most)
    epochs = defaults.choose(
        "schedule.epochs", count, f"of {steps} steps each; the model knows people, about {STEPS} are enough"
    )
    defaults.choose("schedule.base_rate", RATE, "below what a first training takes, so that it forgets little")
    tenth = epochs // 10 or int(epochs > 2)
    if read_launch().processes == 1:
        reason = "epochs at first in which only neck and classifier learn"
        defaults.choose("schedule.frozen_epochs", tenth, reason)
    else:
        defaults.choose("schedule.frozen_epochs", 0, "several processes cannot leave the backbone as it is at first")
    defaults.choose("schedule.warmup_epochs", min(epochs, 2 * tenth), "epochs in which the rate rises")
    milestones = tuple(sorted({max(1, epochs * tenths // 10) for tenths in (6, 9)}))
    defaults.choose(
        "schedule.milestones", milestones, "epochs at which the rate falls to a tenth, late in the training"
    )
    window = max(5.0, AVERAGED_SHARE * epochs * steps)
    decay = min(round(1 - 1 / window, 4), 0.999)
    defaults.choose(
        "schedule.averaging", decay, f"weights are averaged over about the last {1 / (1 - decay):.0f} steps"
    )
    every = max(1, epochs // CHECKPOINTS)
    defaults.choose("runtime.checkpoint_every", every, "epochs between two checkpoints")
    if {**defaults.values, **defaults.given}["data.stop_share"]:
        defaults.choose("evaluation.every_epochs", every, "epochs between two looks at those who choose the epoch")


def _choose_rate_of_false_matches(defaults: Defaults, data: ReIDData) -> None:
    calibrated_on = data.threshold or data
    pairs = len(calibrated_on.query) * len(calibrated_on.gallery)
    rate = next((rate for rate in (0.001, 0.01) if rate * pairs >= FEWEST_FALSE_MATCHES), 0.01)
    reason = f"of the threshold, on about {pairs:,} pairs of images"
    if rate * pairs < FEWEST_FALSE_MATCHES:
        reason += ", which are few, so that it is uncertain"
    defaults.choose("evaluation.false_match_rate", rate, reason)
