"""What a sweep will cost, before anything runs: images to be processed, and an estimate of the time.

The time rests on a few steps with random images, made here and now for each kind of network: the machine decides, not
a table of speeds.
"""

import time
from dataclasses import dataclass, replace
from statistics import median

import torch

from strongreid import build
from strongreid.config import Config
from strongreid.data import ImageTable
from strongreid.experiments.sweep import Sweep, Training

PROBED_IMAGES = 32
PROBED_STEPS = 3
EMBEDDING_SPEED_UP = 2.5
"""How much faster a forward pass is than a training step, roughly."""


@dataclass(frozen=True)
class TrainingCost:
    """What one training needs."""

    training: Training
    images: int
    """Images that go through training, all epochs together."""
    tested: int
    """Images that are embedded, all tests together."""
    seconds: float
    """A rough estimate; 0 for a training that is finished."""


def estimate(sweep: Sweep) -> list[TrainingCost]:
    """Estimate every training of a sweep once; those that are finished cost nothing."""
    speeds: dict[tuple[object, ...], float] = {}
    costs = []
    for training in sweep.trainings:
        config = training.config
        data = build.build_data(config)
        images = config.schedule.epochs * _images_per_epoch(config, data.train)
        tests = [item for item in sweep.measurements if item.training.folder == training.folder]
        tested = 0
        for item in tests:
            test = build.build_data(item.test)
            tested += len(test.query) + len(test.gallery)
        tested += len(data.query) + len(data.gallery)
        kind = (config.model.backbone, config.model.last_stride, config.model.image_size, config.runtime)
        if (training.folder / "result.json").is_file():
            costs.append(TrainingCost(training, images, tested, 0.0))
            continue
        if kind not in speeds:
            speeds[kind] = _images_per_second(config, len(data.train.people))
        seconds = (images + tested / EMBEDDING_SPEED_UP) / speeds[kind]
        costs.append(TrainingCost(training, images, tested, seconds))
    return costs


def _images_per_epoch(config: Config, table: ImageTable) -> int:
    sampler = build.build_sampler(config, table)
    sampler.set_epoch(1)
    return len(sampler) * config.batch.people_per_batch * config.batch.images_per_person


def _images_per_second(config: Config, people: int) -> float:
    """Time a few training steps on random images, after one that warms up."""
    config = replace(config, model=replace(config.model, weights=None), runtime=replace(config.runtime, compile=False))
    fabric = build.build_fabric(config)
    learner = build.build_learner(config, people, fabric)
    module, optimizer = fabric.setup(learner.model, learner.optimizer)
    objective = learner.objective.to(fabric.device)
    chance = torch.Generator().manual_seed(0)
    images = torch.randn(PROBED_IMAGES, 3, *config.model.image_size, generator=chance).to(fabric.device)
    images = images.contiguous(
        memory_format=torch.channels_last if config.runtime.channels_last else torch.preserve_format
    )
    person = (torch.arange(PROBED_IMAGES) // 4 % people).to(fabric.device)
    times = []
    for _ in range(1 + PROBED_STEPS):
        started = time.perf_counter()
        features = module(images)
        total, _ = objective(features.pooled, features.logits, person)
        optimizer.zero_grad()
        fabric.backward(total)
        optimizer.step()
        float(total.detach())  # waits for the device
        times.append(time.perf_counter() - started)
    return PROBED_IMAGES / median(times[1:])
