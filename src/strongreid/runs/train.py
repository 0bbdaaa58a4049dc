"""One run: from a configuration to trained weights and their result, in one folder.

RUN/config.yaml         the whole configuration; `strongreid train --recipe RUN/config.yaml` runs it again
RUN/run.json            versions, machine, seed, data fingerprint, label map
RUN/log.jsonl           the curve; tensorboard/ holds the same numbers
RUN/checkpoints/        the newest checkpoint, from which `--resume` goes on
RUN/model.safetensors   the last epoch's weights, or those that people held out found best, loadable by themselves;
                        model.card.md says what they are
RUN/result.npz          the figures of each query, for `strongreid compare`; identification.npz those of open set
RUN/result.json         the metrics of these weights, on further sets under `tested`; written last, marks a finished run

Under torchrun each process goes through all of this; the first one alone writes, evaluates and says what happens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from lightning.fabric import Fabric

from strongreid import build
from strongreid.config import Config, as_plain
from strongreid.config_sections import BatchConfig, DataConfig, ModelConfig, sets_of
from strongreid.evaluation import HEADLINE, METRICS
from strongreid.files import atomic_folder, path_part, write_json, write_text
from strongreid.losses import Objective
from strongreid.models import ReIDModel
from strongreid.models.calibrated import read_calibrated
from strongreid.models.model_file import read_arguments
from strongreid.models.start import own_model
from strongreid.reports.console import Console
from strongreid.runs.evaluate_features import COLUMNS, figure_cells
from strongreid.runs.folder import Run, refuse_changed, with_absolute_paths
from strongreid.runs.lock import lock_new_run, lock_run, sweep_finished
from strongreid.runs.outcome import Trained, write_outcome
from strongreid.runs.record import forget_peak_memory, record_of, recorded_in, warn_of_another_machine
from strongreid.runs.test_sets import Prepared, prepare
from strongreid.runs.verdict import verdict_of
from strongreid.training.averaging import AveragedWeights
from strongreid.training.best_epoch import BestEpoch
from strongreid.training.checkpoint import newest_checkpoint
from strongreid.training.collapse import CollapseWatch
from strongreid.training.images import TrainingImages
from strongreid.training.loop import StepReport, fit


def run_folder(config: Config, recipe: str) -> Path:
    """Return the folder of a run: its name, or else recipe, training sets and seed, below the output folder."""
    sets = "+".join(build.set_names(sets_of(config.data)))
    return config.output / (config.name or path_part(f"{recipe}-{sets}-seed{config.seed}"))


def start(config: Config, folder: Path, console: Console) -> Run:
    """Train and evaluate in a new folder. Everything that can be refused is refused before the folder is made."""
    config = _found_from_anywhere(config)
    with lock_new_run(folder, console):
        parts = _assemble(config, console)
        _tell_start(config.model, console)
        parts.fabric.barrier()  # no process may find the folder that the first one makes
        if parts.fabric.is_global_zero:
            with atomic_folder(folder) as partial:
                write_text(partial / "config.yaml", yaml.safe_dump(as_plain(parts.config), sort_keys=False))
                write_json(partial / "run.json", parts.record)
        parts.fabric.barrier()
        with lock_run(folder, console):
            return _train(parts, folder, console, checkpoint=None)


def resume(run: Run, console: Console, data: DataConfig | None = None) -> Run:
    """Go on with a run from its newest checkpoint; one that is finished is left as it is.

    `data` says where its data sets lie now; other images than before are refused, and so are other settings.
    """
    folder = run.folder
    if run.finished:
        sweep_finished(folder, console)
        console.say(f"{folder} is finished already.")
        return run
    with lock_run(folder, console):
        config, checkpoint = run.config, newest_checkpoint(folder / "checkpoints")
        where = f"from {checkpoint.name}" if checkpoint else "from its first epoch: it has no checkpoint yet"
        console.say(f"Going on with {folder} {where}.")
        recorded = recorded_in(checkpoint) if checkpoint else None
        if recorded is not None:
            refuse_changed(config, recorded["config"], folder)
        parts = _assemble(
            config if data is None else replace(config, data=data),
            console,
            recorded or run.record,
            checkpoint=checkpoint,
        )
        if recorded is not None:
            warn_of_another_machine(recorded, parts.record, console)
        return _train(parts, folder, console, checkpoint)


def show(run: Run, console: Console) -> None:
    """Write a finished run's metrics as a table, in percent: a row for each set that it was tested on."""
    tests = {run.name: run.metrics, **run.metrics.get("tested", {})}
    rows = [[name, *figure_cells(figures)] for name, figures in tests.items()]
    console.table(run.metrics["protocol"], ("", *COLUMNS), rows)
    if (chosen := run.metrics.get("chosen_epoch")) is not None:
        console.say(
            f"Epoch {chosen} of {run.config.schedule.epochs}: the best by people who were held out to choose it."
        )
    if run.config.evaluation.false_match_rate is not None and (known := read_calibrated(run.folder)) is not None:
        console.say(f"Threshold: {known.words(run.config.evaluation.metric)}")
    if (verdict := verdict_of(run)) is not None:
        console.say(f"Verdict: {verdict.sentence}.")
    console.say(f"Files: {run.folder}")


