"""Filling a table: each training that is not finished is started or gone on with, each row measured, the table written.

Everything done is a file of its own, so a sweep that is stopped or killed loses at most the current epoch. The table
is written anew after every row.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from strongreid.config_sections import DataConfig
from strongreid.data import set_name
from strongreid.drawn import draw_people
from strongreid.errors import InputError
from strongreid.files import inside, only_process
from strongreid.reports.console import Console
from strongreid.runs import train
from strongreid.runs.evaluate_features import Protocol
from strongreid.runs.folder import Run
from strongreid.runs.test_sets import TestSet, prepare_main_test
from strongreid.tables.cost import estimate
from strongreid.tables.matrix import matrix_tables
from strongreid.tables.outcome import RowOutcome, outcomes
from strongreid.tables.page import write_sweep_page
from strongreid.tables.plan import Direction, Measurement, Sweep
from strongreid.tables.spec import DRAWN_WORLD, ResultTable
from strongreid.tables.write import explanation, table_cells, write_table

PAPER_SETS = ("market1501", "dukemtmc_reid")
"""The data sets of the paper's tables."""


def drawn_directions(output: Path, across: bool, console: Console) -> list[Direction]:
    """Draw people where they are not drawn yet: one set, or for a table across domains two that differ."""
    sets = [_drawn_set(output, domain, console) for domain in ((0, 1) if across else (0,))]
    if not across:
        return [Direction("drawn people", sets[0], sets[0], PAPER_SETS[0])]
    return [
        Direction("drawn 0 -> drawn 1", sets[0], sets[1], " -> ".join(PAPER_SETS)),
        Direction("drawn 1 -> drawn 0", sets[1], sets[0], " -> ".join(reversed(PAPER_SETS))),
    ]


def _drawn_set(output: Path, domain: int, console: Console) -> DataConfig:
    folder = output / f"drawn-{domain}"
    with _sole_work_on(folder, console):
        if not folder.is_dir():
            with console.bar(f"Drawing people, domain {domain}") as report:
                draw_people(folder, domain=domain, progress=report)
    return DataConfig(root=folder)


def matrix_sets(table: ResultTable, data: DataConfig | None, output: Path, console: Console) -> dict[str, DataConfig]:
    """Return the sets of a matrix that there are, by name: drawn people, drawn where need be, and the user's set."""
    name = None if data is None else set_name(data.name, data.root or Path())
    own = [one for one in table.matrix if not one.startswith(DRAWN_WORLD)]
    if name is not None and not own:
        raise InputError(f"{table.name} takes drawn people alone, not {name}: leave out --data.name and --data.root.")
    if name is not None and name not in own:
        raise InputError(
            f"{table.name} takes {' or '.join(own)}, not {name}; what is not given is missing in its matrix."
        )
    there = [one for one in table.matrix if one not in own or one == name]
    if len(there) < 2:
        raise InputError(
            f"No cell of the matrix of {table.name} can be filled: of its sets, {', '.join(table.matrix)}, there is "
            f"{there[0] if there else 'none'} here, and each cell takes two. One of {' or '.join(own)} can be given by "
            "--data.name NAME --data.root DIR; drawn ones, such as drawn 0, are always there."
        )
    found = {}
    for one in table.matrix:
        if one.startswith(DRAWN_WORLD):
            found[one] = _drawn_set(output, int(one.removeprefix(DRAWN_WORLD)), console)
        elif one == name and data is not None:
            found[one] = data
    return found


def data_directions(data: DataConfig, other: DataConfig | None, *, papers_settings: bool) -> list[Direction]:
    """Return the directions on the user's own sets.

    data: the first set; other: for a table across domains the second one; papers_settings: whether the rows are trained
    as the paper did.
    """
    name = _called(data)
    if other is None:
        known = name in PAPER_SETS
        return [Direction(name, data, data, name if known else PAPER_SETS[0], known and papers_settings)]
    names = [name, _called(other)]
    like_paper = set(names) == set(PAPER_SETS)
    papers = names if like_paper else list(PAPER_SETS)
    if names[0] == names[1]:  # two sets of one kind: told apart by their folders
        names = [Path(one.root or "").name for one in (data, other)]
    return [
        Direction(" -> ".join(names), data, other, " -> ".join(papers), like_paper and papers_settings),
        Direction(" -> ".join(names[::-1]), other, data, " -> ".join(papers[::-1]), like_paper and papers_settings),
    ]


def _called(data: DataConfig) -> str:
    name = set_name(data.name, data.root or Path())
    return "drawn people" if name == "drawn" else name


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
    images, tested = (sum(getattr(cost, name) for cost in costs.values()) for name in ("images", "tested"))
    console.say(
        f"{len(sweep.trainings)} trainings for {len(sweep.measurements)} measurements. To do: {images:,} images in "
        f"training, {tested:,} in tests; about {_time(sum(cost.seconds for cost in costs.values()))} here, measured by "
        "a few steps just now."
    )


def reproduce(sweep: Sweep, console: Console) -> list[RowOutcome]:
    """Fill the table: train, measure, write; return what was measured. Go on after a stop by calling it again."""
    total = len(sweep.measurements)
    prepared: dict[str, TestSet] = {}
    for number, item in enumerate(sweep.measurements, 1):
        if item.done:
            continue
        console.say(f"[{number}/{total}] {item.row.name}, seed {item.seed}, {item.direction.label}")
        run = _trained(item, console)
        learned = item.training.config.data
        key = repr((item.test.data, item.test.model, learned))
        if key not in prepared:
            prepared = {key: prepare_main_test(item.test, console, learned=learned)}
        embedded = prepared[key].embed(run.model(item.test.evaluation), console)
        protocol = Protocol(reranking=item.row.reranking)
        embedded.warn(console, protocol)
        result = embedded.evaluate(console, protocol)
        result.save(inside(item.file.parent, item.file.name))
        write_table(sweep.so_far(), outcomes(sweep.so_far()))
    found = outcomes(sweep)
    write_table(sweep, found)
    write_sweep_page(sweep, found, console)
    return found


def _trained(item: Measurement, console: Console) -> Run:
    """Return the measurement's training; start it, or go on with it, where it is not finished."""
    training = item.training
    with _sole_work_on(training.folder, console):
        if training.finished:
            return Run(training.folder)
        if training.folder.is_dir():
            return train.resume(Run(training.folder), console, training.config.data)
        return train.start(training.config, training.folder, console)


def show(sweep: Sweep, found: Sequence[RowOutcome], console: Console) -> None:
    """Write the table to the console and say where its files are."""
    for table in matrix_tables(sweep, found):
        console.table(table.title, table.columns, table.rows)
    columns, rows = table_cells(found)
    console.table(sweep.table.title, columns, rows)
    console.say(explanation(sweep, found))
    console.say(f"The page: {sweep.folder / 'report.html'}   Table and pictures beside it.")


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
