"""What a configuration must satisfy, field by field and across fields, in terms of the fields to change."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from strongreid.files import LONGEST_PART, path_part

if TYPE_CHECKING:
    from strongreid.config import Config, DataConfig, ObjectiveConfig, ScheduleConfig, SetConfig

Check = tuple[bool, str]
"""Whether a rule holds, and the sentence for where it does not."""


def problems(config: "Config") -> list[str]:
    """Return what is wrong with the settings, each as a sentence that names the field to change."""
    checks = (
        *_run(config),
        *_data(config.data),
        *_batch(config),
        *_objective(config.objective),
        *_schedule(config.schedule),
    )
    return [sentence for holds, sentence in checks if not holds]


def _run(config: "Config") -> Iterator[Check]:
    height, width = config.model.image_size
    yield 0 <= config.seed < 2**63, f"seed is {config.seed}; it must lie between 0 and 2^63 - 1."
    yield (
        config.name is None or path_part(config.name) == config.name,
        f"name is {config.name!r}; it must be a plain folder name, because runs are written below output: without / "
        f"and control characters, not hidden, at most {LONGEST_PART} bytes.",
    )
    yield (
        min(height, width) >= 32,
        f"model.image_size is {height} x {width}; height and width must each be at least 32 pixels.",
    )
    yield (
        config.model.neck == "bnneck" or config.evaluation.feature == "pooled",
        "evaluation.feature is necked, but model.neck is none: set evaluation.feature to pooled "
        "(and evaluation.metric to euclidean, as in the paper), or model.neck to bnneck.",
    )
    yield config.evaluation.every_epochs >= 0, "evaluation.every_epochs must be 0 (only at the end) or more."
    yield config.runtime.log_every >= 1, "runtime.log_every must be 1 step or more."
    yield config.runtime.checkpoint_every >= 1, "runtime.checkpoint_every must be 1 epoch or more."


def _data(data: "DataConfig") -> Iterator[Check]:
    for name, others in (("data.joined", data.joined), ("data.tested", data.tested)):
        again = _repeated(data, others)
        yield again is None, f"{name}: two sets are called {again!r}, with data.name; give one of them a `label`."


def _batch(config: "Config") -> Iterator[Check]:
    batch, augment = config.batch, config.augment
    least, why = (2, "triplets need at least 2") if config.objective.triplet.weight else (1, "it must be at least 1")
    yield batch.people_per_batch >= least, f"batch.people_per_batch is {batch.people_per_batch}; {why}."
    yield batch.images_per_person >= least, f"batch.images_per_person is {batch.images_per_person}; {why}."
    yield (
        batch.people_per_batch * batch.images_per_person > 1,
        "batch.people_per_batch and batch.images_per_person are both 1: a batch needs at least 2 images.",
    )
    yield (
        not batch.domain_balanced or bool(config.data.joined),
        "batch.domain_balanced is true, but there is one set to train on: name more in data.joined, or leave it.",
    )
    yield augment.padding >= 0, f"augment.padding is {augment.padding}; it must be 0 pixels or more."
    for name in ("flip_probability", "erase_probability"):
        value = getattr(augment, name)
        yield 0 <= value <= 1, f"augment.{name} is {value}; a probability lies between 0 and 1."


def _objective(objective: "ObjectiveConfig") -> Iterator[Check]:
    identity, triplet, center = objective.identity, objective.triplet, objective.center
    for name, weight in (("identity", identity.weight), ("triplet", triplet.weight), ("center", center.weight)):
        yield 0 <= weight < math.inf, f"objective.{name}.weight is {weight}; it must be 0 (off) or more."
    yield (
        any((identity.weight, triplet.weight, center.weight)),
        "objective.identity.weight, objective.triplet.weight and objective.center.weight are all 0: there is no loss "
        "left to train with.",
    )
    yield (
        0 <= identity.label_smoothing < 1,
        f"objective.identity.label_smoothing is {identity.label_smoothing}; it must be at least 0 and less than 1.",
    )
    yield 0 <= center.rate <= 1, f"objective.center.rate is {center.rate}; it must lie between 0 and 1."


def _schedule(schedule: "ScheduleConfig") -> Iterator[Check]:
    yield schedule.epochs >= 1, f"schedule.epochs is {schedule.epochs}; it must be 1 or more."
    yield schedule.base_rate > 0, f"schedule.base_rate is {schedule.base_rate}; it must be more than 0."
    yield (
        0 <= schedule.warmup_epochs <= schedule.epochs,
        f"schedule.warmup_epochs is {schedule.warmup_epochs}, but schedule.epochs is {schedule.epochs}: "
        "warm-up cannot be longer than the training.",
    )
    milestones = list(schedule.milestones)
    yield milestones == sorted(set(milestones)), f"schedule.milestones is {milestones}; the epochs must rise."
    yield (
        all(1 <= epoch <= schedule.epochs for epoch in milestones),
        f"schedule.milestones is {milestones}, but schedule.epochs is {schedule.epochs}: every "
        "milestone must lie within the training. Set both (the paper's lie at 1/3 and 7/12 of the epochs).",
    )
    yield schedule.weight_decay >= 0, f"schedule.weight_decay is {schedule.weight_decay}; it must be 0 or more."


def _repeated(config: "DataConfig", others: "Sequence[SetConfig]") -> str | None:
    """Return a label that two of the sets share, the main one among them."""
    labels = [config.name, *(one.label or one.name for one in others)]
    return next((label for label in labels if labels.count(label) > 1), None)
