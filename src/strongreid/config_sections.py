"""The settings, section by section: one frozen field each, its docstring its meaning, its unit, its place in the paper.

The defaults are the paper's bag of tricks. Each trick is ONE field, so a row of the paper's tables is one override.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


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
    layout: Literal["market1501"] | None = None
    """As in data.layout."""
    columns: str = ""
    """As in data.columns."""


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
    layout: Literal["market1501"] | None = None
    """How own data (`folder`) lies: null a folder for each person; market1501 in Market-1501's folders and file names,
    with any cameras."""
    columns: str = ""
    """What a `table` calls its columns, where they have other names: person=pid,camera=camid."""
    joined: list[SetConfig] = field(default_factory=list)
    """More sets to train on: their training images join those of `name`, people and cameras kept apart. One set after
    another: --data.joined+ '{name: cuhk01, root: DIR}'."""
    tested: list[SetConfig] = field(default_factory=list)
    """More sets to test on, beside `name`: --data.tested+ '{name: cuhk01, root: DIR}'."""
    stop_share: float = 0.0
    """Share of the training people who are held out of training; the result is then the epoch that finds them best."""
    threshold_share: float = 0.0
    """Share of the test people who are held out of the test, for the threshold of "same person" alone."""


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    backbone: str = "resnet50"
    """Any network of timm that gives a map or tokens, resnet50_ibn_a, osnet_x1_0 and others of docs/backbones.md, or
    resnet10_small, the one for CPUs."""
    weights: str | None = None
    """Where training starts: `imagenet` (the paper's: resnet50.tv_in1k from the hub), a local .safetensors or .pth
    file, the folder of a run (its backbone is taken), or null for random weights."""
    start: str | None = None
    """A model of ours that training goes on from as a whole, the folder of a run or its file: all but the classifier,
    which is for other people; the settings of the network are then that model's. `strongreid finetune` sets it."""
    image_size: tuple[int, int] = (256, 128)
    """Height and width of the network's input in pixels (Luo et al. 2019, section 2)."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    """How images are brought to that size, with antialiasing; the paper's is bilinear."""
    last_stride: Literal[1, 2] = 1
    """Trick 4: stride of the last stage; 1 gives a map of 16 x 8, 2 one of 8 x 4 (section 3.4)."""
    stem_relu: bool = True
    """False leaves out the ReLU after the stem's BatchNorm, as the authors' published ResNet weights need it."""
    pooling: Literal["average", "gem", "max_average"] = "average"
    """From the map to one feature: its average, as in the paper; the generalised mean with a learned power, which
    starts at 3; or its maximum plus its average. For transformers, whose feature is a token, the average."""
    neck: Literal["bnneck", "none"] = "bnneck"
    """Trick 5: BNNeck between the feature of the metric losses and the classifier (section 3.5)."""
    mean: tuple[float, float, float] | None = None
    """Mean of red, green and blue, 0..1, that is subtracted from pixels; null: what the weights were trained with, for
    random ones ImageNet's."""
    std: tuple[float, float, float] | None = None
    """Their standard deviation, by which the rest is divided; null as for the mean."""
    patch_stride: int | None = None
    """Pixels from one patch of a ViT to the next; fewer than a patch's side let them overlap; null: its side."""
    camera_embedding: bool = False
    """True lets a ViT learn an embedding of each camera of the training images, which is added to all its tokens."""


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
    colour_jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Most by which brightness, contrast, saturation (0 to 1, as a share) and hue (0 to 0.5, a turn is 1) of an image
    are changed; all 0 switches it off. Not in the paper."""


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

    weight: float = 1.0
    """Weight of the identity loss in the sum; 0 switches it off."""
    label_smoothing: float = 0.1
    """Trick 3: epsilon of the smoothed targets; 0 switches it off (section 3.3)."""


@dataclass(frozen=True)
class TripletConfig:
    """Batch-hard triplet loss on the pooled feature."""

    weight: float = 1.0
    """Weight of the triplet loss in the sum; 0 switches it off."""
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
    """The losses, added up. Each can be switched off by its weight, but not all of them."""

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
    """Passes over the people; the result is the last epoch's, but for data.stop_share."""
    base_rate: float = 3.5e-4
    """Learning rate of Adam between warm-up and the first milestone."""
    warmup_epochs: int = 10
    """Trick 1: epochs of linear warm-up; 0 switches it off (section 3.1)."""
    milestones: tuple[int, ...] = (40, 70)
    """Epochs, counted from 1, from which on the rate is a tenth of what it was."""
    weight_decay: float = 5e-4
    """L2 weight decay of Adam (not AdamW) on every parameter."""
    frozen_epochs: int = 0
    """Epochs at the start in which the backbone stays as it is and only what comes after it learns; 0 for none. For
    backbones that know people already."""
    averaging: float = 0.0
    """Decay, at each step, of an exponential moving average of the weights, which is then the result; 0 for none."""


@dataclass(frozen=True)
class EvaluationConfig:
    """How features are compared at test time."""

    feature: Literal["pooled", "necked"] = "necked"
    """Which feature: pooled (f, or f_t) or necked (f_i, after BNNeck)."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """Which distance: the paper takes Euclidean for f without BNNeck and cosine for f_i with it."""
    every_epochs: int = 0
    """Evaluate every so many epochs, for the curve only; 0: after the last epoch alone. No weights are chosen by it
    but with data.stop_share, whose people alone are then looked at."""
    false_match_rate: float | None = None
    """After training, calibrate the threshold of "same person" for this rate, on the people of data.threshold_share,
    without these on those of the test; null leaves it to `strongreid calibrate`."""


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
    """Steps between two lines of the log, which has one at each epoch's end too."""
    checkpoint_every: int = 1
    """Epochs between two checkpoints, from which --resume goes on."""


def main_set(data: DataConfig) -> SetConfig:
    """Return the main set by itself."""
    return SetConfig(data.name, data.root or Path(), data.split_seed, layout=data.layout, columns=data.columns)


def sets_of(data: DataConfig) -> list[SetConfig]:
    """Return the sets to train on, the main one first."""
    return [main_set(data), *data.joined]


def set_label(one: SetConfig) -> str:
    """Return what results call a set."""
    return one.label or one.name
