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
from strongreid.evaluation import estimate_cost
from strongreid.tables.plan import Sweep, Training
from strongreid.training.checkpoint import newest_checkpoint, read_state
from strongreid.training.learner import Learner

PROBED_IMAGES = 32
PROBED_STEPS = 3
EMBEDDING_SPEED_UP = 2.5
"""How much faster a forward pass is than a training step, roughly."""


@dataclass(frozen=True)
class TrainingCost:
    """What is still to do for one training."""

    training: Training
    images: int
    """Images that go through training, in all epochs that are left."""
    tested: int
    """Images that are embedded, in all tests that are left."""
    seconds: float
    """A rough estimate."""


@dataclass(frozen=True)
class _Speed:
    images_per_second: float
    """In training."""
    width: int
    """Of the features."""


def estimate(sweep: Sweep) -> list[TrainingCost]:
    """Estimate every training of a sweep once, with the tests of it; what is done costs nothing."""
    speeds: dict[tuple[object, ...], _Speed] = {}
    sizes: dict[str, tuple[int, int]] = {}
    costs = []
    for training in sweep.trainings:
        config = training.config
        data = build.build_data(config)
        epochs = _epochs_left(training)
        images = epochs * _images_per_epoch(config, data.train) if epochs else 0
        mine = [item for item in sweep.measurements if item.training.folder == training.folder]
        tests = [(item.test.data, item.row.reranking is not None) for item in mine if not item.done]
        tests += [(config.data, False)] if epochs else []
        if not tests:
            costs.append(TrainingCost(training, images, 0, 0.0))
            continue
        model = config.model
        kind = (model.backbone, model.last_stride, model.patch_stride, model.image_size, config.runtime)
        if kind not in speeds:
            speeds[kind] = _speed(config, len(data.train.people))
        speed, tested, ranking = speeds[kind], 0, 0.0
        for tested_on, reranking in tests:
            key = repr(tested_on)
            if key not in sizes:
                test = build.build_data(replace(config, data=tested_on))
                sizes[key] = len(test.query), len(test.gallery)
            tested += sum(sizes[key])
            ranking += estimate_cost(*sizes[key], speed.width, reranking=reranking).seconds
        seconds = (images + tested / EMBEDDING_SPEED_UP) / speed.images_per_second + ranking
        costs.append(TrainingCost(training, images, tested, seconds))
    return costs


def _epochs_left(training: Training) -> int:
    """Return how many epochs are still to do, the one in progress included."""
    if training.finished:
        return 0
    checkpoint = newest_checkpoint(training.folder / "checkpoints")
    done = read_state(checkpoint)["epoch"] - 1 if checkpoint else 0
    return training.config.schedule.epochs - int(done)


def _images_per_epoch(config: Config, table: ImageTable) -> int:
    sampler = build.build_sampler(config, table)
    sampler.set_epoch(1)
    return len(sampler) * config.batch.people_per_batch * config.batch.images_per_person


def _speed(config: Config, people: int) -> _Speed:
    """Time a few training steps on random images, after one that warms up."""
    config = replace(config, model=replace(config.model, weights=None), runtime=replace(config.runtime, compile=False))
    fabric = build.build_fabric(config)
    model = build.build_model(config, people)
    objective = build.build_objective(config, people, model.width)
    learner = Learner(fabric, model, objective, build.build_optimizers(config, model, objective))
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(PROBED_IMAGES, 3, *config.model.image_size, generator=rng).to(fabric.device)
    images = images.contiguous(
        memory_format=torch.channels_last if config.runtime.channels_last else torch.preserve_format
    )
    person = (torch.arange(PROBED_IMAGES) // 4 % people).to(fabric.device)
    times = []
    for _ in range(1 + PROBED_STEPS):
        started = time.perf_counter()
        total, _ = objective(learner.module(images)._asdict(), person)
        learner.step(total)
        float(total.detach())  # waits for the device
        times.append(time.perf_counter() - started)
    return _Speed(PROBED_IMAGES / median(times[1:]), model.width)