@dataclass(frozen=True)
class _Parts:
    """All that a training needs."""

    config: Config
    prepared: Prepared
    record: dict[str, Any]
    fabric: Fabric
    images: TrainingImages
    model: ReIDModel
    averaged: AveragedWeights | None
    objective: Objective

    @property
    def judged(self) -> ReIDModel:
        """The model that is measured, and the result: with the average of the weights, where there is one."""
        return self.model if self.averaged is None else self.averaged.model


def _found_from_anywhere(config: Config) -> Config:
    """Return settings without relative paths, as config.yaml keeps them."""
    config, weights = with_absolute_paths(config), config.model.weights
    if config.model.start is not None:
        return replace(config, model=replace(config.model, start=str(Path(config.model.start).absolute())))
    if weights is None or weights == "imagenet":
        return config
    return replace(config, model=replace(config.model, weights=str(Path(weights).absolute())))


def _tell_start(model: ModelConfig, console: Console) -> None:
    """Say what a training takes from a model of ours."""
    weights = model.weights
    if model.start is not None:
        console.say(f"Goes on from the model {model.start}; the classifier is new.")
    elif weights not in (None, "imagenet") and (file := own_model(Path(weights))) is not None:
        arguments, _ = read_arguments(file)
        console.say(
            f"Starts from the backbone in {file}, a model of {arguments['people']:,} people; neck and classifier are "
            "new."
        )


def _assemble(
    config: Config, console: Console, recorded: Mapping[str, Any] | None = None, *, checkpoint: Path | None = None
) -> _Parts:
    """Build all that a training needs; what can be refused is refused here.

    recorded: what was written of the training that goes on; checkpoint: which has its weights.
    """
    forget_peak_memory()
    fabric = build.build_fabric(config)
    prepared = prepare(config, console, recorded and recorded["data"]["fingerprint"])
    train = prepared.data.train
    config = _with_smaller_batches(config, len(train.people), fabric, console)
    images = build.build_training_images(config, train, prepared.train)
    first = config
    if checkpoint is not None:  # nothing of the first weights' files is needed any more
        start = config.model.start and str(checkpoint)
        first = replace(config, model=replace(config.model, weights=None, start=start))
    model = build.build_model(first, len(train.people), fabric, cameras=len(train.cameras))
    if checkpoint is None:  # written down, because one that goes on does not look at the first weights
        mean, std = model.normalisation.mean, model.normalisation.std
        config = replace(config, model=replace(config.model, mean=mean, std=std))
    objective = build.build_objective(config, len(train.people), model.width)
    fabric.launch()
    averaged = build.build_averaged(config, model)
    return _Parts(config, prepared, record_of(config, prepared, fabric), fabric, images, model, averaged, objective)


def _with_smaller_batches(config: Config, people: int, fabric: Fabric, console: Console) -> Config:
    """Take fewer people a batch where there are not as many and nobody chose their number: own sets start small."""
    chosen = config.batch.people_per_batch != BatchConfig().people_per_batch or config.batch.domain_balanced
    if chosen or not 2 <= people < config.batch.people_per_batch or fabric.world_size > 1:
        return config
    console.say(
        f"There are {people} people to train on: a batch has all of them, not {config.batch.people_per_batch} "
        "(batch.people_per_batch)."
    )
    return replace(config, batch=replace(config.batch, people_per_batch=people))


def _train(parts: _Parts, folder: Path, console: Console, checkpoint: Path | None) -> Run:
    """Train to the end, and test."""
    config, fabric, model = parts.config, parts.fabric, parts.model
    if config.runtime.compile:
        model.compile()

    def warn(text: str) -> None:
        console.say(f"Warning: {text}")

    people, stop = len(parts.prepared.data.train.people), parts.prepared.held_out.get("stop")
    watch = CollapseWatch(parts.objective, people, config.schedule.warmup_epochs, warn)
    with console.training_bar(folder.name, config.schedule.epochs) as report:
        last: StepReport | None = None

        def on_step(step: StepReport) -> None:
            nonlocal last
            last = step
            watch(step)
            report(step.epoch, step.step / step.steps, step.values)

        def measure() -> dict[str, float]:
            result = (stop or parts.prepared.tests[0]).embed(parts.judged, console).evaluate(console)
            metrics = {name: METRICS[name](result) for name in HEADLINE}
            if last is not None:
                report(last.epoch, 1.0, {**last.values, **metrics})
            return metrics

        best = BestEpoch(parts.judged, measure) if stop is not None else None
        progress = fit(
            model,
            parts.objective,
            parts.images,
            build.build_plan(config),
            optimizers=build.build_optimizers(config, model, parts.objective),
            fabric=fabric,
            folder=folder,
            record=parts.record,
            resume=checkpoint,
            after_step=[] if parts.averaged is None else [parts.averaged],
            evaluate=best or (lambda epoch: measure()),
            on_step=on_step,
            warn=warn,
        )
    if fabric.is_global_zero:
        chosen = (parts.judged, None) if best is None else (best.model, int(best.epoch))
        write_outcome(config, parts.prepared, Trained(progress.seconds, *chosen), folder, console)
    fabric.barrier()  # nobody looks for the result before it is there
    return Run(folder)
