"""Training, one straight page: `fit` reads from top to bottom.

Every random draw is a function of (seed, epoch, step), so no generator's state has to survive: a resumed run makes
the same batches, the same flips and the same rectangles. A batch is this process's SHARE of one global P x K batch;
features are gathered with gradient before the losses see them, so that what is mined does not depend on the number of
processes. Only the first process writes and evaluates. Numbers leave the device every `log_every` steps only; a flag on
the device remembers the first step whose loss was not finite. The result of a training is its last epoch's: nothing
here chooses weights by a metric.
"""

import signal
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric

from strongreid.data import Augmentation, DomainBalancedSampler, ImageTable, PackedImages, PKBatchSampler
from strongreid.errors import InputError
from strongreid.training.checkpoint import Progress, refuse_impossible, restore_checkpoint, save_checkpoint
from strongreid.training.learner import Learner
from strongreid.training.log import RunLog
from strongreid.training.optimizer import set_rate
from strongreid.training.processes import gather, share
from strongreid.training.signals import Stopped, stop_requests


@dataclass(frozen=True)
class TrainingImages:
    """The training set: its table, its decoded images (in the table's order) and how they are drawn and changed."""

    table: ImageTable
    packed: PackedImages
    sampler: PKBatchSampler | DomainBalancedSampler
    augmentation: Augmentation


@dataclass(frozen=True)
class Plan:
    """How long, how fast, and how often to write things down."""

    epochs: int
    rate: Callable[[int], float]
    """Learning rate of an epoch, counted from 1."""
    seed: int
    log_every: int
    """Steps between two lines of the log."""
    checkpoint_every: int
    """Epochs between two checkpoints."""
    evaluate_every: int
    """Epochs between two evaluations for the curve; 0 for none."""


@dataclass(frozen=True)
class StepReport:
    """What a progress bar shows after a step."""

    epoch: int
    step: int
    steps: int
    """Steps in this epoch."""
    values: Mapping[str, float]
    """The last line of the log: loss terms, rate, images per second."""


