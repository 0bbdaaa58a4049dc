"""The demo: people are drawn, two recipes are trained on them, and what each finds is shown side by side.

It goes the way of a real data set: files on disk in Market-1501's layout, read, decoded, trained on, ranked. Stopped
and started again, it goes on where it was.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strongreid import build
from strongreid.config import Config
from strongreid.drawn import draw_people
from strongreid.evaluation import RetrievalResult, nearest
from strongreid.models import ReIDModel
from strongreid.recipes import read_config, recipe_path
from strongreid.recipes.values import with_values
from strongreid.reports.console import Console
from strongreid.reports.strips import QueryRow, Strip, draw_strips
from strongreid.runs import train
from strongreid.runs.evaluate_features import EmbeddedTest
from strongreid.runs.test_sets import TestSet, prepare

RECIPES = ("standard_baseline", "bag_of_tricks")
SHOWN_QUERIES = 12
"""Queries on the picture; they are spread evenly over the test set, not chosen by how well they went."""
SHOWN_RANKS = 6


@dataclass(frozen=True)
class _Row:
    """A network of the demo: its row in the table and on the picture."""

    name: str
    embedded: EmbeddedTest
    result: RetrievalResult
    seconds: float | None


def run_demo(output: Path, seed: int, console: Console) -> None:
    """Draw, train, evaluate and show, below `output`; two to five minutes on two CPU cores."""
    drawn = output / "drawn"
    if not drawn.is_dir():
        with console.bar("Drawing people") as report:
            draw_people(drawn, seed=seed, progress=report)
    configs = {name: _config(name, drawn, output, seed) for name in RECIPES}
    prepared = prepare(configs["standard_baseline"], console)
    (test,) = prepared.tests

    untrained = build.build_model(configs["standard_baseline"], len(prepared.data.train.people))
    rows = [_evaluate("untrained", untrained, test, None, console)]
    for name, config in configs.items():
        folder = train.run_folder(config, name)
        run = train.resume(folder, console) if folder.is_dir() else train.start(config, folder, console)
        seconds = sum(run.metrics.get(name) or 0 for name in ("training_seconds", "evaluation_seconds"))
        rows.append(_evaluate(name, run.model(), test, seconds, console))

    picture = output / "strips.png"
    _draw(rows, test, picture)
    console.table(
        f"Drawn people, {len(test.query.table)} queries, {len(test.gallery.table)} gallery images (percent)",
        ("", "rank-1", "mAP", "time"),
        [
            [row.name, f"{100 * row.result.rank(1):.1f}", f"{100 * row.result.mean_ap:.1f}", _time(row.seconds)]
            for row in rows
        ],
    )
    console.say(f"What each network found for {SHOWN_QUERIES} queries: {picture}")
    console.say(f"The drawn people: {drawn}   The runs: {', '.join(str(output / name) for name in RECIPES)}")


def _config(name: str, drawn: Path, output: Path, seed: int) -> Config:
    base = read_config(recipe_path(f"{name}_small"))
    return with_values(base, {"name": name, "output": output, "seed": seed, "data.root": drawn})


def _evaluate(name: str, model: ReIDModel, test: TestSet, seconds: float | None, console: Console) -> _Row:
    embedded = test.embed(model, console)
    return _Row(name, embedded, embedded.evaluate(console), seconds)


def _draw(rows: list[_Row], test: TestSet, path: Path) -> None:
    """Draw what each network found for the shown queries."""
    shown = np.linspace(0, len(test.query.table) - 1, SHOWN_QUERIES).round().astype(np.int64)
    ranked = [
        nearest(row.embedded.query.take(shown), row.embedded.gallery, SHOWN_RANKS, metric=row.embedded.metric)
        for row in rows
    ]
    drawn = []
    for number, query in enumerate(shown.tolist()):
        person = test.query.table.person[query]
        strips = {
            row.name.replace("_", " "): Strip(
                list(test.gallery.packed[found[number]].numpy()),
                (test.gallery.table.person[found[number]] == person).tolist(),
                float(row.result.average_precision[query]),
            )
            for row, found in zip(rows, ranked, strict=True)
        }
        drawn.append(QueryRow(test.query.packed[shown[number : number + 1]][0].numpy(), strips))
    draw_strips(drawn, path, title=f"What each network finds in {len(test.gallery.packed)} images")


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
