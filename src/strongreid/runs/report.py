"""A report on a finished run: its weights meet its test set once more, and what is worth looking at goes on a page.

Figures are computed again rather than copied, because figures, curves and pictures must be of the same ranking.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strongreid.config import Config, as_plain
from strongreid.evaluation import RetrievalResult
from strongreid.evaluation.embeddings import JUNK
from strongreid.files import inside, require_target
from strongreid.models import ReIDModel
from strongreid.reports import results, showing
from strongreid.reports.confusions import hardest_pairs
from strongreid.reports.console import Console
from strongreid.reports.page import Section, write_page
from strongreid.reports.ranked import ImageGallery, pick_queries, ranked_lists
from strongreid.runs.folder import Run, finished_run
from strongreid.runs.test_sets import prepare_main_test, prepare_own_tests

STRIPS = 3
"""Strips of the best, of the median and of the worst queries each."""
PAIRS = 8
"""Hardest pairs of either kind."""
AGREEMENT = 5e-4
"""Fraction of mAP by which the figures may differ from the recorded ones before the page says so."""


def report_run(folder: Path, data_root: Path | None, output: Path | None, console: Console) -> Path:
    """Write the report on a finished run as one HTML page and return its path, by default `report.html` in `folder`.

    data_root: where its data set lies now, if it was moved since the training. Errors as in `run_sections`; also
    `InputError` where `output` is a folder.
    """
    path = output or inside(folder, "report.html")
    require_target(path)
    run = finished_run(folder, data_root)
    sections = run_sections(run, console)
    config = run.config
    data = run.record["data"]
    title = "drawn people" if data["name"] == "drawn" else data["name"]
    subtitle = f"{config.model.backbone} on {title}, {config.schedule.epochs} epochs, seed {config.seed}"
    write_page(path, run.folder.resolve().name, subtitle, sections)
    return path


def run_sections(run: Run, console: Console, *, tested: Config | None = None) -> list[Section]:
    """Return the sections of the report on a finished run.

    Args:
        run: The run.
        console: Shows the progress of embedding and ranking.
        tested: Settings whose test set, feature and metric are taken in place of the run's own.

    Raises `InputError` where its data set is not where, or not what, it was.
    """
    config = run.config
    wanted = tested or config
    test = prepare_main_test(tested, console) if tested else prepare_own_tests(run, console, further=False)[0]
    notes = [f"Note: {warning}" for warning in test.data.warnings]
    model = run.model(wanted.evaluation)
    embedded = test.embed(model, console)
    query, gallery, metric, same_camera = embedded.query, embedded.gallery, embedded.metric, embedded.same_camera
    result = embedded.evaluate(console)
    others: Mapping[str, Any] = {}
    if tested is None:
        notes += _differences(run.metrics, result)
        others = run.metrics.get("tested", {})
    people = {*query.person.tolist(), *gallery.person.tolist()} - {JUNK}
    verification = embedded.verify(console) if len(people) > 1 else None  # else nobody can be accepted wrongly
    chosen = pick_queries(result, query.person, STRIPS)
    strips = {
        name: ranked_lists(query, gallery, rows, metric=metric, same_camera=same_camera)
        for name, rows in chosen.items()
    }
    with console.bar("Looking for confusions") as report:
        confusions = hardest_pairs(query, gallery, PAIRS, metric=metric, same_camera=same_camera, progress=report)
    every = [found for lists in strips.values() for found in lists]
    images = ImageGallery(test.query.table, test.query.packed), ImageGallery(test.gallery.table, test.gallery.packed)
    return [
        results.result_section(result, (len(query), len(gallery)), others, notes),
        results.learning_section(run.log, run.metrics, config.schedule.epochs),
        results.thresholds_section(result, verification),
        showing.strips_section(strips, *images, result.average_precision.tolist()),
        showing.activation_section(model, every, *images),
        showing.plane_section(query, gallery, images[1], metric),
        showing.confusions_section(confusions, *images),
        results.cost_section(run.metrics, _network(model)),
        results.settings_section(
            as_plain(config),
            as_plain(Config()),
            f"strongreid train --recipe {run.folder / 'config.yaml'} --name again",
        ),
        results.environment_section(run.record),
    ]


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
    height, width = model.image_size
    return (
        f"{model.arguments['backbone']}: {count / 1e6:.1f} million parameters, features of {model.width} numbers, "
        f"images of {height} x {width} pixels."
    )
