"""The only way from a configuration to objects. Each function reads the settings it names and builds one part."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from lightning.fabric import Fabric
from torch.optim import Optimizer

from strongreid.config import Config
from strongreid.config_sections import SetConfig, main_set, set_label, sets_of
from strongreid.data import (
    Augmentation,
    DomainBalancedSampler,
    ImageTable,
    PackedImages,
    PKBatchSampler,
    ReIDData,
    bytes_to_pack,
    hold_out,
    join_sets,
    load_benchmark,
    set_name,
)
from strongreid.errors import InputError
from strongreid.launch import read_launch
from strongreid.losses import BatchHardTripletLoss, CenterLoss, IdentityLoss, Objective, Term
from strongreid.models import ReIDModel
from strongreid.models.going_on import go_on_from
from strongreid.recipes.naming import naming_fields_of
from strongreid.reports.console import ReportProgress
from strongreid.training.averaging import AveragedWeights
from strongreid.training.images import TrainingImages
from strongreid.training.loop import Plan
from strongreid.training.optimizer import paper_optimizers
from strongreid.training.processes import share_batch_statistics
from strongreid.training.schedule import by_epoch, warmup_multistep


def build_data(config: Config) -> ReIDData:
    """Read the tables of the main data set, its training images joined with those of the further sets to train on."""
    return build_joined(config, _build_main(config))


def build_joined(config: Config, main: ReIDData) -> ReIDData:
    """Join the training images of the further sets to train on with those of the main set."""
    first, *others = set_names(sets_of(config.data))
    return join_sets({first: main} | dict(zip(others, map(build_set, config.data.joined), strict=True)))


def build_tests(config: Config) -> dict[str, ReIDData]:
    """Read the tables of all sets to test on, by what results call them, the main set first."""
    names = set_names([main_set(config.data), *config.data.tested])
    return dict(zip(names, [_build_main(config), *map(build_set, config.data.tested)], strict=True))


def set_names(sets: Sequence[SetConfig]) -> list[str]:
    """Return what results call each of some sets: its label or its name, which for drawn people is `drawn`."""
    names = [one.label or set_name(one.name, one.root) for one in sets]
    return names if len(set(names)) == len(names) else [set_label(one) for one in sets]


def _build_main(config: Config) -> ReIDData:
    """Read the tables of the main set, and hold people out of it as the settings say."""
    held, seed = config.data, config.data.split_seed
    if held.root is None:
        raise InputError(f"data.root is missing: the folder of {held.name}, as in --data.root DIR.")
    with naming_fields_of(config, "data"):
        whole = build_set(main_set(held))
        return hold_out(whole, stop_share=held.stop_share, threshold_share=held.threshold_share, seed=seed)


def build_set(one: SetConfig) -> ReIDData:
    """Read the tables of one set."""
    return load_benchmark(one.name, one.root, split_seed=one.split_seed, layout=one.layout, columns=one.columns)


def pack_folder(config: Config) -> Path:
    """Return where decoded images are kept."""
    return config.data.cache or config.output / "packed"


def build_bytes_to_pack(config: Config, tables: Sequence[ImageTable]) -> int:
    """Return how much disk decoding `tables` will take, in bytes; 0 where earlier runs have done it."""
    model = config.model
    return bytes_to_pack(tables, model.image_size, pack_folder(config), model.interpolation)


def build_packed(config: Config, table: ImageTable, progress: ReportProgress | None = None) -> PackedImages:
    """Decode and resize a table's images once, or take what an earlier run has decoded."""
    model = config.model
    return PackedImages.build(table, model.image_size, pack_folder(config), progress, model.interpolation)


def build_sampler(config: Config, table: ImageTable) -> PKBatchSampler | DomainBalancedSampler:
    """Build the P x K sampler of the training images."""
    people, images = config.batch.people_per_batch, config.batch.images_per_person
    with naming_fields_of(config, "batch"):
        if config.batch.domain_balanced and table.domain is not None:
            return DomainBalancedSampler(table.person, table.domain, people, images, seed=config.seed)
        return PKBatchSampler(table.person, people, images, seed=config.seed)


def build_training_images(config: Config, table: ImageTable, packed: PackedImages) -> TrainingImages:
    """Put the training set together with its sampler and its augmentation."""
    sampler = build_sampler(config, table)
    with naming_fields_of(config, "augment"):
        augmentation = Augmentation(
            flip_probability=config.augment.flip_probability,
            padding=config.augment.padding,
            erase_probability=config.augment.erase_probability,
            erase_fill=config.augment.erase_fill,
            colour_jitter=config.augment.colour_jitter,
        )
    return TrainingImages(table, packed, sampler, augmentation)


