"""The demo: people are drawn, two recipes are trained on them, and what each finds is shown side by side.

It goes the way of a real data set: files on disk in Market-1501's layout, read, decoded, trained on, ranked. What is
shown follows a rule that is the same for every seed: queries evenly spread over the test set, whoever they are. Stopped
and started again, it goes on where it was.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from strongreid import build
from strongreid.config import Config
from strongreid.drawn import draw_people, occluded_queries
from strongreid.errors import command_line
from strongreid.evaluation import Reranking, RetrievalResult, nearest
from strongreid.files import inside
from strongreid.models import ReIDModel
from strongreid.recipes import read_config, recipe_path
from strongreid.recipes.values import with_values
from strongreid.reports.console import Console
from strongreid.reports.images import figure_picture
from strongreid.reports.page import Pictures, Section, Table, Text, write_page
from strongreid.reports.plots import cmc_figure, curves_figure, loss_names
from strongreid.reports.results import better_worse_section, duration
from strongreid.reports.strips import QueryRow, Strip, draw_strips, strips_figure
from strongreid.runs import train
from strongreid.runs.compare import comparison_sentences
from strongreid.runs.evaluate_features import EmbeddedTest, Protocol
from strongreid.runs.folder import Run
from strongreid.runs.test_sets import TestSet, prepare

RECIPES: Final = ("standard_baseline", "bag_of_tricks")
SHOWN_QUERIES: Final = 12
SHOWN_RANKS: Final = 6
STEPS: Final = {"drawing": 0.1, "standard_baseline": 0.35, "bag_of_tricks": 0.45, "showing": 0.1}
"""What the demo does, and which share of its time that takes on two idle cores (measured, rounded)."""
WHAT_IT_IS: Final = (
    "Re-identification: given a picture of a person, find the same person in the pictures of other cameras."
)


@dataclass(frozen=True)
class _Row:
    """A row of the demo's table."""

    name: str
    result: RetrievalResult
    seconds: float | None = None
    embedded: EmbeddedTest | None = None
    """The features behind it; None for a row that ranks another row's features again."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo shows, for whoever shows it elsewhere, such as the documentation."""

    columns: list[str]
    cells: list[list[str]]
    """The table: a row for each network, and one for re-ranking."""
    sentences: list[str]
    """What was seen, in words."""
    queries: list[QueryRow]
    """The shown queries, in the test set's order, with what each network found."""
    page: Path


def run_demo(output: Path, seed: int, console: Console) -> DemoResult:
    """Draw, train, evaluate and show, below `output`; two to five minutes on two CPU cores."""
    console.say(WHAT_IT_IS)
    steps = _Steps(console)
    drawn = output / "drawn"
    configs = {name: _config(name, drawn, output, seed) for name in RECIPES}
    with steps.step("drawing", "drawing 190 people, 110 to learn from and 80 to search for"):
        if not drawn.is_dir():
            with console.bar("Drawing people") as report:
                draw_people(drawn, seed=seed, progress=report)
        prepared = prepare(configs[RECIPES[0]], console)
    (test,) = prepared.tests
    runs = {}
    for name, config in configs.items():
        with steps.step(name, f"training {name} on the 110 people"):
            folder = train.run_folder(config, name)
            runs[name] = train.resume(Run(folder), console) if folder.is_dir() else train.start(config, folder, console)
    with steps.step("showing", "searching 80 other people with what was learned"):
        untrained = build.build_model(configs[RECIPES[0]], len(prepared.data.train.people))
        rows = [_searched("untrained", untrained, test, None, console)]
        for name, run in runs.items():
            seconds = sum(run.metrics.get(part) or 0 for part in ("training_seconds", "evaluation_seconds"))
            rows.append(_searched(name, run.model(), test, seconds, console))
        again = rows[-1].embedded
        assert again is not None
        rows.append(_Row("+ re-ranking", again.evaluate(console, Protocol(reranking=Reranking()))))
        queries = _shown_queries(rows, test, drawn)
        title = f"What each network finds in {len(test.gallery.packed)} pictures"
        draw_strips(queries, inside(output, "strips.png"), title=title)
        page = _write_page(output, rows, queries, list(runs.values()), title)
    found = DemoResult(*_table(rows), _sentences(rows), queries, page)
    people = f"Drawn people, {len(test.query.table)} queries, {len(test.gallery.table)} gallery images (percent)"
    console.table(people, found.columns, found.cells)
    console.say(*found.sentences)
    console.say(f"Pictures: {output / 'strips.png'}", f"The page with all of it: {page}", "To try next:")
    console.say(
        f"  {command_line('report', runs['bag_of_tricks'].folder)}",
        f"  {command_line('compare', *(run.folder for run in runs.values()))}",
        f"  {command_line('train', 'drawn', drawn, '--epochs', '48', '--output', output, '--name', 'longer')}",
    )
    return found


