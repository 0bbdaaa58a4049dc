"""Training, one straight page: `fit` reads from top to bottom.

Every random draw is a function of (seed, epoch, step), so no generator's state has to survive: a resumed run makes the
same batches, the same flips and the same rectangles. A batch is this process's SHARE of one global P x K batch;
features are gathered with gradient before the losses see them, so that what is mined does not depend on the number of
processes. Only the first process writes and evaluates. Numbers leave the device every `log_every` steps and at an
epoch's end only; a flag on the device remembers the first step whose loss was not finite. The result of a training is
its last epoch's: nothing here chooses weights by a metric, unless `evaluate` keeps some.
"""

import signal
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import nn
from torch.optim import Optimizer

from strongreid.errors import InputError
from strongreid.losses.objective import TOTAL, Objective
from strongreid.models import ReIDModel
from strongreid.training.checkpoint import (
    Progress,
    newest_checkpoint,
    refuse_impossible,
    remove_older,
    restore_checkpoint,
    save_checkpoint,
)
from strongreid.training.images import TrainingImages
from strongreid.training.learner import AfterStep, Learner
from strongreid.training.log import open_log
from strongreid.training.optimizer import paper_optimizers
from strongreid.training.processes import gather, share
from strongreid.training.schedule import Schedule
from strongreid.training.signals import Stopped, stop_requests

CHECKPOINTS: Final = "checkpoints"
"""The folder of the checkpoints in that of a run."""


