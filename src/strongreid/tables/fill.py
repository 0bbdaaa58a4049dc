"""Filling a table: each training that is not finished is started or gone on with, each row measured, the table written.

Everything done is a file of its own, so a sweep that is stopped or killed loses at most the current epoch. The table
is written anew after every row.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from strongreid.drawn import draw_people
from strongreid.errors import InputError
from strongreid.evaluation import Reranking, evaluate
from strongreid.files import only_process
from strongreid.recipes import read_config, recipe_path
from strongreid.reports.console import Console
from strongreid.runs import test_sets, train
from strongreid.tables.cost import estimate
from strongreid.tables.outcome import RowOutcome, outcomes
from strongreid.tables.page import write_sweep_page
from strongreid.tables.plan import Direction, Measurement, Sweep
from strongreid.tables.write import explanation, table_cells, write_table

PAPER_SETS = ("market1501", "dukemtmc_reid")
"""The data sets of the paper's tables."""


def drawn_directions(output: Path, across: bool, console: Console) -> list[Direction]:
    """Draw people where they are not drawn yet: one set, or for a table across domains two that differ."""
    folders = [output / f"drawn-{domain}" for domain in ((0, 1) if across else (0,))]
    for domain, folder in enumerate(folders):
        with _sole_work_on(folder, console):
            if not folder.is_dir():
                with console.bar(f"Drawing people, domain {domain}") as report:
                    draw_people(folder, domain=domain, progress=report)
    words = [(f"--data.root={folder}",) for folder in folders]
    if not across:
        return [Direction("drawn people", words[0], words[0], PAPER_SETS[0])]
    return [
        Direction("drawn 0 -> drawn 1", words[0], words[1], " -> ".join(PAPER_SETS)),
        Direction("drawn 1 -> drawn 0", words[1], words[0], " -> ".join(reversed(PAPER_SETS))),
    ]


def data_directions(words: Sequence[str], other: Sequence[str], across: bool, papers_settings: bool) -> list[Direction]:
    """Return the directions on the user's own sets.

    words: choose the first set; other: the second one across domains; across: whether the table is one across domains;
    papers_settings: whether the rows are trained as the paper did.
    """
    sets = [read_config(recipe_path("bag_of_tricks"), part).data for part in (words, other) if part]
    names = [data.name for data in sets]
    if across and len(names) < 2:
        raise InputError("A table across domains needs a second data set: --other.name NAME --other.root DIR.")
    if not across and other:
        raise InputError("--other belongs to tables across domains, such as cross_domain.")
    if not across:
        known = names[0] in PAPER_SETS
        paper = names[0] if known else PAPER_SETS[0]
        return [Direction(names[0], tuple(words), tuple(words), paper, known and papers_settings)]
    known = set(names) == set(PAPER_SETS)
    if names[0] == names[1]:  # two sets of one kind: told apart by their folders
        names = [Path(data.root or "").name for data in sets]
    there, back = f"{names[0]} -> {names[1]}", f"{names[1]} -> {names[0]}"
    shown = (there, back) if known else (" -> ".join(PAPER_SETS), " -> ".join(reversed(PAPER_SETS)))
    return [
        Direction(there, tuple(words), tuple(other), shown[0], known and papers_settings),
        Direction(back, tuple(other), tuple(words), shown[1], known and papers_settings),
    ]


@contextmanager
def _sole_work_on(folder: Path, console: Console) -> Iterator[None]:
    """Wait until no other process works on `folder`, which need not exist yet: sweeps may share an output folder."""
    lock = folder.parent / ".locks" / folder.name
    with only_process(lock, lambda: console.say(f"Waiting for another process, which is at work on {folder}.")):
        yield


def show_plan(sweep: Sweep, console: Console) -> None:
    """Say what would be done: rows, trainings, images, and how long it may take here."""
    costs = {cost.training.folder: cost for cost in estimate(sweep)}
    rows, shown = [], set()
    for item in sweep.measurements:
        folder = item.training.folder
        cost = costs[folder]
        work = "shared with a row above"
        if folder not in shown:
            work = "finished" if item.training.finished else f"{cost.images:,} images, {_time(cost.seconds)}"
        shown.add(folder)
        if item.done:
            work = "measured"
        number = str(sweep.table.rows.index(item.row) + 1)
        rows.append(
            [f"{number} {item.row.name}", str(item.seed), item.direction.label, item.training.config.name or "", work]
        )
    console.table(sweep.table.title, ("row", "seed", "data", "training", "work"), rows)
    for row in sweep.rows:
        if row.to_come:
            console.say(f"Not run: {row.name}: {row.to_come}.")
    images, tested = (sum(getattr(cost, name) for cost in costs.values()) for name in ("images", "tested"))
    console.say(
        f"{len(sweep.trainings)} trainings for {len(sweep.measurements)} measurements. To do: {images:,} images in "
        f"training, {tested:,} in tests; about {_time(sum(cost.seconds for cost in costs.values()))} here, measured by "
        "a few steps just now."
    )


def reproduce(sweep: Sweep, console: Console) -> list[RowOutcome]:
    """Fill the table: train, measure, write; return what was measured. Go on after a stop by calling it again."""
    total = len(sweep.measurements)
    prepared: dict[str, test_sets.TestSet] = {}
    for number, item in enumerate(sweep.measurements, 1):
        if item.done:
            continue
        console.say(f"[{number}/{total}] {item.row.name}, seed {item.seed}, {item.direction.label}")
        _train(item, console)
        key = repr((item.test.data, item.test.model.image_size))
        if key not in prepared:
            prepared = {key: test_sets.prepare_tests(item.test, console)[0]}
        _measure(item, prepared[key], console)
        write_table(sweep.so_far(), outcomes(sweep.so_far()))
    found = outcomes(sweep)
    write_table(sweep, found)
    write_sweep_page(sweep, found, console)
    return found


def _train(item: Measurement, console: Console) -> None:
    folder = item.training.folder
    with _sole_work_on(folder, console):
        if item.training.finished:
            return
        if folder.is_dir():
            train.resume(folder, console, item.training.config.data)
        else:
            train.start(item.training.config, folder, console)


def _measure(item: Measurement, test: test_sets.TestSet, console: Console) -> None:
    model = test_sets.load_model(item.training.folder, item.test)
    model.feature, model.metric = item.test.evaluation.feature, item.test.evaluation.metric
    query, gallery = test_sets.embed_test(model, test, console)
    with console.bar("Ranking") as report:
        result = evaluate(
            query,
            gallery,
            metric=model.metric,
            reranking=Reranking() if item.row.reranking else None,
            same_camera=test.data.same_camera,
            progress=report,
        )
    result.save(item.file)


def show(sweep: Sweep, found: Sequence[RowOutcome], console: Console) -> None:
    """Write the table to the console and say where its files are."""
    columns, rows = table_cells(found)
    console.table(sweep.table.title, columns, rows)
    console.say(explanation(sweep, found))
    console.say(f"The page: {sweep.folder / 'report.html'}   Table and pictures beside it.")


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