class _Steps:
    """Announces the steps of the demo, and how long the rest may take by how long the work so far took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seconds = self._shares = 0.0

    @contextmanager
    def step(self, name: str, words: str) -> Iterator[None]:
        number = list(STEPS).index(name)
        left = sum(list(STEPS.values())[number:])
        known = self._shares > 0 and self._seconds / self._shares > 10  # finished steps are only read
        time_left = f"about {duration(left * self._seconds / self._shares)}" if known else "2 to 5 min on two cores"
        self._console.say(f"{number + 1}/{len(STEPS)} {words} ({time_left} left)")
        began = time.monotonic()
        yield
        self._seconds += time.monotonic() - began
        self._shares += STEPS[name]


def _config(name: str, drawn: Path, output: Path, seed: int) -> Config:
    base = read_config(recipe_path(f"{name}_small"))
    values = {"name": name, "output": output, "seed": seed, "data.name": "drawn", "data.root": drawn}
    return with_values(base, values)


def _searched(name: str, model: ReIDModel, test: TestSet, seconds: float | None, console: Console) -> _Row:
    embedded = test.embed(model, console)
    return _Row(name, embedded.evaluate(console), seconds, embedded)


def _shown_queries(rows: Sequence[_Row], test: TestSet, drawn: Path) -> list[QueryRow]:
    """Return what each network found for the shown queries, which are evenly spread over the test set."""
    shown = np.linspace(0, len(test.query.table) - 1, SHOWN_QUERIES).round().astype(np.int64)
    occluded = occluded_queries(drawn)
    ranked = {
        row.name: nearest(row.embedded.query.take(shown), row.embedded.gallery, SHOWN_RANKS, metric=row.embedded.metric)
        for row in rows
        if row.embedded is not None
    }
    found = []
    for number, query in enumerate(shown.tolist()):
        person = test.query.table.person[query]
        strips = {
            row.name.replace("_", " "): Strip(
                list(test.gallery.packed[ranked[row.name][number]].numpy()),
                (test.gallery.table.person[ranked[row.name][number]] == person).tolist(),
                float(row.result.average_precision[query]),
            )
            for row in rows
            if row.name in ranked
        }
        label = "occluded" if Path(test.query.table.path[query]).name in occluded else ""
        found.append(QueryRow(test.query.packed[shown[number : number + 1]][0].numpy(), strips, label))
    return found


def _write_page(
    output: Path, rows: Sequence[_Row], queries: Sequence[QueryRow], runs: Sequence[Run], title: str
) -> Path:
    """Write the page about both trainings: figures, what got better and worse, what was found, how it was learned."""
    _, before, after, _ = rows
    logs = {run.name: run.log for run in runs}
    losses = [name for name in loss_names(line for log in logs.values() for line in log) if name != "center"]
    caption = "CMC: for how many queries a match is among the k nearest."
    curves = [figure_picture(cmc_figure({row.name: row.result.cmc for row in rows}), "CMC of all networks", caption)]
    curves += [
        figure_picture(curves_figure(logs, (name,), label=f"{name} loss"), f"Curves of the {name} loss")
        for name in losses
    ]
    picture = figure_picture(strips_figure(queries, title), title, "Queries are evenly spread, not chosen.", wide=True)
    sections = [
        Section("Result", [Table(*_table(rows)), *map(Text, _sentences(rows))], WHAT_IT_IS),
        better_worse_section(before.name, before.result, after.name, after.result),
        Section("What each network finds", [Pictures([picture])]),
        Section("Curves", [Pictures(curves)]),
    ]
    page = inside(output, "report.html")
    write_page(page, "strongreid demo", "drawn people", sections)
    return page


def _table(rows: Sequence[_Row]) -> tuple[list[str], list[list[str]]]:
    cells = [
        [row.name, f"{100 * row.result.rank(1):.1f}", f"{100 * row.result.mean_ap:.1f}", duration(row.seconds)]
        for row in rows
    ]
    return ["", "rank-1", "mAP", "time"], cells


def _sentences(rows: Sequence[_Row]) -> list[str]:
    """Say what was seen, good or bad."""
    untrained, before, after, _ = rows
    first, then = (round(100 * row.result.rank(1)) for row in (untrained, after))
    lines = [
        f"Untrained, {first} of 100 searches have the right person first; after a training of "
        f"{duration(after.seconds)}, {then} of 100.",
        f"{after.name} against {before.name}, one training each:",
    ]
    return [*lines, *comparison_sentences(before.result, after.result)]
