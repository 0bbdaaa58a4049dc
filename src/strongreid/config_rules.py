"""What a configuration must satisfy, field by field and across fields, in terms of the fields to change."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongreid.config import Config, DataConfig, SetConfig


def problems(config: "Config") -> list[str]:
    """Return what is wrong with the settings, each as a sentence that names the field to change."""
    schedule, batch, augment = config.schedule, config.batch, config.augment
    height, width = config.model.image_size
    checks: list[tuple[bool, str]] = [
        (0 <= config.seed < 2**63, f"seed is {config.seed}; it must lie between 0 and 2^63 - 1."),
        (
            config.name is None or (config.name not in ("", ".", "..") and Path(config.name).name == config.name),
            f"name is {config.name!r}; it must be a plain folder name, because runs are written below output.",
        ),
        (
            min(height, width) >= 32,
            f"model.image_size is {height} x {width}; height and width must each be at least 32 pixels.",
        ),
        (
            config.model.neck == "bnneck" or config.evaluation.feature == "pooled",
            "evaluation.feature is necked, but model.neck is none: set evaluation.feature to pooled "
            "(and evaluation.metric to euclidean, as in the paper), or model.neck to bnneck.",
        ),
        (batch.people_per_batch >= 2, f"batch.people_per_batch is {batch.people_per_batch}; triplets need at least 2."),
        (
            batch.images_per_person >= 2,
            f"batch.images_per_person is {batch.images_per_person}; triplets need at least 2.",
        ),
        (
            not batch.domain_balanced or bool(config.data.joined),
            "batch.domain_balanced is true, but there is one set to train on: name more in data.joined, or leave it.",
        ),
        (augment.padding >= 0, f"augment.padding is {augment.padding}; it must be 0 pixels or more."),
        (
            0 <= config.objective.identity.label_smoothing < 1,
            f"objective.identity.label_smoothing is {config.objective.identity.label_smoothing}; "
            "it must be at least 0 and less than 1.",
        ),
        (
            config.objective.center.weight >= 0,
            f"objective.center.weight is {config.objective.center.weight}; it must be 0 (off) or more.",
        ),
        (
            0 <= config.objective.center.rate <= 1,
            f"objective.center.rate is {config.objective.center.rate}; it must lie between 0 and 1.",
        ),
        (
            schedule.epochs >= 1,
            f"schedule.epochs is {schedule.epochs}; it must be 1 or more.",
        ),
        (schedule.base_rate > 0, f"schedule.base_rate is {schedule.base_rate}; it must be more than 0."),
        (
            0 <= schedule.warmup_epochs <= schedule.epochs,
            f"schedule.warmup_epochs is {schedule.warmup_epochs}, but schedule.epochs is {schedule.epochs}: "
            "warm-up cannot be longer than the training.",
        ),
        (
            list(schedule.milestones) == sorted(set(schedule.milestones)),
            f"schedule.milestones is {list(schedule.milestones)}; the epochs must rise.",
        ),
        (
            all(1 <= epoch <= schedule.epochs for epoch in schedule.milestones),
            f"schedule.milestones is {list(schedule.milestones)}, but schedule.epochs is {schedule.epochs}: every "
            "milestone must lie within the training. Set both (the paper's lie at 1/3 and 7/12 of the epochs).",
        ),
        (schedule.weight_decay >= 0, f"schedule.weight_decay is {schedule.weight_decay}; it must be 0 or more."),
        (config.evaluation.every_epochs >= 0, "evaluation.every_epochs must be 0 (only at the end) or more."),
        (config.runtime.log_every >= 1, "runtime.log_every must be 1 step or more."),
        (config.runtime.checkpoint_every >= 1, "runtime.checkpoint_every must be 1 epoch or more."),
    ]
    for name, others in (("data.joined", config.data.joined), ("data.tested", config.data.tested)):
        again = _repeated(config.data, others)
        checks.append(
            (again is None, f"{name}: two sets are called {again!r}, with data.name; give one of them a `label`.")
        )
    for name, probability in (
        ("augment.flip_probability", augment.flip_probability),
        ("augment.erase_probability", augment.erase_probability),
    ):
        checks.append((0 <= probability <= 1, f"{name} is {probability}; a probability lies between 0 and 1."))
    return [sentence for holds, sentence in checks if not holds]


def _repeated(config: "DataConfig", others: "Sequence[SetConfig]") -> str | None:
    """Return a label that two of the sets share, the main one among them."""
    labels = [config.name, *(one.label or one.name for one in others)]
    return next((label for label in labels if labels.count(label) > 1), None)
