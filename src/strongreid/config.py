"""All settings of a run, what they must satisfy, and how they are written.

Impossible values and combinations are refused when a configuration is made, in terms of the fields to change. Only
`cli`, `tables`, `runs`, `build` and `recipes` read this module; the parts themselves take plain arguments.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

from strongreid.config_sections import (
    AugmentConfig,
    BatchConfig,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    ObjectiveConfig,
    RuntimeConfig,
    ScheduleConfig,
    set_label,
)
from strongreid.errors import InputError
from strongreid.files import LONGEST_PART, dotted, path_part

LARGEST_NUMBER: Final = 10**6
"""Of all settings but the seeds."""
Check = tuple[bool, str]
"""Whether a rule holds, and the sentence for where it does not."""


@dataclass(frozen=True)
class Config:
    """All settings of one run."""

    name: str | None = None
    """Name of the run's folder; null: recipe, data set and seed."""
    output: Path = Path("runs")
    """The folder below which everything is written."""
    seed: int = 0
    """Seed of the weights, the batches and the augmentation."""
    data: DataConfig = field(default_factory=DataConfig)
    """Which images."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """The network."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Random changes of the training images."""
    batch: BatchConfig = field(default_factory=BatchConfig)
    """P x K batches."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """The losses."""
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    """Adam and its learning rate."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    """How features are compared at test time."""
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    """The machine."""

    def __post_init__(self) -> None:
        for holds, sentence in chain(
            _numbers(self),
            _run(self),
            _data(self.data),
            _batch(self),
            _objective(self.objective),
            _schedule(self.schedule),
            _start(self),
        ):
            if not holds:
                raise InputError(sentence)


ADDED_FIELDS: Final[Mapping[str, Any]] = {
    "data.joined": [],
    "data.tested": [],
    "data.layout": None,
    "data.columns": "",
    "data.joined[].layout": None,
    "data.joined[].columns": "",
    "data.tested[].layout": None,
    "data.tested[].columns": "",
    "batch.domain_balanced": False,
    "objective.identity.weight": 1.0,
    "objective.triplet.weight": 1.0,
    "model.interpolation": "bilinear",
    "model.pooling": "average",
    "model.mean": None,
    "model.std": None,
    "model.patch_stride": None,
    "model.camera_embedding": False,
    "model.start": None,
    "data.stop_share": 0.0,
    "data.threshold_share": 0.0,
    "augment.colour_jitter": [0.0, 0.0, 0.0, 0.0],
    "schedule.frozen_epochs": 0,
    "schedule.averaging": 0.0,
    "evaluation.false_match_rate": None,
}
"""Fields that a run's config.yaml written by an earlier version lacks, and the value with which that version trained.
Whoever adds a field to a section adds it here: older runs stay readable, and older trainings of tables are found again.
"""


def as_plain(config: Config) -> dict[str, Any]:
    """Return the configuration as nested plain values for JSON and YAML: paths are text, tuples are lists."""
    return {item.name: _plain(getattr(config, item.name)) for item in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _numbers(config: Config) -> Iterator[Check]:
    """No number is infinite, or so large that it can only be a slip: a memory would be full before the first step."""
    for name, value in dotted(as_plain(config)).items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int | float) and name not in ("seed", "data.split_seed"):
                fits = abs(number) <= LARGEST_NUMBER  # never true of NaN
                yield fits, f"{name} is {number}; it must be a number of at most {LARGEST_NUMBER:,}."


def _run(config: Config) -> Iterator[Check]:
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
        config.model.patch_stride is None or config.model.patch_stride >= 1,
        f"model.patch_stride is {config.model.patch_stride}; it must be 1 pixel or more, or null.",
    )
    yield (
        min(config.model.std or (1,)) > 0,
        f"model.std is {list(config.model.std or ())}; each of the three must be more than 0.",
    )
    yield (
        config.model.neck == "bnneck" or config.evaluation.feature == "pooled",
        "evaluation.feature is necked, but model.neck is none: set evaluation.feature to pooled "
        "(and evaluation.metric to euclidean, as in the paper), or model.neck to bnneck.",
    )
    yield config.evaluation.every_epochs >= 0, "evaluation.every_epochs must be 0 (only at the end) or more."
    rate = config.evaluation.false_match_rate
    yield rate is None or 0 <= rate <= 1, f"evaluation.false_match_rate is {rate}; a rate lies between 0 and 1."
    yield config.runtime.log_every >= 1, "runtime.log_every must be 1 step or more."
    yield config.runtime.checkpoint_every >= 1, "runtime.checkpoint_every must be 1 epoch or more."


def _data(data: DataConfig) -> Iterator[Check]:
    for name, others in (("data.joined", data.joined), ("data.tested", data.tested)):
        labels = [data.name, *map(set_label, others)]
        again = next((label for label in labels if labels.count(label) > 1), None)
        yield again is None, f"{name}: two sets are called {again!r}, with data.name; give one of them a `label`."
    for name in ("stop_share", "threshold_share"):
        yield 0 <= getattr(data, name) < 1, f"data.{name} is {getattr(data, name)}; it must be 0 (nobody) to below 1."


def _batch(config: Config) -> Iterator[Check]:
    batch, augment = config.batch, config.augment
    least, why = (2, "triplets need at least 2") if config.objective.triplet.weight else (1, "it must be at least 1")
    yield batch.people_per_batch >= least, f"batch.people_per_batch is {batch.people_per_batch}; {why}."
    yield batch.images_per_person >= least, f"batch.images_per_person is {batch.images_per_person}; {why}."
    yield (
        batch.people_per_batch * batch.images_per_person > 1,
        "batch.people_per_batch and batch.images_per_person are both 1: a batch needs at least 2 images.",
    )
    yield augment.padding >= 0, f"augment.padding is {augment.padding}; it must be 0 pixels or more."
    for name in ("flip_probability", "erase_probability"):
        value = getattr(augment, name)
        yield 0 <= value <= 1, f"augment.{name} is {value}; a probability lies between 0 and 1."
    *shares, hue = jitter = augment.colour_jitter
    yield (
        all(0 <= share <= 1 for share in shares) and 0 <= hue <= 0.5,
        f"augment.colour_jitter is {list(jitter)}; brightness, contrast and saturation lie between 0 and 1, hue "
        "between 0 and 0.5.",
    )


def _objective(objective: ObjectiveConfig) -> Iterator[Check]:
    weights = {f"objective.{name}.weight": loss.weight for name, loss in vars(objective).items()}
    for name, weight in weights.items():
        yield weight >= 0, f"{name} is {weight}; it must be 0 (off) or more."
    yield any(weights.values()), f"{', '.join(weights)} are all 0: there is no loss left to train with."
    smoothing, rate = objective.identity.label_smoothing, objective.center.rate
    yield (
        0 <= smoothing < 1,
        f"objective.identity.label_smoothing is {smoothing}; it must be at least 0 and less than 1.",
    )
    yield 0 <= rate <= 1, f"objective.center.rate is {rate}; it must lie between 0 and 1."


def _schedule(schedule: ScheduleConfig) -> Iterator[Check]:
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
    frozen = schedule.frozen_epochs
    yield 0 <= frozen <= schedule.epochs, f"schedule.frozen_epochs is {frozen}; it must be 0 to {schedule.epochs}."
    yield 0 <= schedule.averaging < 1, f"schedule.averaging is {schedule.averaging}; it must be 0 (off) to below 1."


def _start(config: Config) -> Iterator[Check]:
    model, schedule = config.model, config.schedule
    yield (
        model.start is None or model.weights is None,
        "model.start and model.weights both say where training starts: leave one of them out (null).",
    )
    yield (
        not schedule.frozen_epochs or config.objective.identity.weight > 0,
        "schedule.frozen_epochs leaves only the classifier to learn, but objective.identity.weight is 0: set one of "
        "them.",
    )