@dataclass(frozen=True)
class Plan:
    """How long, how fast, and how often to write things down."""

    epochs: int = 120
    rate: Schedule | None = None
    """Learning rate of the first optimiser; None: it stays as it is."""
    seed: int = 0
    """Seed of the augmentation and of backbones that drop activations."""
    log_every: int = 10
    """Steps between two lines of the log, which has one at each epoch's end too."""
    checkpoint_every: int = 1
    """Epochs between two checkpoints."""
    evaluate_every: int = 0
    """Epochs between two evaluations for the curve; 0 for none."""
    evaluate_last: bool = False
    """Evaluate after the last epoch too."""
    frozen_epochs: int = 0
    """Epochs at the start in which the backbone stays as it is, its statistics too."""

    def __post_init__(self) -> None:
        least = {"epochs": 1, "seed": 0, "log_every": 1, "checkpoint_every": 1, "evaluate_every": 0, "frozen_epochs": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(f"`{name}` is {getattr(self, name)}; it must be at least {value}.")

    def evaluates(self, epoch: int) -> bool:
        """Whether there is an evaluation after an epoch."""
        if epoch == self.epochs:
            return self.evaluate_last
        return self.evaluate_every > 0 and epoch % self.evaluate_every == 0


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
    model: ReIDModel,
    objective: Objective,
    images: TrainingImages,
    plan: Plan | None = None,
    *,
    optimizers: Sequence[Optimizer] | None = None,
    after_step: Sequence[AfterStep] = (),
    fabric: Fabric | None = None,
    folder: Path | None = None,
    record: Mapping[str, Any] | None = None,
    resume: Path | None = None,
    evaluate: Callable[[int], Mapping[str, float]] | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    warn: Callable[[str], None] = warnings.warn,
) -> Progress:
    """Train `model` in place to the end of the last epoch; return where it ended.

    Args:
        model: the network; its people are those of the images, its image size that of the packed ones.
        objective: the losses; those that learn are changed too.
        images: what to learn from; `TrainingImages.build` makes them of a table.
        plan: how long, how fast, and how often to write things down; None: the defaults of `Plan`.
        optimizers: those of `model` and `objective`; the rate of the first follows the plan. None: `paper_optimizers`.
        after_step: called after each step; those that are modules are saved with the checkpoints.
        fabric: device, precision and processes, launched. None: one GPU if there is one, otherwise the CPU.
        folder: where log and checkpoints (`checkpoints/`) are written; made if need be. None: nothing is written.
        record: goes into each checkpoint.
        resume: the checkpoint to go on from. Several processes read it from one folder.
        evaluate: returns metrics for the curve after an epoch, in the first process, where `plan.evaluates` says so;
            one that is a module, as `BestEpoch`, is saved with the checkpoints.
        on_step: called after each step, in all processes.
        warn: is told what does not stop a training.

    After SIGINT, SIGTERM or SIGHUP the step in progress is finished (several processes: all steps to the next line of
    the log), a checkpoint written and `Stopped` raised, a `KeyboardInterrupt`; a second signal does not wait. Raises
    `InputError` where the parts do not fit together, and with the images' names for a loss that is not finite.
    """
    images.check(model)
    if folder is not None and resume is None and (found := newest_checkpoint(folder / CHECKPOINTS)):
        raise InputError(f"{folder} has a training in it: go on from {found} (`resume`), or choose another `folder`.")
    plan = plan or Plan()
    fabric = fabric or Fabric(accelerator="auto", devices=1)
    if optimizers is None:
        optimizers = paper_optimizers(model, objective)
    kept = {"evaluate": evaluate} if isinstance(evaluate, nn.Module) else {}
    learner = Learner(fabric, model, objective, optimizers, after_step, kept)
    progress = Progress()
    if resume is not None:
        progress = restore_checkpoint(resume, learner)
        refuse_impossible(resume, progress, plan.epochs, images.steps)
    started = time.perf_counter() - progress.seconds
    values: dict[str, float] = {}
    packed, person_index = images.packed.on_gpu_if_it_fits(fabric.device), torch.from_numpy(images.table.person_index())
    cameras = torch.from_numpy(images.table.camera_index()) if model.takes_camera else None
    batch: torch.Tensor | None = None

    def checkpoint() -> None:
        if folder is not None and log is not None:
            progress.log_bytes, progress.seconds = log.sync(), time.perf_counter() - started
            save_checkpoint(folder / CHECKPOINTS, learner, progress, dict(record or {}))
        fabric.barrier()

    counts = {"keep_bytes": progress.log_bytes, "keep_steps": progress.total_steps}
    with open_log(folder if fabric.is_global_zero else None, warn, **counts) as log, stop_requests() as asked:
        if log is not None and resume is not None:
            remove_older(resume)
        while progress.epoch <= plan.epochs:
            epoch = progress.epoch
            steps = images.steps(epoch)
            first_bad = torch.full((), -1, device=fabric.device)
            learner.begin_epoch(frozen=epoch <= plan.frozen_epochs)
            clock, timed_steps = time.perf_counter(), 0

            for step, indices in enumerate(images.sampler):
                if step < progress.step:
                    continue  # done before the run was resumed
                torch.manual_seed(_step_seed(plan.seed, epoch, step, fabric))  # for backbones that drop activations
                if plan.rate is not None:
                    learner.rate = plan.rate(epoch, step / steps)
                mine = share(len(indices), fabric)
                draws = images.augmentation.draw(
                    len(indices), images.packed.size, seed=plan.seed, epoch=epoch, step=step
                )
                pixels = packed[indices[mine]].to(fabric.device, non_blocking=True)
                batch = images.augmentation.apply(  # in the last step's memory
                    pixels, draws[mine], out=batch, normalisation=model.normalisation
                )
                person = person_index[indices].to(fabric.device, non_blocking=True)
                camera = None if cameras is None else cameras[indices[mine]].to(fabric.device, non_blocking=True)

                features = learner.module(batch, camera)._asdict()
                features |= {name: gather(features[name], fabric) for name in features if name in objective.inputs}
                total, terms = objective(features, person)
                learner.step(total)

                losses = torch.stack([total.detach().float(), *terms.values(), torch.ones_like(total)])
                learner.sums.add_(losses)
                first_bad = torch.where((first_bad < 0) & ~losses.isfinite().all(), step, first_bad)
                progress.step, progress.total_steps, timed_steps = step + 1, progress.total_steps + 1, timed_steps + 1

                waits = progress.total_steps % plan.log_every == 0 or step + 1 == steps
                interrupted = (waits or fabric.world_size == 1) and _any(asked() is not None, fabric)
                if waits or interrupted:
                    _stop_if_not_finite(int(first_bad), images, epoch, folder)
                if waits:
                    *sums, count = learner.sums.tolist()
                    learner.sums.zero_()
                    means = [value / count for value in sums]
                    seconds, clock = time.perf_counter() - clock, time.perf_counter()
                    values = {"epoch": epoch, "rate": learner.rate, **dict(zip((TOTAL, *terms), means, strict=True))}
                    values["images_per_second"] = round(timed_steps * len(indices) / seconds, 1)
                    timed_steps = 0
                    if log is not None:
                        log.write(progress.total_steps, values)
                if on_step is not None:
                    on_step(StepReport(epoch, step + 1, steps, values))
                if interrupted:
                    checkpoint()
                    raise Stopped(asked() or signal.SIGINT)

            progress.epoch, progress.step = epoch + 1, 0
            if plan.evaluates(epoch) and evaluate is not None and fabric.is_global_zero:
                progress.metrics = dict(evaluate(epoch))
                if log is not None:
                    log.write(progress.total_steps, {"epoch": epoch, **progress.metrics})
            interrupted = _any(asked() is not None, fabric)
            if epoch % plan.checkpoint_every == 0 or epoch == plan.epochs or interrupted:
                checkpoint()
            if interrupted:
                raise Stopped(asked() or signal.SIGINT)
    return progress


def _any(decision: bool, fabric: Fabric) -> bool:
    """Whether any process decides so. With several processes it waits for all of them, and for the device."""
    return fabric.strategy.reduce_boolean_decision(decision, all=False)


def _step_seed(seed: int, epoch: int, step: int, fabric: Fabric) -> int:
    sequence = np.random.SeedSequence([seed, epoch, step, fabric.global_rank])
    return int(sequence.generate_state(1, np.uint64)[0])


def _stop_if_not_finite(bad: int, images: TrainingImages, epoch: int, folder: Path | None) -> None:
    if bad < 0:
        return
    images.sampler.set_epoch(epoch)
    indices = next(indices for step, indices in enumerate(images.sampler) if step == bad)
    names = ", ".join(images.table.path[index] for index in indices)
    before = "" if folder is None else f" Checkpoints before it are in {folder / CHECKPOINTS}."
    raise InputError(
        f"The loss is not finite at epoch {epoch}, step {bad + 1}. A lower learning rate, a longer warm-up or full "
        f"precision (32-true) may help.{before} The images of that batch: {names}."
    )