def build_model(config: Config, people: int, fabric: Fabric | None = None, *, cameras: int = 1) -> ReIDModel:
    """Build the network, to be trained by the processes of `fabric`; its random weights are a function of the seed.

    `people` and `cameras`: how many the training images show and were taken by.
    """
    with naming_fields_of(config, "model", "evaluation"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.model.start is None:
            model = _new_model(config, people, cameras)
        else:
            expected = {**vars(config.model), **vars(config.evaluation)}
            model = go_on_from(Path(config.model.start), people, cameras, expected)
        if fabric is not None:
            share_batch_statistics(model, fabric)
    if config.runtime.channels_last:
        model.to(memory_format=torch.channels_last)
    return model


def _new_model(config: Config, people: int, cameras: int) -> ReIDModel:
    weights: Path | Literal["imagenet"] | None
    match config.model.weights:
        case None | "imagenet":
            weights = config.model.weights
        case path:
            weights = Path(path)
    return ReIDModel(
        backbone=config.model.backbone,
        people=people,
        last_stride=config.model.last_stride,
        stem_relu=config.model.stem_relu,
        pooling=config.model.pooling,
        neck=config.model.neck,
        image_size=config.model.image_size,
        interpolation=config.model.interpolation,
        feature=config.evaluation.feature,
        metric=config.evaluation.metric,
        mean=config.model.mean,
        std=config.model.std,
        patch_stride=config.model.patch_stride,
        cameras=cameras if config.model.camera_embedding else 0,
        weights=weights,
    )


def build_averaged(config: Config, model: ReIDModel) -> AveragedWeights | None:
    """Build the moving average of the network's weights; None where none is wanted."""
    return AveragedWeights(model, config.schedule.averaging) if config.schedule.averaging else None


def build_objective(config: Config, people: int, dim: int) -> Objective:
    """Build the sum of the losses whose weight is not 0; the centers' start is a function of the seed."""
    identity, triplet, center = config.objective.identity, config.objective.triplet, config.objective.center
    terms: dict[str, Term] = {}
    if identity.weight:
        loss = IdentityLoss(label_smoothing=identity.label_smoothing)
        terms["identity"] = Term(loss, on="logits", weight=identity.weight)
    if triplet.weight:
        terms["triplet"] = Term(BatchHardTripletLoss(margin=triplet.margin), on="pooled", weight=triplet.weight)
    if center.weight:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed + 1)
            terms["center"] = Term(CenterLoss(people, dim, weight=center.weight), on="pooled")
    return Objective(terms)


def build_optimizers(config: Config, model: ReIDModel, objective: Objective) -> list[Optimizer]:
    """Build the optimisers of the network and of the losses that learn."""
    return paper_optimizers(
        model,
        objective,
        rate=config.schedule.base_rate,
        weight_decay=config.schedule.weight_decay,
        center_rate=config.objective.center.rate,
    )


def build_plan(config: Config) -> Plan:
    """Put together how long and how fast to train."""
    rate = partial(
        warmup_multistep,
        base=config.schedule.base_rate,
        warmup_epochs=config.schedule.warmup_epochs,
        milestones=config.schedule.milestones,
    )
    return Plan(
        epochs=config.schedule.epochs,
        rate=by_epoch(rate),
        seed=config.seed,
        log_every=config.runtime.log_every,
        checkpoint_every=config.runtime.checkpoint_every,
        evaluate_every=config.evaluation.every_epochs or int(config.data.stop_share > 0),
        evaluate_last=config.data.stop_share > 0,
        frozen_epochs=config.schedule.frozen_epochs,
    )


def build_fabric(config: Config) -> Fabric:
    """Choose device, precision and processes (several under torchrun); refuse batches they cannot share."""
    accelerator = config.runtime.accelerator
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise InputError("runtime.accelerator is cuda, but PyTorch sees no GPU here: set it to auto or cpu.")
    launch = read_launch()
    devices, hosts = launch.local_processes, launch.processes // launch.local_processes
    if accelerator != "cpu" and devices > torch.cuda.device_count() > 0:
        raise InputError(
            f"torchrun started {devices} processes, but PyTorch sees {torch.cuda.device_count()} GPUs here: "
            "start at most one process a GPU."
        )
    fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=hosts, precision=config.runtime.precision)
    images = config.batch.people_per_batch * config.batch.images_per_person
    if images % fabric.world_size:
        raise InputError(
            f"A batch of {images} images (batch.people_per_batch x batch.images_per_person) cannot be shared evenly "
            f"by {fabric.world_size} processes: make the product divisible by {fabric.world_size}."
        )
    return fabric