def fit(
    fabric: Fabric,
    learner: Learner,
    images: TrainingImages,
    plan: Plan,
    folder: Path,
    record: dict[str, Any],
    resume: Path | None,
    evaluate: Callable[[], dict[str, float]],
    on_step: Callable[[StepReport], None],
    warn: Callable[[str], None] = warnings.warn,
) -> Progress:
    """Train to the end of the last epoch, from the start or from the checkpoint `resume`; return where it ended.

    `learner` is changed in place and holds the objects before `fabric.setup`; with several processes its model has gone
    through `share_batch_statistics`. `record` goes into each checkpoint, which are written to `folder / "checkpoints"`.
    `evaluate` returns metrics for the curve; `warn` is told what does not stop a training. After SIGINT, SIGTERM or
    SIGHUP the step in progress is finished (several processes: all steps to the next line of the log), a checkpoint
    written and `Stopped` raised, a `KeyboardInterrupt`; a second signal does not wait. Several processes read
    checkpoints from one folder, and all of them call `on_step`.
    """
    module, optimizer = fabric.setup(learner.model, learner.optimizer)
    objective = learner.objective.to(fabric.device)
    learner.sums = learner.sums.to(fabric.device)
    progress = Progress()
    if resume is not None:
        progress = restore_checkpoint(resume, learner)
        refuse_impossible(resume, progress, plan.epochs, lambda epoch: _steps(images, epoch))
    checkpoints = folder / "checkpoints"
    started = time.perf_counter() - progress.seconds
    values: dict[str, float] = {}
    packed, person_index = images.packed.on_gpu_if_it_fits(fabric.device), torch.from_numpy(images.table.person_index())
    batch: torch.Tensor | None = None

    def checkpoint() -> None:
        if log is not None:
            progress.log_bytes, progress.seconds = log.sync(), time.perf_counter() - started
            save_checkpoint(checkpoints, learner, progress, record)
        fabric.barrier()

    with _log(fabric, folder, progress, warn) as log, stop_requests() as asked:
        while progress.epoch <= plan.epochs:
            epoch = progress.epoch
            rate = plan.rate(epoch)
            set_rate(learner.optimizer, rate)
            images.sampler.set_epoch(epoch)
            steps = len(images.sampler)
            first_bad = torch.full((), -1, device=fabric.device)
            module.train()
            clock, timed_steps = time.perf_counter(), 0

            for step, indices in enumerate(images.sampler):
                if step < progress.step:
                    continue  # done before the run was resumed
                torch.manual_seed(_step_seed(plan.seed, epoch, step, fabric))  # for backbones that drop activations
                mine = share(len(indices), fabric)
                draws = images.augmentation.draw(
                    len(indices), images.packed.size, seed=plan.seed, epoch=epoch, step=step
                )
                pixels = packed[indices[mine]].to(fabric.device, non_blocking=True)
                batch = images.augmentation.apply(pixels, draws[mine], out=batch)  # in the last step's memory
                person = person_index[indices].to(fabric.device, non_blocking=True)

                features = module(batch)
                total, terms = objective(gather(features.pooled, fabric), gather(features.logits, fabric), person)
                optimizer.zero_grad()
                if learner.center_optimizer is not None:
                    learner.center_optimizer.zero_grad()
                fabric.backward(total)
                optimizer.step()
                if learner.center_optimizer is not None:
                    learner.center_optimizer.step()

                losses = torch.stack([total.detach().float(), *terms.values(), torch.ones_like(total)])
                learner.sums += losses
                first_bad = torch.where((first_bad < 0) & ~losses.isfinite().all(), step, first_bad)
                progress.step, progress.total_steps, timed_steps = step + 1, progress.total_steps + 1, timed_steps + 1

                waits = progress.total_steps % plan.log_every == 0 or step + 1 == steps
                interrupted = (waits or fabric.world_size == 1) and _any(asked() is not None, fabric)
                if waits or interrupted:
                    _stop_if_not_finite(int(first_bad), images, plan, epoch, checkpoints)
                if progress.total_steps % plan.log_every == 0:
                    *sums, count = learner.sums.tolist()
                    learner.sums.zero_()
                    means = [value / count for value in sums]
                    seconds, clock = time.perf_counter() - clock, time.perf_counter()
                    values = {"epoch": epoch, "rate": rate, **dict(zip(("total", *terms), means, strict=True))}
                    values["images_per_second"] = round(timed_steps * len(indices) / seconds, 1)
                    timed_steps = 0
                    if log is not None:
                        log.write(progress.total_steps, values)
                on_step(StepReport(epoch, step + 1, steps, values))
                if interrupted:
                    checkpoint()
                    raise Stopped(asked() or signal.SIGINT)

            progress.epoch, progress.step = epoch + 1, 0
            due = plan.evaluate_every and epoch % plan.evaluate_every == 0 and epoch < plan.epochs
            if due and log is not None:
                progress.metrics = evaluate()
                log.write(progress.total_steps, {"epoch": epoch, **progress.metrics})
            interrupted = _any(asked() is not None, fabric)
            if epoch % plan.checkpoint_every == 0 or epoch == plan.epochs or interrupted:
                checkpoint()
            if interrupted:
                raise Stopped(asked() or signal.SIGINT)
    return progress


def _steps(images: TrainingImages, epoch: int) -> int:
    images.sampler.set_epoch(epoch)
    return len(images.sampler)


def _log(
    fabric: Fabric, folder: Path, progress: Progress, warn: Callable[[str], None]
) -> AbstractContextManager[RunLog | None]:
    """Open the log in the first process; the others have none."""
    if not fabric.is_global_zero:
        return nullcontext()
    return RunLog(folder, warn, keep_bytes=progress.log_bytes, keep_steps=progress.total_steps)


def _any(decision: bool, fabric: Fabric) -> bool:
    """Whether any process decides so. With several processes it waits for all of them, and for the device."""
    return fabric.strategy.reduce_boolean_decision(decision, all=False)


def _step_seed(seed: int, epoch: int, step: int, fabric: Fabric) -> int:
    sequence = np.random.SeedSequence([seed, epoch, step, fabric.global_rank])
    return int(sequence.generate_state(1, np.uint64)[0])


def _stop_if_not_finite(bad: int, images: TrainingImages, plan: Plan, epoch: int, checkpoints: Path) -> None:
    if bad < 0:
        return
    images.sampler.set_epoch(epoch)
    indices = next(indices for step, indices in enumerate(images.sampler) if step == bad)
    names = "\n".join(f"  {images.table.path[index]}" for index in indices)
    raise InputError(
        f"The loss is not finite at epoch {epoch}, step {bad + 1}. A lower schedule.base_rate, a longer "
        f"schedule.warmup_epochs or runtime.precision 32-true may help; checkpoints before it are in {checkpoints}. "
        f"The images of that batch:\n{names}"
    )
