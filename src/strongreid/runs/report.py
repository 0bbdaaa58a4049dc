"""A report on a finished run: its weights meet its test set once more, and what is worth looking at goes on a page.

Figures are computed again rather than copied, because figures, curves and pictures must be of the same ranking.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from strongreid.config import Config, as_plain
from strongreid.data import ReIDData
from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, RetrievalResult, Verification, verify
from strongreid.evaluation.embeddings import JUNK
from strongreid.models import ReIDModel
from strongreid.recipes import read_config
from strongreid.reports import results, showing
from strongreid.reports.confusions import hardest_pairs
from strongreid.reports.console import Console
from strongreid.reports.page import Section, write_page
from strongreid.reports.ranked import ImageGallery, pick_queries, ranked_lists
from strongreid.runs import test_sets
from strongreid.runs.folder import read_metrics, read_record
from strongreid.training.log import read_log

STRIPS = 3
"""Strips of the best, of the median and of the worst queries each."""
PAIRS = 8
"""Hardest pairs of either kind."""
AGREEMENT = 5e-4
"""Fraction of mAP by which the figures may differ from the recorded ones before the page says so."""


@dataclass(frozen=True)
class _Seen:
    """A run with its test set as its weights see it."""

    config: Config
    recorded: dict[str, Any]
    record: dict[str, Any]
    model: ReIDModel
    data: ReIDData
    query: Embeddings
    gallery: Embeddings
    albums: tuple[ImageGallery, ImageGallery]
    result: RetrievalResult
    notes: list[str]
    """What to say of the figures, in sentences."""
    others: Mapping[str, Any]
    """Metrics on further test sets, by name."""


def report_run(folder: Path, data_root: Path | None, output: Path | None, console: Console) -> Path:
    """Write the report on a finished run as one HTML page and return its path, by default `report.html` in `folder`.

    Arguments and errors as in `run_sections`; also `InputError` where `output` is a folder.
    """
    path = output or folder / "report.html"
    if path.is_dir():
        raise InputError(f"{path} is a folder. Name the file to write, such as --output {path / 'report.html'}")
    sections = run_sections(folder, data_root, console)
    config = read_config(folder / "config.yaml")
    subtitle = f"{config.model.backbone} on {config.data.name}, {config.schedule.epochs} epochs, seed {config.seed}"
    write_page(path, folder.resolve().name, subtitle, sections)
    return path


def run_sections(
    folder: Path, data_root: Path | None, console: Console, *, tested: Config | None = None
) -> list[Section]:
    """Return the sections of the report on a finished run.

    Args:
        folder: The run's folder.
        data_root: Where its data set lies now, if it was moved since the training.
        console: Shows the progress of embedding and ranking.
        tested: Settings whose test set, feature and metric are taken in place of the run's own.

    Raises `InputError` where the run is not finished, or its data set is not where, or not what, it was.
    """
    seen = _look(folder, data_root, tested, console)
    query, gallery = seen.albums
    same_camera, metric = seen.data.same_camera, seen.model.metric
    chosen = pick_queries(seen.result, seen.query.person, STRIPS)
    strips = {
        name: ranked_lists(seen.query, seen.gallery, rows, metric=metric, same_camera=same_camera)
        for name, rows in chosen.items()
    }
    with console.bar("Looking for confusions") as report:
        confusions = hardest_pairs(
            seen.query, seen.gallery, PAIRS, metric=metric, same_camera=same_camera, progress=report
        )
    every = [found for lists in strips.values() for found in lists]
    return [
        results.result_section(seen.result, (len(seen.query), len(seen.gallery)), seen.others, seen.notes),
        results.learning_section(read_log(folder), seen.recorded, seen.config.schedule.epochs),
        results.thresholds_section(seen.result, _verification(seen, console)),
        showing.strips_section(strips, query, gallery, seen.result.average_precision.tolist()),
        showing.activation_section(seen.model, every, query, gallery),
        showing.plane_section(seen.query, seen.gallery, gallery, metric),
        showing.confusions_section(confusions, query, gallery),
        results.cost_section(seen.recorded, _network(seen.model)),
        results.settings_section(
            as_plain(seen.config),
            as_plain(Config()),
            f"strongreid train --recipe {folder / 'config.yaml'} --name again",
        ),
        results.environment_section(seen.record),
    ]


def _look(folder: Path, data_root: Path | None, tested: Config | None, console: Console) -> _Seen:
    for name in ("config.yaml", "run.json", "result.json"):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder} is not the folder of a finished run: it holds no {name}. Name a run's folder; one that was "
                f"stopped is finished by: strongreid train --resume {folder}"
            )
    config, record, recorded = read_config(folder / "config.yaml"), read_record(folder), read_metrics(folder)
    wanted = tested or config
    root = wanted.data.root if data_root is None else data_root
    test = test_sets.prepare_tests(replace(wanted, data=replace(wanted.data, root=root, tested=[])), console)[0]
    if tested is None:
        _refuse_other_images(record, test.data)
    model = test_sets.load_model(folder, config)
    model.feature, model.metric = wanted.evaluation.feature, wanted.evaluation.metric
    query, gallery = test_sets.embed_test(model, test, console)
    result = test_sets.rank(model, query, gallery, test.data, console)
    notes = [f"Note: {warning}" for warning in test.data.warnings]
    others: Mapping[str, Any] = {}
    if tested is None:
        notes += _differences(recorded, result)
        others = recorded.get("tested", {})
    albums = ImageGallery(test.query.table, test.query.packed), ImageGallery(test.gallery.table, test.gallery.packed)
    return _Seen(config, recorded, record, model, test.data, query, gallery, albums, result, notes, others)


def _refuse_other_images(record: dict[str, Any], data: ReIDData) -> None:
    for part in ("query", "gallery"):
        before = record["data"]["fingerprint"][part]
        if before != getattr(data, part).fingerprint():
            raise InputError(
                f"The {part} images of {data.name} are not those that this run was tested on (their fingerprints "
                "differ): restore them, or name the right folder by --data_root."
            )


def _verification(seen: _Seen, console: Console) -> Verification | None:
    if len({*seen.query.person.tolist(), *seen.gallery.person.tolist()} - {JUNK}) < 2:
        return None  # no pair of different people, so nothing to accept wrongly
    with console.bar("Comparing all pairs") as report:
        return verify(
            seen.query, seen.gallery, metric=seen.model.metric, same_camera=seen.data.same_camera, progress=report
        )


def _differences(recorded: Mapping[str, Any], result: RetrievalResult) -> list[str]:
    before = recorded["mean_ap"]
    if abs(before - result.mean_ap) <= AGREEMENT:
        return []
    return [
        f"Note: result.json says {100 * before:.2f} % mAP, measured at the end of the training; these weights gave "
        f"{100 * result.mean_ap:.2f} % here."
    ]


def _network(model: ReIDModel) -> str:
    count = sum(parameter.numel() for parameter in model.parameters())
    arguments = model.arguments
    height, width = model.image_size
    return (
        f"{arguments['backbone']}: {count / 1e6:.1f} million parameters, features of {model.width} numbers, "
        f"images of {height} x {width} pixels."
    )
