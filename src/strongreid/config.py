"""Every setting of a run: one frozen field each, its docstring its meaning, its unit and its place in the paper.

The defaults are the paper's bag of tricks. Each trick is ONE field, so a row of the paper's tables is one override.
What a field alone cannot tell wrong from right is checked here across fields, in terms of the fields to change.
Only `cli`, `tables`, `runs` and `build` read this module; the parts themselves take plain arguments.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentError, ArgumentParser, Namespace, set_parsing_settings

from strongreid.errors import InputError

RECIPES = Path(__file__).parent / "recipes"
"""The folder of the recipes that come with the package."""


@dataclass(frozen=True)
class SetConfig:
    """One more data set."""

    name: str
    """The data set; `strongreid data list` names the known ones."""
    root: Path
    """Its folder; for `table` the file."""
    split_seed: int = 0
    """Seed of the split into train and test people, for sets that leave the split to the user."""
    label: str | None = None
    """What results call it; null: its name. For two sets of one name, such as `folder`."""


@dataclass(frozen=True)
class DataConfig:
    """Which images."""

    name: str = "market1501"
    """The data set; `strongreid data list` names the known ones."""
    root: Path | None = None
    """The folder of the data set, for Market-1501 the one that holds bounding_box_train."""
    split_seed: int = 0
    """Seed of the split into train and test people, for sets that leave the split to the user (CUHK01)."""
    cache: Path | None = None
    """Where decoded images are kept between runs; null: the folder `packed` in the output folder."""
    joined: list[SetConfig] = field(default_factory=list)
    """More sets to train on: their training images join those of `name`, people and cameras kept apart. One set after
    another: --data.joined+ '{name: cuhk01, root: DIR}'."""
    tested: list[SetConfig] = field(default_factory=list)
    """More sets to test on, beside `name`: --data.tested+ '{name: cuhk01, root: DIR}'."""


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    backbone: str = "resnet50"
    """Any network of timm with the ResNet stages, or resnet10_small, the one for CPUs."""
    weights: str | None = None
    """Where training starts: `imagenet` (the paper's: resnet50.tv_in1k from the hub), a local .safetensors or .pth
    file, or null for random weights."""
    image_size: tuple[int, int] = (256, 128)
    """Height and width of the network's input in pixels (Luo et al. 2019, section 2)."""
    last_stride: Literal[1, 2] = 1
    """Trick 4: stride of the last stage; 1 gives a map of 16 x 8, 2 one of 8 x 4 (section 3.4)."""
    stem_relu: bool = True
    """False leaves out the ReLU after the stem's BatchNorm, as the authors' published ResNet weights need it."""
    neck: Literal["bnneck", "none"] = "bnneck"
    """Trick 5: BNNeck between the feature of the metric losses and the classifier (section 3.5)."""


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of the training images."""

    flip_probability: float = 0.5
    """Probability of a left-right flip."""
    padding: int = 10
    """Black pixels added on every side before the random crop back to the input size."""
    erase_probability: float = 0.5
    """Trick 2: probability that a rectangle is erased; 0 switches it off (section 3.2)."""
    erase_fill: Literal["reference", "mean"] = "reference"
    """What erased pixels become after normalising: `reference` the values 0.485, 0.456, 0.406, as in the authors'
    code; `mean` the mean colour, which is 0 there."""


@dataclass(frozen=True)
class BatchConfig:
    """P x K batches (section 2)."""

    people_per_batch: int = 16
    """P: people in a batch, over all processes together."""
    images_per_person: int = 4
    """K: images of each person in a batch."""
    domain_balanced: bool = False
    """As many people of each set in every batch, where data.joined names more sets to train on."""


@dataclass(frozen=True)
class IdentityConfig:
    """Classification of the training people."""

    label_smoothing: float = 0.1
    """Trick 3: epsilon of the smoothed targets; 0 switches it off (section 3.3)."""


@dataclass(frozen=True)
class TripletConfig:
    """Batch-hard triplet loss on the pooled feature."""

    margin: float | None = 0.3
    """Margin between farthest positive and nearest negative distance; null is the soft margin."""


@dataclass(frozen=True)
class CenterConfig:
    """Distance to the learned center of each person."""

    weight: float = 0.0005
    """Trick 6: weight of the center loss; 0 switches it off (section 3.6)."""
    rate: float = 0.5
    """Learning rate of the centers: plain SGD on the unweighted loss, the same in every epoch."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """The losses, added up."""

    identity: IdentityConfig = field(default_factory=IdentityConfig)
    """Classification of the training people."""
    triplet: TripletConfig = field(default_factory=TripletConfig)
    """Batch-hard triplet loss."""
    center: CenterConfig = field(default_factory=CenterConfig)
    """Center loss."""


@dataclass(frozen=True)
class ScheduleConfig:
    """Adam and its learning rate, epoch by epoch."""

    epochs: int = 120
    """Passes over the people; the result is the last epoch's."""
    base_rate: float = 3.5e-4
    """Learning rate of Adam between warm-up and the first milestone."""
    warmup_epochs: int = 10
    """Trick 1: epochs of linear warm-up; 0 switches it off (section 3.1)."""
    milestones: tuple[int, ...] = (40, 70)
    """Epochs, counted from 1, from which on the rate is a tenth of what it was."""
    weight_decay: float = 5e-4
    """L2 weight decay of Adam (not AdamW) on every parameter."""


@dataclass(frozen=True)
class EvaluationConfig:
    """How features are compared at test time."""

    feature: Literal["pooled", "necked"] = "necked"
    """Which feature: pooled (f, or f_t) or necked (f_i, after BNNeck)."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """Which distance: the paper takes Euclidean for f without BNNeck and cosine for f_i with it."""
    every_epochs: int = 0
    """Evaluate every so many epochs, for the curve only; 0: after the last epoch alone. No weights are ever chosen
    by it."""


@dataclass(frozen=True)
class RuntimeConfig:
    """The machine; nothing here is meant to change what is learned."""

    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Arithmetic of the network; distances and losses are float32 in either case."""
    channels_last: bool = True
    """Memory order of images and weights; faster on most machines."""
    compile: bool = False
    """Compile the network first (torch.compile): minutes at the start, faster steps on a GPU."""
    log_every: int = 10
    """Steps between two lines of the log."""
    checkpoint_every: int = 1
    """Epochs between two checkpoints, from which --resume goes on."""


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
        for wrong in _problems(self):
            raise InputError(wrong)


def _problems(config: Config) -> list[str]:
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


def set_label(one: SetConfig) -> str:
    """Return what results call a set."""
    return one.label or one.name


def _repeated(config: DataConfig, others: Sequence[SetConfig]) -> str | None:
    """Return a label that two of the sets share, the main one among them."""
    labels = [config.name, *map(set_label, others)]
    return next((label for label in labels if labels.count(label) > 1), None)


def recipe_path(recipe: str) -> Path:
    """Return the file of a recipe, given by the name of one that comes with the package or as a path to a YAML."""
    names = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    if recipe in names:
        return RECIPES / f"{recipe}.yaml"
    if Path(recipe).is_file():
        return Path(recipe)
    raise InputError(f"There is no recipe {recipe!r}: name one of {', '.join(names)}, or a YAML file.")


def config_parser(recipe: Path, description: str = "", *, exit_on_error: bool = True) -> ArgumentParser:
    """Return a parser with an option for each field, whose defaults are those of `recipe`."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(
        default_config_files=[str(recipe)],
        description=description,
        exit_on_error=exit_on_error,
        allow_abbrev=False,  # a misspelt field is an error, not another field
    )
    parser.add_class_arguments(Config, None)
    return parser


def config_from(parser: ArgumentParser, parsed: Namespace) -> Config:
    """Return the configuration among the values that `config_parser` parsed."""
    objects = parser.instantiate(parsed)
    return Config(**{item.name: objects[item.name] for item in dataclasses.fields(Config)})


def read_config(recipe: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration of a recipe's YAML file, with overrides such as `--schedule.epochs=24`."""
    parser = _reading_parser(recipe)
    try:
        return config_from(parser, parser.parse_args(list(overrides)))
    except (ArgumentError, TypeError) as error:
        raise InputError(f"{recipe}: {error}") from error


@cache
def _reading_parser(recipe: Path) -> ArgumentParser:
    """Make the parser of a recipe once: it takes longer than parsing, and a table of the paper parses many times."""
    return config_parser(recipe, exit_on_error=False)


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
