"""Reports on a finished run, or on features of any model.

A run's weights meet its test set once more, and what is worth looking at goes on a page.

Figures are computed again rather than copied, because figures, curves and pictures must be of the same ranking.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from strongreid.config import Config, as_plain
from strongreid.errors import InputError, command_line
from strongreid.evaluation import Embeddings, Reranking, RetrievalResult
from strongreid.evaluation.embeddings import JUNK, read_arrays
from strongreid.files import inside, require_target
from strongreid.models import ReIDModel
from strongreid.reports import open_set, results, showing
from strongreid.reports.confusions import hardest_pairs
from strongreid.reports.console import Console
from strongreid.reports.images import ImageFiles
from strongreid.reports.page import Section, Text, write_page
from strongreid.reports.ranked import ImageGallery, RankedList, pick_queries, ranked_lists
from strongreid.runs.evaluate_features import USUAL, EmbeddedTest, Protocol, load_test
from strongreid.runs.folder import Run, finished_run
from strongreid.runs.open_set import remarks, usual_open_set
from strongreid.runs.test_sets import prepare_main_test, prepare_own_tests
from strongreid.runs.verdict import verdict_of

STRIPS = 3
"""Strips of the best, of the median and of the worst queries each."""
PAIRS = 8
"""Hardest pairs of either kind."""
AGREEMENT = 5e-4
"""Fraction of mAP by which the figures may differ from the recorded ones before the page says so."""


def report_run(
    folder: Path, data_root: Path | None, output: Path | None, console: Console, reranking: Reranking | None = None
) -> Path:
    """Write the report on a finished run as one HTML page and return its path, by default `report.html` in `folder`.

    data_root: where its data set lies now, if it was moved since the training; reranking: give its figures too. Errors
    as in `run_sections`; also `InputError` where `output` is a folder.
    """
    path = output or inside(folder, "report.html")
    require_target(path)
    run = finished_run(folder, data_root)
    sections = run_sections(run, console, reranking=reranking)
    config = run.config
    data = run.record["data"]
    title = "drawn people" if data["name"] == "drawn" else data["name"]
    subtitle = f"{config.model.backbone} on {title}, {config.schedule.epochs} epochs, seed {config.seed}"
    write_page(path, run.folder.resolve().name, subtitle, sections)
    return path


def run_sections(
    run: Run, console: Console, *, tested: Config | None = None, reranking: Reranking | None = None
) -> list[Section]:
    """Return the sections of the report on a finished run.

    Args:
        run: The run.
        console: Shows the progress of embedding and ranking.
        tested: Settings whose test set, feature and metric are taken in place of the run's own.
        reranking: Settings of re-ranking, for its figures beside those without.

    Raises `InputError` where its data set is not where, or not what, it was.
    """
    config = run.config
    if tested is None:
        test = prepare_own_tests(run, console, further=False)[0]
    else:
        test = prepare_main_test(tested, console, learned=config.data)
    notes = [f"Note: {warning}" for warning in test.data.warnings]
    model = run.model((tested or config).evaluation)
    embedded = replace(test.embed(model, console), threshold=model.threshold if tested is None else None)
    result = embedded.evaluate(console)
    others: Mapping[str, Any] = {}
    if tested is None:
        notes += _differences(run.metrics, result)
        if (verdict := verdict_of(run)) is not None:
            notes.append(f"Verdict: {verdict.sentence}.")
        others = run.metrics.get("tested", {})
    others = {**reranked_figures(embedded, Protocol(reranking=reranking), console), **others}
    notes += [f"Note: {doubt}" for doubt in embedded.doubts(Protocol(reranking=reranking))]
    images = ImageGallery(test.query.table, test.query.packed), ImageGallery(test.gallery.table, test.gallery.packed)
    found, strips = retrieval_sections(embedded, result, *images, console)
    return [
        results.result_section(result, (len(embedded.query), len(embedded.gallery)), others, notes),
        results.learning_section(run.log, run.metrics, config.schedule.epochs),
        *found[:3],
        showing.activation_section(model, strips, *images),
        *found[3:],
        results.cost_section(run.metrics, _network(model)),
        results.settings_section(
            as_plain(config),
            as_plain(Config()),
            command_line("train", "--recipe", run.folder / "config.yaml", "--name", "again"),
        ),
        results.environment_section(run.record),
    ]


def report_features(
    query: Path, gallery: Path, output: Path | None, console: Console, protocol: Protocol = USUAL
) -> Path:
    """Write the report on features of any model as one HTML page; return its path, by default beside the query file.

    query, gallery: .npz files with the arrays features, person and camera, and perhaps `path`: where each image lies,
    from the file's own folder. Pictures are shown where all of them are there, otherwise their names.
    """
    path = output or query.with_name("report.html")
    require_target(path)
    test = load_test(query, gallery, protocol)
    result = test.evaluate(console)
    images = _images(query, test.query, console), _images(gallery, test.gallery, console)
    found, _ = retrieval_sections(test, result, *images, console)
    notes = [f"Note: {doubt}" for doubt in test.doubts(protocol)]
    others = reranked_figures(test, protocol, console)
    sections = [results.result_section(result, (len(test.query), len(test.gallery)), others, notes), *found]
    write_page(path, f"{query.name}, {gallery.name}", "Features of any model", sections)
    return path


def reranked_figures(test: EmbeddedTest, protocol: Protocol, console: Console) -> dict[str, Any]:
    """Return the figures with re-ranking by the name of their row, where it is asked for."""
    again = protocol.reranking
    if again is None:
        return {}
    name = f"the same, re-ranked (k1 {again.k1}, k2 {again.k2}, distance weight {again.distance_weight:g})"
    return {name: test.evaluate(console, protocol).to_json()}


def _images(file: Path, side: Embeddings, console: Console) -> ImageGallery:
    """Return what can be shown of the images of a file of features."""
    names = read_arrays(file, ("features", "path"), ("features",)).get("path")
    if names is None:
        return ImageGallery(side)
    if names.dtype.kind != "U" or names.shape != (len(side),):
        raise InputError(f"{file}: The array path must be text [{len(side)}]; it is {names.dtype} {list(names.shape)}.")
    paths = [str(file.parent / name) for name in names.tolist()]
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        console.say(f"{len(missing):,} of {len(paths):,} images are missing, such as {missing[0]}: names are shown.")
    return ImageGallery(side, None if missing else ImageFiles(paths), names.tolist())


def retrieval_sections(
    test: EmbeddedTest, result: RetrievalResult, query: ImageGallery, gallery: ImageGallery, console: Console
) -> tuple[list[Section], list[RankedList]]:
    """Return the sections on thresholds, strips, people and confusions, and the lists that the strips show."""
    metric, same_camera = test.metric, test.same_camera
    people = {*test.query.person.tolist(), *test.gallery.person.tolist()} - {JUNK}
    verification = test.verify(console) if len(people) > 1 else None  # else nobody can be accepted wrongly
    strips = {
        name: ranked_lists(test.query, test.gallery, rows, metric=metric, same_camera=same_camera)
        for name, rows in pick_queries(result, test.query.person, STRIPS).items()
    }
    with console.bar("Looking for confusions") as report:
        confusions = hardest_pairs(
            test.query, test.gallery, PAIRS, metric=metric, same_camera=same_camera, progress=report
        )
    found = usual_open_set(test, console)
    identified = (
        Section(open_set.TITLE, [Text("There are fewer than two people to enrol one of, and leave one out.")])
        if found is None
        else open_set.open_set_section(found.sizes, found.protocol.rates, found.intervals, remarks(found))
    )
    return [
        results.thresholds_section(result, verification),
        identified,
        showing.strips_section(strips, query, gallery, result.average_precision.tolist()),
        showing.plane_section(test.query, test.gallery, gallery, metric),
        showing.confusions_section(confusions, query, gallery),
    ], [found for lists in strips.values() for found in lists]


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
