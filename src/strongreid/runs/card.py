"""What the model card of a run says, gathered from the run's own files; and where it goes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from strongreid.config import Config
from strongreid.config_sections import main_set, sets_of
from strongreid.data import BENCHMARKS, set_name
from strongreid.data.specs import DRAWN
from strongreid.evaluation import HEADLINE, METRICS, RetrievalResult, bootstrap_interval
from strongreid.export import Card, card_path, card_text
from strongreid.export.card import network_words, threshold_words
from strongreid.files import inside, write_text
from strongreid.models import ReIDModel, save_for_hub
from strongreid.models.model_file import FILE_NAME
from strongreid.runs.folder import Run

OWN_TERMS: Final = "Own data: ask its owner for the terms of the pictures, and of what is made of them."
DRAWN_TERMS: Final = "People drawn by a program; no photograph of anybody."
VERSIONS: Final = ("strongreid", "torch", "timm")


def run_of(source: Path) -> Run | None:
    """Return the run that a model is of: `source`, or the folder of its model.safetensors; None without one."""
    folder = source.parent if source.is_file() and source.name == FILE_NAME else source
    return Run(folder) if (folder / "config.yaml").is_file() else None


@dataclass(frozen=True)
class Measured:
    """What a finished training was measured to do, or one whose last file is still to be written."""

    result: RetrievalResult
    """On its main set."""
    metrics: Mapping[str, Any]
    """result.json."""


def card_of(source: Path, model: ReIDModel, measured: Measured | None = None) -> Card:
    """Gather what is known of a model: all that its run recorded, or of a file alone what the file says.

    measured: what is not in the run's folder yet; None: what is there.
    """
    run = run_of(source)
    now = {name: version(name) for name in VERSIONS}
    name = source.name.removesuffix(".safetensors")
    card = Card(name, network_words(model), threshold=threshold_words(model), versions=now)
    if run is None:
        return card
    config = run.config
    if measured is None and run.finished:
        measured = Measured(run.result, run.metrics)
    environment = run.record["environment"] if run.recorded else {}
    return replace(
        card,
        name=run.name,
        data=_terms(config),
        recipe=_recipe(config),
        command=f"strongreid train --recipe {run.name}/config.yaml --name again",
        metrics=_metrics(config, measured) if measured is not None else {},
        versions={name: str(environment.get(name, now[name])) for name in VERSIONS},
    )


def write_run_card(folder: Path, model: ReIDModel, measured: Measured | None = None) -> None:
    """Write the card of a run's model beside it; `measured` as in `card_of`."""
    file = card_path(folder / FILE_NAME)
    write_text(inside(folder, file.name), card_text(card_of(folder, model, measured)))


def write_for_hub(source: str | Path, folder: str | Path) -> None:
    """Write the model of a run's folder, or a model file, as a new folder to push to the hub, with its model card.

    The card says what `card_of` gathers. Errors as in `ReIDModel.load` and `save_for_hub`.
    """
    model = ReIDModel.load(source)
    save_for_hub(model, folder, card=card_text(card_of(Path(source), model)))


def _terms(config: Config) -> dict[str, str]:
    names = [set_name(one.name, one.root) for one in sets_of(config.data)]
    return {name: _terms_of(name) for name in names}


def _terms_of(name: str) -> str:
    if name in BENCHMARKS:
        found = BENCHMARKS[name]
        return f"{found.title}. {found.terms} {found.source}."
    return DRAWN_TERMS if name == DRAWN else OWN_TERMS


def _recipe(config: Config) -> str:
    schedule, batch, first = config.schedule, config.batch, config.model.start or config.model.weights
    result = "result is the last epoch's: no checkpoint was chosen by a test metric."
    if config.data.stop_share:
        result = "epoch was chosen by people who were neither learned from nor are reported on."
    return (
        f"{schedule.epochs} epochs, learning rate {schedule.base_rate:g}, batches of {batch.people_per_batch} people x "
        f"{batch.images_per_person} images, first weights: {first or 'random'}, seed {config.seed}. The {result}"
    )


def _metrics(config: Config, measured: Measured) -> dict[str, list[str]]:
    main = main_set(config.data)
    name = set_name(main.name, main.root)
    intervals = {metric: bootstrap_interval(measured.result, metric) for metric in HEADLINE}
    sure = [
        f"{METRICS[metric].label} {METRICS[metric].text(found.value)} (95 % interval {METRICS[metric].text(found.low)} "
        f"to {METRICS[metric].text(found.high)})"
        for metric, found in intervals.items()
    ]
    further: Mapping[str, Any] = measured.metrics.get("tested", {})
    others = {
        other: [f"{METRICS[metric].label} {METRICS[metric].text(figures[metric])}" for metric in HEADLINE]
        for other, figures in further.items()
    }
    return {f"{name} ({measured.metrics['protocol']})": sure, **others}
